//! A selection of activities, and the partitions and queries that it is read from.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::{Activity, Details, PartnerId},
    filter::Filter,
    query::{Position, Selection, SortOrder},
    time::Month,
};

use super::{
    Ledger,
    directory::{MonthList, MonthSpan},
    item::{Attributes, CUSTOMER_INDEX, CUSTOMER_KEY},
    keys,
    page_json::{DecodedPage, PageDecoder, PageItems, QueryAnswer},
    stored::{ItemBuffer, StoredActivities, StoredActivity},
};
use crate::error::Error;

/// The number of partitions of the index of customers that are read side by side: one for each spelling of each customer. A
/// filter with more reads all of the partner's activities.
const MAX_INDEXED_PARTITIONS: usize = 8;

/// The name of the read in errors.
const OPERATION: &str = "Query of activities";

/// A selection and the ledger that it is read from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) ledger: Ledger,
    partner: PartnerId,
    pub(super) selection: Selection,
    /// The spellings of the customers to read from the index of customers; none if the index is not used.
    spellings: Vec<String>,
}

/// The key of a partition of the table or of the index of customers: the attribute's name and its value.
pub(super) type PartitionKey = (&'static str, String);

impl Source {
    pub(super) fn new(ledger: &Ledger, partner: &PartnerId, selection: &Selection) -> Self {
        let customers = selection.filter.customer.included();
        let mut spellings: Vec<String> = customers.iter().flat_map(|id| keys::customer_spellings(id)).collect();
        spellings.sort_unstable();
        spellings.dedup();
        if spellings.len() > MAX_INDEXED_PARTITIONS || ledger.is_plain {
            spellings.clear();
        }
        Self { ledger: ledger.clone(), partner: partner.clone(), selection: selection.clone(), spellings }
    }

    /// Lists the first months with data from a position on, in the order of reading, with their numbers of shards.
    pub(super) async fn months(
        &self,
        after: Option<&Position>,
        limit: usize,
        consistent: bool,
    ) -> Result<MonthList, Error> {
        let order = self.selection.order;
        let (mut first, mut last) = self.selection.period.utc_months();
        if let Some(position) = after {
            match order {
                SortOrder::Ascending => first = first.max(position.occurred_at().utc_month()),
                SortOrder::Descending => match position.latest_before() {
                    Some(latest) => last = last.min(latest.utc_month()),
                    None => return Ok(MonthList::default()),
                },
            }
        }
        self.ledger.months(&self.partner, MonthSpan { first, last, order, limit }, consistent).await
    }

    /// The month of the selection that is read last.
    pub(super) fn last_month(&self) -> Month {
        let (first, last) = self.selection.period.utc_months();
        if self.selection.order == SortOrder::Ascending { last } else { first }
    }

    /// Whether the activities come from the index of customers.
    pub(super) fn is_indexed(&self) -> bool {
        !self.spellings.is_empty()
    }

    /// Whether the filter accepts every activity of the partitions.
    pub(super) fn filter_accepts_all(&self) -> bool {
        let filter = &self.selection.filter;
        if !self.is_indexed() {
            return filter.is_empty();
        }
        Filter { customer: filter.customer.clone().without_included(), ..filter.clone() }.is_empty()
    }

    /// Whether every activity between the keys is selected.
    pub(super) fn selects_all(&self) -> bool {
        let Selection { recorded_from, recorded_before, .. } = self.selection;
        recorded_from.is_none() && recorded_before.is_none() && self.filter_accepts_all()
    }

    /// Whether most activities of a partition are selected, so that their details are read fastest as a range.
    pub(super) fn is_dense(&self) -> bool {
        // Few activities are recorded after an instant in the past, so their details are fetched one by one.
        !self.is_indexed() && self.filter_accepts_all() && self.selection.recorded_from.is_none()
    }

    pub(super) fn selects(&self, activity: &Activity<&str>) -> bool {
        self.selection.recorded_from.is_none_or(|from| activity.recorded_at >= from)
            && self.selection.recorded_before.is_none_or(|before| activity.recorded_at < before)
            && self.selection.filter.matches(activity)
    }

    /// The partitions that hold a month.
    pub(super) fn partitions(&self, month: Month, shards: u8) -> Vec<PartitionKey> {
        if self.is_indexed() {
            let key = |spelling: &String| keys::customer_partition(&self.partner, spelling, month);
            self.spellings.iter().map(|spelling| (CUSTOMER_KEY, key(spelling))).collect()
        } else {
            (0..shards).map(|shard| ("pk", keys::partition(&self.partner, month, shard, shards))).collect()
        }
    }

    /// The number of partitions that hold a month.
    pub(super) fn partition_count(&self, shards: u8) -> usize {
        if self.is_indexed() { self.spellings.len() } else { usize::from(shards) }
    }

    /// Queries a partition from `start`, or else behind `after`: about `limit` activities, or a whole page of 1 MB.
    ///
    /// The answer to a whole page may be deferred: [`Self::decode`] decodes it.
    pub(super) async fn query<T: PageItems>(
        &self,
        (name, value): &PartitionKey,
        start: Option<Attributes>,
        after: Option<&Position>,
        limit: Option<usize>,
        consistent: bool,
    ) -> Result<QueryAnswer<T>, Error> {
        let period = &self.selection.period;
        let is_ascending = self.selection.order == SortOrder::Ascending;
        // A sort key is an instant and an id, so every key at an instant comes after the text of the instant itself.
        let (mut from, mut to) = (period.from().to_string(), period.to().to_string());
        let mut limit = limit;
        // Query itself says where a partition goes on. Without that, the query starts at the last activity seen, which
        // another partition may hold: this partition may return it once more.
        if start.is_none()
            && let Some(after) = after.map(Position::to_text)
        {
            let bound = if is_ascending { &mut from } else { &mut to };
            let is_tighter = if is_ascending { after > *bound } else { after < *bound };
            if is_tighter {
                *bound = after;
                limit = limit.map(|limit| limit + 1);
            }
        }
        let is_index = *name == CUSTOMER_KEY;
        let decoder =
            if limit.is_none() { PageDecoder::deferring(&self.partner) } else { PageDecoder::new(&self.partner) };
        let query = self
            .ledger
            .dynamodb
            .query()
            .table_name(&*self.ledger.table)
            .set_index_name(is_index.then(|| CUSTOMER_INDEX.to_owned()))
            .key_condition_expression(format!("{name} = :key AND sk BETWEEN :from AND :to"))
            .expression_attribute_values(":key", AttributeValue::S(value.clone()))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":to", AttributeValue::S(to))
            .set_exclusive_start_key(start)
            // An index cannot be read with strong consistency.
            .consistent_read(consistent && !is_index)
            .scan_index_forward(is_ascending)
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .set_return_consumed_capacity(self.ledger.wanted_capacity())
            .customize()
            .interceptor(decoder.clone())
            .send();
        // Boxed, because the SDK's future is large and every caller would carry it in its own.
        Box::pin(query).await.map_err(|error| Error::sdk(OPERATION, error))?;
        decoder.take_answer().ok_or_else(|| Error::permanent(OPERATION, "the answer was not decoded"))
    }

    /// Decodes an answer into its items and the start of the next page.
    pub(super) fn decode<T: PageItems>(&self, answer: QueryAnswer<T>) -> Result<(T, Option<Attributes>), Error> {
        let page = match answer {
            QueryAnswer::Decoded(page) => page,
            QueryAnswer::Deferred { body, next } => {
                let page = PageDecoder::new(&self.partner).decode_deferred(&body, &next);
                page.ok_or_else(|| Error::permanent(OPERATION, "the items of the answer do not fit its end"))?
            }
        };
        let page = page.map_err(|error| Error::permanent("reading an activity", error))?;
        let DecodedPage { items, next, read_units } = page;
        self.ledger.count_units(read_units);
        Ok((items, next))
    }

    /// Returns the activities of a page, without the one at `after`.
    pub(super) fn activities(items: ItemBuffer, after: Option<&Position>) -> StoredActivities {
        let mut activities = StoredActivities::of(items);
        if let Some(after) = after
            && activities.peek().is_some_and(|first| first.sort_key() == after.to_text())
        {
            activities.next();
        }
        activities
    }
}

