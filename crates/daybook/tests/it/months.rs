//! Months on real engines: what a run costs, how it goes on, and what its files hold.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use amounts::amount;
use aws_sdk_dynamodb::types::AttributeValue;
use daybook::{
    activity::PartnerId,
    control::MonthPlace,
    export::{
        job::{Format, Output, State},
        worker::{Limits, Outcome as Worked, Run as Working},
    },
    ledger::LateIndex,
    months::{Months, Outcome, Rules, Schedule, Wishes},
    period::{Instant, Month, Period, parse_zone},
    queue::{ExportQueue, Message, Run, RunQueue},
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::stores::{CONTROL, Faults, GRACE_SECONDS, Sqs, Stores, TABLE, at, contoso, parsed, sent};

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

/// Saves schedules that begin with a month, side by side.
async fn save(stores: &Stores, from: &str, partners: impl Iterator<Item = PartnerId>) {
    let control = stores.control(None);
    let output = Output { format: Format::Jsonl, ..Output::default() };
    let wishes = Wishes {
        enabled: true,
        time_zone: parse_zone("UTC").unwrap(),
        output,
        from: Some(Month::parse(from).unwrap()),
        notify: Vec::new(),
    };
    let saved = stream::iter(partners).map(|partner| {
        let (control, wishes) = (&control, wishes.clone());
        Box::pin(async move {
            let schedule = Schedule::saved(None, wishes, at("2026-10-15T00:00:00Z"), "Ana".to_owned());
            assert!(control.save_schedule(&partner, &mut schedule.unwrap(), GRACE_SECONDS).await.unwrap());
        })
    });
    saved.buffer_unordered(16).collect::<Vec<()>>().await;
}

/// All exports of a month, of all partners.
async fn exports(stores: &Stores, month: &str) -> Vec<(String, String, State)> {
    let control = stores.control(None);
    let (mut place, mut found) = (Some(MonthPlace::default()), Vec::new());
    while let Some(from) = place {
        let (page, next) = control.exports_of_month(Month::parse(month).unwrap(), None, 100, from).await.unwrap();
        found.extend(page.into_iter().map(|entry| (entry.partner.to_string(), entry.id, entry.state)));
        place = next;
    }
    found
}

/// What this thread has spent of the processor.
fn cpu() -> Option<Duration> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(spent.split(' ').next()?.parse().ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_costs_nothing_for_schedules_that_are_not_due() {
    let many = usize::try_from(amount("MONTHS_SCHEDULES", 1_000, 20_000)).unwrap();
    let mut calls = Vec::new();
    for count in [10, many] {
        let stores = Stores::start().await;
        let sqs = Sqs::start().await;
        save(&stores, "2026-11", (0..count).map(partner)).await;
        let faults = Faults::none();
        let outcome = months(&stores, &sqs, Some(&faults)).run(&Run::default(), at(NOW), &|| true).await.unwrap();
        assert_eq!((outcome.due, outcome.created, outcome.complete), (0, 0, true));
        calls.push(faults.calls());
    }
    println!("a run with 10 and with {many} schedules, none of them due: {calls:?} requests");
    assert_eq!(calls, [16, 16], "one question for each partition of the index");
}

/// `MONTHS_DUE=10000` counts as many; the figures in docs/months.md are from there.
#[test]
fn a_run_makes_four_requests_for_each_partner_that_is_due() {
    let due = usize::try_from(amount("MONTHS_DUE", 200, 5_000)).unwrap();
    let engines = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stores, sqs) = engines.block_on(async {
        let stores = Stores::start().await;
        save(&stores, "2026-10", (0..due).map(partner)).await;
        (stores, Sqs::start().await)
    });
    // The run has a thread to itself: what that spends is the function's.
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let faults = Faults::none();
    let before = cpu();
    let months = months(&stores, &sqs, Some(&faults));
    let outcome = own.block_on(months.run(&Run::default(), at(NOW), &|| true)).unwrap();
    let spent = cpu().zip(before).map(|(after, before)| after - before);
    assert_eq!(outcome, Outcome { due, created: due, failed: 0, complete: true });
    let questions = faults.calls() - 4 * due;
    println!("{due} due partners: {} requests ({questions} of them questions), {spent:?} of CPU", faults.calls());
    assert!((16..=16 + due / 100).contains(&questions), "{questions}");
    assert_eq!(sqs.bodies().len(), due);
    let made = engines.block_on(exports(&stores, "2026-10"));
    assert_eq!(made.iter().map(|(partner, ..)| partner).collect::<BTreeSet<_>>().len(), due);
    let faults = Faults::none();
    let again = self::months(&stores, &sqs, Some(&faults));
    let outcome = own.block_on(again.run(&Run::default(), at(NOW), &|| true)).unwrap();
    assert_eq!((outcome.due, faults.calls()), (0, 16), "what is done is not due any more");
}

#[tokio::test]
async fn a_run_whose_time_is_up_is_gone_on_with_where_it_stood() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", (0..100).map(partner)).await;
    let months = months(&stores, &sqs, None);
    for month in [None, Some(Month::parse("2026-09").unwrap()), Some(Month::parse("2026-10").unwrap())] {
        let mut run = Run { month, ..Run::default() };
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
            assert_eq!((run.now, run.month), (Some(at(NOW)), month), "it goes on with the clock that it began with");
        }
        assert_eq!(runs, 6, "16 partitions, three at a time");
        // September is before all schedules; October was made by the first run.
        assert_eq!(due, if month == Some(Month::parse("2026-09").unwrap()) { 0 } else { 100 });
    }
    assert_eq!(exports(&stores, "2026-10").await.len(), 100);
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_holds_up_nobody() {
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
    let outcome = months(&stores, &sqs, None).run(&Run::default(), at(NOW), &|| true).await.unwrap();
    assert_eq!((outcome.created, outcome.failed, outcome.complete), (40, 16, true));
}

