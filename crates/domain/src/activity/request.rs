//! The body of a request to record: one activity or a batch, plain or as CloudEvents.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    cloud_events::{self, EventHeaders},
    ids::ActivityId,
    model::NewActivity,
    wire::NewActivityJson,
};
use crate::{
    fault::{Fault, Faults, Rejection},
    request_json::{Object, RequestBody, from_json, read_body, without_byte_order_mark},
    time::Instant,
};

/// The most activities of one batch.
pub const MAX_BATCH: usize = 500;

/// One activity of a request, not yet read.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// An activity in JSON.
    Plain(&'a str),
    /// A CloudEvent in JSON.
    CloudEvent(&'a str),
    /// A CloudEvent in binary mode: the headers, and the activity in JSON.
    BinaryEvent(&'a EventHeaders, &'a str),
}

impl Sent<'_> {
    /// Reads and checks the activity.
    ///
    /// # Errors
    /// As [`NewActivity::parse`].
    pub fn parse(&self, now: Instant) -> Result<NewActivity, Rejection> {
        match self {
            Self::Plain(json) => NewActivity::parse(json, now),
            Self::CloudEvent(json) => cloud_events::parse(json, now),
            Self::BinaryEvent(headers, json) => cloud_events::parse_binary(headers, json, now),
        }
    }

    /// Finds the id that the caller sent, also in an activity that is refused.
    pub fn id(&self) -> Option<ActivityId> {
        #[derive(Deserialize)]
        struct Id<'a> {
            #[serde(borrow)]
            id: Option<Cow<'a, str>>,
        }
        match self {
            Self::BinaryEvent(headers, _) => ActivityId::parse(headers.id()?).ok(),
            Self::Plain(json) | Self::CloudEvent(json) => {
                let Object(Id { id }) = from_json(json).ok()?;
                ActivityId::parse(&id?).ok()
            }
        }
    }
}

/// A batch to record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewActivities)]
pub struct BatchJson<'a> {
    /// The activities. The answer has a result for each.
    #[serde(borrow)]
    #[schema(value_type = Vec<NewActivityJson>, max_items = 500)]
    activities: Vec<&'a RawValue>,
}

impl RequestBody for BatchJson<'_> {
    type Read<'a> = BatchJson<'a>;
}

