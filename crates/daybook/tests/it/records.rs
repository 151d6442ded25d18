//! Records for tests of files: made up from a seed, with everything that spreadsheets do to texts, and real ones.
//!
//! Used by the tests here and by the example `files`, which writes files for other programs to read.

use std::{fs, path::PathBuf};

use daybook::{
    activity::{Activity, NewActivity, PartnerId},
    period::Instant,
};
use serde_json::{Value, json};

/// When the records are recorded.
pub(crate) const RECORDED_AT: &str = "2026-11-02T12:00:00Z";

/// Texts that spreadsheets change, run, cut or show the wrong way round.
const PIECES: [&str; 40] = [
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
    "#N/A",
];

/// Numbers that only depend on their seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64: each state is the one before and a constant, each number a scrambled state.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut scrambled = self.0;
        scrambled = (scrambled ^ (scrambled >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        scrambled = (scrambled ^ (scrambled >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        scrambled ^ (scrambled >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn piece(&mut self) -> String {
        let mut text = PIECES[self.below(PIECES.len())].to_owned();
        if self.below(4) == 0 {
            text.push_str(PIECES[self.below(PIECES.len())]);
        }
        text
    }
}

/// Records made from a seed, oldest first; one in a thousand has details that no cell holds.
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
                "actor": {"id": random.piece(), "name": random.piece()},
                "target": {"type": "order", "id": random.piece(), "name": random.piece()},
            });
            if random.below(10) > 0 {
                record["customer"] = json!({"id": random.piece(), "name": random.piece()});
            }
            if number % 1_000 == 500 {
                record["details"] = json!({"text": "é".repeat(40_000)});
            } else if random.below(3) > 0 {
                let lines: Vec<Value> = (0..random.below(4))
                    .map(|_| {
                        json!({"product": random.piece(), "quantity": random.below(500), "unit_price": format!("-{}.{:02}", random.below(90), random.below(100)),
                            "currency": "EUR", "subscription_id": random.piece()})
                    })
                    .collect();
                record["details"] = json!({"note": random.piece(), "lines": lines});
            }
            recorded(&record.to_string())
        })
        .collect()
}

/// Real records, oldest first, if they are there: audit records whose fields stand for ours, with the record itself as
/// details.
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
