//! Languages of exports, labels and the catalogue.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    activity::{Fault, Status},
    text::none_of,
};

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
            _ => Err(none_of("/locale", text, "en, fr")),
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
    pub fn pick<T>(self, en: T, fr: T) -> T {
        match self {
            Self::En => en,
            Self::Fr => fr,
        }
    }

    /// The word for a status.
    pub fn status(self, status: Status) -> &'static str {
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
