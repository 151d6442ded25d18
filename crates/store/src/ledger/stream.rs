//! Streams of a whole selection in order, for exports: read ahead, in bounded memory.

use std::{collections::VecDeque, sync::Arc};

use domain::{
    activity::{Activity, Details, PartnerId},
    query::{Position, Selection},
    time::Month,
};
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
};

use super::{
    Ledger,
    page_json::{DecodedPage, QueryAnswer},
    source::{PartitionKey, Source, first_of, position_behind, without_details},
    stored::{StoredActivities, StoredActivity},
};
use crate::error::Error;

/// The most activities of a chunk.
const MAX_CHUNK_ROWS: usize = 1_024;
/// The number of partitions that are read ahead; each holds two pages of 1 MB. A month with more shards exceeds it.
const MAX_PARTITIONS_AHEAD: usize = 8;
/// The bytes of details that a chunk may have.
const MAX_CHUNK_DETAILS: u64 = 8 * 1_024 * 1_024;

/// Reads a selection in order, in chunks of bounded size. Dropping the stream stops its reads.
#[derive(Debug)]
pub struct ActivityStream {
    source: Arc<Source>,
    with_details: bool,
    after: Option<Position>,
    /// Whether the stream has read before; only its first reads are strongly consistent.
    has_begun: bool,
    /// The months that are not opened yet, with their numbers of shards.
    months: VecDeque<(Month, u8)>,
    /// The partitions of the months that are being read, the current month first.
    open: VecDeque<Vec<PartitionAhead>>,
    /// Activities whose details are not fetched yet.
    waiting: VecDeque<StoredActivity>,
    /// The last activity read.
    reached: Option<StoredActivity>,
}

/// Activities that follow one another. A chunk may be empty if a filter left out all that was read.
#[derive(Debug)]
pub struct Chunk {
    stored: Vec<StoredActivity>,
    /// The last activity read for this chunk, selected or not.
    reached: Option<StoredActivity>,
    /// For each activity, the details that are not in its item; nothing if details are not wanted.
    details: Option<Vec<Option<String>>>,
}

impl Chunk {
    /// The position behind all activities of the chunk and all that a filter left out.
    ///
    /// A chunk has no position if some of what was read comes with the next chunk.
    pub fn reached(&self) -> Option<Position> {
        self.reached.as_ref().map(position_behind)
    }

    /// The activities, in order.
    pub fn activities(&self) -> impl Iterator<Item = Activity<&str>> {
        self.stored.iter().enumerate().map(|(index, stored)| match &self.details {
            None => without_details(stored.activity()),
            Some(fetched) => match fetched[index].as_deref() {
                None => stored.activity(),
                Some(text) => Activity { details: Details::Here(text), ..stored.activity() },
            },
        })
    }
}

impl Ledger {
    /// Streams a whole selection in order, from `after` on; with details if wanted.
    ///
    /// Partitions are read side by side and ahead of the caller. Reads are eventually consistent, at half the price, except
    /// for the first read of each partition of the first month. So what was acknowledged within the last
    /// [`domain::query::SETTLE_SECONDS`] may be missing.
    ///
    /// # Errors
    /// When the directory of months cannot be read.
    pub async fn stream(
        &self,
        partner: &PartnerId,
        selection: &Selection,
        with_details: bool,
        after: Option<Position>,
    ) -> Result<ActivityStream, Error> {
        let source = Source::new(self, partner, selection);
        let months = source.months(after.as_ref(), usize::MAX, true).await?.months.into();
        Ok(ActivityStream {
            source: Arc::new(source),
            with_details,
            has_begun: after.is_some(),
            after,
            months,
            open: VecDeque::new(),
            waiting: VecDeque::new(),
            reached: None,
        })
    }
}

