//! The JSON of a stream, as the service shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    arn::Arn,
    destination::{Destination, EventBridgeDestination, Framing, HttpsDestination, S3Destination},
    mask::MaskedField,
    record::Stream,
    replay::Replay,
    settings::{LogSource, StreamFormat},
    state::{StreamError, StreamStatus},
};
use crate::{access::Author, activity::PartnerId, filter::Filter, time::Instant};

/// A stream: activities that the service sends to your own system.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamAnswer {
    /// The id.
    pub id: String,
    /// The partner.
    pub partner_id: PartnerId,
    /// The name to show.
    pub name: String,
    /// The destination.
    pub destination: DestinationAnswer,
    /// The form of an activity.
    pub format: StreamFormat,
    /// The filters.
    pub filters: Filter,
    /// The fields that are left out.
    pub mask: Vec<MaskedField>,
    /// Whether the details are sent.
    pub details: bool,
    /// Whether the stream is paused.
    pub paused: bool,
    /// The log that is sent.
    pub source: LogSource,
    /// The external id with which the service assumes your role. Demand it in the trust policy of the role.
    pub external_id: String,
    /// The role of the service that assumes yours. Name it, or its account, in the trust policy of the role.
    pub service_role_arn: String,
    /// The state.
    pub state: StreamStateAnswer,
    /// The last replay; null if there was none.
    pub replay: Option<ReplayAnswer>,
    /// The time at which the stream was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The person or machine that created it.
    pub created_by: Author,
    /// The time at which the settings were saved.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// The person or machine that saved them.
    pub updated_by: Author,
}

/// A destination.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = StreamDestination)]
pub enum DestinationAnswer {
    /// An HTTPS server.
    Https(HttpsAnswer),
    /// An event bus.
    EventBridge(EventBridgeAnswer),
    /// A bucket.
    S3(S3Answer),
}

/// An HTTPS server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamHttps)]
pub struct HttpsAnswer {
    /// The address to which batches are posted.
    pub url: String,
    /// The form of a batch.
    pub framing: Framing,
    /// The names of further headers of each request. Their values are never shown.
    pub header_names: Vec<String>,
}

/// An event bus.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamEventBridge)]
pub struct EventBridgeAnswer {
    /// The bus.
    pub bus_arn: String,
    /// The role that the service assumes.
    pub role_arn: String,
}

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamS3)]
pub struct S3Answer {
    /// The bucket.
    pub bucket: String,
    /// The beginning of every key.
    pub prefix: String,
    /// The role that the service assumes.
    pub role_arn: String,
}

/// The state of a stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamState)]
pub struct StreamStateAnswer {
    /// The status.
    pub status: StreamStatus,
    /// Everything recorded before this time is delivered.
    #[schema(format = DateTime)]
    pub delivered_through: String,
    /// The seconds by which the destination is behind; 0 if nothing is outstanding.
    pub lag_seconds: i64,
    /// The time at which the destination last accepted a batch; null if it never did.
    #[schema(format = DateTime)]
    pub last_success_at: Option<String>,
    /// The last failure; null if there was none.
    pub last_error: Option<StreamErrorAnswer>,
    /// The number of failures since the last success.
    pub attempts: u32,
    /// The time of the next attempt; null unless the stream is failing.
    #[schema(format = DateTime)]
    pub next_try_at: Option<String>,
    /// The time at which the stream stopped; null unless it is stopped.
    #[schema(format = DateTime)]
    pub stopped_at: Option<String>,
    /// Why the stream stopped, and what to do; null unless it is stopped.
    pub stopped_because: Option<String>,
}

/// A failed attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamError)]
pub struct StreamErrorAnswer {
    /// The time of the attempt.
    #[schema(format = DateTime)]
    pub at: String,
    /// The reason.
    pub detail: String,
    /// The HTTP status; null if there was no answer.
    pub status: Option<u16>,
}

/// A period that is sent again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamReplay)]
pub struct ReplayAnswer {
    /// The first instant.
    pub from: Instant,
    /// The first instant after the period.
    pub to: Instant,
    /// Every activity that occurred before this instant is sent.
    pub done_through: Instant,
    /// The number of activities sent.
    pub activities: u64,
    /// The time of the request.
    #[schema(format = DateTime)]
    pub requested_at: String,
    /// The time at which the replay ended; null while it is running.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
}

impl Stream {
    /// Shows the stream. `service_role` is the resource name of the role that delivers. `outstanding_since` is as for
    /// [`StreamState::lag_seconds`](super::StreamState::lag_seconds).
    pub fn show(
        &self,
        partner: &PartnerId,
        service_role: &str,
        outstanding_since: Option<Instant>,
        now: Instant,
    ) -> StreamAnswer {
        let (settings, state) = (&self.settings, &self.state);
        StreamAnswer {
            id: self.id.clone(),
            partner_id: partner.clone(),
            name: settings.name.clone(),
            destination: DestinationAnswer::of(&settings.destination),
            format: settings.format,
            filters: settings.filter.clone(),
            mask: settings.mask.clone(),
            details: settings.details,
            paused: settings.paused,
            source: settings.source,
            external_id: self.external_id.clone(),
            service_role_arn: service_role.to_owned(),
            state: StreamStateAnswer {
                status: self.status(),
                delivered_through: state.delivered_through.to_millis_text(),
                lag_seconds: state.lag_seconds(outstanding_since, now),
                last_success_at: state.last_success_at.map(Instant::to_millis_text),
                last_error: state.last_error.as_ref().map(StreamErrorAnswer::of),
                attempts: state.attempts,
                next_try_at: state.next_try_at.map(Instant::to_millis_text),
                stopped_at: state.stopped_at.map(Instant::to_millis_text),
                stopped_because: state.stopped_because.clone(),
            },
            replay: self.replay.as_ref().map(ReplayAnswer::of),
            created_at: self.created_at.to_millis_text(),
            created_by: self.created_by.clone(),
            updated_at: self.updated_at.to_millis_text(),
            updated_by: self.updated_by.clone(),
        }
    }
}

