//! Jobs, activities and runs that the tests of exports share.

use std::{
    io::Read as _,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use amounts::amount;
use domain::{
    filter::Filter,
    job::{ExportRequest, Job, JobStatus, MANIFEST, Output, State},
    locale::Locale,
    query::SETTLE_SECONDS,
    schedule::MonthJob,
    time::{Instant, Month, Zone},
};
use export::{
    Files, LEASE_SECONDS, Limits, MAX_LINKS, SubscriptionsUrl, WorkResult, WorkbookLimits, Worker, WorkerRun,
};
use harness::{BUCKET, Fault, Faults, Random, Stores, at, contoso, parsed, sent};
use serde_json::json;
use sha2::Digest as _;
use store::{control::Control, error::Error};

pub(crate) const NOW: &str = "2026-11-02T12:00:00Z";
/// The smallest parts that S3 accepts, and files of any number of rows.
pub(crate) const LIMITS: Limits = Limits {
    lease_seconds: LEASE_SECONDS,
    tries: usize::MAX,
    part_bytes: 5 * 1_024 * 1_024,
    parts: usize::MAX,
    rows: u64::MAX,
    workbook: WorkbookLimits { rows: u64::MAX, bytes: u64::MAX, sheet_rows: 1_048_575, links: MAX_LINKS },
};
/// The activities of an export with several parts.
pub(crate) const ROWS: usize = 500;

pub(crate) fn csv() -> Output {
    Output { locale: Locale::Fr, ..Output::default() }
}

pub(crate) fn request(output: Output) -> ExportRequest {
    ExportRequest {
        from: at("2026-09-15T00:00:00Z"),
        to: at("2026-11-02T00:00:00Z"),
        time_zone: Zone::parse("Europe/Paris").unwrap(),
        filter: Filter::default(),
        output,
    }
}

pub(crate) fn job(id: &str, output: Output) -> Job {
    Job::on_demand(id.to_owned(), request(output), "Ana".to_owned(), at(NOW), 86_400)
}

/// Records activities whose export has several parts.
pub(crate) async fn fill(stores: &Stores, rows: usize) {
    let recorder = stores.recorder(None);
    for number in 0..rows {
        // Most activities have details that almost fill a cell.
        let lines = if number % 10 == 0 { 1 + number % 4 } else { 750 };
        let extra = json!({
            "customer": {"id": format!("{:04}", number % 7), "name": "Société « Été »"},
            "details": {"lines": vec![json!({"product": "Été; \"x\"", "quantity": number}); lines]},
        });
        let time = at("2026-09-20T00:00:00Z").plus_seconds((number as i64 % 40) * 86_400).to_string();
        recorder
            .record(
                parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(NOW)).into_activity(contoso(), at(NOW)),
                Duration::MAX,
            )
            .await
            .unwrap();
    }
}

pub(crate) async fn status(control: &Control, id: &str) -> JobStatus {
    control.job(&contoso(), id).await.unwrap().unwrap().1
}

/// Creates a worker whose calls may fail.
pub(crate) fn worker_of(stores: &Stores, faults: Option<&Faults>, limits: Limits) -> Worker {
    Worker {
        ledger: stores.ledger(faults),
        control: stores.control(faults),
        files: Files::new(stores.s3(faults), BUCKET.to_owned()),
        limits,
        subscriptions: SubscriptionsUrl::new("https://portal.example/customers/{customer}/subscriptions".to_owned()),
    }
}

/// Runs a worker whose clock stands still.
pub(crate) async fn run(
    stores: &Stores,
    faults: Option<&Faults>,
    id: &str,
    name: &str,
    now: Instant,
) -> Result<WorkResult, Error> {
    run_within(LIMITS, stores, faults, id, name, now).await
}

pub(crate) async fn run_within(
    limits: Limits,
    stores: &Stores,
    faults: Option<&Faults>,
    id: &str,
    name: &str,
    now: Instant,
) -> Result<WorkResult, Error> {
    let clock = move || now;
    let run = WorkerRun { name, stop_at: Instant::MAX, clock: &clock, message: None };
    worker_of(stores, faults, limits).work(&contoso(), id, &run).await.result
}

/// Writes an export without faults and returns the bytes of its only file.
pub(crate) async fn write_export(stores: &Stores, id: &str, output: Output) -> Vec<u8> {
    let mut files = write_export_within(LIMITS, stores, id, output).await;
    assert_eq!(files.len(), 1);
    files.remove(0).1
}

/// Writes an export without faults and returns its files.
pub(crate) async fn write_export_within(
    limits: Limits,
    stores: &Stores,
    id: &str,
    output: Output,
) -> Vec<(String, Vec<u8>)> {
    assert!(stores.control(None).create_job(&contoso(), &job(id, output)).await.unwrap());
    assert_eq!(run_within(limits, stores, None, id, "w", at(NOW)).await.unwrap(), WorkResult::Done);
    files_of(stores, id, output).await
}

