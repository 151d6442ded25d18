//! Deleting months, row by row. Only the keeper may, and only months that nobody reads or records any more.
//!
//! Every step may be repeated: a run that died, or a second one at the same time, deletes what is left. The month's entry in
//! the directory goes last, so that a month with an entry may still have data, and one without has none.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{activity::PartnerId, time::Month};
use futures_util::{TryStreamExt as _, stream};

use super::{Ledger, directory::Directory, item::Attributes, keys};
use crate::error::Error;

/// The number of items or objects that are deleted at a time.
const CONCURRENCY: usize = 32;

/// Deletes and erases in a ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remover {
    pub(super) ledger: Ledger,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The number of activities.
    pub activities: u64,
    /// The number of objects with details.
    pub objects: u64,
    /// Whether nothing is left. Otherwise the time was up.
    pub complete: bool,
}

impl Remover {
    /// Creates a remover in a ledger. It sees every month, whatever readers of the ledger see.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger: Ledger { partners: None, ..ledger } }
    }

    /// Lists all months with an entry in a partner's directory, each with its number of shards, oldest first.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn months(&self, partner: &PartnerId) -> Result<Vec<(Month, u8)>, Error> {
        Directory::new(self.ledger.dynamodb.clone(), self.ledger.table.to_string()).months(partner).await
    }

    /// Deletes a month: activities, details, the days of the feed, and at last the entry in the directory; as long as `may_go_on`
    /// returns true.
    ///
    /// # Errors
    /// When a store fails; the next call deletes the rest.
    pub async fn delete_month(
        &self,
        partner: &PartnerId,
        month: Month,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        let shards = self.ledger.read_shards(partner, month).await?.unwrap_or(1);
        for shard in 0..shards {
            let partition = keys::partition(partner, month, shard, shards);
            let details = self.delete_partition(&keys::details_partition(&partition), may_go_on).await?;
            let activities = self.delete_partition(&partition, may_go_on).await?;
            removed.activities += activities.0;
            if !(details.1 && activities.1) {
                return Ok(removed);
            }
        }
        for partition in keys::feed_partitions(partner, month, shards) {
            if !self.delete_partition(&partition, may_go_on).await?.1 {
                return Ok(removed);
            }
        }
        for (bucket, prefix) in self.details_places(partner, Some(month)) {
            let (objects, is_complete) = self.delete_objects(&bucket, &prefix, may_go_on).await?;
            removed.objects += objects;
            if !is_complete {
                return Ok(removed);
            }
        }
        self.delete_item(keys::months_partition(partner), month.to_string()).await?;
        removed.complete = true;
        Ok(removed)
    }

    /// Deletes all objects with details of a partner, also those of months without an entry.
    ///
    /// # Errors
    /// When S3 fails; the next call deletes the rest.
    pub async fn delete_all_details(
        &self,
        partner: &PartnerId,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for (bucket, prefix) in self.details_places(partner, None) {
            let (objects, is_complete) = self.delete_objects(&bucket, &prefix, may_go_on).await?;
            removed.objects += objects;
            if !is_complete {
                return Ok(removed);
            }
        }
        Ok(Removed { complete: true, ..removed })
    }

    /// Deletes the objects of an export, whose keys begin with `prefix`, but for those that begin with `kept`. Returns the number
    /// of objects.
    ///
    /// # Errors
    /// When S3 fails; the next call deletes the rest.
    pub async fn delete_files(&self, prefix: &str, kept: Option<&str>) -> Result<u64, Error> {
        let (bucket, mut deleted) = (&self.ledger.bucket, 0);
        let keys = self.objects(bucket, prefix).await?;
        for key in keys.iter().filter(|key| kept.is_none_or(|kept| !key.starts_with(kept))) {
            self.delete_object(bucket, key).await?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// The places of objects with details: buckets and beginnings of keys. A plain ledger has none.
    fn details_places(&self, partner: &PartnerId, month: Option<Month>) -> Vec<(String, String)> {
        if self.ledger.is_plain {
            return Vec::new();
        }
        let [details, downloads] = keys::details_of(partner, month);
        let (own, shared) = (self.ledger.details_bucket.to_string(), self.ledger.bucket.to_string());
        let mut places = vec![(own, details.clone()), (shared.clone(), details), (shared, downloads)];
        places.dedup();
        places
    }

    /// Deletes the items of a partition. Returns their number and whether none is left.
    async fn delete_partition(
        &self,
        partition: &str,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(u64, bool), Error> {
        let mut deleted = 0;
        let mut start = None;
        loop {
            if !may_go_on() {
                return Ok((deleted, false));
            }
            let page = self
                .ledger
                .dynamodb
                .query()
                .table_name(&*self.ledger.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
                .projection_expression("sk")
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| Error::sdk("Query of a month to delete", error))?;
            let keys = page.items.unwrap_or_default();
            let count = keys.len() as u64;
            stream::iter(keys.into_iter().map(Ok::<_, Error>))
                .try_for_each_concurrent(CONCURRENCY, |key| self.delete_item(partition.to_owned(), sort_key(&key)))
                .await?;
            deleted += count;
            match page.last_evaluated_key {
                Some(next) => start = Some(next),
                None => return Ok((deleted, true)),
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the data of a month go by a recorded order, and only here")]
    pub(super) async fn delete_item(&self, partition: String, sort_key: String) -> Result<(), Error> {
        let deleted = self
            .ledger
            .dynamodb
            .delete_item()
            .table_name(&*self.ledger.table)
            .key("pk", AttributeValue::S(partition))
            .key("sk", AttributeValue::S(sort_key))
            .send();
        // Boxed, because the SDK's future is large and every caller would carry it in its own.
        Box::pin(deleted).await.map(drop).map_err(|error| Error::sdk("DeleteItem of a month", error))
    }

    /// Deletes the objects whose keys begin with a prefix. Returns their number and whether none is left.
    async fn delete_objects(
        &self,
        bucket: &str,
        prefix: &str,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(u64, bool), Error> {
        let mut deleted = 0;
        loop {
            let keys = self.objects(bucket, prefix).await?;
            if keys.is_empty() || !may_go_on() {
                return Ok((deleted, keys.is_empty()));
            }
            deleted += keys.len() as u64;
            stream::iter(keys.iter().map(Ok::<_, Error>))
                .try_for_each_concurrent(CONCURRENCY, |key| self.delete_object(bucket, key))
                .await?;
        }
    }

    /// Lists the first objects whose keys begin with a prefix: a thousand at most.
    async fn objects(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let listed = self.ledger.s3.list_objects_v2().bucket(bucket).prefix(prefix).send().await;
        let listed = listed.map_err(|error| Error::sdk("ListObjectsV2 of what is deleted", error))?;
        Ok(listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect())
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let deleted = self.ledger.s3.delete_object().bucket(bucket).key(key).send().await;
        deleted.map(drop).map_err(|error| Error::sdk("DeleteObject of what is deleted", error))
    }

    /// Deletes the objects with details of one activity.
    pub(super) async fn delete_objects_of(&self, prefix: &str) -> Result<(), Error> {
        let bucket = self.ledger.details_bucket.clone();
        self.delete_objects(&bucket, prefix, &|| true).await.map(drop)
    }

    /// Deletes an object that activities shared.
    pub(super) async fn delete_shared(&self, key: &str) -> Result<(), Error> {
        let bucket = self.ledger.bucket.clone();
        self.delete_object(&bucket, key).await
    }

    /// Deletes the copies of a month's details that were made for downloads.
    pub(super) async fn delete_copies(&self, partner: &PartnerId, month: Month) -> Result<(), Error> {
        if self.ledger.is_plain {
            return Ok(());
        }
        let bucket = self.ledger.bucket.clone();
        let [_, downloads] = keys::details_of(partner, Some(month));
        self.delete_objects(&bucket, &downloads, &|| true).await.map(drop)
    }
}

/// The sort key of an item.
pub(super) fn sort_key(item: &Attributes) -> String {
    item.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}
