//! Exports of several workbooks.

use std::sync::atomic::{AtomicI64, Ordering};

use calamine::Reader as _;
use domain::job::{Format, Output};
use export::{Limits, WorkResult, WorkbookLimits, WorkerRun};
use harness::{Stores, at, contoso};

use crate::support::*;

#[tokio::test]
async fn export_continues_in_next_workbook_when_one_is_full() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let limits = Limits { workbook: WorkbookLimits { rows: 10, sheet_rows: 4, links: 3, ..LIMITS.workbook }, ..LIMITS };
    let files = check_every_fault(limits, &stores, Output { format: Format::Xlsx, ..csv() }).await;
    let stem = "activity_contoso_2026-09-15_2026-11-02_fr";
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [format!("{stem}.xlsx"), format!("{stem}_part2.xlsx"), format!("{stem}_part3.xlsx")]);
    for ((_, bytes), rows) in files.iter().zip([vec![4, 4, 2], vec![4, 4, 2], vec![4, 1]]) {
        let mut book = calamine::Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
        let mut sheets = book.worksheets();
        let names: Vec<&str> = sheets.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["Résumé", "Journal d'activité", "Journal d'activité 2", "Journal d'activité 3"];
        assert_eq!(names, expected[..=rows.len()]);
        sheets.remove(0);
        assert_eq!(sheets.iter().map(|(_, sheet)| sheet.height() - 1).collect::<Vec<_>>(), rows);
        for (_, sheet) in &sheets {
            assert_eq!(sheet.get((0, 1)).unwrap().to_string(), "Client", "each sheet has a header");
        }
        // The limit of links holds for each sheet.
        for ((name, _), rows) in sheets.iter().zip(&rows) {
            assert_eq!(book.hyperlinks_by_sheet_name(name).unwrap().len(), *rows.min(&3));
        }
    }
}

#[tokio::test]
async fn workbook_starts_only_when_a_run_can_finish_it() {
    let stores = Stores::start().await;
    fill(&stores, 25).await;
    let control = stores.control(None);
    let output = Output { format: Format::Xlsx, ..csv() };
    control.create_job(&contoso(), &job("slow", output)).await.unwrap();
    let ticks = AtomicI64::new(0);
    let clock = ticking_clock(&ticks);
    let worker = worker_of(&stores, None, LIMITS);
    let late = WorkerRun { name: "late", stop_at: at(NOW), clock: &clock, message: None };
    assert!(worker.work(&contoso(), "slow", &late).await.result.is_err());

    control.create_job(&contoso(), &job("split", output)).await.unwrap();
    let limits = Limits { workbook: WorkbookLimits { rows: 10, ..LIMITS.workbook }, ..LIMITS };
    let worker = worker_of(&stores, None, limits);
    let mut outcomes = Vec::new();
    for number in 0..5 {
        let stop_at = at(NOW).plus_seconds(ticks.load(Ordering::SeqCst) + 9);
        let name = format!("run {number}");
        outcomes.push(
            worker
                .work(&contoso(), "split", &WorkerRun { name: &name, stop_at, clock: &clock, message: None })
                .await
                .result
                .unwrap(),
        );
        if outcomes.last() == Some(&WorkResult::Done) {
            break;
        }
    }
    assert!(outcomes.len() > 1 && outcomes.last() == Some(&WorkResult::Done), "{outcomes:?}");
    let expected = write_export_within(limits, &stores, "undisturbed", output).await;
    assert!(files_of(&stores, "split", output).await == expected);
}
