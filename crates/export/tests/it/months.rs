//! The files of monthly exports: versions for late activities, and exports that are made again.

use std::time::Duration;

use domain::{
    activity::PartnerId,
    filter::Filter,
    job::{Format, Output, State},
    schedule::{NotDue, Schedule, ScheduleRequest},
    time::{Instant, Month, Zone},
};
use export::{Limits, WorkResult, WorkerRun};
use futures_util::{StreamExt as _, stream};
use harness::{Faults, GRACE_SECONDS, Sqs, Stores, TABLE, at, contoso, parsed, sent};
use serde_json::json;
use store::{
    jobs::MonthCursor,
    ledger::LateIndex,
    months::{Months, Rules},
    queues::{ExportMessage, ExportQueue, MonthlyRun, RunQueue},
};

use crate::support::worker_of;

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

/// Saves schedules of several partners that start with a month.
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

/// Returns the exports of a month, of all partners.
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

/// Records activities with their ids, times, and times of recording.
async fn record(stores: &Stores, activities: &[(&str, &str, &str)]) {
    let recorder = stores.recorder(None);
    for (id, occurred_at, recorded_at) in activities {
        let new = parsed(&sent(id, occurred_at, &json!({})), at(recorded_at));
        recorder.record(new.into_activity(contoso(), at(recorded_at)), Duration::MAX).await.unwrap();
    }
}

/// Writes every export whose message is in the queue.
async fn work(stores: &Stores, sqs: &Sqs, now: Instant) {
    for body in sqs.take() {
        let message: ExportMessage = serde_json::from_str(&body).unwrap();
        let clock = move || now;
        let run = WorkerRun { name: "w", stop_at: Instant::MAX, clock: &clock, message: None };
        let worker = worker_of(stores, None, Limits::default());
        assert_eq!(worker.work(&contoso(), &message.export, &run).await.result.unwrap(), WorkResult::Done);
    }
}

/// Returns the ids in the file of an export, oldest first.
async fn ids(stores: &Stores, export: &str) -> Vec<String> {
    let (job, standing) = stores.control(None).job(&contoso(), export).await.unwrap().unwrap();
    assert_eq!(standing.state, State::Ready, "{export}");
    let content = stores.object(&job.object_key(&contoso(), &standing.files[0].name)).await.unwrap();
    let text = String::from_utf8(content).unwrap();
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    text.lines().rev().map(id).collect()
}

/// Runs October 2026 of the partner as the operator does, and returns the number of exports that the run created.
async fn run_month(months: &Months, now: Instant) -> usize {
    let summary = months.run_month(&contoso(), Month::parse("2026-10").unwrap(), now).await.unwrap().unwrap();
    assert_eq!((summary.due, summary.failed, summary.complete), (1, 0, true));
    summary.created
}

#[tokio::test]
async fn versions_of_a_month_hold_its_activities_once() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    let months = months(&stores, &sqs, None);
    let run = async |now: &str| {
        months.run(&MonthlyRun::default(), at(now), &|| true).await.unwrap();
        work(&stores, &sqs, at(now)).await;
    };
    // The month is cut at 05:59, so activities lie before, at and behind the cut.
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
    let made = exports(&stores, "2026-10").await;
    assert_eq!(made.len(), 2, "the schedule makes at most one version a day");
    // The operator's run creates the version at once.
    let now = at("2026-11-02T09:30:00Z");
    assert_eq!(run_month(&months, now).await, 1);
    work(&stores, &sqs, now).await;
    assert_eq!(ids(&stores, "2026-10_v3").await, ["g"]);
    assert_eq!(run_month(&months, now.plus_seconds(300)).await, 0);
    run("2026-11-05T00:00:00Z").await;
    assert_eq!(exports(&stores, "2026-10").await.len(), 3);
    assert_eq!(ids(&stores, "2026-10").await, ["b", "c"], "version 1 is never rewritten");
}

