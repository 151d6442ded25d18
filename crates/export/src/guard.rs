//! The guard is an apostrophe in front of text that a spreadsheet would run or change.
//!
//! **Places.** A person may open a file with another separator than the file's own: a French spreadsheet splits at
//! semicolons, an import dialog at whatever a person ticks. Text behind a separator or a line break inside a cell then starts
//! a cell of its own. So the guard stands at the start of a cell, and behind each comma, semicolon, tab and line break inside
//! a cell where a formula could start.
//!
//! **Formulas** start with `=`, `+`, `-`, `@` or a full-width form of these signs, with or without blanks and quotation marks
//! in front (OWASP, "CSV Injection"; CWE-1236). A cell that starts with a tab or a line break is guarded, too.
//!
//! **Values**: a whole cell is guarded if a spreadsheet would convert the cell: see [`crate::conversion`].
//!
//! **Undoing the guard.** Text that already has an apostrophe at one of the places gets one more. So programs that read a
//! file as data remove one apostrophe from the start of a cell and behind each comma, semicolon, tab and line break inside:
//! `re.sub(r"(^|[,;\t\r\n])'", r"\1", cell)` in Python.

use crate::conversion::{is_invisible, is_shown_unchanged, reads_as_value};

/// The flag of a sign that may start a formula, and of a line break, which must not start a cell. These bytes count at the
/// start, and behind a separator, a blank or a quotation mark.
const SIGN: u8 = 1;
/// The flag of an apostrophe, which counts behind a separator.
const APOSTROPHE: u8 = 2;
/// The flag of a byte that always counts: a control character, a tab, or the first byte of a full-width sign.
const SPECIAL: u8 = 4;
/// The flag of a digit, which always counts.
const DIGIT: u8 = 8;

/// For each byte, its flag in the low half, and the flags that count in the next byte in the high half.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let flag = match byte as u8 {
            b'=' | b'+' | b'-' | b'@' | b'\r' | b'\n' => SIGN,
            b'\'' => APOSTROPHE,
            b'0'..=b'9' => DIGIT,
            // 0xEF starts the characters from U+F000 on.
            0..=9 | 11 | 12 | 14..=31 | 127 | 0xef => SPECIAL,
            _ => 0,
        };
        let next = match byte as u8 {
            b',' | b';' | b'\t' | b'\r' | b'\n' => SIGN | APOSTROPHE | SPECIAL | DIGIT,
            // Bytes from 128 on may end a blank.
            b' ' | b'"' | 128.. => SIGN | SPECIAL | DIGIT,
            _ => SPECIAL | DIGIT,
        };
        classes[byte] = flag | (next << 4);
        byte += 1;
    }
    classes
};

/// What one pass over a text found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Findings(u8);

impl Findings {
    /// Looks at each byte of a text once.
    pub(crate) fn of(text: &str) -> Self {
        let (mut found, mut counting) = (0, SIGN | APOSTROPHE | SPECIAL | DIGIT);
        for byte in text.bytes() {
            let class = CLASSES[usize::from(byte)];
            found |= class & counting;
            counting = class >> 4;
        }
        Self(found)
    }

    /// Returns whether a cell with the text may differ from the text. `false` is certain, `true` needs a closer look.
    pub(crate) fn may_change(self, text: &str, decimal_mark: char) -> bool {
        self.0 & !DIGIT != 0 || is_converted(text, self.0 & DIGIT != 0, decimal_mark)
    }

    /// Returns whether the text has characters that may need another form in every format.
    pub(crate) fn has_special_characters(self) -> bool {
        self.0 & SPECIAL != 0
    }
}

fn is_converted(text: &str, has_digits: bool, decimal_mark: char) -> bool {
    reads_as_value(text, has_digits) && !is_shown_unchanged(text, decimal_mark)
}

/// Returns whether a cell with this text starts with a guard.
pub(crate) fn guards_cell(text: &str, decimal_mark: char) -> bool {
    match text.as_bytes() {
        [] => false,
        [b'\'' | b'\t' | b'\r' | b'\n', ..] => true,
        _ if is_shown_unchanged(text, decimal_mark) => false,
        _ => {
            starts_formula(text, None)
                || is_converted(text, text.bytes().any(|byte| byte.is_ascii_digit()), decimal_mark)
        }
    }
}

