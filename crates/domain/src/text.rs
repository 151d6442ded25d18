//! Texts for people and programs: quoted values, hexadecimal digits.

use crate::activity::Fault;

/// A value of the caller's, shortened to what an error message can bear.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// The text of a digest: lower-case hexadecimal digits.
pub fn hex(digest: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let mut text = String::with_capacity(2 * digest.len());
    text.extend(digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

/// A fault of a field that must be one of some words.
pub fn none_of(pointer: &str, found: &str, words: &str) -> Fault {
    let detail = format!("{} is none of {words}", quoted(found));
    Fault { pointer: pointer.to_owned(), detail }
}
