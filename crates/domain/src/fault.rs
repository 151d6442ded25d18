//! Faults of a request: each names a field and says how to correct it.

use std::str::FromStr;

use serde::Serialize;
use strum::VariantNames;
use utoipa::ToSchema;

use crate::text::parse_word;

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

/// The refusal of a request, with its faults.
///
/// A request that is wrong in several ways is refused for the first kind below that applies.
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

    /// Replaces the pointer of each fault.
    #[must_use]
    pub fn map_pointers(mut self, pointer: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Invalid(faults) | Self::TooLarge(faults) | Self::Unprocessable(faults) => {
                for fault in faults {
                    fault.pointer = pointer(&fault.pointer);
                }
            }
        }
        self
    }

    /// Returns the faults, at least one.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) | Self::TooLarge(faults) | Self::Unprocessable(faults) => faults,
        }
    }
}
