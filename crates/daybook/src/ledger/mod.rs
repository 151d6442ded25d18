//! The Activities table: append only, partitioned by partner and month, read in time order.
//!
//! **The promise of [`Ledger::record`]:** once it returns `Ok`, the activity and its details are durable, and every list,
//! export or look-up that starts later finds it, once. Recording the same activity again finds the first one. Nothing
//! here ever changes or removes an item: every write is a put under the condition that the key is free.
//!
//! **What is written in which order:** the month into the partner's directory, the details, then the item that points to
//! them. A process that dies in between leaves a directory entry without activities or details that nothing points to;
//! both are harmless, and the retry completes the work.
//!
//! **How it is read:** months with data come from the directory, so that empty ones cost nothing. Within a month the sort
//! key alone decides the order. A position is the sort key of the last row seen, never a key of a partition.

mod details;
mod item;

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};

pub(crate) use self::details::hex;
use self::item::{Item, Place};
use crate::{
    activity::{Activity, ActivityId, Details, NewActivity, PartnerId},
    filter::Filter,
    period::{Instant, Month, Period},
    storage::Error,
};

/// The most calls of Query that one page may cost; a filter that matches little then hands back a short page.
pub const MAX_QUERIES_PER_PAGE: usize = 8;
/// The most bytes of items that one page may hold: a Lambda's answer ends at 6 MB.
pub const MAX_PAGE_BYTES: usize = 3 * 1_024 * 1_024;
/// The most activities of one page.
pub const MAX_PAGE_ROWS: usize = 1_000;
/// How many details' bytes an export holds at a time.
const DETAILS_WINDOW_BYTES: u64 = 8 * 1_024 * 1_024;
/// No zone is further ahead of UTC: the earliest that a month can end before it ends in UTC.
const FURTHEST_AHEAD_SECONDS: i64 = 14 * 3_600;

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// What to read of a partner's activities.
#[derive(Clone, Debug)]
pub struct Selection {
    /// When they occurred.
    pub period: Period,
    /// What else they must be.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Only what was recorded before this instant, if given.
    pub recorded_before: Option<Instant>,
}

/// A place in a list, right behind an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    occurred_at: Instant,
    id: ActivityId,
}

impl Position {
    /// The place behind an activity.
    pub fn behind(activity: &Activity) -> Self {
        Self { occurred_at: activity.occurred_at, id: activity.id.clone() }
    }

    /// The text that [`Self::parse`] reads.
    pub fn to_text(&self) -> String {
        item::sort_key(self.occurred_at, &self.id)
    }

    /// Reads a position; none where the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (occurred_at, id) = text.split_once('#')?;
        Some(Self { occurred_at: Instant::parse(occurred_at).ok()?, id: ActivityId::parse(id).ok()? })
    }

    /// When the activity before this place occurred.
    pub fn occurred_at(&self) -> Instant {
        self.occurred_at
    }
}

/// Some of a list's activities.
#[derive(Debug)]
pub struct Page {
    /// The activities, without details.
    pub activities: Vec<Activity>,
    /// Where to go on; none at the end.
    pub next: Option<Position>,
}

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

/// The ledger of all partners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    table: Arc<str>,
    bucket: Arc<str>,
    grace_seconds: i64,
    /// Months known to stand in the directory, so that it is written once per process.
    months: Arc<Mutex<HashSet<String>>>,
}

/// How long after it got its time of recording an activity may still be on its way to the table, in seconds: the recording
/// function ends long before, and clocks differ by less. A reader that leaves this much room misses nothing.
pub const SETTLE_SECONDS: i64 = 120;
/// How many months a process remembers before it starts anew: a bound, not a limit.
const MONTHS_REMEMBERED: usize = 100_000;

impl Ledger {
    /// A ledger on its table and bucket. `grace_seconds` is how long after its end a month's export is made at the
    /// earliest; what is recorded later than that is marked as late.
    pub fn new(
        dynamodb: aws_sdk_dynamodb::Client,
        s3: aws_sdk_s3::Client,
        table: String,
        bucket: String,
        grace_seconds: i64,
    ) -> Self {
        Self { dynamodb, s3, table: table.into(), bucket: bucket.into(), grace_seconds, months: Arc::default() }
    }

