//! Visits, of which counts are made: every activity once, whatever ends a call, within the budget of a call.

use std::time::Duration;

use domain::{
    activity::{Activity, NewActivity, PartnerId},
    counts::{CountQuestion, Tally},
    filter::Filter,
    query::{Position, Question, Selection, SortOrder},
    time::{Instant, Month},
};
use harness::{Fault, Faults, Stores, activities, at, partner, sent};
use serde_json::{Value, json};
use store::{
    error::Error,
    ledger::{Ledger, MAX_QUERIES_PER_VISIT, Recorded},
    partners::{Settings, ShardsFrom},
};

use crate::lists::selection;

const NOW: &str = "2026-11-02T12:00:00Z";
/// The most calls of Query for one partition.
const QUERIES_PER_PARTITION: usize = 16;

/// Visits a whole selection, `most` activities a call.
pub(crate) async fn visit_all(
    ledger: &Ledger,
    partner: &PartnerId,
    selection: &Selection,
    most: usize,
    time: Duration,
) -> Vec<(Instant, String)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let visited = all.len();
        let next = visit_once(ledger, partner, selection, after, most, time, &mut all).await.unwrap();
        let Some(next) = next else { return all };
        // A call that visits nothing has left months behind.
        assert!(all.len() > visited || !selection.filter.is_empty() || next.to_text().ends_with('#'), "{next:?}");
        // A cursor holds the position as a text.
        after = Position::parse(&next.to_text());
    }
}

async fn visit_once(
    ledger: &Ledger,
    partner: &PartnerId,
    selection: &Selection,
    after: Option<Position>,
    most: usize,
    time: Duration,
    all: &mut Vec<(Instant, String)>,
) -> Result<Option<Position>, Error> {
    let mut left = most;
    let mut visitor = |activity: &Activity<&str>| {
        let is_taken = left > 0;
        if is_taken {
            left -= 1;
            all.push((activity.occurred_at, activity.id.as_str().to_owned()));
        }
        is_taken
    };
    ledger.visit(partner, selection, after, time, &mut visitor).await
}

/// Records activities with ids `e-000000`, `e-000001` and so on, one each second of a day, with the members of `extra`.
async fn record(
    stores: &Stores,
    partner: &PartnerId,
    day: &str,
    count: usize,
    extra: &(dyn Fn(usize) -> Value + Sync),
) {
    let recorder = stores.recorder(None);
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(500) {
        let batch = batch.iter().map(|number| {
            let time = format!("{day}T{:02}:{:02}:{:02}Z", number / 3_600, number / 60 % 60, number % 60);
            NewActivity::parse(&sent(&format!("e-{number:06}"), &time, &extra(*number)), at(NOW)).unwrap()
        });
        let outcomes = recorder.record_all(activities(partner, batch.collect(), at(NOW)), Duration::MAX).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Recorded::New(_)))));
    }
}

async fn shard(stores: &Stores, partner: &PartnerId, shards: u8) {
    let settings = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-01").unwrap(), shards });
    assert!(stores.partners().save(partner, &Settings::default(), &settings).await.unwrap());
}

/// Texts of some 8 KB, so that few activities fill a page of 1 MB.
pub(crate) fn large(_: usize) -> Value {
    let text = "\u{1f4d6}".repeat(1_000);
    json!({"reason": text, "actor": {"id": "ana", "user_agent": text}, "status": "failed"})
}

