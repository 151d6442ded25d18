//! Reading in order: pages for lists, chunks for exports.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{TryStreamExt as _, stream::FuturesUnordered};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
};

use super::{
    Ledger,
    item::{self, Item, NewItem, Row, Rows, Unreadable},
    raw::{self, PageReader},
};
use crate::error::Error;
use domain::{
    activity::{Activity, Details, PartnerId},
    filter::Filter,
    query::{Order, Position, Selection},
    time::Month,
};

/// The most rounds of Query that one page may cost, a round being one call for each shard. It is enough for the longest
/// period to touch every month; with a filter that matches little the page is then short.
pub const MAX_QUERIES_PER_PAGE: usize = 16;
/// The most bytes of items that one page may hold: a Lambda's answer ends at 6 MB.
pub const MAX_PAGE_BYTES: usize = 3 * 1_024 * 1_024;
/// The most bytes of items that are read for one page, but for the round that goes beyond: what is selected from them stays
/// where it was read until the page is answered.
const MAX_READ_BYTES: usize = 32 * 1_024 * 1_024;
/// The most activities of one page.
pub const MAX_PAGE_ROWS: usize = 1_000;
/// How many customers are read side by side from their index; more are looked for among all of the partner's activities.
const MAX_INDEXED_CUSTOMERS: usize = 8;
/// The most activities of a chunk of an export.
const MAX_CHUNK_ROWS: usize = 1_024;
/// How many partitions are read side by side, if the next month's are not more: each holds two pages of 1 MB.
const MAX_AHEAD: usize = 8;
/// How many details' bytes an export holds at a time.
const DETAILS_WINDOW_BYTES: u64 = 8 * 1_024 * 1_024;

/// What must hold for an activity to be listed, besides the selection.
pub type Condition<'a> = dyn Fn(&Activity<&str>) -> bool + Send + Sync + 'a;

/// Some of a list's activities.
#[derive(Debug)]
pub struct Page {
    rows: Vec<Row>,
    /// Where to go on; none at the end.
    pub next: Option<Position>,
}

impl Page {
    /// The activities, in order, without details.
    pub fn activities(&self) -> impl ExactSizeIterator<Item = Activity<&str>> {
        self.rows.iter().map(|row| apart(row.activity()))
    }
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
        also: Option<&Condition<'_>>,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let consistent = after.is_none();
        let source = Source::new(self, partner, selection);
        let keys_select = also.is_none() && source.keys_select();
        let months = source.months(after.as_ref(), consistent).await?;
        let mut walk = Walk { source, consistent, months, streams: Vec::new(), after };
        let mut page = Vec::with_capacity(limit.min(256));
        let (mut bytes, mut bytes_read) = (0, 0);
        for _ in 0..MAX_QUERIES_PER_PAGE {
            // One more than wanted tells whether there is a next page. A filter needs rows to choose from.
            let wanted = limit - page.len() + 1;
            let rows = walk.query(if keys_select { wanted } else { MAX_PAGE_ROWS }).await?;
            let Some(rows) = rows else { return Ok(Page { rows: page, next: None }) };
            for row in rows {
                let size = row.size();
                bytes_read += size;
                let is_wanted = keys_select || {
                    let activity = apart(row.activity());
                    walk.source.selects(&activity) && also.is_none_or(|holds| holds(&activity))
                };
                if !is_wanted {
                    continue;
                }
                if page.len() == limit || (bytes + size > MAX_PAGE_BYTES && !page.is_empty()) {
                    let next = page.last().map(|last: &Row| Position::behind(&last.activity()));
                    return Ok(Page { rows: page, next });
                }
                bytes += size;
                page.push(row);
            }
            if bytes_read > MAX_READ_BYTES {
                break;
            }
        }
        Ok(Page { rows: page, next: walk.after })
    }

    /// Reads a whole selection in order, chunk by chunk, in bounded memory; with details if asked.
    ///
    /// Partitions are read side by side and ahead of what is taken. Reads are eventually consistent, at half the price of
    /// consistent ones, but for the first of each partition of the newest or oldest month: what was acknowledged within
    /// the last [`domain::query::SETTLE_SECONDS`] may be missing.
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
        let source = Source::new(self, partner, selection);
        let months = source.months(after.as_ref(), true).await?;
        let begun = after.is_some();
        let (source, open) = (Arc::new(source), VecDeque::new());
        Ok(Reader { source, with_details, after, begun, months, open, waiting: VecDeque::new(), reached: None })
    }
}

