//! Faults of a request: each names a field and says how to correct it. A refusal names all of them at once.

use std::str::FromStr;

use serde::Serialize;
use strum::VariantNames;
use utoipa::ToSchema;

use crate::text::parse_word;

/// The most faults that a refusal names.
pub const MAX_FAULTS: usize = 50;
/// The longest member name that a pointer repeats, in characters.
const MAX_SHOWN_NAME_CHARS: usize = 60;

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the field.
    pub pointer: String,
    /// The reason, and the value that would be accepted.
    pub detail: String,
}

impl Fault {
    /// Makes a fault of the field at a JSON pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Reads a field that holds one word of an enumeration.
///
/// # Errors
/// A fault of the field that lists the allowed words.
pub fn parse_word_field<T: FromStr + VariantNames>(pointer: &str, text: &str) -> Result<T, Fault> {
    parse_word(text).map_err(|detail| Fault::new(pointer, detail))
}

/// Appends the name of a member to a JSON pointer (RFC 6901). Long names are cut.
pub fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    for char in name.chars().take(MAX_SHOWN_NAME_CHARS) {
        match char {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            char => pointer.push(char),
        }
    }
}

/// The refusal of a request, with its faults.
///
/// A request that is wrong in several ways is refused for the first kind below that applies. All faults are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Fields are malformed, unknown, missing or unreadable.
    Invalid(Vec<Fault>),
    /// Fields are well-formed and exceed a limit.
    TooLarge(Vec<Fault>),
    /// Fields are well-formed and not acceptable now.
    Unprocessable(Vec<Fault>),
}

impl Rejection {
    /// Refuses a request for one malformed field.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, detail)])
    }

    /// Returns the faults, at least one.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) | Self::TooLarge(faults) | Self::Unprocessable(faults) => faults,
        }
    }
}

/// The faults of a request that were found so far, by their kind.
///
/// A field has one fault: the first that was found. So a member of the wrong type, which is read no further, is not also
/// reported as missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    invalid: Vec<Fault>,
    too_large: Vec<Fault>,
    unprocessable: Vec<Fault>,
}

impl Faults {
    /// Adds a malformed field.
    pub fn invalid(&mut self, pointer: &str, detail: impl Into<String>) {
        if !self.covers(pointer) {
            self.invalid.push(Fault::new(pointer, detail));
        }
    }

    /// Adds a field that exceeds a limit.
    pub fn too_large(&mut self, pointer: &str, detail: impl Into<String>) {
        if !self.covers(pointer) {
            self.too_large.push(Fault::new(pointer, detail));
        }
    }

    /// Adds a field that is not acceptable now.
    pub fn unprocessable(&mut self, pointer: &str, detail: impl Into<String>) {
        if !self.covers(pointer) {
            self.unprocessable.push(Fault::new(pointer, detail));
        }
    }

