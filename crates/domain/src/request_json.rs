//! JSON of requests, read into types; all faults are found at once, each with its field, in plain words.
//!
//! serde stops at the first fault. So [`read_body`] cuts the member with the fault out of the document and reads the rest
//! again, until the rest can be read. Valid documents are read once.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{error::Category, value::RawValue};

use crate::{
    fault::{Faults, MAX_FAULTS, Rejection, push_name},
    text::quoted,
};

/// The most members of an object that [`Members`] reads; the bound keeps a search for repeated names short.
const MAX_MEMBERS: usize = 200;
/// The longest error text of a type that a client sees, in characters.
const MAX_MESSAGE_CHARS: usize = 300;
/// How many bytes of a document with faults are read again at most, all rounds together.
const MAX_REREAD_BYTES: usize = 16 * 1_024 * 1_024;
/// How often even the largest document is read again.
const MIN_ROUNDS: usize = 4;

/// A type that the body of a request is read into, perhaps with borrowed text.
pub trait RequestBody {
    /// The type for a text of a lifetime.
    type Read<'a>: Deserialize<'a>;
}

/// Reads an object of a request into a type, and adds every fault of its members.
///
/// Returns what the members without faults say, so that the caller can check these further; none if there is no object to
/// read. `rest` holds the text that was left, if there were faults.
pub fn read_body<'a, B: RequestBody>(json: &'a str, rest: &'a mut String, faults: &mut Faults) -> Option<B::Read<'a>> {
    let json = without_byte_order_mark(json);
    // Valid documents are read without tracking paths, because tracking costs more than parsing.
    if let Ok(Object(value)) = serde_json::from_str(json) {
        return Some(value);
    }
    // Checked first, because a fault of a member may stand before the place where the document is no JSON.
    if let Err(error) = serde_json::from_str::<&RawValue>(json) {
        faults.invalid("", explain_document(json, &error));
        return None;
    }
    let rounds = (MAX_REREAD_BYTES / json.len().max(1)).clamp(MIN_ROUNDS, MAX_FAULTS + 1);
    let mut text = Cow::Borrowed(json);
    for _ in 0..rounds {
        let Some(found) = find_fault::<Object<B::Read<'_>>>(&text).err() else {
            *rest = text.into_owned();
            return serde_json::from_str(rest).ok().map(|Object(value)| value);
        };
        faults.invalid(&found.pointer, found.detail);
        text = Cow::Owned(without_member(&text, &found.path)?);
    }
    None
}

/// Reads an object of a request into a type that owns its text, as [`read_body`] does.
pub fn read_owned<T: DeserializeOwned>(json: &str, faults: &mut Faults) -> Option<T> {
    struct Owned<T>(PhantomData<T>);

    impl<T: DeserializeOwned> RequestBody for Owned<T> {
        type Read<'a> = T;
    }

    read_body::<Owned<T>>(json, &mut String::new(), faults)
}

/// Reads a JSON document into a type.
///
/// # Errors
/// [`Rejection::Invalid`] with a JSON pointer to the first field that does not fit.
pub fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    let json = without_byte_order_mark(json);
    if let Ok(value) = serde_json::from_str(json) {
        return Ok(value);
    }
    if let Err(error) = serde_json::from_str::<&RawValue>(json) {
        return Err(Rejection::invalid("", explain_document(json, &error)));
    }
    find_fault(json).map_err(|found| Rejection::invalid(found.pointer, found.detail))
}

/// Drops the mark that some editors and spreadsheets write before UTF-8. RFC 8259, section 8.1, lets readers ignore it.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The first fault of a document.
struct FoundFault {
    /// The names of the members that lead to the fault, down to the first array.
    path: Vec<String>,
    pointer: String,
    detail: String,
}

/// Reads valid JSON into a type, or finds the first member that does not fit.
fn find_fault<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, FoundFault> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        use serde_path_to_error::Segment;
        let (mut path, mut pointer, mut last) = (Vec::new(), String::new(), "");
        let mut is_in_array = false;
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => {
                    is_in_array = true;
                    pointer.push_str(&format!("/{index}"));
                }
                Segment::Map { key } => {
                    push_name(&mut pointer, key);
                    last = key.as_str();
                    if !is_in_array {
                        path.push(key.clone());
                    }
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = message_of(error.inner());
        let named = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split('`').next());
        let detail = if message.starts_with("unknown field `") {
            format!("unknown field {}: remove it or correct its name", quoted(last))
        } else if let Some(name) = named("duplicate field `") {
            push_name(&mut pointer, name);
            path.push(name.to_owned());
            "is given twice: send it once".to_owned()
        } else if let Some(name) = named("missing field `") {
            push_name(&mut pointer, name);
            path.push(name.to_owned());
            "is required".to_owned()
        } else if error.inner().classify() == Category::Data {
            explain_type(&message)
        } else {
            format!("cannot be read: {}", explain_syntax(&message))
        };
        FoundFault { path, pointer, detail }
    })
}