/// The activity with its details apart, wherever they are.
fn apart<T: AsRef<str>>(activity: Activity<T>) -> Activity<T> {
    let details = match activity.details {
        Details::Here(text) => Details::Apart(text.as_ref().len() as u64),
        other => other,
    };
    Activity { details, ..activity }
}

/// A selection, and where it is read.
#[derive(Debug)]
struct Source {
    ledger: Ledger,
    partner: PartnerId,
    selection: Selection,
}

/// The key of a partition, of the table or of the index `by_customer`: the name of the attribute and its value.
type Key = (&'static str, String);

impl Source {
    fn new(ledger: &Ledger, partner: &PartnerId, selection: &Selection) -> Self {
        Self { ledger: ledger.clone(), partner: partner.clone(), selection: selection.clone() }
    }

    /// The months with data from a position on, in the order in which they are read, with their numbers of shards.
    async fn months(&self, after: Option<&Position>, consistent: bool) -> Result<VecDeque<(Month, u8)>, Error> {
        let (mut first, mut last) = self.selection.period.utc_months();
        if let Some(position) = after {
            match self.selection.order {
                Order::Ascending => first = first.max(position.occurred_at().utc_month()),
                Order::Descending => last = last.min(position.occurred_at().utc_month()),
            }
        }
        if first > last {
            return Ok(VecDeque::new());
        }
        let mut months = self.ledger.months(&self.partner, first, last, consistent).await?;
        if self.selection.order == Order::Descending {
            months.reverse();
        }
        Ok(months.into())
    }

    /// Customers whose activities are read from their index, if the filter names few.
    fn indexed_customers(&self) -> Option<&[String]> {
        let customers = &self.selection.filter.customer;
        (1..=MAX_INDEXED_CUSTOMERS).contains(&customers.len()).then_some(customers)
    }

    /// Whether the filter leaves out nothing of what the keys select.
    fn filter_is_met(&self) -> bool {
        let filter = &self.selection.filter;
        match self.indexed_customers() {
            Some(_) => Filter { customer: Vec::new(), ..filter.clone() }.is_empty(),
            None => filter.is_empty(),
        }
    }

    /// Whether the keys alone select: every row read is wanted.
    fn keys_select(&self) -> bool {
        let Selection { recorded_from, recorded_before, .. } = self.selection;
        recorded_from.is_none() && recorded_before.is_none() && self.filter_is_met()
    }

    fn selects(&self, activity: &Activity<&str>) -> bool {
        self.selection.recorded_from.is_none_or(|from| activity.recorded_at >= from)
            && self.selection.recorded_before.is_none_or(|before| activity.recorded_at < before)
            && self.selection.filter.matches(&activity.entry)
    }

    /// The partitions that hold a month.
    fn keys(&self, month: Month, shards: u8) -> Vec<Key> {
        match self.indexed_customers() {
            Some(customers) => {
                let mut keys: Vec<String> =
                    customers.iter().map(|id| item::customer_partition(&self.partner, id, month)).collect();
                keys.sort_unstable();
                keys.dedup();
                keys.into_iter().map(|key| ("ck", key)).collect()
            }
            None => (0..shards).map(|shard| ("pk", item::partition(&self.partner, month, shard, shards))).collect(),
        }
    }

    /// Asks for what follows in a partition, from `start` or else behind `after`: about `limit` rows, or as many as a page
    /// holds.
    async fn ask(
        &self,
        (name, value): &Key,
        start: Option<Item>,
        after: Option<&Position>,
        limit: Option<usize>,
        consistent: bool,
    ) -> Result<Answered, Error> {
        let period = &self.selection.period;
        // A sort key is an instant and more: every key at an instant comes behind the instant's own text.
        let (mut from, mut to) = (period.from().to_string(), period.to().to_string());
        let after = after.map(Position::to_text);
        // Behind the last row seen. Within a partition Query says where to go on; the others, and a new walk, start at the
        // row itself, which is not theirs or comes once more.
        let mut limit = limit;
        if start.is_none()
            && let Some(after) = &after
        {
            let bound = if self.selection.order == Order::Ascending { &mut from } else { &mut to };
            let tighter = if self.selection.order == Order::Ascending { *after > *bound } else { *after < *bound };
            if tighter {
                bound.clone_from(after);
                limit = limit.map(|limit| limit + 1);
            }
        }
        let index = (*name == "ck").then_some("by_customer");
        let ask = Ask {
            table_name: &self.ledger.table,
            index_name: index,
            key_condition_expression: format!("{name} = :key AND sk BETWEEN :from AND :to"),
            expression_attribute_values: NewItem::default().text(":key", value).text(":from", from).text(":to", to),
            exclusive_start_key: start.as_ref().map(NewItem::of_texts),
            consistent_read: consistent && index.is_none(),
            scan_index_forward: self.selection.order == Order::Ascending,
            limit: limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
        };
        self.ledger.ask(&self.partner, &ask).await
    }

    /// The rows of an answer, but for the one that was asked behind, and where to go on.
    fn read(&self, answered: Answered, after: Option<&Position>) -> Result<(Rows, Option<Item>), Error> {
        let page = match answered {
            Answered::Read(page) => page,
            Answered::Unread { body, next } => {
                let read = PageReader::new(&self.partner).read_alone(&body);
                match read {
                    Some(Ok(page)) if page.next.as_ref() != Some(&next) => None,
                    read => read,
                }
                .ok_or_else(|| {
                    self.ledger.short.query.mistrust();
                    Error::broken(
                        "Query of activities",
                        "its answer is damaged: the items do not go with its end; the next try reads it the SDK's way",
                    )
                })?
            }
        };
        let raw::Page { items, next } = page.map_err(|error| Error::broken("reading an activity", error))?;
        let mut rows = Rows::of(items);
        if let Some(after) = after
            && rows.peek().is_some_and(|row| row.sort_key() == after.to_text())
        {
            rows.next();
        }
        Ok((rows, next))
    }
}

/// What Query has answered.
#[derive(Debug)]
enum Answered {
    /// A page that was read.
    Read(Result<raw::Page, Unreadable>),
    /// A page that goes on, as it came.
    Unread {
        body: Vec<u8>,
        /// Where to go on, as the end of it says.
        next: Item,
    },
}

/// Which of several streams has the first row in an order, of those that have rows.
fn first<'a>(streams: impl Iterator<Item = Option<&'a Rows>>, order: Order) -> Option<usize> {
    let streams = streams.enumerate().filter_map(|(index, rows)| Some((index, rows.filter(|rows| !rows.is_empty())?)));
    let compare = |left: &(usize, &Rows), right: &(usize, &Rows)| left.1.order(right.1);
    let first = if order == Order::Ascending { streams.min_by(compare) } else { streams.max_by(compare) };
    first.map(|(index, _)| index)
}

