//! Languages of labels and exports.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::fault::{Fault, parse_word_field};

/// A language of labels and exports.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Locale {
    /// Reads a language tag such as `fr` or `fr-CA`, without regard to the region.
    ///
    /// # Errors
    /// A fault that lists the languages.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let language = text.split(['-', '_']).next().unwrap_or_default();
        language.parse().or_else(|_| parse_word_field("/locale", text))
    }

    /// Finds the best language for an `Accept-Language` header (RFC 9110, section 12.5.4). Default: English.
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

    /// Returns the language's tag.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Chooses between an English and a French value.
    pub fn pick<T>(self, en: T, fr: T) -> T {
        match self {
            Self::En => en,
            Self::Fr => fr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_without_case_and_region() {
        for (tag, locale) in
            [("en", Locale::En), ("fr", Locale::Fr), ("FR-ca", Locale::Fr), ("en_GB", Locale::En), ("fr-", Locale::Fr)]
        {
            assert_eq!(Locale::parse(tag), Ok(locale), "{tag}");
        }
        for bad in ["", "de", "french", "-fr"] {
            let fault = Locale::parse(bad).unwrap_err();
            assert_eq!((fault.pointer.as_str(), fault.detail), ("/locale", format!("{bad:?} is not one of en, fr")));
        }
        assert_eq!((Locale::En.as_str(), Locale::Fr.as_str()), ("en", "fr"));
        assert_eq!((Locale::En.pick(1, 2), Locale::Fr.pick(1, 2)), (1, 2));
    }

    #[test]
    fn the_header_decides_the_language() {
        for (header, locale) in [
            (None, Locale::En),
            (Some("fr"), Locale::Fr),
            (Some("fr-CA,fr;q=0.9,en;q=0.8"), Locale::Fr),
            (Some("de, en;q=0.5, fr;q=0.4"), Locale::En),
            (Some("de, en;q=0.3, fr;q=0.4"), Locale::Fr),
            (Some("fr, en"), Locale::Fr),
            (Some("fr;q=0"), Locale::En),
            (Some("fr;q=x"), Locale::En),
            (Some(";;,q=,*"), Locale::En),
        ] {
            assert_eq!(Locale::negotiate(header), locale, "{header:?}");
        }
    }
}
