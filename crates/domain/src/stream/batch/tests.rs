use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    activity::{Activity, Details, NewActivity, PartnerId},
    stream::{
        DestinationRules, Framing, LogSource, MaskedField, S3Destination, StreamChange, StreamFormat, StreamSettings,
        arn::Arn,
    },
    time::Instant,
};

const URL: &str = "https://api.example/v1/details";
const HOST: &str = "api.example";

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn settings(destination: &str) -> StreamSettings {
    let json = format!(r#"{{"name":"SIEM","destination":{destination}}}"#);
    StreamChange::parse(&json, None, &DestinationRules::default(), Instant::MIN).unwrap().settings
}

fn https(framing: &str) -> StreamSettings {
    settings(&format!(r#"{{"kind":"https","url":"https://siem.example/","framing":"{framing}"}}"#))
}

fn event_bridge() -> StreamSettings {
    settings(
        r#"{"kind":"eventbridge","bus_arn":"arn:aws:events:eu-west-3:123456789012:event-bus/x","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
    )
}

fn bucket() -> S3Destination {
    let role_arn = Arn::parse_role("arn:aws:iam::123456789012:role/x").unwrap();
    S3Destination { bucket: "contoso".to_owned(), prefix: "logs/".to_owned(), role_arn }
}

fn partner() -> PartnerId {
    PartnerId::parse("contoso").unwrap()
}

fn activity(details: usize) -> Activity {
    let json = json!({
        "id": "e-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created", "status": "failed",
        "actor": {"id": "ana", "ip": "203.0.113.7"}, "reason": "No credit", "details": {"text": "x".repeat(details)},
    });
    let now = at("2026-11-02T12:00:00Z");
    NewActivity::parse(&json.to_string(), now).unwrap().into_activity(partner(), now)
}

fn written(settings: &StreamSettings, activity: &Activity) -> Value {
    let document = DocumentWriter::new(settings).write(&activity.borrowed(), URL).unwrap();
    serde_json::from_str(&document.json).unwrap()
}

/// A document of a size at an instant.
fn document(bytes: usize, at: Instant) -> ActivityDocument {
    let json = format!("{{\"x\":\"{}\"}}", "x".repeat(bytes.saturating_sub(8)));
    ActivityDocument {
        occurred_at: at,
        recorded_at: at,
        action: "order.created".to_owned(),
        json,
        without_details: None,
    }
}

#[test]
fn details_are_sent_only_where_they_are_wanted() {
    let without = https("lines");
    let with = StreamSettings { details: true, ..without.clone() };
    let masked = StreamSettings { mask: vec![MaskedField::Details], ..with.clone() };
    for (settings, needed) in [(&without, false), (&with, true), (&masked, false)] {
        assert_eq!(DocumentWriter::new(settings).needs_details(), needed);
        let shown = written(settings, &activity(9));
        assert_eq!(shown.get("details").is_some(), needed);
        assert_eq!((&shown["has_details"], shown.get("details_url")), (&true.into(), None));
        let ocsf = StreamSettings { format: StreamFormat::Ocsf, ..settings.clone() };
        let event = written(&ocsf, &activity(9));
        assert_eq!(event["unmapped"].get("details").is_some(), needed);
        assert_eq!(event["unmapped"].get("details_size").is_some(), !needed);
        assert_eq!(event["unmapped"].get("details_url"), None);
    }
    let message = StreamSettings { details: true, ..https("slack") };
    assert!(!DocumentWriter::new(&message).needs_details());
}

#[test]
fn large_details_have_an_address_in_their_place() {
    let to_bus = StreamSettings { details: true, ..event_bridge() };
    let to_server = StreamSettings { details: true, ..https("array") };
    for (settings, small, large) in [(&to_bus, 250_000, 263_000), (&to_server, 990_000, 1_000_000)] {
        assert!(written(settings, &activity(small))["details"].is_object());
        let shown = written(settings, &activity(large));
        assert_eq!((&shown["details"], &shown["details_url"]), (&Value::Null, &URL.into()));
        assert_eq!(shown["details_size"], large + 11);
        let ocsf = StreamSettings { format: StreamFormat::Ocsf, ..settings.clone() };
        let event = written(&ocsf, &activity(large));
        assert_eq!((event["unmapped"].get("details"), &event["unmapped"]["details_url"]), (None, &URL.into()));
    }
    let apart = Activity { details: Details::Apart(5_000_000), ..activity(1) };
    assert_eq!(written(&to_server, &apart)["details_url"], URL, "details that were not read");
    let none = Activity { details: Details::None, ..activity(1) };
    assert_eq!(written(&to_server, &none).get("details_url"), None);
}

#[test]
fn masks_hold_in_both_formats_and_in_messages() {
    let mask = vec![MaskedField::ActorIp, MaskedField::ActorId, MaskedField::Reason];
    for (framing, format) in [
        ("array", StreamFormat::Daybook),
        ("array", StreamFormat::Ocsf),
        ("slack", StreamFormat::Daybook),
        ("teams", StreamFormat::Daybook),
    ] {
        let settings = StreamSettings { format, mask: mask.clone(), ..https(framing) };
        let text = written(&settings, &activity(1)).to_string();
        for hidden in ["203.0.113.7", "\"ana\"", "By: ana", "No credit"] {
            assert!(!text.contains(hidden), "{framing} {hidden}: {text}");
        }
        assert!(text.contains("(masked)"), "{text}");
    }
}

#[test]
fn entries_of_the_audit_have_their_own_form() {
    let settings = StreamSettings { source: LogSource::Audit, ..https("lines") };
    let entry = written(&settings, &activity(1));
    assert_eq!((entry.get("url"), &entry["partner_id"]), (None, &"contoso".into()));
    assert_eq!(entry["action"], "order.created");
    let of_1970 = [document(20, at("1970-01-01T00:00:00Z"))];
    let batch = take_http_batch(&of_1970, &settings, Framing::SplunkHec, HOST).unwrap();
    assert!(batch.body.contains(r#""sourcetype":"daybook:audit""#));
    assert!(batch.body.contains(r#""time":0.000000,"#), "{}", batch.body);
}

#[test]
fn each_framing_has_its_form() {
    let documents = [document(9, at("2026-11-02T09:30:00.000001Z")), document(10, at("1969-12-31T23:59:58.5Z"))];
    for (framing, format, content_type, count, body) in [
        (Framing::Array, StreamFormat::Daybook, "application/json", 2, r#"[{"x":"x"},{"x":"xx"}]"#),
        (Framing::Lines, StreamFormat::Daybook, "application/x-ndjson", 2, "{\"x\":\"x\"}\n{\"x\":\"xx\"}\n"),
        (
            Framing::SplunkHec,
            StreamFormat::Daybook,
            "application/json",
            2,
            "{\"time\":1793611800.000001,\"host\":\"api.example\",\"source\":\"daybook\",\"sourcetype\":\"daybook:activity\",\"event\":{\"x\":\"x\"}}\n\
             {\"time\":-1.500000,\"host\":\"api.example\",\"source\":\"daybook\",\"sourcetype\":\"daybook:activity\",\"event\":{\"x\":\"xx\"}}\n",
        ),
        (
            Framing::SplunkHec,
            StreamFormat::Ocsf,
            "application/json",
            2,
            "{\"time\":1793611800.000001,\"host\":\"api.example\",\"source\":\"daybook\",\"sourcetype\":\"ocsf\",\"event\":{\"x\":\"x\"}}\n\
             {\"time\":-1.500000,\"host\":\"api.example\",\"source\":\"daybook\",\"sourcetype\":\"ocsf\",\"event\":{\"x\":\"xx\"}}\n",
        ),
        (Framing::Slack, StreamFormat::Daybook, "application/json", 1, r#"{"x":"x"}"#),
        (Framing::Teams, StreamFormat::Daybook, "application/json", 1, r#"{"x":"x"}"#),
    ] {
        let settings = StreamSettings { format, ..https("array") };
        let batch = take_http_batch(&documents, &settings, framing, HOST).unwrap();
        assert_eq!(batch, HttpBatch { count, content_type, body: body.to_owned() });
        assert_eq!(take_http_batch(&[], &settings, framing, HOST), None);
    }
}

#[test]
fn keys_of_objects_name_partner_hour_and_batch() {
    let documents = [document(9, at("2026-11-02T09:59:59.9Z")), document(9, at("2026-11-02T10:00:00Z"))];
    let take =
        |position: &str| take_object_batch(&documents, &bucket(), &partner(), position, ObjectHour::Recorded).unwrap();
    // The digest comes from Python.
    let batch = take("2026-11-02T09:59:59.900Z#x:1");
    assert_eq!(batch.count, 1, "an object has one hour");
    assert_eq!(
        batch.key,
        "logs/partner=contoso/date=2026-11-02/hour=09/20261102T095959900Z-ef6b080c194f4c16-1.jsonl.gz"
    );
    assert_eq!(batch, take("2026-11-02T09:59:59.900Z#x:1"), "a repeat replaces itself");
    assert_ne!(batch.key, take("2026-11-02T09:59:59.900Z#x_1").key);
    let late =
        [ActivityDocument { occurred_at: at("2026-10-01T00:00:00Z"), ..document(9, at("2026-11-02T09:59:59.9Z")) }];
    let replayed = take_object_batch(&late, &bucket(), &partner(), "p", ObjectHour::Occurred).unwrap();
    assert!(replayed.key.starts_with("logs/partner=contoso/date=2026-10-01/hour=00/20261001T000000000Z-"));
    assert_eq!(take_object_batch(&[], &bucket(), &partner(), "p", ObjectHour::Recorded), None);
}

#[test]
fn entries_count_as_event_bridge_counts() {
    let documents: Vec<_> = (0..12).map(|_| document(100, at("2026-11-02T09:30:00Z"))).collect();
    let entries = take_entries(&documents);
    assert_eq!(entries.len(), MAX_ENTRIES);
    // 14 for the time, then "daybook", "order.created" and the JSON.
    assert_eq!(entries[0].size(), 14 + 7 + 13 + 100);
    let eight: Vec<_> = (0..8).map(|_| document(64 * 1_024 - 34, at("2026-11-02T09:30:00Z"))).collect();
    assert_eq!(take_entries(&eight).len(), 3, "four would be the limit itself");
    let accented = ActivityDocument { json: "\"é\"".to_owned(), ..document(9, Instant::MIN) };
    assert_eq!(take_entries(&[accented])[0].size(), 14 + 7 + 13 + 4, "bytes count, not characters");
    assert!(take_entries(&[]).is_empty());
}

#[test]
fn limits_of_a_batch_are_inclusive() {
    let count = |documents: &[ActivityDocument]| count_fitting(documents.iter(), |document| document.json.len());
    let many: Vec<_> = (0..MAX_BATCH_ACTIVITIES + 1).map(|_| document(10, Instant::MIN)).collect();
    assert_eq!(count(&many), MAX_BATCH_ACTIVITIES);
    let half = MAX_BATCH_BYTES / 2;
    assert_eq!(count(&[document(half, Instant::MIN), document(half, Instant::MIN)]), 2);
    assert_eq!(count(&[document(half, Instant::MIN), document(half + 1, Instant::MIN)]), 1);
    assert_eq!(count(&[document(MAX_BATCH_BYTES + 1, Instant::MIN)]), 1, "a stream must not stand still");
}

#[test]
fn ends_of_lines_count_to_the_size_of_an_object() {
    let count = |bytes: usize| {
        let two = [document(bytes, Instant::MIN), document(bytes, Instant::MIN)];
        take_object_batch(&two, &bucket(), &partner(), "p", ObjectHour::Recorded).unwrap().count
    };
    assert_eq!((count(MAX_BATCH_BYTES / 2 - 1), count(MAX_BATCH_BYTES / 2)), (2, 1));
}

/// Documents whose sizes lie around the limits, in the order of time.
fn documents() -> impl Strategy<Value = Vec<ActivityDocument>> {
    let size =
        prop_oneof![4 => 9..2_000_usize, 1 => 100_000..400_000_usize, 1 => Just(MAX_BATCH_BYTES - ENVELOPE_BYTES)];
    let one = (size, 0..4_000_000_000_i64);
    (prop::collection::vec(one, 0..30), 1..40_usize).prop_map(|(ones, times)| {
        let mut micros = 0;
        let several = ones.iter().flat_map(|one| std::iter::repeat_n(one, if one.0 < 2_000 { times } else { 1 }));
        several
            .map(|(size, step)| {
                micros += step;
                document(*size, Instant::from_micros(micros).unwrap())
            })
            .collect()
    })
}

/// Returns the documents of a body.
fn documents_of(framing: Framing, body: &str) -> Vec<String> {
    let lines = || body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    match framing {
        Framing::Array => serde_json::from_str::<Vec<Value>>(body).unwrap().iter().map(Value::to_string).collect(),
        Framing::Lines => lines().map(|line| line.to_string()).collect(),
        Framing::SplunkHec => lines().map(|line| line["event"].to_string()).collect(),
        Framing::Slack | Framing::Teams => vec![body.to_owned()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(amounts::amount("STREAM_BATCHES", 40, 1_000)).unwrap()))]

    #[test]
    fn batches_carry_every_activity_once_and_in_order(all in documents(), number in 0..3_usize) {
        let framing = [Framing::Array, Framing::Lines, Framing::SplunkHec][number];
        let settings = https("array");
        let (mut rest, mut seen) = (all.as_slice(), Vec::new());
        while let Some(batch) = take_http_batch(rest, &settings, framing, HOST) {
            prop_assert!((1..=MAX_BATCH_ACTIVITIES).contains(&batch.count));
            prop_assert!(batch.body.len() <= MAX_BATCH_BYTES, "{}", batch.body.len());
            if let Some(next) = rest.get(batch.count) {
                let is_full = batch.body.len() + next.json.len() + ENVELOPE_BYTES > MAX_BATCH_BYTES;
                prop_assert!(is_full || batch.count == MAX_BATCH_ACTIVITIES, "a batch takes what fits");
            }
            let found = documents_of(framing, &batch.body);
            prop_assert_eq!(found.len(), batch.count);
            seen.extend(found);
            rest = &rest[batch.count..];
        }
        prop_assert!(seen.iter().eq(all.iter().map(|document| &document.json)));
    }

    #[test]
    fn objects_carry_every_activity_once_and_in_order(all in documents()) {
        let (mut rest, mut seen, mut keys) = (all.as_slice(), Vec::new(), std::collections::HashSet::new());
        let mut position = 0;
        let take = |rest: &[ActivityDocument], position: usize| {
            take_object_batch(rest, &bucket(), &partner(), &position.to_string(), ObjectHour::Recorded)
        };
        while let Some(batch) = take(rest, position) {
            prop_assert_eq!(&take(rest, position).unwrap(), &batch);
            prop_assert!(batch.lines.len() <= MAX_BATCH_BYTES && batch.count <= MAX_BATCH_ACTIVITIES);
            let hour = |document: &ActivityDocument| document.recorded_at.seconds() / 3_600;
            prop_assert!(rest[..batch.count].iter().all(|document| hour(document) == hour(&rest[0])));
            prop_assert!(keys.insert(batch.key), "no batch replaces another");
            seen.extend(batch.lines.lines().map(str::to_owned));
            rest = &rest[batch.count..];
            position += batch.count;
        }
        prop_assert!(seen.iter().eq(all.iter().map(|document| &document.json)));
    }

    #[test]
    fn calls_carry_every_entry_once_and_in_order(all in documents()) {
        let all: Vec<_> = all.into_iter().filter(|document| document.json.len() <= event_bridge::MAX_DETAIL_BYTES).collect();
        let (mut rest, mut seen) = (all.as_slice(), Vec::new());
        while !rest.is_empty() {
            let entries = take_entries(rest);
            let total: usize = entries.iter().map(EventEntry::size).sum();
            prop_assert!((1..=MAX_ENTRIES).contains(&entries.len()) && total < MAX_ENTRIES_BYTES);
            if let (Some(next), true) = (rest.get(entries.len()), entries.len() < MAX_ENTRIES) {
                prop_assert!(total + next.json.len() + next.action.len() + 21 >= MAX_ENTRIES_BYTES);
            }
            seen.extend(entries.iter().map(|entry| entry.detail.to_owned()));
            rest = &rest[entries.len()..];
        }
        prop_assert!(seen.iter().eq(all.iter().map(|document| &document.json)));
    }
}
