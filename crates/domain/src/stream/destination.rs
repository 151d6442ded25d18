//! Destinations of a stream: an HTTPS server, an EventBridge bus, an S3 bucket.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumString, IntoStaticStr, VariantNames};
use url::Url;
use utoipa::ToSchema;

use super::{
    arn::Arn,
    headers::{Headers, SentHeaders},
};
use crate::{
    fault::Faults,
    recipient::{Reach, parse_public_url},
    request_json::Update,
    text::{parse_word, quoted},
};

/// The longest prefix of keys in a bucket, in characters.
const MAX_PREFIX_CHARS: usize = 512;

/// The form of the requests to an HTTPS server.
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
#[schema(as = StreamFraming)]
pub enum Framing {
    /// A JSON array.
    #[default]
    Array,
    /// One JSON object a line.
    Lines,
    /// Events of Splunk's HTTP Event Collector.
    SplunkHec,
    /// One message an activity for an incoming webhook of Slack. Messages have no `format`.
    Slack,
    /// One message an activity for a workflow of Microsoft Teams. Messages have no `format`.
    Teams,
}

/// An HTTPS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpsDestination {
    /// The address to which batches are posted.
    #[serde(serialize_with = "write_url", deserialize_with = "read_url")]
    pub url: Url,
    /// The form of a batch.
    #[serde(default)]
    pub framing: Framing,
    /// Further headers of each request.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

/// An event bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBridgeDestination {
    /// The bus.
    pub bus_arn: Arn,
    /// The role that may put events on the bus of a partner; none for the installation's own bus, which needs no other role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Arn>,
}

/// A bucket of the partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Destination {
    /// The name of the bucket.
    pub bucket: String,
    /// The beginning of every key: empty, or text that ends with a slash.
    #[serde(default)]
    pub prefix: String,
    /// The role that may put objects into the bucket.
    pub role_arn: Arn,
}

/// A destination of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Destination {
    /// An HTTPS server.
    Https(HttpsDestination),
    /// An event bus.
    EventBridge(EventBridgeDestination),
    /// A bucket.
    S3(S3Destination),
}

/// The destinations that an installation can reach, and its own resources, which no stream may have as its destination.
#[derive(Clone, Debug, Default)]
pub struct DestinationRules {
    /// The servers that can be called.
    pub reach: Reach,
    /// The id of the installation's own account.
    pub account: String,
    /// The names of the installation's own buckets.
    pub buckets: Vec<String>,
}

impl Destination {
    /// Returns the role that the service assumes, if the destination has one.
    pub fn role(&self) -> Option<&Arn> {
        match self {
            Self::Https(_) => None,
            Self::EventBridge(EventBridgeDestination { role_arn, .. }) => role_arn.as_ref(),
            Self::S3(S3Destination { role_arn, .. }) => Some(role_arn),
        }
    }

    /// Returns the form of the requests, if the destination is a server.
    pub fn framing(&self) -> Option<Framing> {
        match self {
            Self::Https(https) => Some(https.framing),
            Self::EventBridge(_) | Self::S3(_) => None,
        }
    }
}

// Only the API's description uses this type: requests are read as `SentDestination`, so that all faults are found at once.
/// A destination.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = StreamDestinationRequest)]
pub enum DestinationRequest {
    /// An HTTPS server.
    Https(HttpsRequest),
    /// An event bus of your own.
    EventBridge(EventBridgeRequest),
    /// A bucket of your own.
    S3(S3Request),
}

/// The kinds of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
enum DestinationKind {
    Https,
    EventBridge,
    S3,
}

/// A destination as it was sent: the members of all kinds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentDestination {
    #[serde(default)]
    kind: Update<String>,
    #[serde(default)]
    url: Update<String>,
    #[serde(default)]
    framing: Update<String>,
    #[serde(default)]
    headers: Update<SentHeaders>,
    #[serde(default)]
    bus_arn: Update<String>,
    #[serde(default)]
    role_arn: Update<String>,
    #[serde(default)]
    bucket: Update<String>,
    #[serde(default)]
    prefix: Update<String>,
}

/// The members of a destination that are still to be read, and the faults.
struct Reading<'a> {
    pointer: &'a str,
    faults: &'a mut Faults,
    kind: DestinationKind,
}

