//! Visits of selected activities in order, within a budget: counts are made of them.
//!
//! A visit reads whole pages of 1 MB and makes no copies of activities. It requests the next page of a partition before it
//! works on the current one, and reads the shards of a month side by side. Months whose partitions fit into one page are read
//! side by side too, twice as many after each of them, because a long period of a small partner is a long row of such months.
//! A larger month is read alone, so that few pages are read and not visited when the budget ends.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::{
    activity::{Activity, PartnerId},
    query::{Position, Selection, SortOrder},
    time::{Month, Zone},
};
use tokio::{
    task::{JoinSet, yield_now},
    time::Instant,
};

use super::{
    Ledger,
    directory::MonthList,
    item::Attributes,
    page_json::{DecodedPage, QueryAnswer},
    source::{PartitionKey, Source, first_of, position_behind},
    stored::{ItemBuffer, StoredActivities, StoredActivity},
};
use crate::error::Error;

/// The most calls of Query that one visit makes, the directory's included. A month of more shards takes one call for each of
/// them.
pub const MAX_QUERIES_PER_VISIT: usize = 64;
/// The most calls of Query for one partition. Shards share the calls of the visit in equal parts.
const MAX_QUERIES_PER_PARTITION: usize = 16;
/// The number of partitions that are read side by side. A month of more shards exceeds it.
const MAX_PARTITIONS_AHEAD: usize = 8;

/// Takes an activity, or ends the visit before this activity by returning `false`. The first activity must be taken.
pub type Visitor<'a> = dyn FnMut(&Activity<&str>) -> bool + Send + 'a;

impl Ledger {
    /// Hands selected activities to a visitor, in order and without details, from `after` on.
    ///
    /// Returns the position at which the next visit goes on; none at the end. A visit ends when the visitor ends it, after
    /// [`MAX_QUERIES_PER_VISIT`], or when `time` is up: then no further page is requested. At least one round of pages is
    /// read. The first pages of a visit from the beginning are read with strong consistency, as those of a list.
    ///
    /// # Errors
    /// When the table fails or holds an unreadable item.
    pub async fn visit(
        &self,
        partner: &PartnerId,
        selection: &Selection,
        after: Option<Position>,
        time: Duration,
        visitor: &mut Visitor<'_>,
    ) -> Result<Option<Position>, Error> {
        let source = Arc::new(Source::new(self, partner, selection));
        let consistent = after.is_none();
        let MonthList { months, queries } = source.months(after.as_ref(), MAX_QUERIES_PER_VISIT, consistent).await?;
        let is_last = months.last().is_some_and(|(month, _)| *month == source.last_month());
        let visit = Visit {
            has_more_months: months.len() == MAX_QUERIES_PER_VISIT && !is_last,
            selects_all: source.selects_all(),
            source,
            consistent,
            months: months.into(),
            open: VecDeque::new(),
            partitions_ahead: 1,
            begins_after: after.clone(),
            after,
            has_moved: false,
            reached: None,
            budget: Budget {
                queries: MAX_QUERIES_PER_VISIT.saturating_sub(queries),
                ends_at: Instant::now().checked_add(time),
            },
        };
        visit.run(visitor).await
    }
}

/// What a visit may still read.
#[derive(Debug)]
struct Budget {
    /// The number of calls of Query.
    queries: usize,
    /// The time after which no page is requested, if there is one.
    ends_at: Option<Instant>,
}

impl Budget {
    fn allows(&self, queries: usize) -> bool {
        queries <= self.queries && self.ends_at.is_none_or(|ends_at| Instant::now() < ends_at)
    }
}

/// A visit on its way.
#[derive(Debug)]
struct Visit {
    source: Arc<Source>,
    selects_all: bool,
    /// Whether the next month that is opened is read with strong consistency.
    consistent: bool,
    /// The months that are not opened yet, with their numbers of shards.
    months: VecDeque<(Month, u8)>,
    /// Whether other months may follow.
    has_more_months: bool,
    /// The months that are being read, the current one first.
    open: VecDeque<OpenMonth>,
    /// The number of partitions that may be read side by side, besides the shards of one month.
    partitions_ahead: usize,
    /// The position at which the visit begins.
    begins_after: Option<Position>,
    /// The position behind the last month that was visited, or at which the visit begins.
    after: Option<Position>,
    /// Whether the position moved.
    has_moved: bool,
    /// The last activity that was read and handed on, or left out by the filter. It is later than `after`.
    reached: Option<StoredActivity>,
    budget: Budget,
}

#[derive(Debug)]
struct OpenMonth {
    month: Month,
    /// The partitions that are not read to their end.
    partitions: Vec<Partition>,
    /// Whether each partition had no more than one page.
    is_small: bool,
}

/// One partition of a month, with the page that was requested and the activities that wait for the visitor.
#[derive(Debug)]
struct Partition {
    key: PartitionKey,
    /// The call that was made ahead, if there is one. Dropping it ends the call.
    requested: JoinSet<Result<QueryAnswer<ItemBuffer>, Error>>,
    /// The key at which the next page starts.
    start: Option<Attributes>,
    /// The number of calls that this partition may still make.
    queries: usize,
    has_ended: bool,
    /// The activities that are read and not visited; none before the first page.
    waiting: Option<StoredActivities>,
}

impl Partition {
    fn is_empty(&self) -> bool {
        self.waiting.as_ref().is_none_or(StoredActivities::is_empty)
    }

    /// Whether the visit cannot go on before this partition is read.
    fn must_be_read(&self) -> bool {
        self.is_empty() && !self.has_ended
    }

