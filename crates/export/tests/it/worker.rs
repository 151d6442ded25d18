//! The worker from the request to the files of an export.

use std::time::Duration;

use domain::{
    job::{Compression, Format, Output, State},
    time::{Instant, Month, Zone},
};
use export::{LEASE_SECONDS, Limits, WorkResult, WorkerRun};
use harness::{Fault, Faults, Stores, at, contoso, parsed, sent};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn export_holds_every_row_once_newest_first() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let bytes = write_export(&stores, "A", csv()).await;
    let status = status(&stores.control(None), "A").await;
    let file = &status.files[0];
    assert_eq!(file.name, "activity_contoso_2026-09-15_2026-11-02_fr.csv");
    assert_eq!((file.rows, file.bytes), (ROWS as u64, bytes.len() as u64));
    assert!(bytes.len() > 2 * LIMITS.part_bytes, "several parts: {}", bytes.len());
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&bytes[3..]);
    let ids: Vec<(String, String)> =
        reader.records().map(|row| row.unwrap()).map(|row| (row[20].to_owned(), row[19].to_owned())).collect();
    assert_eq!(ids.len(), ROWS);
    assert!(ids.is_sorted_by(|a, b| a > b));
    assert_eq!(
        write_export(&stores, "B", csv()).await,
        bytes,
        "the same request on the same data gives the same bytes"
    );
    let lines = String::from_utf8(write_export(&stores, "C", Output { format: Format::Jsonl, ..csv() }).await).unwrap();
    assert_eq!(lines.lines().count(), ROWS);
}

#[tokio::test]
async fn csv_continues_in_next_file_when_rows_reach_limit() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let files = check_every_fault(Limits { rows: 10, ..LIMITS }, &stores, csv()).await;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let stem = "activity_contoso_2026-09-15_2026-11-02_fr";
    assert_eq!(names, [format!("{stem}.csv"), format!("{stem}_part2.csv"), format!("{stem}_part3.csv")]);
    let rows: Vec<u64> =
        status(&stores.control(None), "undisturbed").await.files.iter().map(|file| file.rows).collect();
    assert_eq!(rows, [10, 10, 5]);
    assert!(
        files.iter().all(|(_, content)| content.starts_with("\u{feff}Date et heure".as_bytes())),
        "each file has a header"
    );
}

#[tokio::test]
async fn text_continues_in_next_file_when_parts_reach_limit() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 1_000).await;
    let limits = Limits { parts: 1, ..LIMITS };
    for compression in [Compression::None, Compression::Gzip] {
        let output = Output { format: Format::Jsonl, compression, ..csv() };
        let whole = write_export(&stores, &format!("whole{compression:?}"), output).await;
        let files = write_export_within(limits, &stores, &format!("cut{compression:?}"), output).await;
        assert!(files.len() > 1, "{}", files.len());
        let content = |bytes: &[u8]| if compression == Compression::Gzip { gunzip(bytes) } else { bytes.to_vec() };
        let together: Vec<u8> = files.iter().flat_map(|(_, bytes)| content(bytes)).collect();
        assert!(together == content(&whole));
    }
}

#[tokio::test]
async fn export_has_one_file_when_delivered_ten_times_at_once() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = write_export(&stores, "undisturbed", csv()).await;
    stores.control(None).create_job(&contoso(), &job("T", csv())).await.unwrap();
    let names: Vec<String> = (0..10).map(|number| format!("w{number}")).collect();
    let runs = names.iter().map(|name| run(&stores, None, "T", name, at(NOW)));
    let outcomes = futures_util::future::join_all(runs).await;
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(WorkResult::Done | WorkResult::Busy { .. }))),
        "{outcomes:?}"
    );
    let files = files_of(&stores, "T", csv()).await;
    assert!(files.len() == 1 && files[0].1 == expected);
}