impl DestinationAnswer {
    fn of(destination: &Destination) -> Self {
        match destination {
            Destination::Https(HttpsDestination { url, framing, headers }) => Self::Https(HttpsAnswer {
                url: url.to_string(),
                framing: *framing,
                header_names: headers.keys().cloned().collect(),
            }),
            Destination::EventBridge(EventBridgeDestination { bus_arn, role_arn }) => {
                let role_arn = role_arn.as_ref().map(Arn::to_string).unwrap_or_default();
                Self::EventBridge(EventBridgeAnswer { bus_arn: bus_arn.to_string(), role_arn })
            }
            Destination::S3(S3Destination { bucket, prefix, role_arn }) => {
                Self::S3(S3Answer { bucket: bucket.clone(), prefix: prefix.clone(), role_arn: role_arn.to_string() })
            }
        }
    }
}

impl StreamErrorAnswer {
    fn of(error: &StreamError) -> Self {
        Self { at: error.at.to_millis_text(), detail: error.detail.clone(), status: error.status }
    }
}

impl ReplayAnswer {
    fn of(replay: &Replay) -> Self {
        Self {
            from: replay.from,
            to: replay.to,
            done_through: replay.done_through,
            activities: replay.activities,
            requested_at: replay.requested_at.to_millis_text(),
            finished_at: replay.finished_at.map(Instant::to_millis_text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stream::{AttemptFailure, DestinationRules, StreamChange, StreamState},
        time::Period,
    };

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:00:00Z").unwrap()
    }

    fn shown(destination: &str) -> String {
        let json = format!(r#"{{"name":"SIEM","destination":{destination},"mask":["actor.ip"]}}"#);
        let change = StreamChange::parse(&json, None, &DestinationRules::default(), now()).unwrap();
        let by = Author { subject: Some("s".to_owned()), name: "Ana".to_owned() };
        let stream = Stream::create("s-1".to_owned(), "x-1".to_owned(), change.settings, now(), now(), by);
        let failure =
            AttemptFailure { detail: "HTTP 503".to_owned(), status: Some(503), retry_after: None, is_final: false };
        let stream = stream.begin_replay(Period::new(Instant::MIN, now()).unwrap(), now()).unwrap();
        let stream = Stream { state: StreamState::after_failure(stream.state, failure, now(), 0, 72), ..stream };
        let answer = stream.show(
            &PartnerId::parse("contoso").unwrap(),
            "arn:aws:iam::111122223333:role/streamer",
            Some(now()),
            now().plus_seconds(9),
        );
        serde_json::to_string_pretty(&answer).unwrap()
    }

    #[test]
    fn an_answer_has_names_of_headers_and_no_values() {
        let text = shown(
            r#"{"kind":"https","url":"https://siem.example/","headers":{"Authorization":"hidden","X-Team":"hidden"}}"#,
        );
        assert!(!text.contains("hidden"));
        insta::assert_snapshot!(text, @r#"
        {
          "id": "s-1",
          "partner_id": "contoso",
          "name": "SIEM",
          "destination": {
            "kind": "https",
            "url": "https://siem.example/",
            "framing": "array",
            "header_names": [
              "authorization",
              "x-team"
            ]
          },
          "format": "daybook",
          "filters": {},
          "mask": [
            "actor.ip"
          ],
          "details": false,
          "paused": false,
          "source": "activities",
          "external_id": "x-1",
          "service_role_arn": "arn:aws:iam::111122223333:role/streamer",
          "state": {
            "status": "failing",
            "delivered_through": "2026-11-02T12:00:00.000Z",
            "lag_seconds": 9,
            "last_success_at": null,
            "last_error": {
              "at": "2026-11-02T12:00:00.000Z",
              "detail": "HTTP 503",
              "status": 503
            },
            "attempts": 1,
            "next_try_at": "2026-11-02T12:00:05.000Z",
            "stopped_at": null,
            "stopped_because": null
          },
          "replay": {
            "from": "0000-01-01T00:00:00.000000Z",
            "to": "2026-11-02T12:00:00.000000Z",
            "done_through": "0000-01-01T00:00:00.000000Z",
            "activities": 0,
            "requested_at": "2026-11-02T12:00:00.000Z",
            "finished_at": null
          },
          "created_at": "2026-11-02T12:00:00.000Z",
          "created_by": {
            "subject": "s",
            "name": "Ana"
          },
          "updated_at": "2026-11-02T12:00:00.000Z",
          "updated_by": {
            "subject": "s",
            "name": "Ana"
          }
        }
        "#);
    }

    #[test]
    fn destinations_are_shown_as_they_are_sent() {
        for sent in [
            r#"{"kind":"eventbridge","bus_arn":"arn:aws:events:eu-west-3:123456789012:event-bus/x","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
            r#"{"kind":"s3","bucket":"contoso","prefix":"logs/","role_arn":"arn:aws:iam::123456789012:role/x"}"#,
        ] {
            let answer: serde_json::Value = serde_json::from_str(&shown(sent)).unwrap();
            assert_eq!(answer["destination"], serde_json::from_str::<serde_json::Value>(sent).unwrap());
        }
    }
}
