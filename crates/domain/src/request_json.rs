//! JSON of requests, read into types; each error names its field.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{fault::Rejection, text::quoted};

/// The most members of an object that [`Members`] reads; the bound keeps the search for repeated names short.
const MAX_MEMBERS: usize = 200;
/// The longest error text of the JSON parser that a client sees, in characters.
const MAX_MESSAGE_CHARS: usize = 300;
/// The longest field name that an error repeats, in characters.
const MAX_SHOWN_NAME_CHARS: usize = 60;

/// Reads a JSON document into a type.
///
/// # Errors
/// [`Rejection::Invalid`] with a JSON pointer to the first field that does not fit.
pub fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    // Valid documents are read without tracking paths, because tracking costs more than parsing.
    if let Ok(value) = serde_json::from_str(json) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => pointer.push_str(&format!("/{key}")),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = error.inner().to_string();
        if let Some(field) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
            let shown: String = field.chars().take(MAX_SHOWN_NAME_CHARS).collect();
            if !pointer.ends_with(&format!("/{field}")) {
                pointer.push_str(&format!("/{shown}"));
            }
            return Rejection::invalid(pointer, format!("unknown field {shown:?}: remove it or correct its name"));
        }
        Rejection::invalid(pointer, shorten(&message))
    })?;
    reader.end().map_err(|error| Rejection::invalid("", shorten(&error.to_string())))?;
    Ok(value)
}

fn shorten(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// A struct that is read from a JSON object only, because serde also reads structs from arrays.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// The members of a JSON object in their order, with unread values. No name occurs twice.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("has {} twice", quoted(&name))));
                    }
                    if members.len() == MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format!("has more than {MAX_MEMBERS} members")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading matters")]
    struct Outer {
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading matters")]
    struct Inner {
        number: u8,
    }

    #[test]
    fn errors_point_to_the_field_that_does_not_fit() {
        let long = "x".repeat(100);
        for (json, pointer, detail) in [
            (r#"{"list":[{"number":1},{"number":"x"}]}"#.to_owned(), "/list/1/number".to_owned(), "invalid type"),
            (r#"{"list":[{"colour":1}]}"#.to_owned(), "/list/0/colour".to_owned(), "unknown field \"colour\""),
            (format!(r#"{{"{long}":1}}"#), format!("/{long}"), "unknown field"),
            (r#"{"list":[]} x"#.to_owned(), String::new(), "trailing characters"),
            ("{".to_owned(), String::new(), "EOF"),
        ] {
            let Err(Rejection::Invalid(faults)) = from_json::<Outer>(&json) else { panic!("{json}") };
            let [fault] = &faults[..] else { panic!("{faults:?}") };
            assert_eq!(fault.pointer, pointer, "{json}");
            assert!(fault.detail.contains(detail), "{}", fault.detail);
            assert!(fault.detail.len() <= MAX_MESSAGE_CHARS);
        }
        assert!(from_json::<Outer>(r#"{"list":[{"number":1}]}"#).is_ok());
    }

    #[test]
    fn an_object_is_not_read_from_an_array() {
        assert!(from_json::<Inner>("[1]").is_ok(), "serde alone reads it");
        let Err(Rejection::Invalid(faults)) = from_json::<Object<Inner>>("[1]") else { panic!("read") };
        assert!(faults[0].detail.contains("expected an object"), "{}", faults[0].detail);
        assert!(from_json::<Object<Inner>>(r#"{"number":1}"#).is_ok());
    }

    #[test]
    fn members_are_limited_and_occur_once() {
        let object = |count: usize| {
            let members: Vec<String> = (0..count).map(|number| format!("\"m{number}\":{number}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let (most, too_many) = (object(MAX_MEMBERS), object(MAX_MEMBERS + 1));
        assert_eq!(from_json::<Members<'_>>(&most).map(|Members(members)| members.len()), Ok(MAX_MEMBERS));
        for (json, detail) in
            [(too_many.as_str(), "more than 200"), (r#"{"a":1,"\u0061":2}"#, "twice"), ("[]", "expected an object")]
        {
            let Err(rejection) = from_json::<Members<'_>>(json) else { panic!("{json}") };
            assert!(rejection.faults()[0].detail.contains(detail), "{rejection:?}");
        }
    }
}
