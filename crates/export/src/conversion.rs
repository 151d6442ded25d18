//! Texts that a spreadsheet reads as a value: number, date, time, amount, percentage, fraction, truth value or error.
//!
//! A spreadsheet converts such a text when it opens a CSV file, and then shows another text. The rule here is wider than
//! the rules of any one program, because those differ by program, version and language: **a text counts as a value if it
//! has a digit and consists only of digits, blanks, signs, marks of numbers and dates, currencies, and the words of dates in
//! English and French.** `docs/spreadsheets.md` lists what Excel and LibreOffice convert, with sources. Tests open each
//! text of that list, and random ones, with LibreOffice in both languages.

/// The names of months and days without accents. Spreadsheets also read names that are cut after three letters or more.
const DATE_WORDS: [&str; 38] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
];
/// Currencies that a spreadsheet of one of the languages may know by their code.
const CURRENCIES: [&str; 8] = ["eur", "usd", "gbp", "cad", "chf", "aud", "nzd", "jpy"];
/// Words that belong to a value behind a digit: marks of times, of exponents and of days, as in `10 am`, `1e5`, `1er`.
const WORDS_BEHIND_DIGITS: [&str; 17] =
    ["am", "pm", "a", "p", "m", "e", "t", "h", "hr", "min", "mn", "s", "er", "st", "nd", "rd", "th"];
/// The truth values of both languages.
const TRUTH_VALUES: [&str; 4] = ["true", "false", "vrai", "faux"];
/// For each first letter, the second letters of the words above, one bit each. Most words of other texts begin with two others.
const SECOND_LETTERS: [u32; 26] = {
    let letters = add_second_letters([0; 26], &DATE_WORDS);
    let letters = add_second_letters(letters, &CURRENCIES);
    add_second_letters(letters, &WORDS_BEHIND_DIGITS)
};
/// The longest word of a value.
const MAX_WORD_CHARS: usize = 9;
/// The most characters that Excel shows of a number in a cell without a number format.
const MAX_SHOWN_CHARS: usize = 11;

/// Returns whether a spreadsheet could read a text as a value. `has_digits` states whether the text has ASCII digits.
pub(crate) fn reads_as_value(text: &str, has_digits: bool) -> bool {
    let text = text.trim_matches(is_blank);
    if !has_digits {
        // Numbers of other scripts are rare, so only texts with them are looked at again.
        return is_constant(text) || (!text.is_ascii() && text.contains(char::is_numeric) && has_parts_of_values(text));
    }
    is_constant(text) || (has_parts_of_values(text) && !is_dotted_address(text))
}

/// Returns whether a spreadsheet shows a number digit for digit, and thus unchanged: a whole number or a decimal without
/// needless zeros, of at most eleven characters, with the decimal mark of the file's language.
pub(crate) fn is_shown_unchanged(text: &str, decimal_mark: char) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once(decimal_mark) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_SHOWN_CHARS
        && all(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && match fraction {
            // There is no number -0.
            None => text != "-0",
            // Smaller numbers are shown with an exponent, and `1,234` is a thousand in an English spreadsheet.
            Some(fraction) => {
                let is_group = decimal_mark == ',' && fraction.len().is_multiple_of(3);
                let has_exponent = whole == "0" && fraction.starts_with("0000");
                all(fraction) && !(fraction.ends_with('0') || is_group || has_exponent)
            }
        }
}

fn is_blank(char: char) -> bool {
    char.is_whitespace() || is_invisible(char)
}

/// Returns whether a character takes no room: marks of direction, joiners, and the byte order mark.
pub(crate) fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// Returns whether a text is a truth value, or an error such as `#N/A`.
fn is_constant(text: &str) -> bool {
    match text.as_bytes() {
        [b'#', rest @ ..] => {
            let name = rest.strip_suffix(b"!").or_else(|| rest.strip_suffix(b"?")).unwrap_or(rest);
            name.iter().any(u8::is_ascii_alphabetic)
                && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_'))
        }
        [b't' | b'T' | b'f' | b'F' | b'v' | b'V', ..] => {
            TRUTH_VALUES.iter().any(|value| text.eq_ignore_ascii_case(value))
        }
        _ => false,
    }
}

/// Returns whether each character of a text belongs to a number, a date, a time or an amount.
fn has_parts_of_values(text: &str) -> bool {
    let mut rest = text;
    let mut is_behind_digit = false;
    while let Some(char) = rest.chars().next() {
        let length = if char.is_alphabetic() {
            let word_end = rest.find(|char: char| !is_letter(char)).unwrap_or(rest.len());
            if !is_word_of_values(&rest[..word_end], is_behind_digit) {
                return false;
            }
            word_end
        } else if char.is_numeric() {
            is_behind_digit = true;
            char.len_utf8()
        } else if is_mark(char) || is_blank(char) {
            char.len_utf8()
        } else {
            return false;
        };
        rest = &rest[length..];
    }
    true
}

/// Returns whether a character is a letter or the accent of one.
fn is_letter(char: char) -> bool {
    char.is_alphabetic() || matches!(char, '\u{300}'..='\u{36f}')
}

/// Returns whether a character is a sign, a mark of numbers, dates and times, or a currency.
fn is_mark(char: char) -> bool {
    matches!(
        char,
        '+' | '-' | '\u{2212}' | '.' | ',' | '/' | ':' | '\'' | '(' | ')' | '%'
            | '$' | '¢' | '£' | '¤' | '¥' | '‰'
            | '\u{2010}'..='\u{2015}' | '\u{2018}' | '\u{2019}' | '\u{2044}' | '\u{20a0}'..='\u{20cf}'
    )
}

