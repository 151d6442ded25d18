//! XLSX: the same columns as CSV, typed.
//!
//! Moments are dates by the wall clock of the export's zone, numbers of order lines are numbers, everything else is text
//! and stays it: no cell is a formula, no digit of an id changes, nothing needs an apostrophe. The header stays in view and
//! filters; a customer's cell leads to the customer's subscriptions.
//!
//! A workbook is a zip archive whose directory stands at its end: it cannot be continued by another process. So it is
//! bounded, and made again from its first row by whoever takes over. Rows go to a scratch file as they come, so that
//! memory does not grow with them.

use std::{borrow::Cow, io::Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rust_xlsxwriter::{DocProperties, Format, FormatAlign, IgnoreError, Url, Worksheet, XlsxError};

use super::{
    MAX_ROWS,
    table::{Cell, Lines, Row, columns, cut},
};
use domain::{
    activity::Activity,
    job::Output,
    time::{Instant, Zone},
};

/// The most hyperlinks of a sheet.
pub const MAX_LINKS: usize = 65_530;
/// The most UTF-16 units of a hyperlink.
const MAX_LINK_UNITS: usize = 2_080;
/// What an address keeps as it is, besides letters and digits (RFC 3986, "unreserved").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// zlib's level: rows are alike, and beyond it time grows faster than size shrinks.
const COMPRESSION: u8 = 2;
/// The bytes of a cell in a sheet besides its text.
const CELL_BYTES: u64 = 64;

/// Where a customer's subscriptions are shown: an address with `{customer}` in it, or none.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionsUrl(String);

impl SubscriptionsUrl {
    /// The address of a pattern; an empty one links nothing.
    pub fn new(pattern: String) -> Self {
        Self(pattern)
    }

    fn of(&self, customer: &str) -> Option<String> {
        let link = self.0.replace("{customer}", &utf8_percent_encode(customer, ESCAPED).to_string());
        (link.starts_with("http") && link.encode_utf16().count() <= MAX_LINK_UNITS).then_some(link)
    }
}

/// How large a workbook and its sheets become.
#[derive(Clone, Copy, Debug)]
pub struct WorkbookLimits {
    /// The most rows of a workbook.
    pub rows: u64,
    /// About how many bytes of XML it holds at most.
    pub bytes: u64,
    /// The most rows of a sheet, besides its header.
    pub sheet_rows: u64,
    /// The most hyperlinks of a sheet.
    pub links: usize,
}

impl Default for WorkbookLimits {
    /// One run of a worker, 14 minutes, must make a workbook: 200,000 rows are written and packed in a few seconds, which
    /// leaves reading all of the rest, at 240 rows a second. 256 MiB of XML and the archive that is made of it, at worst
    /// four fifths of that, fit into the 512 MB of disk that a function has.
    fn default() -> Self {
        Self { rows: 200_000, bytes: 256 * 1_024 * 1_024, sheet_rows: MAX_ROWS, links: MAX_LINKS }
    }
}

/// A workbook in the making.
pub struct Workbook {
    book: rust_xlsxwriter::Workbook,
    sheet: Worksheet,
    output: Output,
    zone: Zone,
    subscriptions: SubscriptionsUrl,
    limits: WorkbookLimits,
    moment: Format,
    /// Finished sheets.
    sheets: usize,
    /// Rows of the current sheet, without its header.
    sheet_rows: u32,
    links: usize,
    rows: u64,
    bytes: u64,
}

impl Workbook {
    /// An empty workbook with local times in `zone`, whose properties have the date `dated`: the end of the
    /// period, so that the same request on the same data gives the same bytes.
    ///
    /// # Errors
    /// When there is no room for a scratch file.
    pub fn new(
        output: Output,
        zone: Zone,
        dated: Instant,
        subscriptions: &SubscriptionsUrl,
        limits: WorkbookLimits,
    ) -> Result<Self, XlsxError> {
        let mut book = rust_xlsxwriter::Workbook::new();
        // Left alone, the properties hold the time of the clock: the same rows would give other bytes.
        let created = rust_xlsxwriter::ExcelDateTime::from_timestamp(dated.micros().div_euclid(1_000_000))?;
        book.set_properties(&DocProperties::new().set_author("Daybook").set_creation_datetime(&created));
        book.set_zip_compression_level(COMPRESSION);
        let sheet = book.new_worksheet_with_constant_memory()?;
        let mut workbook = Self {
            book,
            sheet,
            output,
            zone,
            subscriptions: subscriptions.clone(),
            limits,
            moment: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss").set_align(FormatAlign::Left),
            sheets: 0,
            sheet_rows: 0,
            links: 0,
            rows: 0,
            bytes: 0,
        };
        workbook.start_sheet()?;
        Ok(workbook)
    }

    /// Whether the workbook takes no further row.
    pub fn is_full(&self) -> bool {
        self.rows >= self.limits.rows || self.bytes >= self.limits.bytes
    }

    /// Adds one row of an activity, by its number from 0 to [`Lines::rows`].
    ///
    /// # Errors
    /// When there is no room for the next sheet's scratch file.
    pub fn row<'a>(
        &mut self,
        activity: &'a Activity<&'a str>,
        lines: &Lines<'a>,
        number: usize,
    ) -> Result<(), XlsxError> {
        if u64::from(self.sheet_rows) >= self.limits.sheet_rows {
            let next = self.book.new_worksheet_with_constant_memory()?;
            self.end_sheet(next)?;
            self.start_sheet()?;
        }
        let row = Row::new(activity, lines, number, self.output);
        self.sheet_rows += 1;
        self.rows += 1;
        for (column, index) in columns(self.output.rows).iter().zip(0..) {
            self.cell(self.sheet_rows, index, column.of(&row))?;
        }
        Ok(())
    }

    /// Writes the workbook.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(mut self, out: impl Write + Send) -> Result<(), XlsxError> {
        self.end_sheet(Worksheet::new())?;
        self.book.save_to_writer(out)
    }

    fn start_sheet(&mut self) -> Result<(), XlsxError> {
        let name = self.output.locale.pick("Activity log", "Journal d'activité");
        let name =
            if self.sheets == 0 { Cow::Borrowed(name) } else { Cow::Owned(format!("{name} {}", self.sheets + 1)) };
        self.sheet.set_name(name)?;
        self.sheet.set_freeze_panes(1, 0)?;
        let (title, text) = (Format::new().set_bold(), Format::new().set_num_format("@"));
        for (column, index) in columns(self.output.rows).iter().zip(0..) {
            self.sheet.set_column_width(index, f64::from(column.width))?;
            // Text that a person edits stays text.
            self.sheet.set_column_format(index, &text)?;
            let shown = column.title(usize::from(index), self.output.locale, self.zone);
            self.sheet.write_string_with_format(0, index, shown, &title)?;
        }
        Ok(())
    }

    /// Puts the current sheet into the book and goes on with the next.
    fn end_sheet(&mut self, next: Worksheet) -> Result<(), XlsxError> {
        let mut sheet = std::mem::replace(&mut self.sheet, next);
        let last = u16::try_from(columns(self.output.rows).len() - 1).unwrap_or_default();
        sheet.autofilter(0, 0, self.sheet_rows, last)?;
        // Ids are digits as text on purpose: no green corners.
        sheet.ignore_error_range(0, 0, self.sheet_rows, last, IgnoreError::NumberStoredAsText)?;
        self.book.push_worksheet(sheet);
        self.sheets += 1;
        self.sheet_rows = 0;
        self.links = 0;
        Ok(())
    }

    fn cell(&mut self, row: u32, column: u16, cell: Cell<'_>) -> Result<(), XlsxError> {
        self.bytes += CELL_BYTES;
        match cell {
            Cell::Moment(instant) => {
                // A sheet's calendar begins in 1900.
                match rust_xlsxwriter::ExcelDateTime::from_timestamp(instant.local_seconds(self.zone)) {
                    Ok(moment) => drop(self.sheet.write_datetime_with_format(row, column, &moment, &self.moment)?),
                    Err(_) => self.text(row, column, Cow::Owned(instant.to_local_text(self.zone)))?,
                }
            }
            Cell::Number(number) => match number.parse::<f64>() {
                Ok(value) => {
                    // As many decimal places as it was written with: 14.90 stays 14.90.
                    let places = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                    let format = if places == 0 { "0".to_owned() } else { format!("0.{}", "0".repeat(places)) };
                    let format = Format::new().set_num_format(format);
                    self.sheet.write_number_with_format(row, column, value, &format)?;
                }
                Err(_) => self.text(row, column, number)?,
            },
            Cell::Customer { shown, id } => match self.subscriptions.of(id) {
                Some(link) if self.links < self.limits.links => {
                    self.links += 1;
                    self.bytes += (link.len() + shown.len()) as u64 + CELL_BYTES;
                    self.sheet.write_url_with_text(row, column, Url::new(link), shown)?;
                }
                _ => self.text(row, column, Cow::Borrowed(shown))?,
            },
            Cell::Text(text) => self.text(row, column, text)?,
            Cell::Utc(instant) => self.text(row, column, Cow::Owned(instant.to_string()))?,
            Cell::Word(word) => self.text(row, column, Cow::Borrowed(word))?,
        }
        Ok(())
    }

    fn text(&mut self, row: u32, column: u16, text: Cow<'_, str>) -> Result<(), XlsxError> {
        let text = cut(text, self.output.locale);
        let escapes = text.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | 0..=31)).count();
        self.bytes += (text.len() + 6 * escapes) as u64;
        self.sheet.write_string(row, column, text)?;
        Ok(())
    }
}
