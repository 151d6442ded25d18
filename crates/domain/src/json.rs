//! JSON kept as it was written: strings exactly, numbers with all their digits.
//!
//! A [`Json`] holds the text of a value without insignificant white space, and a digest of its meaning. The digest is the
//! same for any order of keys and any escaping of strings, so that a client whose maps have no fixed order can repeat a
//! request. JSON that programs read differently is refused: repeated keys, halves of surrogate pairs, and numbers beyond
//! double precision. Nesting and size are limited, so that no input can exhaust a reader.

use std::{borrow::Cow, collections::HashSet};

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::text::quoted;

/// The deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// The most values (members, elements and scalars) in one text.
pub const MAX_VALUES: usize = 200_000;

/// A checked JSON value: its compact text and the digest of its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    text: String,
    digest: [u8; 32],
    is_object: bool,
}

impl Json {
    /// Checks and compacts syntactically valid JSON.
    ///
    /// # Errors
    /// A message that names the broken limit or rule.
    pub fn parse(raw: &RawValue) -> Result<Self, String> {
        let mut scanner = Scanner { input: raw.get(), at: 0, text: String::with_capacity(raw.get().len()), values: 0 };
        let value = scanner.read_value(0)?;
        let mut hasher = Sha256::new();
        value.digest(&mut hasher);
        let is_object = matches!(value, Value::Object(_));
        drop(value);
        Ok(Self { text: scanner.text, digest: hasher.finalize().into(), is_object })
    }

    /// Returns the compact text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Converts into the compact text.
    pub fn into_string(self) -> String {
        self.text
    }

    /// Returns the SHA-256 of the value's canonical form.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Tells whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.is_object
    }
}

enum Value<'a> {
    /// A number, `true`, `false` or `null`, as written.
    Plain(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl Value<'_> {
    fn digest(&self, hasher: &mut Sha256) {
        fn part(hasher: &mut Sha256, tag: u8, len: usize) {
            hasher.update([tag]);
            hasher.update((len as u64).to_be_bytes());
        }
        match self {
            Self::Plain(text) => {
                part(hasher, b'p', text.len());
                hasher.update(text);
            }
            Self::Text(text) => {
                part(hasher, b's', text.len());
                hasher.update(text.as_bytes());
            }
            Self::Array(elements) => {
                part(hasher, b'a', elements.len());
                for element in elements {
                    element.digest(hasher);
                }
            }
            Self::Object(members) => {
                part(hasher, b'o', members.len());
                let mut sorted: Vec<&(Cow<'_, str>, Value<'_>)> = members.iter().collect();
                sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                for (key, value) in sorted {
                    part(hasher, b's', key.len());
                    hasher.update(key.as_bytes());
                    value.digest(hasher);
                }
            }
        }
    }
}

/// A reader of text that `serde_json` found valid; it therefore checks only the bytes that decide the next step.
struct Scanner<'a> {
    input: &'a str,
    at: usize,
    text: String,
    values: usize,
}