const fn add_second_letters(mut letters: [u32; 26], words: &[&str]) -> [u32; 26] {
    let mut index = 0;
    while index < words.len() {
        if let [first, second, ..] = words[index].as_bytes() {
            letters[(*first - b'a') as usize] |= 1 << (*second - b'a');
        }
        index += 1;
    }
    letters
}

fn is_word_of_values(word: &str, is_behind_digit: bool) -> bool {
    let mut folded = [0; MAX_WORD_CHARS];
    let mut length = 0;
    for char in word.chars() {
        let letter = match char {
            'é' | 'É' => b'e',
            'û' | 'Û' => b'u',
            '\u{300}'..='\u{36f}' => continue,
            _ if char.is_ascii() && length < MAX_WORD_CHARS => char.to_ascii_lowercase() as u8,
            _ => return false,
        };
        if length == MAX_WORD_CHARS {
            return false;
        }
        folded[length] = letter;
        length += 1;
    }
    let folded = &folded[..length];
    if let [first, second, ..] = folded
        && SECOND_LETTERS[usize::from(first - b'a')] & (1 << (second - b'a')) == 0
    {
        return false;
    }
    let is_in = |words: &[&str]| words.iter().any(|word| word.as_bytes() == folded);
    (length >= 3 && DATE_WORDS.iter().any(|name| name.as_bytes().starts_with(folded)))
        || is_in(&CURRENCIES)
        || (is_behind_digit && is_in(&WORDS_BEHIND_DIGITS))
}

/// Returns whether a text is four or more numbers joined by points, such as an IP address. No spreadsheet converts these.
fn is_dotted_address(text: &str) -> bool {
    let mut groups = 0;
    let are_numbers = text.split('.').all(|group| {
        groups += 1;
        !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit())
    });
    are_numbers && groups >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> bool {
        reads_as_value(text, text.bytes().any(|byte| byte.is_ascii_digit()))
    }

    #[test]
    fn every_word_of_values_is_known() {
        for word in DATE_WORDS.iter().chain(&CURRENCIES).chain(&WORDS_BEHIND_DIGITS) {
            assert!(is_word_of_values(word, true), "{word}");
            assert!(is_word_of_values(&word.to_uppercase(), true), "{word}");
        }
        for word in ["order", "user", "az", "zz", "dd"] {
            assert!(!is_word_of_values(word, true), "{word}");
        }
    }

    #[test]
    fn values_of_every_kind_are_recognised() {
        for value in [
            "0",
            "-12.50",
            "+5",
            "1,234",
            "1 234,5",
            "1\u{202f}234",
            "1'000",
            ".5",
            "5.",
            "0042",
            "1e5",
            "1E+05",
            "73928e05",
            "2026-11-02",
            "10-12",
            "1/2",
            "3/4",
            "1.5",
            "1.2.3",
            "Mar-1",
            "MARCH1",
            "sept2",
            "1 Jan",
            "5 mars 2026",
            "1er mai",
            "août 26",
            "aou\u{302}t 26",
            "DÉC. 5",
            "12 mai",
            "lundi 5 mars",
            "Monday, March 5, 2026",
            "10:30",
            "10:30:00.5",
            "10 AM",
            "10 a.m.",
            "9p",
            "12h30",
            "2026-11-02T09:30:00",
            "5%",
            "% 5",
            "50‰",
            "(5)",
            "$5",
            "5 €",
            "€5",
            "12 EUR",
            "usd 7",
            "12-",
            " 5 ",
            "\u{a0}5",
            "−5",
            "½",
            "12\u{664}",
            "TRUE",
            "false",
            "Vrai",
            "FAUX",
            " TRUE ",
            "#N/A",
            "#DIV/0!",
            "#NOM?",
            "#VALEUR!",
            "1–2",
        ] {
            assert!(reads(value), "{value:?}");
        }
    }

    #[test]
    fn other_texts_are_no_values() {
        for text in [
            "",
            " ",
            "a",
            "May",
            "Jan-Feb",
            "Ana Trujillo",
            "12 rue de Mai",
            "o-1",
            "e-000042",
            "e5",
            "#12",
            "# 1",
            "#",
            "1 item",
            "203.0.113.7",
            "2026-11-02T09:30:00Z",
            "April 5 GmbH",
            "5 decembers",
            "true story",
            "fauxpas",
            "0x1F",
            "v1.2",
            "1_000",
            "3f2a11",
            "Q1 2026",
            "P1Y",
            "5*3",
            "日本 5",
            "5\u{0}",
        ] {
            assert!(!reads(text), "{text:?}");
        }
    }

    #[test]
    fn numbers_without_needless_digits_are_shown_unchanged() {
        for (number, mark) in [
            ("0", '.'),
            ("12", '.'),
            ("-12.5", '.'),
            ("-12,5", ','),
            ("0.5", '.'),
            ("12345678901", '.'),
            ("-1234567890", ','),
            ("0.0001", '.'),
        ] {
            assert!(is_shown_unchanged(number, mark), "{number}");
        }
        for (number, mark) in [
            ("", '.'),
            ("-", '.'),
            ("-0", '.'),
            ("+5", '.'),
            ("007", '.'),
            ("-12.50", '.'),
            ("12,5", '.'),
            ("12.5", ','),
            (".5", '.'),
            ("5.", '.'),
            ("123456789012", '.'),
            ("0.00001", '.'),
            ("1.5.6", '.'),
            ("1e5", '.'),
            ("0,0", ','),
            ("6154,948", ','),
            (" 5", '.'),
            ("٣", '.'),
        ] {
            assert!(!is_shown_unchanged(number, mark), "{number}");
        }
    }
}