    /// Keeps a value that could be read, or adds the fault.
    pub fn keep<T>(&mut self, pointer: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|detail| self.invalid(pointer, detail)).ok()
    }

    /// Keeps a value that could be read, or adds the fault with the pointer that it has.
    pub fn keep_field<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|Fault { pointer, detail }| self.invalid(&pointer, detail)).ok()
    }

    /// Adds the faults of another part of the request, each at the pointer that `place` gives it, if any.
    pub fn append(&mut self, part: Self, place: impl Fn(&str) -> Option<String>) {
        let Self { invalid, too_large, unprocessable } = part;
        for Fault { pointer, detail } in invalid {
            if let Some(pointer) = place(&pointer) {
                self.invalid(&pointer, detail);
            }
        }
        for Fault { pointer, detail } in too_large {
            if let Some(pointer) = place(&pointer) {
                self.too_large(&pointer, detail);
            }
        }
        for Fault { pointer, detail } in unprocessable {
            if let Some(pointer) = place(&pointer) {
                self.unprocessable(&pointer, detail);
            }
        }
    }

    /// Adds the faults of a part that was refused.
    pub fn append_rejection(&mut self, rejection: Rejection) {
        let part = match rejection {
            Rejection::Invalid(invalid) => Self { invalid, ..Self::default() },
            Rejection::TooLarge(too_large) => Self { too_large, ..Self::default() },
            Rejection::Unprocessable(unprocessable) => Self { unprocessable, ..Self::default() },
        };
        self.append(part, |pointer| Some(pointer.to_owned()));
    }

    /// Keeps a value that could be read, or adds the faults of the part that was refused.
    pub fn keep_part<T>(&mut self, read: Result<T, Rejection>) -> Option<T> {
        read.map_err(|rejection| self.append_rejection(rejection)).ok()
    }

    /// Returns the value if there are no faults.
    ///
    /// # Errors
    /// All faults, as the first kind that was found. Of very many, the first [`MAX_FAULTS`] and the number of the others.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Rejection> {
        let Self { mut invalid, mut too_large, mut unprocessable } = self;
        let refuse: fn(Vec<Fault>) -> Rejection = match (invalid.is_empty(), too_large.is_empty()) {
            (false, _) => Rejection::Invalid,
            (true, false) => Rejection::TooLarge,
            (true, true) if !unprocessable.is_empty() => Rejection::Unprocessable,
            (true, true) => return value.ok_or_else(|| Rejection::invalid("", "is incomplete")),
        };
        invalid.append(&mut too_large);
        invalid.append(&mut unprocessable);
        let others = invalid.len().saturating_sub(MAX_FAULTS);
        if others > 0 {
            invalid.truncate(MAX_FAULTS);
            invalid.push(Fault::new("", format!("has {others} more faults: correct these first")));
        }
        Err(refuse(invalid))
    }

    /// Tells whether the field at a pointer, or the object that holds it, has a fault already.
    fn covers(&self, pointer: &str) -> bool {
        let all = [&self.invalid, &self.too_large, &self.unprocessable];
        all.into_iter().flatten().any(|known| {
            let rest = pointer.strip_prefix(known.pointer.as_str());
            rest.is_some_and(|rest| rest.is_empty() || (!known.pointer.is_empty() && rest.starts_with('/')))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(rejection: &Rejection) -> Vec<&str> {
        rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect()
    }

    #[test]
    fn all_kinds_of_faults_are_named_at_once() {
        let mut faults = Faults::default();
        faults.unprocessable("/a", "is late");
        faults.too_large("/b", "is long");
        assert!(matches!(faults.clone().finish(Some(1)), Err(Rejection::TooLarge(faults)) if faults.len() == 2));
        faults.invalid("/c", "is wrong");
        let rejection = faults.finish(Some(1)).unwrap_err();
        assert_eq!(pointers(&rejection), ["/c", "/b", "/a"]);
        assert!(matches!(rejection, Rejection::Invalid(_)));
        assert_eq!(Faults::default().finish(Some(1)), Ok(1));
    }

    #[test]
    fn what_is_read_is_kept_and_a_fault_keeps_its_kind() {
        let mut faults = Faults::default();
        assert_eq!(faults.keep("/a", Ok(1)), Some(1));
        assert_eq!(faults.keep_field(Ok(2)), Some(2));
        assert_eq!(faults.keep_part(Ok(3)), Some(3));
        assert_eq!(faults, Faults::default());
        assert_eq!(faults.keep::<u8>("/a", Err("is wrong".to_owned())), None);
        assert_eq!(faults.keep_field::<u8>(Err(Fault::new("/b", "is wrong"))), None);
        assert_eq!(faults.keep_part::<u8>(Err(Rejection::invalid("/c", "is wrong"))), None);
        assert_eq!(pointers(&faults.finish(Some(1)).unwrap_err()), ["/a", "/b", "/c"]);
        for kind in [Rejection::Invalid, Rejection::TooLarge, Rejection::Unprocessable] {
            let (rejection, mut faults) = (kind(vec![Fault::new("/a", "is wrong")]), Faults::default());
            faults.append_rejection(rejection.clone());
            assert_eq!(faults.finish(Some(1)), Err(rejection));
        }
    }

    #[test]
    fn a_field_has_its_first_fault_only() {
        let mut faults = Faults::default();
        faults.invalid("/actor", "must be an object");
        for (pointer, is_new) in [("/actor", false), ("/actor/id", false), ("/actors", true), ("/", true)] {
            let before = faults.invalid.len();
            faults.invalid(pointer, "is required");
            assert_eq!(faults.invalid.len() > before, is_new, "{pointer}");
        }
    }

    #[test]
    fn very_many_faults_are_counted() {
        let mut faults = Faults::default();
        for number in 0..MAX_FAULTS + 7 {
            faults.invalid(&format!("/{number}"), "is wrong");
        }
        let rejection = faults.finish::<()>(None).unwrap_err();
        assert_eq!(rejection.faults().len(), MAX_FAULTS + 1);
        assert_eq!(rejection.faults()[MAX_FAULTS].detail, "has 7 more faults: correct these first");
    }

    #[test]
    fn names_are_escaped_in_pointers() {
        let mut pointer = "/a".to_owned();
        push_name(&mut pointer, "b/c~d");
        assert_eq!(pointer, "/a/b~1c~0d");
        push_name(&mut pointer, &"é".repeat(100));
        assert_eq!(pointer.chars().count(), "/a/b~1c~0d".len() + 1 + MAX_SHOWN_NAME_CHARS);
    }
}
