//! CloudEvents 1.0 as an envelope of activities: in their JSON format, or in the binary mode of HTTP.
//!
//! The event's `data` is the activity. The attributes `id`, `time` and `type` give the activity's `id`, `occurred_at` and
//! `action`; `source` gives its `source` unless the data has one. Where the data repeats one of the first three, both must
//! agree. Other attributes and extensions are allowed and not kept, as the specification permits consumers to do.
//!
//! In binary mode the attributes are headers, `ce-id` and so on, and the body is the data.
//!
//! Source of the formats: CloudEvents specification, JSON event format and HTTP protocol binding, version 1.0.2.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    ids::{Action, ActivityId},
    model::NewActivity,
    wire::NewActivityJson,
};
use crate::{
    fault::{Faults, Rejection, push_name},
    request_json::{Members, from_json, read_body},
    text::quoted,
    time::Instant,
};

/// The media type of one event.
pub const ONE: &str = "application/cloudevents+json";
/// The media type of an array of events.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// What the names of the headers of an event in binary mode begin with.
const HEADER_PREFIX: &str = "ce-";

/// A CloudEvent 1.0 with an activity as its data.
#[derive(Default, ToSchema)]
pub struct CloudEvent<'a> {
    /// `1.0`
    #[schema(required, value_type = String, pattern = "^1\\.0$")]
    specversion: Option<Cow<'a, str>>,
    /// The activity's id. Id and time together are its address.
    #[schema(required, value_type = ActivityId)]
    id: Option<Cow<'a, str>>,
    /// The system that recorded the activity.
    #[schema(required, value_type = String, min_length = 1, max_length = 128)]
    source: Option<Cow<'a, str>>,
    /// The action.
    #[schema(required, rename = "type", value_type = Action)]
    kind: Option<Cow<'a, str>>,
    /// When the activity occurred. Send the same time when you send the event again.
    #[schema(required, value_type = Instant)]
    time: Option<Cow<'a, str>>,
    /// The activity, without the fields that the event's attributes give.
    #[schema(required, value_type = Object)]
    data: Option<&'a RawValue>,
}

/// Where the attributes and the activity of an event stand in the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All in one JSON object.
    Structured,
    /// Attributes in headers, the activity in the body.
    Binary,
}

impl Mode {
    /// Returns the pointer to an attribute.
    fn attribute(self, name: &str) -> String {
        let mut pointer = String::new();
        match self {
            Self::Structured => push_name(&mut pointer, name),
            Self::Binary => push_name(&mut pointer, &format!("{HEADER_PREFIX}{name}")),
        }
        pointer
    }

    /// Returns the pointer to a field of the activity.
    fn inside(self, pointer: &str) -> String {
        match self {
            Self::Structured => format!("/data{pointer}"),
            Self::Binary => pointer.to_owned(),
        }
    }
}

/// The headers of a request that hold the attributes of an event in binary mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventHeaders(Vec<(String, Result<String, &'static str>)>);

impl EventHeaders {
    /// Finds the attributes among the headers of a request, whose names are in lower case.
    ///
    /// Returns none if no header holds an attribute that every event has: the request is no event then.
    pub fn find<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Option<Self> {
        let mut found: Vec<(String, Result<String, &'static str>)> = Vec::new();
        for (name, value) in headers {
            let Some(name) = name.strip_prefix(HEADER_PREFIX) else { continue };
            if !matches!(name, "specversion" | "id" | "source" | "type" | "time") {
                continue;
            }
            match found.iter_mut().find(|(known, _)| known == name) {
                Some((_, value)) => *value = Err("is given twice: send it once"),
                None => found.push((name.to_owned(), decode_header(value))),
            }
        }
        (!found.is_empty()).then_some(Self(found))
    }

    /// Returns the event's id, as it was sent.
    pub(super) fn id(&self) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == "id").and_then(|(_, value)| value.as_deref().ok())
    }
}