    /// Records an activity. An activity without an id gets a ULID.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] when its id and time belong to other content; nothing is written then.
    /// [`RecordError::Storage`] when a store failed: the activity may or may not be recorded, and sending the same again
    /// is safe if it has an id.
    pub async fn record(&self, partner: &PartnerId, new: NewActivity, now: Instant) -> Result<Recorded, RecordError> {
        let NewActivity { id, occurred_at, entry, details, digest } = new;
        let activity = Activity {
            partner: partner.clone(),
            id: id.map_or_else(|| generate_id(now), Ok)?,
            occurred_at,
            recorded_at: now.truncated_to_millis(),
            entry,
            details: details.map_or(Details::None, Details::Here),
        };
        self.enter_month(partner, occurred_at.utc_month()).await?;
        let late = self.may_be_late(occurred_at, now);
        let mut item = item::write(&activity, &digest, None, late);
        if let Details::Here(text) = &activity.details
            && item::size(&item) > item::INLINE_ITEM_BYTES
        {
            let place = self.put_details(&activity, text).await?;
            item = item::write(&activity, &digest, Some(&place), late);
        }
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(_) => Ok(Recorded::New(activity)),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(failed) = service.into_err() else {
                    return Err(RecordError::Conflict);
                };
                let stored = failed
                    .item
                    .ok_or_else(|| Error::broken("PutItem of an activity", "the stored item was not returned"))?;
                if item::digest(&stored) != Some(digest.as_slice()) {
                    return Err(RecordError::Conflict);
                }
                let (mut stored, place) =
                    item::read(partner, stored).map_err(|error| Error::broken("reading an activity", error))?;
                if place.is_some() {
                    stored.details = activity.details;
                }
                Ok(Recorded::Duplicate(stored))
            }
            Err(error) => Err(Error::sdk("PutItem of an activity", error).into()),
        }
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
        let found = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(item::partition(partner, occurred_at.utc_month())))
            .key("sk", AttributeValue::S(item::sort_key(occurred_at, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of an activity", error))?;
        let Some(found) = found.item else { return Ok(None) };
        let (mut activity, place) =
            item::read(partner, found).map_err(|error| Error::broken("reading an activity", error))?;
        if let Some(place) = place {
            activity.details = Details::Here(self.get_details(&activity, &place).await?);
        }
        Ok(Some(activity))
    }

    /// A page of a list, without details, from `after` on. Its cost is bounded by [`MAX_QUERIES_PER_PAGE`]: with a filter
    /// it may be short or empty and still have a next one.
    ///
    /// A first page is read with strong consistency, so that who has just recorded finds it there; what a single customer
    /// is asked for comes from an index, which follows within a second.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable.
    pub async fn page(
        &self,
        partner: &PartnerId,
        selection: &Selection,
        limit: usize,
        after: Option<Position>,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let consistent = after.is_none();
        let mut walk = Walk::new(self, partner, selection, after, consistent).await?;
        let mut activities = Vec::with_capacity(limit.min(256));
        let mut bytes = 0;
        for _ in 0..MAX_QUERIES_PER_PAGE {
            // One more than wanted tells whether there is a next page. A filter needs rows to choose from.
            let wanted = limit - activities.len() + 1;
            let rows = walk.query(if walk.selects_all() { wanted } else { MAX_PAGE_ROWS }).await?;
            let Some(rows) = rows else { return Ok(Page { activities, next: None }) };
            for row in rows {
                let size = item::size(&row);
                let (activity, _) =
                    item::read(partner, row).map_err(|error| Error::broken("reading an activity", error))?;
                if !walk.selects(&activity) {
                    continue;
                }
                if activities.len() == limit || (bytes + size > MAX_PAGE_BYTES && !activities.is_empty()) {
                    let next = activities.last().map(Position::behind);
                    return Ok(Page { activities, next });
                }
                bytes += size;
                activities.push(Activity { details: apart(activity.details), ..activity });
            }
        }
        Ok(Page { activities, next: walk.seen })
    }

    /// Reads a whole selection in order, chunk by chunk, in bounded memory; with details if asked.
    pub async fn read(
        &self,
        partner: &PartnerId,
        selection: &Selection,
        with_details: bool,
        after: Option<Position>,
    ) -> Result<Reader, Error> {
        let walk = Walk::new(self, partner, selection, after, true).await?;
        Ok(Reader { walk, with_details, waiting: VecDeque::new() })
    }

    /// Whether an activity may come after an export of its month was made, in whichever zone the month is counted.
    fn may_be_late(&self, occurred_at: Instant, now: Instant) -> bool {
        let earliest_end =
            occurred_at.utc_month().period(chrono_tz::Tz::UTC).to().plus_seconds(-FURTHEST_AHEAD_SECONDS);
        now >= earliest_end.max(occurred_at).plus_seconds(self.grace_seconds - SETTLE_SECONDS)
    }

    async fn enter_month(&self, partner: &PartnerId, month: Month) -> Result<(), Error> {
        let key = item::partition(partner, month);
        if self.months.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return Ok(());
        }
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .item("pk", AttributeValue::S(item::months_partition(partner)))
            .item("sk", AttributeValue::S(month.to_string()))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => {}
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {}
            Err(error) => return Err(Error::sdk("PutItem of a month", error)),
        }
        let mut months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        if months.len() >= MONTHS_REMEMBERED {
            months.clear();
        }
        months.insert(key);
        Ok(())
    }

    /// The months with data between two, in calendar order.
    async fn months(
        &self,
        partner: &PartnerId,
        first: Month,
        last: Month,
        consistent: bool,
    ) -> Result<Vec<Month>, Error> {
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
            let entry = entry.map_err(|error| Error::sdk("Query of the months", error))?;
            let month = entry.get("sk").and_then(|value| value.as_s().ok()).and_then(|text| Month::parse(text).ok());
            months.push(month.ok_or_else(|| Error::broken("reading a month", "its key is no month"))?);
        }
        Ok(months)
    }
}

