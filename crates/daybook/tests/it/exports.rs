use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use daybook::{
    control::{Control, ListPosition},
    export::{
        job::{Format, Job, Kind, Output, Request, Standing, State},
        profile::Locale,
        worker::{LEASE_SECONDS, Limits, Outcome, Run},
    },
    filter::Filter,
    period::{Instant, Month, parse_zone},
    storage::Error,
};
use serde_json::json;

use crate::stores::{Fault, Faults, Stores, at, contoso, parsed, sent};

const NOW: &str = "2026-11-02T12:00:00Z";
/// The least that S3, and the engine, take for a part that is not the last; files of any number of rows.
const LIMITS: Limits = Limits { part_bytes: 5 * 1_024 * 1_024, rows: u64::MAX };
/// Activities of the exports that are to have several parts.
const ROWS: usize = 500;

fn request(format: Format) -> Request {
    Request {
        from: at("2026-09-15T00:00:00Z"),
        to: at("2026-11-02T00:00:00Z"),
        time_zone: parse_zone("Europe/Paris").unwrap(),
        filter: Filter::default(),
        output: Output { format, locale: Locale::Fr, details: true },
    }
}

fn job(id: &str, format: Format) -> Job {
    Job::on_demand(id.to_owned(), request(format), "Ana".to_owned(), at(NOW), 86_400)
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
                &contoso(),
                parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(NOW)),
                at(NOW),
                Duration::MAX,
            )
            .await
            .unwrap();
    }
}

async fn standing(control: &Control, id: &str) -> Standing {
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
async fn made(stores: &Stores, id: &str, format: Format) -> Vec<u8> {
    let control = stores.control(None);
    assert!(control.create_job(&contoso(), &job(id, format)).await.unwrap());
    assert_eq!(run(stores, None, id, "w", at(NOW)).await.unwrap(), Outcome::Done);
    let standing = standing(&control, id).await;
    assert_eq!(standing.state, State::Ready);
    assert_eq!(standing.files.len(), 1);
    stores.object(&job(id, format).object_key(&contoso(), &standing.files[0].name)).await.unwrap()
}

#[tokio::test]
async fn an_export_holds_every_row_once_newest_first_and_says_what_it_holds() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let bytes = made(&stores, "A", Format::Csv).await;
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
    assert_eq!(made(&stores, "B", Format::Csv).await, bytes, "the same request on the same data gives the same bytes");
    let lines = String::from_utf8(made(&stores, "C", Format::Jsonl).await).unwrap();
    assert_eq!(lines.lines().count(), ROWS);
}

