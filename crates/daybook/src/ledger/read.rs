//! Reading in order: pages for lists, chunks for exports.

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{TryStreamExt as _, stream::FuturesUnordered};

use super::{
    Ledger, Order, Position, Selection, apart,
    item::{self, Item, Row},
    raw::{self, PageReader},
};
use crate::{
    activity::{Activity, PartnerId},
    filter::Filter,
    period::Month,
    storage::Error,
};

/// The most rounds of Query that one page may cost, a round being one call for each shard. It is enough for the longest
/// period to touch every month; with a filter that matches little the page is then short.
pub const MAX_QUERIES_PER_PAGE: usize = 16;
/// The most bytes of items that one page may hold: a Lambda's answer ends at 6 MB.
pub const MAX_PAGE_BYTES: usize = 3 * 1_024 * 1_024;
/// The most activities of one page.
pub const MAX_PAGE_ROWS: usize = 1_000;
/// How many customers are read side by side from their index; more are looked for among all of the partner's activities.
const MAX_INDEXED_CUSTOMERS: usize = 8;
/// How many details' bytes an export holds at a time.
const DETAILS_WINDOW_BYTES: u64 = 8 * 1_024 * 1_024;

/// Some of a list's activities.
#[derive(Debug)]
pub struct Page {
    /// The activities, without details.
    pub activities: Vec<Activity>,
    /// Where to go on; none at the end.
    pub next: Option<Position>,
}

