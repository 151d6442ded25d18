//! The directory of months with data: one entry for each month of a partner, with the number of the month's shards.
//!
//! Entries never change, and go away only when their month is deleted, so a process remembers the entries that it has seen
//! for [`REMEMBERED_SECONDS`]. Readers do not see the months that have ended: see [`domain::lifecycle`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, Select};
use domain::{
    activity::PartnerId,
    lifecycle::{MonthState, REMEMBERED_SECONDS},
    query::SortOrder,
    time::{Instant, Month, Period, seconds_between},
};

use super::{
    Ledger,
    item::{Attributes, NewItem},
    keys,
};
use crate::{
    error::Error,
    partners::{PartnerRecord, Settings},
};

/// The number of entries that a process remembers. Beyond it the process forgets all of them, to bound its memory.
const MAX_KNOWN_MONTHS: usize = 100_000;

/// The months to list: the first `limit` of those from `first` to `last`, in an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct MonthSpan {
    pub(super) first: Month,
    pub(super) last: Month,
    pub(super) order: SortOrder,
    pub(super) limit: usize,
}

/// Months with data, in order, with their numbers of shards.
#[derive(Debug, Default)]
pub(super) struct MonthList {
    pub(super) months: Vec<(Month, u8)>,
    /// The number of calls that the list took.
    pub(super) queries: usize,
}

/// The number of a month's shards, and when it was seen.
type KnownShards = (u8, Option<Instant>);

/// The entries of the directory that this process has seen, and when.
#[derive(Debug, Default)]
pub(super) struct KnownMonths(Mutex<HashMap<(PartnerId, Month), KnownShards>>);

impl KnownMonths {
    fn shards(&self, partner: &PartnerId, month: Month, now: Option<Instant>) -> Option<u8> {
        let months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fresh(months.get(&(partner.clone(), month)), now)
    }

    /// Returns the first months of a span in an order if all of them are known, because then the directory adds nothing.
    fn first_months(&self, partner: &PartnerId, span: MonthSpan, now: Option<Instant>) -> Option<Vec<(Month, u8)>> {
        let months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut month, end) = match span.order {
            SortOrder::Ascending => (span.first, span.last),
            SortOrder::Descending => (span.last, span.first),
        };
        let mut found = Vec::new();
        loop {
            found.push((month, fresh(months.get(&(partner.clone(), month)), now)?));
            if month == end || found.len() == span.limit {
                return Some(found);
            }
            month = if span.order == SortOrder::Ascending { month.next() } else { month.previous() };
        }
    }

    fn insert(&self, partner: &PartnerId, month: Month, shards: u8, now: Option<Instant>) {
        let mut months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if months.len() >= MAX_KNOWN_MONTHS {
            months.clear();
        }
        months.insert((partner.clone(), month), (shards, now));
    }
}

/// Returns the shards of an entry that was seen lately. Without a present, every entry counts.
fn fresh(entry: Option<&(u8, Option<Instant>)>, now: Option<Instant>) -> Option<u8> {
    let (shards, seen_at) = entry?;
    let is_fresh = match (now, seen_at) {
        (Some(now), Some(seen_at)) => (0..REMEMBERED_SECONDS).contains(&seconds_between(*seen_at, now)),
        (Some(_), None) => false,
        (None, _) => true,
    };
    is_fresh.then_some(*shards)
}

impl Ledger {
    /// Returns the number of shards of a month, or nothing if the month has no activities that readers see.
    pub(super) async fn shards(&self, partner: &PartnerId, month: Month) -> Result<Option<u8>, Error> {
        if self.hidden_months(partner).await?.hides(month) {
            return Ok(None);
        }
        if let Some(shards) = self.known_months.shards(partner, month, self.now) {
            return Ok(Some(shards));
        }
        let shards = self.read_shards(partner, month).await?;
        if let Some(shards) = shards {
            self.known_months.insert(partner, month, shards, self.now);
        }
        Ok(shards)
    }