/// Returns the names and bytes of a ready export's files, once they match the job, the manifest and the bucket.
pub(crate) async fn files_of(stores: &Stores, id: &str, output: Output) -> Vec<(String, Vec<u8>)> {
    let status = status(&stores.control(None), id).await;
    assert_eq!(status.state, State::Ready, "{id}");
    let mut files = Vec::new();
    for file in &status.files {
        let bytes = stores.object(&job(id, output).object_key(&contoso(), &file.name)).await.unwrap();
        assert_eq!(file.bytes, bytes.len() as u64, "{id}");
        let digest: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file.sha256, digest, "{id}");
        files.push((file.name.clone(), bytes));
    }
    let manifest = stores.object(&job(id, output).object_key(&contoso(), MANIFEST)).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["files"], serde_json::to_value(&status.files).unwrap(), "{id}");
    let mut stored = stores.objects(&format!("exports/contoso/{id}/")).await;
    stored.sort();
    let mut named: Vec<String> = files.iter().map(|(name, _)| name.clone()).chain([MANIFEST.to_owned()]).collect();
    named.sort();
    assert_eq!(stored, named.iter().map(|name| format!("exports/contoso/{id}/{name}")).collect::<Vec<_>>(), "{id}");
    files
}

/// Returns the numbers of the calls that fail in turn.
///
/// These are every third call in `make soak` and every 27th in `make test`, beginning elsewhere for each fault, so that each
/// kind of call fails in some way. `FAULT_STEP=1` takes all of them.
pub(crate) fn failing_calls(fault: Fault) -> impl Iterator<Item = usize> {
    let step = fault_step();
    ((2 + 7 * fault as usize) % step..).step_by(step)
}

/// Returns the distance between two calls of [`failing_calls`].
pub(crate) fn fault_step() -> usize {
    usize::try_from(amount("FAULT_STEP", 27, 3)).unwrap()
}

/// Writes an export without faults, and then once for each of its calls with a fault there and a second worker that takes
/// over. All exports must have the same files.
pub(crate) async fn check_every_fault(limits: Limits, stores: &Stores, output: Output) -> Vec<(String, Vec<u8>)> {
    let expected = write_export_within(limits, stores, "undisturbed", output).await;
    let rows: Vec<u64> =
        status(&stores.control(None), "undisturbed").await.files.iter().map(|file| file.rows).collect();
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        for call in failing_calls(fault) {
            let id = format!("{fault:?}{call}");
            assert!(stores.control(None).create_job(&contoso(), &job(&id, output)).await.unwrap());
            let faults = Faults::at(call, fault);
            let first = run_within(limits, stores, Some(&faults), &id, "first", at(NOW)).await;
            let undisturbed = faults.calls() <= call;
            assert_eq!(undisturbed || first.is_ok(), first.is_ok());
            // The second worker starts when the lease of the first has ended.
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run_within(limits, stores, None, &id, "second", later).await.unwrap(), WorkResult::Done);
            let files = files_of(stores, &id, output).await;
            assert!(files == expected, "{id}: other files");
            let status = status(&stores.control(None), &id).await;
            assert_eq!(status.files.iter().map(|file| file.rows).collect::<Vec<_>>(), rows, "{id}");
            if undisturbed {
                assert!(call > 5, "an export needs more calls than {call}");
                break;
            }
        }
    }
    expected
}

/// Returns letters and digits that no compressor makes smaller than three quarters.
pub(crate) fn noise(random: &mut Random, length: usize) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).map(|_| char::from(alphabet[random.below(64)])).collect()
}

/// Records activities, of which each fourth nearly fills a cell with noise, and number 700 is an order of many lines.
pub(crate) async fn fill_with_noise(stores: &Stores, rows: usize) {
    let recorder = stores.recorder(None);
    let mut random = Random::new(7);
    for number in 0..rows {
        let details = match number {
            700 => {
                json!({"lines": (0..1_500).map(|line| json!({"product": "Été", "quantity": line})).collect::<Vec<_>>()})
            }
            _ if number % 4 == 0 => json!({"noise": noise(&mut random, 32_000)}),
            _ => json!({"lines": [{"product": "A", "quantity": 1}, {"product": "B", "unit_price": "14.90"}]}),
        };
        let extra =
            json!({"customer": {"id": format!("{:04}", number % 7), "name": "Société « Été »"}, "details": details});
        let time = at("2026-09-20T00:00:00Z").plus_seconds((number as i64 % 40) * 86_400).to_string();
        let new = parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(NOW));
        recorder.record(new.into_activity(contoso(), at(NOW)), Duration::MAX).await.unwrap();
    }
}

/// Creates a clock that advances by a second with each look.
pub(crate) fn ticking_clock(ticks: &AtomicI64) -> impl Fn() -> Instant + Send + Sync {
    || at(NOW).plus_seconds(ticks.fetch_add(1, Ordering::SeqCst))
}

/// Returns the content of a file that must be one gzip member.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut member = flate2::read::GzDecoder::new(bytes);
    member.read_to_end(&mut content).unwrap();
    assert!(member.into_inner().is_empty(), "the file has one member");
    content
}

/// Creates the job of a month's first version, requested after the end of the month.
pub(crate) fn monthly(month: Month, time_zone: Zone, output: Output, now: Instant) -> Job {
    let period = month.period(time_zone);
    let order = MonthJob {
        month,
        version: 1,
        from: period.from(),
        to: period.to(),
        time_zone,
        recorded_from: None,
        recorded_before: now.plus_seconds(-SETTLE_SECONDS),
        at: now,
    };
    order.job(output, Filter::default(), 400 * 86_400)
}
