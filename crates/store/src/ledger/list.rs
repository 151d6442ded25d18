//! Pages of a list.

use std::collections::VecDeque;

use domain::{
    activity::{Activity, PartnerId},
    query::{Position, Selection, SortOrder},
    time::{Month, Zone},
};
use futures_util::{TryStreamExt as _, stream::FuturesUnordered};

use super::{
    Ledger,
    directory::MonthList,
    item::Attributes,
    source::{PartitionKey, Source, first_of, position_behind, without_details},
    stored::{StoredActivities, StoredActivity},
};
use crate::error::Error;

/// The most calls of Query that one page may cost, whether they find something or not. A month of more shards takes one call
/// for each of them. With a filter that matches little, the page is short instead.
pub const MAX_QUERIES_PER_PAGE: usize = 16;
/// The most bytes of items in one page, because a Lambda function's answer is limited to 6 MB. A page of texts that need
/// many escapes is cut further where it is written.
pub const MAX_PAGE_BYTES: usize = 3 * 1_024 * 1_024;
/// The most bytes of items that are read for one page, plus the round that exceeds it. Items that a filter leaves out stay
/// in memory until the page is answered.
const MAX_READ_BYTES: usize = 32 * 1_024 * 1_024;
/// The most activities of one page.
pub const MAX_PAGE_ROWS: usize = 1_000;

/// A condition on listed activities, besides the selection.
pub type Condition<'a> = dyn Fn(&Activity<&str>) -> bool + Send + Sync + 'a;

/// A page of a list.
#[derive(Debug)]
pub struct ActivityPage {
    stored: Vec<StoredActivity>,
    /// The position at which the next page starts; none at the end of the list.
    pub next: Option<Position>,
}

impl ActivityPage {
    /// The activities in order, without details.
    pub fn activities(&self) -> impl ExactSizeIterator<Item = Activity<&str>> {
        self.stored.iter().map(|stored| without_details(stored.activity()))
    }

    /// Takes the activities as they are stored.
    pub fn into_stored(self) -> Vec<StoredActivity> {
        self.stored
    }

    /// Leaves the activities from the number `count` on to the next page.
    pub fn truncate(&mut self, count: usize) {
        if count < self.stored.len() {
            self.stored.truncate(count);
            self.next = self.stored.last().map(position_behind);
        }
    }
}

impl Ledger {
    /// Lists a page of selected activities from `after` on, without details; of these, only those that `also` accepts.
    ///
    /// The cost of a page is bounded by [`MAX_QUERIES_PER_PAGE`]. So a page may be short or empty and still have a next one. A
    /// first page is read with strong consistency, so that a caller finds what it has just recorded. A list of few customers
    /// comes from an index, which follows within a second.
    ///
    /// # Errors
    /// When the table fails or holds an unreadable item.
    pub async fn list_page(
        &self,
        partner: &PartnerId,
        selection: &Selection,
        limit: usize,
        after: Option<Position>,
        also: Option<&Condition<'_>>,
    ) -> Result<ActivityPage, Error> {
        let limit = limit.clamp(1, MAX_PAGE_ROWS);
        let source = Source::new(self, partner, selection);
        let selects_all = also.is_none() && source.selects_all();
        let mut walk = Walk::begin(source, after).await?;
        let mut page = Vec::with_capacity(limit.min(256));
        let (mut bytes, mut bytes_read) = (0, 0);
        while !walk.must_stop() && bytes_read <= MAX_READ_BYTES {
            // One more than wanted shows whether there is a next page. A filter needs activities to choose from.
            let wanted = limit - page.len() + 1;
            for stored in walk.read_round(if selects_all { wanted } else { MAX_PAGE_ROWS }).await? {
                let size = stored.size();
                bytes_read += size;
                let is_selected = selects_all || {
                    let activity = without_details(stored.activity());
                    walk.source.selects(&activity) && also.is_none_or(|accepts| accepts(&activity))
                };
                if !is_selected {
                    continue;
                }
                if page.len() == limit || (bytes + size > MAX_PAGE_BYTES && !page.is_empty()) {
                    let next = page.last().map(position_behind);
                    return Ok(ActivityPage { stored: page, next });
                }
                bytes += size;
                page.push(stored);
            }
        }
        let next = if walk.is_at_end() { None } else { walk.after };
        Ok(ActivityPage { stored: page, next })
    }
}

/// A walk over the activities of a selection, in order. Each round reads about what a page still needs.
#[derive(Debug)]
struct Walk {
    source: Source,
    consistent: bool,
    /// The months that are not read yet, with their numbers of shards.
    months: VecDeque<(Month, u8)>,
    /// Whether other months may follow.
    has_more_months: bool,
    /// The month that is being read.
    month: Option<Month>,
    /// The partitions of this month that are not read to their end.
    partitions: Vec<Partition>,
    /// The position behind everything that was read.
    after: Option<Position>,
    /// Whether this position moved.
    has_moved: bool,
    /// The number of calls of Query.
    queries: usize,
}

