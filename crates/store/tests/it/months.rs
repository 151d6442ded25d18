//! The monthly run on real engines: its cost, how it continues, and the index of late activities.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use amounts::amount;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::PartnerId,
    filter::Filter,
    job::{Format, Output, State},
    schedule::{Schedule, ScheduleRequest},
    time::{Month, Period, Zone},
};
use futures_util::{StreamExt as _, stream};
use harness::{CONTROL, Faults, GRACE_SECONDS, Sqs, Stores, TABLE, at, contoso, parsed, sent};
use serde_json::json;
use store::{
    jobs::MonthCursor,
    ledger::LateIndex,
    months::{Months, Rules, RunSummary},
    queues::{ExportQueue, MonthlyRun, RunQueue},
};

const RULES: Rules = Rules { grace_seconds: GRACE_SECONDS, retention_seconds: 30 * 86_400 };
const NOW: &str = "2026-11-01T07:00:00Z";

fn months(stores: &Stores, sqs: &Sqs, faults: Option<&Faults>) -> Months {
    Months {
        control: stores.control(faults),
        queue: ExportQueue::new(stores.sqs(sqs, faults), format!("{}/1/exports", sqs.url)),
        late: LateIndex::new(stores.dynamodb(faults), TABLE.to_owned()),
        runs: RunQueue::new(stores.sqs(sqs, faults), format!("{}/1/runs", sqs.url)),
        rules: RULES,
    }
}

fn partner(number: usize) -> PartnerId {
    PartnerId::parse(&format!("p{number}")).unwrap()
}

/// Saves schedules that begin with a month.
async fn save(stores: &Stores, from: &str, partners: impl Iterator<Item = PartnerId>) {
    let control = stores.control(None);
    let output = Output { format: Format::Jsonl, ..Output::default() };
    let wishes = ScheduleRequest {
        enabled: true,
        time_zone: Zone::parse("UTC").unwrap(),
        output,
        filter: Filter::default(),
        from: Some(Month::parse(from).unwrap()),
        notify: Vec::new(),
    };
    let saved = stream::iter(partners).map(|partner| {
        let (control, wishes) = (&control, wishes.clone());
        Box::pin(async move {
            let schedule = Schedule::save(None, wishes, at("2026-10-15T00:00:00Z"), "Ana".to_owned());
            assert!(control.save_schedule(&partner, &mut schedule.unwrap(), GRACE_SECONDS).await.unwrap());
        })
    });
    saved.buffer_unordered(16).collect::<Vec<()>>().await;
}

/// Lists all exports of a month, of all partners.
async fn exports(stores: &Stores, month: &str) -> Vec<(String, String, State)> {
    let control = stores.control(None);
    let (mut place, mut found) = (Some(MonthCursor::default()), Vec::new());
    while let Some(from) = place {
        let (page, next) = control.exports_of_month(Month::parse(month).unwrap(), None, 100, from).await.unwrap();
        found.extend(page.into_iter().map(|entry| (entry.partner.to_string(), entry.id, entry.state)));
        place = next;
    }
    found
}

/// The processor time that this thread has spent.
fn cpu() -> Option<Duration> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(spent.split(' ').next()?.parse().ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_makes_no_request_for_a_schedule_that_is_not_due() {
    let many = usize::try_from(amount("MONTHS_SCHEDULES", 1_000, 20_000)).unwrap();
    let mut calls = Vec::new();
    for count in [10, many] {
        let stores = Stores::start().await;
        let sqs = Sqs::start().await;
        save(&stores, "2026-11", (0..count).map(partner)).await;
        let faults = Faults::none();
        let outcome =
            months(&stores, &sqs, Some(&faults)).run(&MonthlyRun::default(), at(NOW), &|| true).await.unwrap();
        assert_eq!((outcome.due, outcome.created, outcome.complete), (0, 0, true));
        calls.push(faults.calls());
    }
    println!("a run with 10 and with {many} schedules, none of them due: {calls:?} requests");
    assert_eq!(calls, [16, 16], "one question for each partition of the index");
}

/// `MONTHS_DUE=10000` gives the figures of docs/months.md.
#[test]
fn a_run_makes_four_requests_for_each_due_partner() {
    let due = usize::try_from(amount("MONTHS_DUE", 200, 5_000)).unwrap();
    let engines = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stores, sqs) = engines.block_on(async {
        let stores = Stores::start().await;
        save(&stores, "2026-10", (0..due).map(partner)).await;
        (stores, Sqs::start().await)
    });
    // The run has a thread of its own, whose processor time is the function's.
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let faults = Faults::none();
    let before = cpu();
    let months = months(&stores, &sqs, Some(&faults));
    let outcome = own.block_on(months.run(&MonthlyRun::default(), at(NOW), &|| true)).unwrap();
    let spent = cpu().zip(before).map(|(after, before)| after - before);
    assert_eq!(outcome, RunSummary { due, created: due, failed: 0, complete: true });
    let questions = faults.calls() - 4 * due;
    println!("{due} due partners: {} requests ({questions} of them questions), {spent:?} of CPU", faults.calls());
    assert!((16..=16 + due / 100).contains(&questions), "{questions}");
    assert_eq!(sqs.bodies().len(), due);
    let made = engines.block_on(exports(&stores, "2026-10"));
    assert_eq!(made.iter().map(|(partner, ..)| partner).collect::<BTreeSet<_>>().len(), due);
    let faults = Faults::none();
    let again = self::months(&stores, &sqs, Some(&faults));
    let outcome = own.block_on(again.run(&MonthlyRun::default(), at(NOW), &|| true)).unwrap();
    assert_eq!((outcome.due, faults.calls()), (0, 16), "a finished month is no longer due");
}

