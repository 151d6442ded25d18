//! Recording: one activity or many, each conditionally, each answered for itself.

use std::{collections::HashSet, pin::pin, time::Duration};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::{PutItem, PutItemError},
    types::ReturnValuesOnConditionCheckFailure,
};
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    runtime_plugin::RuntimePlugin as _,
    ser_de::{DeserializeResponse as _, SharedResponseDeserializer},
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::time::{timeout, timeout_at};

use super::{
    Ledger,
    item::{self, Item, Items, NewItem},
    late::may_be_late,
    read_month,
};
use crate::{error::Error, partners::Partners};
use domain::{
    activity::{Activity, Details, NewActivity, PartnerId},
    time::{Instant, Month},
};

/// How many activities of a batch are written at a time: enough to hide the store's answer time, few enough for the
/// connections and the memory of a small function.
const CONCURRENCY: usize = 32;

/// No function runs longer; it keeps the sum with the clock within what a clock can show.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How recording ended well.
#[derive(Debug)]
pub enum Recorded {
    /// The activity is new.
    New(Activity),
    /// The same activity was there already: here it is.
    Duplicate(Activity),
}

/// Why an activity was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another activity has this id and time.
    #[error("an activity with this id and occurred_at and other content is recorded already")]
    Conflict,
    /// A store failed.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// Writes into the ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    ledger: Ledger,
    partners: Partners,
    grace_seconds: i64,
}

impl Recorder {
    /// A recorder into a ledger, with the settings of its partners. `grace_seconds` is how long after its end a month's
    /// export is made at the earliest; what is recorded later than that is marked as late.
    pub fn new(ledger: Ledger, partners: Partners, grace_seconds: i64) -> Self {
        Self { ledger, partners, grace_seconds }
    }

    /// Records an activity. An activity without an id gets a ULID.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] when its id and time belong to other content; nothing is written then.
    /// [`RecordError::Storage`] when a store failed or `time` was up: the activity may or may not be recorded, and sending
    /// the same again is safe if it has an id.
    pub async fn record(
        &self,
        partner: &PartnerId,
        new: NewActivity,
        now: Instant,
        time: Duration,
    ) -> Result<Recorded, RecordError> {
        match timeout(time, self.put(partner, new, now)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::time_is_up("recording").into()),
        }
    }

    async fn put(&self, partner: &PartnerId, mut new: NewActivity, now: Instant) -> Result<Recorded, RecordError> {
        let id = new.ensure_id(now);
        let NewActivity { occurred_at, entry, details, digest, .. } = new;
        let activity = Activity {
            partner: partner.clone(),
            id,
            occurred_at,
            recorded_at: now.truncated_to_millis(),
            entry,
            details: details.map_or(Details::None, Details::Here),
        };
        let month = occurred_at.utc_month();
        let shards = self.enter(partner, month).await?;
        let partition = item::partition(partner, month, item::shard_of(&activity.id, shards), shards);
        let late = may_be_late(occurred_at, now, self.grace_seconds);
        let place;
        let mut item = item::write(&activity, &partition, &digest, None, late);
        if let Details::Here(text) = &activity.details
            && item.size() > item::INLINE_ITEM_BYTES
        {
            place = Box::pin(self.ledger.put_details(&activity, &partition, text)).await?;
            item = item::write(&activity, &partition, &digest, Some(&place), late);
        }
        let stored = self.ledger.put_new(&item, "PutItem of an activity").await?;
        let Some(stored) = stored else { return Ok(Recorded::New(activity)) };
        let row = Items::one(partner, &stored).map_err(|error| Error::broken("reading an activity", error))?;
        if *row.digest() != digest {
            return Err(RecordError::Conflict);
        }
        // Apart or not, the same digest means the same details.
        Ok(Recorded::Duplicate(Activity { details: activity.details, ..row.activity().owned() }))
    }

    /// Records many activities side by side; one that fails does not stop the others. The answers stand in the order of
    /// the activities. What is not done when `time` is up is given up: it may or may not be recorded.
    pub async fn record_all(
        &self,
        partner: &PartnerId,
        activities: Vec<NewActivity>,
        now: Instant,
        time: Duration,
    ) -> Vec<Result<Recorded, RecordError>> {
        let deadline = tokio::time::Instant::now() + time.min(LONGEST);
        let mut outcomes: Vec<_> = activities.iter().map(|_| Err(Error::time_is_up("recording").into())).collect();
        let mut keys = HashSet::new();
        let mut months: Vec<Month> = Vec::new();
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for (index, mut new) in activities.into_iter().enumerate() {
            let id = new.ensure_id(now);
            let month = new.occurred_at.utc_month();
            if !months.contains(&month) {
                months.push(month);
            }
            // What stands in a batch twice is written one after the other, so that the first one wins.
            if keys.insert((new.occurred_at, id)) { first.push((index, new)) } else { repeated.push((index, new)) }
        }
        for month in months {
            // Ahead of the many that would all ask at once. If it fails, each of them asks, and answers for itself.
            if let Ok(Err(error)) = timeout_at(deadline, self.enter(partner, month)).await {
                tracing::warn!(%partner, %month, error = crate::error::causes(&error), "a month was not entered");
            }
        }
        for (width, wave) in [(CONCURRENCY, first), (1, repeated)] {
            let mut written = pin!(
                stream::iter(wave)
                    .map(|(index, new)| async move { (index, self.put(partner, new, now).await) })
                    .buffer_unordered(width)
            );
            while let Ok(Some((index, outcome))) = timeout_at(deadline, written.next()).await {
                outcomes[index] = outcome;
            }
        }
        outcomes
    }

    /// Sees to it that a month stands in the partner's directory; its number of shards there.
    async fn enter(&self, partner: &PartnerId, month: Month) -> Result<u8, Error> {
        if let Some(shards) = self.ledger.remembered(partner, month) {
            return Ok(shards);
        }
        let wanted = self.partners.settings(partner).await?.shards(month);
        let entry = NewItem::default()
            .text("pk", item::months_partition(partner))
            .text("sk", month.to_string())
            .number("n", u64::from(wanted));
        let shards = match self.ledger.put_new(&entry, "PutItem of a month").await? {
            None => wanted,
            // Whoever was first decided.
            Some(entry) => read_month(&entry)?.1,
        };
        self.ledger.remember(partner, month, shards);
        Ok(shards)
    }
}