#[tokio::test]
async fn deleted_month_is_exported_again_with_same_bytes() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    record(&stores, &[("a", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z")]).await;
    let months = months(&stores, &sqs, None);
    let control = stores.control(None);
    months.run(&MonthlyRun::default(), at(NOW), &|| true).await.unwrap();
    work(&stores, &sqs, at(NOW)).await;
    let files = async || control.job(&contoso(), "2026-10").await.unwrap().unwrap().1.files;
    let first = files().await;

    let (job, standing) = control.cancel_job(&contoso(), "2026-10").await.unwrap().unwrap();
    for name in job.stored_names(&contoso(), &standing) {
        worker_of(&stores, None, Limits::default()).files.remove(&job.object_key(&contoso(), &name)).await.unwrap();
    }
    months.run(&MonthlyRun::default(), at("2026-11-02T07:00:00Z"), &|| true).await.unwrap();
    work(&stores, &sqs, at("2026-11-02T07:00:00Z")).await;
    assert_eq!(files().await, first);

    // A month later the files expire. The schedule does not export them again, but the operator can.
    let later = at("2026-12-20T00:00:00Z");
    months.run(&MonthlyRun::default(), later, &|| true).await.unwrap();
    let (job, standing) = control.job(&contoso(), "2026-10").await.unwrap().unwrap();
    assert_eq!(standing.state_at(&job, later), State::Expired);
    sqs.take();
    assert_eq!(run_month(&months, later).await, 1);
    work(&stores, &sqs, later).await;
    let (job, standing) = control.job(&contoso(), "2026-10").await.unwrap().unwrap();
    assert_eq!((standing.state_at(&job, later), &standing.files), (State::Ready, &first));
}

#[tokio::test]
async fn renewed_month_outlives_the_objects_of_its_first_export() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    record(&stores, &[("a", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z")]).await;
    let (months, month) = (months(&stores, &sqs, None), Month::parse("2026-10").unwrap());
    let later = at("2026-12-20T00:00:00Z");
    months.run(&MonthlyRun::default(), at(NOW), &|| true).await.unwrap();
    work(&stores, &sqs, at(NOW)).await;
    let old = stores.objects("exports/").await;
    assert_eq!(old.len(), 2, "the file and the manifest");
    // The files have expired, and the bucket has not removed them yet: S3 removes objects up to days later.
    assert_eq!(months.run_month(&contoso(), month, later).await.unwrap().unwrap().created, 1);
    work(&stores, &sqs, later).await;
    for key in &old {
        stores.s3(None).delete_object().bucket(harness::BUCKET).key(key).send().await.unwrap();
    }
    assert_eq!(ids(&stores, "2026-10").await, ["a"]);
    let (job, status) = stores.control(None).job(&contoso(), "2026-10").await.unwrap().unwrap();
    assert_eq!(status.state_at(&job, later.plus_seconds(30 * 86_400 - 1)), State::Ready);
    assert_eq!(stores.objects("exports/").await.len(), old.len());
}

#[tokio::test]
async fn operator_run_holds_what_was_acknowledged_before() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    let months = months(&stores, &sqs, None);
    let now = at("2026-11-02T08:00:30.500Z");
    // A backfill that ends as the operator asks.
    record(
        &stores,
        &[
            ("a", "2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z"),
            ("b", "2026-10-02T00:00:00Z", "2026-11-02T07:58:31Z"),
            ("c", "2026-10-03T00:00:00Z", "2026-11-02T08:00:30.499Z"),
        ],
    )
    .await;
    assert_eq!(run_month(&months, now).await, 1);
    assert_eq!(sqs.delays(), [122], "the file waits for what is being recorded");
    record(&stores, &[("d", "2026-10-04T00:00:00Z", "2026-11-02T08:00:31.999Z")]).await;
    record(&stores, &[("e", "2026-10-05T00:00:00Z", "2026-11-02T08:00:32Z")]).await;
    work(&stores, &sqs, now.plus_seconds(122)).await;
    assert_eq!(ids(&stores, "2026-10").await, ["a", "b", "c", "d"]);
    // Late activities come with the next run, in the same way.
    assert_eq!(run_month(&months, now.plus_seconds(60)).await, 1);
    assert_eq!(sqs.delays(), [122]);
    work(&stores, &sqs, now.plus_seconds(200)).await;
    assert_eq!(ids(&stores, "2026-10_v2").await, ["e"]);
}

#[tokio::test]
async fn operator_run_waits_only_if_something_was_recorded() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    let months = months(&stores, &sqs, None);
    let now = at("2026-11-02T08:00:30.500Z");
    record(&stores, &[("a", "2026-10-01T00:00:00Z", "2026-11-02T07:58:29Z")]).await;
    assert_eq!(run_month(&months, now).await, 1);
    assert_eq!(sqs.delays(), [0]);
    work(&stores, &sqs, now).await;
    assert_eq!(ids(&stores, "2026-10").await, ["a"]);

    // The index of late activities shows this one only after the run.
    record(&stores, &[("b", "2026-10-02T00:00:00Z", "2026-11-02T08:00:30Z")]).await;
    months.look_again(Some(&contoso()), Month::parse("2026-10").unwrap(), now).await.unwrap();
    assert_eq!(sqs.delays(), [120]);
    let look: MonthlyRun = serde_json::from_str(&sqs.take().remove(0)).unwrap();
    let later = now.plus_seconds(122);
    assert_eq!(months.run(&look, later, &|| true).await.unwrap().created, 1);
    work(&stores, &sqs, later).await;
    assert_eq!(ids(&stores, "2026-10_v2").await, ["b"]);
    assert_eq!(months.run(&look, later, &|| true).await.unwrap().created, 0, "looking twice is harmless");
}

#[tokio::test]
async fn operator_run_says_why_a_month_is_not_due() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save(&stores, "2026-10", [contoso()].into_iter()).await;
    let months = months(&stores, &sqs, None);
    let reason = async |partner: &str, month: &str| {
        let partner = PartnerId::parse(partner).unwrap();
        months.run_month(&partner, Month::parse(month).unwrap(), at(NOW)).await.unwrap().unwrap_err()
    };
    assert_eq!(reason("unknown", "2026-10").await, NotDue::NoSchedule);
    assert_eq!(reason("contoso", "2026-09").await, NotDue::BeforeFirst(Month::parse("2026-10").unwrap()));
    assert_eq!(reason("contoso", "2026-11").await, NotDue::NotEnded(at("2026-12-01T06:00:00Z")));
    // After the run, the schedule shows what comes next.
    assert_eq!(run_month(&months, at(NOW)).await, 1);
    let schedule = stores.control(None).schedule(&contoso()).await.unwrap().unwrap();
    assert_eq!(schedule.next.to_string(), "2026-11");
    assert_eq!(schedule.next_run_at(GRACE_SECONDS), at("2026-12-01T06:00:00Z"));
}
