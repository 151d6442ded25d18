use std::{
    io::Read as _,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use calamine::Reader as _;

use daybook::{
    control::Control,
    export::{
        job::{Compression, ExportRequest, Format, Job, JobStatus, Kind, MANIFEST, Output, Rows, State},
        profile::{Locale, MAX_LINKS, WorkbookLimits},
        worker::{LEASE_SECONDS, Limits, Outcome, Run},
    },
    filter::Filter,
    jobs::ListPosition,
    ledger::SETTLE_SECONDS,
    months::MonthJob,
    period::{Instant, Month, Zone},
    settings::{Settings, ShardsFrom},
    storage::Error,
};
use futures_util::StreamExt as _;
use serde_json::json;
use sha2::Digest as _;

use crate::{
    records::Random,
    stores::{Fault, Faults, HasWorker as _, ReadCache, Stores, at, contoso, parsed, sent},
};

const NOW: &str = "2026-11-02T12:00:00Z";
/// The least that S3, and the engine, take for a part that is not the last; files of any number of rows.
const LIMITS: Limits = Limits {
    part_bytes: 5 * 1_024 * 1_024,
    parts: usize::MAX,
    rows: u64::MAX,
    workbook: WorkbookLimits { rows: u64::MAX, bytes: u64::MAX, sheet_rows: 1_048_575, links: MAX_LINKS },
};
/// Activities of the exports that are to have several parts.
const ROWS: usize = 500;

fn csv() -> Output {
    Output { locale: Locale::Fr, ..Output::default() }
}

fn request(output: Output) -> ExportRequest {
    ExportRequest {
        from: at("2026-09-15T00:00:00Z"),
        to: at("2026-11-02T00:00:00Z"),
        time_zone: Zone::parse("Europe/Paris").unwrap(),
        filter: Filter::default(),
        output,
    }
}

fn job(id: &str, output: Output) -> Job {
    Job::on_demand(id.to_owned(), request(output), "Ana".to_owned(), at(NOW), 86_400)
}

async fn fill(stores: &Stores, rows: usize) {
    let recorder = stores.recorder(None);
    for number in 0..rows {
        // Just below what a cell holds, but for some.
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

async fn standing(control: &Control, id: &str) -> JobStatus {
    control.job(&contoso(), id).await.unwrap().unwrap().1
}

/// A run of a worker with a clock of its own.
async fn run(stores: &Stores, faults: Option<&Faults>, id: &str, name: &str, now: Instant) -> Result<Outcome, Error> {
    run_within(LIMITS, stores, faults, id, name, now).await
}

async fn run_within(
    limits: Limits,
    stores: &Stores,
    faults: Option<&Faults>,
    id: &str,
    name: &str,
    now: Instant,
) -> Result<Outcome, Error> {
    let clock = move || now;
    let run = Run { name, stop_at: Instant::MAX, clock: &clock };
    stores.worker(faults, limits).work(&contoso(), id, &run).await
}

/// Makes an export undisturbed; its file's content.
async fn made(stores: &Stores, id: &str, output: Output) -> Vec<u8> {
    let mut files = made_within(LIMITS, stores, id, output).await;
    assert_eq!(files.len(), 1);
    files.remove(0).1
}

/// Makes an export undisturbed; its files.
async fn made_within(limits: Limits, stores: &Stores, id: &str, output: Output) -> Vec<(String, Vec<u8>)> {
    assert!(stores.control(None).create_job(&contoso(), &job(id, output)).await.unwrap());
    assert_eq!(run_within(limits, stores, None, id, "w", at(NOW)).await.unwrap(), Outcome::Done);
    files_of(stores, id, output).await
}

/// The files of a ready export, names and contents, which must be what the job and the manifest say of them.
async fn files_of(stores: &Stores, id: &str, output: Output) -> Vec<(String, Vec<u8>)> {
    let standing = standing(&stores.control(None), id).await;
    assert_eq!(standing.state, State::Ready, "{id}");
    let mut files = Vec::new();
    for file in &standing.files {
        let bytes = stores.object(&job(id, output).object_key(&contoso(), &file.name)).await.unwrap();
        assert_eq!(file.bytes, bytes.len() as u64, "{id}");
        let digest: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file.sha256, digest, "{id}");
        files.push((file.name.clone(), bytes));
    }
    let manifest = stores.object(&job(id, output).object_key(&contoso(), MANIFEST)).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["files"], serde_json::to_value(&standing.files).unwrap(), "{id}");
    let mut stored = stores.objects(&format!("exports/contoso/{id}/")).await;
    stored.sort();
    let mut named: Vec<String> = files.iter().map(|(name, _)| name.clone()).chain([MANIFEST.to_owned()]).collect();
    named.sort();
    assert_eq!(stored, named.iter().map(|name| format!("exports/contoso/{id}/{name}")).collect::<Vec<_>>(), "{id}");
    files
}

/// Makes an export once undisturbed, and then with a fault at each of its calls, both ways, and another worker that takes
/// over: all end in the same files.
async fn check_every_fault(limits: Limits, stores: &Stores, output: Output) -> Vec<(String, Vec<u8>)> {
    let expected = made_within(limits, stores, "undisturbed", output).await;
    let rows: Vec<u64> =
        standing(&stores.control(None), "undisturbed").await.files.iter().map(|file| file.rows).collect();
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        for call in 0.. {
            let id = format!("{fault:?}{call}");
            assert!(stores.control(None).create_job(&contoso(), &job(&id, output)).await.unwrap());
            let faults = Faults::at(call, fault);
            let first = run_within(limits, stores, Some(&faults), &id, "first", at(NOW)).await;
            let undisturbed = faults.calls() <= call;
            assert_eq!(undisturbed || first.is_ok(), first.is_ok());
            // Another worker, when the first one's lease has ended for sure.
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run_within(limits, stores, None, &id, "second", later).await.unwrap(), Outcome::Done);
            let files = files_of(stores, &id, output).await;
            assert!(files == expected, "{id}: other files");
            let standing = standing(&stores.control(None), &id).await;
            assert_eq!(standing.files.iter().map(|file| file.rows).collect::<Vec<_>>(), rows, "{id}");
            if undisturbed {
                assert!(call > 5, "an export makes more calls than {call}");
                break;
            }
        }
    }
    expected
}

