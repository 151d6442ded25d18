//! Records for tests of files: generated ones with texts that spreadsheets change, and real ones.
//!
//! The example `files` uses them, too, and writes files for other programs to read.

use std::{fs, path::PathBuf};

use domain::{
    activity::{Activity, NewActivity, PartnerId},
    time::Instant,
};
use harness::Random;
use serde_json::{Value, json};

/// The instant at which the records are recorded.
pub(crate) const RECORDED_AT: &str = "2026-11-02T12:00:00Z";

/// Texts that spreadsheets change, run, cut or reverse.
const PIECES: [&str; 52] = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://x.example\";\"y\")",
    "+33 6 12 34",
    "+1-1",
    "-12.50",
    "-12,50",
    "-",
    "@SUM(A1)",
    "\tindented",
    "tab\tinside",
    "'quoted",
    "''twice",
    "0042",
    "00000000000000000000",
    "1234567890123456",
    "123837392027",
    "73928e05",
    "1E5",
    "12,5",
    "1.5",
    "2026-11-02",
    "say \"hi\"; then, go",
    "\"",
    "two\r\nlines",
    "one\nline\n\nmore",
    "\nfirst",
    "Société de l'Été",
    "Ångström Žluťoučký",
    "＝1",
    "日本 😀 👩‍👩‍👧",
    "שלום עולם",
    "مرحبا, بالعالم",
    " spaces  around ",
    "_x0041_ and _x000D_",
    "&amp; <b>",
    "\u{feff}mark",
    "\u{a0}no break\u{2028}",
    "TRUE",
    "vrai",
    "#N/A",
    "a;=1+1;b",
    "a,=1+1,\"b\"",
    "Mar-1",
    "5 mai",
    "1/2",
    "50%",
    "10:30",
    "(5)",
    "1 234,5",
    "escape\u{1b}[1m and null\0",
    "a, - item",
];

/// Draws a text that spreadsheets change.
fn piece(random: &mut Random) -> String {
    let mut text = PIECES[random.below(PIECES.len())].to_owned();
    if random.below(4) == 0 {
        text.push_str(PIECES[random.below(PIECES.len())]);
    }
    text
}

/// Generates records from a seed, oldest first. One in a thousand has details that are too long for a cell.
pub(crate) fn generated(count: usize, seed: u64) -> Vec<Activity> {
    let mut random = Random::new(seed);
    let first = Instant::parse("2026-09-20T00:00:00Z").unwrap();
    (0..count)
        .map(|number| {
            let moment = first.micros() + number as i64 * 170_000_000 + random.below(170_000_000) as i64;
            let action = ["order.created", "x.y", "subscription.updated"][random.below(3)];
            let status = ["succeeded", "failed", "in_progress", "declined"][random.below(4)];
            let mut record = json!({
                "id": format!("e-{number:06}"),
                "occurred_at": Instant::from_micros(moment).unwrap(),
                "action": action,
                "status": status,
                "actor": {"id": piece(&mut random), "name": piece(&mut random)},
                "target": {"type": "order", "id": piece(&mut random), "name": piece(&mut random)},
            });
            if random.below(3) == 0 {
                record["reason"] = json!(piece(&mut random));
                record["source"] = json!(piece(&mut random));
                record["changes"] = json!([{"field": piece(&mut random), "old": piece(&mut random), "new": random.below(9)}, {"field": "note"}]);
            }
            if random.below(10) > 0 {
                record["customer"] = json!({"id": piece(&mut random), "name": piece(&mut random)});
            }
            if number % 1_000 == 500 {
                record["details"] = json!({"text": "é".repeat(40_000)});
            } else if random.below(3) > 0 {
                let lines: Vec<Value> = (0..random.below(4))
                    .map(|_| {
                        json!({"product": piece(&mut random), "quantity": random.below(500), "unit_price": format!("-{}.{:02}", random.below(90), random.below(100)),
                            "currency": "EUR", "subscription_id": piece(&mut random)})
                    })
                    .collect();
                record["details"] = json!({"note": piece(&mut random), "lines": lines});
            }
            recorded(&record.to_string())
        })
        .collect()
}

/// Reads real records, oldest first, if their file exists: audit records with the record itself as details.
pub(crate) fn real() -> Option<Vec<Activity>> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/cloudtrail.jsonl"));
    let text = fs::read_to_string(path).ok()?;
    let mut records: Vec<Activity> = text.lines().map(real_record).collect();
    records.sort_by(|a, b| (a.occurred_at, a.id.as_str()).cmp(&(b.occurred_at, b.id.as_str())));
    Some(records)
}

fn real_record(line: &str) -> Activity {
    let record: Value = serde_json::from_str(line).unwrap();
    let who = &record["userIdentity"];
    let id = ["arn", "principalId", "invokedBy"].iter().find_map(|member| who[member].as_str()).unwrap();
    let source = record["eventSource"].as_str().unwrap().split('.').next().unwrap();
    let name = record["eventName"].as_str().unwrap();
    let mut activity = json!({
        "id": record["eventID"],
        "occurred_at": record["eventTime"],
        "customer": {"id": record["recipientAccountId"]},
        "action": format!("{source}.{name}").to_lowercase().replace('-', "_"),
        "status": if record.get("errorCode").is_some() { "failed" } else { "succeeded" },
        "actor": {"id": id, "name": who["userName"], "user_agent": record["userAgent"]},
    });
    if let Some(resource) = record["resources"].get(0) {
        activity["target"] = json!({"id": resource["ARN"], "type": resource["type"]});
    }
    let text = activity.to_string();
    recorded(&format!("{},\"details\":{line}}}", &text[..text.len() - 1]))
}

fn recorded(record: &str) -> Activity {
    let now = Instant::parse(RECORDED_AT).unwrap();
    let new = NewActivity::parse(record, now.plus_seconds(400 * 86_400)).unwrap();
    new.into_activity(PartnerId::parse("contoso").unwrap(), now)
}