/// Returns whether the text behind a separator inside a cell starts with a guard.
pub(crate) fn guards_rest(rest: &str, separator: char) -> bool {
    rest.starts_with('\'') || starts_formula(rest, Some(separator))
}

/// Returns whether a formula could start here. `separator` is the character before, if this is not the start of a cell.
fn starts_formula(text: &str, separator: Option<char>) -> bool {
    let start = text.trim_start_matches(is_skipped);
    match start.chars().next() {
        Some('=' | '@' | '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫') => true,
        // A number alone is no formula. At the start of a cell, the caller has checked that the cell is no number.
        Some('+' | '-') => separator.is_none_or(|separator| !is_harmless_number(start, separator)),
        _ => false,
    }
}

/// Returns whether a spreadsheet may skip a character in front of a formula.
fn is_skipped(char: char) -> bool {
    char == '"' || (char.is_whitespace() && !char.is_ascii_control()) || is_invisible(char)
}

/// Returns whether a text with a sign starts with a number that cannot go on as a formula, as the numbers of JSON.
///
/// A spreadsheet that split the text at `separator` splits behind the number again. A bracket or a quotation mark directly
/// behind a number is an error in every formula.
fn is_harmless_number(text: &str, separator: char) -> bool {
    after_number(&text[1..]).is_some_and(|rest| {
        rest.chars().next().is_none_or(|next| next == separator || matches!(next, '\r' | '\n' | ']' | '}' | '"'))
    })
}

/// Returns the text behind the number of JSON that a text starts with, if the text starts with one.
fn after_number(text: &str) -> Option<&str> {
    let rest = after_digits(text)?;
    let rest = rest.strip_prefix('.').map_or(Some(rest), after_digits)?;
    rest.strip_prefix(['e', 'E'])
        .map_or(Some(rest), |exponent| after_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

fn after_digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_marks_cells_that_run_or_change() {
        for guarded in [
            "=1+1",
            "=cmd|' /C calc'!A0",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "\"=1",
            "+33 6 12",
            "-1+1",
            "--1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "＝1",
            "﹦1",
            "'quoted",
            "-",
            "+5",
            "-12.50",
            "-12.50 EUR",
            "0042",
            "1234567890123456",
            "73928e05",
            "2026-11-02",
            "10-12",
            "12-",
            "TRUE",
        ] {
            assert!(guards_cell(guarded, '.'), "{guarded:?}");
            assert!(Findings::of(guarded).may_change(guarded, '.'), "{guarded:?}");
        }
        for free in [
            "",
            "a",
            "-12.5",
            "0",
            "0.5",
            "12345678901",
            "12 rue",
            "2026-11-02T09:30:00Z",
            "o-1",
            "a=b",
            "x - y",
            "1-2 items",
        ] {
            assert!(!guards_cell(free, '.'), "{free:?}");
        }
        assert!(guards_cell("12,5", '.') && guards_cell("12.5", ',') && !guards_cell("12,5", ','));
    }

    #[test]
    fn guard_marks_formulas_behind_every_separator() {
        for separator in [',', ';', '\t', '\r', '\n'] {
            for guarded in [
                "=1+1", " =1", "\"=1\"", "\"\" =1", "@x", "+a", "- item", "-1+1", "-1|A1", "-5x", "-.5", "-5.", "'",
                "''=1", "＝1",
            ] {
                assert!(guards_rest(guarded, separator), "{separator:?}{guarded:?}");
                let whole = format!("a{separator}{guarded}");
                assert!(Findings::of(&whole).may_change(&whole, '.'), "{whole:?}");
            }
            for free in ["", "a=1", "-5", "-5]", "-5.25e-3}", "-5\"", "+5\n", "5-1", "2026-11-02", " x", "\"a\""] {
                assert!(!guards_rest(free, separator), "{separator:?}{free:?}");
            }
            assert!(!guards_rest(&format!("-5{separator}x"), separator));
            assert!(guards_rest("-5,A1;", separator) == (separator != ','), "{separator:?}");
        }
    }

    #[test]
    fn plain_texts_are_recognised_in_one_pass() {
        for plain in [
            "",
            "Fabrikam SARL",
            "{\"a\":[1,5],\"b\":\"x-1\"}",
            "ana@contoso.example",
            "Saint-Rémy",
            "o-1",
            "L'Atelier",
        ] {
            assert!(!Findings::of(plain).may_change(plain, '.'), "{plain:?}");
        }
    }
}
