//! Exports whose runs stop before the end.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::{
    filter::{Choice, Filter},
    job::{Compression, ExportRequest, Format, Job, Output, State},
};
use export::{LEASE_SECONDS, WorkResult, WorkerRun};
use harness::{Fault, Faults, Stores, at, contoso};

use crate::support::*;

#[tokio::test]
async fn export_continues_when_stopped_again_and_again() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 1_000).await;
    let customers = (0..9).map(|number| format!("000{number}x")).chain(["0003".into()]).collect();
    let little = Filter { customer: Choice::any_of(customers), ..Filter::default() };
    for (name, filter, output) in [
        ("all", Filter::default(), Output { format: Format::Jsonl, ..csv() }),
        ("packed", Filter::default(), Output { format: Format::Jsonl, compression: Compression::Gzip, ..csv() }),
        ("few", little, csv()),
    ] {
        let control = stores.control(None);
        let whole =
            Job::on_demand(name.into(), ExportRequest { filter, ..request(output) }, "Ana".to_owned(), at(NOW), 86_400);
        let stopped = Job { id: format!("{name}stopped"), ..whole.clone() };
        for job in [&whole, &stopped] {
            assert!(control.create_job(&contoso(), job).await.unwrap());
        }
        let undisturbed = Faults::none();
        run(&stores, Some(&undisturbed), name, "w", at(NOW)).await.unwrap();
        let (ticks, faults) = (AtomicI64::new(0), Faults::none());
        let clock = ticking_clock(&ticks);
        let mut runs = 0;
        loop {
            runs += 1;
            // A run has time for a look or two at the clock.
            let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 3);
            let run = WorkerRun { name: &format!("run {runs}"), stop_at, clock: &clock, message: None };
            match worker_of(&stores, Some(&faults), LIMITS).work(&contoso(), &stopped.id, &run).await.result.unwrap() {
                WorkResult::Done => break,
                outcome => assert_eq!(outcome, WorkResult::Continue),
            }
            assert!(runs < 200, "the export does not end");
        }
        assert!(runs > 1, "{name}: {runs} runs");
        let (whole_files, stopped_files) =
            (status(&control, name).await.files, status(&control, &stopped.id).await.files);
        assert_eq!(whole_files, stopped_files, "{name}");
        assert!(files_of(&stores, &stopped.id, output).await == files_of(&stores, name, output).await);
    }
}

#[tokio::test]
async fn stopped_export_leaves_no_tail_when_any_call_fails() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let expected = write_export(&stores, "undisturbed", csv()).await;
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Killed] {
        for call in failing_calls(fault) {
            let id = format!("{fault:?}{call}");
            assert!(stores.control(None).create_job(&contoso(), &job(&id, csv())).await.unwrap());
            let ticks = AtomicI64::new(0);
            let clock = ticking_clock(&ticks);
            let stopped = WorkerRun { name: "stopped", stop_at: at(NOW).plus_seconds(1), clock: &clock, message: None };
            let outcome = worker_of(&stores, None, LIMITS).work(&contoso(), &id, &stopped).await.result.unwrap();
            assert_eq!(outcome, WorkResult::Continue);
            assert_eq!(stores.objects(&format!("exports/contoso/{id}/rest-")).await.len(), 1);
            let faults = Faults::at(call, fault);
            tokio::select! {
                _ = run(&stores, Some(&faults), &id, "first", at(NOW)) => {}
                () = faults.killed() => {}
            }
            let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
            assert_eq!(run(&stores, None, &id, "second", later).await.unwrap(), WorkResult::Done, "{id}");
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
async fn export_has_same_bytes_when_stopped_after_each_chunk() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let expected = write_export(&stores, "undisturbed", csv()).await;
    let control = stores.control(None);
    control.create_job(&contoso(), &job("S", csv())).await.unwrap();
    let worker = worker_of(&stores, None, LIMITS);
    let ticks = AtomicI64::new(0);
    let clock = ticking_clock(&ticks);
    for number in 0..200 {
        let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 4);
        let name = format!("run {number}");
        match worker
            .work(&contoso(), "S", &WorkerRun { name: &name, stop_at, clock: &clock, message: None })
            .await
            .result
            .unwrap()
        {
            WorkResult::Continue => {}
            WorkResult::Done => break,
            WorkResult::Busy { .. } => panic!("nobody else has it"),
        }
    }
    let status = status(&control, "S").await;
    assert_eq!(status.state, State::Ready);
    let key = job("S", csv()).object_key(&contoso(), &status.files[0].name);
    assert!(stores.object(&key).await.unwrap() == expected);
}
