//! Exports that copy finished months.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use domain::{
    job::{
        Checkpoint, ExportRequest, FORM_VERSION, File, Format, Job, JobStatus, Output, Progress, State,
        TEXT_FORM_VERSION,
    },
    time::{Month, Zone},
};
use export::{LEASE_SECONDS, WorkResult, WorkerRun};
use harness::{BUCKET, Fault, Faults, Stores, at, contoso, parsed, sent};
use serde_json::json;
use store::jobs::Lease;

use crate::support::*;

/// Records activities of three months and writes the monthly export of the second, which has several parts.
async fn record_three_months(stores: &Stores, form_version: u32, output: Output) -> Job {
    let recorder = stores.recorder(None);
    for number in 0..900_i64 {
        let lines = if number % 3 == 0 { 1 } else { 750 };
        let extra = json!({"details": {"lines": vec![json!({"product": "Été; \"x\"", "quantity": number}); lines]}});
        let time = at("2026-08-20T00:00:00Z").plus_seconds(number * 7_001).to_string();
        let new = parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(&time));
        recorder.record(new.into_activity(contoso(), at(&time)), Duration::MAX).await.unwrap();
    }
    let month = Month::parse("2026-09").unwrap();
    let monthly = Job {
        form_version,
        ..monthly(month, Zone::parse("Europe/Paris").unwrap(), output, at("2026-10-01T06:00:00Z"))
    };
    assert!(stores.control(None).create_job(&contoso(), &monthly).await.unwrap());
    assert_eq!(run(stores, None, &monthly.id, "m", at("2026-10-01T06:00:00Z")).await.unwrap(), WorkResult::Done);
    monthly
}

fn job_over_three_months(id: &str) -> Job {
    let request = ExportRequest { from: at("2026-08-20T00:00:00Z"), ..request(csv()) };
    Job::on_demand(id.to_owned(), request, "Ana".to_owned(), at(NOW), 86_400)
}

/// Writes an export over three months; returns its bytes and the number of calls that copied.
async fn export_three_months(stores: &Stores, id: &str) -> (Vec<u8>, usize) {
    let job = job_over_three_months(id);
    assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
    let faults = Faults::none();
    assert_eq!(run(stores, Some(&faults), id, "w", at(NOW)).await.unwrap(), WorkResult::Done);
    let name = job.file_name(&contoso(), 0);
    (stores.object(&job.object_key(&contoso(), &name)).await.unwrap(), faults.copies())
}

#[tokio::test]
async fn finished_month_is_copied_until_a_late_activity_arrives() {
    let stores = Stores::start().await;
    let monthly = record_three_months(&stores, FORM_VERSION, csv()).await;
    let (copied, copies) = export_three_months(&stores, "copied").await;
    assert!(copies > 0);
    // Any call may fail, also within the copied month.
    for fault in [Fault::AnswerLost, Fault::Killed] {
        for call in failing_calls(fault) {
            let job = job_over_three_months(&format!("{fault:?}{call}"));
            assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
            let faults = Faults::at(call, fault);
            tokio::select! {
                _ = run(&stores, Some(&faults), &job.id, "first", at(NOW)) => {}
                () = faults.killed() => {}
            }
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run(&stores, None, &job.id, "second", later).await.unwrap(), WorkResult::Done, "{}", job.id);
            let key = job.object_key(&contoso(), &job.file_name(&contoso(), 0));
            assert!(stores.object(&key).await.unwrap() == copied, "{}: other bytes", job.id);
            if faults.calls() <= call {
                break;
            }
        }
    }
    // A run may stop within the copied month.
    let job = job_over_three_months("stopped");
    assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
    let ticks = AtomicI64::new(0);
    let clock = ticking_clock(&ticks);
    for runs in 1.. {
        let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 3);
        let run = WorkerRun { name: &format!("run {runs}"), stop_at, clock: &clock, message: None };
        if worker_of(&stores, None, LIMITS).work(&contoso(), &job.id, &run).await.result.unwrap() == WorkResult::Done {
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
    let (with_late, copies) = export_three_months(&stores, "with late").await;
    assert_eq!(copies, 0);
    let expected: Vec<u8> = with_late
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|row| !row.windows(5).any(|word| word == b";late"))
        .flatten()
        .copied()
        .collect();
    assert!(expected == copied, "the copied bytes are the bytes that are read");
    // A month whose files are removed is not copied either.
    stores.control(None).cancel_job(&contoso(), &monthly.id).await.unwrap();
    assert_eq!(export_three_months(&stores, "without month").await, (with_late, 0));
}

