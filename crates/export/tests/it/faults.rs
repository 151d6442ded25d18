//! Exports whose calls fail, one after the other.

use std::time::Duration;

use amounts::amount;
use domain::{
    job::{Compression, Format, Output, Rows},
    time::Month,
};
use export::{LEASE_SECONDS, Limits, WorkResult};
use futures_util::{StreamExt as _, stream};
use harness::{Fault, Faults, ReadCache, Stores, activities, at, contoso, parsed, sent};
use serde_json::json;
use store::partners::{Settings, ShardsFrom};

use crate::support::*;

/// Columns of a file of order lines, counted from 0.
const ACTIVITY_ID: usize = 19;
const LINE_NUMBER: usize = 22;

#[tokio::test]
async fn export_has_same_bytes_when_any_call_fails() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    check_every_fault(LIMITS, &stores, csv()).await;
}

#[tokio::test]
async fn gzip_export_has_same_bytes_when_any_call_fails() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 1_000).await;
    let output = Output { format: Format::Jsonl, compression: Compression::Gzip, ..csv() };
    let files = check_every_fault(LIMITS, &stores, output).await;
    let [(name, bytes)] = &files[..] else { panic!("one file") };
    assert!(name.ends_with(".jsonl.gz"), "{name}");
    assert!(bytes.len() > LIMITS.part_bytes, "several parts: {}", bytes.len());
    let plain = write_export(&stores, "plain", Output { compression: Compression::None, ..output }).await;
    assert!(gunzip(bytes) == plain);
}

#[tokio::test]
async fn workbook_has_same_bytes_when_any_call_fails() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 1_000).await;
    let output = Output { format: Format::Xlsx, ..csv() };
    let files = check_every_fault(LIMITS, &stores, output).await;
    let [(name, bytes)] = &files[..] else { panic!("one file") };
    assert!(name.ends_with(".xlsx"), "{name}");
    assert!(bytes.len() > LIMITS.part_bytes, "several parts: {}", bytes.len());
    let packed = write_export(&stores, "packed", Output { compression: Compression::Gzip, ..output }).await;
    assert!(gunzip(&packed) == *bytes);
}

#[tokio::test]
async fn export_of_lines_has_same_rows_when_any_call_fails() {
    let stores = Stores::start().await;
    fill_with_noise(&stores, 1_000).await;
    // Some files end within the order of many lines.
    let limits = Limits { rows: 1_000, ..LIMITS };
    let output = Output { rows: Rows::Lines, compression: Compression::Gzip, ..csv() };
    let files = check_every_fault(limits, &stores, output).await;
    let expected = 249 + 1_500 + (1_000 - 250) * 2;
    let mut order = Vec::new();
    let mut rows = 0;
    for (name, bytes) in &files {
        assert!(name.ends_with(".csv.gz"), "{name}");
        let content = gunzip(bytes);
        let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&content[3..]);
        for row in reader.records() {
            let row = row.unwrap();
            rows += 1;
            if &row[ACTIVITY_ID] == "e-00700" {
                order.push(row[LINE_NUMBER].parse::<usize>().unwrap());
            }
        }
    }
    assert_eq!((files.len(), rows), (4, expected));
    assert_eq!(order, (1..=1_500).collect::<Vec<_>>());
}

/// Each kind of fault, at calls of an export in months of one and of three shards: 20,000 rows in `make soak`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_export_has_same_bytes_when_any_call_fails() {
    let rows = usize::try_from(amount("FAULT_ROWS", 11_000, 20_000)).unwrap();
    let stores = Stores::start().await;
    let three = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-10").unwrap(), shards: 3 });
    assert!(stores.partners().save(&contoso(), &Settings::default(), &three).await.unwrap());
    let recorder = stores.recorder(None);
    let generated = (0..rows).map(|number| {
        let extra = json!({"customer": {"id": format!("{:04}", number % 7), "name": "Société « Été »; \"fils\""},
            "target": {"type": "order", "id": format!("o-{number}")}, "correlation_id": "c".repeat(number % 128),
            "details": {"lines": [{"product": "Été", "quantity": number}], "note": "n".repeat(number % 300)}});
        let time = at("2026-09-20T00:00:00Z").plus_seconds((number as i64 * 7_919) % (40 * 86_400)).to_string();
        parsed(&sent(&format!("e-{number:05}"), &time, &extra), at(NOW))
    });
    let all: Vec<_> = generated.collect();
    for batch in all.chunks(500) {
        let outcomes = recorder.record_all(activities(&contoso(), batch.to_vec(), at(NOW)), Duration::MAX).await;
        assert!(outcomes.iter().all(Result::is_ok));
    }

    let output = csv();
    let expected = write_export(&stores, "undisturbed", output).await;
    assert!(expected.len() > LIMITS.part_bytes, "several parts: {}", expected.len());
    let reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&expected[3..]).into_records().count();
    assert_eq!(reader, rows);
    let reads = ReadCache::default();
    let calls = {
        let faults = Faults::none().with_cache(&reads);
        assert!(stores.control(None).create_job(&contoso(), &job("counted", output)).await.unwrap());
        run(&stores, Some(&faults), "counted", "w", at(NOW)).await.unwrap();
        faults.calls()
    };
    assert!(calls > 20, "{calls}");
    let all = [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Slow, Fault::Killed];
    let cases = all
        .into_iter()
        .flat_map(|fault| failing_calls(fault).take_while(move |call| *call < calls).map(move |call| (fault, call)));
    let (stores, reads, expected) = (&stores, &reads, &expected);
    let checked = stream::iter(cases).map(|(fault, call)| async move {
        let id = format!("{fault:?}{call}");
        assert!(stores.control(None).create_job(&contoso(), &job(&id, output)).await.unwrap());
        let faults = Faults::at(call, fault).with_cache(reads);
        tokio::select! {
            _ = run(stores, Some(&faults), &id, "first", at(NOW)) => {}
            () = faults.killed() => {}
        }
        let later = at(NOW).plus_seconds(LEASE_SECONDS + 1);
        let faults = Faults::none().with_cache(reads);
        assert_eq!(run(stores, Some(&faults), &id, "second", later).await.unwrap(), WorkResult::Done, "{id}");
        let files = files_of(stores, &id, output).await;
        assert!(matches!(&files[..], [(_, bytes)] if bytes == expected), "{id}: other bytes");
    });
    checked.buffer_unordered(6).collect::<()>().await;
}

#[tokio::test]
async fn export_holds_details_that_a_stale_read_misses() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let expected = write_export(&stores, "undisturbed", csv()).await;
    assert!(stores.control(None).create_job(&contoso(), &job("stale", csv())).await.unwrap());
    let (caught_up, stale) = (Faults::none(), Faults::from(0, Fault::Stale));
    assert_eq!(run(&stores, Some(&stale), "stale", "w", at(NOW)).await.unwrap(), WorkResult::Done);
    assert!(matches!(&files_of(&stores, "stale", csv()).await[..], [(_, bytes)] if *bytes == expected));
    // Each activity whose details were not found needs another call.
    assert!(stores.control(None).create_job(&contoso(), &job("counted", csv())).await.unwrap());
    assert_eq!(run(&stores, Some(&caught_up), "counted", "w", at(NOW)).await.unwrap(), WorkResult::Done);
    assert!(stale.calls() > caught_up.calls(), "{} and {} calls", stale.calls(), caught_up.calls());
}