impl SentDestination {
    /// Reads a destination, or adds its faults, each at its place in the object at `pointer`.
    ///
    /// Headers that are absent are those of the stored destination, if that has the same server. A secret must not reach
    /// another server only because the URL was changed.
    pub(super) fn read(
        self,
        pointer: &str,
        stored: Option<&Destination>,
        rules: &DestinationRules,
        faults: &mut Faults,
    ) -> Option<Destination> {
        let Self { kind, url, framing, headers, bus_arn, role_arn, bucket, prefix } = self;
        let kind = match kind {
            Update::Set(word) => faults.keep(&format!("{pointer}/kind"), parse_word(&word))?,
            Update::Keep | Update::Reset => {
                faults.invalid(&format!("{pointer}/kind"), "is required: https, eventbridge or s3");
                return None;
            }
        };
        let mut reading = Reading { pointer, faults, kind };
        match kind {
            DestinationKind::Https => {
                reading.refuse("bus_arn", &bus_arn);
                reading.refuse("role_arn", &role_arn);
                reading.refuse("bucket", &bucket);
                reading.refuse("prefix", &prefix);
                let url = reading.required("url", url, "https://siem.contoso.example/events", |url| {
                    parse_public_url(url, &rules.reach)
                });
                let framing = reading.optional("framing", framing, parse_word);
                let headers = reading.headers(headers, url.as_ref(), stored);
                Some(Destination::Https(HttpsDestination { url: url?, framing: framing?, headers: headers? }))
            }
            DestinationKind::EventBridge => {
                reading.refuse("url", &url);
                reading.refuse("framing", &framing);
                reading.refuse("headers", &headers);
                reading.refuse("bucket", &bucket);
                reading.refuse("prefix", &prefix);
                let bus_arn = reading.bus(bus_arn, rules);
                let role_arn = reading.role(role_arn, rules);
                let (bus_arn, role_arn) = (bus_arn?, role_arn?);
                if bus_arn.partition() != role_arn.partition() {
                    let detail = format!("is of the partition {}, and the bus is of another", role_arn.partition());
                    reading.fault("role_arn", detail);
                    return None;
                }
                Some(Destination::EventBridge(EventBridgeDestination { bus_arn, role_arn: Some(role_arn) }))
            }
            DestinationKind::S3 => {
                reading.refuse("url", &url);
                reading.refuse("framing", &framing);
                reading.refuse("headers", &headers);
                reading.refuse("bus_arn", &bus_arn);
                let bucket = reading.required("bucket", bucket, "contoso-activity", |name| check_bucket(name, rules));
                let prefix = reading.optional("prefix", prefix, check_prefix);
                let role_arn = reading.role(role_arn, rules);
                Some(Destination::S3(S3Destination { bucket: bucket?, prefix: prefix?, role_arn: role_arn? }))
            }
        }
    }
}

impl Reading<'_> {
    fn fault(&mut self, member: &str, detail: impl Into<String>) {
        self.faults.invalid(&format!("{}/{member}", self.pointer), detail);
    }

    /// Adds a fault if the kind of destination has no such member.
    fn refuse<T>(&mut self, member: &str, value: &Update<T>) {
        if !matches!(value, Update::Keep) {
            let kind: &str = self.kind.into();
            self.fault(member, format!("is not a member of a destination of the kind {kind}"));
        }
    }

    fn required<T>(
        &mut self,
        member: &str,
        value: Update<String>,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Update::Set(text) = value else {
            self.fault(member, format!("is required, such as {example}"));
            return None;
        };
        self.faults.keep(&format!("{}/{member}", self.pointer), parse(&text))
    }

    fn optional<T: Default>(
        &mut self,
        member: &str,
        value: Update<String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Update::Set(text) = value else { return Some(T::default()) };
        self.faults.keep(&format!("{}/{member}", self.pointer), parse(&text))
    }

    fn headers(
        &mut self,
        sent: Update<SentHeaders>,
        url: Option<&Url>,
        stored: Option<&Destination>,
    ) -> Option<Headers> {
        let before = match stored {
            Some(Destination::Https(before)) if !before.headers.is_empty() => before,
            _ => return self.sent_headers(sent),
        };
        match sent {
            Update::Keep if url?.origin() == before.url.origin() => Some(before.headers.clone()),
            Update::Keep => {
                self.fault("headers", "must be sent again, or be null, because the URL leads to another server");
                None
            }
            sent => self.sent_headers(sent),
        }
    }

    fn sent_headers(&mut self, sent: Update<SentHeaders>) -> Option<Headers> {
        match sent {
            Update::Set(sent) => sent.read(&format!("{}/headers", self.pointer), self.faults),
            Update::Keep | Update::Reset => Some(Headers::new()),
        }
    }

    fn role(&mut self, value: Update<String>, rules: &DestinationRules) -> Option<Arn> {
        let parse = |text: &str| Arn::parse_role(text).and_then(|arn| check_account(arn, rules));
        self.required("role_arn", value, "arn:aws:iam::123456789012:role/daybook", parse)
    }

    fn bus(&mut self, value: Update<String>, rules: &DestinationRules) -> Option<Arn> {
        let parse = |text: &str| Arn::parse_bus(text).and_then(|arn| check_account(arn, rules));
        self.required("bus_arn", value, "arn:aws:events:eu-west-3:123456789012:event-bus/security", parse)
    }
}

