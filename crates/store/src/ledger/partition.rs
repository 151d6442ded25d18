//! One partition of a month, read ahead of the caller by tasks: its activities, and beside them the twin items with details.

use std::sync::Arc;

use domain::query::Position;
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
};

use super::{
    item::DetailsLocation,
    keys,
    page_json::{DecodedPage, PageItems, QueryAnswer},
    source::{PartitionKey, Source},
    stored::{ItemBuffer, StoredActivities, StoredActivity},
    twins::{Packed, TwinBuffer, TwinSearch, Twins},
};
use crate::error::Error;

/// An activity, and its packed details if they were read beside it.
#[derive(Debug)]
pub(super) struct FoundActivity {
    pub(super) stored: StoredActivity,
    pub(super) packed: Option<Packed>,
}

/// A partition that is read ahead.
#[derive(Debug)]
pub(super) struct PartitionAhead {
    pages: PagesAhead<ItemBuffer>,
    after: Option<Position>,
    waiting: Option<StoredActivities>,
    /// Whether the twin items are read beside the activities.
    with_twins: bool,
    /// The twin items, read from the first activity on that has one.
    twins: Option<TwinsAhead>,
}

impl PartitionAhead {
    /// Begins to read a partition behind `after`, ahead of the caller.
    pub(super) fn open(
        source: &Arc<Source>,
        key: PartitionKey,
        after: Option<Position>,
        consistent: bool,
        with_twins: bool,
    ) -> Self {
        let pages = PagesAhead::open(source, key, after.clone(), consistent);
        Self { pages, after, waiting: None, with_twins, twins: None }
    }

    /// Waits until the partition has activities to offer, or has ended.
    pub(super) async fn fill(&mut self) -> Result<(), Error> {
        while !self.has_activities()
            && let Some(items) = self.pages.next().await?
        {
            self.waiting = Some(Source::activities(items, self.after.as_ref()));
        }
        Ok(())
    }

    /// The activities that the partition has to offer.
    pub(super) fn waiting(&self) -> Option<&StoredActivities> {
        self.waiting.as_ref()
    }

    /// Returns whether the partition has activities to offer.
    pub(super) fn has_activities(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty())
    }

    /// Takes the next activity, with its packed details if the twin items are read.
    pub(super) async fn next(&mut self) -> Result<Option<FoundActivity>, Error> {
        let Some(stored) = self.waiting.as_mut().and_then(StoredActivities::next) else { return Ok(None) };
        let packed = match stored.details_location() {
            Some(DetailsLocation::Twin(digest)) if self.with_twins => {
                let open = || TwinsAhead::open(&self.pages.source, stored.partition(), self.after.clone());
                self.twins.get_or_insert_with(open).find(stored.sort_key(), digest).await?
            }
            _ => None,
        };
        Ok(Some(FoundActivity { stored, packed }))
    }
}

/// The twin items of a partition, in the order of their activities.
#[derive(Debug)]
struct TwinsAhead {
    pages: PagesAhead<TwinBuffer>,
    page: Option<Twins>,
}

impl TwinsAhead {
    fn open(source: &Arc<Source>, partition: &str, after: Option<Position>) -> Self {
        let key = ("pk", keys::details_partition(partition));
        // Half the price of consistent reads. A twin item that is not there yet is fetched by itself.
        Self { pages: PagesAhead::open(source, key, after, false), page: None }
    }

    async fn find(&mut self, sort_key: &str, digest: &str) -> Result<Option<Packed>, Error> {
        let order = self.pages.source.selection.order;
        loop {
            match self.page.as_mut().map_or(TwinSearch::Behind, |page| page.find(sort_key, digest, order)) {
                TwinSearch::Found(packed) => return Ok(Some(packed)),
                TwinSearch::Missing => return Ok(None),
                TwinSearch::Behind => match self.pages.next().await? {
                    Some(page) => self.page = Some(Twins::of(page)),
                    None => return Ok(None),
                },
            }
        }
    }
}

/// The pages of a partition, requested ahead by a task.
#[derive(Debug)]
struct PagesAhead<T> {
    source: Arc<Source>,
    pages: mpsc::Receiver<Result<PageAhead<T>, Error>>,
    /// The task; it ends with this value.
    _reading: JoinSet<()>,
    has_ended: bool,
}

#[derive(Debug)]
enum PageAhead<T> {
    /// A page that another one follows, perhaps not decoded yet.
    Next(QueryAnswer<T>),
    /// The last page.
    Last(T),
}

impl<T: PageItems> PagesAhead<T> {
    fn open(source: &Arc<Source>, key: PartitionKey, after: Option<Position>, consistent: bool) -> Self {
        // One page waits or is being requested while the caller works on another.
        let (sender, pages) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn(Self::read(Arc::clone(source), key, after, consistent, sender));
        Self { source: Arc::clone(source), pages, _reading: reading, has_ended: false }
    }

    async fn read(
        source: Arc<Source>,
        key: PartitionKey,
        after: Option<Position>,
        mut consistent: bool,
        sender: mpsc::Sender<Result<PageAhead<T>, Error>>,
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
                    QueryAnswer::Decoded(_) => source.decode(answer).map(|(last, _)| PageAhead::Last(last)),
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

    /// Waits for the next page; none behind the last.
    async fn next(&mut self) -> Result<Option<T>, Error> {
        if self.has_ended {
            return Ok(None);
        }
        let page = self.pages.recv().await;
        // The task requests the next page before this one is decoded, because decoding takes a while.
        yield_now().await;
        let ended_early = || Err(Error::permanent("reading ahead", "the task ended before the last page"));
        match page.unwrap_or_else(ended_early)? {
            PageAhead::Next(answer) => Ok(Some(self.source.decode(answer)?.0)),
            PageAhead::Last(last) => {
                self.has_ended = true;
                Ok(Some(last))
            }
        }
    }
}
