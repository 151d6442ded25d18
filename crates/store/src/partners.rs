//! Partners: their registration, their settings, and what is decided about their data.
//!
//! They have a table of their own, because the recording functions need them and may read nothing else. A partner is one
//! item with the attributes `settings`, `registration` and `lifecycle`, each JSON and each changed under a condition of its
//! own. `lv` is the number of changes of the lifecycle. `g` puts registered partners into the index `registered`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::{
    control::{is_done, json, text},
    error::Error,
};
use domain::{
    activity::PartnerId,
    lifecycle::{Lifecycle, REMEMBERED_SECONDS},
    partner::Registration,
    quota::Limits,
    time::{Instant, Month, seconds_between},
};

/// The number of partners that a process remembers. Beyond it the process forgets all of them, to bound its memory.
const MAX_REMEMBERED: usize = 10_000;
/// The number of tries of a change that others overtake.
const MAX_CHANGE_TRIES: usize = 20;
/// The key of the index `registered`, which has one partition.
const GROUP: &str = "registered";

/// The most shards of a month. Each takes about 1,000 activities a second.
pub const MAX_SHARDS: u8 = 64;

/// A number of shards and the first month that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardsFrom {
    /// The first month.
    pub from: Month,
    /// The number of shards of this month and all later ones, 1 to 64.
    #[schema(minimum = 1, maximum = 64)]
    pub shards: u8,
}

/// The number of seconds after which a feed begins that is switched on: processes remember settings for a minute, and the
/// request that switches it on takes at most half a minute.
pub const FEED_BEGINS_AFTER_SECONDS: i64 = REMEMBERED_SECONDS + 30;

/// A feed that is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// The time of recording from which on the feed misses nothing.
    pub begins_at: Instant,
}

/// A partner's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The numbers of shards, in the order of their first months. Months before the first entry have one shard.
    pub shards: Vec<ShardsFrom>,
    /// The partner's own limits. The limits of the installation hold for the others.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// The feed; none if it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,
    /// Whether the partner has streams. Recorders then mark the partner as due.
    #[serde(default, skip_serializing_if = "is_false")]
    pub streams: bool,
    /// The time at which the settings were saved.
    pub updated_at: Option<Instant>,
    /// The name of the person or machine that saved the settings.
    pub updated_by: Option<String>,
    /// The subject of that person or machine. Earlier versions did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by_subject: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Settings {
    /// The number of shards that a new month gets.
    pub fn shards(&self, month: Month) -> u8 {
        self.shards.iter().rfind(|step| step.from <= month).map_or(1, |step| step.shards)
    }

    /// Returns these settings with another number of shards from a month on. Later entries go away.
    #[must_use]
    pub fn with_shards(mut self, step: ShardsFrom) -> Self {
        self.shards.retain(|earlier| earlier.from < step.from);
        if self.shards(step.from) != step.shards {
            self.shards.push(step);
        }
        self
    }
}

/// What the table holds of a partner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerRecord {
    /// The settings.
    pub settings: Settings,
    /// The entry in the registry; none if nobody has registered the partner.
    pub registration: Option<Registration>,
    /// What is decided about the partner's data.
    pub lifecycle: Lifecycle,
}

/// A partner as a process remembers it, and when it was read.
type Remembered = HashMap<PartnerId, (Instant, Arc<PartnerRecord>)>;

/// The table of partners. Cheap to clone; clones remember together.
#[derive(Clone, Debug)]
pub struct Partners {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
    default_months: Option<u32>,
    remembered: Arc<Mutex<Remembered>>,
}

