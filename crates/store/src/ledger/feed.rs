//! The feed: a partner's activities in the order in which they were recorded.
//!
//! For a partner with a feed, a recorder puts one small row more, *before* the activity. So every recorded activity has a row,
//! and a reader misses none, however late an activity comes. The reader passes over a row whose activity is absent or has
//! another `recorded_at`: its recorder died, or the activity was there already.
//!
//! Rows lie in partitions of one day, with as many shards as the month of the day has in the directory. The reader reads them
//! with strong consistency, up to an instant before which every recording has ended. So a position never has to go back.
//!
//! Every entry of a plain ledger has a row.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{
    activity::{Activity, ActivityId, PartnerId},
    time::{Instant, Zone},
};
use futures_util::future::try_join_all;
use tokio::time::{Duration, sleep};

use super::{
    Ledger,
    item::{Attributes, NewItem},
    keys,
    list::Condition,
    remove::sort_key,
    source::without_details,
    stored::{ItemBuffer, StoredActivity},
};
use crate::error::Error;

/// The number of calls of Query after which a page of the feed begins no further day. A day takes one call for each of its
/// shards, or more where they have many rows.
pub const MAX_QUERIES_PER_FEED_PAGE: usize = 16;
/// The most keys in one call of BatchGetItem.
const KEYS_PER_CALL: usize = 100;
/// The number of times that keys are asked for again which DynamoDB has left out, with twice the wait each time.
const MAX_TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// A position in a feed. Everything before it, and the activity that it names if it names one, was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPosition(String);

impl FeedPosition {
    /// The position before everything that is recorded at an instant, in milliseconds, or later.
    pub fn before(instant: Instant) -> Self {
        Self(instant.to_millis_text())
    }

    /// The position behind an activity.
    pub fn behind(activity: &Activity<&str>) -> Self {
        Self(keys::feed_sort_key(activity.recorded_at, activity.occurred_at, activity.id.as_str()))
    }

    /// Reads a position from its text.
    pub fn parse(text: &str) -> Option<Self> {
        let (recorded_at, rest) = text.split_at_checked(keys::MILLIS_BYTES)?;
        let instant = Instant::parse(recorded_at).ok()?;
        let is_activity = || {
            let (occurred_at, id) = keys::split_sort_key(rest.strip_prefix('#')?)?;
            (Instant::parse(occurred_at).ok()?.to_string() == occurred_at && ActivityId::is_valid(id)).then_some(())
        };
        let is_position = instant.to_millis_text() == recorded_at && (rest.is_empty() || is_activity().is_some());
        is_position.then(|| Self(text.to_owned()))
    }

    /// The text of this position.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time of recording up to which this position has read.
    pub fn recorded_at(&self) -> Instant {
        Instant::parse(&self.0[..keys::MILLIS_BYTES]).unwrap_or(Instant::MIN)
    }
}

/// A page of a feed.
#[derive(Debug)]
pub struct FeedPage {
    stored: Vec<StoredActivity>,
    /// The position behind everything that was read.
    pub next: FeedPosition,
}

impl FeedPage {
    /// The activities in the order of recording, without details.
    pub fn activities(&self) -> impl ExactSizeIterator<Item = Activity<&str>> {
        self.stored.iter().map(|stored| without_details(stored.activity()))
    }

    /// Takes the activities as they are stored.
    pub fn into_stored(self) -> Vec<StoredActivity> {
        self.stored
    }

    /// Leaves the activities from the number `count` on to the next page.
    pub fn truncate(&mut self, count: usize) {
        if count < self.stored.len()
            && let Some(last) = self.stored[..count].last()
        {
            self.next = FeedPosition::behind(&last.activity());
            self.stored.truncate(count);
        }
    }
}

/// The rows of some shards in order, up to a position behind which some rows may be missing.
struct Rows {
    keys: Vec<String>,
    reached: FeedPosition,
}

