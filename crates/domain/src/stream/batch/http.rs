//! Bodies of requests to an HTTPS server.

use std::fmt::Write as _;

use super::{ActivityDocument, count_fitting};
use crate::{
    stream::{
        destination::Framing,
        settings::{LogSource, StreamFormat, StreamSettings},
    },
    text::quoted_json,
    time::Instant,
};

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpBatch {
    /// The number of activities: the first ones of those that were given.
    pub count: usize,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Frames as many of the first documents as fit into a request; none if there are none.
///
/// `host` is the name of the API's server, which Splunk shows with an event.
pub fn take_http_batch(
    documents: &[ActivityDocument],
    settings: &StreamSettings,
    framing: Framing,
    host: &str,
) -> Option<HttpBatch> {
    let frame = Frame { framing, settings, host };
    let count = match framing {
        Framing::Slack | Framing::Teams => documents.len().min(1),
        Framing::Array | Framing::Lines | Framing::SplunkHec => {
            count_fitting(documents.iter(), |document| document.json.len() + frame.surrounding_bytes(document))
        }
    };
    let documents = documents.get(..count).filter(|documents| !documents.is_empty())?;
    Some(HttpBatch { count, content_type: frame.content_type(), body: frame.body(documents) })
}

/// What surrounds the documents of a stream.
struct Frame<'a> {
    framing: Framing,
    settings: &'a StreamSettings,
    host: &'a str,
}

impl Frame<'_> {
    fn content_type(&self) -> &'static str {
        match self.framing {
            Framing::Lines => "application/x-ndjson",
            Framing::Array | Framing::SplunkHec | Framing::Slack | Framing::Teams => "application/json",
        }
    }

    fn surrounding_bytes(&self, document: &ActivityDocument) -> usize {
        match self.framing {
            // The comma or the line feed. An array has one comma less, and its brackets.
            Framing::Array | Framing::Lines => 2,
            Framing::SplunkHec => self.event_start(document).len() + 2,
            Framing::Slack | Framing::Teams => 0,
        }
    }

    fn body(&self, documents: &[ActivityDocument]) -> String {
        let mut body = String::with_capacity(documents.iter().map(|document| document.json.len() + 200).sum());
        match self.framing {
            Framing::Array => {
                for (number, document) in documents.iter().enumerate() {
                    body.push(if number == 0 { '[' } else { ',' });
                    body.push_str(&document.json);
                }
                body.push(']');
            }
            Framing::Lines => {
                for document in documents {
                    body.push_str(&document.json);
                    body.push('\n');
                }
            }
            Framing::SplunkHec => {
                for document in documents {
                    body.push_str(&self.event_start(document));
                    body.push_str(&document.json);
                    body.push_str("}\n");
                }
            }
            Framing::Slack | Framing::Teams => documents.iter().for_each(|document| body.push_str(&document.json)),
        }
        body
    }

    /// Returns what stands before a document in an event of Splunk's HTTP Event Collector.
    fn event_start(&self, document: &ActivityDocument) -> String {
        let source_type = match (self.settings.format, self.settings.source) {
            (StreamFormat::Ocsf, _) => "ocsf",
            (StreamFormat::Daybook, LogSource::Activities) => "daybook:activity",
            (StreamFormat::Daybook, LogSource::Audit) => "daybook:audit",
        };
        let (time, host) = (epoch_seconds(document.occurred_at), quoted_json(self.host));
        format!(r#"{{"time":{time},"host":{host},"source":"daybook","sourcetype":"{source_type}","event":"#)
    }
}

/// Writes the seconds since 1970 with six decimals.
fn epoch_seconds(instant: Instant) -> String {
    let micros = instant.micros();
    let mut text = if micros < 0 { "-".to_owned() } else { String::new() };
    let micros = micros.unsigned_abs();
    // Writing to a string cannot fail.
    write!(text, "{}.{:06}", micros / 1_000_000, micros % 1_000_000).unwrap_or_default();
    text
}
