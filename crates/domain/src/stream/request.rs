//! Requests that create or change a stream. All faults of a request are found at once.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    destination::{DestinationRequest, DestinationRules, SentDestination},
    mask::MaskedField,
    settings::{LogSource, MAX_STREAM_NAME_CHARS, StreamFormat, StreamSettings},
};
use crate::{
    fault::{Faults, Rejection},
    filter::Filter,
    query::SentFilters,
    request_json::{Object, TextOrOther, Update, read_owned},
    text::parse_word,
    time::Instant,
};

/// A stream to create or to change. A new stream needs a name and a destination. Absent members stay as they are; `null` sets
/// the default, which is also that of a new stream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveStream {
    /// The name to show.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100, example = "Security team")]
    name: Update<String>,
    /// The destination, as a whole. Only headers may be left out: they stay as they are.
    #[serde(default)]
    #[schema(value_type = Option<DestinationRequest>, nullable = false)]
    destination: Update<Object<SentDestination>>,
    /// The form of an activity; the default is daybook.
    #[serde(default)]
    #[schema(value_type = Option<StreamFormat>)]
    format: Update<String>,
    /// The filters of the stream, as in a list; the default is none.
    #[serde(default)]
    #[schema(value_type = Option<SentFilters>)]
    filters: Update<SentFilters>,
    /// The fields to leave out; the default is none.
    #[serde(default)]
    #[schema(value_type = Option<Vec<MaskedField>>)]
    mask: Update<Vec<TextOrOther>>,
    /// Whether the details are sent; the default is false.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    details: Update<bool>,
    /// Whether the stream is paused; the default is false. `false` also lets a stopped stream try again.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    paused: Update<bool>,
    /// The log that is sent; the default is activities. It cannot be changed later.
    #[serde(default)]
    #[schema(value_type = Option<LogSource>)]
    source: Update<String>,
}

/// The settings that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamChange {
    /// The settings that hold from now on.
    pub settings: StreamSettings,
    /// Whether a stopped or failing stream tries again at once: the request has `"paused": false` or another destination.
    pub is_resumed: bool,
}

impl StreamChange {
    /// Reads the body of a request. Without stored settings, the request creates a stream.
    ///
    /// # Errors
    /// All faults, each with its field.
    pub fn parse(
        json: &str,
        stored: Option<&StreamSettings>,
        rules: &DestinationRules,
        now: Instant,
    ) -> Result<Self, Rejection> {
        let mut faults = Faults::default();
        let sent: Option<SaveStream> = read_owned(json, &mut faults);
        let change = sent.and_then(|sent| sent.read(stored, rules, now, &mut faults));
        faults.finish(change)
    }
}

impl SaveStream {
    fn read(
        self,
        stored: Option<&StreamSettings>,
        rules: &DestinationRules,
        now: Instant,
        faults: &mut Faults,
    ) -> Option<StreamChange> {
        let is_unpaused = self.paused == Update::Set(false);
        let name = match self.name {
            Update::Set(name) => faults.keep("/name", check_name(name)),
            Update::Keep if stored.is_some() => stored.map(|stored| stored.name.clone()),
            Update::Keep | Update::Reset => {
                faults.invalid("/name", "is required, such as Security team");
                None
            }
        };
        let before = stored.map(|stored| &stored.destination);
        let destination = match self.destination {
            Update::Set(Object(sent)) => sent.read("/destination", before, rules, faults),
            Update::Keep if before.is_some() => before.cloned(),
            Update::Keep | Update::Reset => {
                faults.invalid("/destination", "is required: an object with the kind https, eventbridge or s3");
                None
            }
        };
        let format = self.format.parse("/format", faults, |word| parse_word(&word));
        let filter = match self.filters {
            Update::Set(sent) => sent.read("/filters", now, faults).map_or(Update::Keep, Update::Set),
            Update::Reset => Update::Reset,
            Update::Keep => Update::Keep,
        };
        let mask = match self.mask {
            Update::Set(sent) => Update::Set(read_mask(&sent, faults)),
            Update::Reset => Update::Reset,
            Update::Keep => Update::Keep,
        };
        let source = self.source.parse("/source", faults, |word| parse_word(&word));
        let source = source.resolve(stored.map(|stored| stored.source), LogSource::default());
        if stored.is_some_and(|stored| stored.source != source) {
            // The position of one log has no meaning in another.
            faults.unprocessable("/source", "cannot be changed: create another stream");
        }
        let destination = destination?;
        Some(StreamChange {
            is_resumed: is_unpaused || before.is_some_and(|before| *before != destination),
            settings: StreamSettings {
                name: name?,
                destination,
                format: format.resolve(stored.map(|stored| stored.format), StreamFormat::default()),
                filter: filter.resolve(stored.map(|stored| stored.filter.clone()), Filter::default()),
                mask: mask.resolve(stored.map(|stored| stored.mask.clone()), Vec::new()),
                details: self.details.resolve(stored.map(|stored| stored.details), false),
                paused: self.paused.resolve(stored.map(|stored| stored.paused), false),
                source,
            },
        })
    }
}