/// Decodes a header's value as the HTTP protocol binding says (section 3.1.3.2): first quotes, then percent-encoding.
fn decode_header(value: &[u8]) -> Result<String, &'static str> {
    let text = str::from_utf8(value).map_err(|_| "is not UTF-8: percent-encode it")?.trim();
    let unquoted = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        None => text.to_owned(),
        Some(quoted) => {
            let mut unquoted = String::with_capacity(quoted.len());
            let mut chars = quoted.chars();
            while let Some(char) = chars.next() {
                unquoted.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
            }
            unquoted
        }
    };
    let decoded = percent_decode_str(&unquoted).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| "is not UTF-8 once it is percent-decoded")
}

/// Reads one event in the JSON format.
///
/// # Errors
/// All faults, as the first kind that applies, each with a pointer into the event.
pub fn parse(json: &str, now: Instant) -> Result<NewActivity, Rejection> {
    let Members(members) = from_json(json)?;
    let mut faults = Faults::default();
    let event = CloudEvent::read(members, &mut faults);
    event.complete(Mode::Structured, now, faults)
}

/// Reads one event in binary mode.
///
/// # Errors
/// All faults, as the first kind that applies, each with a pointer to the header or into the body.
pub fn parse_binary(headers: &EventHeaders, json: &str, now: Instant) -> Result<NewActivity, Rejection> {
    let mut faults = Faults::default();
    let mut event = CloudEvent::default();
    for (name, value) in &headers.0 {
        match value {
            Ok(value) => event.set(name, Cow::Borrowed(value.as_str())),
            Err(fault) => faults.invalid(&Mode::Binary.attribute(name), *fault),
        }
    }
    let data: Result<&RawValue, Rejection> = from_json(json);
    match data {
        Ok(data) => event.data = Some(data),
        Err(rejection) => faults.append_rejection(rejection),
    }
    event.complete(Mode::Binary, now, faults)
}