impl Partners {
    /// Opens the table by its name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { dynamodb, table: table.into(), default_months: None, remembered: Arc::default() }
    }

    /// Returns these partners with the installation's retention, in months. Without it, partners keep for ever.
    #[must_use]
    pub fn with_default_retention(self, months: Option<u32>) -> Self {
        Self { default_months: months, ..self }
    }

    /// The installation's retention, in months; none for ever.
    pub fn default_months(&self) -> Option<u32> {
        self.default_months
    }

    /// The name of the table.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Reads what is stored of a partner, with strong consistency.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn read(&self, partner: &PartnerId) -> Result<PartnerRecord, Error> {
        let got = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(partner.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of a partner", error))?;
        parse_record(&got.item.unwrap_or_default())
    }

    /// Returns what was stored of a partner within the last [`REMEMBERED_SECONDS`].
    ///
    /// # Errors
    /// When the table fails.
    pub async fn recent(&self, partner: &PartnerId, now: Instant) -> Result<Arc<PartnerRecord>, Error> {
        let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(partner).cloned();
        if let Some((read_at, record)) = known
            && (0..REMEMBERED_SECONDS).contains(&seconds_between(read_at, now))
        {
            return Ok(record);
        }
        self.refresh(partner, now).await
    }

    /// Reads what is stored of a partner, with strong consistency, and remembers it for [`Self::recent`].
    ///
    /// # Errors
    /// When the table fails.
    pub(crate) async fn refresh(&self, partner: &PartnerId, now: Instant) -> Result<Arc<PartnerRecord>, Error> {
        // Boxed, because the SDK's future is large and every caller would carry it in its own.
        let record = Arc::new(Box::pin(self.read(partner)).await?);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(partner.clone(), (now, Arc::clone(&record)));
        Ok(record)
    }

    /// Reads a partner's settings, or the defaults if it has none.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn settings(&self, partner: &PartnerId) -> Result<Settings, Error> {
        Ok(self.read(partner).await?.settings)
    }

    /// Saves a partner's settings in place of those that were read. Returns false if they were changed meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save(&self, partner: &PartnerId, read: &Settings, settings: &Settings) -> Result<bool, Error> {
        let values = [(":new", json(settings)?), (":read", json(read)?)];
        let condition = "attribute_not_exists(settings) OR settings = :read";
        self.update(partner, "SET settings = :new", condition, values.into(), "UpdateItem of settings").await
    }

    /// Notes that a partner has streams, and switches its feed on if it has none. Returns the feed.
    ///
    /// # Errors
    /// When the table fails, or others change the same settings again and again.
    pub async fn switch_streams_on(&self, partner: &PartnerId, now: Instant) -> Result<Feed, Error> {
        let begins = Feed { begins_at: now.plus_seconds(FEED_BEGINS_AFTER_SECONDS) };
        for _ in 0..MAX_CHANGE_TRIES {
            let read = self.settings(partner).await?;
            let feed = read.feed.unwrap_or(begins);
            let settings = Settings { feed: Some(feed), streams: true, ..read.clone() };
            if settings == read || self.save(partner, &read, &settings).await? {
                return Ok(feed);
            }
        }
        Err(overtaken())
    }

    /// Notes that a partner has no streams, if `settings` are still those that were read. The feed stays.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn switch_streams_off(&self, partner: &PartnerId, read: &Settings) -> Result<bool, Error> {
        if !read.streams {
            return Ok(true);
        }
        self.save(partner, read, &Settings { streams: false, ..read.clone() }).await
    }

    /// Saves a partner's registration in place of the one that was read. Returns false if it was changed meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_registration(
        &self,
        partner: &PartnerId,
        read: Option<&Registration>,
        registration: &Registration,
    ) -> Result<bool, Error> {
        let mut values = vec![(":new", json(registration)?), (":group", text(GROUP))];
        let condition = match read {
            None => "attribute_not_exists(registration)",
            Some(read) => {
                values.push((":read", json(read)?));
                "registration = :read"
            }
        };
        let change = "SET registration = :new, g = :group";
        self.update(partner, change, condition, values, "UpdateItem of a registration").await
    }

    /// Changes what is decided about a partner's data, and returns the result of the change and what holds from now on.
    ///
    /// The change is made on what is stored, and again if somebody else has changed that meanwhile. So it must not matter
    /// whether it is made twice.
    ///
    /// # Errors
    /// When the table fails, or others change the same partner again and again. The inner error is the change's own.
    pub async fn change_lifecycle<T, E>(
        &self,
        partner: &PartnerId,
        mut change: impl FnMut(&mut Lifecycle) -> Result<T, E>,
    ) -> Result<Result<(T, Lifecycle), E>, Error> {
        for _ in 0..MAX_CHANGE_TRIES {
            let read = self.read(partner).await?.lifecycle;
            let mut changed = read.clone();
            let result = match change(&mut changed) {
                Ok(result) => result,
                Err(refused) => return Ok(Err(refused)),
            };
            if changed == read {
                return Ok(Ok((result, changed)));
            }
            changed.version = read.version + 1;
            let version = |version: u64| AttributeValue::N(version.to_string());
            let mut values = vec![(":new", json(&changed)?), (":next", version(changed.version))];
            let condition = if read.version == 0 {
                "attribute_not_exists(lv)"
            } else {
                values.push((":version", version(read.version)));
                "lv = :version"
            };
            let change = "SET lifecycle = :new, lv = :next";
            if self.update(partner, change, condition, values, "UpdateItem of a lifecycle").await? {
                return Ok(Ok((result, changed)));
            }
        }
        let source = "others change the same partner again and again".into();
        Err(Error::Unavailable { operation: "UpdateItem of a lifecycle", source })
    }

    /// Removes settings and registration of a partner whose data are deleted. What is decided about its data stays.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn remove_registration(&self, partner: &PartnerId) -> Result<(), Error> {
        let change = "REMOVE settings, registration, g";
        let removed = self.update(partner, change, "attribute_exists(pk)", Vec::new(), "UpdateItem of a registration");
        removed.await.map(drop)
    }

    /// Lists registered partners in the order of their ids, at most `limit`, behind `after`. A partner that was just
    /// registered may be missing for a moment. Returns the id behind which the list goes on, if it does.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list(
        &self,
        limit: usize,
        after: Option<&str>,
    ) -> Result<(Vec<(PartnerId, PartnerRecord)>, Option<String>), Error> {
        let start = after.map(|after| HashMap::from([("pk".to_owned(), text(after)), ("g".to_owned(), text(GROUP))]));
        let answer = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .index_name("registered")
            .key_condition_expression("g = :group")
            .expression_attribute_values(":group", text(GROUP))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Error::sdk("Query of partners", error))?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| key.get("pk")?.as_s().ok()).cloned();
        let mut found = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let id = item.get("pk").and_then(|value| value.as_s().ok()).map_or("", String::as_str);
            let id = PartnerId::parse(id).map_err(|error| Error::permanent("reading a partner", error))?;
            found.push((id, parse_record(&item)?));
        }
        Ok((found, next))
    }

    /// Changes a partner's item under a condition. Returns false if the condition is not met.
    async fn update(
        &self,
        partner: &PartnerId,
        change: &str,
        condition: &str,
        values: Vec<(&str, AttributeValue)>,
        operation: &'static str,
    ) -> Result<bool, Error> {
        let mut update = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(partner.to_string()))
            .update_expression(change)
            .condition_expression(condition);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let done = is_done(update.send().await.map(drop), operation)?;
        // This process sees its own change at once.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(partner);
        Ok(done)
    }
}