fn check_name(name: String) -> Result<String, String> {
    let length = name.chars().count();
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err("must be a name without control characters, such as Security team".to_owned());
    }
    if length > MAX_STREAM_NAME_CHARS {
        return Err(format!("has {length} characters; give at most {MAX_STREAM_NAME_CHARS}"));
    }
    Ok(name)
}

/// Reads the names of fields, each once.
fn read_mask(sent: &[TextOrOther], faults: &mut Faults) -> Vec<MaskedField> {
    let mut mask = Vec::new();
    for (index, name) in sent.iter().enumerate() {
        let field = match name {
            TextOrOther::Text(name) => parse_word(name),
            TextOrOther::Other(_) => Err("must be a string".to_owned()),
        };
        match faults.keep(&format!("/mask/{index}"), field) {
            Some(field) if !mask.contains(&field) => mask.push(field),
            _ => {}
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::stream::Destination;

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:00:00Z").unwrap()
    }

    fn parse(json: &str, stored: Option<&StreamSettings>) -> Result<StreamChange, Rejection> {
        StreamChange::parse(json, stored, &DestinationRules::default(), now())
    }

    fn faults(json: &str, stored: Option<&StreamSettings>) -> Vec<String> {
        parse(json, stored).unwrap_err().faults().iter().map(|fault| fault.pointer.clone()).collect()
    }

    /// Settings that differ from the default in every member.
    fn unusual() -> StreamSettings {
        let json = r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/","framing":"lines","headers":{"A":"x"}},
            "format":"ocsf","filters":{"action":"order.*"},"mask":["actor.ip","actor.ip","reason"],"details":true,"paused":true,"source":"audit"}"#;
        parse(json, None).unwrap().settings
    }

    #[test]
    fn a_new_stream_has_defaults() {
        let change =
            parse(r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/"}}"#, None).unwrap();
        assert!(!change.is_resumed);
        let expected = r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/","framing":"array"},"format":"daybook","filter":{},"mask":[],"details":false,"paused":false,"source":"activities"}"#;
        assert_eq!(serde_json::to_string(&change.settings).unwrap(), expected);
        assert_eq!(unusual().mask, [MaskedField::ActorIp, MaskedField::Reason], "each field once");
    }

    #[test]
    fn all_faults_of_a_request_are_named_at_once() {
        assert_eq!(faults("{}", None), ["/name", "/destination"]);
        assert_eq!(faults(r#"{"name":null,"destination":null}"#, None), ["/name", "/destination"]);
        let json = r#"{"name":"","destination":{"kind":"https","url":1,"more":2},"format":"cef","filters":{"status":"done","x":1},
            "mask":["actor.ip","actor.shoe",7],"details":"yes","paused":0,"source":"logs","colour":"red"}"#;
        let mut found = faults(json, None);
        found.sort_unstable();
        let expected = [
            "/colour",
            "/destination/more",
            "/destination/url",
            "/details",
            "/filters/status",
            "/filters/x",
            "/format",
            "/mask/1",
            "/mask/2",
            "/name",
            "/paused",
            "/source",
        ];
        assert_eq!(found, expected);
        for bad in ["[]", "1", "{", ""] {
            assert_eq!(faults(bad, None), [""], "{bad}");
        }
        let unknown =
            parse(r#"{"name":"a","destination":{"kind":"https","url":"https://siem.example/"},"mask":["shoe"]}"#, None);
        assert!(unknown.unwrap_err().faults()[0].detail.contains("actor.user_agent"), "the fault lists the fields");
    }

    #[test]
    fn absent_members_of_a_stream_stay() {
        let stored = unusual();
        let change = parse("{}", Some(&stored)).unwrap();
        assert_eq!((&change.settings, change.is_resumed), (&stored, false));
        let renamed = parse(r#"{"name":"Other"}"#, Some(&stored)).unwrap().settings;
        assert_eq!(renamed, StreamSettings { name: "Other".to_owned(), ..stored });
    }

    #[test]
    fn null_members_of_a_stream_are_the_defaults() {
        let stored = StreamSettings { source: LogSource::Activities, ..unusual() };
        let json = r#"{"format":null,"filters":null,"mask":null,"details":null,"paused":null,"source":null}"#;
        let change = parse(json, Some(&stored)).unwrap();
        let expected = StreamSettings {
            name: stored.name.clone(),
            destination: stored.destination.clone(),
            format: StreamFormat::Daybook,
            filter: Filter::default(),
            mask: Vec::new(),
            details: false,
            paused: false,
            source: LogSource::Activities,
        };
        assert_eq!(change, StreamChange { settings: expected, is_resumed: false });
        assert_eq!(faults(r#"{"name":null,"destination":null}"#, Some(&stored)), ["/name", "/destination"]);
    }

    #[test]
    fn the_source_of_a_stream_stays() {
        let stored = unusual();
        assert!(parse(r#"{"source":"audit"}"#, Some(&stored)).is_ok());
        for json in [r#"{"source":"activities"}"#, r#"{"source":null}"#] {
            let rejection = parse(json, Some(&stored)).unwrap_err();
            assert!(matches!(&rejection, Rejection::Unprocessable(faults) if faults[0].pointer == "/source"));
        }
    }

    #[test]
    fn a_stream_resumes_when_it_is_unpaused_or_moved() {
        let stored = unusual();
        for (json, is_resumed) in [
            (r#"{"paused":false}"#, true),
            (r#"{"paused":true}"#, false),
            (r#"{"destination":{"kind":"https","url":"https://siem.example/","framing":"lines"}}"#, false),
            (r#"{"destination":{"kind":"https","url":"https://siem.example/"}}"#, true),
            (
                r#"{"destination":{"kind":"https","url":"https://siem.example/","framing":"lines","headers":{"A":"y"}}}"#,
                true,
            ),
            (r#"{"destination":{"kind":"https","url":"https://siem.example/x","framing":"lines"}}"#, true),
        ] {
            assert_eq!(parse(json, Some(&stored)).unwrap().is_resumed, is_resumed, "{json}");
        }
        let kept = parse(r#"{"destination":{"kind":"https","url":"https://siem.example/x"}}"#, Some(&stored)).unwrap();
        let Destination::Https(https) = kept.settings.destination else { panic!("another kind") };
        assert_eq!(https.headers["a"].reveal(), "x");
    }

    #[test]
    fn names_are_short_and_visible() {
        let named = |name: &str| {
            parse(
                &format!(r#"{{"name":"{name}","destination":{{"kind":"https","url":"https://siem.example/"}}}}"#),
                None,
            )
        };
        assert!(named(&"é".repeat(MAX_STREAM_NAME_CHARS)).is_ok());
        for bad in [&"é".repeat(MAX_STREAM_NAME_CHARS + 1), " ", "a\\nb"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }

    /// Generates a value of a member: good ones, wrong ones, and any other.
    fn member() -> impl Strategy<Value = (&'static str, Value)> {
        let headers = [
            json!({"Authorization": "hunter2"}),
            json!({"Host": "hunter2"}),
            json!({"a": "hunter2 "}),
            json!(["hunter2"]),
        ];
        let destination = (select(vec!["https", "eventbridge", "s3", "ftp"]), select(headers.to_vec()), any::<bool>())
            .prop_map(|(kind, headers, has_url)| {
                let url = if has_url { json!("https://siem.example/") } else { Value::Null };
                json!({"kind": kind, "url": url, "headers": headers})
            });
        let value = prop_oneof![
            destination,
            select(vec![
                json!(null),
                json!(true),
                json!(7),
                json!("x"),
                json!("ocsf"),
                json!("audit"),
                json!(["reason"]),
                json!([1]),
                json!({"status": "failed"})
            ]),
        ];
        let names = ["name", "destination", "format", "filters", "mask", "details", "paused", "source", "more"];
        (select(names.to_vec()), value)
    }

    proptest! {
        #[test]
        fn a_request_is_settings_or_faults_without_secrets(members in prop::collection::vec(member(), 0..9)) {
            let members: Map<String, Value> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let json = Value::Object(members).to_string();
            for stored in [None, Some(&unusual())] {
                match parse(&json, stored) {
                    Ok(StreamChange { settings, .. }) => {
                        let text = serde_json::to_string(&settings).unwrap();
                        prop_assert_eq!(&serde_json::from_str::<StreamSettings>(&text).unwrap(), &settings);
                        prop_assert_eq!(parse("{}", Some(&settings)).unwrap().settings, settings);
                    }
                    Err(rejection) => {
                        prop_assert!(!rejection.faults().is_empty());
                        prop_assert!(!format!("{rejection:?}").contains("hunter2"), "{rejection:?}");
                    }
                }
            }
        }
    }
}