    /// Requests the next page, and charges the budget for it.
    fn request(&mut self, source: &Arc<Source>, after: Option<&Position>, consistent: bool, budget: &mut Budget) {
        budget.queries = budget.queries.saturating_sub(1);
        self.queries = self.queries.saturating_sub(1);
        let (source, key, start, after) = (Arc::clone(source), self.key.clone(), self.start.take(), after.cloned());
        self.requested.spawn(async move { source.query(&key, start, after.as_ref(), None, consistent).await });
    }

    /// Waits until the partition has activities to offer, or has ended, or has no page on its way.
    async fn fill(&mut self, source: &Arc<Source>, after: Option<&Position>, budget: &mut Budget) -> Result<(), Error> {
        while self.must_be_read() {
            let Some(answer) = self.requested.join_next().await else { return Ok(()) };
            let answer = answer.map_err(|error| Error::permanent("reading ahead", error))??;
            match &answer {
                QueryAnswer::Deferred { next, .. } | QueryAnswer::Decoded(Ok(DecodedPage { next: Some(next), .. })) => {
                    self.start = Some(next.clone());
                    if self.queries > 0 && budget.allows(1) {
                        self.request(source, after, false, budget);
                    }
                }
                QueryAnswer::Decoded(_) => self.has_ended = true,
            }
            // The next page is requested before this one is decoded, because decoding takes a while.
            yield_now().await;
            self.waiting = Some(Source::activities(source.decode(answer)?.0, after));
        }
        Ok(())
    }
}

impl Visit {
    async fn run(mut self, visitor: &mut Visitor<'_>) -> Result<Option<Position>, Error> {
        loop {
            self.open_months();
            let has_moved = self.has_moved();
            let Some(current) = self.open.front_mut() else {
                let is_at_end = self.months.is_empty() && !self.has_more_months;
                return Ok(if is_at_end { None } else { self.after });
            };
            for partition in &mut current.partitions {
                partition.fill(&self.source, self.begins_after.as_ref(), &mut self.budget).await?;
                current.is_small &= partition.has_ended;
            }
            // A page is on the way of each partition that has not ended, or else the budget has.
            if current.partitions.iter().any(Partition::must_be_read) {
                if has_moved {
                    return Ok(self.position());
                }
                // The next visit would begin at the same position.
                for partition in current.partitions.iter_mut().filter(|partition| partition.must_be_read()) {
                    partition.request(&self.source, self.begins_after.as_ref(), false, &mut self.budget);
                }
                continue;
            }
            // The first pages of the next months come while the last ones of this month are visited.
            self.open_months();
            if !self.visit_round(visitor) {
                let position = self.position();
                let refused = || Error::permanent("visiting activities", "the visitor did not take the first activity");
                return position.map(Some).ok_or_else(refused);
            }
            self.close_month();
        }
    }

    fn has_moved(&self) -> bool {
        self.has_moved || self.reached.is_some()
    }

    /// The position behind everything that was visited.
    fn position(&self) -> Option<Position> {
        self.reached.as_ref().map(position_behind).or_else(|| self.after.clone())
    }

    /// Begins to read further months, as far as the budget goes.
    fn open_months(&mut self) {
        while let Some((month, shards)) = self.months.front().copied() {
            let count = self.source.partition_count(shards);
            let unread = self.open.iter().flat_map(|open| &open.partitions).filter(|partition| !partition.has_ended);
            let unread = unread.count();
            let has_turn = unread == 0 || unread + count <= self.partitions_ahead;
            // A visit reads one month at least, because the next visit would begin at the same position.
            let must_open = self.open.is_empty() && !self.has_moved();
            if !(must_open || (has_turn && self.budget.allows(count))) {
                return;
            }
            self.months.pop_front();
            let queries = (self.budget.queries / count.max(1)).clamp(1, MAX_QUERIES_PER_PARTITION);
            let mut partitions = Vec::with_capacity(count);
            for key in self.source.partitions(month, shards) {
                let (requested, start, waiting) = (JoinSet::new(), None, None);
                let mut partition = Partition { key, requested, start, queries, has_ended: false, waiting };
                partition.request(&self.source, self.begins_after.as_ref(), self.consistent, &mut self.budget);
                partitions.push(partition);
            }
            self.consistent = false;
            self.open.push_back(OpenMonth { month, partitions, is_small: true });
        }
    }

    /// Visits activities of the current month in order, until a partition that may have more has none to compare with.
    /// Returns whether the visitor took all of them.
    fn visit_round(&mut self, visitor: &mut Visitor<'_>) -> bool {
        let Some(current) = self.open.front_mut() else { return true };
        let partitions = &mut current.partitions;
        while !partitions.iter().any(Partition::must_be_read) {
            let index = match partitions.as_slice() {
                [_] => Some(0),
                many => first_of(many.iter().map(|one| one.waiting.as_ref()), self.source.selection.order),
            };
            let Some(waiting) = index.and_then(|index| partitions[index].waiting.as_mut()) else { break };
            let Some(stored) = waiting.next() else { break };
            let activity = stored.activity();
            if (self.selects_all || self.source.selects(&activity)) && !visitor(&activity) {
                return false;
            }
            self.reached = Some(stored);
        }
        partitions.retain(|partition| !(partition.has_ended && partition.is_empty()));
        true
    }

    /// Leaves the current month if it is visited to its end.
    fn close_month(&mut self) {
        if self.open.front().is_none_or(|current| !current.partitions.is_empty()) {
            return;
        }
        let Some(OpenMonth { month, is_small, .. }) = self.open.pop_front() else { return };
        self.partitions_ahead = if is_small { (self.partitions_ahead * 2).min(MAX_PARTITIONS_AHEAD) } else { 1 };
        let end = match self.source.selection.order {
            SortOrder::Descending => month,
            SortOrder::Ascending => month.next(),
        };
        self.after = Some(Position::below(end.period(Zone::UTC).from()));
        self.has_moved = true;
        self.reached = None;
    }
}