impl<'a> Scanner<'a> {
    fn read_value(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(format!("holds more than {MAX_VALUES} values"));
        }
        match self.peek() {
            b'{' => self.read_object(depth + 1),
            b'[' => self.read_array(depth + 1),
            b'"' => Ok(Value::Text(self.read_string()?)),
            _ => self.read_plain(),
        }
    }

    fn read_object(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.check_depth(depth)?;
        self.copy_punctuation();
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        while self.peek() != b'}' {
            let key = self.read_string()?;
            if !seen.insert(key.clone()) {
                return Err(format!("has the key {} twice", quoted(&key)));
            }
            self.peek();
            self.copy_punctuation();
            members.push((key, self.read_value(depth)?));
            if self.peek() == b',' {
                self.copy_punctuation();
            }
        }
        self.copy_punctuation();
        Ok(Value::Object(members))
    }

    fn read_array(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.check_depth(depth)?;
        self.copy_punctuation();
        let mut elements = Vec::new();
        while self.peek() != b']' {
            elements.push(self.read_value(depth)?);
            if self.peek() == b',' {
                self.copy_punctuation();
            }
        }
        self.copy_punctuation();
        Ok(Value::Array(elements))
    }

    fn read_string(&mut self) -> Result<Cow<'a, str>, String> {
        self.peek();
        let bytes = self.input.as_bytes();
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        while bytes[self.at] != b'"' {
            if bytes[self.at] == b'\\' {
                escaped = true;
                self.at += 1;
            }
            self.at += 1;
        }
        self.at += 1;
        let token = &self.input[start..self.at];
        self.text.push_str(token);
        if escaped {
            serde_json::from_str::<String>(token)
                .map(Cow::Owned)
                .map_err(|_| "holds half of a surrogate pair, which is not a character".to_owned())
        } else {
            Ok(Cow::Borrowed(&token[1..token.len() - 1]))
        }
    }

    fn read_plain(&mut self) -> Result<Value<'a>, String> {
        let rest = &self.input[self.at..];
        let end = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        let token = &rest[..end];
        if token.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && !token.parse::<f64>().is_ok_and(f64::is_finite)
        {
            return Err(format!("holds the number {}, beyond ±1.8e308", quoted(token)));
        }
        self.at += end;
        self.text.push_str(token);
        Ok(Value::Plain(token))
    }

    fn check_depth(&self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH { Err(format!("is nested more than {MAX_DEPTH} levels deep")) } else { Ok(()) }
    }

    /// Returns the next significant byte. The end reads as a closing brace, so that no loop passes the end.
    fn peek(&mut self) -> u8 {
        let bytes = self.input.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(b'}')
    }

    /// Copies one byte of punctuation.
    fn copy_punctuation(&mut self) {
        self.text.push(char::from(self.input.as_bytes()[self.at]));
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Json, String> {
        Json::parse(serde_json::from_str::<&RawValue>(text).unwrap())
    }

    #[test]
    fn only_white_space_between_tokens_is_removed() {
        let json = parse(" { \"a b\" : [ 1.50 , -0, 1E+2 , \"\\u00e9 \\\" \" , null , true, {} , [ ] ] } ").unwrap();
        assert_eq!(json.as_str(), r#"{"a b":[1.50,-0,1E+2,"\u00e9 \" ",null,true,{},[]]}"#);
        assert!(json.is_object());
    }

    #[test]
    fn digests_ignore_key_order_and_escapes_but_not_digits() {
        let digest = |text| *parse(text).unwrap().digest();
        assert_eq!(digest(r#"{"a":1,"b":"é"}"#), digest(r#"{ "b":"\u00e9", "a":1 }"#));
        assert_ne!(digest(r#"{"a":1}"#), digest(r#"{"a":1.0}"#));
        assert_ne!(digest(r#"{"a":"1"}"#), digest(r#"{"a":1}"#));
        assert_ne!(digest(r#"[[1],2]"#), digest(r#"[[1,2]]"#));
    }

    #[test]
    fn json_that_programs_read_differently_is_refused() {
        let refusal = |text: &str| parse(text).unwrap_err();
        assert!(refusal(r#"{"a":1,"\u0061":2}"#).contains("twice"));
        assert!(refusal(r#"["\ud800"]"#).contains("surrogate"));
        assert!(refusal("[1e400]").contains("1e400"));
        assert!(refusal(&("[".repeat(100_000) + &"]".repeat(100_000))).contains("nested"));
        assert!(refusal(&format!("[{}0]", "0,".repeat(1_000_000))).contains("more than"));
        assert!(parse(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_ok());
    }

    #[test]
    fn limits_are_inclusive_and_numbers_are_kept() {
        // The array itself is a value, too.
        let array = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(parse(&array(MAX_VALUES)).is_ok());
        assert!(parse(&array(MAX_VALUES + 1)).unwrap_err().contains("more than 200000 values"));
        let nested = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).unwrap_err().contains("nested more than 64"));
        for text in ["0", "-1.50", "1e308", "true", "null", "\"\"", "[]"] {
            let json = parse(text).unwrap();
            assert_eq!((json.as_str(), json.is_object()), (text, false));
            assert_eq!(json.into_string(), text);
        }
    }

    #[test]
    fn digests_are_those_of_stored_activities() {
        // The expected value comes from a separate program, in Python.
        let json = parse(r#"{"b":[1,"é",null],"a":{}}"#).unwrap();
        assert_eq!(crate::text::hex(json.digest()), "e83f4638c7029ee37c60bef7b21a1cf9dc96a05ee44fdb354ebdf1647d77a072");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn pretty_text_becomes_compact(value in any_json()) {
            let json = parse(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
            prop_assert_eq!(json.as_str(), serde_json::to_string(&value).unwrap());
            let again = parse(json.as_str()).unwrap();
            prop_assert_eq!(json.digest(), again.digest());
        }
    }
}
