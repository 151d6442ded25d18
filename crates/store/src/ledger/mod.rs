//! The Activities table: append only, partitioned by partner and month, read in time order.
//!
//! **The promise of [`Recorder::record`]:** once it returns `Ok`, the activity and its details are durable, and every
//! list, export or look-up that starts later finds it, once. Recording the same activity again finds the first one.
//! Nothing here ever changes or removes an item: every write is a put under the condition that the key is free.
//!
//! **What is written in which order:** the month into the partner's directory, the details, then the item that points to
//! them. A process that dies in between leaves a directory entry without activities or details that nothing points to;
//! both are harmless, and the retry completes the work.
//!
//! **Shards.** A month of a busy partner is spread over several partitions, by the id of the activity. How many is decided
//! once, by whoever enters the month into the directory, and stands there: every writer must have seen the entry before
//! it writes, every reader reads it first. So a change of the partner's setting can neither double nor hide anything,
//! however late a process hears of it.
//!
//! **How it is read:** months with data come from the directory, so that empty ones cost nothing. Within a month the sort
//! key alone decides the order; shards are merged by it. A position is the sort key of the last row seen, never a key of
//! a partition.

mod details;
mod item;
mod late;
mod raw;
mod read;
mod record;
mod short;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;

use self::short::ShortWay;
pub use self::{
    item::INDEXED,
    late::{LateIndex, may_be_late},
    read::{Chunk, Condition, MAX_PAGE_BYTES, MAX_PAGE_ROWS, MAX_QUERIES_PER_PAGE, Page, Reader},
    record::{RecordError, Recorded, Recorder},
};
use crate::error::Error;
use domain::{
    activity::{Activity, ActivityId, Details, Digest, PartnerId},
    time::{Instant, Month},
};

/// How many months a process remembers before it starts anew: a bound, not a limit.
const MONTHS_REMEMBERED: usize = 100_000;

/// One activity as it is stored, its details perhaps not yet fetched: [`Ledger::complete`] does that.
#[derive(Debug)]
pub struct Found(item::Row);

impl Found {
    /// The digest of the activity's content, which never changes.
    pub fn digest(&self) -> &Digest {
        self.0.digest()
    }
}

/// The ledger of all partners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    table: Arc<str>,
    bucket: Arc<str>,
    /// Months known to stand in the directory, with their numbers of shards, which never change.
    months: Arc<Mutex<HashMap<(PartnerId, Month), u8>>>,
    short: Arc<ShortWays>,
}

/// The short ways of the operations that are called most.
#[derive(Debug, Default)]
struct ShortWays {
    put: ShortWay,
    query: ShortWay,
}

impl Ledger {
    /// A ledger on its table and bucket.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, s3: aws_sdk_s3::Client, table: String, bucket: String) -> Self {
        Self { dynamodb, s3, table: table.into(), bucket: bucket.into(), months: Arc::default(), short: Arc::default() }
    }

    /// The index of late activities.
    pub fn late(&self) -> LateIndex {
        LateIndex::new(self.dynamodb.clone(), self.table.to_string())
    }

    /// One activity, or none.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable.
    pub async fn find(
        &self,
        partner: &PartnerId,
        occurred_at: Instant,
        id: &ActivityId,
    ) -> Result<Option<Found>, Error> {
        let month = occurred_at.utc_month();
        let Some(shards) = self.shards(partner, month).await? else { return Ok(None) };
        let partition = item::partition(partner, month, item::shard_of(id, shards), shards);
        let found = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(partition))
            .key("sk", AttributeValue::S(item::sort_key(occurred_at, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of an activity", error))?;
        let Some(found) = found.item else { return Ok(None) };
        let row = item::Items::one(partner, &found).map_err(|error| Error::broken("reading an activity", error))?;
        Ok(Some(Found(row)))
    }

    /// What was found, with its details.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable.
    pub async fn complete(&self, found: Found) -> Result<Activity, Error> {
        let row = found.0;
        let mut activity = row.activity().owned();
        if let Some(place) = row.place() {
            activity.details = Details::Here(self.get_details(&row, place).await?);
        }
        Ok(activity)
    }

    /// One activity with its details, or none.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable.
    pub async fn get(
        &self,
        partner: &PartnerId,
        occurred_at: Instant,
        id: &ActivityId,
    ) -> Result<Option<Activity>, Error> {
        match self.find(partner, occurred_at, id).await? {
            Some(found) => self.complete(found).await.map(Some),
            None => Ok(None),
        }
    }

    /// The number of shards of a month; none where it has no activities.
    async fn shards(&self, partner: &PartnerId, month: Month) -> Result<Option<u8>, Error> {
        if let Some(shards) = self.remembered(partner, month) {
            return Ok(Some(shards));
        }
        let found = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(item::months_partition(partner)))
            .key("sk", AttributeValue::S(month.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of a month", error))?;
        let Some(entry) = found.item else { return Ok(None) };
        let (_, shards) = read_month(&entry)?;
        self.remember(partner, month, shards);
        Ok(Some(shards))
    }

    /// The months with data between two, in calendar order, with their numbers of shards.
    async fn months(
        &self,
        partner: &PartnerId,
        first: Month,
        last: Month,
        consistent: bool,
    ) -> Result<Vec<(Month, u8)>, Error> {
        if let Some(months) = self.all_remembered(partner, first, last) {
            return Ok(months);
        }
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(item::months_partition(partner)))
            .expression_attribute_values(":first", AttributeValue::S(first.to_string()))
            .expression_attribute_values(":last", AttributeValue::S(last.to_string()))
            .consistent_read(consistent)
            .into_paginator()
            .items()
            .send();
        let mut months = Vec::new();
        while let Some(entry) = pages.next().await {
            let (month, shards) = read_month(&entry.map_err(|error| Error::sdk("Query of the months", error))?)?;
            self.remember(partner, month, shards);
            months.push((month, shards));
        }
        Ok(months)
    }

    fn remembered(&self, partner: &PartnerId, month: Month) -> Option<u8> {
        let months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        months.get(&(partner.clone(), month)).copied()
    }

    /// The months between two, if all of them are known to have data: then the directory has nothing to add.
    fn all_remembered(&self, partner: &PartnerId, first: Month, last: Month) -> Option<Vec<(Month, u8)>> {
        let months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut month = first;
        while month <= last {
            found.push((month, *months.get(&(partner.clone(), month))?));
            if month == last {
                break;
            }
            month = month.next();
        }
        Some(found)
    }

    fn remember(&self, partner: &PartnerId, month: Month, shards: u8) {
        let mut months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        if months.len() >= MONTHS_REMEMBERED {
            months.clear();
        }
        months.insert((partner.clone(), month), shards);
    }
}

/// An entry of the directory: the month and its number of shards.
fn read_month(entry: &item::Item) -> Result<(Month, u8), Error> {
    let month = entry.get("sk").and_then(|value| value.as_s().ok()).and_then(|text| Month::parse(text).ok());
    let month = month.ok_or_else(|| Error::broken("reading a month", "its key is no month"))?;
    let shards = match entry.get("n") {
        None => Some(1),
        Some(value) => value.as_n().ok().and_then(|text| text.parse().ok()).filter(|shards| *shards > 0),
    };
    let shards = shards.ok_or_else(|| Error::broken("reading a month", format!("{month} has no number of shards")))?;
    Ok((month, shards))
}