/// A walk over the rows of a selection, in order, round by round: a round reads what a page of a list needs.
#[derive(Debug)]
struct Walk {
    source: Source,
    consistent: bool,
    /// Months still to be read, with their numbers of shards.
    months: VecDeque<(Month, u8)>,
    /// What is left of the month at hand.
    streams: Vec<Stream>,
    /// The last row seen, of whichever month.
    after: Option<Position>,
}

/// The rows of one month from one partition.
#[derive(Debug)]
struct Stream {
    key: Key,
    /// Where Query is to go on.
    start: Option<Item>,
    ended: bool,
    /// Rows read and not yet handed on; none before the first are read.
    rows: Option<Rows>,
}

impl Stream {
    fn is_dry(&self) -> bool {
        self.rows.as_ref().is_none_or(Rows::is_empty)
    }
}

impl Walk {
    /// The next rows, about `wanted` of them, of one month; none at the end.
    async fn query(&mut self, wanted: usize) -> Result<Option<Vec<Row>>, Error> {
        loop {
            if self.streams.is_empty() {
                let Some((month, shards)) = self.months.pop_front() else { return Ok(None) };
                let keys = self.source.keys(month, shards).into_iter();
                self.streams = keys.map(|key| Stream { key, start: None, ended: false, rows: None }).collect();
            }
            self.fill(wanted).await?;
            let rows = self.merge();
            if let Some(last) = rows.last() {
                self.after = Some(Position::behind(&last.activity()));
                return Ok(Some(rows));
            }
        }
    }

