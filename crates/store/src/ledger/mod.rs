//! The Activities table: append only, partitioned by partner and month, read in time order.
//!
//! **The promise of [`Recorder::record`]:** once it returns `Ok`, the activity and its details are durable, and every
//! list, export or look-up that starts later finds the activity, once. Recording the same activity again finds the first
//! one. A recorder never changes or removes an item: every write is a put under the condition that its key is free. Only a
//! [`Remover`] erases and deletes, by a recorded order.
//!
//! **The order of writes:** the month's entry in the directory, the row of the feed and the due mark if the partner has these, the
//! details, then the item that points to the details. A recorder that dies in between leaves a directory entry, a row or a mark
//! without an activity, or details that nothing points to. All of these are harmless, and the retry completes the work.
//!
//! **Shards.** A month of a busy partner is spread over several partitions, by the id of the activity. The first recorder
//! of a month writes the number of its shards into the directory, and the number never changes. Every recorder has seen
//! the entry before it writes, and every reader reads the entry first. So a change of the partner's setting can neither
//! double nor hide an activity, however late a process hears of the change.
//!
//! **Reading.** Readers take the months with data from the directory, so that empty months cost nothing. Within a month
//! the sort key alone decides the order, and readers merge the shards by it. A position is the sort key of the last
//! activity seen, never the key of a partition.

mod details;
mod directory;
mod erase;
mod feed;
mod item;
mod keys;
mod late;
mod list;
mod page_json;
mod partition;
mod plain;
mod read_units;
mod remove;
mod scanner;
mod source;
mod stored;
mod stream;
mod twins;
mod visit;
mod write;

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::{Activity, ActivityId, Details, PartnerId},
    time::Instant,
};

use self::{directory::KnownMonths, stored::ItemBuffer};
pub use self::{
    directory::{Directory, MonthSize},
    erase::{ErasePlan, Erased, MonthErasure},
    feed::{FeedPage, FeedPosition, MAX_QUERIES_PER_FEED_PAGE},
    late::{LateIndex, may_be_late},
    list::{ActivityPage, Condition, MAX_PAGE_BYTES, MAX_PAGE_ROWS, MAX_QUERIES_PER_PAGE},
    read_units::ReadUnits,
    remove::{Removed, Remover},
    stored::StoredActivity,
    stream::{ActivityStream, Chunk},
    visit::{MAX_QUERIES_PER_VISIT, Visitor},
    write::{RecordError, Recorded, Recorder},
};
use crate::{
    error::{Error, retrying_cut_answers},
    partners::Partners,
};

/// The ledger of all partners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    table: Arc<str>,
    bucket: Arc<str>,
    details_bucket: Arc<str>,
    known_months: Arc<KnownMonths>,
    /// Whether the table has neither indexes nor details: see [`Self::plain`].
    is_plain: bool,
    /// The counter of read units; none if nobody wants to know them.
    read_units: Option<ReadUnits>,
    /// The partners whose ended months are hidden; none if no month is.
    partners: Option<Partners>,
    /// The time by which months have ended and what is remembered is old; none if nothing depends on it.
    now: Option<Instant>,
}

impl Ledger {
    /// Creates a ledger on a table and a bucket, by their names.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, s3: aws_sdk_s3::Client, table: String, bucket: String) -> Self {
        let dynamodb = retrying_cut_answers(&dynamodb);
        let (table, bucket): (Arc<str>, Arc<str>) = (table.into(), bucket.into());
        let details_bucket = Arc::clone(&bucket);
        let known_months = Arc::default();
        Self {
            dynamodb,
            s3,
            table,
            bucket,
            details_bucket,
            known_months,
            is_plain: false,
            read_units: None,
            partners: None,
            now: None,
        }
    }

    /// Returns this ledger with a bucket for the details of activities. Otherwise they are in the bucket of all objects.
    #[must_use]
    pub fn with_details_in(self, bucket: String) -> Self {
        Self { details_bucket: bucket.into(), ..self }
    }

    /// Returns this ledger without the months that have ended by the partners' retention. Reading then needs [`Self::at`].
    #[must_use]
    pub fn hiding_ended_months(self, partners: Partners) -> Self {
        Self { partners: Some(partners), ..self }
    }

    /// Returns this ledger at an instant: what it remembers from more than a minute before is read again.
    #[must_use]
    pub fn at(&self, now: Instant) -> Self {
        Self { now: Some(now), ..self.clone() }
    }

    /// Returns this ledger with a counter for the read units that its lists and look-ups consume.
    #[must_use]
    pub fn count_reads(&self, read_units: &ReadUnits) -> Self {
        Self { read_units: Some(read_units.clone()), ..self.clone() }
    }

    /// The index of late activities.
    pub fn late_index(&self) -> LateIndex {
        LateIndex::new(self.dynamodb.clone(), self.table.to_string())
    }

    /// Finds one activity, with strong consistency. Large details are not read: see [`Self::load_details`].
    ///
    /// # Errors
    /// When the table fails or holds an unreadable item.
    pub async fn find(
        &self,
        partner: &PartnerId,
        occurred_at: Instant,
        id: &ActivityId,
    ) -> Result<Option<StoredActivity>, Error> {
        let month = occurred_at.utc_month();
        let Some(shards) = self.shards(partner, month).await? else { return Ok(None) };
        let partition = keys::partition(partner, month, keys::shard_of(id, shards), shards);
        let found = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(partition))
            .key("sk", AttributeValue::S(keys::sort_key(occurred_at, id)))
            .consistent_read(true)
            .set_return_consumed_capacity(self.wanted_capacity())
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of an activity", error))?;
        self.count_capacity(found.consumed_capacity());
        let Some(item) = found.item else { return Ok(None) };
        let stored = ItemBuffer::read_one(partner, &item);
        stored.map(Some).map_err(|error| Error::permanent("reading an activity", error))
    }

    /// Loads the details of a stored activity and returns it complete.
    ///
    /// # Errors
    /// When a store fails, or the details are missing or damaged.
    pub async fn load_details(&self, stored: StoredActivity) -> Result<Activity, Error> {
        let mut activity = stored.activity().owned();
        if let Some(location) = stored.details_location() {
            activity.details = Details::Here(self.get_details(&stored, location).await?);
        }
        Ok(activity)
    }
}
