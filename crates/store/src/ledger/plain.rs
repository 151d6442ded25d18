//! Plain ledgers: tables with the ledger's keys and attributes, and without details, shards, late marks and indexes.
//!
//! The audit is one. An entry is put under the condition that its key is free, and its row of the feed before it. An entry
//! that waits for its outcome is replaced once, under the condition that it is still the entry that was put. An erasure moves
//! an entry whose id tells its content to another id.

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    primitives::Blob,
    types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use domain::activity::{Activity, ActivityId, Digest, PartnerId};

use super::{
    Ledger,
    item::{Attributes, DIGEST, write_item},
    keys,
    remove::{Remover, sort_key},
    stored::StoredActivity,
};
use crate::error::Error;

const SECONDS_PER_HOUR: i64 = 3_600;

impl Ledger {
    /// Opens a plain ledger on a table, by its name.
    pub fn plain(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        // Never called, because entries of a plain ledger have no details.
        let no_bucket = aws_sdk_s3::Config::builder().behavior_version_latest().build();
        let ledger = Self::new(dynamodb, aws_sdk_s3::Client::from_conf(no_bucket), table, String::new());
        Self { is_plain: true, ..ledger }
    }

    /// Puts an entry into a plain ledger, unless its key is taken. Returns whether it was free, or has the same entry.
    ///
    /// # Errors
    /// When the table fails. The entry may be stored or not, and putting the same entry again is safe.
    pub(crate) async fn put_plain(&self, entry: &Activity) -> Result<bool, Error> {
        let month = entry.occurred_at.utc_month();
        self.enter_plain_month(&entry.partner, month).await?;
        let shards = self.enter_plain_month(&entry.partner, entry.recorded_at.utc_month()).await?;
        self.put_feed_row(entry, shards).await?;
        let item = write_item(entry, &keys::partition(&entry.partner, month, 0, 1), false);
        let taken = self.put_if_absent(item, "PutItem of an entry").await?;
        Ok(taken.is_none_or(|stored| has_digest(&stored, &entry.digest)))
    }

    /// Replaces an entry of a plain ledger, if the stored one still has a digest.
    ///
    /// # Errors
    /// When the table fails, or holds another entry. Replacing again is safe.
    pub(crate) async fn replace_plain(&self, entry: &Activity, before: &Digest) -> Result<(), Error> {
        const OPERATION: &str = "PutItem of an entry's outcome";
        let partition = keys::partition(&entry.partner, entry.occurred_at.utc_month(), 0, 1);
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(write_item(entry, &partition, false).into_attributes()))
            .condition_expression("#digest = :before")
            .expression_attribute_names("#digest", DIGEST)
            .expression_attribute_values(":before", AttributeValue::B(Blob::new(*before)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        // Boxed, because the SDK's future is large and every caller would carry it in its own.
        let Err(error) = Box::pin(put).await else { return Ok(()) };
        match error.as_service_error() {
            // A repeated call, whose first answer was lost.
            Some(PutItemError::ConditionalCheckFailedException(failed))
                if failed.item.as_ref().is_some_and(|stored| has_digest(stored, &entry.digest)) =>
            {
                Ok(())
            }
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                Err(Error::permanent(OPERATION, "the stored entry is another one"))
            }
            _ => Err(Error::sdk(OPERATION, error)),
        }
    }
}

impl Remover {
    /// Deletes the rows of the feed that name an entry of the hour. There may be several, because each process that stores the
    /// entry puts one first.
    pub(super) async fn delete_feed_rows(&self, partner: &PartnerId, entry: &StoredActivity) -> Result<(), Error> {
        let Activity { occurred_at: hour, id, .. } = entry.activity();
        let shards = self.ledger.read_shards(partner, hour.utc_month()).await?.unwrap_or(1);
        let partition = keys::feed_partition(partner, hour, keys::shard_of(&id.owned(), shards), shards);
        let mut rows = self
            .ledger
            .dynamodb
            .query()
            .table_name(&*self.ledger.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(partition.clone()))
            .expression_attribute_values(":from", AttributeValue::S(hour.to_millis_text()))
            .expression_attribute_values(":to", AttributeValue::S(hour.plus_seconds(SECONDS_PER_HOUR).to_millis_text()))
            .projection_expression("sk")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        while let Some(row) = rows.next().await {
            let row = sort_key(&row.map_err(|error| Error::sdk("Query of rows of the feed to erase", error))?);
            if keys::split_feed_sort_key(&row).is_some_and(|(_, activity)| activity == entry.sort_key()) {
                self.delete_item(partition.clone(), row).await?;
            }
        }
        Ok(())
    }

    /// The writes that replace an entry by an item with another id, and put that one's row of the feed.
    pub(super) async fn replacement(
        &self,
        partner: &PartnerId,
        entry: &StoredActivity,
        (id, item): (&ActivityId, Attributes),
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let Activity { occurred_at, recorded_at, .. } = entry.activity();
        let shards = self.ledger.read_shards(partner, recorded_at.utc_month()).await?.unwrap_or(1);
        let table = &*self.ledger.table;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let delete = Delete::builder()
            .table_name(table)
            .key("pk", text(entry.partition()))
            .key("sk", text(entry.sort_key()))
            .condition_expression("attribute_exists(pk)")
            .build();
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        let row = Put::builder()
            .table_name(table)
            .item("pk", text(&keys::feed_partition(partner, recorded_at, keys::shard_of(id, shards), shards)))
            .item("sk", text(&keys::feed_sort_key(recorded_at, occurred_at, id.as_str())))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        let unwritable = |error| Error::permanent("writing an erasure", error);
        Ok(vec![
            TransactWriteItem::builder().delete(delete.map_err(unwritable)?).build(),
            TransactWriteItem::builder().put(put.map_err(unwritable)?).build(),
            TransactWriteItem::builder().put(row.map_err(unwritable)?).build(),
        ])
    }
}

fn has_digest(stored: &Attributes, digest: &Digest) -> bool {
    stored.get(DIGEST).and_then(|value| value.as_b().ok()).is_some_and(|stored| stored.as_ref() == digest)
}