    /// Reads on in every stream that has nothing to offer, side by side.
    async fn fill(&mut self, wanted: usize) -> Result<(), Error> {
        let count = self.streams.len();
        // Each gets its share and some more: what chance gives to one beyond it is not asked for again.
        let share = if count == 1 { wanted } else { (wanted + wanted / 2) / count + 4 };
        let limit = Some(share.min(MAX_PAGE_ROWS + 1));
        let this = &*self;
        let asked: FuturesUnordered<_> = this
            .streams
            .iter()
            .enumerate()
            .filter(|(_, stream)| stream.is_dry() && !stream.ended)
            .map(|(index, stream)| async move {
                let (start, after) = (stream.start.clone(), this.after.as_ref());
                let answered = this.source.ask(&stream.key, start, after, limit, this.consistent).await?;
                Ok::<_, Error>((index, this.source.read(answered, after)?))
            })
            .collect();
        let answers: Vec<_> = asked.try_collect().await?;
        for (index, (rows, start)) in answers {
            let stream = &mut self.streams[index];
            stream.ended = start.is_none();
            stream.start = start;
            stream.rows = Some(rows);
        }
        Ok(())
    }

    /// Takes rows in order until a stream that may have more has none to compare with.
    fn merge(&mut self) -> Vec<Row> {
        let mut merged = Vec::new();
        if let [stream] = self.streams.as_mut_slice() {
            merged.extend(stream.rows.iter_mut().flatten());
        }
        while !self.streams.iter().any(|stream| stream.is_dry() && !stream.ended) {
            let streams = self.streams.iter().map(|stream| stream.rows.as_ref());
            let Some(index) = first(streams, self.source.selection.order) else { break };
            merged.extend(self.streams[index].rows.as_mut().and_then(Rows::next));
        }
        self.streams.retain(|stream| !(stream.ended && stream.is_dry()));
        merged
    }
}

/// Reads a selection in order, in chunks of bounded size. Dropping it stops what is under way.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    with_details: bool,
    after: Option<Position>,
    /// Whether a month was opened before.
    begun: bool,
    /// Months not yet opened, with their numbers of shards.
    months: VecDeque<(Month, u8)>,
    /// Months being read, the one at hand in front.
    open: VecDeque<Vec<Ahead>>,
    /// Rows whose details are not yet fetched.
    waiting: VecDeque<Row>,
    /// The last row read.
    reached: Option<Row>,
}

/// Some activities that follow one another; perhaps none, where a filter left out all that was read.
#[derive(Debug)]
pub struct Chunk {
    rows: Vec<Row>,
    /// The last row read for it, selected or not.
    reached: Option<Row>,
    /// Of each row, the details that are not in it; nothing where details are not wanted.
    details: Option<Vec<Option<String>>>,
}

impl Chunk {
    /// The place in the list behind all that is in the chunk, and all that was left out. None where more of what was read
    /// waits for the next chunk.
    pub fn reached(&self) -> Option<Position> {
        self.reached.as_ref().map(|row| Position::behind(&row.activity()))
    }

    /// The activities, in order.
    pub fn activities(&self) -> impl Iterator<Item = Activity<&str>> {
        self.rows.iter().enumerate().map(|(index, row)| match &self.details {
            None => apart(row.activity()),
            Some(fetched) => match fetched[index].as_deref() {
                None => row.activity(),
                Some(text) => Activity { details: Details::Here(text), ..row.activity() },
            },
        })
    }
}

/// One partition of a month, being read ahead.
#[derive(Debug)]
struct Ahead {
    source: Arc<Source>,
    after: Option<Position>,
    pages: mpsc::Receiver<Result<AheadPage, Error>>,
    /// Ends with the value.
    _reading: JoinSet<()>,
    rows: Option<Rows>,
    ended: bool,
}

#[derive(Debug)]
enum AheadPage {
    /// More pages follow.
    Next(Answered),
    /// None does.
    Last(Rows),
}

impl Ahead {
    fn new(source: &Arc<Source>, key: Key, after: Option<Position>, consistent: bool) -> Self {
        // One page waits, or is on its way, while another is taken.
        let (sender, pages) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn(Self::read(Arc::clone(source), key, after.clone(), consistent, sender));
        Self { source: Arc::clone(source), after, pages, _reading: reading, rows: None, ended: false }
    }

    async fn read(
        source: Arc<Source>,
        key: Key,
        after: Option<Position>,
        mut consistent: bool,
        sender: mpsc::Sender<Result<AheadPage, Error>>,
    ) {
        let mut start = None;
        // A closed channel means that nobody wants more.
        while let Ok(room) = sender.reserve().await {
            let page = async {
                let answered = source.ask(&key, start.take(), after.as_ref(), None, consistent).await?;
                match &answered {
                    Answered::Unread { next, .. } | Answered::Read(Ok(raw::Page { next: Some(next), .. })) => {
                        start = Some(next.clone());
                        Ok(AheadPage::Next(answered))
                    }
                    _ => source.read(answered, after.as_ref()).map(|(rows, _)| AheadPage::Last(rows)),
                }
            };
            let page = page.await;
            let goes_on = matches!(page, Ok(AheadPage::Next(_)));
            room.send(page);
            if !goes_on {
                return;
            }
            consistent = false;
        }
    }

