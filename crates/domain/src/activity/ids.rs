//! Ids and actions: text that was checked once.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{text::quoted, time::Instant};

/// The longest id, in characters.
pub const MAX_ID_CHARS: usize = 128;
/// The longest action, in characters.
pub const MAX_ACTION_CHARS: usize = 100;

/// Declares a type of checked text that owns or borrows the text, with its OpenAPI schema.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $max:tt, $pattern:tt, $example:tt) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[schema(value_type = String, bound = "", pattern = $pattern, min_length = 1, max_length = $max, examples($example))]
        pub struct $name<T = String>(T);

        impl<T> $name<T> {
            /// Converts the text, which stays checked.
            pub(super) fn map<'a, U>(&'a self, convert: impl Fn(&'a T) -> U) -> $name<U> {
                $name(convert(&self.0))
            }
        }

        impl<'a> $name<&'a str> {
            /// Returns the text, which outlives this value.
            pub(crate) fn text(self) -> &'a str {
                self.0
            }
        }

        impl<T: AsRef<str>> $name<T> {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }

            /// Borrows the text.
            pub fn borrowed(&self) -> $name<&str> {
                $name(self.0.as_ref())
            }

            /// Copies the text.
            pub fn owned(&self) -> $name {
                $name(self.0.as_ref().to_owned())
            }
        }

        impl<T: AsRef<str>> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0.as_ref())
            }
        }
    };
}

text_type! {
    /// The id of a partner, the tenant that owns all data.
    ///
    /// 1 to 128 characters of `[A-Za-z0-9._-]`, but neither `.` nor `..`, because ids are parts of keys and file names.
    PartnerId, 128, "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$", "contoso"
}
text_type! {
    /// The id of an activity within its partner: 1 to 128 characters of `[A-Za-z0-9._:-]`.
    ActivityId, 128, "^[A-Za-z0-9._:-]{1,128}$", "evt-1"
}
text_type! {
    /// The kind of thing that was done, as `noun.verb_past`. The vocabulary is open.
    ///
    /// `[a-z0-9_]+(\.[a-z0-9_]+)+`, at most 100 characters.
    Action, 100, r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", "order.created"
}

impl PartnerId {
    /// The id under which the audit keeps what concerns no single partner. No partner may have it.
    pub const INSTALLATION: &'static str = "_installation";

    /// Returns the id under which the audit keeps what concerns no single partner.
    pub fn installation() -> Self {
        Self(Self::INSTALLATION.to_owned())
    }

    /// Tells whether this is the id that no partner may have.
    pub fn is_installation(&self) -> bool {
        self.0 == Self::INSTALLATION
    }

    /// Reads a partner's id.
    ///
    /// # Errors
    /// A message that says which characters are allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != "..";
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{} is not a partner id: use 1 to {MAX_ID_CHARS} of A-Z a-z 0-9 . _ -", quoted(text)))
        }
    }
}

impl<'a> ActivityId<&'a str> {
    /// Wraps text that was checked when it was stored.
    pub fn trusted(text: &'a str) -> Self {
        Self(text)
    }
}

impl ActivityId {
    /// Tells whether text can be an id.
    pub fn is_valid(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(allowed)
    }

    /// Reads an activity's id.
    ///
    /// # Errors
    /// A message that says which characters are allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if Self::is_valid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{} is not an activity id: use 1 to {MAX_ID_CHARS} of A-Z a-z 0-9 . _ : -", quoted(text)))
        }
    }

    /// Makes a new id: a ULID of this instant.
    pub fn generate(now: Instant) -> Self {
        let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
        Self(ulid::Ulid::from_datetime(time).to_string())
    }

    /// Copies another id into the memory of this one.
    pub fn copy_from(&mut self, other: &ActivityId<&str>) {
        other.0.clone_into(&mut self.0);
    }
}

impl<'a> Action<&'a str> {
    /// Wraps text that was checked when it was stored.
    pub fn trusted(text: &'a str) -> Self {
        Self(text)
    }
}

impl Action {
    /// Returns the action of the activity that a test of a stream sends.
    pub(crate) fn stream_tested() -> Self {
        Self("stream.tested".to_owned())
    }

    /// Tells whether text can be an action.
    pub fn is_valid(text: &str) -> bool {
        // A dot needs a word before and behind it; the start counts as a dot, so that a leading dot is refused.
        let (mut before, mut dots) = (b'.', 0);
        let fits = text.bytes().all(|byte| {
            dots += usize::from(byte == b'.');
            let follows_word = std::mem::replace(&mut before, byte) != b'.';
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || (byte == b'.' && follows_word)
        });
        fits && before != b'.' && dots > 0 && text.len() <= MAX_ACTION_CHARS
    }

    /// Reads an action.
    ///
    /// # Errors
    /// A message that says which form is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if Self::is_valid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{} is not an action: join words of a-z 0-9 _ by dots, such as order.created, in at most {MAX_ACTION_CHARS} characters",
                quoted(text)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_action_is_words_joined_by_dots(text in "[a-z0-9_.]{0,12}|[a-zA-Z.é -]{1,8}|[a-z]{90,95}\\.[a-z]{3,8}") {
            let word = |word: &str| !word.is_empty() && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            let is_one = text.len() <= MAX_ACTION_CHARS && text.contains('.') && text.split('.').all(word);
            prop_assert_eq!(Action::parse(&text).is_ok(), is_one);
        }
    }

    #[test]
    fn ids_have_allowed_characters_and_a_length_limit() {
        let longest = "x".repeat(MAX_ID_CHARS);
        let too_long = "x".repeat(MAX_ID_CHARS + 1);
        for (text, is_partner, is_activity) in [
            ("contoso", true, true),
            ("A-Z_0.9", true, true),
            ("a:b", false, true),
            ("...", true, true),
            (".", false, true),
            ("..", false, true),
            ("", false, false),
            ("a/b", false, false),
            ("a b", false, false),
            ("é", false, false),
            (longest.as_str(), true, true),
            (too_long.as_str(), false, false),
        ] {
            assert_eq!(PartnerId::parse(text).map(|id| id.to_string()).ok().as_deref(), is_partner.then_some(text));
            assert_eq!(ActivityId::parse(text).map(|id| id.to_string()).ok().as_deref(), is_activity.then_some(text));
        }
    }

    #[test]
    fn a_generated_id_is_a_ulid_of_its_instant() {
        let now = Instant::parse("2026-11-02T12:00:00.123Z").unwrap();
        let id = ActivityId::generate(now);
        assert!(ActivityId::is_valid(id.as_str()));
        let ulid: ulid::Ulid = id.as_str().parse().unwrap();
        assert_eq!(i64::try_from(ulid.timestamp_ms()).unwrap() * 1_000, now.micros());
        assert_ne!(ActivityId::generate(now), id, "two ids of one instant differ");
    }

    #[test]
    fn text_is_borrowed_and_copied_unchanged() {
        let mut id = ActivityId::parse("a").unwrap();
        let other = ActivityId::trusted("other");
        id.copy_from(&other);
        assert_eq!((id.as_str(), id.borrowed(), other.owned()), ("other", other, id.clone()));
        assert_eq!(Action::trusted("order.created").owned(), Action::parse("order.created").unwrap());
    }
}
