//! The fuzz targets, and the properties that hold for every input.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;

use std::net::IpAddr;

use domain::{
    activity::{Activity, NewActivity, PartnerId, RecordRequest, Rejection, cloud_events::EventHeaders},
    job::{Format, Output, Rows},
    locale::Locale,
    recipient::{Reach, Recipient},
    time::{Instant, Zone},
};
use export::{Encoder, OrderLines};
use fuzz::run;
use serde_json::{Map, Value, json, value::RawValue};

fn now() -> Instant {
    Instant::parse("2026-11-02T12:00:00Z").unwrap()
}

fn recorded(new: NewActivity) -> Activity {
    new.into_activity(PartnerId::parse("contoso").unwrap(), now())
}

/// Returns the reasons of a rejection, without the values in them.
fn reasons(rejection: &Rejection) -> String {
    let faults = rejection.faults();
    assert!(!faults.is_empty());
    for fault in faults {
        assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "{fault:?}");
        assert!(!fault.detail.is_empty() && fault.detail.len() < 2_000, "{fault:?}");
    }
    faults.iter().map(|fault| outline(&fault.detail)).collect()
}

/// Returns a text without digits, and with one letter for each quoted part.
fn outline(text: &str) -> String {
    let mut outline = String::new();
    for (number, part) in text.split(['"', '`', '\'']).enumerate() {
        match number % 2 {
            0 => outline.extend(part.chars().filter(|char| !char.is_ascii_digit())),
            _ => outline.push('_'),
        }
    }
    outline
}

const ACTIVITY_PIECES: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "{\"activities\":[",
    "\"details\":{",
    "\"changes\":[{\"field\":\"q\",\"old\":1,\"new\":2}]",
    "\"id\":\"e-1\"",
    "\"occurred_at\":\"2026-11-02T09:30:00Z\"",
    "\"action\":\"order.created\"",
    "\"actor\":{\"id\":\"a\"}",
    "\"customer\":{\"id\":\"c\"}",
    "\"target\":{\"type\":\"t\"}",
    "\"status\":\"failed\"",
    "\"specversion\":\"1.0\"",
    "\"data\":{",
    "\"type\":\"x.y\"",
    "\"time\":\"2026-11-02T09:30:00+01:00\"",
    "null",
    "true",
    "-0.0",
    "1E400",
    "12345678901234567890",
    "\"\\ud83d\\ude00\"",
];

/// Checks an accepted activity: the API's own form of the activity is accepted as the same, and all ids are within limits.
fn check_accepted(json: &str, new: NewActivity) -> String {
    let digest = new.digest;
    let (had_id, had_details) = (new.id.is_some(), new.details.is_some());
    let activity = recorded(new);
    let shown = serde_json::to_string(&activity).unwrap();
    let mut fields: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(&shown).unwrap();
    for ours in ["recorded_at", "partner_id", "has_details", "details_size", "url"] {
        assert!(fields.remove(ours).is_some(), "{ours}");
    }
    // Only orders have sums of lines.
    fields.remove("lines");
    if !had_id {
        fields.remove("id");
    }
    let again = NewActivity::parse(&serde_json::to_string(&fields).unwrap(), now());
    let again =
        again.unwrap_or_else(|why| panic!("{json}\nwas accepted, but not in the API's own form\n{shown}\n{why:?}"));
    assert_eq!(again.digest, digest, "{json}\n{shown}");
    let entry = &activity.entry;
    let ids = [Some(&entry.actor.id), entry.customer.as_ref().map(|customer| &customer.id)];
    assert!(ids.into_iter().flatten().all(|id| !id.is_empty() && id.chars().count() <= 128), "{shown}");
    format!("accepted {had_id} {had_details} {} {}", entry.customer.is_some(), entry.changes.is_some())
}