fn write_url<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

/// Reads a stored URL, which was checked before.
fn read_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    Url::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Refuses resources of the installation's own account, because the service itself may have rights there.
fn check_account(arn: Arn, rules: &DestinationRules) -> Result<Arn, String> {
    if arn.account() == rules.account {
        return Err(format!(
            "{} is of the account that runs the service: name one of your own account",
            quoted(arn.as_str())
        ));
    }
    Ok(arn)
}

/// Reads the name of a bucket.
///
/// Source: "General purpose bucket naming rules" of Amazon S3.
fn check_bucket(name: &str, rules: &DestinationRules) -> Result<String, String> {
    const REFUSED_STARTS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const REFUSED_ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_edge(byte) || byte == b'-' || byte == b'.';
    let edges = name.as_bytes().first().zip(name.as_bytes().last());
    let is_valid = (3..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && edges.is_some_and(|(first, last)| is_edge(*first) && is_edge(*last))
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !REFUSED_STARTS.iter().any(|start| name.starts_with(start))
        && !REFUSED_ENDS.iter().any(|end| name.ends_with(end));
    if !is_valid {
        return Err(format!("{} is not the name of a bucket such as contoso-activity", quoted(name)));
    }
    if rules.buckets.iter().any(|own| own == name) {
        return Err(format!("{} is a bucket of the service: name one of your own", quoted(name)));
    }
    Ok(name.to_owned())
}

/// Reads a prefix of keys. The characters are those that Amazon S3 calls safe, so that every program finds the objects.
fn check_prefix(prefix: &str) -> Result<String, String> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()=/".contains(&byte);
    let mut parts = prefix.split('/');
    let is_folder = parts.next_back() == Some("") && parts.all(|part| !matches!(part, "" | "." | ".."));
    if prefix.len() > MAX_PREFIX_CHARS {
        return Err(format!("has {} characters; give at most {MAX_PREFIX_CHARS}", prefix.len()));
    }
    if !prefix.bytes().all(is_safe) || !is_folder {
        return Err(format!("{} is not a prefix such as logs/daybook/, which ends with a slash", quoted(prefix)));
    }
    Ok(prefix.to_owned())
}

/// An HTTPS server as a request names it.
#[derive(Deserialize, ToSchema)]
#[schema(as = StreamHttpsRequest)]
#[expect(dead_code, reason = "only the schema is used")]
pub struct HttpsRequest {
    /// The address to which batches are posted: `https://…`, on the Internet.
    #[schema(max_length = 2048, example = "https://siem.contoso.example/events")]
    url: String,
    /// The form of a batch; the default is array.
    framing: Option<Framing>,
    /// Further headers of each request, such as `Authorization`: at most 10. They are never shown. Headers that you leave out
    /// stay as they are, as long as the URL leads to the same server.
    headers: Option<std::collections::BTreeMap<String, String>>,
}

/// An event bus as a request names it.
#[derive(Deserialize, ToSchema)]
#[schema(as = StreamEventBridgeRequest)]
#[expect(dead_code, reason = "only the schema is used")]
pub struct EventBridgeRequest {
    /// The bus, which is of your own account.
    #[schema(example = "arn:aws:events:eu-west-3:123456789012:event-bus/security")]
    bus_arn: String,
    /// The role of your own account that the service assumes with the stream's external id.
    #[schema(example = "arn:aws:iam::123456789012:role/daybook")]
    role_arn: String,
}

/// A bucket as a request names it.
#[derive(Deserialize, ToSchema)]
#[schema(as = StreamS3Request)]
#[expect(dead_code, reason = "only the schema is used")]
pub struct S3Request {
    /// The bucket, which is of your own account.
    #[schema(min_length = 3, max_length = 63)]
    bucket: String,
    /// The beginning of every key, which ends with a slash; the default is none.
    #[schema(max_length = 512, example = "logs/daybook/")]
    prefix: Option<String>,
    /// The role of your own account that the service assumes with the stream's external id.
    #[schema(example = "arn:aws:iam::123456789012:role/daybook")]
    role_arn: String,
}

#[cfg(test)]
mod tests;