impl Ledger {
    /// Reads the feed of a partner from `after` to the instant `through`, before which every recording must have ended; at most
    /// `limit` activities, and of these only those that `matches` accepts. It begins no further day after
    /// [`MAX_QUERIES_PER_FEED_PAGE`] queries.
    ///
    /// # Errors
    /// When the table fails or holds an unreadable item.
    pub async fn feed_page(
        &self,
        partner: &PartnerId,
        after: &FeedPosition,
        through: Instant,
        limit: usize,
        matches: &Condition<'_>,
    ) -> Result<FeedPage, Error> {
        let end = FeedPosition::before(through);
        let (mut at, mut stored, mut queries) = (after.clone(), Vec::new(), 0);
        while at < end && stored.len() < limit && queries < MAX_QUERIES_PER_FEED_PAGE {
            let recorded_at = at.recorded_at();
            let month = recorded_at.utc_month();
            let Some(shards) = self.shards(partner, month).await? else {
                // Nothing was recorded in this month, or nobody sees it any more.
                queries += 1;
                at = FeedPosition::before(month.next().period(Zone::UTC).from()).min(end.clone());
                continue;
            };
            let day_end = FeedPosition::before(keys::next_day(recorded_at)).min(end.clone());
            let rows = self.feed_rows(partner, (&at, &day_end), shards, limit - stored.len()).await?;
            queries += usize::from(shards);
            for found in self.find_recorded(partner, &rows.keys).await? {
                if matches(&found.activity()) {
                    stored.push(found);
                }
            }
            at = rows.reached;
        }
        Ok(FeedPage { stored, next: at })
    }

