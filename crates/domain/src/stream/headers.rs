//! HTTP headers that a partner adds to the requests of a stream, such as `Authorization`.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    fault::{Faults, push_name},
    request_json::TextOrOther,
};

/// The most headers of a stream.
pub const MAX_HEADERS: usize = 10;
/// The longest value of a header, in characters.
pub const MAX_HEADER_VALUE_CHARS: usize = 4_096;
/// The longest name of a header, in characters.
const MAX_HEADER_NAME_CHARS: usize = 128;

/// Names that belong to the connection, to the body or to the service. Source of the first ones: RFC 9110, section 7.6.1.
const REFUSED_NAMES: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "host",
    "user-agent",
];
/// The beginnings of such names: the body's type, length and encoding, and the signature.
const REFUSED_STARTS: [&str; 2] = ["content-", "webhook-"];

/// The value of a header, which only the destination sees. `Debug` hides the text from logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderValue(String);

impl HeaderValue {
    /// Stands in the place of a value that is stored elsewhere. No value of a request is like it, because none is empty.
    pub fn hidden() -> Self {
        Self(String::new())
    }

    /// Tells whether the value is stored elsewhere.
    pub fn is_hidden(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the text that the destination receives.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderValue")
    }
}

/// The headers of a stream, by their names in lower case.
pub type Headers = BTreeMap<String, HeaderValue>;

/// The headers of a request in their order, repeated names included.
#[derive(Debug)]
pub(super) struct SentHeaders(Vec<(String, TextOrOther)>);

impl SentHeaders {
    /// Checks names and values, and adds the faults, each at its place in the object at `pointer`.
    ///
    /// No fault shows a value, because faults are logged.
    pub(super) fn read(self, pointer: &str, faults: &mut Faults) -> Option<Headers> {
        if self.0.len() > MAX_HEADERS {
            faults.invalid(pointer, format!("has {} headers; give at most {MAX_HEADERS}", self.0.len()));
            return None;
        }
        let mut headers = Headers::new();
        let mut is_complete = true;
        for (name, value) in self.0 {
            let mut place = pointer.to_owned();
            push_name(&mut place, &name);
            let name = name.to_ascii_lowercase();
            let value = check_name(&name).and_then(|()| check_value(value));
            let Some(value) = faults.keep(&place, value) else {
                is_complete = false;
                continue;
            };
            if headers.insert(name, value).is_some() {
                faults.invalid(&place, "is there twice: names are compared without regard to case");
                is_complete = false;
            }
        }
        is_complete.then_some(headers)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !(1..=MAX_HEADER_NAME_CHARS).contains(&name.len()) || !name.bytes().all(is_token_byte) {
        return Err(format!(
            "is not the name of a header: use 1 to {MAX_HEADER_NAME_CHARS} letters, digits and dashes, as in Authorization"
        ));
    }
    if REFUSED_NAMES.contains(&name) || REFUSED_STARTS.iter().any(|start| name.starts_with(start)) {
        return Err("is a header that the service sets itself".to_owned());
    }
    Ok(())
}

fn check_value(value: TextOrOther) -> Result<HeaderValue, String> {
    let TextOrOther::Text(value) = value else { return Err("must be a string".to_owned()) };
    let is_visible = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if value.is_empty() || !is_visible || value.starts_with(' ') || value.ends_with(' ') {
        return Err("must be visible ASCII characters, with blanks in between only".to_owned());
    }
    if value.len() > MAX_HEADER_VALUE_CHARS {
        return Err(format!("has {} characters; give at most {MAX_HEADER_VALUE_CHARS}", value.len()));
    }
    Ok(HeaderValue(value))
}

impl<'de> Deserialize<'de> for SentHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SentHeaders;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(SentHeaders(members))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Headers, Vec<(String, String)>> {
        let mut faults = Faults::default();
        let sent: SentHeaders = serde_json::from_str(json).unwrap();
        let headers = sent.read("/h", &mut faults);
        let shown = |fault: &crate::fault::Fault| (fault.pointer.clone(), fault.detail.clone());
        faults.finish(headers).map_err(|rejection| rejection.faults().iter().map(shown).collect())
    }

    #[test]
    fn headers_are_kept_by_their_names_in_lower_case() {
        let headers = read(r#"{"Authorization":"Bearer a.b-c","X-Team":"~"}"#).unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["authorization", "x-team"]);
        assert_eq!(headers["authorization"].reveal(), "Bearer a.b-c");
        assert!(!format!("{headers:?}").contains("Bearer"), "logs show no value");
        assert!(HeaderValue::hidden().is_hidden() && !headers["authorization"].is_hidden());
        assert!(read("{}").unwrap().is_empty());
    }

    #[test]
    fn headers_of_the_connection_and_the_service_are_refused() {
        for name in [
            "Host",
            "Connection",
            "Keep-Alive",
            "Proxy-Authorization",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "Content-Type",
            "content-length",
            "CONTENT-ENCODING",
            "webhook-id",
            "Webhook-Signature",
            "Expect",
        ] {
            let faults = read(&format!(r#"{{"{name}":"x"}}"#)).unwrap_err();
            assert_eq!(faults, [(format!("/h/{name}"), "is a header that the service sets itself".to_owned())]);
        }
        for name in ["", "a b", "a:b", "é", "a\\r\\nb", &"x".repeat(MAX_HEADER_NAME_CHARS + 1)] {
            assert!(read(&format!(r#"{{"{name}":"x"}}"#)).unwrap_err()[0].1.starts_with("is not the name"), "{name}");
        }
        assert!(read(&format!(r#"{{"{}":"x"}}"#, "x".repeat(MAX_HEADER_NAME_CHARS))).is_ok());
    }

    #[test]
    fn values_are_visible_and_never_shown() {
        for bad in ["", " secret", "secret ", "secret\\r\\nx: y", "secret\\u0000", "sécret"] {
            let faults = read(&format!(r#"{{"a":"{bad}"}}"#)).unwrap_err();
            assert!(faults[0].1.starts_with("must be visible"), "{bad}");
            assert!(!faults[0].1.contains("secret"));
        }
        assert_eq!(read(r#"{"a":1,"b":null}"#).unwrap_err().len(), 2);
        assert!(read(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_HEADER_VALUE_CHARS))).is_ok());
        assert!(read(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_HEADER_VALUE_CHARS + 1))).is_err());
    }

    #[test]
    fn a_name_is_there_once_and_names_are_counted() {
        assert_eq!(read(r#"{"A":"x","a":"y"}"#).unwrap_err()[0].0, "/h/a");
        assert_eq!(read(r#"{"a":"x","a":"y"}"#).unwrap_err()[0].0, "/h/a");
        let many = |count: usize| (0..count).map(|number| format!(r#""h{number}":"x""#)).collect::<Vec<_>>().join(",");
        assert_eq!(read(&format!("{{{}}}", many(MAX_HEADERS))).unwrap().len(), MAX_HEADERS);
        assert_eq!(read(&format!("{{{}}}", many(MAX_HEADERS + 1))).unwrap_err()[0].0, "/h");
    }
}