    /// Reads the number of shards of a month from its entry, with strong consistency; none if there is no entry.
    pub(super) async fn read_shards(&self, partner: &PartnerId, month: Month) -> Result<Option<u8>, Error> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(keys::months_partition(partner)))
            .key("sk", AttributeValue::S(month.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of a month", error))?;
        found.item.map(|entry| parse_entry(&entry).map(|(_, shards)| shards)).transpose()
    }

    /// Lists the newest months in UTC with activities that a period touches, newest first. Those of the last second may be
    /// missing.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn newest_months(&self, partner: &PartnerId, period: Period, limit: usize) -> Result<Vec<Month>, Error> {
        let (first, last) = period.utc_months();
        let span = MonthSpan { first, last, order: SortOrder::Descending, limit };
        let list = self.months(partner, span, false).await?;
        Ok(list.months.into_iter().map(|(month, _)| month).take(limit).collect())
    }

    /// Whether readers see every month in UTC that a period touches.
    ///
    /// # Errors
    /// When the table of partners fails.
    pub async fn sees(&self, partner: &PartnerId, period: Period) -> Result<bool, Error> {
        let hidden = self.hidden_months(partner).await?;
        let (first, last) = period.utc_months();
        Ok(!hidden.hides(first) && !hidden.hides(last))
    }

    /// Lists the months with data of a span.
    pub(super) async fn months(
        &self,
        partner: &PartnerId,
        span: MonthSpan,
        consistent: bool,
    ) -> Result<MonthList, Error> {
        if span.first > span.last {
            return Ok(MonthList::default());
        }
        let hidden = self.hidden_months(partner).await?;
        if let Some(months) = self.known_months.first_months(partner, span, self.now) {
            let months = months.into_iter().filter(|(month, _)| !hidden.hides(*month)).collect();
            return Ok(MonthList { months, queries: 0 });
        }
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(keys::months_partition(partner)))
            .expression_attribute_values(":first", AttributeValue::S(span.first.to_string()))
            .expression_attribute_values(":last", AttributeValue::S(span.last.to_string()))
            .scan_index_forward(span.order == SortOrder::Ascending)
            .consistent_read(consistent)
            .set_limit(i32::try_from(span.limit).ok())
            .set_return_consumed_capacity(self.wanted_capacity())
            .into_paginator()
            .send();
        let mut list = MonthList::default();
        while list.months.len() < span.limit
            && let Some(page) = pages.next().await
        {
            let page = page.map_err(|error| Error::sdk("Query of the months", error))?;
            list.queries += 1;
            self.count_capacity(page.consumed_capacity());
            for entry in page.items() {
                let (month, shards) = parse_entry(entry)?;
                self.known_months.insert(partner, month, shards, self.now);
                if !hidden.hides(month) {
                    list.months.push((month, shards));
                }
            }
        }
        Ok(list)
    }

    /// Enters a month into the directory, unless it is there. Returns the number of shards that the entry has.
    ///
    /// The first entry gets the number of shards that the partner's settings plan for the month.
    pub(super) async fn enter_month(
        &self,
        settings: &Settings,
        partner: &PartnerId,
        month: Month,
    ) -> Result<u8, Error> {
        if let Some(shards) = self.known_months.shards(partner, month, self.now) {
            return Ok(shards);
        }
        // Read first, because a read costs a fifth of a write that is refused, and most months are there.
        let shards = match self.read_shards(partner, month).await? {
            Some(shards) => shards,
            None => self.put_month(partner, month, settings.shards(month)).await?,
        };
        self.known_months.insert(partner, month, shards, self.now);
        Ok(shards)
    }

    /// Enters a month of one shard into the directory, unless it is there.
    pub(super) async fn enter_plain_month(&self, partner: &PartnerId, month: Month) -> Result<u8, Error> {
        if let Some(shards) = self.known_months.shards(partner, month, self.now) {
            return Ok(shards);
        }
        let shards = self.put_month(partner, month, 1).await?;
        self.known_months.insert(partner, month, shards, self.now);
        Ok(shards)
    }

    /// Puts the entry of a month, unless it is there. Returns the number of shards that the entry has.
    async fn put_month(&self, partner: &PartnerId, month: Month, wanted: u8) -> Result<u8, Error> {
        let entry = NewItem::default()
            .text("pk", keys::months_partition(partner))
            .text("sk", month.to_string())
            .number("n", u64::from(wanted));
        match self.put_if_absent(entry, "PutItem of a month").await? {
            None => Ok(wanted),
            // The first recorder of the month has decided.
            Some(entry) => Ok(parse_entry(&entry)?.1),
        }
    }

    /// Returns the months of a partner that readers do not see, as they were within the last minute.
    async fn hidden_months(&self, partner: &PartnerId) -> Result<HiddenMonths, Error> {
        let Some(partners) = &self.partners else { return Ok(HiddenMonths(None)) };
        let now = self.now.ok_or_else(|| Error::permanent("reading a month", "the ledger was not told the time"))?;
        let record = partners.recent(partner, now).await?;
        Ok(HiddenMonths(Some((record, now, partners.default_months()))))
    }
}