/// Records activities of October, by their ids and the times of recording.
async fn record(stores: &Stores, activities: &[(&str, &str, &str)]) {
    let recorder = stores.recorder(None);
    for (id, occurred_at, recorded_at) in activities {
        let new = parsed(&sent(id, occurred_at, &json!({})), at(recorded_at));
        recorder.record(&contoso(), new, at(recorded_at), Duration::MAX).await.unwrap();
    }
}

/// Works on everything that was sent; the ids in each export's file, oldest first.
async fn work(stores: &Stores, sqs: &Sqs, now: Instant) {
    for body in sqs.take() {
        let message: Message = serde_json::from_str(&body).unwrap();
        let clock = move || now;
        let run = Working { name: "w", stop_at: Instant::MAX, clock: &clock };
        let worker = stores.worker(None, Limits::default());
        assert_eq!(worker.work(&contoso(), &message.export, &run).await.unwrap(), Worked::Done);
    }
}

async fn ids(stores: &Stores, export: &str) -> Vec<String> {
    let (job, standing) = stores.control(None).job(&contoso(), export).await.unwrap().unwrap();
    assert_eq!(standing.state, State::Ready, "{export}");
    let content = stores.object(&job.object_key(&contoso(), &standing.files[0].name)).await.unwrap();
    let text = String::from_utf8(content).unwrap();
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    text.lines().rev().map(id).collect()
}

