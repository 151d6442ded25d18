//! Streams of a whole selection in order, for exports: read ahead, in bounded memory.

use std::{collections::VecDeque, sync::Arc};

use domain::{
    activity::{Activity, Details, PartnerId},
    query::{Position, Selection},
    time::Month,
};

use tokio::sync::Semaphore;

use super::{
    Ledger,
    details::{CONCURRENCY, DetailsFetched, Unpacker, collect_details},
    partition::{FoundActivity, PartitionAhead},
    source::{Source, first_of, position_behind, without_details},
    stored::StoredActivity,
};
use crate::error::Error;

/// The most activities of a chunk.
const MAX_CHUNK_ROWS: usize = 1_024;
/// The number of partitions that are read ahead; each holds two pages of 1 MB. A month with more shards exceeds it.
const MAX_PARTITIONS_AHEAD: usize = 8;
/// The bytes of details that a chunk may have, unless one activity alone has more.
const MAX_CHUNK_DETAILS: u64 = 2 * 1_024 * 1_024;
/// The number of chunks whose details are fetched ahead. An object takes S3 as long as two chunks take the writer.
const MAX_CHUNKS_AHEAD: usize = 3;

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
    /// Activities whose details are not unpacked yet.
    waiting: VecDeque<FoundActivity>,
    /// The last activity read.
    reached: Option<StoredActivity>,
    /// The next chunks, whose details are being fetched.
    ahead: VecDeque<ChunkAhead>,
    /// The room for fetches at a time.
    room: Arc<Semaphore>,
    unpacker: Unpacker,
}

/// A chunk whose details are being fetched.
#[derive(Debug)]
struct ChunkAhead {
    found: Vec<FoundActivity>,
    reached: Option<StoredActivity>,
    fetching: DetailsFetched,
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
            ahead: VecDeque::new(),
            room: Arc::new(Semaphore::new(CONCURRENCY)),
            unpacker: Unpacker::new()?,
        })
    }
}

impl ActivityStream {
    /// Reads the next chunk; none at the end.
    ///
    /// # Errors
    /// When a store fails or holds an unreadable item: no activity is ever left out.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        let wanted = if self.with_details { MAX_CHUNKS_AHEAD } else { 1 };
        while self.ahead.len() < wanted
            && let Some(chunk) = self.read_chunk().await?
        {
            self.ahead.push_back(chunk);
        }
        let Some(ChunkAhead { found, reached, fetching }) = self.ahead.pop_front() else { return Ok(None) };
        let details = match self.with_details {
            true => Some(collect_details(&found, fetching, &mut self.unpacker).await?),
            false => None,
        };
        Ok(Some(Chunk { stored: found.into_iter().map(|found| found.stored).collect(), reached, details }))
    }

    /// Reads the activities of the next chunk, and begins to fetch their details.
    async fn read_chunk(&mut self) -> Result<Option<ChunkAhead>, Error> {
        if self.waiting.is_empty() {
            let Some(read) = self.read_merged().await? else { return Ok(None) };
            let source = &self.source;
            self.reached = read.last().map(|last| last.stored.clone());
            self.waiting = if source.selects_all() {
                read.into()
            } else {
                read.into_iter().filter(|found| source.selects(&found.stored.activity())).collect()
            };
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            bytes += if self.with_details { next.stored.activity().details.size() } else { 0 };
            if bytes > MAX_CHUNK_DETAILS && !found.is_empty() {
                break;
            }
            found.extend(self.waiting.pop_front());
        }
        let reached = if self.waiting.is_empty() { self.reached.take() } else { None };
        let fetching = match self.with_details {
            true => self.source.ledger.fetch_missing(&found, &self.room),
            false => DetailsFetched::new(),
        };
        Ok(Some(ChunkAhead { found, reached, fetching }))
    }

    /// Reads the next activities of one month, merged from its partitions.
    async fn read_merged(&mut self) -> Result<Option<Vec<FoundActivity>>, Error> {
        loop {
            self.open_months();
            let Some(partitions) = self.open.front_mut() else { return Ok(None) };
            for partition in partitions.iter_mut() {
                partition.fill().await?;
            }
            partitions.retain(|partition| partition.has_activities());
            if partitions.is_empty() {
                self.open.pop_front();
                continue;
            }
            let mut merged = Vec::new();
            while merged.len() < MAX_CHUNK_ROWS {
                let first = match partitions.as_slice() {
                    [_] => Some(0),
                    _ => first_of(partitions.iter().map(PartitionAhead::waiting), self.source.selection.order),
                };
                let Some(partition) = first.map(|index| &mut partitions[index]) else { break };
                merged.extend(partition.next().await?);
                if !partition.has_activities() {
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
            let with_twins = self.with_details && self.source.is_dense();
            let ahead = |key| PartitionAhead::open(&self.source, key, self.after.clone(), consistent, with_twins);
            self.open.push_back(keys.into_iter().map(ahead).collect());
            self.has_begun = true;
            self.months.pop_front();
        }
    }
}