#[tokio::test]
async fn month_is_not_copied_when_its_file_is_gone() {
    let stores = Stores::start().await;
    let monthly = record_three_months(&stores, FORM_VERSION, csv()).await;
    let (copied, copies) = export_three_months(&stores, "copied").await;
    assert!(copies > 0);
    let key = monthly.object_key(&contoso(), &monthly.file_name(&contoso(), 0));
    worker_of(&stores, None, LIMITS).files.remove(&key).await.unwrap();
    assert_eq!(status(&stores.control(None), &monthly.id).await.state, State::Ready, "the export does not know");
    assert_eq!(export_three_months(&stores, "read").await, (copied, 0));
}

#[tokio::test]
async fn month_of_another_form_version_is_written_and_not_copied() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let monthly = record_three_months(&stores, FORM_VERSION, csv()).await;
    let (_, made) = control.job(&contoso(), &monthly.id).await.unwrap().unwrap();
    // Workers start jobs of an older form again, so this month was made before.
    control.cancel_job(&contoso(), &monthly.id).await.unwrap();
    let older = Job { form_version: TEXT_FORM_VERSION - 1, ..monthly };
    assert!(control.renew_job(&contoso(), &older, at(NOW)).await.unwrap());
    let lease = control.take_job(&contoso(), &older.id, "w", at(NOW), at(NOW).plus_seconds(1)).await.unwrap();
    assert!(matches!(lease, Lease::Taken(_)));
    let key = older.object_key(&contoso(), &older.file_name(&contoso(), 0));
    stores.s3(None).put_object().bucket(BUCKET).key(key).body(b"of another form".to_vec().into()).send().await.unwrap();
    assert!(control.finish_job(&contoso(), &older, "w", &made.files, at("2026-11-02T12:00:00Z")).await.unwrap());
    let (written, copies) = export_three_months(&stores, "written").await;
    assert_eq!(copies, 0);
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 901, "the file holds every activity");
}

#[tokio::test]
async fn job_of_an_older_form_version_starts_again() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let control = stores.control(None);
    let older = Job { form_version: FORM_VERSION - 1, ..job("older", csv()) };
    assert!(control.create_job(&contoso(), &older).await.unwrap());
    // A worker of the older version finished a file and died.
    let file = older.file_name(&contoso(), 0);
    let put = stores.s3(None).put_object().bucket(BUCKET).key(older.object_key(&contoso(), &file));
    put.body(b"of another form".to_vec().into()).send().await.unwrap();
    let Lease::Taken(_) = control.take_job(&contoso(), "older", "w1", at(NOW), at(NOW)).await.unwrap() else {
        panic!()
    };
    let file = File { name: file, rows: 20, bytes: 15, sha256: String::new() };
    let checkpoint = Checkpoint {
        files: vec![file],
        position: Some("2026-09-20T00:00:00.000000Z#e".to_owned()),
        ..Checkpoint::default()
    };
    assert!(
        control.keep_job(&contoso(), &older, "w1", Some(&checkpoint), &Progress::default(), at(NOW)).await.unwrap()
    );

    assert_eq!(run(&stores, None, "older", "w2", at(NOW).plus_seconds(1)).await.unwrap(), WorkResult::Done);
    let files = files_of(&stores, "older", csv()).await;
    assert!(
        files == write_export_within(LIMITS, &stores, "undisturbed", csv()).await,
        "nothing of the older form is left"
    );
    let (made, _) = control.job(&contoso(), "older").await.unwrap().unwrap();
    assert_eq!(made.form_version, FORM_VERSION);
}

#[tokio::test]
async fn job_of_a_newer_form_version_waits_for_a_newer_worker() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let newer = Job { form_version: FORM_VERSION + 1, ..job("newer", csv()) };
    assert!(control.create_job(&contoso(), &newer).await.unwrap());
    assert!(run(&stores, None, "newer", "w", at(NOW)).await.is_err());
    assert_ne!(status(&control, "newer").await.state, State::Failed);
    assert!(stores.objects("exports/contoso/newer/").await.is_empty());
}

#[tokio::test]
async fn file_that_is_one_copied_month_has_its_rows() {
    let stores = Stores::start().await;
    let output = Output { format: Format::Jsonl, ..csv() };
    let monthly = record_three_months(&stores, FORM_VERSION, output).await;
    let (_, made) = stores.control(None).job(&contoso(), &monthly.id).await.unwrap().unwrap();
    let job = Job::on_demand("month".to_owned(), monthly.request.clone(), "Ana".to_owned(), at(NOW), 86_400);
    assert!(stores.control(None).create_job(&contoso(), &job).await.unwrap());
    let faults = Faults::none();
    assert_eq!(run(&stores, Some(&faults), "month", "w", at(NOW)).await.unwrap(), WorkResult::Done);
    assert!(faults.copies() > 0);
    let (_, copied) = stores.control(None).job(&contoso(), "month").await.unwrap().unwrap();
    let totals = |status: &JobStatus| (status.files[0].rows, status.files[0].bytes, status.files[0].sha256.clone());
    assert!(totals(&made).0 > 0);
    assert_eq!(totals(&copied), totals(&made));
}