fn generate_id(now: Instant) -> Result<ActivityId, Error> {
    let time = UNIX_EPOCH + std::time::Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    ActivityId::parse(&ulid::Ulid::from_datetime(time).to_string())
        .map_err(|error| Error::broken("making an id", error))
}

fn apart(details: Details) -> Details {
    match details {
        Details::Here(text) => Details::Apart(text.len() as u64),
        other => other,
    }
}

/// A walk over the rows of a selection, in order, a call of Query at a time.
#[derive(Debug)]
struct Walk {
    ledger: Ledger,
    partner: PartnerId,
    selection: Selection,
    consistent: bool,
    /// Months still to be read, the current one first.
    months: VecDeque<Month>,
    /// The sort key in the current month behind which to go on.
    start: Option<String>,
    /// The last row seen, of whichever month.
    seen: Option<Position>,
}

impl Walk {
    async fn new(
        ledger: &Ledger,
        partner: &PartnerId,
        selection: &Selection,
        after: Option<Position>,
        consistent: bool,
    ) -> Result<Self, Error> {
        let (mut first, mut last) = selection.period.utc_months();
        if let Some(position) = &after {
            match selection.order {
                Order::Ascending => first = first.max(position.occurred_at.utc_month()),
                Order::Descending => last = last.min(position.occurred_at.utc_month()),
            }
        }
        let mut months: VecDeque<Month> =
            if first > last { VecDeque::new() } else { ledger.months(partner, first, last, consistent).await?.into() };
        if selection.order == Order::Descending {
            months.make_contiguous().reverse();
        }
        let current = months.front().copied();
        let start =
            after.as_ref().filter(|after| current == Some(after.occurred_at.utc_month())).map(Position::to_text);
        let (ledger, partner, selection) = (ledger.clone(), partner.clone(), selection.clone());
        Ok(Self { ledger, partner, selection, consistent, months, start, seen: after })
    }

