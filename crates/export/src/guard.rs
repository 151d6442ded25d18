//! The guard is one apostrophe in front of a CSV cell that a spreadsheet would run or change.
//!
//! Formulas start with `=`, `+`, `-`, `@`, a tab, a line break or a full-width form of the signs (OWASP, "CSV Injection";
//! CWE-1236). Digits change when a text of digits has a leading zero or more than 15 significant digits, or reads as a
//! number in scientific notation, such as the id `73928e05`, or as a date or a time, such as `10-12`. Plain numbers such as
//! `-12.50` stay as they are.
//!
//! A cell that starts with an apostrophe of its own gets one more, so that the guard can be undone: **programs that read
//! the file as data remove one leading apostrophe from each cell that starts with one.**

use crate::table::MAX_DIGITS;

/// Returns whether a spreadsheet would run or change a text.
pub(crate) fn needs_guard(text: &str) -> bool {
    match text.chars().next() {
        None => false,
        Some('\'' | '=' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => true,
        Some('+' | '-') => !is_plain_number(text),
        Some(first) => {
            first.is_ascii_digit() && (changes_as_number(text) || reads_as_time(text) || has_trailing_sign(text))
        }
    }
}

/// Returns whether a text is a number that a spreadsheet shows unchanged: digits with at most one decimal mark and one
/// leading sign.
fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && !changes_as_number(digits)
}

/// Returns whether a spreadsheet would read a text as a number and then show another text.
fn changes_as_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all(whole) || !all(fraction) {
        return false;
    }
    match exponent {
        Some(exponent) => !exponent.is_empty() && all(exponent),
        None => (whole.len() > 1 && whole.starts_with('0')) || whole.len() + fraction.len() > MAX_DIGITS,
    }
}

/// Returns whether a text of number and date characters ends in a sign: `12-` becomes -12.
fn has_trailing_sign(text: &str) -> bool {
    text.ends_with(['-', '+'])
        && text.bytes().all(|byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b',' | b'/' | b':' | b' ' | b'e' | b'E')
        })
}

/// Returns whether a spreadsheet would read a text as a date or a time: words of two or three short numbers that are joined
/// by one kind of mark.
fn reads_as_time(text: &str) -> bool {
    let is_joined = |word: &str| {
        ['-', '/', ':'].iter().any(|mark| {
            let groups = word.split(*mark);
            (2..=3).contains(&groups.clone().count())
                && groups
                    .clone()
                    .all(|group| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    text.split(' ').all(is_joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_marks_formulas_and_digits_that_change() {
        for guarded in [
            "=1+1",
            "=cmd|' /C calc'!A0",
            "+33 6 12",
            "-1+1",
            "--1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "＝1",
            "'quoted",
            "0042",
            "1234567890123456",
            "73928e05",
            "1E5",
            "-0042",
            "+1-1",
            "-",
            "00.5",
            "1.2345678901234567",
            "2026-11-02",
            "10-12",
            "12-",
            "1E5-",
            "1/2/26",
            "10:30",
            "2026-11-02 10:30:00",
        ] {
            assert!(needs_guard(guarded), "{guarded:?}");
        }
    }

    #[test]
    fn guard_leaves_plain_numbers_and_texts_unchanged() {
        for free in [
            "",
            "a",
            "-12.50",
            "+5",
            "-0,5",
            "0",
            "0.5",
            "123456789012345",
            "12 rue",
            "12345-12",
            "2026-11-02T09:30:00Z",
            "1-2-3-4",
            "e5",
            "1e",
            "o-1",
            "123837392027",
        ] {
            assert!(!needs_guard(free), "{free:?}");
        }
    }
}
