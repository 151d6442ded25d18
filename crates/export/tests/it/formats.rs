//! Files as other readers see them: the same as the recorded activities, and as the list.

use std::{io::Cursor, time::Duration};

use amounts::amount;
use calamine::{Data, Reader as _, Xlsx};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    activity::{Activity, Details, Status},
    filter::{ActionPattern, Choice, Filter},
    job::{ExportRequest, Format, Job, Output, Rows},
    locale::Locale,
    query::{Selection, SortOrder},
    time::{Instant, Period, Zone},
};
use export::{Encoder, Limits, OrderLines, SubscriptionsUrl, WorkResult, Workbook, WorkbookLimits, WorkerRun};
use harness::{Stores, at, contoso, find_complete, parsed, sent};
use serde_json::{Value, json};

use crate::{
    records::{generated, real},
    support::worker_of,
};

const SEED: u64 = 20_261_102;
const CREATED_AT: &str = "2026-11-02T12:00:00Z";

fn zone() -> Zone {
    Zone::parse("Asia/Kolkata").unwrap()
}

/// Returns whether a cell shows a text: all of it, or the start of a long one and a mark.
fn fits(whole: &str, cell: &str) -> bool {
    if whole.encode_utf16().count() <= 32_767 {
        return whole == cell;
    }
    let mark = ["… [cut: ", "… [coupé : "].iter().find_map(|mark| cell.rfind(mark)).unwrap_or_default();
    mark > 32_000 && cell.encode_utf16().count() <= 32_767 && whole.starts_with(&cell[..mark])
}

/// Returns the expected cells of an activity, from the API's own form of it and without code of the export.
fn expected(shown: &Value, details: &str, locale: Locale) -> Vec<String> {
    let text = |pointer: &str| shown.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let or = |first: String, second: String| if first.is_empty() { second } else { first };
    let occurred: DateTime<Utc> = text("/occurred_at").parse().unwrap();
    let local = occurred + TimeDelta::seconds(19_800);
    let statuses = match locale {
        Locale::En => ["Succeeded", "Failed", "In progress", "Declined"],
        Locale::Fr => ["Réussite", "Échec", "En cours", "Refus"],
    };
    let status = ["succeeded", "failed", "in_progress", "declined"].iter().position(|word| *word == text("/status"));
    let target = or(text("/target/name"), text("/target/id"));
    let kind = match (locale, &*text("/target/type")) {
        (Locale::Fr, "order") => "commande".to_owned(),
        (_, kind) => kind.to_owned(),
    };
    let changes: Vec<String> = shown["changes"].as_array().into_iter().flatten().map(change).collect();
    let label = domain::actions::action_label(&text("/action"), locale).to_owned();
    vec![
        local.format("%Y-%m-%d %H:%M:%S").to_string(),
        or(text("/customer/name"), text("/customer/id")),
        label,
        or(text("/actor/name"), text("/actor/id")),
        statuses[status.unwrap()].to_owned(),
        text("/reason"),
        [kind, target].iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" "),
        changes.join("\n"),
        details.to_owned(),
        text("/customer/id"),
        text("/actor/id"),
        text("/actor/role"),
        text("/actor/ip"),
        text("/target/type"),
        text("/target/id"),
        text("/action"),
        subscriptions(details),
        text("/correlation_id"),
        text("/source"),
        text("/id"),
        text("/occurred_at"),
        text("/recorded_at").replace('Z', "000Z"),
    ]
    .into_iter()
    .map(|text| without_control_characters(&text))
    .collect()
}

/// Returns a text with the pictures of control characters.
fn without_control_characters(text: &str) -> String {
    let picture = |char: char| match char {
        '\t' | '\r' | '\n' => char,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(char)).unwrap(),
        '\u{7f}' => '␡',
        _ => char,
    };
    text.chars().map(picture).collect()
}