/// Returns the activity without the text of its details, of which only the size is left.
pub(super) fn without_details<T: AsRef<str>>(activity: Activity<T>) -> Activity<T> {
    let details = match activity.details {
        Details::Here(text) => Details::Apart(text.as_ref().len() as u64),
        other => other,
    };
    Activity { details, ..activity }
}

/// The position right behind a stored activity.
pub(super) fn position_behind(stored: &StoredActivity) -> Position {
    Position::behind(&stored.activity())
}

/// Returns the index of the page whose first activity comes first in an order. Pages without activities are skipped.
pub(super) fn first_of<'a>(
    pages: impl Iterator<Item = Option<&'a StoredActivities>>,
    order: SortOrder,
) -> Option<usize> {
    let pages = pages.enumerate().filter_map(|(index, page)| Some((index, page.filter(|page| !page.is_empty())?)));
    let compare = |left: &(usize, &StoredActivities), right: &(usize, &StoredActivities)| left.1.compare(right.1);
    let first = if order == SortOrder::Ascending { pages.min_by(compare) } else { pages.max_by(compare) };
    first.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use domain::time::{Period, Zone};

    use super::*;
    use crate::ledger::page_json::find_next;

    fn source() -> Source {
        let dynamodb = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
        let s3 = aws_sdk_s3::Config::builder().behavior_version_latest().build();
        let (dynamodb, s3) = (aws_sdk_dynamodb::Client::from_conf(dynamodb), aws_sdk_s3::Client::from_conf(s3));
        let ledger = Ledger::new(dynamodb, s3, "t".to_owned(), "b".to_owned());
        let period = Month::parse("2026-11").unwrap().period(Zone::parse("UTC").unwrap());
        let period = Period::new(period.from(), period.to()).unwrap();
        let filter = Filter::default();
        let order = SortOrder::Descending;
        let selection = Selection { period, filter, order, recorded_from: None, recorded_before: None };
        Source::new(&ledger, &PartnerId::parse("contoso").unwrap(), &selection)
    }

    #[test]
    fn a_page_is_refused_when_its_items_do_not_fit_its_end() {
        let item = r#"{"pk":{"S":"contoso#2026-11"},"sk":{"S":"2026-11-02T09:30:00.000000Z#e-1"},"r":{"S":"2026-11-02T09:30:01.000Z"},"a":{"S":"order.created"},"u":{"S":"ana"},"h":{"B":"AAAAAAAAAAAAAAAAAAAAAA=="}}"#;
        let end = r#""LastEvaluatedKey":{"pk":{"S":"contoso#2026-11"},"sk":{"S":"2026-11-02T09:30:00.000000Z#e-1"}}"#;
        let other = end.replace("e-1", "e-2");
        for (body, count) in [
            (format!(r#"{{"Count":1,"Items":[{item}],{end},"ScannedCount":1}}"#), Some(1)),
            // Cut in the middle, and with another end in front.
            (format!(r#"{{"Count":1,"Items":[{}],{end},"ScannedCount":1}}"#, &item[..40]), None),
            (format!(r#"{{"Count":1,{other},"Items":[{item}],{end},"ScannedCount":1}}"#), None),
        ] {
            let next = find_next(body.as_bytes()).unwrap();
            let decoded = source().decode::<ItemBuffer>(QueryAnswer::Deferred { body: body.into_bytes().into(), next });
            assert_eq!(decoded.ok().map(|(items, _)| Source::activities(items, None).count()), count);
        }
    }
}