    /// Waits until there are rows, or none will come.
    async fn fill(&mut self) -> Result<(), Error> {
        while !self.ended && self.rows.as_ref().is_none_or(Rows::is_empty) {
            let page = self.pages.recv().await;
            // The next page is asked for before this one is worked on, which takes a while.
            yield_now().await;
            let page = page.unwrap_or_else(|| Err(Error::broken("reading ahead", "it ended before its last page")))?;
            self.rows = Some(match page {
                AheadPage::Next(answered) => self.source.read(answered, self.after.as_ref())?.0,
                AheadPage::Last(rows) => {
                    self.ended = true;
                    rows
                }
            });
        }
        Ok(())
    }
}

impl Reader {
    /// The next activities of the selection; none at the end.
    ///
    /// # Errors
    /// When a store fails or holds something unreadable: no row is ever left out.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        if self.waiting.is_empty() {
            let Some(rows) = self.rows().await? else { return Ok(None) };
            let source = &self.source;
            self.reached = rows.last().cloned();
            self.waiting = if source.keys_select() {
                rows.into()
            } else {
                rows.into_iter().filter(|row| source.selects(&row.activity())).collect()
            };
        }
        if !self.with_details {
            let rows = std::mem::take(&mut self.waiting).into();
            return Ok(Some(Chunk { rows, reached: self.reached.take(), details: None }));
        }
        let mut rows = Vec::new();
        let mut bytes = 0;
        while let Some(row) = self.waiting.front() {
            bytes += row.activity().details.size();
            if bytes > DETAILS_WINDOW_BYTES && !rows.is_empty() {
                break;
            }
            rows.extend(self.waiting.pop_front());
        }
        // What was recorded since an instant is few among many; what was recorded before one is nearly all.
        let is_late = self.source.selection.recorded_from.is_some();
        let dense = self.source.indexed_customers().is_none() && self.source.filter_is_met() && !is_late;
        let details = self.source.ledger.details_of(&rows, dense).await?;
        let reached = if self.waiting.is_empty() { self.reached.take() } else { None };
        Ok(Some(Chunk { rows, reached, details: Some(details) }))
    }

    /// The next rows of one month.
    async fn rows(&mut self) -> Result<Option<Vec<Row>>, Error> {
        loop {
            self.open_months();
            let Some(streams) = self.open.front_mut() else { return Ok(None) };
            for stream in streams.iter_mut() {
                stream.fill().await?;
            }
            // What has rows has a first one to compare with.
            streams.retain(|stream| stream.rows.as_ref().is_some_and(|rows| !rows.is_empty()));
            if streams.is_empty() {
                self.open.pop_front();
                continue;
            }
            let mut merged = Vec::new();
            if let [stream] = streams.as_mut_slice() {
                merged.extend(stream.rows.iter_mut().flatten().take(MAX_CHUNK_ROWS));
            }
            while merged.len() < MAX_CHUNK_ROWS {
                let heads = streams.iter().map(|stream| stream.rows.as_ref());
                let Some(rows) =
                    first(heads, self.source.selection.order).and_then(|index| streams[index].rows.as_mut())
                else {
                    break;
                };
                merged.extend(rows.next());
                if rows.is_empty() {
                    break;
                }
            }
            return Ok(Some(merged));
        }
    }

    /// Begins to read months, in order, as long as few partitions are being read.
    fn open_months(&mut self) {
        while let Some((month, shards)) = self.months.front() {
            let keys = self.source.keys(*month, *shards);
            let reading: usize = self.open.iter().map(Vec::len).sum();
            if !self.open.is_empty() && reading + keys.len() > MAX_AHEAD {
                return;
            }
            // Whoever has just recorded finds it in the export. What was cut before has settled.
            let consistent = !self.begun && self.selection_is_open();
            let ahead = |key| Ahead::new(&self.source, key, self.after.clone(), consistent);
            self.open.push_back(keys.into_iter().map(ahead).collect());
            self.begun = true;
            self.months.pop_front();
        }
    }

    fn selection_is_open(&self) -> bool {
        self.source.selection.recorded_before.is_none()
    }
}