#[tokio::test]
async fn an_export_holds_every_row_once_newest_first_and_says_what_it_holds() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let bytes = made(&stores, "A", csv()).await;
    let standing = standing(&stores.control(None), "A").await;
    let file = &standing.files[0];
    assert_eq!(file.name, "activity_contoso_2026-09-15_2026-11-02.csv");
    assert_eq!((file.rows, file.bytes), (ROWS as u64, bytes.len() as u64));
    assert!(bytes.len() > 2 * LIMITS.part_bytes, "several parts: {}", bytes.len());
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&bytes[3..]);
    let ids: Vec<(String, String)> =
        reader.records().map(|row| row.unwrap()).map(|row| (row[11].to_owned(), row[10].to_owned())).collect();
    assert_eq!(ids.len(), ROWS);
    assert!(ids.is_sorted_by(|a, b| a > b));
    assert_eq!(made(&stores, "B", csv()).await, bytes, "the same request on the same data gives the same bytes");
    let lines = String::from_utf8(made(&stores, "C", Output { format: Format::Jsonl, ..csv() }).await).unwrap();
    assert_eq!(lines.lines().count(), ROWS);
}

#[tokio::test]
async fn whichever_call_of_an_export_fails_going_on_ends_in_the_same_bytes() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    check_every_fault(LIMITS, &stores, csv()).await;
}

/// Letters and digits that no compressor makes smaller than three quarters.
fn noise(random: &mut Random, length: usize) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).map(|_| char::from(alphabet[random.below(64)])).collect()
}

/// Some thousand activities, of which some hold as much as a cell does of what cannot be compressed, and one is an order
/// of many lines.
async fn fill_with_noise(stores: &Stores, rows: usize) {
    let recorder = stores.recorder(None);
    let mut random = Random::new(7);
    for number in 0..rows {
        let details = match number {
            700 => {
                json!({"lines": (0..1_500).map(|line| json!({"product": "Été", "quantity": line})).collect::<Vec<_>>()})
            }
            _ if number % 8 == 0 => json!({"noise": noise(&mut random, 32_000)}),
            _ => json!({"lines": [{"product": "A", "quantity": 1}, {"product": "B", "unit_price": "14.90"}]}),
        };
        let extra =
            json!({"customer": {"id": format!("{:04}", number % 7), "name": "Société « Été »"}, "details": details});
        let time = at("2026-09-20T00:00:00Z").plus_seconds((number as i64 % 40) * 86_400).to_string();
        let new = parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(NOW));
        recorder.record(new.into_activity(contoso(), at(NOW)), Duration::MAX).await.unwrap();
    }
}