fn change(change: &Value) -> String {
    let shown = |member: &str| match &change[member] {
        Value::Null => String::new(),
        Value::String(text) => format!(" {text}"),
        other => format!(" {other}"),
    };
    format!("{}:{} →{}", change["field"].as_str().unwrap(), shown("old"), shown("new"))
}

/// Returns the different subscriptions of an order's lines.
fn subscriptions(details: &str) -> String {
    let details: Value = serde_json::from_str(details).unwrap_or_default();
    let mut ids: Vec<&str> = Vec::new();
    for id in details["lines"].as_array().into_iter().flatten().filter_map(|line| line["subscription_id"].as_str()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.join(", ")
}

fn details(activity: &Activity) -> &str {
    match &activity.details {
        Details::Here(text) => text,
        Details::None | Details::Apart(_) => "",
    }
}

fn assert_rows(rows: &[Vec<String>], activities: &[Activity], locale: Locale) {
    assert_eq!(rows.len(), activities.len());
    for (row, activity) in rows.iter().zip(activities) {
        let expected = expected(&serde_json::to_value(activity).unwrap(), details(activity), locale);
        assert_eq!(row.len(), expected.len());
        for (cell, whole) in row.iter().zip(&expected) {
            assert!(fits(whole, cell), "{}: {whole:?} became {cell:?}", activity.id);
        }
    }
}

fn text_of(activities: &[Activity], output: Output) -> Vec<u8> {
    let mut encoder = Encoder::new(output, zone()).unwrap();
    let mut out = Vec::new();
    encoder.start_file(&mut out).unwrap();
    for activity in activities {
        let activity = activity.borrowed();
        let lines = OrderLines::parse(&activity, output);
        for number in 0..lines.rows() {
            encoder.write_row(&mut out, &activity, &lines, number).unwrap();
        }
    }
    out
}

fn xlsx_of(activities: &[Activity], output: Output) -> Vec<u8> {
    let subscriptions = SubscriptionsUrl::new("https://portal.example/{customer}/subscriptions".to_owned());
    let mut book =
        Workbook::new(&contoso(), &asked(output), at(CREATED_AT), &subscriptions, WorkbookLimits::default()).unwrap();
    for activity in activities {
        let activity = activity.borrowed();
        let lines = OrderLines::parse(&activity, output);
        for number in 0..lines.rows() {
            book.write_row(&activity, &lines, number).unwrap();
        }
    }
    let mut out = Vec::new();
    book.save(&mut out).unwrap();
    out
}

/// Removes the guard from a cell, by the rule that the documents state.
fn undo_guard(cell: &str) -> String {
    let mut undone = cell.strip_prefix('\'').unwrap_or(cell).to_owned();
    for separator in [",'", ";'", "\t'", "\r'", "\n'"] {
        undone = undone.replace(separator, &separator[..1]);
    }
    undone
}

/// Returns the rows of a CSV file without its header and with the guard undone.
fn read_csv(content: &[u8], locale: Locale) -> Vec<Vec<String>> {
    let separator = if locale == Locale::En { b',' } else { b';' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator).from_reader(content.strip_prefix(b"\xef\xbb\xbf").unwrap());
    let rows = reader.records().map(|row| row.unwrap().iter().map(undo_guard).collect());
    rows.collect()
}

/// Returns the request of a workbook of failed orders of one customer.
fn asked(output: Output) -> ExportRequest {
    let filter = r#"{"customer":["0042"],"action":["!order.*"],"status":["failed","declined"],"q":"=1+1"}"#;
    ExportRequest {
        from: at("2026-10-01T00:00:00Z"),
        to: at(CREATED_AT),
        time_zone: zone(),
        filter: serde_json::from_str(filter).unwrap(),
        output,
    }
}

/// Returns the rows of a workbook's sheets of activities without the headers, with dates as CSV writes them.
fn read_xlsx(content: &[u8]) -> Vec<Vec<String>> {
    let mut book = Xlsx::new(Cursor::new(content)).unwrap();
    let mut rows = Vec::new();
    for (_, sheet) in book.worksheets().into_iter().skip(1) {
        for row in sheet.rows().skip(1) {
            rows.push(row.iter().map(cell_text).collect());
        }
    }
    rows
}

fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::DateTime(moment) => {
            let seconds = (moment.as_f64() * 86_400.0).round() as i64;
            let epoch: DateTime<Utc> = "1899-12-30T00:00:00Z".parse().unwrap();
            (epoch + TimeDelta::seconds(seconds)).format("%Y-%m-%d %H:%M:%S").to_string()
        }
        Data::Float(number) => number.to_string(),
        other => panic!("the cell is neither text nor date nor number: {other:?}"),
    }
}

