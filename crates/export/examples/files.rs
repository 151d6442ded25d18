//! Writes files of exports for other programs to read: `cargo run -p export --example files -- FOLDER [TEXTS]`.
//!
//! With the name of a JSON file of texts, the example writes these texts as cells of CSV in both languages. Otherwise there
//! are two sets of records: `generated`, and `real` if the file of real records exists. Each set becomes JSON lines,
//! and CSV and XLSX in both languages. The first generated records also become files with a row for each order line.
#![expect(clippy::unwrap_used, reason = "a tool of the tests")]

use std::{env, fs, path::PathBuf};

use amounts::amount;
use domain::{
    activity::{Activity, NewActivity, PartnerId},
    filter::Filter,
    job::{ExportRequest, Format, Output, Rows},
    locale::Locale,
    time::{Instant, Zone},
};
use export::{Encoder, OrderLines, SubscriptionsUrl, Workbook, WorkbookLimits};

#[path = "../tests/it/records.rs"]
mod records;

/// The number of generated records whose order lines are written.
const WITH_LINES: usize = 2_000;
const SEED: u64 = 20_261_102;

fn main() {
    let folder = PathBuf::from(env::args().nth(1).unwrap());
    fs::create_dir_all(&folder).unwrap();
    if let Some(texts) = env::args().nth(2) {
        let texts: Vec<String> = serde_json::from_slice(&fs::read(texts).unwrap()).unwrap();
        let activities: Vec<Activity> = texts.chunks(6).map(activity_of_texts).collect();
        for locale in [Locale::En, Locale::Fr] {
            write(&folder, &format!("texts_{}", locale.as_str()), &activities, Output { locale, ..Output::default() });
        }
        return;
    }
    let generated = records::generated(usize::try_from(amount("FILES_ROWS", 4_000, 20_000)).unwrap(), SEED);
    let rows = Rows::Activities;
    for (name, activities) in [("generated", Some(generated.clone())), ("real", records::real())] {
        let Some(activities) = activities else { continue };
        for locale in [Locale::En, Locale::Fr] {
            for format in [Format::Csv, Format::Xlsx] {
                write(
                    &folder,
                    &format!("{name}_{}", locale.as_str()),
                    &activities,
                    Output { format, locale, rows, ..Output::default() },
                );
            }
        }
        write(&folder, name, &activities, Output { format: Format::Jsonl, ..Output::default() });
    }
    for format in [Format::Csv, Format::Xlsx, Format::Jsonl] {
        let output = Output { format, rows: Rows::Lines, ..Output::default() };
        write(&folder, "lines_en", &generated[..WITH_LINES], output);
    }
}

/// Returns an activity with texts as customer, partner user, reason, target, correlation id and source.
fn activity_of_texts(texts: &[String]) -> Activity {
    let text = |index: usize| texts.get(index);
    let record = serde_json::json!({
        "id": "e-1", "occurred_at": records::RECORDED_AT, "action": "order.created", "customer": {"id": "c", "name": text(0)},
        "actor": {"id": "a", "name": text(1)}, "reason": text(2), "target": {"name": text(3)}, "correlation_id": text(4), "source": text(5),
    });
    let now = Instant::parse(records::RECORDED_AT).unwrap();
    NewActivity::parse(&record.to_string(), now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
}

fn write(folder: &std::path::Path, name: &str, activities: &[Activity], output: Output) {
    let path = folder.join(format!("{name}.{}", output.extension()));
    let zone = Zone::parse("Asia/Kolkata").unwrap();
    let activities: Vec<Activity<&str>> = activities.iter().map(Activity::borrowed).collect();
    let rows = activities.iter().flat_map(|activity| {
        let lines = OrderLines::parse(activity, output);
        (0..lines.rows()).map(move |number| (activity, number))
    });
    if output.format == Format::Xlsx {
        let subscriptions = SubscriptionsUrl::new("https://portal.example/{customer}/subscriptions".to_owned());
        let recorded_at = Instant::parse(records::RECORDED_AT).unwrap();
        let partner = PartnerId::parse("contoso").unwrap();
        let asked = ExportRequest {
            from: Instant::parse("2026-10-01T00:00:00Z").unwrap(),
            to: recorded_at,
            time_zone: zone,
            filter: Filter::default(),
            output,
        };
        let limits = WorkbookLimits::default();
        let mut book = Workbook::new(&partner, &asked, recorded_at, &subscriptions, limits).unwrap();
        for (activity, number) in rows {
            book.write_row(activity, &OrderLines::parse(activity, output), number).unwrap();
        }
        return book.save(fs::File::create(path).unwrap()).unwrap();
    }
    let mut encoder = Encoder::new(output, zone).unwrap();
    let mut content = Vec::new();
    encoder.start_file(&mut content).unwrap();
    for (activity, number) in rows {
        encoder.write_row(&mut content, activity, &OrderLines::parse(activity, output), number).unwrap();
    }
    fs::write(path, content).unwrap();
}