#[tokio::test]
async fn whichever_call_of_a_compressed_export_fails_going_on_ends_in_the_same_member() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 2_000).await;
    let output = Output { format: Format::Jsonl, compression: Compression::Gzip, ..csv() };
    let files = check_every_fault(LIMITS, &stores, output).await;
    let [(name, bytes)] = &files[..] else { panic!("one file") };
    assert!(name.ends_with(".jsonl.gz"), "{name}");
    assert!(bytes.len() > LIMITS.part_bytes, "several parts: {}", bytes.len());
    let plain = made(&stores, "plain", Output { compression: Compression::None, ..output }).await;
    assert!(unpacked(bytes) == plain);
}

#[tokio::test]
async fn whichever_call_of_a_workbook_fails_going_on_ends_in_the_same_workbook() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 2_000).await;
    let output = Output { format: Format::Xlsx, ..csv() };
    let files = check_every_fault(LIMITS, &stores, output).await;
    let [(name, bytes)] = &files[..] else { panic!("one file") };
    assert!(name.ends_with(".xlsx"), "{name}");
    assert!(bytes.len() > LIMITS.part_bytes, "several parts: {}", bytes.len());
    let packed = made(&stores, "packed", Output { compression: Compression::Gzip, ..output }).await;
    assert!(unpacked(&packed) == *bytes);
}

#[tokio::test]
async fn whichever_call_of_an_export_of_lines_fails_going_on_ends_in_the_same_rows() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 1_000).await;
    // Files end in the middle of the order of many lines, too.
    let limits = Limits { rows: 1_000, ..LIMITS };
    let output = Output { rows: Rows::Lines, compression: Compression::Gzip, ..csv() };
    let files = check_every_fault(limits, &stores, output).await;
    let expected = 125 + 1_500 + (1_000 - 125 - 1) * 2;
    let mut order = Vec::new();
    let mut rows = 0;
    for (name, bytes) in &files {
        assert!(name.ends_with(".csv.gz"), "{name}");
        let content = unpacked(bytes);
        let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&content[3..]);
        for row in reader.records() {
            let row = row.unwrap();
            rows += 1;
            if &row[10] == "e-00700" {
                order.push(row[12].parse::<usize>().unwrap());
            }
        }
    }
    assert_eq!((files.len(), rows), (4, expected));
    assert_eq!(order, (1..=1_500).collect::<Vec<_>>());
}

/// The same for each kind of fault, at every call of an export of 20,000 rows in months of one and of three shards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_of_an_export_of_20_000_rows_fails_in_whichever_way_it_ends_in_the_same_bytes() {
    const ROWS: usize = 20_000;
    let stores = Stores::start().await;
    let three = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-10").unwrap(), shards: 3 });
    assert!(stores.partners().save(&contoso(), &Settings::default(), &three).await.unwrap());
    let recorder = stores.recorder(None);
    let activities = (0..ROWS).map(|number| {
        let extra = json!({"customer": {"id": format!("{:04}", number % 7), "name": "Société « Été »; \"fils\""},
            "target": {"type": "order", "id": format!("o-{number}")}, "correlation_id": "c".repeat(number % 128),
            "details": {"lines": [{"product": "Été", "quantity": number}], "note": "n".repeat(number % 300)}});
        let time = at("2026-09-20T00:00:00Z").plus_seconds((number as i64 * 7_919) % (40 * 86_400)).to_string();
        parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(NOW))
    });
    let all: Vec<_> = activities.collect();
    for batch in all.chunks(500) {
        let outcomes =
            recorder.record_all(crate::stores::activities(&contoso(), batch.to_vec(), at(NOW)), Duration::MAX).await;
        assert!(outcomes.iter().all(Result::is_ok));
    }

    let output = csv();
    let expected = made(&stores, "undisturbed", output).await;
    assert!(expected.len() > LIMITS.part_bytes, "several parts: {}", expected.len());
    let reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&expected[3..]).into_records().count();
    assert_eq!(reader, ROWS);
    let reads = ReadCache::default();
    let calls = {
        let faults = Faults::none().with_cache(&reads);
        assert!(stores.control(None).create_job(&contoso(), &job("counted", output)).await.unwrap());
        run(&stores, Some(&faults), "counted", "w", at(NOW)).await.unwrap();
        faults.calls()
    };
    assert!(calls > 20, "{calls}");
    let all = [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Slow, Fault::Killed];
    let cases = all.into_iter().flat_map(|fault| (0..calls).map(move |call| (fault, call)));
    let (stores, reads, expected) = (&stores, &reads, &expected);
    let checked = futures_util::stream::iter(cases).map(|(fault, call)| async move {
        let id = format!("{fault:?}{call}");
        assert!(stores.control(None).create_job(&contoso(), &job(&id, output)).await.unwrap());
        let faults = Faults::at(call, fault).with_cache(reads);
        tokio::select! {
            _ = run(stores, Some(&faults), &id, "first", at(NOW)) => {}
            () = faults.killed() => {}
        }
        let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
        let faults = Faults::none().with_cache(reads);
        assert_eq!(run(stores, Some(&faults), &id, "second", later).await.unwrap(), Outcome::Done, "{id}");
        let files = files_of(stores, &id, output).await;
        assert!(matches!(&files[..], [(_, bytes)] if bytes == expected), "{id}: other bytes");
    });
    checked.buffer_unordered(6).collect::<()>().await;
}