/// One activity, or a batch.
#[derive(Debug)]
pub enum RecordRequest<'a> {
    /// One activity.
    One(Sent<'a>),
    /// A batch.
    Many(Vec<Sent<'a>>),
}

impl<'a> RecordRequest<'a> {
    /// Splits a body into activities.
    ///
    /// A plain batch is recognised by its field, `{"activities": […]}`; CloudEvents are recognised by the media type, or
    /// by their headers in binary mode.
    ///
    /// # Errors
    /// [`Rejection::Invalid`] for a body that is not a JSON object (a batch of CloudEvents: not an array), or for a batch
    /// with other fields; [`Rejection::TooLarge`] for more than [`MAX_BATCH`] activities.
    pub fn parse(json: &'a str, media_type: &str, event: Option<&'a EventHeaders>) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct Probe<'a> {
            #[serde(borrow)]
            activities: Option<&'a RawValue>,
        }
        let json = without_byte_order_mark(json);
        match (media_type, event) {
            (cloud_events::ONE, _) => Ok(Self::One(Sent::CloudEvent(json))),
            (cloud_events::BATCH, _) => Self::many("", from_json(json)?, Sent::CloudEvent),
            (_, Some(headers)) => Ok(Self::One(Sent::BinaryEvent(headers, json))),
            // A body without the word, which an escape could hide, is one activity: no need to read it twice.
            _ if !json.contains("activities") && !json.contains('\\') => Ok(Self::One(Sent::Plain(json))),
            _ if from_json::<Object<Probe<'_>>>(json)?.0.activities.is_none() => Ok(Self::One(Sent::Plain(json))),
            _ => {
                // A batch with faults is refused as a whole, so that only its faults are needed.
                let Ok(Object(BatchJson { activities })) = from_json(json) else {
                    let mut faults = Faults::default();
                    read_body::<BatchJson<'_>>(json, &mut String::new(), &mut faults);
                    return faults.finish(None);
                };
                Self::many("/activities", activities, Sent::Plain)
            }
        }
    }

    fn many(pointer: &str, sent: Vec<&'a RawValue>, kind: fn(&'a str) -> Sent<'a>) -> Result<Self, Rejection> {
        if sent.len() > MAX_BATCH {
            let detail = format!("holds {} activities: send at most {MAX_BATCH} at once", sent.len());
            return Err(Rejection::TooLarge(vec![Fault::new(pointer, detail)]));
        }
        Ok(Self::Many(sent.into_iter().map(|raw| kind(raw.get())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LEAST: &str = r#"{"occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"}}"#;

    #[test]
    fn a_batch_is_told_from_an_activity() {
        let escaped = r#"{"\u0061ctivities":[{}]}"#.to_owned();
        let details = r#"{"occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"},
            "details":{"activities":[]}}"#
            .to_owned();
        for (body, count) in [
            (LEAST.to_owned(), None),
            (details, None),
            (r#"{"a":"\n"}"#.to_owned(), None),
            (json!({"activities": vec![json!({}); 3]}).to_string(), Some(3)),
            (json!({"activities": vec![json!({}); MAX_BATCH]}).to_string(), Some(MAX_BATCH)),
            (escaped, Some(1)),
        ] {
            match (RecordRequest::parse(&body, "application/json", None).unwrap(), count) {
                (RecordRequest::One(Sent::Plain(json)), None) => assert_eq!(json, body),
                (RecordRequest::Many(many), Some(count)) => {
                    assert_eq!(many.len(), count);
                    assert!(many.iter().all(|sent| matches!(sent, Sent::Plain("{}"))));
                }
                (request, _) => panic!("{request:?} of {body}"),
            }
        }
    }

    #[test]
    fn batches_with_faults_are_refused() {
        let pointers = |body: serde_json::Value| {
            let body = body.to_string();
            let Err(Rejection::Invalid(faults)) = RecordRequest::parse(&body, "application/json", None) else {
                panic!("{body}")
            };
            faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!({"activities": [], "id": "x", "dry_run": 1})), ["/dry_run", "/id"]);
        assert_eq!(pointers(json!(["activities"])), [""]);
        assert_eq!(pointers(json!({"activities": {}, "id": "x"})), ["/activities", "/id"]);
        let body = json!({"activities": vec![json!({}); MAX_BATCH + 1]}).to_string();
        let Err(Rejection::TooLarge(faults)) = RecordRequest::parse(&body, "", None) else { panic!("not too large") };
        assert_eq!(faults[0].pointer, "/activities");
    }

    #[test]
    fn a_byte_order_mark_before_the_body_is_ignored() {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        for body in [format!("\u{feff}{LEAST}"), format!("\u{feff}{{\"activities\":[{LEAST}]}}")] {
            let sent = match RecordRequest::parse(&body, "application/json", None).unwrap() {
                RecordRequest::One(sent) => sent,
                RecordRequest::Many(sent) => sent[0],
            };
            assert!(sent.parse(now).is_ok(), "{body:?}");
        }
        let inside = format!("{{\"activities\":[\u{feff}{LEAST}]}}");
        assert!(RecordRequest::parse(&inside, "application/json", None).is_err());
    }

    #[test]
    fn cloud_events_are_recognised_by_the_media_type() {
        let events = json!([{}, {}]).to_string();
        let batch = RecordRequest::parse(&events, cloud_events::BATCH, None);
        assert!(
            matches!(&batch, Ok(RecordRequest::Many(two)) if matches!(two[..], [Sent::CloudEvent("{}"), Sent::CloudEvent("{}")]))
        );
        assert!(matches!(
            RecordRequest::parse(&events, cloud_events::ONE, None),
            Ok(RecordRequest::One(Sent::CloudEvent(_)))
        ));
        assert!(matches!(RecordRequest::parse("{}", cloud_events::BATCH, None), Err(Rejection::Invalid(_))));
    }

    #[test]
    fn an_event_in_binary_mode_is_recognised_by_its_headers() {
        let headers = EventHeaders::find([("ce-id", b"e-1".as_slice())].into_iter()).unwrap();
        for body in [LEAST, r#"{"activities":[]}"#] {
            let request = RecordRequest::parse(body, "application/json", Some(&headers)).unwrap();
            assert!(matches!(request, RecordRequest::One(Sent::BinaryEvent(_, json)) if json == body), "{request:?}");
        }
    }

    #[test]
    fn the_sent_id_is_found_in_refused_activities() {
        for (json, id) in [
            (r#"{"id":"e-1","colour":1}"#, Some("e-1")),
            (r#"{"id":"a/b"}"#, None),
            (r#"{"id":5}"#, None),
            (r#"{"id":null}"#, None),
            ("{", None),
        ] {
            for sent in [Sent::Plain(json), Sent::CloudEvent(json)] {
                assert_eq!(sent.id().as_ref().map(ActivityId::as_str), id, "{json}");
            }
        }
    }

    #[test]
    fn each_kind_is_read_by_its_own_rules() {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let event = r#"{"specversion":"1.0","id":"e-1","source":"s","type":"order.created","time":"2026-11-02T09:30:00Z",
            "data":{"actor":{"id":"ana"}}}"#;
        for (sent, is_read) in [
            (Sent::Plain(LEAST), true),
            (Sent::CloudEvent(LEAST), false),
            (Sent::Plain(event), false),
            (Sent::CloudEvent(event), true),
        ] {
            assert_eq!(sent.parse(now).is_ok(), is_read, "{sent:?}");
        }
    }
}
