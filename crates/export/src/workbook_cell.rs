//! What a cell of a workbook can hold: dates from March 1900 on, and texts of bounded length without control characters.

use std::borrow::Cow;

use domain::locale::Locale;
use rust_xlsxwriter::ExcelDateTime;

use crate::{
    cell_text::{MAX_CELL_UNITS, write_plain},
    guard::Findings,
};

/// 1900-03-01, in seconds since 1970: the first day that has one number in all spreadsheets.
///
/// Excel counts days from 1900-01-01 and has a day too many, 1900-02-29. LibreOffice has not, and shows Excel's earlier days
/// as the days before. Nobody has days before 1900.
pub(crate) const FIRST_DATE_SECONDS: i64 = -2_203_891_200;

/// Returns the date that a cell can hold, from a local time in seconds since 1970; none outside of the calendar of sheets.
pub(crate) fn date_of(local_seconds: i64) -> Option<ExcelDateTime> {
    if local_seconds < FIRST_DATE_SECONDS { None } else { ExcelDateTime::from_timestamp(local_seconds).ok() }
}

/// Returns a text in the form that a cell can hold.
pub(crate) fn cell_text(text: Cow<'_, str>, locale: Locale) -> Cow<'_, str> {
    if !Findings::of(&text).has_special_characters() && text.len() <= MAX_CELL_UNITS {
        return text;
    }
    let mut shown = String::new();
    write_plain(&text, locale, &mut shown);
    Cow::Owned(shown)
}
