//! The directory of months with data: one entry for each month of a partner, with the number of the month's shards.
//!
//! Entries never change or go away, so a process remembers the entries that it has seen.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::PartnerId,
    query::SortOrder,
    time::{Month, Period},
};

use super::{
    Ledger,
    item::{Attributes, NewItem},
    keys,
};
use crate::{error::Error, partners::Partners};

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

/// The entries of the directory that this process has seen.
#[derive(Debug, Default)]
pub(super) struct KnownMonths(Mutex<HashMap<(PartnerId, Month), u8>>);

impl KnownMonths {
    fn shards(&self, partner: &PartnerId, month: Month) -> Option<u8> {
        let months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        months.get(&(partner.clone(), month)).copied()
    }

    /// Returns the first months of a span in an order if all of them are known, because then the directory adds nothing.
    fn first_months(&self, partner: &PartnerId, span: MonthSpan) -> Option<Vec<(Month, u8)>> {
        let months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut month, end) = match span.order {
            SortOrder::Ascending => (span.first, span.last),
            SortOrder::Descending => (span.last, span.first),
        };
        let mut found = Vec::new();
        loop {
            found.push((month, *months.get(&(partner.clone(), month))?));
            if month == end || found.len() == span.limit {
                return Some(found);
            }
            month = if span.order == SortOrder::Ascending { month.next() } else { month.previous() };
        }
    }

    fn insert(&self, partner: &PartnerId, month: Month, shards: u8) {
        let mut months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if months.len() >= MAX_KNOWN_MONTHS {
            months.clear();
        }
        months.insert((partner.clone(), month), shards);
    }
}

impl Ledger {
    /// Returns the number of shards of a month, or nothing if the month has no activities.
    pub(super) async fn shards(&self, partner: &PartnerId, month: Month) -> Result<Option<u8>, Error> {
        if let Some(shards) = self.known_months.shards(partner, month) {
            return Ok(Some(shards));
        }
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
        let Some(entry) = found.item else { return Ok(None) };
        let (_, shards) = parse_entry(&entry)?;
        self.known_months.insert(partner, month, shards);
        Ok(Some(shards))
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
        if let Some(months) = self.known_months.first_months(partner, span) {
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
                self.known_months.insert(partner, month, shards);
                list.months.push((month, shards));
            }
        }
        Ok(list)
    }

    /// Enters a month into the directory, unless it is there. Returns the number of shards that the entry has.
    ///
    /// The first entry gets the number that the partner's settings plan for the month.
    pub(super) async fn enter_month(
        &self,
        partners: &Partners,
        partner: &PartnerId,
        month: Month,
    ) -> Result<u8, Error> {
        if let Some(shards) = self.known_months.shards(partner, month) {
            return Ok(shards);
        }
        let wanted = partners.settings(partner).await?.shards(month);
        let entry = NewItem::default()
            .text("pk", keys::months_partition(partner))
            .text("sk", month.to_string())
            .number("n", u64::from(wanted));
        let shards = match self.put_if_absent(entry, "PutItem of a month").await? {
            None => wanted,
            // The first recorder of the month has decided.
            Some(entry) => parse_entry(&entry)?.1,
        };
        self.known_months.insert(partner, month, shards);
        Ok(shards)
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