/// Returns the generated records, and the real ones if their file exists.
fn sets() -> Vec<Vec<Activity>> {
    let mut sets = vec![generated(usize::try_from(amount("FILES_ROWS", 4_000, 20_000)).unwrap(), SEED)];
    match real() {
        Some(records) => {
            assert_eq!(records.len(), 1_445);
            sets.push(records);
        }
        None => eprintln!("skipped: the records of ../shared/data/cloudtrail.jsonl do not exist"),
    }
    sets
}

#[test]
fn csv_reader_returns_every_record() {
    for activities in sets() {
        for locale in [Locale::En, Locale::Fr] {
            let content = text_of(&activities, Output { locale, ..Output::default() });
            assert_rows(&read_csv(&content, locale), &activities, locale);
        }
    }
}

#[test]
fn workbook_reader_returns_every_record_and_no_formula() {
    for activities in sets() {
        for locale in [Locale::En, Locale::Fr] {
            let output = Output { format: Format::Xlsx, locale, ..Output::default() };
            let content = xlsx_of(&activities, output);
            assert_rows(&read_xlsx(&content), &activities, locale);
            let mut book = Xlsx::new(Cursor::new(&content[..])).unwrap();
            let sheets = book.sheet_names();
            assert_eq!(sheets.len(), 2, "{sheets:?}");
            for sheet in &sheets {
                assert!(book.worksheet_formula(sheet).unwrap().is_empty());
            }
            assert!(xlsx_of(&activities, output) == content, "the same rows give the same bytes");
        }
    }
}

#[test]
fn json_lines_hold_every_record_completely() {
    for activities in sets() {
        let text =
            String::from_utf8(text_of(&activities, Output { format: Format::Jsonl, ..Output::default() })).unwrap();
        for (line, activity) in text.lines().zip(&activities) {
            assert_eq!(line, serde_json::to_string(activity).unwrap());
        }
    }
}

#[test]
fn order_lines_are_equal_in_csv_workbook_and_json() {
    let activities = generated(2_000, SEED);
    let output = |format| Output { format, rows: Rows::Lines, ..Output::default() };
    let csv = read_csv(&text_of(&activities, output(Format::Csv)), Locale::En);
    let xlsx = read_xlsx(&xlsx_of(&activities, output(Format::Xlsx)));
    let json = text_of(&activities, output(Format::Jsonl));
    let json: Vec<Value> =
        json.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert!(json.len() > activities.len());
    assert_eq!((csv.len(), xlsx.len()), (json.len(), json.len()));
    let same_number = |a: &str, b: &str| a == b || a.parse::<f64>().is_ok_and(|a| b.parse::<f64>() == Ok(a));
    for ((csv, xlsx), json) in csv.iter().zip(&xlsx).zip(&json) {
        assert_eq!(csv[..22], xlsx[..22]);
        assert!(csv[22..].iter().zip(&xlsx[22..]).all(|(a, b)| same_number(a, b)), "{csv:?} {xlsx:?}");
        assert_eq!(
            (&csv[19], &csv[9]),
            (
                &json["id"].as_str().unwrap().to_owned(),
                &without_control_characters(json["customer"]["id"].as_str().unwrap_or_default())
            )
        );
        let line = &json["line"];
        let text = |value: &Value| without_control_characters(value.as_str().unwrap_or_default());
        assert_eq!(csv[10], text(&json["actor"]["id"]));
        assert_eq!(csv[23], text(&line["product"]));
        assert_eq!(csv[26], text(&line["unit_price"]));
        assert_eq!(csv[30], text(&line["subscription_id"]));
        if let (Some(quantity), Some(price)) = (line["quantity"].as_f64(), line["unit_price"].as_str()) {
            assert!((csv[27].parse::<f64>().unwrap() - quantity * price.parse::<f64>().unwrap()).abs() < 1e-6);
        }
    }
}