    /// Whether the keys alone select: every row read is wanted.
    fn selects_all(&self) -> bool {
        let Selection { filter, recorded_before, .. } = &self.selection;
        let rest = match filter.only_customer() {
            Some(_) => Filter { customer: Vec::new(), ..filter.clone() },
            None => filter.clone(),
        };
        rest.is_empty() && recorded_before.is_none()
    }

    fn selects(&self, activity: &Activity) -> bool {
        self.selection.recorded_before.is_none_or(|before| activity.recorded_at < before)
            && self.selection.filter.matches(&activity.entry)
    }

    /// The next rows, at most `limit`, of one month; none at the end.
    async fn query(&mut self, limit: usize) -> Result<Option<Vec<Item>>, Error> {
        while let Some(month) = self.months.front().copied() {
            let partition = item::partition(&self.partner, month);
            let index =
                self.selection.filter.only_customer().map(|id| item::customer_partition(&self.partner, id, month));
            let period = &self.selection.period;
            let start = self.start.take().map(|sk| {
                let mut key = Item::from([
                    ("pk".to_owned(), AttributeValue::S(partition.clone())),
                    ("sk".to_owned(), AttributeValue::S(sk)),
                ]);
                if let Some(index) = &index {
                    key.insert("ck".to_owned(), AttributeValue::S(index.clone()));
                }
                key
            });
            let query = self.ledger.dynamodb.query().table_name(&*self.ledger.table);
            let query = match index {
                None => query
                    .key_condition_expression("pk = :key AND sk BETWEEN :from AND :to")
                    .consistent_read(self.consistent),
                Some(_) => {
                    query.key_condition_expression("ck = :key AND sk BETWEEN :from AND :to").index_name("by_customer")
                }
            };
            let answer = query
                .expression_attribute_values(":key", AttributeValue::S(index.unwrap_or(partition)))
                // A sort key is an instant and more: every key at an instant comes behind the instant's own text.
                .expression_attribute_values(":from", AttributeValue::S(period.from().to_string()))
                .expression_attribute_values(":to", AttributeValue::S(period.to().to_string()))
                .set_exclusive_start_key(start)
                .scan_index_forward(self.selection.order == Order::Ascending)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| Error::sdk("Query of activities", error))?;
            let more = answer.last_evaluated_key.is_some();
            let rows = answer.items.unwrap_or_default();
            if let Some(last) = rows.last().and_then(|row| row.get("sk")).and_then(|value| value.as_s().ok()) {
                self.seen = Position::parse(last);
            }
            if more {
                self.start = self.seen.as_ref().map(Position::to_text);
            } else {
                self.months.pop_front();
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}

/// Reads a selection in order, in chunks of bounded size.
#[derive(Debug)]
pub struct Reader {
    walk: Walk,
    with_details: bool,
    waiting: VecDeque<(Activity, Option<Place>)>,
}

impl Reader {
    /// The next activities of the selection; none at the end.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable: no row is ever left out.
    pub async fn next(&mut self) -> Result<Option<Vec<Activity>>, Error> {
        while self.waiting.is_empty() {
            let Some(rows) = self.walk.query(MAX_PAGE_ROWS).await? else { return Ok(None) };
            for row in rows {
                let row =
                    item::read(&self.walk.partner, row).map_err(|error| Error::broken("reading an activity", error))?;
                if self.walk.selects(&row.0) {
                    self.waiting.push_back(row);
                }
            }
        }
        if !self.with_details {
            let whole = std::mem::take(&mut self.waiting);
            return Ok(Some(
                whole.into_iter().map(|(row, _)| Activity { details: apart(row.details), ..row }).collect(),
            ));
        }
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while let Some((activity, _)) = self.waiting.front() {
            bytes += activity.details.size();
            if bytes > DETAILS_WINDOW_BYTES && !chunk.is_empty() {
                break;
            }
            chunk.extend(self.waiting.pop_front());
        }
        let Walk { ledger, partner, selection, .. } = &self.walk;
        ledger.fill_details(partner, chunk, selection.order).await.map(Some)
    }
}