#[tokio::test]
async fn the_versions_of_a_month_are_its_activities() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    let months = months(&stores, &sqs, None);
    let run = async |now: &str| {
        months.run(&Run::default(), at(now), &|| true).await.unwrap();
        work(&stores, &sqs, at(now)).await;
    };
    // Cut at 05:59: before, at and behind it.
    record(
        &stores,
        &[
            ("a", "2026-09-30T23:59:59.999999Z", "2026-10-01T00:00:00Z"),
            ("b", "2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z"),
            ("c", "2026-10-31T23:59:59.999999Z", "2026-11-01T05:58:59.999Z"),
            ("d", "2026-10-12T00:00:00Z", "2026-11-01T05:59:00Z"),
            ("e", "2026-10-31T23:59:59.999998Z", "2026-11-01T06:00:59Z"),
            ("f", "2026-11-01T00:00:00Z", "2026-11-01T06:00:59Z"),
        ],
    )
    .await;
    run("2026-11-01T06:01:00.5Z").await;
    assert_eq!(ids(&stores, "2026-10").await, ["b", "c"]);
    run("2026-11-01T07:00:00Z").await;
    run("2026-11-02T06:01:00Z").await;
    assert_eq!(ids(&stores, "2026-10_v2").await, ["d", "e"]);

    record(&stores, &[("g", "2026-10-05T00:00:00Z", "2026-11-02T08:00:00Z")]).await;
    run("2026-11-02T09:00:00Z").await;
    let month = Month::parse("2026-10").unwrap();
    let made = exports(&stores, "2026-10").await;
    assert_eq!(made.len(), 2, "the schedule makes at most one version a day");
    // The operator's run makes it at once, as far as it is settled.
    let none = months.run_for(&contoso(), month, at("2026-11-02T08:01:59Z")).await.unwrap();
    assert_eq!((none.due, none.created), (1, 0));
    let now = at("2026-11-02T09:30:00Z");
    let one = months.run_for(&contoso(), month, now).await.unwrap();
    assert_eq!((one.due, one.created), (1, 1));
    work(&stores, &sqs, now).await;
    assert_eq!(ids(&stores, "2026-10_v3").await, ["g"]);
    assert_eq!(months.run_for(&contoso(), month, now.plus_seconds(300)).await.unwrap().created, 0);
    run("2026-11-05T00:00:00Z").await;
    assert_eq!(exports(&stores, "2026-10").await.len(), 3);
    assert_eq!(ids(&stores, "2026-10").await, ["b", "c"], "version 1 is never rewritten");
}

#[tokio::test]
async fn an_export_that_was_deleted_or_has_expired_is_made_again_with_the_same_bytes() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    record(&stores, &[("a", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z")]).await;
    let months = months(&stores, &sqs, None);
    let control = stores.control(None);
    months.run(&Run::default(), at(NOW), &|| true).await.unwrap();
    work(&stores, &sqs, at(NOW)).await;
    let files = async || control.job(&contoso(), "2026-10").await.unwrap().unwrap().1.files;
    let first = files().await;

    let (job, standing) = control.cancel_job(&contoso(), "2026-10").await.unwrap().unwrap();
    for name in job.stored_names(&contoso(), &standing) {
        stores.worker(None, Limits::default()).files.remove(&job.object_key(&contoso(), &name)).await.unwrap();
    }
    let month = Month::parse("2026-10").unwrap();
    months.run(&Run::default(), at("2026-11-02T07:00:00Z"), &|| true).await.unwrap();
    work(&stores, &sqs, at("2026-11-02T07:00:00Z")).await;
    assert_eq!(files().await, first);

    // A month later their time is up; the schedule leaves them so, the operator need not.
    let later = at("2026-12-20T00:00:00Z");
    months.run(&Run::default(), later, &|| true).await.unwrap();
    let (job, standing) = control.job(&contoso(), "2026-10").await.unwrap().unwrap();
    assert_eq!(standing.state_at(&job, later), State::Expired);
    sqs.take();
    assert_eq!(months.run_for(&contoso(), month, later).await.unwrap().created, 1);
    work(&stores, &sqs, later).await;
    let (job, standing) = control.job(&contoso(), "2026-10").await.unwrap().unwrap();
    assert_eq!((standing.state_at(&job, later), &standing.files), (State::Ready, &first));
}

#[tokio::test]
async fn the_index_of_late_activities_knows_when_they_occurred_and_were_recorded() {
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
        late.has(&contoso(), period, at(recorded_from), at(recorded_before)).await.unwrap()
    };
    let (begin, end) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert!(has(begin, end, "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
    assert!(has(begin, end, "2026-11-03T00:00:00.500Z", "2026-11-03T00:00:00.501Z").await);
    assert!(!has(begin, end, "2026-11-03T00:00:00.501Z", "2026-11-04T00:00:00Z").await);
    assert!(!has(begin, end, "2026-11-01T00:00:00Z", "2026-11-03T00:00:00.500Z").await, "before, not at");
    assert!(!has(begin, end, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z").await, "what came in time is not in it");
    // Behind UTC, October lasts into November.
    assert!(has(end, "2026-11-01T11:00:00Z", "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
    assert!(!has(end, "2026-11-01T05:00:00Z", "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
}
