//! CloudEvents 1.0 in their JSON format, as an envelope of activities.
//!
//! The event's `data` is the activity; `id`, `time` and `type` give its `id`, `occurred_at` and `action`, and `source` its
//! `source` where the data have none. Where the data repeat one of the first three, both must agree. Other attributes,
//! extensions included, are allowed and not kept, as the specification allows to consumers.
//!
//! Source of the format: CloudEvents specification and JSON event format, version 1.0.2.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    activity::{Envelope, Fault, Members, NewActivity, Rejection, from_json},
    text::quoted,
    time::Instant,
};

/// The media type of one event.
pub const ONE: &str = "application/cloudevents+json";
/// The media type of an array of events.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// Reads one event.
///
/// # Errors
/// All faults, each with a pointer into the event.
pub fn parse(json: &str, now: Instant) -> Result<NewActivity, Rejection> {
    let Members(members) = from_json(json)?;
    let mut faults = Vec::new();
    let mut fault = |name: &str, detail: String| faults.push(Fault { pointer: format!("/{name}"), detail });
    let mut envelope = Envelope::default();
    let (mut data, mut version) = (None, None);
    for (name, value) in &members {
        match &**name {
            "data" => data = Some(value.get()),
            "data_base64" => fault("data_base64", "cannot hold an activity: send it as JSON in data".to_owned()),
            "specversion" => version = text(value),
            "id" | "time" | "type" | "source" | "datacontenttype" => match (text(value), &**name) {
                (None, name) => fault(name, "must be a text".to_owned()),
                (Some(text), "id") => envelope.id = Some(text),
                (Some(text), "time") => envelope.occurred_at = Some(text),
                (Some(text), "type") => envelope.action = Some(text),
                (Some(text), "source") => envelope.source = Some(text),
                (Some(text), name) => {
                    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                    if media_type != "application/json" && !media_type.ends_with("+json") {
                        fault(name, format!("is {}; only JSON can hold an activity", quoted(&text)));
                    }
                }
            },
            other if other.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) => {}
            other => {
                let shown: String = other.chars().take(60).collect();
                fault(&shown, "is no attribute of a CloudEvent: their names have a-z and 0-9 only".to_owned());
            }
        }
    }
    if version.as_deref() != Some("1.0") {
        fault("specversion", "must be \"1.0\"".to_owned());
    }
    for (name, given) in [("id", &envelope.id), ("source", &envelope.source), ("type", &envelope.action)] {
        if given.as_deref().is_none_or(str::is_empty) {
            fault(name, "is required in a CloudEvent and must not be empty".to_owned());
        }
    }
    let Some(data) = data.filter(|data| *data != "null") else {
        fault("data", "is required: the activity".to_owned());
        return Err(Rejection::Invalid(faults));
    };
    if !faults.is_empty() {
        return Err(Rejection::Invalid(faults));
    }
    NewActivity::within(envelope, data, now)
}

fn text<'a>(value: &'a RawValue) -> Option<Cow<'a, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'a>>(value.get()).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: &serde_json::Value) -> Result<NewActivity, Rejection> {
        parse(&event.to_string(), Instant::parse("2026-11-02T12:00:00Z").unwrap())
    }

    fn event(changes: &serde_json::Value) -> serde_json::Value {
        let mut event = json!({"specversion": "1.0", "id": "e-1", "source": "/portal", "type": "order.created",
            "time": "2026-11-02T09:30:00.123456Z", "datacontenttype": "application/json", "traceparent": "00-1-2-01",
            "data": {"actor": {"id": "ana"}, "details": {"a": 1}}});
        for (name, value) in changes.as_object().unwrap() {
            match value {
                serde_json::Value::Null => event.as_object_mut().unwrap().remove(name),
                value => event.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        event
    }

    #[test]
    fn an_event_is_the_same_activity_as_one_sent_plainly() {
        let plain = r#"{"id": "e-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created", "source": "/portal",
            "actor": {"id": "ana"}, "details": {"a": 1}}"#;
        let plain = NewActivity::parse(plain, Instant::parse("2026-11-02T12:00:00Z").unwrap()).unwrap();
        let sent = read(&event(&json!({}))).unwrap();
        assert_eq!((sent.id, sent.occurred_at, sent.digest), (plain.id, plain.occurred_at, plain.digest));
        let agreeing = json!({"actor": {"id": "ana"}, "details": {"a": 1}, "id": "e-1", "action": "order.created",
            "occurred_at": "2026-11-02T10:30:00.123456+01:00", "source": "/portal"});
        assert_eq!(read(&event(&json!({"data": agreeing}))).unwrap().digest, plain.digest);
    }

    #[test]
    fn every_fault_is_named_where_it_stands_in_the_event() {
        let actor = json!({"id": "ana"});
        for (changes, pointers) in [
            (json!({"specversion": "0.3"}), vec!["/specversion"]),
            (json!({"id": null, "source": null, "type": null}), vec!["/id", "/source", "/type"]),
            (json!({"id": 5}), vec!["/id", "/id"]),
            (json!({"id": "a/b"}), vec!["/id"]),
            (json!({"type": "Order"}), vec!["/type"]),
            (json!({"time": null}), vec!["/time"]),
            (json!({"time": "yesterday"}), vec!["/time"]),
            (json!({"data": null}), vec!["/data"]),
            (json!({"data": [1]}), vec!["/data"]),
            (json!({"data": {"actor": {}}}), vec!["/data/actor/id"]),
            (json!({"data": {"actor": actor, "colour": 1}}), vec!["/data/colour"]),
            (json!({"data": {"actor": actor, "id": "e-2"}}), vec!["/data/id"]),
            (json!({"data": {"actor": actor, "action": "order.updated"}}), vec!["/data/action"]),
            (json!({"data": {"actor": actor, "occurred_at": "2026-11-02T09:30:00Z"}}), vec!["/data/occurred_at"]),
            (json!({"datacontenttype": "text/xml"}), vec!["/datacontenttype"]),
            (json!({"data_base64": "e30="}), vec!["/data_base64"]),
            (json!({"Trace-Id": "x"}), vec!["/Trace-Id"]),
        ] {
            let rejection = read(&event(&changes)).unwrap_err();
            let found: Vec<&str> = rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{changes}");
        }
        let far = read(&event(&json!({"time": "2030-01-01T00:00:00Z"}))).unwrap_err();
        assert!(matches!(&far, Rejection::Unprocessable(faults) if faults[0].pointer == "/time"));
    }
}
