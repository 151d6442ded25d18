//! What a file of an export looks like: columns, labels, and the care that spreadsheets need.
//!
//! | file | holds |
//! |---|---|
//! | `table` | the columns, the same for CSV and XLSX, and what each shows of an activity or of a line of its order |
//! | `text` | CSV and JSON lines, row by row |
//! | `workbook` | XLSX, a workbook at a time |
//!
//! A form of files is a function of the job and of the activities alone: the same request on the same data gives the same
//! bytes, wherever the making was interrupted.

mod table;
mod text;
mod workbook;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    table::{Lines, MAX_CELL_UNITS},
    text::Encoder,
    workbook::{MAX_LINKS, SubscriptionsUrl, Workbook, WorkbookLimits},
};
use crate::{
    activity::{Fault, Status},
    export::job::fault,
};

/// The most rows of a sheet besides its header: a sheet holds 1,048,576.
pub const MAX_ROWS: u64 = 1_048_575;

/// A language of exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Locale {
    /// Reads a locale; regions (`fr-CA`) are taken as their language.
    ///
    /// # Errors
    /// A fault that lists the locales.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match text.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Ok(Self::En),
            "fr" => Ok(Self::Fr),
            _ => Err(fault("/locale", text, "en, fr")),
        }
    }

    /// The best of an `Accept-Language` header (RFC 9110, section 12.5.4); English where none fits.
    pub fn negotiate(header: Option<&str>) -> Self {
        let mut best = (0.0, Self::En);
        for range in header.unwrap_or_default().split(',') {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
            if let Ok(locale) = Self::parse(tag)
                && weight > best.0
            {
                best = (weight, locale);
            }
        }
        best.1
    }

    /// The word of a locale.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// One of two texts.
    fn pick<T>(self, en: T, fr: T) -> T {
        match self {
            Self::En => en,
            Self::Fr => fr,
        }
    }

    fn status(self, status: Status) -> &'static str {
        match status {
            Status::Succeeded => self.pick("Succeeded", "Réussie"),
            Status::Failed => self.pick("Failed", "Échouée"),
            Status::InProgress => self.pick("In progress", "En cours"),
            Status::Declined => self.pick("Declined", "Refusée"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_best_that_the_header_asks_for() {
        for (header, locale) in [
            (None, Locale::En),
            (Some("fr"), Locale::Fr),
            (Some("fr-CA,fr;q=0.9,en;q=0.8"), Locale::Fr),
            (Some("de, en;q=0.5, fr;q=0.4"), Locale::En),
            (Some("de, en;q=0.3, fr;q=0.4"), Locale::Fr),
            (Some("fr;q=0"), Locale::En),
            (Some(";;,q=,*"), Locale::En),
        ] {
            assert_eq!(Locale::negotiate(header), locale, "{header:?}");
        }
    }
}