#[tokio::test]
async fn a_run_without_time_continues_at_its_position() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", (0..100).map(partner)).await;
    let months = months(&stores, &sqs, None);
    for month in [None, Some(Month::parse("2026-09").unwrap()), Some(Month::parse("2026-10").unwrap())] {
        let mut run = MonthlyRun { month, ..MonthlyRun::default() };
        let (mut runs, mut due) = (0, 0);
        loop {
            let pages = AtomicUsize::new(0);
            let outcome = months.run(&run, at(NOW), &|| pages.fetch_add(1, Ordering::SeqCst) < 3).await.unwrap();
            runs += 1;
            due += outcome.due;
            if outcome.complete {
                break;
            }
            run = serde_json::from_str(sqs.bodies().last().unwrap()).unwrap();
            assert_eq!((run.now, run.month), (Some(at(NOW)), month), "the run keeps the time at which it began");
        }
        assert_eq!(runs, 6, "16 partitions, three at a time");
        // September is before all schedules; October was made by the first run.
        assert_eq!(due, if month == Some(Month::parse("2026-09").unwrap()) { 0 } else { 100 });
    }
    assert_eq!(exports(&stores, "2026-10").await.len(), 100);
}

#[tokio::test]
async fn an_unreadable_schedule_does_not_hold_up_others() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", (0..40).map(partner)).await;
    for partition in 0..16 {
        let text = |text: String| AttributeValue::S(text);
        let put = stores.dynamodb(None).put_item().table_name(CONTROL);
        let put = put.item("pk", text(format!("broken{partition}"))).item("sk", text("schedule".to_owned()));
        let put = put.item("dk", text(format!("due#{partition}"))).item("nr", text("2026-01-01".to_owned()));
        put.item("schedule", text("{}".to_owned())).send().await.unwrap();
    }
    let outcome = months(&stores, &sqs, None).run(&MonthlyRun::default(), at(NOW), &|| true).await.unwrap();
    assert_eq!((outcome.created, outcome.failed, outcome.complete), (40, 16, true));
}

/// Records activities by their ids, times of occurrence and times of recording.
async fn record(stores: &Stores, activities: &[(&str, &str, &str)]) {
    let recorder = stores.recorder(None);
    for (id, occurred_at, recorded_at) in activities {
        let new = parsed(&sent(id, occurred_at, &json!({})), at(recorded_at));
        recorder.record(new.into_activity(contoso(), at(recorded_at)), Duration::MAX).await.unwrap();
    }
}

#[tokio::test]
async fn the_late_index_finds_activities_by_both_of_their_times() {
    let stores = Stores::start().await;
    record(
        &stores,
        &[
            ("in-time", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z"),
            ("late", "2026-10-05T00:00:00Z", "2026-11-03T00:00:00.500Z"),
            ("next", "2026-11-01T05:00:00Z", "2026-11-03T00:00:00Z"),
        ],
    )
    .await;
    let late = LateIndex::new(stores.dynamodb(None), TABLE.to_owned());
    let has = async |from, to, recorded_from, recorded_before| {
        let period = Period::new(at(from), at(to)).unwrap();
        late.has_late_activity(&contoso(), period, at(recorded_from), at(recorded_before)).await.unwrap()
    };
    let (begin, end) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert!(has(begin, end, "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
    assert!(has(begin, end, "2026-11-03T00:00:00.500Z", "2026-11-03T00:00:00.501Z").await);
    assert!(!has(begin, end, "2026-11-03T00:00:00.501Z", "2026-11-04T00:00:00Z").await);
    assert!(!has(begin, end, "2026-11-01T00:00:00Z", "2026-11-03T00:00:00.500Z").await, "before, not at");
    assert!(
        !has(begin, end, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z").await,
        "an activity in time is not in the index"
    );
    // In a zone behind UTC, October lasts into November.
    assert!(has(end, "2026-11-01T11:00:00Z", "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
    assert!(!has(end, "2026-11-01T05:00:00Z", "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
}
