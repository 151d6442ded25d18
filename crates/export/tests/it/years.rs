//! Exports of early and late years: every year from 1 to 9999, in every format.

use std::{io::Cursor, time::Duration};

use calamine::{Data, Reader as _};
use domain::{
    job::{ExportRequest, Format, Job, Output},
    time::{Instant, Zone},
};
use export::{SubscriptionsUrl, WorkResult, Workbook, WorkbookLimits};
use harness::{Stores, at, contoso, parsed, sent};
use serde_json::json;

use crate::support::{NOW, files_of, request, run};

const FORMATS: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Xlsx];

/// Returns the cells of the first column of a workbook's activities, without the header.
fn first_column(book: &[u8]) -> Vec<Data> {
    let mut book = calamine::Xlsx::new(Cursor::new(book)).unwrap();
    let (_, sheet) = book.worksheets().remove(1);
    sheet.rows().skip(1).map(|row| row[0].clone()).collect()
}

#[tokio::test]
async fn periods_of_every_age_are_exported_in_every_format() {
    let stores = Stores::start().await;
    for year in ["0001", "0999", "1899", "1900", "9999"] {
        let occurred_at = format!("{year}-06-30T12:00:00.000000Z");
        let new = parsed(&sent(&format!("of-{year}"), &occurred_at, &json!({})), at(&occurred_at));
        stores.recorder(None).record(new.into_activity(contoso(), at(NOW)), Duration::MAX).await.unwrap();
        for format in FORMATS {
            let output = Output { format, ..Output::default() };
            let (from, to) = (at(&format!("{year}-01-01T00:00:00Z")), at(&format!("{year}-12-31T23:59:59Z")));
            let wanted = ExportRequest { from, to, time_zone: Zone::UTC, ..request(output) };
            let id = format!("of{year}{}", output.extension());
            let job = Job::on_demand(id.clone(), wanted, "Ana".to_owned(), at(NOW), 86_400);
            stores.control(None).create_job(&contoso(), &job).await.unwrap();
            assert_eq!(run(&stores, None, &id, "w", at(NOW)).await.unwrap(), WorkResult::Done, "{id}");
            let (name, bytes) = files_of(&stores, &id, output).await.remove(0);
            assert_eq!(name, format!("activity_contoso_{year}-01-01_{year}-12-31.{}", output.extension()));
            match format {
                Format::Csv => assert!(String::from_utf8(bytes).unwrap().contains(&format!("{year}-06-30 12:00:00"))),
                Format::Jsonl => assert!(String::from_utf8(bytes).unwrap().contains(&occurred_at)),
                Format::Xlsx => assert_eq!(first_column(&bytes).len(), 1),
            }
        }
    }
}

#[test]
fn workbook_has_texts_where_a_sheet_has_no_dates() {
    let output = Output { format: Format::Xlsx, ..Output::default() };
    let edges = ["1899-12-31T23:59:59", "1900-01-01T00:00:00", "1900-02-28T23:59:59", "1900-03-01T00:00:00"];
    let times: Vec<String> = (1..=9_999)
        .map(|year| format!("{year:04}-07-14T08:09:10"))
        .chain(edges.map(str::to_owned))
        .map(|time| format!("{time}.000000Z"))
        .collect();
    let subscriptions = SubscriptionsUrl::default();
    let asked = ExportRequest { from: Instant::MIN, to: Instant::MIN, time_zone: Zone::UTC, ..request(output) };
    let limits = WorkbookLimits::default();
    let mut book = Workbook::new(&contoso(), &asked, Instant::MAX, &subscriptions, limits).unwrap();
    for time in &times {
        let activity = parsed(&sent("a", time, &json!({})), Instant::MAX).into_activity(contoso(), at(NOW));
        let activity = activity.borrowed();
        let lines = export::OrderLines::parse(&activity, output);
        book.write_row(&activity, &lines, 0).unwrap();
    }
    let mut bytes = Vec::new();
    book.save(&mut bytes).unwrap();
    let cells = first_column(&bytes);
    assert_eq!(cells.len(), times.len());
    for (cell, time) in cells.iter().zip(&times) {
        let local = time[..19].replace('T', " ");
        let instant = at(time);
        match cell {
            Data::String(text) => {
                assert_eq!(*text, local);
                assert!(instant < at("1900-03-01T00:00:00Z"), "{local}");
            }
            Data::DateTime(date) => {
                // Sheets count days from 1899-12-30.
                let seconds = (date.as_f64() * 86_400.0).round() as i64 - 2_209_161_600;
                assert_eq!(seconds, instant.seconds(), "{local}");
            }
            other => panic!("{local} is {other:?}"),
        }
    }
}