/// One partition of a month, and the activities read from it.
#[derive(Debug)]
struct Partition {
    key: PartitionKey,
    /// The key at which the next query starts.
    start: Option<Attributes>,
    has_ended: bool,
    /// The activities that are read and not handed on; none before the first query.
    waiting: Option<StoredActivities>,
}

impl Partition {
    fn is_empty(&self) -> bool {
        self.waiting.as_ref().is_none_or(StoredActivities::is_empty)
    }

    /// Whether the walk cannot go on before this partition is read.
    fn must_be_read(&self) -> bool {
        self.is_empty() && !self.has_ended
    }
}

impl Walk {
    /// Begins a walk behind a position. Each month takes at least one call, so no more months are looked up than calls are left.
    async fn begin(source: Source, after: Option<Position>) -> Result<Self, Error> {
        let consistent = after.is_none();
        let MonthList { months, queries } = source.months(after.as_ref(), MAX_QUERIES_PER_PAGE, consistent).await?;
        let is_last = months.last().is_some_and(|(month, _)| *month == source.last_month());
        let has_more_months = months.len() == MAX_QUERIES_PER_PAGE && !is_last;
        let (months, partitions) = (months.into(), Vec::new());
        let (month, has_moved) = (None, false);
        Ok(Self { source, consistent, months, has_more_months, month, partitions, after, has_moved, queries })
    }

    /// Whether nothing is left to read.
    fn is_at_end(&self) -> bool {
        self.partitions.is_empty() && self.months.is_empty() && !self.has_more_months
    }

    /// Whether the next round would exceed the calls of a page, or nothing is left to read.
    ///
    /// A walk that did not move goes on, because its next page would begin at the same position.
    fn must_stop(&self) -> bool {
        let next = match (self.partitions.is_empty(), self.months.front()) {
            (false, _) => self.partitions.iter().filter(|partition| partition.must_be_read()).count(),
            (true, Some((_, shards))) => self.source.partition_count(*shards),
            (true, None) => return true,
        };
        self.has_moved && self.queries + next > MAX_QUERIES_PER_PAGE
    }

    /// Reads the next activities of one month, about `wanted` of them; none if a month or a page of it has none.
    async fn read_round(&mut self, wanted: usize) -> Result<Vec<StoredActivity>, Error> {
        if self.partitions.is_empty() {
            let Some((month, shards)) = self.months.pop_front() else { return Ok(Vec::new()) };
            let keys = self.source.partitions(month, shards).into_iter();
            let open = |key| Partition { key, start: None, has_ended: false, waiting: None };
            self.partitions = keys.map(open).collect();
            self.month = Some(month);
        }
        self.fill(wanted).await?;
        let merged = self.merge();
        if let Some(last) = merged.last() {
            self.move_behind(position_behind(last));
        }
        if self.partitions.is_empty()
            && let Some(month) = self.month.take()
        {
            let end = match self.source.selection.order {
                SortOrder::Descending => month,
                SortOrder::Ascending => month.next(),
            };
            self.move_behind(Position::below(end.period(Zone::UTC).from()));
        }
        Ok(merged)
    }

    fn move_behind(&mut self, position: Position) {
        self.after = Some(position);
        self.has_moved = true;
    }

    /// Reads on in every partition that has no activity to offer, side by side.
    async fn fill(&mut self, wanted: usize) -> Result<(), Error> {
        let count = self.partitions.len();
        // Half as much again as an equal share, and four, because shards differ by chance: seldom is one asked twice.
        let share = if count == 1 { wanted } else { (wanted + wanted / 2) / count + 4 };
        let limit = Some(share.min(MAX_PAGE_ROWS + 1));
        let this = &*self;
        let queries: FuturesUnordered<_> = this
            .partitions
            .iter()
            .enumerate()
            .filter(|(_, partition)| partition.must_be_read())
            .map(|(index, partition)| async move {
                let (start, after) = (partition.start.clone(), this.after.as_ref());
                let answer = this.source.query(&partition.key, start, after, limit, this.consistent).await?;
                let (items, next) = this.source.decode(answer)?;
                Ok::<_, Error>((index, (Source::activities(items, after), next)))
            })
            .collect();
        let answers: Vec<_> = queries.try_collect().await?;
        self.queries += answers.len();
        for (index, (activities, start)) in answers {
            let partition = &mut self.partitions[index];
            partition.has_ended = start.is_none();
            partition.start = start;
            partition.waiting = Some(activities);
        }
        Ok(())
    }

    /// Takes activities in order until a partition that may have more has none to compare with.
    fn merge(&mut self) -> Vec<StoredActivity> {
        let mut merged = Vec::new();
        if let [partition] = self.partitions.as_mut_slice() {
            merged.extend(partition.waiting.iter_mut().flatten());
        }
        while !self.partitions.iter().any(Partition::must_be_read) {
            let waiting = self.partitions.iter().map(|partition| partition.waiting.as_ref());
            let Some(index) = first_of(waiting, self.source.selection.order) else { break };
            merged.extend(self.partitions[index].waiting.as_mut().and_then(StoredActivities::next));
        }
        self.partitions.retain(|partition| !(partition.has_ended && partition.is_empty()));
        merged
    }
}