/// The months that readers do not see.
struct HiddenMonths(Option<(Arc<PartnerRecord>, Instant, Option<u32>)>);

impl HiddenMonths {
    fn hides(&self, month: Month) -> bool {
        self.0.as_ref().is_some_and(|(record, now, default_months)| {
            record.lifecycle.month_state(month, *now, *default_months) != MonthState::Kept
        })
    }
}

/// The directory of months with data, for who may read nothing else. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
}

/// The size of some months.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonthSize {
    /// The number of activities.
    pub activities: u64,
    /// The number of items with details.
    pub twins: u64,
    /// About how many bytes they have, by the read units that DynamoDB reports.
    pub bytes: u64,
    /// Whether everything was counted. Otherwise the time was up.
    pub complete: bool,
}

/// The bytes that half a read unit reads: the price of a read that is eventually consistent.
const BYTES_OF_HALF_A_UNIT: f64 = 4_096.0;

impl Directory {
    /// Opens the directory of a table of activities, by the table's name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { dynamodb, table: table.into() }
    }

    /// Lists all months with an entry, each with its number of shards, oldest first. Whether readers see them does not matter.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn months(&self, partner: &PartnerId) -> Result<Vec<(Month, u8)>, Error> {
        let mut entries = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(keys::months_partition(partner)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut months = Vec::new();
        while let Some(entry) = entries.next().await {
            months.push(parse_entry(&entry.map_err(|error| Error::sdk("Query of the months", error))?)?);
        }
        Ok(months)
    }

    /// Counts the activities and bytes of months without reading them, as long as `may_go_on` returns true.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn measure(
        &self,
        partner: &PartnerId,
        months: &[(Month, u8)],
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<MonthSize, Error> {
        let mut size = MonthSize { complete: true, ..MonthSize::default() };
        for (month, shards) in months {
            for shard in 0..*shards {
                let partition = keys::partition(partner, *month, shard, *shards);
                size.twins += self.count(keys::details_partition(&partition), &mut size, may_go_on).await?;
                size.activities += self.count(partition, &mut size, may_go_on).await?;
                if !size.complete {
                    return Ok(size);
                }
            }
        }
        Ok(size)
    }

    async fn count(
        &self,
        partition: String,
        size: &mut MonthSize,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<u64, Error> {
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition))
            .select(Select::Count)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .into_paginator()
            .send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::sdk("Query of a month to count", error))?;
            count += u64::try_from(page.count()).unwrap_or_default();
            let units = page.consumed_capacity().and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a page has about a megabyte")]
            let bytes = (units * 2.0 * BYTES_OF_HALF_A_UNIT) as u64;
            size.bytes += bytes;
            if page.last_evaluated_key().is_some() && !may_go_on() {
                size.complete = false;
                return Ok(count);
            }
        }
        Ok(count)
    }
}

/// Parses an entry into its month and the month's number of shards.
fn parse_entry(entry: &Attributes) -> Result<(Month, u8), Error> {
    let month = entry.get("sk").and_then(|value| value.as_s().ok()).and_then(|text| Month::parse(text).ok());
    let month = month.ok_or_else(|| Error::permanent("reading a month", "its key is no month"))?;
    let shards = match entry.get("n") {
        None => Some(1),
        Some(value) => value.as_n().ok().and_then(|text| text.parse().ok()).filter(|shards| *shards > 0),
    };
    let shards =
        shards.ok_or_else(|| Error::permanent("reading a month", format!("{month} has no number of shards")))?;
    Ok((month, shards))
}
