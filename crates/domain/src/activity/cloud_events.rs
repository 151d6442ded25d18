//! CloudEvents 1.0 in their JSON format, as an envelope of activities.
//!
//! The event's `data` is the activity. The attributes `id`, `time` and `type` give the activity's `id`, `occurred_at` and
//! `action`; `source` gives its `source` unless the data has one. Where the data repeats one of the first three, both must
//! agree. Other attributes and extensions are allowed and not kept, as the specification permits consumers to do.
//!
//! Source of the format: CloudEvents specification and JSON event format, version 1.0.2.

use std::borrow::Cow;

use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    ids::{Action, ActivityId},
    model::NewActivity,
    parse::Faults,
    wire::NewActivityJson,
};
use crate::{
    fault::Rejection,
    request_json::{Members, Object, from_json},
    text::quoted,
    time::Instant,
};

/// The media type of one event.
pub const ONE: &str = "application/cloudevents+json";
/// The media type of an array of events.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// The longest attribute name that an error repeats, in characters.
const MAX_SHOWN_NAME_CHARS: usize = 60;

/// A CloudEvent 1.0 with an activity as its data.
#[derive(Default, ToSchema)]
pub struct CloudEvent<'a> {
    /// `1.0`
    #[schema(required, value_type = String, pattern = "^1\\.0$")]
    specversion: Option<Cow<'a, str>>,
    /// The activity's id.
    #[schema(required, value_type = ActivityId)]
    id: Option<Cow<'a, str>>,
    /// The system that recorded the activity.
    #[schema(required, value_type = String, min_length = 1, max_length = 128)]
    source: Option<Cow<'a, str>>,
    /// The action.
    #[schema(required, rename = "type", value_type = Action)]
    kind: Option<Cow<'a, str>>,
    /// When the activity occurred.
    #[schema(required, value_type = Instant)]
    time: Option<Cow<'a, str>>,
    /// The activity, without the fields that the event's attributes give.
    #[schema(required, value_type = Object)]
    data: Option<&'a RawValue>,
}

/// Reads one event.
///
/// # Errors
/// All faults of the first kind that applies, each with a pointer into the event.
pub fn parse(json: &str, now: Instant) -> Result<NewActivity, Rejection> {
    let (event, data) = CloudEvent::read(json)?;
    event.merge_into(data, now)
}

impl<'a> CloudEvent<'a> {
    /// Reads the attributes and finds the data.
    fn read(json: &'a str) -> Result<(Self, &'a str), Rejection> {
        let Members(members) = from_json(json)?;
        let mut faults = Faults::default();
        let mut event = Self::default();
        for (name, value) in members {
            match &*name {
                "data" => event.data = Some(value),
                "data_base64" => {
                    faults.invalid("/data_base64", "cannot hold an activity: send the activity as JSON in data");
                }
                "specversion" => event.specversion = parse_text(value),
                "id" | "time" | "type" | "source" | "datacontenttype" => match (parse_text(value), &*name) {
                    (None, name) => faults.invalid(&format!("/{name}"), "must be a string"),
                    (Some(text), "id") => event.id = Some(text),
                    (Some(text), "time") => event.time = Some(text),
                    (Some(text), "type") => event.kind = Some(text),
                    (Some(text), "source") => event.source = Some(text),
                    (Some(text), name) => {
                        if !is_json_media_type(&text) {
                            let detail = format!("is {}: only JSON can hold an activity", quoted(&text));
                            faults.invalid(&format!("/{name}"), detail);
                        }
                    }
                },
                other if other.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) => {}
                other => {
                    let shown: String = other.chars().take(MAX_SHOWN_NAME_CHARS).collect();
                    let detail = "is not an attribute of a CloudEvent: attribute names consist of a-z and 0-9";
                    faults.invalid(&format!("/{shown}"), detail);
                }
            }
        }
        if event.specversion.as_deref() != Some("1.0") {
            faults.invalid("/specversion", "must be \"1.0\"");
        }
        for (pointer, given) in [("/id", &event.id), ("/source", &event.source), ("/type", &event.kind)] {
            if given.as_deref().is_none_or(str::is_empty) {
                faults.invalid(pointer, "is required in a CloudEvent and must not be empty");
            }
        }
        let data = event.data.map(RawValue::get).filter(|data| *data != "null");
        if data.is_none() {
            faults.invalid("/data", "is required: the activity");
        }
        faults.finish(data.map(|data| (event, data)))
    }

    /// Completes the data with the attributes and checks the activity.
    fn merge_into(self, data: &'a str, now: Instant) -> Result<NewActivity, Rejection> {
        let inside = |pointer: &str| format!("/data{pointer}");
        let Object(mut activity): Object<NewActivityJson<'_>> =
            from_json(data).map_err(|rejection| rejection.map_pointers(inside))?;
        let mut faults = Faults::default();
        for (pointer, own, given) in [
            ("/data/id", &mut activity.id, self.id),
            ("/data/occurred_at", &mut activity.occurred_at, self.time),
            ("/data/action", &mut activity.action, self.kind),
        ] {
            match (own.as_deref(), given) {
                (Some(own), Some(given)) if *own != *given && !are_same_instant(own, &given) => {
                    faults.invalid(pointer, "differs from the event's attribute: leave it out of the data");
                }
                (_, Some(given)) => *own = Some(given),
                (_, None) => {}
            }
        }
        let has_own_source = activity.source.is_some();
        activity.source = activity.source.or(self.source);
        activity.check(now, faults).map_err(|rejection| {
            rejection.map_pointers(|pointer| match pointer {
                "/id" => "/id".to_owned(),
                "/occurred_at" => "/time".to_owned(),
                "/action" => "/type".to_owned(),
                "/source" if !has_own_source => "/source".to_owned(),
                found_above if found_above.starts_with("/data/") => found_above.to_owned(),
                other => inside(other),
            })
        })
    }
}