/// Returns a document without the member at a path; none if there is no such member.
fn without_member(json: &str, path: &[String]) -> Option<String> {
    let (name, inner) = path.split_first()?;
    let AllMembers(members) = serde_json::from_str(json).ok()?;
    let mut text = "{".to_owned();
    let mut is_found = false;
    for (key, value) in members {
        let value = if key != *name {
            Cow::Borrowed(value.get())
        } else {
            is_found = true;
            if inner.is_empty() {
                continue;
            }
            Cow::Owned(without_member(value.get(), inner)?)
        };
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(&key).ok()?);
        text.push(':');
        text.push_str(&value);
    }
    text.push('}');
    is_found.then_some(text)
}

/// Returns the parser's message without the position.
fn message_of(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").filter(|_| error.line() > 0).unwrap_or(message.len());
    message[..end].to_owned()
}

/// Explains why a text is not a JSON document.
fn explain_document(json: &str, error: &serde_json::Error) -> String {
    if json.trim().is_empty() {
        return "is empty: send a JSON object".to_owned();
    }
    let (line, column) = (error.line(), error.column());
    format!("is not valid JSON at line {line}, column {column}: {}", explain_syntax(&message_of(error)))
}

/// Puts the parser's message about malformed text into plain words.
fn explain_syntax(message: &str) -> &'static str {
    // The beginnings of the messages of serde_json.
    const WORDS: [(&str, &str); 15] = [
        ("EOF", "the document ends too early, so that a bracket or a quotation mark is not closed"),
        ("expected value", "a value is missing or misspelt; strings stand in double quotes"),
        ("expected ident", "true, false or null is misspelt"),
        ("expected `:`", "a colon is missing after the name of a member"),
        ("expected `,` or `}`", "a comma or a closing brace is missing"),
        ("expected `,` or `]`", "a comma or a closing bracket is missing"),
        ("trailing characters", "something follows after the end of the document"),
        ("key must be a string", "the name of a member, in double quotes, is missing"),
        ("control character", "a string contains a control character: write it as an escape such as \\n or \\u0001"),
        ("invalid escape", "a backslash in a string begins no escape: write \\\\ for a backslash"),
        ("lone leading surrogate", "a \\u escape is half of a surrogate pair, which is not a character"),
        ("unexpected end of hex escape", "a \\u escape is half of a surrogate pair, which is not a character"),
        ("invalid number", "a number is malformed"),
        ("number out of range", "a number is beyond \u{b1}1.8e308"),
        ("recursion limit", "arrays and objects are nested too deeply"),
    ];
    let found = WORDS.iter().find(|(beginning, _)| message.starts_with(beginning));
    found.map_or("the text is malformed", |(_, words)| words)
}

/// Puts a message about a value of the wrong type into plain words. Messages of our own types are kept.
fn explain_type(message: &str) -> String {
    let (kind, rest) = match (message.strip_prefix("invalid type: "), message.strip_prefix("invalid value: ")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return message.chars().take(MAX_MESSAGE_CHARS).collect(),
    };
    let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "another value"));
    let expected = match expected {
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "str" => "a string",
        "a sequence" => "an array",
        "a map" => "an object",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of at least 0",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let found = match found.split([' ', '`']).next().unwrap_or_default() {
        "string" | "character" => "a string",
        "integer" | "floating" if kind => "a number",
        "integer" | "floating" => found.split('`').nth(1).unwrap_or("that"),
        "boolean" => "true or false",
        "null" | "unit" => "null",
        "map" => "an object",
        "sequence" => "an array",
        _ => "that",
    };
    format!("must be {expected}, not {found}")
}

/// A struct that is read from a JSON object only, because serde also reads structs from arrays.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

/// A JSON string, or anything else, which the reader of an array reports together with the other elements' faults.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum TextOrOther {
    /// A string.
    Text(String),
    /// Any other JSON.
    Other(serde::de::IgnoredAny),
}

/// A member of a request that changes something stored, or leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update<T> {
    /// The member is absent: the stored value stays.
    #[default]
    Keep,
    /// The member is null: the default holds from now on.
    Reset,
    /// The member has a value.
    Set(T),
}

impl<T> Update<T> {
    /// Converts the value, if there is one, or adds the fault.
    pub fn parse<U>(self, pointer: &str, faults: &mut Faults, parse: impl FnOnce(T) -> Result<U, String>) -> Update<U> {
        match self {
            Self::Keep => Update::Keep,
            Self::Reset => Update::Reset,
            Self::Set(value) => faults.keep(pointer, parse(value)).map_or(Update::Keep, Update::Set),
        }
    }

    /// Returns the value that holds from now on: the new one, the stored one, or the default.
    pub fn resolve(self, stored: Option<T>, default: T) -> T {
        match self {
            Self::Set(value) => value,
            Self::Keep => stored.unwrap_or(default),
            Self::Reset => default,
        }
    }
}

/// Reads a member that is present; `#[serde(default)]` makes an absent one [`Update::Keep`].
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Update<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

/// The members of a small JSON object in their order, with unread values, repeated names included.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor { max: MAX_MEMBERS }).map(Self)
    }
}

/// The members of any JSON object in their order, with unread values, repeated names included.
struct AllMembers<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for AllMembers<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor { max: usize::MAX }).map(Self)
    }
}

/// Collects the members of an object, up to a number.
struct MembersVisitor {
    max: usize,
}

impl<'de> serde::de::Visitor<'de> for MembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
            if members.len() == self.max {
                return Err(serde::de::Error::custom(format!("has more than {} members", self.max)));
            }
            members.push((name, value));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests;