fn overtaken() -> Error {
    let source = "others change the same settings again and again".into();
    Error::Unavailable { operation: "UpdateItem of settings", source }
}

fn parse_record(item: &HashMap<String, AttributeValue>) -> Result<PartnerRecord, Error> {
    fn member<T: DeserializeOwned>(item: &HashMap<String, AttributeValue>, name: &str) -> Result<Option<T>, Error> {
        let text = item.get(name).and_then(|value| value.as_s().ok());
        let read = text.map(|text| serde_json::from_str(text)).transpose();
        read.map_err(|error| Error::permanent("reading a partner", error))
    }
    Ok(PartnerRecord {
        settings: member(item, "settings")?.unwrap_or_default(),
        registration: member(item, "registration")?,
        lifecycle: member(item, "lifecycle")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_shards_replaces_those_of_later_months() {
        let month = |text| Month::parse(text).unwrap();
        let step = |from, shards| ShardsFrom { from: month(from), shards };
        let settings = Settings::default().with_shards(step("2026-06", 8)).with_shards(step("2026-09", 16));
        for (at, shards) in [("2026-05", 1), ("2026-06", 8), ("2026-08", 8), ("2026-09", 16), ("2030-01", 16)] {
            assert_eq!(settings.shards(month(at)), shards, "{at}");
        }
        let replaced = settings.with_shards(step("2026-08", 2));
        assert_eq!(replaced.shards, [step("2026-06", 8), step("2026-08", 2)]);
        assert_eq!(replaced.with_shards(step("2026-07", 8)).shards, [step("2026-06", 8)]);
    }
}
