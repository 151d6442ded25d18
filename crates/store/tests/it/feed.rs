//! The feed: whoever follows it reads every recorded activity once, in the order of recording.

use std::{collections::BTreeSet, time::Duration};

use amounts::{amount, report, setting};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    query::SETTLE_SECONDS,
    time::{Instant, Month},
};
use futures_util::future::join_all;
use harness::{Fault, FaultRates, Faults, Random, Stores, TABLE, at, contoso, parsed, sent};
use serde_json::json;
use store::{
    ledger::{FeedPage, FeedPosition, RecordError, Recorded},
    partners::{Feed, Settings, ShardsFrom},
};

const NOW: &str = "2026-11-02T12:00:00Z";
const WRITERS: u64 = 8;
const STEPS: usize = 60;

fn steps(shards: &[(&str, u8)]) -> Vec<ShardsFrom> {
    shards.iter().map(|(from, shards)| ShardsFrom { from: Month::parse(from).unwrap(), shards: *shards }).collect()
}

/// Switches the feed on, or off, and sets the numbers of shards.
async fn save(stores: &Stores, feed: Option<&str>, shards: &[(&str, u8)]) {
    let partners = stores.partners();
    let read = partners.settings(&contoso()).await.unwrap();
    let feed = feed.map(|begins_at| Feed { begins_at: at(begins_at) });
    let settings = Settings { feed, shards: steps(shards), ..read.clone() };
    assert!(partners.save(&contoso(), &read, &settings).await.unwrap());
}

async fn record(
    stores: &Stores,
    id: &str,
    occurred_at: &str,
    now: Instant,
    faults: Option<&Faults>,
) -> Result<Recorded, RecordError> {
    let activity = parsed(&sent(id, occurred_at, &json!({})), now).into_activity(contoso(), now);
    stores.recorder(faults).record(activity, Duration::MAX).await
}

async fn page(stores: &Stores, after: &FeedPosition, now: Instant, limit: usize) -> FeedPage {
    let through = now.plus_seconds(-SETTLE_SECONDS);
    stores.ledger(None).at(now).feed_page(&contoso(), after, through, limit, &|_| true).await.unwrap()
}

/// What a row of the feed is ordered by, and the id.
type Read = (String, Instant, String);

fn read_of(page: &FeedPage) -> Vec<Read> {
    page.activities()
        .map(|one| (one.recorded_at.to_millis_text(), one.occurred_at, one.id.as_str().to_owned()))
        .collect()
}

fn ids(read: Vec<Read>) -> Vec<String> {
    read.into_iter().map(|(_, _, id)| id).collect()
}

/// Follows the feed to its end at an instant.
async fn follow(stores: &Stores, after: &mut FeedPosition, now: Instant, limit: usize) -> Vec<Read> {
    let mut read = Vec::new();
    while *after < FeedPosition::before(now.plus_seconds(-SETTLE_SECONDS)) {
        let page = page(stores, after, now, limit).await;
        assert!(page.activities().len() <= limit && page.next > *after);
        read.extend(read_of(&page));
        *after = page.next;
    }
    read
}

#[tokio::test]
async fn activities_come_in_the_order_of_recording_two_minutes_later() {
    let stores = Stores::start().await;
    save(&stores, Some("2026-11-01T00:00:00Z"), &[]).await;
    let now = at(NOW);
    for (number, (id, occurred_at)) in
        (0..).zip([("late", "2019-05-05T00:00:00Z"), ("new", NOW), ("old", "2026-10-31T23:59:59Z")])
    {
        record(&stores, id, occurred_at, now.plus_seconds(number), None).await.unwrap();
    }
    let begin = FeedPosition::before(at("2026-11-01T00:00:00Z"));
    let mut after = begin.clone();
    assert!(
        follow(&stores, &mut after, now.plus_seconds(120), 10).await.is_empty(),
        "the last two minutes are not settled"
    );
    assert_eq!(ids(follow(&stores, &mut after, now.plus_seconds(121), 10).await), ["late"]);
    assert_eq!(ids(follow(&stores, &mut after, now.plus_seconds(86_400), 1).await), ["new", "old"]);
    assert_eq!(ids(follow(&stores, &mut begin.clone(), now.plus_seconds(86_400), 2).await), ["late", "new", "old"]);
    // A page that is cut goes on behind its last activity.
    let mut cut = page(&stores, &begin, now.plus_seconds(300), 10).await;
    cut.truncate(1);
    assert_eq!(ids(follow(&stores, &mut cut.next, now.plus_seconds(300), 10).await), ["new", "old"]);
    // A month without an entry costs one look, a day of any other month a query; then a page ends, and the next one goes on.
    let through = now.plus_seconds(300);
    let (mut after, mut found) = (FeedPosition::before(at("2025-10-01T00:00:00Z")), Vec::new());
    for pages in 1.. {
        let ledger = stores.ledger(None).at(now);
        let page = ledger.feed_page(&contoso(), &after, through, 10, &|one| one.id.as_str() == "new").await.unwrap();
        found.extend(ids(read_of(&page)));
        after = page.next;
        if after == FeedPosition::before(through) {
            // 12 months, then 31 days of October and 2 of November.
            assert_eq!((pages, found), (3, vec!["new".to_owned()]));
            break;
        }
    }
}