/// A clock of which every look takes a second.
fn ticking(ticks: &AtomicI64) -> impl Fn() -> Instant + Send + Sync {
    || at(NOW).plus_seconds(ticks.fetch_add(1, Ordering::SeqCst))
}

#[tokio::test]
async fn an_export_stopped_again_and_again_goes_on_where_it_stopped_also_where_a_filter_matches_little() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 2_000).await;
    let little = Filter {
        customer: (0..9).map(|number| format!("000{number}x")).chain(["0003".into()]).collect(),
        ..Filter::default()
    };
    for (name, filter, output) in [
        ("all", Filter::default(), Output { format: Format::Jsonl, ..csv() }),
        ("packed", Filter::default(), Output { format: Format::Jsonl, compression: Compression::Gzip, ..csv() }),
        ("few", little, csv()),
    ] {
        let control = stores.control(None);
        let whole =
            Job::on_demand(name.into(), ExportRequest { filter, ..request(output) }, "Ana".into(), at(NOW), 86_400);
        let stopped = Job { id: format!("{name}stopped"), ..whole.clone() };
        for job in [&whole, &stopped] {
            assert!(control.create_job(&contoso(), job).await.unwrap());
        }
        let undisturbed = Faults::none();
        run(&stores, Some(&undisturbed), name, "w", at(NOW)).await.unwrap();
        let (ticks, faults) = (AtomicI64::new(0), Faults::none());
        let clock = ticking(&ticks);
        let mut runs = 0;
        loop {
            runs += 1;
            // Time enough for a look or two.
            let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 3);
            let run = Run { name: &format!("run {runs}"), stop_at, clock: &clock };
            match stores.worker(Some(&faults), LIMITS).work(&contoso(), &stopped.id, &run).await.unwrap() {
                Outcome::Done => break,
                outcome => assert_eq!(outcome, Outcome::Continue),
            }
            assert!(runs < 200, "it does not come to an end");
        }
        assert!(runs > 1, "{name}: {runs} runs");
        let (whole_files, stopped_files) =
            (standing(&control, name).await.files, standing(&control, &stopped.id).await.files);
        assert_eq!(whole_files, stopped_files, "{name}");
        assert!(files_of(&stores, &stopped.id, output).await == files_of(&stores, name, output).await);
    }
}

