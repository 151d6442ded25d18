//! Text that several modules write: quoted values, hexadecimal digits, and words of a fixed list.

use std::str::FromStr;

use strum::VariantNames;

/// Quotes a caller's value for an error message.
///
/// The value is escaped as in Rust source and cut after 60 characters, so that no input can flood a message or a log.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// Quotes a text as a JSON string.
pub fn quoted_json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

/// Reads one word of an enumeration.
///
/// # Errors
/// A message that lists the allowed words.
pub fn parse_word<T: FromStr + VariantNames>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{} is not one of {}", quoted(text), T::VARIANTS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(quoted("a\"\n"), r#""a\"\n""#);
        assert_eq!(quoted(&"é".repeat(60)), format!("{:?}", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("{:?}…", "é".repeat(60)));
    }

    #[test]
    fn texts_become_json_strings() {
        assert_eq!(quoted_json("a\"\n\u{1}é"), r#""a\"\n\u0001é""#);
    }

    #[test]
    fn bytes_become_two_lower_case_digits_each() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn unknown_words_are_refused_with_the_allowed_ones() {
        #[derive(Debug, PartialEq, strum::EnumString, strum::VariantNames)]
        #[strum(serialize_all = "snake_case")]
        enum Colour {
            Red,
            DarkBlue,
        }
        assert_eq!(parse_word("dark_blue"), Ok(Colour::DarkBlue));
        assert_eq!(parse_word::<Colour>("Red"), Err("\"Red\" is not one of red, dark_blue".to_owned()));
    }
}