    /// Reads at most `limit` rows of a day between two positions.
    async fn feed_rows(
        &self,
        partner: &PartnerId,
        (after, end): (&FeedPosition, &FeedPosition),
        shards: u8,
        limit: usize,
    ) -> Result<Rows, Error> {
        let day = after.recorded_at();
        // One row more, because the first one may be the one at the position.
        let wanted = i32::try_from(limit + 1).unwrap_or(i32::MAX);
        let read = async |shard: u8| {
            let query = self
                .dynamodb
                .query()
                .table_name(&*self.table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :after AND :end")
                .expression_attribute_values(
                    ":pk",
                    AttributeValue::S(keys::feed_partition(partner, day, shard, shards)),
                )
                .expression_attribute_values(":after", AttributeValue::S(after.0.clone()))
                .expression_attribute_values(":end", AttributeValue::S(end.0.clone()))
                .consistent_read(true)
                .limit(wanted)
                .set_return_consumed_capacity(self.wanted_capacity())
                .send();
            let page = Box::pin(query).await.map_err(|error| Error::sdk("Query of the feed", error))?;
            self.count_capacity(page.consumed_capacity());
            let goes_on = page.last_evaluated_key.is_some();
            let keys = page.items.unwrap_or_default().iter().map(sort_key).collect::<Vec<_>>();
            Ok::<_, Error>((keys, goes_on))
        };
        let shards = try_join_all((0..shards).map(|shard| Box::pin(read(shard)))).await?;
        // Behind the last row of a shard that goes on, rows of that shard may be missing.
        let bound = shards.iter().filter(|(_, goes_on)| *goes_on).filter_map(|(keys, _)| keys.last()).min();
        let bound = bound.map_or(end.clone(), |last| FeedPosition(last.clone()));
        let mut keys: Vec<_> = shards.into_iter().flat_map(|(keys, _)| keys).collect();
        keys.retain(|key| *key > after.0 && *key <= bound.0);
        keys.sort_unstable();
        let reached = match keys.get(limit) {
            Some(_) => {
                keys.truncate(limit);
                keys.last().map_or(bound, |last| FeedPosition(last.clone()))
            }
            None => bound,
        };
        Ok(Rows { keys, reached })
    }

    /// Finds the activities of rows, in their order, without those that are absent or were recorded at another time.
    async fn find_recorded(&self, partner: &PartnerId, rows: &[String]) -> Result<Vec<StoredActivity>, Error> {
        let mut wanted = Vec::with_capacity(rows.len());
        for row in rows {
            let unreadable = || Error::permanent("reading the feed", format!("the row {row:?} is no row of the feed"));
            let (recorded_at, sort_key) = keys::split_feed_sort_key(row).ok_or_else(unreadable)?;
            let (instant, id) = keys::split_sort_key(sort_key).ok_or_else(unreadable)?;
            let occurred_at = Instant::parse(instant).map_err(|_| unreadable())?;
            let id = ActivityId::parse(id).map_err(|_| unreadable())?;
            let month = occurred_at.utc_month();
            if let Some(shards) = self.shards(partner, month).await? {
                let partition = keys::partition(partner, month, keys::shard_of(&id, shards), shards);
                wanted.push((recorded_at, partition, sort_key));
            }
        }
        // An activity that was sent again has several rows, and a call may name each key once.
        let mut keys: Vec<_> = wanted.iter().map(|(_, partition, sort_key)| (partition.as_str(), *sort_key)).collect();
        keys.sort_unstable();
        keys.dedup();
        let found = try_join_all(keys.chunks(KEYS_PER_CALL).map(|chunk| Box::pin(self.get_items(chunk)))).await?;
        let found: HashMap<_, _> = found.into_iter().flatten().map(|item| (sort_key(&item), item)).collect();
        let mut activities = Vec::with_capacity(wanted.len());
        for (recorded_at, _, sort_key) in wanted {
            let Some(item) = found.get(sort_key) else { continue };
            let stored = ItemBuffer::read_one(partner, item);
            let stored = stored.map_err(|error| Error::permanent("reading an activity", error))?;
            if stored.activity().recorded_at.to_millis_text() == recorded_at {
                activities.push(stored);
            }
        }
        Ok(activities)
    }

    /// Gets items by their partitions and sort keys, in any order.
    async fn get_items(&self, wanted: &[(&str, &str)]) -> Result<Vec<Attributes>, Error> {
        let keys = wanted.iter().map(|(partition, sort_key)| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            HashMap::from([("pk".to_owned(), text(partition)), ("sk".to_owned(), text(sort_key))])
        });
        let mut asked = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys.collect())).build();
        let (mut items, mut wait) = (Vec::with_capacity(wanted.len()), FIRST_WAIT);
        for _ in 0..MAX_TRIES {
            let keys = asked.map_err(|error| Error::permanent("BatchGetItem of activities", error))?;
            let call = self
                .dynamodb
                .batch_get_item()
                .request_items(&*self.table, keys)
                .set_return_consumed_capacity(self.wanted_capacity())
                .send();
            let answer = Box::pin(call).await.map_err(|error| Error::sdk("BatchGetItem of activities", error))?;
            answer.consumed_capacity().iter().for_each(|capacity| self.count_capacity(Some(capacity)));
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            match answer.unprocessed_keys.unwrap_or_default().into_values().next() {
                None => return Ok(items),
                Some(left) => asked = Ok(left),
            }
            sleep(wait).await;
            wait *= 2;
        }
        let source = "DynamoDB left keys out again and again".into();
        Err(Error::Unavailable { operation: "BatchGetItem of activities", source })
    }

    /// Puts the row of an activity that is about to be put. `shards` is the number that the month of the recording has in the
    /// directory, which must have that month, so that the reader knows the number.
    pub(super) async fn put_feed_row(&self, activity: &Activity, shards: u8) -> Result<(), Error> {
        let Activity { partner, recorded_at, occurred_at, id, .. } = activity;
        let row = NewItem::default()
            .text("pk", keys::feed_partition(partner, *recorded_at, keys::shard_of(id, shards), shards))
            .text("sk", keys::feed_sort_key(*recorded_at, *occurred_at, id.as_str()));
        self.put_if_absent(row, "PutItem of a row of the feed").await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_from_their_texts_and_from_nothing_else() {
        for text in ["2026-11-02T12:00:00.000Z", "2026-11-02T12:00:00.987Z#2026-11-01T00:00:00.000001Z#e-1"] {
            let position = FeedPosition::parse(text).unwrap();
            assert_eq!((position.as_str(), position.recorded_at().to_millis_text().as_str()), (text, &text[..24]));
        }
        for text in [
            "",
            "2026-11-02",
            "2026-11-02T12:00:00Z",
            "2026-11-02T12:00:00.000Z#",
            "2026-11-02T12:00:00.000Zx",
            "2026-11-02T12:00:00.000Z#2026-11-01T00:00:00.000001Z#",
            "2026-11-02T12:00:00.000Z#2026-13-01T00:00:00.000001Z#e-1",
            "2026-11-02T12:00:00.000Z#2026-11-01T00:00:00Z#e-1",
            "2026-11-02T13:00:00.000+01:00",
            "é026-11-02T12:00:00.000Z",
        ] {
            assert_eq!(FeedPosition::parse(text), None, "{text:?}");
        }
    }
}