#[tokio::test]
async fn whichever_call_fails_once_an_export_was_stopped_going_on_ends_in_the_same_bytes_and_leaves_nothing_aside() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let expected = made(&stores, "undisturbed", csv()).await;
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Killed] {
        for call in 0.. {
            let id = format!("{fault:?}{call}");
            assert!(stores.control(None).create_job(&contoso(), &job(&id, csv())).await.unwrap());
            let ticks = AtomicI64::new(0);
            let clock = ticking(&ticks);
            let stopped = Run { name: "stopped", stop_at: at(NOW).plus_seconds(1), clock: &clock };
            let outcome = stores.worker(None, LIMITS).work(&contoso(), &id, &stopped).await.unwrap();
            assert_eq!(outcome, Outcome::Continue);
            assert_eq!(stores.objects(&format!("exports/contoso/{id}/rest-")).await.len(), 1);
            let faults = Faults::at(call, fault);
            tokio::select! {
                _ = run(&stores, Some(&faults), &id, "first", at(NOW)) => {}
                () = faults.killed() => {}
            }
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run(&stores, None, &id, "second", later).await.unwrap(), Outcome::Done, "{id}");
            let files = files_of(&stores, &id, csv()).await;
            assert!(matches!(&files[..], [(_, bytes)] if *bytes == expected), "{id}: other bytes");
            if faults.calls() <= call {
                assert!(call > 5, "an export makes more calls than {call}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn details_that_a_cheap_read_does_not_find_yet_are_in_the_export_all_the_same() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let expected = made(&stores, "undisturbed", csv()).await;
    assert!(stores.control(None).create_job(&contoso(), &job("stale", csv())).await.unwrap());
    let (caught_up, stale) = (Faults::none(), Faults::from(0, Fault::Stale));
    assert_eq!(run(&stores, Some(&stale), "stale", "w", at(NOW)).await.unwrap(), Outcome::Done);
    assert!(matches!(&files_of(&stores, "stale", csv()).await[..], [(_, bytes)] if *bytes == expected));
    // Each that was not found has cost a call of its own.
    assert!(stores.control(None).create_job(&contoso(), &job("counted", csv())).await.unwrap());
    assert_eq!(run(&stores, Some(&caught_up), "counted", "w", at(NOW)).await.unwrap(), Outcome::Done);
    assert!(stale.calls() > caught_up.calls(), "{} and {} calls", stale.calls(), caught_up.calls());
}

/// A month of activities whose monthly export has several parts, one before and one after it.
async fn three_months(stores: &Stores) -> Job {
    let recorder = stores.recorder(None);
    for number in 0..900_i64 {
        let lines = if number % 3 == 0 { 1 } else { 750 };
        let extra = json!({"details": {"lines": vec![json!({"product": "Été; \"x\"", "quantity": number}); lines]}});
        let time = at("2026-08-20T00:00:00Z").plus_seconds(number * 7_001).to_string();
        let new = parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(&time));
        recorder.record(new.into_activity(contoso(), at(&time)), Duration::MAX).await.unwrap();
    }
    let month = Month::parse("2026-09").unwrap();
    let monthly = monthly(month, Zone::parse("Europe/Paris").unwrap(), csv(), at("2026-10-01T06:00:00Z"));
    assert!(stores.control(None).create_job(&contoso(), &monthly).await.unwrap());
    assert_eq!(run(stores, None, &monthly.id, "m", at("2026-10-01T06:00:00Z")).await.unwrap(), Outcome::Done);
    monthly
}

fn over_three_months(id: &str) -> Job {
    let request = ExportRequest { from: at("2026-08-20T00:00:00Z"), ..request(csv()) };
    Job::on_demand(id.to_owned(), request, "Ana".to_owned(), at(NOW), 86_400)
}

/// An export over three months, with the number of calls that copied.
async fn over_three(stores: &Stores, id: &str) -> (Vec<u8>, usize) {
    let job = over_three_months(id);
    assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
    let faults = Faults::none();
    assert_eq!(run(stores, Some(&faults), id, "w", at(NOW)).await.unwrap(), Outcome::Done);
    let name = job.file_name(&contoso(), 0);
    (stores.object(&job.object_key(&contoso(), &name)).await.unwrap(), faults.copies())
}

#[tokio::test]
async fn a_month_that_was_exported_is_copied_with_the_same_bytes_until_something_late_arrives() {
    let stores = Stores::start().await;
    let monthly = three_months(&stores).await;
    let (copied, copies) = over_three(&stores, "copied").await;
    assert!(copies > 0);
    // Whichever call fails, inside the month that is copied, too.
    for fault in [Fault::AnswerLost, Fault::Killed] {
        for call in 0.. {
            let job = over_three_months(&format!("{fault:?}{call}"));
            assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
            let faults = Faults::at(call, fault);
            tokio::select! {
                _ = run(&stores, Some(&faults), &job.id, "first", at(NOW)) => {}
                () = faults.killed() => {}
            }
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run(&stores, None, &job.id, "second", later).await.unwrap(), Outcome::Done, "{}", job.id);
            let key = job.object_key(&contoso(), &job.file_name(&contoso(), 0));
            assert!(stores.object(&key).await.unwrap() == copied, "{}: other bytes", job.id);
            if faults.calls() <= call {
                break;
            }
        }
    }
    // Stopped inside of it, too.
    let job = over_three_months("stopped");
    assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
    let ticks = AtomicI64::new(0);
    let clock = ticking(&ticks);
    for runs in 1.. {
        let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 3);
        let run = Run { name: &format!("run {runs}"), stop_at, clock: &clock };
        if stores.worker(None, LIMITS).work(&contoso(), &job.id, &run).await.unwrap() == Outcome::Done {
            assert!(runs > 3, "{runs}");
            break;
        }
    }
    assert!(stores.object(&job.object_key(&contoso(), &job.file_name(&contoso(), 0))).await.unwrap() == copied);

    let late = sent("late", "2026-09-15T00:00:00Z", &json!({}));
    stores
        .recorder(None)
        .record(parsed(&late, at(NOW)).into_activity(contoso(), at(NOW)), Duration::MAX)
        .await
        .unwrap();
    let (with_late, copies) = over_three(&stores, "with late").await;
    assert_eq!(copies, 0);
    let expected: Vec<u8> = with_late
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|row| !row.windows(5).any(|word| word == b";late"))
        .flatten()
        .copied()
        .collect();
    assert!(expected == copied, "what was copied is what is read");
    // Nor is anything copied that is gone.
    stores.control(None).cancel_job(&contoso(), &monthly.id).await.unwrap();
}