#[tokio::test]
async fn cancelled_export_leaves_no_files() {
    let stores = Stores::start().await;
    fill(&stores, 50).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("X", csv())).await.unwrap();
    assert!(control.cancel_job(&contoso(), "X").await.unwrap().is_some());
    assert!(control.cancel_job(&contoso(), "X").await.unwrap().is_some(), "a repeated request changes nothing");
    assert_eq!(run(&stores, None, "X", "w", at(NOW)).await.unwrap(), WorkResult::Done);
    assert_eq!(status(&control, "X").await.state, State::Cancelled);
    assert!(stores.objects("exports/contoso/X/").await.is_empty());
    assert_eq!(run(&stores, None, "unknown", "w", at(NOW)).await.unwrap(), WorkResult::Done);
    assert!(control.cancel_job(&contoso(), "unknown").await.unwrap().is_none());
}

#[tokio::test]
async fn export_without_activities_is_a_file_with_a_header() {
    let stores = Stores::start().await;
    let bytes = write_export(&stores, "E", csv()).await;
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn export_fails_with_a_reason_when_given_up() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("G", csv())).await.unwrap();
    let failed = run(&stores, Some(&Faults::at(8, Fault::NotSent)), "G", "first", at(NOW)).await;
    assert!(failed.is_err());
    let clock = || at(NOW);
    let last = WorkerRun { name: "last", stop_at: Instant::MAX, clock: &clock, message: None };
    worker_of(&stores, None, LIMITS).give_up(&contoso(), "G", &last).await.unwrap();
    let status = status(&control, "G").await;
    assert_eq!(status.state, State::Failed);
    assert!(status.problem.is_some());
    assert!(stores.objects("exports/contoso/G/").await.is_empty());
}

#[tokio::test]
async fn job_counts_runs_that_failed_or_died_since_a_clean_stop() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("K", csv())).await.unwrap();
    let tries = async || status(&control, "K").await.tries;
    let killed = Faults::at(2, Fault::Killed);
    assert!(run(&stores, Some(&Faults::at(2, Fault::NotSent)), "K", "fails", at(NOW)).await.is_err());
    assert_eq!(tries().await, 1);
    tokio::select! {
        _ = run(&stores, Some(&killed), "K", "dies", at(NOW)) => panic!("the run was killed"),
        () = killed.killed() => {}
    }
    assert_eq!(tries().await, 2);
    assert_eq!(
        run(&stores, None, "K", "meets the lease of the dead", at(NOW)).await.unwrap(),
        WorkResult::Busy { until: at(NOW).plus_seconds(LEASE_SECONDS) }
    );
    assert_eq!(tries().await, 2, "a run without the lease is no try");
    let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
    let clock = || later;
    let stopped = WorkerRun { name: "stops", stop_at: later, clock: &clock, message: None };
    // The answer to the first call, which takes the lease, is lost, and the SDK sends the call again.
    let lost = Faults::at(0, Fault::AnswerLost).with_one_retry();
    let report = worker_of(&stores, Some(&lost), LIMITS).work(&contoso(), "K", &stopped).await;
    assert_eq!((report.result.unwrap(), report.tries), (WorkResult::Continue, 3));
    assert_eq!(tries().await, 0);
    assert_eq!(run(&stores, None, "K", "ends", later).await.unwrap(), WorkResult::Done);
    assert_eq!(status(&control, "K").await.state, State::Ready);
}

#[tokio::test]
async fn job_is_not_tried_again_when_its_workers_keep_dying() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("K", csv())).await.unwrap();
    let limits = Limits { tries: 2, ..LIMITS };
    let mut now = at(NOW);
    for name in ["first", "second"] {
        control.take_job(&contoso(), "K", name, now, now.plus_seconds(LEASE_SECONDS)).await.unwrap();
        now = now.plus_seconds(LEASE_SECONDS + 1);
    }
    let failed = run_within(limits, &stores, None, "K", "third", now).await.unwrap_err();
    assert!(store::error::causes(&failed).contains("died again and again"), "{failed:?}");
    assert!(stores.objects("exports/contoso/K/").await.is_empty());
}

#[tokio::test]
async fn month_holds_activities_recorded_before_its_cut() {
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
    assert!(!control.create_job(&contoso(), &job).await.unwrap(), "a month has one job");
    run(&stores, None, "2026-10", "w", at(NOW)).await.unwrap();
    let status = status(&control, "2026-10").await;
    assert_eq!(status.files[0].name, "activity_contoso_2026-10.jsonl");
    let text =
        String::from_utf8(stores.object(&job.object_key(&contoso(), &status.files[0].name)).await.unwrap()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("\"id\":\"early\""));
}
