//! The settings of a stream.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::{
    destination::{Destination, EventBridgeDestination, HttpsDestination, S3Destination},
    mask::MaskedField,
};
use crate::filter::Filter;

/// The most streams of one partner.
pub const MAX_STREAMS: usize = 10;
/// The longest name of a stream, in characters.
pub const MAX_STREAM_NAME_CHARS: usize = 100;

/// The form of an activity in a stream.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StreamFormat {
    /// The JSON of a list.
    #[default]
    Daybook,
    /// The class API Activity of the Open Cybersecurity Schema Framework (OCSF), version 1.5.0.
    Ocsf,
}

/// The log that a stream sends.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = StreamSource)]
pub enum LogSource {
    /// The activities.
    #[default]
    Activities,
    /// The audit: who read, exported or changed something.
    Audit,
}

/// The settings of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// The name to show.
    pub name: String,
    /// The destination.
    pub destination: Destination,
    /// The form of an activity.
    #[serde(default)]
    pub format: StreamFormat,
    /// The conditions that the activities meet.
    #[serde(default)]
    pub filter: Filter,
    /// The fields that are left out, each once.
    #[serde(default)]
    pub mask: Vec<MaskedField>,
    /// Whether the details are sent.
    #[serde(default)]
    pub details: bool,
    /// Whether the stream is paused.
    #[serde(default)]
    pub paused: bool,
    /// The log that is sent.
    #[serde(default)]
    pub source: LogSource,
}

impl StreamSettings {
    /// Describes the settings for the audit, without secrets: of headers, the names only.
    pub fn describe(&self) -> Value {
        let destination = match &self.destination {
            Destination::Https(HttpsDestination { url, framing, headers }) => {
                let names: Vec<&String> = headers.keys().collect();
                json!({"kind": "https", "url": url.as_str(), "framing": framing, "header_names": names})
            }
            Destination::EventBridge(EventBridgeDestination { bus_arn, role_arn }) => {
                json!({"kind": "eventbridge", "bus_arn": bus_arn, "role_arn": role_arn})
            }
            Destination::S3(S3Destination { bucket, prefix, role_arn }) => {
                json!({"kind": "s3", "bucket": bucket, "prefix": prefix, "role_arn": role_arn})
            }
        };
        json!({
            "name": self.name,
            "destination": destination,
            "format": self.format,
            "filters": self.filter,
            "mask": self.mask,
            "details": self.details,
            "paused": self.paused,
            "source": self.source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_later_members_are_read() {
        let stored = r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/"},"later":1}"#;
        let settings: StreamSettings = serde_json::from_str(stored).unwrap();
        assert_eq!((settings.format, settings.source), (StreamFormat::Daybook, LogSource::Activities));
        assert!(settings.filter.is_empty() && settings.mask.is_empty() && !settings.details && !settings.paused);
    }

    #[test]
    fn stored_settings_are_read_as_they_were() {
        for stored in [
            r#"{"name":"A","destination":{"kind":"https","url":"https://siem.example/","framing":"splunk_hec","headers":{"authorization":"Splunk x"}},"format":"ocsf","filter":{"action":["order.*"]},"mask":["actor.ip"],"details":true,"paused":true,"source":"audit"}"#,
            r#"{"name":"B","destination":{"kind":"eventbridge","bus_arn":"arn:aws:events:eu-west-3:123456789012:event-bus/x","role_arn":"arn:aws:iam::123456789012:role/x"},"format":"daybook","filter":{},"mask":[],"details":false,"paused":false,"source":"activities"}"#,
            r#"{"name":"C","destination":{"kind":"s3","bucket":"contoso","prefix":"a/","role_arn":"arn:aws:iam::123456789012:role/x"},"format":"daybook","filter":{},"mask":[],"details":false,"paused":false,"source":"activities"}"#,
        ] {
            let settings: StreamSettings = serde_json::from_str(stored).unwrap();
            assert_eq!(serde_json::to_string(&settings).unwrap(), stored);
            let described = settings.describe().to_string();
            assert!(!described.contains("Splunk"), "the audit has no secret: {described}");
            assert_eq!(described.contains("authorization"), stored.contains("authorization"));
        }
    }
}