#[tokio::test]
async fn whichever_call_of_an_export_fails_going_on_ends_in_the_same_bytes() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = made(&stores, "undisturbed", Format::Csv).await;
    let control = stores.control(None);
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        for call in 0.. {
            let id = format!("{fault:?}{call}");
            assert!(control.create_job(&contoso(), &job(&id, Format::Csv)).await.unwrap());
            let faults = Faults::at(call, fault);
            let first = run(&stores, Some(&faults), &id, "first", at(NOW)).await;
            let undisturbed = faults.calls() <= call;
            assert_eq!(undisturbed || first.is_ok(), first.is_ok());
            // Another worker, when the first one's lease has ended for sure.
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run(&stores, None, &id, "second", later).await.unwrap(), Outcome::Done);
            let standing = standing(&control, &id).await;
            assert_eq!(standing.state, State::Ready, "{id}");
            let prefix = format!("exports/contoso/{id}/");
            let keys = stores.objects(&prefix).await;
            assert_eq!(keys.len(), 1, "{id}");
            let bytes = stores.object(&keys[0]).await.unwrap();
            assert!(bytes == expected, "{id}: other bytes");
            assert_eq!((standing.files[0].rows, standing.files[0].bytes), (ROWS as u64, expected.len() as u64), "{id}");
            if undisturbed {
                assert!(call > 10, "an export makes more calls than {call}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn stopped_after_every_chunk_an_export_still_ends_in_the_same_bytes() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = made(&stores, "undisturbed", Format::Csv).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("S", Format::Csv)).await.unwrap();
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
    let key = job("S", Format::Csv).object_key(&contoso(), &standing.files[0].name);
    assert!(stores.object(&key).await.unwrap() == expected);
}

#[tokio::test]
async fn more_rows_than_a_sheet_holds_go_on_in_a_next_file_whichever_call_fails() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let control = stores.control(None);
    let limits = Limits { rows: 10, ..LIMITS };
    let mut expected: Option<Vec<Vec<u8>>> = None;
    // The first round is undisturbed; the others fail at each of its calls, in both ways.
    let undisturbed = Faults::none();
    for (number, fault) in [(usize::MAX, Fault::NotSent)]
        .into_iter()
        .chain((0..40).flat_map(|call| [(call, Fault::NotSent), (call, Fault::AnswerLost)]))
    {
        if number != usize::MAX && number >= undisturbed.calls() {
            break;
        }
        let id = format!("{fault:?}{number}");
        control.create_job(&contoso(), &job(&id, Format::Csv)).await.unwrap();
        let faults = if number == usize::MAX { undisturbed.clone() } else { Faults::at(number, fault) };
        let first = run_within(limits, &stores, Some(&faults), &id, "first", at(NOW)).await;
        assert!(number != usize::MAX || first.is_ok());
        let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
        assert_eq!(run_within(limits, &stores, None, &id, "second", later).await.unwrap(), Outcome::Done);
        let files = standing(&control, &id).await.files;
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let stem = "activity_contoso_2026-09-15_2026-11-02";
        assert_eq!(names, [format!("{stem}.csv"), format!("{stem}_part2.csv"), format!("{stem}_part3.csv")]);
        assert_eq!(files.iter().map(|file| file.rows).collect::<Vec<_>>(), [10, 10, 5]);
        let mut contents = Vec::new();
        for file in &files {
            contents.push(stores.object(&job(&id, Format::Csv).object_key(&contoso(), &file.name)).await.unwrap());
        }
        assert!(
            contents.iter().all(|content| content.starts_with("\u{feff}Date et heure".as_bytes())),
            "each has a header"
        );
        assert_eq!(*expected.get_or_insert_with(|| contents.clone()), contents, "{id}");
        assert_eq!(stores.objects(&format!("exports/contoso/{id}/")).await.len(), 3);
    }
}

#[tokio::test]
async fn ten_deliveries_at_once_make_one_file() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = made(&stores, "undisturbed", Format::Csv).await;
    stores.control(None).create_job(&contoso(), &job("T", Format::Csv)).await.unwrap();
    let names: Vec<String> = (0..10).map(|number| format!("w{number}")).collect();
    let runs = names.iter().map(|name| run(&stores, None, "T", name, at(NOW)));
    let outcomes = futures_util::future::join_all(runs).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Outcome::Done | Outcome::Busy))), "{outcomes:?}");
    let keys = stores.objects("exports/contoso/T/").await;
    assert_eq!(keys.len(), 1);
    assert!(stores.object(&keys[0]).await.unwrap() == expected);
}

#[tokio::test]
async fn a_cancelled_export_leaves_nothing_and_a_finished_message_does_nothing() {
    let stores = Stores::start().await;
    fill(&stores, 50).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("X", Format::Csv)).await.unwrap();
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
    let bytes = made(&stores, "E", Format::Csv).await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn an_export_given_up_is_failed_with_a_reason_and_nothing_half_visible() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("G", Format::Csv)).await.unwrap();
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

#[tokio::test]
async fn a_month_holds_what_was_recorded_before_it_was_cut() {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None);
    let cut_at = at("2026-11-01T12:00:00Z");
    for (id, recorded_at) in [("early", "2026-10-31T00:00:00Z"), ("late", "2026-11-01T12:00:00Z")] {
        let new = parsed(&sent(id, "2026-10-31T00:00:00Z", &json!({})), at(NOW));
        recorder.record(&contoso(), new, at(recorded_at), Duration::MAX).await.unwrap();
    }
    let month = Month::parse("2026-10").unwrap();
    let output = Output { format: Format::Jsonl, locale: Locale::En, details: true };
    let job = Job::monthly(month, chrono_tz::Tz::UTC, output, cut_at, 86_400);
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
    let output = request(Format::Csv).output;
    for number in 0..5 {
        let now = at(NOW).plus_seconds(number * 10);
        let on_demand = Job { created_at: now, ..job(&format!("0{number}"), Format::Csv) };
        control.create_job(&contoso(), &on_demand).await.unwrap();
        let month = Month::parse(&format!("2026-0{}", number + 1)).unwrap();
        let monthly = Job::monthly(month, chrono_tz::Tz::UTC, output, now.plus_seconds(5), 86_400);
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
