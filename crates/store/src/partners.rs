//! Settings of partners, which the operator of the installation makes.
//!
//! They have a table of their own, because the recording functions need them and may read nothing else.

use std::sync::Arc;

use aws_sdk_dynamodb::{error::SdkError, types::AttributeValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Error;
use domain::{
    activity::PartnerId,
    quota::Limits,
    time::{Instant, Month},
};

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

/// A partner's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The numbers of shards, in the order of their first months. Months before the first entry have one shard.
    pub shards: Vec<ShardsFrom>,
    /// The partner's own limits. The limits of the installation hold for the others.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// The time at which the settings were saved.
    pub updated_at: Option<Instant>,
    /// The name of the person or machine that saved the settings.
    pub updated_by: Option<String>,
    /// The subject of that person or machine. Earlier versions did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by_subject: Option<String>,
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

/// The table of partners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Partners {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
}

impl Partners {
    /// Opens the table by its name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { dynamodb, table: table.into() }
    }

    /// Reads a partner's settings, or the defaults if it has none.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn settings(&self, partner: &PartnerId) -> Result<Settings, Error> {
        let got = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(partner.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of settings", error))?;
        let Some(item) = got.item else { return Ok(Settings::default()) };
        let text = item.get("settings").and_then(|value| value.as_s().ok());
        let text = text.ok_or_else(|| Error::permanent("reading settings", "the item has no settings"))?;
        serde_json::from_str(text).map_err(|error| Error::permanent("reading settings", error))
    }

    /// Saves a partner's settings in place of those that were read. Returns false if they were changed meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save(&self, partner: &PartnerId, read: &Settings, settings: &Settings) -> Result<bool, Error> {
        let text = |settings: &Settings| {
            serde_json::to_string(settings).map_err(|error| Error::permanent("writing settings", error))
        };
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .item("pk", AttributeValue::S(partner.to_string()))
            .item("settings", AttributeValue::S(text(settings)?))
            .condition_expression("attribute_not_exists(pk) OR settings = :read")
            .expression_attribute_values(":read", AttributeValue::S(text(read)?))
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(Error::sdk("PutItem of settings", error)),
        }
    }
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