#[test]
fn workbook_has_typed_cells_links_and_filters() {
    let mut activities = generated(3, SEED);
    activities[0].entry.customer =
        Some(domain::activity::Customer { id: "0042/é x".to_owned(), name: Some("=Fabrikam".to_owned()) });
    let content = xlsx_of(&activities, Output { format: Format::Xlsx, ..Output::default() });
    let mut book = Xlsx::new(Cursor::new(&content[..])).unwrap();
    let sheet = book.worksheet_range("Activity log").unwrap();
    assert_eq!(sheet.get((0, 0)).unwrap().to_string(), "Date and time (Asia/Kolkata)");
    assert!(matches!(sheet.get((1, 0)), Some(Data::DateTime(_))));
    assert_eq!(sheet.get((1, 1)), Some(&Data::String("=Fabrikam".to_owned())));
    assert_eq!(sheet.get((1, 9)), Some(&Data::String("0042/é x".to_owned())));
    let links = book.hyperlinks_by_sheet_name("Activity log").unwrap();
    assert_eq!(links[0].target.as_deref(), Some("https://portal.example/0042%2F%C3%A9%20x/subscriptions"));
    assert!(links[0].contains(1, 1));
}

#[test]
fn first_sheet_describes_the_export_in_the_files_language() {
    let activities = generated(400, SEED);
    for (locale, name, expected) in [
        (
            Locale::En,
            "Summary",
            [
                "Activity log",
                "Partner|contoso",
                "From|2026-10-01 05:30:00",
                "Time zone|Asia/Kolkata",
                "Customer|0042",
                "Action|not order: all actions",
                "Status|Failed, Declined",
                "Contains|=1+1",
                "Totals of this file",
                "Activities|400",
            ],
        ),
        (
            Locale::Fr,
            "Résumé",
            [
                "Journal d’activité",
                "Partenaire|contoso",
                "Du|2026-10-01 05:30:00",
                "Fuseau horaire|Asia/Kolkata",
                "Client|0042",
                "Action|sauf commande\u{202f}: toutes les actions",
                "Statut|Échec, Refus",
                "Contient|=1+1",
                "Totaux de ce fichier",
                "Activités|400",
            ],
        ),
    ] {
        let rows = |rows| Output { format: Format::Xlsx, locale, rows, ..Output::default() };
        for output in [rows(Rows::Activities), rows(Rows::Lines)] {
            let content = xlsx_of(&activities, output);
            let mut book = Xlsx::new(Cursor::new(&content[..])).unwrap();
            assert_eq!(book.sheet_names()[0], name);
            let sheet = book.worksheet_range(name).unwrap();
            let shown: Vec<String> = sheet
                .rows()
                .map(|row| row.iter().map(cell_text).collect::<Vec<_>>().join("|").trim_end_matches('|').to_owned())
                .collect();
            for line in expected {
                assert!(shown.iter().any(|shown| shown == line), "{line:?} is not in {shown:?}");
            }
            let failed = activities.iter().filter(|activity| activity.entry.status == Status::Failed).count();
            let label = locale.pick("Failed", "Échec");
            assert!(shown.contains(&format!("{label}|{failed}")), "{shown:?}");
        }
    }
}