fn november(order: SortOrder, filter: Value) -> Selection {
    selection("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", order, serde_json::from_value(filter).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_visit_makes_a_bounded_number_of_queries() {
    let stores = Stores::start().await;
    let count = 2_400;
    for shards in [1, 4] {
        let partner = partner(&format!("large-{shards}"));
        shard(&stores, &partner, shards).await;
        record(&stores, &partner, "2026-11-01", count, &large).await;
        let most = 1 + (usize::from(shards) * QUERIES_PER_PARTITION).min(MAX_QUERIES_PER_VISIT - 1);
        for (filter, expected) in [(json!({}), count), (json!({"actor": ["nobody"]}), 0)] {
            for order in [SortOrder::Descending, SortOrder::Ascending] {
                let selection = november(order, filter.clone());
                let (mut all, mut after, mut calls) = (Vec::new(), None, Vec::new());
                loop {
                    // Each call comes from a process that knows no month.
                    let faults = Faults::none();
                    let ledger = stores.ledger(Some(&faults));
                    let visit = visit_once(&ledger, &partner, &selection, after, usize::MAX, Duration::MAX, &mut all);
                    after = visit.await.unwrap();
                    calls.push(faults.calls());
                    if after.is_none() {
                        break;
                    }
                }
                assert!(calls.iter().all(|made| *made <= most), "{calls:?}");
                // The text of an activity has more than 8,000 bytes.
                assert!(shards > 1 || calls[0] == most, "{calls:?}");
                assert_eq!(all.len(), expected);
                assert!(order == SortOrder::Descending || all.is_sorted_by(|one, next| one < next));
                assert!(order == SortOrder::Ascending || all.is_sorted_by(|one, next| one > next));
            }
        }
    }
}

#[tokio::test]
async fn visits_of_many_months_and_shards_end() {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None);
    let (old, wide) = (partner("old"), partner("wide"));
    for number in 0..200 {
        let time = format!("{}-{:02}-15T00:00:00Z", 2000 + number / 12, number % 12 + 1);
        let new =
            NewActivity::parse(&sent(&format!("e-{number}"), &time, &json!({"customer": {"id": "c-1"}})), at(NOW));
        recorder.record(new.unwrap().into_activity(old.clone(), at(NOW)), Duration::MAX).await.unwrap();
    }
    shard(&stores, &wide, 64).await;
    for day in ["2026-01-10", "2026-02-10", "2026-03-10"] {
        record(&stores, &wide, day, 100, &|_| json!({})).await;
    }
    // A call takes the directory and 63 months, 31 months of a customer with two spellings, or one month of 64 shards.
    for (partner, filter, expected, calls_needed, most_queries) in [
        (&old, json!({}), 200, 4, MAX_QUERIES_PER_VISIT),
        (&old, json!({"customer": ["C-1"]}), 200, 7, MAX_QUERIES_PER_VISIT),
        (&old, json!({"customer": ["nobody"]}), 0, 4, MAX_QUERIES_PER_VISIT),
        (&wide, json!({}), 300, 3, 1 + 64),
        (&wide, json!({"actor": ["nobody"]}), 0, 3, 1 + 64),
    ] {
        for order in [SortOrder::Descending, SortOrder::Ascending] {
            let filter: Filter = serde_json::from_value(filter.clone()).unwrap();
            let selection = selection("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", order, filter);
            let (mut all, mut after, mut calls) = (Vec::new(), None, 0);
            loop {
                let faults = Faults::none();
                let ledger = stores.ledger(Some(&faults));
                let visit = visit_once(&ledger, partner, &selection, after, usize::MAX, Duration::MAX, &mut all);
                after = visit.await.unwrap();
                assert!(faults.calls() <= most_queries, "{} calls", faults.calls());
                calls += 1;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!((all.len(), calls), (expected, calls_needed), "{selection:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_without_time_go_on_call_by_call() {
    let stores = Stores::start().await;
    for shards in [1, 3] {
        let partner = partner(&format!("slow-{shards}"));
        shard(&stores, &partner, shards).await;
        record(&stores, &partner, "2026-11-01", 500, &large).await;
        record(&stores, &partner, "2026-10-01", 20, &|_| json!({})).await;
        record(&stores, &partner, "2026-08-01", 20, &|_| json!({})).await;
        let ledger = stores.ledger(None);
        for order in [SortOrder::Descending, SortOrder::Ascending] {
            let selection = selection("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", order, Filter::default());
            for most in [7, usize::MAX] {
                let visited = visit_all(&ledger, &partner, &selection, most, Duration::ZERO).await;
                assert_eq!(visited.len(), 540, "{order:?} by {most}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_that_fails_can_be_repeated() {
    let stores = Stores::start().await;
    let partner = partner("unlucky");
    shard(&stores, &partner, 3).await;
    record(&stores, &partner, "2026-11-01", 700, &large).await;
    record(&stores, &partner, "2026-10-01", 30, &|_| json!({})).await;
    let selection = selection("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", SortOrder::Descending, Filter::default());
    for fault in [Fault::Throttled, Fault::AnswerLost, Fault::Garbled, Fault::Late] {
        for number in 0..8 {
            let faults = Faults::at(number, fault);
            let ledger = stores.ledger(Some(&faults));
            let (mut all, mut after, mut failed) = (Vec::new(), None, 0);
            loop {
                // A client sees nothing of a call that failed.
                let mut of_call = Vec::new();
                let visit = visit_once(&ledger, &partner, &selection, after.clone(), 300, Duration::MAX, &mut of_call);
                match visit.await {
                    Ok(next) => {
                        all.append(&mut of_call);
                        after = next;
                        if after.is_none() {
                            break;
                        }
                    }
                    Err(error) => {
                        assert!(error.is_transient(), "{error:?}");
                        failed += 1;
                    }
                }
            }
            // A page that was read ahead may fail after the call.
            assert!(failed <= usize::from(fault != Fault::Late), "{fault:?} {number}");
            assert!(all.is_sorted_by(|one, next| one > next) && all.len() == 730, "{fault:?} {number}: {}", all.len());
        }
    }
}

#[tokio::test]
async fn visitor_must_take_the_first_activity() {
    let stores = Stores::start().await;
    let (ledger, partner) = (stores.ledger(None), partner("refused"));
    record(&stores, &partner, "2026-11-01", 1, &|_| json!({})).await;
    let selection = november(SortOrder::Descending, json!({}));
    let visit = visit_once(&ledger, &partner, &selection, None, 0, Duration::MAX, &mut Vec::new()).await;
    assert!(visit.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_all_calls_add_up_to_the_list() {
    let stores = Stores::start().await;
    let partner = partner("counted");
    shard(&stores, &partner, 3).await;
    let statuses = ["succeeded", "failed", "in_progress", "declined"];
    record(&stores, &partner, "2026-11-01", 3_000, &|number| {
        json!({"actor": {"id": format!("a-{}", number % 2_500)}, "status": statuses[number % 4], "customer": {"id": format!("c-{}", number % 7)}})
    })
    .await;
    let ledger = stores.ledger(None);
    for (filter, expected) in [(json!({}), 3_000), (json!({"customer": ["!c-1"], "status": ["failed"]}), 642)] {
        let selection = november(SortOrder::Descending, filter);
        let listed = visit_all(&ledger, &partner, &selection, usize::MAX, Duration::MAX).await;
        assert_eq!(listed.len(), expected);
        let (mut total, mut in_buckets, mut actors, mut calls, mut after) = (0, 0, 0, 0, None);
        loop {
            let question = CountQuestion {
                selected: Question {
                    from: Some("2026-11-01".to_owned()),
                    to: Some("2026-11-30".to_owned()),
                    ..Question::default()
                },
                interval: Some("hour".to_owned()),
                by: vec!["actor".to_owned(), "status".to_owned()],
                matching: None,
            };
            let (period, zone, _, plan) = question.read(at(NOW)).unwrap();
            let mut tally = Tally::begin(plan, period, zone).unwrap();
            let mut add = |activity: &Activity<&str>| tally.add(activity);
            after = ledger.visit(&partner, &selection, after, Duration::MAX, &mut add).await.unwrap();
            let counts = tally.finish();
            total += counts.total;
            in_buckets += counts
                .buckets
                .iter()
                .map(|bucket| bucket.counts)
                .map(|counts| counts.succeeded + counts.failed + counts.in_progress + counts.declined)
                .sum::<u64>();
            let values = counts.by.actor.unwrap();
            assert!(values.len() <= 1_000);
            actors += values.iter().map(|value| value.count).sum::<u64>();
            calls += 1;
            if after.is_none() {
                break;
            }
        }
        let expected = u64::try_from(expected).unwrap();
        assert_eq!((total, in_buckets, actors), (expected, expected, expected));
        assert!(calls >= if expected == 3_000 { 3 } else { 1 }, "{calls}");
    }
}