/// Tells whether two texts spell the same instant, perhaps with different offsets.
fn are_same_instant(a: &str, b: &str) -> bool {
    matches!((Instant::parse(a), Instant::parse(b)), (Ok(a), Ok(b)) if a == b)
}

fn is_json_media_type(text: &str) -> bool {
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

fn parse_text(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:00:00Z").unwrap()
    }

    fn read(event: &Value) -> Result<NewActivity, Rejection> {
        parse(&event.to_string(), now())
    }

    fn event(changes: &Value) -> Value {
        let mut event = json!({"specversion": "1.0", "id": "e-1", "source": "/portal", "type": "order.created",
            "time": "2026-11-02T09:30:00.123456Z", "datacontenttype": "application/json", "traceparent": "00-1-2-01",
            "data": {"actor": {"id": "ana"}, "details": {"a": 1}}});
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => event.as_object_mut().unwrap().remove(name),
                value => event.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        event
    }

    #[test]
    fn an_event_is_the_same_as_its_plain_activity() {
        let plain = r#"{"id": "e-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created", "source": "/portal",
            "actor": {"id": "ana"}, "details": {"a": 1}}"#;
        let plain = NewActivity::parse(plain, now()).unwrap();
        let sent = read(&event(&json!({}))).unwrap();
        assert_eq!((&sent.id, sent.occurred_at, sent.digest), (&plain.id, plain.occurred_at, plain.digest));
        let agreeing = json!({"actor": {"id": "ana"}, "details": {"a": 1}, "id": "e-1", "action": "order.created",
            "occurred_at": "2026-11-02T10:30:00.123456+01:00", "source": "/portal"});
        assert_eq!(read(&event(&json!({"data": agreeing}))).unwrap().digest, plain.digest);
        for media_type in ["application/json; charset=utf-8", "Application/Vnd.Contoso+JSON"] {
            assert!(read(&event(&json!({"datacontenttype": media_type}))).is_ok(), "{media_type}");
        }
        let own_source = json!({"actor": {"id": "ana"}, "source": "inner"});
        assert_eq!(read(&event(&json!({"data": own_source}))).unwrap().entry.source.as_deref(), Some("inner"));
    }

    #[test]
    fn faults_are_named_where_they_stand_in_the_event() {
        let actor = json!({"id": "ana"});
        let long = "x".repeat(129);
        for (changes, pointers) in [
            (json!({"specversion": "0.3"}), vec!["/specversion"]),
            (json!({"id": null, "source": null, "type": null}), vec!["/id", "/source", "/type"]),
            (json!({"id": ""}), vec!["/id"]),
            (json!({"id": 5}), vec!["/id", "/id"]),
            (json!({"id": "a/b"}), vec!["/id"]),
            (json!({"type": "Order"}), vec!["/type"]),
            (json!({"time": null}), vec!["/time"]),
            (json!({"time": "yesterday"}), vec!["/time"]),
            (json!({"source": long}), vec!["/source"]),
            (json!({"data": {"actor": actor, "source": long}}), vec!["/data/source"]),
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
        let with_null =
            parse(&event(&json!({})).to_string().replace(r#"{"actor":{"id":"ana"},"details":{"a":1}}"#, "null"), now());
        assert_eq!(with_null.unwrap_err().faults()[0].pointer, "/data");
        let far = read(&event(&json!({"time": "2030-01-01T00:00:00Z"}))).unwrap_err();
        assert!(matches!(&far, Rejection::Unprocessable(faults) if faults[0].pointer == "/time"));
    }
}