impl Ledger {
    /// Puts an item where its key is free; where it is not, the item that is there.
    pub(super) async fn put_new(&self, item: &NewItem<'_>, operation: &'static str) -> Result<Option<Item>, Error> {
        let put = Put {
            table_name: &self.table,
            item,
            condition_expression: FREE,
            return_values_on_condition_check_failure: "ALL_OLD",
        };
        let body = serde_json::to_vec(&put).map_err(|error| Error::broken(operation, error))?;
        if let Some((status, body)) = self.short.put.call(body).await {
            match status {
                200 if body.trim_ascii() == b"{}" => return Ok(None),
                400 if let Some(stored) = there_already(body) => return Ok(Some(stored)),
                _ => self.short.put.mistrust(),
            }
        }
        let guide = self.short.put.guide();
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item.to_item()))
            .condition_expression(FREE)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .interceptor(guide.clone())
            .send();
        // Seldom gone, and large: not to be part of what every call carries along.
        match Box::pin(put).await {
            Ok(_) => {
                self.short.put.learn(&guide);
                Ok(None)
            }
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                stored(service.err())
                    .map(Some)
                    .ok_or_else(|| Error::broken(operation, "the stored item was not returned"))
            }
            Err(error) => Err(Error::sdk(operation, error)),
        }
    }
}

/// The condition that the key is free.
const FREE: &str = "attribute_not_exists(pk)";

/// PutItem's request.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    table_name: &'a str,
    item: &'a NewItem<'a>,
    condition_expression: &'static str,
    return_values_on_condition_check_failure: &'static str,
}

/// The item that a refusal of PutItem returns, as the SDK reads it; none where it is another refusal.
fn there_already(refusal: Vec<u8>) -> Option<Item> {
    let operation = PutItem::new().config()?;
    let deserializer = operation.load::<SharedResponseDeserializer>()?;
    let response = HttpResponse::new(400.try_into().ok()?, SdkBody::from(refusal));
    let refusal = deserializer.deserialize_nonstreaming_with_config(&response, &ConfigBag::base()).err()?;
    stored(refusal.as_operation_error()?.downcast_ref()?)
}

fn stored(refusal: &PutItemError) -> Option<Item> {
    match refusal {
        PutItemError::ConditionalCheckFailedException(failed) => failed.item.clone(),
        _ => None,
    }
}