#[tokio::test]
async fn a_partner_without_a_feed_has_no_rows_and_makes_no_call_more() {
    let mut calls = Vec::new();
    let mut rows = Vec::new();
    for feed in [None, Some("2026-11-01T00:00:00Z")] {
        let stores = Stores::start().await;
        save(&stores, feed, &[]).await;
        let faults = Faults::none();
        record(&stores, "e-1", NOW, at(NOW), Some(&faults)).await.unwrap();
        calls.push(faults.calls());
        let day = AttributeValue::S("contoso#feed#2026-11-02".to_owned());
        let query = stores.dynamodb(None).query().table_name(TABLE).key_condition_expression("pk = :day");
        rows.push(query.expression_attribute_values(":day", day).send().await.unwrap().count());
    }
    assert_eq!((calls[1] - calls[0], &*rows), (1, &[0, 1][..]));
}

#[tokio::test]
async fn a_recorder_that_dies_anywhere_leaves_nothing_in_the_feed_that_was_not_recorded() {
    let stores = Stores::start().await;
    save(&stores, Some("2026-11-01T00:00:00Z"), &[("2026-01", 3)]).await;
    let mut now = at(NOW);
    let mut expected = Vec::new();
    for call in 0.. {
        now = now.plus_seconds(1);
        let (id, faults) = (format!("e-{call}"), Faults::from(call, Fault::NotSent));
        let died = record(&stores, &id, "2026-10-05T00:00:00Z", now, Some(&faults)).await;
        if died.is_err() {
            now = now.plus_seconds(1);
            assert!(matches!(record(&stores, &id, "2026-10-05T00:00:00Z", now, None).await, Ok(Recorded::New(_))));
        }
        expected.push((now.to_millis_text(), id.clone()));
        // Sent once more, it stays where it is.
        assert!(matches!(
            record(&stores, &id, "2026-10-05T00:00:00Z", now.plus_seconds(1), None).await,
            Ok(Recorded::Duplicate(_))
        ));
        now = now.plus_seconds(1);
        if died.is_ok() {
            break;
        }
    }
    assert!(expected.len() > 4);
    let mut after = FeedPosition::before(at("2026-11-01T00:00:00Z"));
    let read = follow(&stores, &mut after, now.plus_seconds(300), 2).await;
    assert_eq!(read.into_iter().map(|(recorded_at, _, id)| (recorded_at, id)).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn reads_of_the_feed_fail_or_are_right() {
    let stores = Stores::start().await;
    save(&stores, Some("2026-11-01T00:00:00Z"), &[("2026-01", 2)]).await;
    for number in 0..30 {
        record(&stores, &format!("e-{number:02}"), NOW, at(NOW).plus_seconds(number), None).await.unwrap();
    }
    let begin = FeedPosition::before(at(NOW));
    let through = at(NOW).plus_seconds(60);
    let read = async |faults: Option<&Faults>| {
        let page = stores.ledger(faults).at(at(NOW)).feed_page(&contoso(), &begin, through, 20, &|_| true).await?;
        Ok::<_, store::error::Error>(page.activities().map(|one| one.id.as_str().to_owned()).collect::<Vec<_>>())
    };
    let whole = read(None).await.unwrap();
    assert_eq!(whole.len(), 20);
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed, Fault::Garbled] {
        for call in 0..5 {
            let once = Faults::at(call, fault).with_one_retry();
            assert_eq!(read(Some(&once)).await.unwrap(), whole, "{fault:?} of call {call}");
            let lasting = Faults::from(call, fault).with_one_retry();
            let outcome = read(Some(&lasting)).await;
            assert!(outcome.is_err() || lasting.calls() <= call, "{fault:?} from call {call} on");
        }
    }
}

/// Writers record new, late and old activities, and repeat what failed; shards change; a poller follows meanwhile.
#[tokio::test]
async fn pollers_read_every_activity_once_in_every_history() {
    let (seed, histories) = (setting("FEED_SEED", 1), amount("FEED_HISTORIES", 15, 1_000));
    let mut activities = 0;
    for number in 0..histories {
        activities += history(seed + number).await;
    }
    report("histories of feeds", &format!("{histories} histories, {activities} activities"), seed);
}

async fn history(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let stores = Stores::start().await;
    // Close to the end of a month, so that days and months of recording change.
    let begins_at = "2026-10-31T22:00:00Z";
    let mut now = at(begins_at);
    let mut shards = vec![("2026-10", shard_count(&mut random, 3)), ("2026-11", shard_count(&mut random, 5))];
    save(&stores, Some(begins_at), &shards).await;
    let writers: Vec<_> = (0..WRITERS).map(|number| stores.recorder(Some(&unreliable(seed * 100 + number)))).collect();
    let (mut after, mut read) = (FeedPosition::before(now), Vec::new());
    let mut unanswered: Vec<(String, Instant)> = Vec::new();
    let mut recorded = BTreeSet::new();
    for step in 0..STEPS {
        now = now.plus_seconds([0, 1, 7, 130, 1_800][random.below(5)]);
        match random.below(4) {
            0 => {
                let limit = 1 + random.below(7);
                for _ in 0..=random.below(3) {
                    let page = page(&stores, &after, now, limit).await;
                    read.extend(read_of(&page));
                    after = page.next;
                }
            }
            1 => {
                shards.truncate(2);
                shards.push(("2026-12", shard_count(&mut random, 8)));
                save(&stores, Some(begins_at), &shards).await;
            }
            _ => {
                let mut sending = std::mem::take(&mut unanswered);
                for number in 0..random.below(6) {
                    let ago = [0, 1, 3_600, 86_400 * 40][random.below(4)];
                    sending.push((format!("e-{step}-{number}"), now.plus_seconds(-ago)));
                }
                let outcomes = join_all(sending.iter().enumerate().map(|(number, (id, occurred_at))| {
                    let activity =
                        parsed(&sent(id, &occurred_at.to_string(), &json!({})), now).into_activity(contoso(), now);
                    writers[(step + number) % writers.len()].record(activity, Duration::MAX)
                }));
                for (sent, outcome) in sending.iter().zip(outcomes.await) {
                    match outcome {
                        Ok(_) => _ = recorded.insert(sent.0.clone()),
                        Err(RecordError::Storage(_)) => unanswered.push(sent.clone()),
                        Err(other) => panic!("seed {seed}, {}: {other}", sent.0),
                    }
                }
            }
        }
    }
    for (id, occurred_at) in unanswered {
        record(&stores, &id, &occurred_at.to_string(), now, None).await.unwrap();
        recorded.insert(id);
    }
    read.extend(follow(&stores, &mut after, now.plus_seconds(300), 5).await);
    assert!(read.is_sorted(), "seed {seed}: {read:?}");
    let ids: BTreeSet<_> = read.iter().map(|(_, _, id)| id.clone()).collect();
    assert_eq!((ids.len(), &ids), (read.len(), &recorded), "seed {seed}");
    read.len()
}

fn shard_count(random: &mut Random, most: u8) -> u8 {
    1 + u8::try_from(random.below(usize::from(most))).unwrap()
}

/// Calls that fail so often that some recordings fail in spite of a second try.
fn unreliable(seed: u64) -> Faults {
    let tables = vec![(Fault::NotSent, 150), (Fault::AnswerLost, 150)];
    Faults::random(FaultRates { seed, tables, objects: Vec::new(), stopped: 0..0 }).with_one_retry()
}
