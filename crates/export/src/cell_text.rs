//! The text of a cell: guarded in CSV, without characters that a spreadsheet cannot hold, and not too long.
//!
//! **Characters.** The XML of a workbook cannot hold control characters, and programs stop at some of them in CSV. A cell
//! shows the picture of such a character (U+2400 to U+2421) instead. Tabs and line breaks stay. The two code points that are
//! no characters, U+FFFE and U+FFFF, become the replacement character. JSON lines keep all of these.
//!
//! **Length.** Excel keeps 32,767 characters of a cell, counted in UTF-16 units. A longer text is cut and ends in a mark
//! that states how many characters are missing. JSON lines keep everything.

use std::ops::Range;

use domain::locale::Locale;

use crate::guard::{Findings, guards_cell, guards_rest};

/// The most UTF-16 units of a cell.
pub const MAX_CELL_UNITS: usize = 32_767;
/// The units that a cut leaves for the mark, which is at most 50 units long. A fixed number makes the place of the cut
/// independent of the mark.
const MARK_UNITS: usize = 64;

/// Returns whether a cell of CSV shows a text unchanged.
pub(crate) fn is_shown_as_recorded(text: &str, found: Findings, locale: Locale) -> bool {
    // A character takes at least as many bytes as UTF-16 units, so a short text needs no counting.
    !found.may_change(text, decimal_mark(locale)) && text.len() <= MAX_CELL_UNITS
}

/// Returns the decimal mark of a language.
pub(crate) fn decimal_mark(locale: Locale) -> char {
    locale.pick('.', ',')
}

/// Appends the text of a cell of CSV to `out`.
pub(crate) fn write_guarded(text: &str, locale: Locale, out: &mut String) {
    write_cell(text, locale, true, out);
}

/// Appends the text of a cell of a workbook to `out`.
pub(crate) fn write_plain(text: &str, locale: Locale, out: &mut String) {
    write_cell(text, locale, false, out);
}

fn write_cell(text: &str, locale: Locale, is_guarded: bool, out: &mut String) {
    let mut cell = CellWriter { text, out, units: 0, cut: None };
    cell.out.reserve(text.len().min(2 * MAX_CELL_UNITS));
    if is_guarded && guards_cell(text, decimal_mark(locale)) {
        cell.push_guard();
    }
    let mut at = 0;
    while at < text.len() && !cell.is_full() {
        // Most characters stay as they are and are copied together.
        let rest = &text.as_bytes()[at..];
        let run = rest.iter().position(|byte| IS_SPECIAL[usize::from(*byte)]).unwrap_or(rest.len());
        cell.push_run(at..at + run);
        at += run;
        let Some(char) = text[at..].chars().next() else { break };
        cell.push(at, char);
        at += char.len_utf8();
        if is_guarded && is_separator(char) && guards_rest(&text[at..], char) {
            cell.push_guard();
        }
    }
    cell.finish(locale);
}

/// Returns whether a spreadsheet may split a cell at a character.
fn is_separator(char: char) -> bool {
    matches!(char, ',' | ';' | '\t' | '\r' | '\n')
}

/// The first bytes of characters that need a look: separators, control characters, and those from U+F000 on.
const IS_SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        special[byte] = matches!(byte as u8, 0..=31 | 127 | b',' | b';' | 0xef);
        byte += 1;
    }
    special
};

/// A writer of a cell's text that remembers where the text would be cut.
struct CellWriter<'a> {
    text: &'a str,
    out: &'a mut String,
    /// The UTF-16 units that are written.
    units: usize,
    /// The lengths of the output and of the text where the cell is cut, once there is no room for more.
    cut: Option<(usize, usize)>,
}