impl ActivityStream {
    /// Reads the next chunk; none at the end.
    ///
    /// # Errors
    /// When a store fails or holds an unreadable item: no activity is ever left out.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        if self.waiting.is_empty() {
            let Some(read) = self.read_merged().await? else { return Ok(None) };
            let source = &self.source;
            self.reached = read.last().cloned();
            self.waiting = if source.selects_all() {
                read.into()
            } else {
                read.into_iter().filter(|stored| source.selects(&stored.activity())).collect()
            };
        }
        if !self.with_details {
            let stored = std::mem::take(&mut self.waiting).into();
            return Ok(Some(Chunk { stored, reached: self.reached.take(), details: None }));
        }
        let mut stored = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            bytes += next.activity().details.size();
            if bytes > MAX_CHUNK_DETAILS && !stored.is_empty() {
                break;
            }
            stored.extend(self.waiting.pop_front());
        }
        // Few activities are recorded after an instant in the past, so their details are fetched one by one.
        let is_late = self.source.selection.recorded_from.is_some();
        let is_dense = !self.source.is_indexed() && self.source.filter_accepts_all() && !is_late;
        let details = self.source.ledger.fetch_details(&stored, is_dense).await?;
        let reached = if self.waiting.is_empty() { self.reached.take() } else { None };
        Ok(Some(Chunk { stored, reached, details: Some(details) }))
    }

    /// Reads the next activities of one month, merged from its partitions.
    async fn read_merged(&mut self) -> Result<Option<Vec<StoredActivity>>, Error> {
        loop {
            self.open_months();
            let Some(partitions) = self.open.front_mut() else { return Ok(None) };
            for partition in partitions.iter_mut() {
                partition.fill().await?;
            }
            partitions.retain(|partition| partition.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty()));
            if partitions.is_empty() {
                self.open.pop_front();
                continue;
            }
            let mut merged = Vec::new();
            if let [partition] = partitions.as_mut_slice() {
                merged.extend(partition.waiting.iter_mut().flatten().take(MAX_CHUNK_ROWS));
            }
            while merged.len() < MAX_CHUNK_ROWS {
                let waiting = partitions.iter().map(|partition| partition.waiting.as_ref());
                let first = first_of(waiting, self.source.selection.order);
                let Some(waiting) = first.and_then(|index| partitions[index].waiting.as_mut()) else { break };
                merged.extend(waiting.next());
                if waiting.is_empty() {
                    break;
                }
            }
            return Ok(Some(merged));
        }
    }

    /// Begins to read further months, in order, while few partitions are being read.
    fn open_months(&mut self) {
        while let Some((month, shards)) = self.months.front() {
            let keys = self.source.partitions(*month, *shards);
            let reading: usize = self.open.iter().map(Vec::len).sum();
            if !self.open.is_empty() && reading + keys.len() > MAX_PARTITIONS_AHEAD {
                return;
            }
            // Strongly consistent, so that a caller finds in an export what it has just recorded. A selection with
            // `recorded_before` ends where every recording has settled, and needs none.
            let consistent = !self.has_begun && self.source.selection.recorded_before.is_none();
            let ahead = |key| PartitionAhead::open(&self.source, key, self.after.clone(), consistent);
            self.open.push_back(keys.into_iter().map(ahead).collect());
            self.has_begun = true;
            self.months.pop_front();
        }
    }
}

/// One partition of a month, read ahead by a task.
#[derive(Debug)]
struct PartitionAhead {
    source: Arc<Source>,
    after: Option<Position>,
    pages: mpsc::Receiver<Result<PageAhead, Error>>,
    /// The task; it ends with this value.
    _reading: JoinSet<()>,
    waiting: Option<StoredActivities>,
    has_ended: bool,
}

#[derive(Debug)]
enum PageAhead {
    /// A page that another one follows, perhaps not decoded yet.
    Next(QueryAnswer),
    /// The last page.
    Last(StoredActivities),
}

impl PartitionAhead {
    fn open(source: &Arc<Source>, key: PartitionKey, after: Option<Position>, consistent: bool) -> Self {
        // One page waits or is being requested while the caller works on another.
        let (sender, pages) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn(Self::read_pages(Arc::clone(source), key, after.clone(), consistent, sender));
        Self { source: Arc::clone(source), after, pages, _reading: reading, waiting: None, has_ended: false }
    }

    async fn read_pages(
        source: Arc<Source>,
        key: PartitionKey,
        after: Option<Position>,
        mut consistent: bool,
        sender: mpsc::Sender<Result<PageAhead, Error>>,
    ) {
        let mut start = None;
        // A closed channel means that the stream was dropped.
        while let Ok(room) = sender.reserve().await {
            let page = async {
                let answer = source.query(&key, start.take(), after.as_ref(), None, consistent).await?;
                match &answer {
                    QueryAnswer::Deferred { next, .. }
                    | QueryAnswer::Decoded(Ok(DecodedPage { next: Some(next), .. })) => {
                        start = Some(next.clone());
                        Ok(PageAhead::Next(answer))
                    }
                    _ => source.decode(answer, after.as_ref()).map(|(last, _)| PageAhead::Last(last)),
                }
            };
            let page = page.await;
            let goes_on = matches!(page, Ok(PageAhead::Next(_)));
            room.send(page);
            if !goes_on {
                return;
            }
            consistent = false;
        }
    }

    /// Waits until the partition has activities to offer, or has ended.
    async fn fill(&mut self) -> Result<(), Error> {
        while !self.has_ended && self.waiting.as_ref().is_none_or(StoredActivities::is_empty) {
            let page = self.pages.recv().await;
            // The task requests the next page before this one is decoded, because decoding takes a while.
            yield_now().await;
            let ended_early = || Err(Error::permanent("reading ahead", "the task ended before the last page"));
            self.waiting = Some(match page.unwrap_or_else(ended_early)? {
                PageAhead::Next(answer) => self.source.decode(answer, self.after.as_ref())?.0,
                PageAhead::Last(last) => {
                    self.has_ended = true;
                    last
                }
            });
        }
        Ok(())
    }
}