/// Query's request.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ask<'a> {
    table_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_name: Option<&'static str>,
    key_condition_expression: String,
    expression_attribute_values: NewItem<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclusive_start_key: Option<NewItem<'a>>,
    consistent_read: bool,
    scan_index_forward: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<i32>,
}

impl Ledger {
    async fn ask(&self, partner: &PartnerId, ask: &Ask<'_>) -> Result<Answered, Error> {
        const OPERATION: &str = "Query of activities";
        let reader = PageReader::new(partner);
        let body = serde_json::to_vec(ask).map_err(|error| Error::broken(OPERATION, error))?;
        if let Some((status, body)) = self.short.query.call(body).await {
            // Whole pages are for exports, which read ahead.
            let is_ahead = status == 200 && ask.limit.is_none();
            if let Some(next) = raw::next_of(&body).filter(|_| is_ahead) {
                return Ok(Answered::Unread { body, next });
            }
            match reader.read_alone(&body).filter(|_| status == 200) {
                Some(page) => return Ok(Answered::Read(page)),
                None => self.short.query.mistrust(),
            }
        }
        let guide = self.short.query.guide();
        let query = self
            .dynamodb
            .query()
            .table_name(ask.table_name)
            .set_index_name(ask.index_name.map(str::to_owned))
            .key_condition_expression(&ask.key_condition_expression)
            .set_expression_attribute_values(Some(ask.expression_attribute_values.to_item()))
            .set_exclusive_start_key(ask.exclusive_start_key.as_ref().map(NewItem::to_item))
            .consistent_read(ask.consistent_read)
            .scan_index_forward(ask.scan_index_forward)
            .set_limit(ask.limit)
            .customize()
            .interceptor(reader.clone())
            .interceptor(guide.clone())
            .send();
        // Seldom gone, and large: not to be part of what every call carries along.
        Box::pin(query).await.map_err(|error| Error::sdk(OPERATION, error))?;
        self.short.query.learn(&guide);
        reader.take().map(Answered::Read).ok_or_else(|| Error::broken(OPERATION, "its answer was not read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::{Period, parse_zone};

    fn source() -> Source {
        let dynamodb = aws_sdk_dynamodb::Config::builder().behavior_version_latest().build();
        let s3 = aws_sdk_s3::Config::builder().behavior_version_latest().build();
        let (dynamodb, s3) = (aws_sdk_dynamodb::Client::from_conf(dynamodb), aws_sdk_s3::Client::from_conf(s3));
        let ledger = Ledger::new(dynamodb, s3, "t".to_owned(), "b".to_owned());
        let period = Month::parse("2026-11").unwrap().period(parse_zone("UTC").unwrap());
        let period = Period::new(period.from(), period.to()).unwrap();
        let filter = Filter::default();
        let order = Order::Descending;
        let selection = Selection { period, filter, order, recorded_from: None, recorded_before: None };
        Source::new(&ledger, &PartnerId::parse("contoso").unwrap(), &selection)
    }

    #[test]
    fn a_page_whose_items_do_not_go_with_its_end_is_an_error_and_no_row_is_left_out() {
        let item = r#"{"pk":{"S":"contoso#2026-11"},"sk":{"S":"2026-11-02T09:30:00.000000Z#e-1"},"r":{"S":"2026-11-02T09:30:01.000Z"},"a":{"S":"order.created"},"u":{"S":"ana"},"h":{"B":"AAAAAAAAAAAAAAAAAAAAAA=="}}"#;
        let end = r#""LastEvaluatedKey":{"pk":{"S":"contoso#2026-11"},"sk":{"S":"2026-11-02T09:30:00.000000Z#e-1"}}"#;
        let other = end.replace("e-1", "e-2");
        for (body, rows) in [
            (format!(r#"{{"Count":1,"Items":[{item}],{end},"ScannedCount":1}}"#), Some(1)),
            // Cut in the middle, and with another end in front.
            (format!(r#"{{"Count":1,"Items":[{}],{end},"ScannedCount":1}}"#, &item[..40]), None),
            (format!(r#"{{"Count":1,{other},"Items":[{item}],{end},"ScannedCount":1}}"#), None),
        ] {
            let next = raw::next_of(body.as_bytes()).unwrap();
            let read = source().read(Answered::Unread { body: body.into_bytes(), next }, None);
            assert_eq!(read.ok().map(|(rows, _)| rows.count()), rows);
        }
    }
}