impl CellWriter<'_> {
    /// Returns whether the cell is cut, whatever follows.
    fn is_full(&self) -> bool {
        self.units > MAX_CELL_UNITS
    }

    fn push_guard(&mut self) {
        self.out.push('\'');
        self.units += 1;
    }

    /// Appends characters that stay as they are.
    fn push_run(&mut self, run: Range<usize>) {
        let text = &self.text[run.clone()];
        // A character takes at least as many bytes as UTF-16 units.
        if self.units + text.len() <= MAX_CELL_UNITS - MARK_UNITS {
            self.out.push_str(text);
            self.units += if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
            return;
        }
        for (offset, char) in text.char_indices() {
            if self.is_full() {
                return;
            }
            self.push(run.start + offset, char);
        }
    }

    /// Appends the character at a place of the text, in the form that a spreadsheet can hold.
    fn push(&mut self, at: usize, char: char) {
        if self.cut.is_none() && self.units + char.len_utf16() > MAX_CELL_UNITS - MARK_UNITS {
            self.cut = Some((self.out.len(), at));
        }
        self.units += char.len_utf16();
        self.out.push(match char {
            '\t' | '\r' | '\n' => char,
            '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(char)).unwrap_or(char::REPLACEMENT_CHARACTER),
            '\u{7f}' => '\u{2421}',
            '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
            _ => char,
        });
    }

    /// Cuts a text that is too long.
    fn finish(self, locale: Locale) {
        if self.is_full()
            && let Some((out_length, text_length)) = self.cut
        {
            let missing = self.text[text_length..].chars().count();
            self.out.truncate(out_length);
            self.out.push_str(&locale.pick(
                format!("… [cut: {missing} more characters]"),
                format!("… [coupé : {missing} caractères de plus]"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guarded(text: &str, locale: Locale) -> String {
        let mut out = String::new();
        write_guarded(text, locale, &mut out);
        out
    }

    fn plain(text: &str) -> String {
        let mut out = String::new();
        write_plain(text, Locale::En, &mut out);
        out
    }

    /// Undoes the guard by the rule that the documents state.
    fn undo(cell: &str) -> String {
        let mut undone = String::new();
        let mut is_behind_separator = true;
        for char in cell.chars() {
            if !(char == '\'' && std::mem::replace(&mut is_behind_separator, false)) {
                undone.push(char);
            }
            is_behind_separator = matches!(char, ',' | ';' | '\t' | '\r' | '\n');
        }
        undone
    }

    #[test]
    fn guard_stands_at_the_start_and_behind_separators() {
        for (text, cell) in [
            ("a;=1+1;b", "a;'=1+1;b"),
            ("a,=1+1", "a,'=1+1"),
            ("a; =1+1", "a;' =1+1"),
            ("a\r\n@x\t+y", "a\r\n'@x\t'+y"),
            ("\t=1", "'\t'=1"),
            ("=1;=2", "'=1;'=2"),
            ("'a,'b,c'd", "''a,''b,c'd"),
            ("[\"a\",\"=1\",-5,7]", "[\"a\",'\"=1\",-5,7]"),
            ("Proseware, Inc.", "Proseware, Inc."),
        ] {
            assert_eq!(guarded(text, Locale::En), cell);
            assert_eq!(undo(cell), text);
        }
    }

    #[test]
    fn control_characters_are_written_as_their_pictures() {
        let text = "a\0b\u{1b}[1m\u{7f}\u{85}\t\r\n\u{b}\u{fffe}\u{ffff}";
        assert_eq!(plain(text), "a␀b␛[1m␡\u{85}\t\r\n␋\u{fffd}\u{fffd}");
        assert_eq!(guarded(text, Locale::Fr), plain(text));
    }

    #[test]
    fn long_cell_is_cut_between_characters_with_a_mark() {
        let long = "😀".repeat(20_000);
        let shown = plain(&long);
        assert!(shown.encode_utf16().count() <= MAX_CELL_UNITS);
        assert!(shown.ends_with("… [cut: 3649 more characters]"), "{}", &shown[shown.len() - 50..]);
        let fits = "é".repeat(MAX_CELL_UNITS);
        assert_eq!(plain(&fits), fits);
        // The mark counts recorded characters and no guards, and guards take room.
        let long = "=,".repeat(20_000);
        let shown = guarded(&long, Locale::En);
        assert!(shown.encode_utf16().count() <= MAX_CELL_UNITS);
        let (kept, mark) = shown.split_once("… [cut: ").unwrap();
        let missing: usize = mark.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(undo(kept).len() + missing, long.len());
        assert!(long.starts_with(&undo(kept)));
    }

    proptest! {
        #[test]
        fn undoing_the_guard_gives_the_text(text in "[=+\\-@'\"\t\r\n;, a1.＝\u{a0}]{0,24}|[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\x{fffe}\\x{ffff}]{0,12}", french in any::<bool>()) {
            let locale = if french { Locale::Fr } else { Locale::En };
            let cell = guarded(&text, locale);
            prop_assert_eq!(&undo(&cell), &text);
            if is_shown_as_recorded(&text, Findings::of(&text), locale) {
                prop_assert_eq!(&cell, &text, "the short cut gives the same cell");
            }
        }

        #[test]
        fn no_formula_starts_behind_a_separator(text in "[=+\\-@'\"\t\r\n;, a1.e\\]＝\u{a0}\u{feff}]{0,24}") {
            let cell = guarded(&text, Locale::En);
            for (at, separator) in cell.match_indices([',', ';', '\t', '\r', '\n']) {
                let rest = cell[at + separator.len()..].trim_start_matches([' ', '"', '\u{a0}', '\u{feff}']);
                prop_assert!(!rest.starts_with(['=', '@', '＝']), "{cell:?}");
                if let Some(number) = rest.strip_prefix(['+', '-']) {
                    prop_assert!(number.starts_with(|char: char| char.is_ascii_digit()), "{cell:?}");
                }
            }
        }
    }
}
