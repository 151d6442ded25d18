//! Documents of generated activities: valid, small enough, masked.

use amounts::amount;
use domain::{
    activity::{Activity, Status},
    ocsf::ActivityKind,
    stream::{
        DestinationRules, MaskedField, StreamChange, StreamFormat, StreamSettings,
        batch::{DocumentWriter, MAX_BATCH_BYTES},
    },
    time::Instant,
};
use proptest::{prelude::*, sample::subsequence};
use serde_json::{Value, json};

use crate::activities::{activity, recorded};

const URL: &str = "https://api.example/details";
const MASK: [MaskedField; 10] = [
    MaskedField::ActorId,
    MaskedField::ActorName,
    MaskedField::ActorIp,
    MaskedField::ActorUserAgent,
    MaskedField::CustomerName,
    MaskedField::TargetId,
    MaskedField::TargetName,
    MaskedField::Reason,
    MaskedField::Changes,
    MaskedField::Details,
];

/// The settings of a stream to an HTTPS server.
fn settings(format: StreamFormat, framing: &str, mask: Vec<MaskedField>, details: bool) -> StreamSettings {
    let json =
        json!({"name": "SIEM", "destination": {"kind": "https", "url": "https://siem.example/", "framing": framing}});
    let change = StreamChange::parse(&json.to_string(), None, &DestinationRules::default(), Instant::MIN).unwrap();
    StreamSettings { format, mask, details, ..change.settings }
}

fn written(settings: &StreamSettings, activity: &Activity) -> Value {
    let document = DocumentWriter::new(settings).write(&activity.borrowed(), URL).unwrap();
    assert!(document.json.len() <= MAX_BATCH_BYTES && !document.json.contains(['\n', '\r']), "{}", document.json);
    serde_json::from_str(&document.json).unwrap()
}

/// The places of a masked field in both formats.
fn places(field: MaskedField) -> &'static [&'static str] {
    match field {
        MaskedField::ActorId => &[],
        MaskedField::ActorName => &["/actor/name", "/actor/user/name", "/actor/app_name"],
        MaskedField::ActorIp => &["/actor/ip", "/src_endpoint/ip", "/unmapped/actor_ip"],
        MaskedField::ActorUserAgent => &["/actor/user_agent", "/http_request"],
        MaskedField::CustomerName => &["/customer/name"],
        MaskedField::TargetId => &["/target/id"],
        MaskedField::TargetName => &["/target/name"],
        MaskedField::Reason => &["/reason", "/status_detail"],
        MaskedField::Changes => &["/changes", "/unmapped/changes"],
        MaskedField::Details => &["/details", "/lines", "/details_url", "/unmapped/details", "/unmapped/lines"],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(amount("STREAM_DOCUMENTS", 200, 10_000)).unwrap()))]

    #[test]
    fn every_activity_becomes_a_document_of_its_format(activity in activity(), details in any::<bool>()) {
        let shown = written(&settings(StreamFormat::Daybook, "lines", Vec::new(), details), &activity);
        prop_assert_eq!(&shown["id"], activity.id.as_str());
        prop_assert_eq!(&shown["occurred_at"], &activity.occurred_at.to_string());
        if details {
            // A stream shows what a list shows, and the address of details that were not read.
            let mut listed = serde_json::to_value(&activity).unwrap();
            if shown.get("details_url").is_some() {
                (listed["details"], listed["details_url"]) = (Value::Null, URL.into());
            }
            prop_assert_eq!(&shown, &listed);
        }
        let event = written(&settings(StreamFormat::Ocsf, "lines", Vec::new(), details), &activity);
        let kind = ActivityKind::of(activity.entry.action.as_str());
        prop_assert_eq!(&event["activity_id"], kind.id());
        prop_assert_eq!(&event["type_uid"], 600_300 + kind.id());
        prop_assert_eq!(&event["time"], activity.occurred_at.micros().div_euclid(1_000));
        prop_assert_eq!(event["status_id"] == 1, activity.entry.status == Status::Succeeded);
        let uid = format!("contoso/{}/{}", activity.occurred_at, activity.id);
        prop_assert_eq!(&event["metadata"]["uid"], &uid);
        for required in ["/actor", "/api/operation", "/metadata/product", "/metadata/version", "/src_endpoint", "/severity_id"] {
            prop_assert!(event.pointer(required).is_some(), "{}", required);
        }
        for framing in ["slack", "teams"] {
            written(&settings(StreamFormat::Daybook, framing, Vec::new(), details), &activity);
        }
    }

    #[test]
    fn masked_fields_are_in_no_format(activity in activity(), mask in subsequence(MASK.to_vec(), 0..=MASK.len())) {
        for format in [StreamFormat::Daybook, StreamFormat::Ocsf] {
            let shown = written(&settings(format, "lines", mask.clone(), true), &activity);
            for field in &mask {
                for place in places(*field) {
                    let found = shown.pointer(place);
                    prop_assert!(found.is_none_or(Value::is_null), "{:?} {} {:?}", field, place, found);
                }
            }
            if mask.contains(&MaskedField::ActorId) && !activity.entry.actor.id.is_empty() {
                let ids = ["/actor/id", "/actor/user/uid", "/actor/app_uid"].map(|place| shown.pointer(place).cloned());
                prop_assert_eq!(ids.into_iter().flatten().collect::<Vec<_>>(), ["(masked)"]);
            }
        }
    }
}

#[test]
fn an_event_of_ocsf_names_customer_and_target_without_masked_names() {
    let activity = recorded(&json!({
        "occurred_at": "2026-11-02T09:30:00Z", "action": "order.created", "actor": {"id": "a"},
        "customer": {"id": "c", "name": "hidden"}, "target": {"type": "user", "id": "hidden", "name": "hidden"},
    }));
    let mask = vec![MaskedField::CustomerName, MaskedField::TargetId, MaskedField::TargetName];
    let event = written(&settings(StreamFormat::Ocsf, "lines", mask, false), &activity);
    assert_eq!(event["resources"], json!([{"type": "customer", "uid": "c"}]));
    assert_eq!(event["unmapped"]["target_type"], "user");
}