impl Ledger {
    /// A page of a list, without details, from `after` on; of what is selected, only what `also` holds for. Its cost is
    /// bounded by [`MAX_QUERIES_PER_PAGE`]: with a filter it may be short or empty and still have a next one.
    ///
    /// A first page is read with strong consistency, so that who has just recorded finds it there; what single customers
    /// are asked for comes from an index, which follows within a second.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable.
    pub async fn page(
        &self,
        partner: &PartnerId,
        selection: &Selection,
        limit: usize,
        after: Option<Position>,
        also: Option<&(dyn Fn(&Activity) -> bool + Send + Sync)>,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let consistent = after.is_none();
        let mut walk = Walk::new(self, partner, selection, after, consistent).await?;
        let keys_select = also.is_none() && walk.keys_select();
        let mut activities = Vec::with_capacity(limit.min(256));
        let mut bytes = 0;
        for _ in 0..MAX_QUERIES_PER_PAGE {
            // One more than wanted tells whether there is a next page. A filter needs rows to choose from.
            let wanted = limit - activities.len() + 1;
            let rows = walk.query(if keys_select { wanted } else { MAX_PAGE_ROWS }).await?;
            let Some(rows) = rows else { return Ok(Page { activities, next: None }) };
            for Row { activity, size, .. } in rows {
                if !walk.selects(&activity) || !also.is_none_or(|holds| holds(&activity)) {
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
        Ok(Page { activities, next: walk.after })
    }

    /// Reads a whole selection in order, chunk by chunk, in bounded memory; with details if asked.
    ///
    /// # Errors
    /// When the directory cannot be read.
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
}

/// A walk over the rows of a selection, in order, round by round.
#[derive(Debug)]
struct Walk {
    ledger: Ledger,
    partner: PartnerId,
    selection: Selection,
    consistent: bool,
    /// Months still to be read, with their numbers of shards.
    months: VecDeque<(Month, u8)>,
    /// What is left of the month at hand.
    streams: Vec<Stream>,
    /// The last row seen, of whichever month.
    after: Option<Position>,
}

/// The rows of one month from one partition, of the table or of the index.
#[derive(Debug)]
struct Stream {
    /// The name of the key and its value.
    key: (&'static str, String),
    /// Where Query is to go on.
    start: Option<Item>,
    ended: bool,
    /// Rows read and not yet handed on, in order.
    rows: VecDeque<Row>,
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
        let mut months: VecDeque<(Month, u8)> =
            if first > last { VecDeque::new() } else { ledger.months(partner, first, last, consistent).await?.into() };
        if selection.order == Order::Descending {
            months.make_contiguous().reverse();
        }
        let (ledger, partner, selection) = (ledger.clone(), partner.clone(), selection.clone());
        Ok(Self { ledger, partner, selection, consistent, months, streams: Vec::new(), after })
    }

    /// Customers whose activities are read from their index, if the filter names few.
    fn indexed_customers(&self) -> Option<&[String]> {
        let customers = &self.selection.filter.customer;
        (1..=MAX_INDEXED_CUSTOMERS).contains(&customers.len()).then_some(customers)
    }

    /// Whether the keys alone select: every row read is wanted.
    fn keys_select(&self) -> bool {
        let Selection { filter, recorded_from, recorded_before, .. } = &self.selection;
        let rest = match self.indexed_customers() {
            Some(_) => Filter { customer: Vec::new(), ..filter.clone() },
            None => filter.clone(),
        };
        rest.is_empty() && recorded_from.is_none() && recorded_before.is_none()
    }

    fn selects(&self, activity: &Activity) -> bool {
        self.selection.recorded_from.is_none_or(|from| activity.recorded_at >= from)
            && self.selection.recorded_before.is_none_or(|before| activity.recorded_at < before)
            && self.selection.filter.matches(&activity.entry)
    }

    /// The next rows, about `wanted` of them, of one month; none at the end.
    async fn query(&mut self, wanted: usize) -> Result<Option<Vec<Row>>, Error> {
        loop {
            if self.streams.is_empty() {
                let Some((month, shards)) = self.months.pop_front() else { return Ok(None) };
                self.streams = self.open(month, shards);
            }
            self.fill(wanted).await?;
            let rows = self.merge();
            if let Some(last) = rows.last() {
                self.after = Some(Position::behind(&last.activity));
                return Ok(Some(rows));
            }
        }
    }

    fn open(&self, month: Month, shards: u8) -> Vec<Stream> {
        let keys: Vec<(&str, String)> = match self.indexed_customers() {
            Some(customers) => {
                let mut keys: Vec<String> =
                    customers.iter().map(|id| item::customer_partition(&self.partner, id, month)).collect();
                keys.sort_unstable();
                keys.dedup();
                keys.into_iter().map(|key| ("ck", key)).collect()
            }
            None => (0..shards).map(|shard| ("pk", item::partition(&self.partner, month, shard, shards))).collect(),
        };
        keys.into_iter().map(|key| Stream { key, start: None, ended: false, rows: VecDeque::new() }).collect()
    }

    /// Reads on in every stream that has nothing to offer, side by side.
    async fn fill(&mut self, wanted: usize) -> Result<(), Error> {
        let count = self.streams.len();
        // Each gets its share and some more: what chance gives to one beyond it is not asked for again.
        let share = if count == 1 { wanted } else { (wanted + wanted / 2) / count + 4 };
        let limit = share.min(MAX_PAGE_ROWS + 1);
        let this = &*self;
        let asked: FuturesUnordered<_> = this
            .streams
            .iter()
            .enumerate()
            .filter(|(_, stream)| stream.rows.is_empty() && !stream.ended)
            .map(|(index, stream)| async move { this.fetch(stream, limit).await.map(|answer| (index, answer)) })
            .collect();
        let answers: Vec<_> = asked.try_collect().await?;
        for (index, (rows, start)) in answers {
            let stream = &mut self.streams[index];
            stream.ended = start.is_none();
            stream.start = start;
            stream.rows = rows.into();
        }
        Ok(())
    }

    async fn fetch(&self, stream: &Stream, limit: usize) -> Result<(Vec<Row>, Option<Item>), Error> {
        let period = &self.selection.period;
        // A sort key is an instant and more: every key at an instant comes behind the instant's own text.
        let (mut from, mut to) = (period.from().to_string(), period.to().to_string());
        let after = self.after.as_ref().map(Position::to_text);
        // Behind the last row seen. Within a stream Query says where to go on; the others, and a new walk, start at the
        // row itself, which is not theirs or comes once more.
        let mut limit = limit;
        if stream.start.is_none()
            && let Some(after) = &after
        {
            let bound = if self.selection.order == Order::Ascending { &mut from } else { &mut to };
            let tighter = if self.selection.order == Order::Ascending { *after > *bound } else { *after < *bound };
            if tighter {
                bound.clone_from(after);
                limit += 1;
            }
        }
        let (name, value) = &stream.key;
        let query = self.ledger.dynamodb.query().table_name(&*self.ledger.table);
        let query = match *name {
            "ck" => query.index_name("by_customer"),
            _ => query.consistent_read(self.consistent),
        };
        let reader = PageReader::new(&self.partner);
        query
            .key_condition_expression(format!("{name} = :key AND sk BETWEEN :from AND :to"))
            .expression_attribute_values(":key", AttributeValue::S(value.clone()))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":to", AttributeValue::S(to))
            .set_exclusive_start_key(stream.start.clone())
            .scan_index_forward(self.selection.order == Order::Ascending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .customize()
            .interceptor(reader.clone())
            .send()
            .await
            .map_err(|error| Error::sdk("Query of activities", error))?;
        let page = reader.take().ok_or_else(|| Error::broken("Query of activities", "its answer was not read"))?;
        let raw::Page { mut rows, next } = page.map_err(|error| Error::broken("reading an activity", error))?;
        if let Some(after) = &self.after
            && rows.first().is_some_and(|row| Position::behind(&row.activity) == *after)
        {
            rows.remove(0);
        }
        Ok((rows, next))
    }

    /// Takes rows in order until a stream that may have more has none to compare with.
    fn merge(&mut self) -> Vec<Row> {
        let mut merged = Vec::new();
        if let [stream] = self.streams.as_mut_slice() {
            merged.extend(stream.rows.drain(..));
        }
        let ascending = self.selection.order == Order::Ascending;
        while !self.streams.iter().any(|stream| stream.rows.is_empty() && !stream.ended) {
            let heads = self.streams.iter().enumerate().filter_map(|(index, stream)| {
                let activity = &stream.rows.front()?.activity;
                Some((activity.occurred_at, &activity.id, index))
            });
            let Some((.., index)) = (if ascending { heads.min() } else { heads.max() }) else { break };
            merged.extend(self.streams[index].rows.pop_front());
        }
        self.streams.retain(|stream| !(stream.ended && stream.rows.is_empty()));
        merged
    }
}

/// Reads a selection in order, in chunks of bounded size.
#[derive(Debug)]
pub struct Reader {
    walk: Walk,
    with_details: bool,
    waiting: VecDeque<Row>,
}

impl Reader {
    /// The next activities of the selection; none at the end.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable: no row is ever left out.
    pub async fn next(&mut self) -> Result<Option<Vec<Activity>>, Error> {
        while self.waiting.is_empty() {
            let Some(rows) = self.walk.query(MAX_PAGE_ROWS).await? else { return Ok(None) };
            self.waiting.extend(rows.into_iter().filter(|row| self.walk.selects(&row.activity)));
        }
        if !self.with_details {
            let whole = std::mem::take(&mut self.waiting);
            return Ok(Some(
                whole
                    .into_iter()
                    .map(|Row { activity, .. }| Activity { details: apart(activity.details), ..activity })
                    .collect(),
            ));
        }
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while let Some(row) = self.waiting.front() {
            bytes += row.activity.details.size();
            if bytes > DETAILS_WINDOW_BYTES && !chunk.is_empty() {
                break;
            }
            chunk.extend(self.waiting.pop_front());
        }
        let dense = self.walk.indexed_customers().is_none() && self.walk.keys_select();
        self.walk.ledger.fill_details(chunk, dense).await.map(Some)
    }
}
