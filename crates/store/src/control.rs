//! The Control table: exports, schedules, notifications and machine clients.
//!
//! | what | `pk` | `sk` | written in |
//! |---|---|---|---|
//! | export on demand | `{partner}` | `export#{ULID}` | [`crate::jobs`] |
//! | monthly export | `{partner}` | `month#{YYYY-MM}`, `month#{YYYY-MM}_v{six digits}` from version 2 on | [`crate::jobs`] |
//! | idempotency key of a request | `{partner}` | `key#{SHA-256 of the caller's subject and the key}` | [`crate::jobs`] |
//! | schedule | `{partner}` | `schedule` | [`crate::schedules`] |
//! | secrets of a schedule's webhooks | `{partner}`, in a table of their own | `secret` | [`crate::deliveries`] |
//! | order to erase | `{partner}` | `erasure#{ULID}` | [`crate::orders`] |
//! | delivery of a notification | `{partner}` | `delivery#{the export, as above}#{fingerprint of the recipient}` | [`crate::deliveries`] |
//! | machine client | `client#{client id}` | `client` | [`crate::clients`] |
//!
//! A partner's id has no `#`, so the key of a client is never the key of a partner.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{error::SdkError, types::AttributeValue};
use domain::{activity::PartnerId, job::Kind};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The number of partitions of the indexes `due` and `by_month`. A digest of the partner decides the partition.
pub const PARTITIONS: u8 = 16;

/// The attributes of an item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The Control table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) table: Arc<str>,
    /// The table of secrets, from which a role can be kept.
    secrets: Arc<str>,
}

impl Control {
    /// Opens the table by its name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        let table: Arc<str> = table.into();
        Self { dynamodb, secrets: Arc::clone(&table), table }
    }

    /// Returns this table with another one for the secrets that sign webhooks.
    #[must_use]
    pub fn with_secrets_in(self, table: String) -> Self {
        Self { secrets: table.into(), ..self }
    }

    /// The table of secrets, with the same keys.
    pub(crate) fn of_secrets(&self) -> Self {
        Self { table: Arc::clone(&self.secrets), ..self.clone() }
    }

    /// Reads an item, with strong consistency.
    pub(crate) async fn get_item(&self, key: Item, operation: &'static str) -> Result<Option<Item>, Error> {
        let got =
            self.dynamodb.get_item().table_name(&*self.table).set_key(Some(key)).consistent_read(true).send().await;
        got.map(|answer| answer.item).map_err(|error| Error::sdk(operation, error))
    }

    /// Puts an item if its key is free. Returns whether it was.
    pub(crate) async fn put_if_absent(&self, item: Item, operation: &'static str) -> Result<bool, Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item));
        is_done(put.condition_expression("attribute_not_exists(pk)").send().await.map(drop), operation)
    }

    /// Deletes everything that the table holds of a partner, as long as `may_go_on` returns true. Returns the number of records,
    /// and whether none is left. Registrations of clients stay, because a client has a key of its own.
    ///
    /// # Errors
    /// When the table fails; the next call deletes the rest.
    pub async fn delete_partner(
        &self,
        partner: &PartnerId,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(u64, bool), Error> {
        let mut deleted = 0;
        self.remove_secrets(partner).await?;
        let mut items = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .projection_expression("sk")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        while let Some(item) = items.next().await {
            if !may_go_on() {
                return Ok((deleted, false));
            }
            let item = item.map_err(|error| Error::sdk("Query of a partner's records", error))?;
            let sort_key = item.get("sk").and_then(|value| value.as_s().ok()).map_or("", String::as_str);
            self.delete_item(key(partner.as_str(), sort_key), "DeleteItem of a partner's record").await?;
            deleted += 1;
        }
        Ok((deleted, true))
    }

    /// Deletes an item, if it is there.
    #[expect(
        clippy::disallowed_methods,
        reason = "registrations and secrets go when their owner removes them, everything else by a recorded order"
    )]
    pub(crate) async fn delete_item(&self, key: Item, operation: &'static str) -> Result<(), Error> {
        let deleted = self.dynamodb.delete_item().table_name(&*self.table).set_key(Some(key)).send().await;
        deleted.map(drop).map_err(|error| Error::sdk(operation, error))
    }
}

/// Returns whether a conditional write was done. An unmet condition is no error.
pub(crate) fn is_done<E>(result: Result<(), SdkError<E>>, operation: &'static str) -> Result<bool, Error>
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(()) => Ok(true),
        Err(SdkError::ServiceError(service)) if service.err().code() == Some("ConditionalCheckFailedException") => {
            Ok(false)
        }
        Err(error) => Err(Error::sdk(operation, error)),
    }
}

/// The partition of a partner in the indexes `due` and `by_month`.
pub(crate) fn partition_of(partner: &PartnerId) -> u8 {
    Sha256::digest(partner.as_str())[0] % PARTITIONS
}

/// The key of an item.
pub(crate) fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// The sort key of an export, by its id. Only the id of a monthly export has a hyphen.
pub(crate) fn export_sort_key(id: &str) -> String {
    sort_key_of_kind(id, if id.contains('-') { Kind::Monthly } else { Kind::OnDemand })
}

/// The sort key of an export of a kind; with an empty id, what all sort keys of the kind begin with.
pub(crate) fn sort_key_of_kind(id: &str, kind: Kind) -> String {
    match kind {
        Kind::OnDemand => format!("export#{id}"),
        // The version has leading zeros, because keys are sorted as texts.
        Kind::Monthly => match id.split_once("_v") {
            Some((month, version)) => format!("month#{month}_v{version:0>6}"),
            None => format!("month#{id}"),
        },
    }
}

/// A text attribute.
pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// An attribute with a value in JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<AttributeValue, Error> {
    serde_json::to_string(value).map(AttributeValue::S).map_err(|error| Error::permanent("writing a record", error))
}

/// Parses an attribute with a value in JSON.
pub(crate) fn parse_json<T: DeserializeOwned>(item: &Item, name: &'static str) -> Result<T, Error> {
    let text = item.get(name).and_then(|value| value.as_s().ok());
    let text = text.ok_or_else(|| Error::permanent("reading a record", format!("it has no {name}")))?;
    serde_json::from_str(text).map_err(|error| Error::permanent("reading a record", error))
}