#[tokio::test]
async fn more_rows_than_a_workbook_holds_go_on_in_a_next_one_whichever_call_fails() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let limits = Limits { workbook: WorkbookLimits { rows: 10, sheet_rows: 4, links: 3, ..LIMITS.workbook }, ..LIMITS };
    let files = check_every_fault(limits, &stores, Output { format: Format::Xlsx, ..csv() }).await;
    let stem = "activity_contoso_2026-09-15_2026-11-02";
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [format!("{stem}.xlsx"), format!("{stem}_part2.xlsx"), format!("{stem}_part3.xlsx")]);
    for ((_, bytes), rows) in files.iter().zip([vec![4, 4, 2], vec![4, 4, 2], vec![4, 1]]) {
        let mut book = calamine::Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
        let sheets = book.worksheets();
        let names: Vec<&str> = sheets.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["Journal d'activité", "Journal d'activité 2", "Journal d'activité 3"];
        assert_eq!(names, expected[..rows.len()]);
        assert_eq!(sheets.iter().map(|(_, sheet)| sheet.height() - 1).collect::<Vec<_>>(), rows);
        for (_, sheet) in &sheets {
            assert_eq!(sheet.get((0, 1)).unwrap().to_string(), "Client", "each sheet has a header");
        }
        // Links are counted by the sheet.
        for ((name, _), rows) in sheets.iter().zip(&rows) {
            assert_eq!(book.hyperlinks_by_sheet_name(name).unwrap().len(), *rows.min(&3));
        }
    }
}

#[tokio::test]
async fn a_workbook_that_a_run_cannot_finish_is_a_failure_and_none_is_begun_that_would_not_be_finished() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let control = stores.control(None);
    let output = Output { format: Format::Xlsx, ..csv() };
    control.create_job(&contoso(), &job("slow", output)).await.unwrap();
    let ticks = AtomicI64::new(0);
    let clock = || at(NOW).plus_seconds(ticks.fetch_add(1, Ordering::SeqCst));
    let worker = stores.worker(None, LIMITS);
    let late = Run { name: "late", stop_at: at(NOW), clock: &clock };
    assert!(worker.work(&contoso(), "slow", &late).await.is_err());

    control.create_job(&contoso(), &job("split", output)).await.unwrap();
    let limits = Limits { workbook: WorkbookLimits { rows: 10, ..LIMITS.workbook }, ..LIMITS };
    let worker = stores.worker(None, limits);
    let mut outcomes = Vec::new();
    for number in 0..5 {
        let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 9);
        let name = format!("run {number}");
        outcomes.push(worker.work(&contoso(), "split", &Run { name: &name, stop_at, clock: &clock }).await.unwrap());
        if outcomes.last() == Some(&Outcome::Done) {
            break;
        }
    }
    assert!(outcomes.len() > 1 && outcomes.last() == Some(&Outcome::Done), "{outcomes:?}");
    let expected = made_within(limits, &stores, "undisturbed", output).await;
    assert!(files_of(&stores, "split", output).await == expected);
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut member = flate2::read::GzDecoder::new(bytes);
    member.read_to_end(&mut content).unwrap();
    assert!(member.into_inner().is_empty(), "one member");
    content
}