#[test]
fn activity() {
    run("activity", &ACTIVITY_PIECES, |input| {
        let Ok(json) = std::str::from_utf8(input) else { return String::new() };
        let mut result = String::new();
        let headers =
            [("ce-specversion", "1.0"), ("ce-id", "e-1"), ("ce-source", "s"), ("ce-type", "x.y"), ("ce-time", json)];
        let binary = EventHeaders::find(headers.into_iter().map(|(name, value)| (name, value.as_bytes())));
        for (media_type, event) in [
            ("application/json", None),
            ("application/cloudevents+json", None),
            ("application/cloudevents-batch+json", None),
            ("application/json", binary.as_ref()),
        ] {
            match RecordRequest::parse(json, media_type, event) {
                Err(rejection) => result += &reasons(&rejection),
                Ok(request) => {
                    let sent = match request {
                        RecordRequest::One(sent) => vec![sent],
                        RecordRequest::Many(sent) => sent,
                    };
                    for sent in sent.iter().take(20) {
                        result += &match sent.parse(now()) {
                            Ok(new) if media_type == "application/json" && event.is_none() => check_accepted(json, new),
                            Ok(_) => "accepted".to_owned(),
                            Err(rejection) => reasons(&rejection),
                        };
                    }
                }
            }
        }
        result
    });
}

const CELL_PIECES: [&str; 28] = [
    "=1+1",
    "+33",
    "-5",
    "@SUM(A1)",
    "＝",
    "\t",
    "\r",
    "\n",
    "'",
    "''",
    "\"",
    "\"\"",
    ",",
    ";",
    "0042",
    "12-",
    "1e5",
    "2026-11-02",
    "10:30",
    "1234567890123456",
    "-12.50",
    "😀",
    "\u{1}",
    " ",
    "Mar",
    "\u{1b}",
    "1/2",
    "{\"a\":",
];

/// Returns a cell as the rule of the documents undoes its guard.
fn undo_guard(cell: &str) -> String {
    let mut undone = cell.strip_prefix('\'').unwrap_or(cell).to_owned();
    for separator in [",'", ";'", "\t'", "\r'", "\n'"] {
        undone = undone.replace(separator, &separator[..1]);
    }
    undone
}

/// Returns a text with pictures of its control characters.
fn with_pictures(text: &str) -> String {
    let picture = |char: char| match char {
        '\t' | '\r' | '\n' => char,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(char)).unwrap(),
        '\u{7f}' => '\u{2421}',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        _ => char,
    };
    text.chars().map(picture).collect()
}

/// Returns whether a spreadsheet could run what stands behind a separator, wherever the separator is in a file.
fn starts_formula(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '"']);
    match rest.strip_prefix(['+', '-']) {
        // Numbers of JSON stay as they are. A bracket, a quotation mark or the end must follow the number.
        Some(number) => !number.starts_with(|char: char| char.is_ascii_digit()),
        None => rest.starts_with(['=', '@', '＝', '＋', '－', '＠']),
    }
}