#[tokio::test]
async fn export_holds_the_activities_of_the_list_in_every_format() {
    let stores = Stores::start().await;
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    for activity in generated(400, SEED).iter().step_by(2) {
        let shown = serde_json::to_value(activity).unwrap();
        let mut request = json!({});
        for field in ["actor", "customer", "action", "status", "target", "reason", "changes", "source", "details"] {
            if let Some(value) = shown.get(field) {
                request[field] = value.clone();
            }
        }
        let new = parsed(&sent(activity.id.as_str(), &activity.occurred_at.to_string(), &request), at(CREATED_AT));
        recorder.record(new.into_activity(contoso(), at(CREATED_AT)), Duration::MAX).await.unwrap();
    }
    let everything = Filter::default();
    let failed = Filter { status: Choice::any_of(vec![Status::Failed]), ..Filter::default() };
    let orders = Filter { action: Choice::any_of(vec![ActionPattern::parse("order.*").unwrap()]), ..Filter::default() };
    let (from, to) = (at("2026-09-20T03:00:00Z"), at("2026-09-20T15:00:00Z"));
    let mut sizes = Vec::new();
    for (number, filter) in [everything, failed, orders].into_iter().enumerate() {
        let selection = Selection {
            period: Period::new(from, to).unwrap(),
            filter: filter.clone(),
            order: SortOrder::Descending,
            recorded_from: None,
            recorded_before: None,
        };
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = ledger.list_page(&contoso(), &selection, 7, after, None).await.unwrap();
            listed.extend(page.activities().map(|activity| activity.owned()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut whole = Vec::new();
        for one in &listed {
            whole.push(find_complete(&ledger, &contoso(), one.occurred_at, &one.id).await.unwrap().unwrap());
        }
        sizes.push(listed.len());
        for format in [Format::Csv, Format::Xlsx, Format::Jsonl] {
            let output = Output { format, locale: Locale::Fr, ..Output::default() };
            let request = ExportRequest { from, to, time_zone: zone(), filter: filter.clone(), output };
            let id = format!("{number}{format:?}");
            let job = Job::on_demand(id.clone(), request, "Ana".to_owned(), at(CREATED_AT), 86_400);
            let control = stores.control(None);
            control.create_job(&contoso(), &job).await.unwrap();
            let clock = || at(CREATED_AT);
            let run = WorkerRun { name: "w", stop_at: Instant::MAX, clock: &clock, message: None };
            let done = worker_of(&stores, None, Limits::default()).work(&contoso(), &id, &run).await.result.unwrap();
            assert_eq!(done, WorkResult::Done);
            let files = control.job(&contoso(), &id).await.unwrap().unwrap().1.files;
            assert_eq!(files[0].rows, listed.len() as u64);
            let content = stores.object(&job.object_key(&contoso(), &files[0].name)).await.unwrap();
            match format {
                Format::Csv => assert_rows(&read_csv(&content, Locale::Fr), &whole, Locale::Fr),
                Format::Xlsx => assert_rows(&read_xlsx(&content), &whole, Locale::Fr),
                Format::Jsonl => {
                    let lines: Vec<Value> = String::from_utf8(content)
                        .unwrap()
                        .lines()
                        .map(|line| serde_json::from_str(line).unwrap())
                        .collect();
                    assert_eq!(lines.len(), listed.len());
                    for (mut line, listed) in lines.into_iter().zip(&listed) {
                        let details = line.as_object_mut().unwrap().remove("details");
                        assert_eq!(line, serde_json::to_value(listed).unwrap());
                        assert_eq!(details.is_some(), listed.details != Details::None);
                    }
                }
            }
        }
    }
    assert!(sizes[0] > sizes[1] && sizes[0] > sizes[2] && sizes[1] > 0 && sizes[2] > 0, "{sizes:?}");
}