#[tokio::test]
async fn stopped_after_every_chunk_an_export_still_ends_in_the_same_bytes() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = made(&stores, "undisturbed", csv()).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("S", csv())).await.unwrap();
    let worker = stores.worker(None, LIMITS);
    let ticks = AtomicI64::new(0);
    let clock = || at(NOW).plus_seconds(ticks.fetch_add(1, Ordering::SeqCst));
    for number in 0..200 {
        let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 4);
        let name = format!("run {number}");
        match worker.work(&contoso(), "S", &Run { name: &name, stop_at, clock: &clock }).await.unwrap() {
            Outcome::Continue => {}
            Outcome::Done => break,
            Outcome::Busy => panic!("nobody else has it"),
        }
    }
    let standing = standing(&control, "S").await;
    assert_eq!(standing.state, State::Ready);
    let key = job("S", csv()).object_key(&contoso(), &standing.files[0].name);
    assert!(stores.object(&key).await.unwrap() == expected);
}

#[tokio::test]
async fn more_rows_than_a_sheet_holds_go_on_in_a_next_file_whichever_call_fails() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let files = check_every_fault(Limits { rows: 10, ..LIMITS }, &stores, csv()).await;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let stem = "activity_contoso_2026-09-15_2026-11-02";
    assert_eq!(names, [format!("{stem}.csv"), format!("{stem}_part2.csv"), format!("{stem}_part3.csv")]);
    let rows: Vec<u64> =
        standing(&stores.control(None), "undisturbed").await.files.iter().map(|file| file.rows).collect();
    assert_eq!(rows, [10, 10, 5]);
    assert!(
        files.iter().all(|(_, content)| content.starts_with("\u{feff}Date et heure".as_bytes())),
        "each has a header"
    );
}

#[tokio::test]
async fn more_parts_than_a_file_has_go_on_in_a_next_file_compressed_or_not() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 2_000).await;
    let limits = Limits { parts: 1, ..LIMITS };
    for compression in [Compression::None, Compression::Gzip] {
        let output = Output { format: Format::Jsonl, compression, ..csv() };
        let whole = made(&stores, &format!("whole{compression:?}"), output).await;
        let files = made_within(limits, &stores, &format!("cut{compression:?}"), output).await;
        assert!(files.len() > 1, "{}", files.len());
        let content = |bytes: &[u8]| if compression == Compression::Gzip { unpacked(bytes) } else { bytes.to_vec() };
        let together: Vec<u8> = files.iter().flat_map(|(_, bytes)| content(bytes)).collect();
        assert!(together == content(&whole));
    }
}

#[tokio::test]
async fn ten_deliveries_at_once_make_one_file() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = made(&stores, "undisturbed", csv()).await;
    stores.control(None).create_job(&contoso(), &job("T", csv())).await.unwrap();
    let names: Vec<String> = (0..10).map(|number| format!("w{number}")).collect();
    let runs = names.iter().map(|name| run(&stores, None, "T", name, at(NOW)));
    let outcomes = futures_util::future::join_all(runs).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Outcome::Done | Outcome::Busy))), "{outcomes:?}");
    let files = files_of(&stores, "T", csv()).await;
    assert!(files.len() == 1 && files[0].1 == expected);
}

