//! What a stream keeps secret: the values of its headers, and the secrets that sign its requests.
//!
//! They have an item of their own in the table of secrets, so that a function that may see or clean streams sees none of them.
//! A stream without its secrets has the names of its headers, with hidden values.

use domain::{
    delivery::Secrets,
    stream::{Destination, HeaderValue, Headers, HttpsDestination, Stream},
};
use serde::{Deserialize, Serialize};

use crate::{
    control::{Item, json, key, parse_json},
    error::Error,
};

/// The values of headers, and the server that may see them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredHeaders {
    /// The origin of the destination's URL; empty for a destination without headers.
    origin: String,
    values: Headers,
}

/// The key of the item with the secrets of a stream.
pub(super) fn secrets_key(partner: &str, id: &str) -> Item {
    key(&format!("stream#{partner}"), id)
}

/// The item with the secrets of a new stream.
pub(super) fn secrets_item(partner: &str, id: &str, secrets: &Secrets, headers: &StoredHeaders) -> Result<Item, Error> {
    let mut item = secrets_key(partner, id);
    item.insert("secrets".to_owned(), json(secrets)?);
    item.insert("headers".to_owned(), json(headers)?);
    Ok(item)
}

/// Reads an item with secrets.
pub(super) fn parse_secrets(item: &Item) -> Result<(Secrets, StoredHeaders), Error> {
    Ok((parse_json(item, "secrets")?, parse_json(item, "headers")?))
}

/// Hides the values of the headers of a stream. Returns the values as well, unless they are hidden already: then the stored ones
/// stay.
pub(super) fn hide(stream: &Stream) -> (Stream, Option<StoredHeaders>) {
    let mut hidden = stream.clone();
    let Destination::Https(https) = &mut hidden.settings.destination else {
        return (hidden, Some(StoredHeaders::default()));
    };
    if https.headers.values().any(HeaderValue::is_hidden) {
        return (hidden, None);
    }
    let names = https.headers.keys().map(|name| (name.clone(), HeaderValue::hidden())).collect();
    let values = std::mem::replace(&mut https.headers, names);
    let stored = StoredHeaders { origin: https.url.origin().ascii_serialization(), values };
    (hidden, Some(stored))
}

/// Puts the values of the headers into a stream that was read without them. Returns none if they belong to another server or
/// have other names: then the stream was changed between the two reads.
pub(super) fn reveal(mut stream: Stream, stored: &StoredHeaders) -> Option<Stream> {
    let Destination::Https(HttpsDestination { url, headers, .. }) = &mut stream.settings.destination else {
        return Some(stream);
    };
    let is_same = headers.keys().eq(stored.values.keys())
        && (headers.is_empty() || url.origin().ascii_serialization() == stored.origin);
    headers.clone_from(&stored.values);
    is_same.then_some(stream)
}

#[cfg(test)]
mod tests {
    use domain::{
        access::Author,
        stream::{DestinationRules, StreamChange},
        time::Instant,
    };

    use super::*;

    fn stream(destination: &str) -> Stream {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let json = format!(r#"{{"name":"SIEM","destination":{destination}}}"#);
        let settings = StreamChange::parse(&json, None, &DestinationRules::default(), now).unwrap().settings;
        let author = Author { subject: None, name: "Ana".to_owned() };
        Stream::create("s-1".to_owned(), "x".to_owned(), settings, now, now, author)
    }

    #[test]
    fn values_of_headers_are_hidden_and_come_back() {
        let whole = stream(r#"{"kind":"https","url":"https://siem.example/a","headers":{"A":"one","B":"two"}}"#);
        let (hidden, stored) = hide(&whole);
        let shown = serde_json::to_string(&hidden).unwrap();
        assert!(!shown.contains("one") && !shown.contains("two") && shown.contains(r#""a":"""#), "{shown}");
        let stored = stored.unwrap();
        assert_eq!(reveal(hidden.clone(), &stored), Some(whole));
        assert_eq!(hide(&hidden), (hidden, None), "hidden values replace no stored ones");
    }

    #[test]
    fn values_reach_their_own_server_only() {
        let (_, stored) = hide(&stream(r#"{"kind":"https","url":"https://siem.example/a","headers":{"A":"one"}}"#));
        let stored = stored.unwrap();
        for (destination, is_revealed) in [
            (r#"{"kind":"https","url":"https://siem.example/b","headers":{"A":"x"}}"#, true),
            (r#"{"kind":"https","url":"https://other.example/a","headers":{"A":"x"}}"#, false),
            (r#"{"kind":"https","url":"https://siem.example/a","headers":{"B":"x"}}"#, false),
            (r#"{"kind":"https","url":"https://siem.example/a"}"#, false),
        ] {
            assert_eq!(reveal(hide(&stream(destination)).0, &stored).is_some(), is_revealed, "{destination}");
        }
        let bucket = r#"{"kind":"s3","bucket":"contoso","role_arn":"arn:aws:iam::210987654321:role/x"}"#;
        assert_eq!(hide(&stream(bucket)), (stream(bucket), Some(StoredHeaders::default())));
        assert!(reveal(stream(bucket), &stored).is_some());
    }
}