impl<'a> CloudEvent<'a> {
    /// Reads the attributes and finds the data.
    fn read(members: Vec<(Cow<'a, str>, &'a RawValue)>, faults: &mut Faults) -> Self {
        let mut event = Self::default();
        let names: Vec<Cow<'a, str>> = members.iter().map(|(name, _)| name.clone()).collect();
        for (index, (name, value)) in members.into_iter().enumerate() {
            let pointer = Mode::Structured.attribute(&name);
            if names[..index].contains(&name) {
                faults.invalid(&pointer, "is given twice: send it once");
                continue;
            }
            match &*name {
                "data" => event.data = Some(value).filter(|data| data.get() != "null"),
                "data_base64" => {
                    faults.invalid(&pointer, "cannot hold an activity: send the activity as JSON in data");
                }
                "specversion" | "id" | "time" | "type" | "source" | "datacontenttype" => match parse_text(value) {
                    None => faults.invalid(&pointer, "must be a string"),
                    Some(text) if name == "datacontenttype" => {
                        if !is_json_media_type(&text) {
                            faults.invalid(&pointer, format!("is {}: only JSON can hold an activity", quoted(&text)));
                        }
                    }
                    Some(text) => event.set(&name, text),
                },
                other if other.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) => {}
                _ => {
                    let detail = "is not an attribute of a CloudEvent: attribute names consist of a-z and 0-9";
                    faults.invalid(&pointer, detail);
                }
            }
        }
        event
    }

    /// Sets a required attribute, or the time.
    fn set(&mut self, name: &str, value: Cow<'a, str>) {
        match name {
            "specversion" => self.specversion = Some(value),
            "id" => self.id = Some(value),
            "time" => self.time = Some(value),
            "type" => self.kind = Some(value),
            "source" => self.source = Some(value),
            _ => {}
        }
    }

    /// Checks the attributes, completes the data with them, and checks the activity.
    fn complete(self, mode: Mode, now: Instant, mut faults: Faults) -> Result<NewActivity, Rejection> {
        if self.specversion.as_deref() != Some("1.0") {
            faults.invalid(&mode.attribute("specversion"), "must be 1.0");
        }
        for (name, given) in [("id", &self.id), ("source", &self.source), ("type", &self.kind)] {
            if given.as_deref().is_none_or(str::is_empty) {
                faults.invalid(&mode.attribute(name), "is required in a CloudEvent and must not be empty");
            }
        }
        let (mut rest, mut found) = (String::new(), Faults::default());
        let data = match self.data {
            Some(data) => read_body::<NewActivityJson<'_>>(data.get(), &mut rest, &mut found),
            None => {
                faults.invalid(&mode.inside(""), "is required: the activity");
                None
            }
        };
        let has_data = data.is_some();
        let mut activity = data.unwrap_or_default();
        for (name, own, given) in [
            ("id", &mut activity.id, self.id),
            ("occurred_at", &mut activity.occurred_at, self.time),
            ("action", &mut activity.action, self.kind),
        ] {
            match (own.as_deref(), given) {
                (Some(own), Some(given)) if *own != *given && !are_same_instant(own, &given) => {
                    let pointer = mode.inside(&format!("/{name}"));
                    faults.invalid(&pointer, "differs from the event's attribute: leave it out of the data");
                }
                (_, Some(given)) => *own = Some(given),
                (_, None) => {}
            }
        }
        let has_own_source = activity.source.is_some();
        activity.source = activity.source.or(self.source);
        let mut checked = Faults::default();
        let activity = activity.check_fields(now, &mut checked);
        faults.append(found, |pointer| Some(mode.inside(pointer)));
        faults.append(checked, |pointer| match pointer {
            "/id" => Some(mode.attribute("id")),
            "/occurred_at" => Some(mode.attribute("time")),
            "/action" => Some(mode.attribute("type")),
            "/source" if !has_own_source => Some(mode.attribute("source")),
            // Without data, only the attributes say anything.
            inside => has_data.then(|| mode.inside(inside)),
        });
        faults.finish(activity)
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
            (json!({"id": 5}), vec!["/id"]),
            (
                json!({"id": 5, "time": "x", "data": {"colour": 1}}),
                vec!["/id", "/data/colour", "/time", "/data/actor/id"],
            ),
            (json!({"time": "x", "data": 1}), vec!["/data", "/time"]),
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
            (json!({"Trace-Id": "x", "specversion": null, "data": null}), vec!["/Trace-Id", "/specversion", "/data"]),
        ] {
            let rejection = read(&event(&changes)).unwrap_err();
            let found: Vec<&str> = rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{changes}");
        }
        let base64 = read(&event(&json!({"data_base64": "e30="}))).unwrap_err();
        assert_eq!(base64.faults()[0].detail, "cannot hold an activity: send the activity as JSON in data");
        let twice = r#"{"specversion":"1.0","id":"e-1","id":"e-2","source":"s","type":"x.y","time":"x","data":{"actor":{"id":"a"}}}"#;
        let found = parse(twice, now()).unwrap_err();
        assert_eq!(found.faults().iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/id", "/time"]);
        let with_null =
            parse(&event(&json!({})).to_string().replace(r#"{"actor":{"id":"ana"},"details":{"a":1}}"#, "null"), now());
        assert_eq!(with_null.unwrap_err().faults()[0].pointer, "/data");
        let far = read(&event(&json!({"time": "2030-01-01T00:00:00Z"}))).unwrap_err();
        assert!(matches!(&far, Rejection::Unprocessable(faults) if faults[0].pointer == "/time"));
    }

    fn binary(headers: &[(&str, &str)], body: &str) -> Result<NewActivity, Rejection> {
        let headers = EventHeaders::find(headers.iter().map(|(name, value)| (*name, value.as_bytes()))).unwrap();
        parse_binary(&headers, body, now())
    }

    const HEADERS: [(&str, &str); 6] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "e-1"),
        ("ce-source", "/portal"),
        ("ce-type", "order.created"),
        ("ce-time", "2026-11-02T09:30:00.123456Z"),
        ("ce-traceparent", "00-1-2-01"),
    ];

    #[test]
    fn binary_mode_is_the_same_as_the_json_format() {
        let body = r#"{"actor": {"id": "ana"}, "details": {"a": 1}}"#;
        let (sent, structured) = (binary(&HEADERS, body).unwrap(), read(&event(&json!({}))).unwrap());
        assert_eq!(
            (&sent.id, sent.occurred_at, sent.digest),
            (&structured.id, structured.occurred_at, structured.digest)
        );
        let agreeing = r#"{"id": "e-1", "action": "order.created", "actor": {"id": "ana"}, "details": {"a": 1}}"#;
        assert_eq!(binary(&HEADERS, agreeing).unwrap().digest, structured.digest);
        assert!(binary(&HEADERS, &format!("\u{feff}{body}")).is_ok());
    }

    #[test]
    fn values_of_headers_are_unquoted_and_decoded_once() {
        for (value, decoded) in [
            ("/a%20b", "/a b"),
            ("\"/a b\"", "/a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("Caf%C3%A9%2525", "Café%25"),
            ("/é", "/é"),
            (" /a ", "/a"),
            ("\"", "\""),
        ] {
            let headers = HEADERS.map(|(name, old)| (name, if name == "ce-source" { value } else { old }));
            let sent = binary(&headers, r#"{"actor": {"id": "ana"}}"#).unwrap();
            assert_eq!(sent.entry.source.as_deref(), Some(decoded), "{value}");
        }
    }

    #[test]
    fn faults_of_binary_mode_name_the_header_or_the_field() {
        let good = r#"{"actor": {"id": "ana"}}"#;
        for (name, value, body, pointers) in [
            ("ce-specversion", "0.3", good, vec!["/ce-specversion"]),
            ("ce-id", "", good, vec!["/ce-id"]),
            ("ce-id", "a/b", good, vec!["/ce-id"]),
            ("ce-id", "%ff", good, vec!["/ce-id"]),
            ("ce-type", "Order", good, vec!["/ce-type"]),
            ("ce-time", "yesterday", good, vec!["/ce-time"]),
            ("ce-time", "x", r#"{"colour": 1, "actor": {}}"#, vec!["/colour", "/ce-time", "/actor/id"]),
            ("ce-time", "x", "", vec!["", "/ce-time"]),
            ("ce-id", "e-2", r#"{"id": "e-3", "actor": {"id": "ana"}}"#, vec!["/id"]),
            ("ce-id", "e-2", r#"{"activities": []}"#, vec!["/activities", "/actor/id"]),
        ] {
            let headers = HEADERS.map(|(known, old)| (known, if known == name { value } else { old }));
            let rejection = binary(&headers, body).unwrap_err();
            let found: Vec<&str> = rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{name}: {value} {body}");
        }
        let alone = binary(&[("ce-id", "e-1")], good).unwrap_err();
        let found: Vec<&str> = alone.faults().iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(found, ["/ce-specversion", "/ce-source", "/ce-type", "/ce-time"]);
        let mut twice = HEADERS.to_vec();
        twice.push(("ce-id", "e-2"));
        assert_eq!(binary(&twice, good).unwrap_err().faults()[0].pointer, "/ce-id");
    }

    #[test]
    fn other_headers_make_no_event() {
        for name in ["content-type", "ce-traceparent", "ce-", "x-ce-id"] {
            assert_eq!(EventHeaders::find([(name, b"x".as_slice())].into_iter()), None, "{name}");
        }
        let id = |headers: &[(&str, &str)]| {
            let found = EventHeaders::find(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
            found.unwrap().id().map(str::to_owned)
        };
        assert_eq!((id(&HEADERS).as_deref(), id(&HEADERS[2..]), id(&[("ce-id", "%ff")])), (Some("e-1"), None, None));
    }
}
