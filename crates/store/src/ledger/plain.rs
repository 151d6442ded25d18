//! Plain ledgers: tables with the ledger's keys and attributes, and without details, shards, late marks and indexes.
//!
//! The audit is one. An entry is put under the condition that its key is free, and its row of the feed before it. An entry
//! that waits for its outcome is replaced once, under the condition that it is still the entry that was put.

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    primitives::Blob,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use domain::activity::{Activity, Digest};

use super::{
    Ledger,
    item::{Attributes, DIGEST, write_item},
    keys,
};
use crate::error::Error;

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

fn has_digest(stored: &Attributes, digest: &Digest) -> bool {
    stored.get(DIGEST).and_then(|value| value.as_b().ok()).is_some_and(|stored| stored.as_ref() == digest)
}