#[tokio::test]
async fn a_cancelled_export_leaves_nothing_and_a_finished_message_does_nothing() {
    let stores = Stores::start().await;
    fill(&stores, 50).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("X", csv())).await.unwrap();
    assert!(control.cancel_job(&contoso(), "X").await.unwrap().is_some());
    assert!(control.cancel_job(&contoso(), "X").await.unwrap().is_some(), "repeating it changes nothing");
    assert_eq!(run(&stores, None, "X", "w", at(NOW)).await.unwrap(), Outcome::Done);
    assert_eq!(standing(&control, "X").await.state, State::Cancelled);
    assert!(stores.objects("exports/contoso/X/").await.is_empty());
    assert_eq!(run(&stores, None, "unknown", "w", at(NOW)).await.unwrap(), Outcome::Done);
    assert!(control.cancel_job(&contoso(), "unknown").await.unwrap().is_none());
}

#[tokio::test]
async fn an_export_without_activities_is_a_file_with_a_header() {
    let stores = Stores::start().await;
    let bytes = made(&stores, "E", csv()).await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn an_export_given_up_is_failed_with_a_reason_and_nothing_half_visible() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("G", csv())).await.unwrap();
    let failed = run(&stores, Some(&Faults::at(8, Fault::NotSent)), "G", "first", at(NOW)).await;
    assert!(failed.is_err());
    let clock = || at(NOW);
    let last = Run { name: "last", stop_at: Instant::MAX, clock: &clock };
    stores.worker(None, LIMITS).give_up(&contoso(), "G", &last).await.unwrap();
    let standing = standing(&control, "G").await;
    assert_eq!(standing.state, State::Failed);
    assert!(standing.problem.is_some());
    assert!(stores.objects("exports/contoso/G/").await.is_empty());
}

/// The first version of a month, ordered some time after its end.
fn monthly(month: Month, time_zone: Zone, output: Output, now: Instant) -> Job {
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
    order.job(output, 400 * 86_400)
}

#[tokio::test]
async fn a_month_holds_what_was_recorded_before_it_was_cut() {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None);
    let cut_at = at("2026-11-01T12:00:00Z");
    for (id, recorded_at) in [("early", "2026-10-31T00:00:00Z"), ("late", "2026-11-01T12:00:00Z")] {
        let new = parsed(&sent(id, "2026-10-31T00:00:00Z", &json!({})), at(NOW));
        recorder.record(new.into_activity(contoso(), at(recorded_at)), Duration::MAX).await.unwrap();
    }
    let month = Month::parse("2026-10").unwrap();
    let output = Output { format: Format::Jsonl, ..Output::default() };
    let job = monthly(month, Zone::UTC, output, cut_at);
    let control = stores.control(None);
    assert!(control.create_job(&contoso(), &job).await.unwrap());
    assert!(!control.create_job(&contoso(), &job).await.unwrap(), "a month is made once");
    run(&stores, None, "2026-10", "w", at(NOW)).await.unwrap();
    let standing = standing(&control, "2026-10").await;
    assert_eq!(standing.files[0].name, "activity_contoso_2026-10.jsonl");
    let text =
        String::from_utf8(stores.object(&job.object_key(&contoso(), &standing.files[0].name)).await.unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("\"id\":\"early\""));
}

#[tokio::test]
async fn exports_are_listed_newest_first_page_by_page_of_one_kind_or_both() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let output = csv();
    for number in 0..5 {
        let now = at(NOW).plus_seconds(number * 10);
        let on_demand = Job { created_at: now, ..job(&format!("0{number}"), csv()) };
        control.create_job(&contoso(), &on_demand).await.unwrap();
        let month = Month::parse(&format!("2026-0{}", number + 1)).unwrap();
        let monthly = monthly(month, Zone::UTC, output, now.plus_seconds(5));
        control.create_job(&contoso(), &monthly).await.unwrap();
    }
    for (kind, expected) in [
        (None, "2026-05 04 2026-04 03 2026-03 02 2026-02 01 2026-01 00"),
        (Some(Kind::OnDemand), "04 03 02 01 00"),
        (Some(Kind::Monthly), "2026-05 2026-04 2026-03 2026-02 2026-01"),
    ] {
        for limit in [1, 2, 3, 100] {
            let mut ids = Vec::new();
            let mut after = ListPosition::default();
            loop {
                let (jobs, next) = control.jobs(&contoso(), kind, limit, after).await.unwrap();
                ids.extend(jobs.into_iter().map(|(job, _)| job.id));
                match next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(ids.join(" "), expected, "{kind:?} by {limit}");
        }
    }
}