/// Returns whether a spreadsheet would run a cell. The rule is simpler than the writer's guard and nowhere stricter.
fn is_formula(cell: &str) -> bool {
    let number = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let is_number =
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    cell.starts_with(['=', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
        || (cell.starts_with(['+', '-']) && !is_number)
}

#[test]
fn csv() {
    run("csv", &CELL_PIECES, |input| {
        let text = String::from_utf8_lossy(input);
        let mut texts = text.split('\u{1}').map(|text| text.chars().take(256).collect::<String>());
        let mut next = || texts.next().unwrap_or_default();
        let (customer, actor, target, kind, note) = (next(), next(), next(), next(), next());
        let lines: Vec<_> =
            (0..3).map(|_| json!({"product": next(), "unit_price": next(), "quantity": next()})).collect();
        let mut sent = Map::from_iter([
            ("occurred_at".to_owned(), json!("2026-11-02T09:30:00.123456Z")),
            ("action".to_owned(), json!("order.created")),
            ("details".to_owned(), json!({"note": note, "lines": lines})),
        ]);
        let named = |name: &str| if name.is_empty() { json!({"id": "x"}) } else { json!({"id": "x", "name": name}) };
        sent.insert("customer".to_owned(), named(&customer));
        sent.insert("actor".to_owned(), named(&actor));
        if !target.is_empty() && !kind.is_empty() {
            sent.insert("target".to_owned(), json!({"type": kind, "name": target}));
        }
        let sent = Value::Object(sent).to_string();
        let new = match NewActivity::parse(&sent, now()) {
            Ok(new) => new,
            Err(rejection) => return reasons(&rejection),
        };
        let activity = recorded(new);
        let activity = activity.borrowed();
        let mut result = String::new();
        for (locale, separator) in [(Locale::En, b','), (Locale::Fr, b';')] {
            for rows in [Rows::Activities, Rows::Lines] {
                let output = Output { format: Format::Csv, locale, rows, ..Output::default() };
                let mut encoder = Encoder::new(output, Zone::parse("Europe/Paris").unwrap()).unwrap();
                let mut file = Vec::new();
                encoder.start_file(&mut file).unwrap();
                let lines = OrderLines::parse(&activity, output);
                for number in 0..lines.rows() {
                    encoder.write_row(&mut file, &activity, &lines, number).unwrap();
                }
                let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap();
                let content = std::str::from_utf8(file).unwrap();
                for (at, separator) in content.match_indices([',', ';', '\t', '\r', '\n']) {
                    assert!(!starts_formula(&content[at + separator.len()..]), "{separator:?} at {at} of {content:?}");
                }
                let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(file);
                let width = reader.headers().unwrap().len();
                let records: Vec<_> = reader.records().map(|record| record.unwrap()).collect();
                assert_eq!(records.len(), lines.rows());
                for record in &records {
                    assert_eq!(record.len(), width);
                    for cell in record {
                        assert!(!is_formula(cell), "{cell:?} of {sent}");
                    }
                    let cell = |index: usize| undo_guard(&record[index]);
                    let or_id = |name: &str| if name.is_empty() { "x".to_owned() } else { with_pictures(name) };
                    assert_eq!((cell(1), cell(3)), (or_id(&customer), or_id(&actor)), "{sent}");
                    result += &format!("{:?}", record.iter().map(|cell| cell.starts_with('\'')).collect::<Vec<_>>());
                }
            }
        }
        result
    });
}

const URL_PIECES: [&str; 30] = [
    "https://",
    "http://",
    "mailto:",
    "//",
    "@",
    ":",
    "/",
    "?",
    "#",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "127.0.0.1",
    "0x7f.1",
    "2130706433",
    "017700000001",
    "169.254.169.254",
    "10.0.0.1",
    "localhost",
    "%31",
    "。",
    "①",
    "xn--",
    ".",
    "..",
    "\\",
    ":443",
    ":99999",
    "user:pass@",
    "\r\nBcc: x@y.z",
    "%0d%0a",
];

#[test]
fn recipient() {
    let reach = Reach::new(true, "");
    run("recipient", &URL_PIECES, |input| {
        let text = String::from_utf8_lossy(input);
        let recipient = match Recipient::parse(&text, &reach) {
            Ok(recipient) => recipient,
            Err(why) => return outline(&why),
        };
        let stored = recipient.to_string();
        assert!(!stored.chars().any(char::is_control), "{stored:?}");
        let read: Recipient = serde_json::from_value(json!(stored)).unwrap();
        assert_eq!(read, recipient);
        assert_eq!(Recipient::parse(&stored, &reach), Ok(recipient.clone()), "the stored form can be saved again");
        match recipient {
            Recipient::Webhook(url) => {
                assert_eq!(url.scheme(), "https");
                assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
                match url.host().unwrap() {
                    url::Host::Ipv4(address) => assert!(!is_internal(address.into()), "{url}"),
                    url::Host::Ipv6(address) => assert!(!is_internal(address.into()), "{url}"),
                    // The notifier checks the addresses of a name when it connects.
                    url::Host::Domain(name) => {
                        let name = name.trim_end_matches('.');
                        assert!(name.contains('.') && !name.ends_with(".localhost"), "{url}");
                    }
                }
                format!("webhook {:?} {}", url.host().map(|host| host.to_string().len()), url.query().is_some())
            }
            Recipient::Email(address) => {
                assert_eq!(address.matches('@').count(), 1, "{address}");
                assert!(
                    address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,;:\"()[]\\".contains(&byte)),
                    "{address}"
                );
                format!("e-mail {}", address.len())
            }
        }
    });
}

/// Returns whether an address is certainly internal, by the standard library alone.
fn is_internal(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    special
        || match address {
            IpAddr::V4(address) => {
                address.is_private() || address.is_link_local() || address.is_broadcast() || address.is_documentation()
            }
            IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
        }
}
