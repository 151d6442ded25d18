//! XLSX workbooks have the columns of CSV with typed cells.
//!
//! Times are dates by the wall clock of the export's zone, numbers of order lines are numbers, and everything else is text.
//! So are times before March 1900, because the programs that read workbooks do not agree on these dates.
//! No cell is a formula, no digit of an id changes, and no cell needs the guard of CSV. Control characters are shown as their
//! pictures. The header stays in view and has
//! filters. The cell of a customer links to the customer's subscriptions.
//!
//! The first sheet describes the export, and the activities follow on further sheets. A workbook opens on the activities,
//! because programs and people that look at the sheet that is shown expect rows.
//!
//! A workbook is a zip archive with its directory at the end, so another process cannot continue it. Its size is bounded,
//! and a worker that takes over starts it again from its first row. Rows go to a scratch file at once, so that memory does
//! not grow with their number.

use std::{
    borrow::Cow,
    error::Error,
    fs::File,
    io::{Seek as _, Write},
};

use domain::{
    activity::{Activity, PartnerId},
    job::{ExportRequest, Output},
    time::{Instant, Zone},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, IgnoreError, Url, Worksheet, XlsxError};

use crate::{
    lines::OrderLines,
    summary::Summary,
    table::{Cell, MAX_ROWS, TableRow, columns},
    workbook_cell::{FIRST_DATE_SECONDS, cell_text, date_of},
};

/// The most hyperlinks of a sheet.
pub const MAX_LINKS: usize = 65_530;
/// The most UTF-16 units of a hyperlink.
const MAX_LINK_UNITS: usize = 2_080;
/// The characters that a URL escapes: all but letters, digits and the other unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The compression level of zlib. Rows are similar, so a higher level costs more time than it saves space.
const COMPRESSION: u8 = 2;
/// The bytes that a cell takes in a sheet besides its text.
const CELL_BYTES: u64 = 64;

/// The URL of the page that shows a customer's subscriptions, with `{customer}` in place of the id; or none.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionsUrl(String);

impl SubscriptionsUrl {
    /// Creates the URL from a pattern. An empty pattern creates no links.
    pub fn new(pattern: String) -> Self {
        Self(pattern)
    }

    fn for_customer(&self, customer: &str) -> Option<String> {
        let link = self.0.replace("{customer}", &utf8_percent_encode(customer, ESCAPED).to_string());
        (link.starts_with("http") && link.encode_utf16().count() <= MAX_LINK_UNITS).then_some(link)
    }
}

/// The sizes at which workbooks and sheets end.
#[derive(Clone, Copy, Debug)]
pub struct WorkbookLimits {
    /// The most rows of a workbook.
    pub rows: u64,
    /// The approximate most bytes of XML of a workbook.
    pub bytes: u64,
    /// The most rows of a sheet, besides its header.
    pub sheet_rows: u64,
    /// The most hyperlinks of a sheet.
    pub links: usize,
}

impl Default for WorkbookLimits {
    /// Returns limits that a function's time and disk allow.
    ///
    /// One run of a worker, 14 minutes, must write a workbook. Encoding and compressing 200,000 rows takes seconds, so
    /// reading may be as slow as 240 rows a second. 256 MiB of XML and the archive of at most four fifths of that size fit
    /// into the 512 MB of a function's disk.
    fn default() -> Self {
        Self { rows: 200_000, bytes: 256 * 1_024 * 1_024, sheet_rows: MAX_ROWS, links: MAX_LINKS }
    }
}

/// A workbook that receives rows.
pub struct Workbook {
    book: rust_xlsxwriter::Workbook,
    summary: Summary,
    sheet: Worksheet,
    output: Output,
    zone: Zone,
    subscriptions: SubscriptionsUrl,
    limits: WorkbookLimits,
    date_format: Format,
    /// The number of finished sheets of activities.
    sheets: usize,
    /// The number of rows of the current sheet, without its header.
    sheet_rows: u32,
    links: usize,
    rows: u64,
    bytes: u64,
}

impl Workbook {
    /// Creates an empty workbook for the request of a partner.
    ///
    /// Its activities are complete up to `complete_through`. Its creation date is the end of the period, so that the same
    /// request on the same data gives the same bytes.
    ///
    /// # Errors
    /// When there is no room for a scratch file.
    pub fn new(
        partner: &PartnerId,
        request: &ExportRequest,
        complete_through: Instant,
        subscriptions: &SubscriptionsUrl,
        limits: WorkbookLimits,
    ) -> Result<Self, XlsxError> {
        let mut book = rust_xlsxwriter::Workbook::new();
        // By default the properties hold the current time, so the same rows would give other bytes.
        let created = ExcelDateTime::from_timestamp(request.to.seconds().max(FIRST_DATE_SECONDS))?;
        book.set_properties(&DocProperties::new().set_author("Daybook").set_creation_datetime(&created));
        book.set_zip_compression_level(COMPRESSION);
        let summary = Summary::new(partner.clone(), request.clone(), complete_through);
        // The sheet takes the first place now, and gets its totals at the end.
        book.add_worksheet().set_name(summary.sheet_name())?;
        let sheet = book.new_worksheet_with_constant_memory()?;
        let mut workbook = Self {
            book,
            summary,
            sheet,
            output: request.output,
            zone: request.time_zone,
            subscriptions: subscriptions.clone(),
            limits,
            date_format: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss").set_align(FormatAlign::Left),
            sheets: 0,
            sheet_rows: 0,
            links: 0,
            rows: 0,
            bytes: 0,
        };
        workbook.start_sheet()?;
        Ok(workbook)
    }

    /// Returns whether the workbook takes no more rows.
    pub fn is_full(&self) -> bool {
        self.rows >= self.limits.rows || self.bytes >= self.limits.bytes
    }

    /// Adds one row of an activity, by its number from 0 to [`OrderLines::rows`].
    ///
    /// # Errors
    /// When there is no room for the next sheet's scratch file.
    pub fn write_row<'a>(
        &mut self,
        activity: &'a Activity<&'a str>,
        lines: &OrderLines<'a>,
        number: usize,
    ) -> Result<(), XlsxError> {
        if u64::from(self.sheet_rows) >= self.limits.sheet_rows {
            let next = self.book.new_worksheet_with_constant_memory()?;
            self.end_sheet(next)?;
            self.start_sheet()?;
        }
        let row = TableRow::new(activity, lines, number, self.output);
        self.sheet_rows += 1;
        self.rows += 1;
        self.summary.count_row(activity, number);
        for (column, index) in columns(self.output.rows).iter().zip(0..) {
            self.write_cell(self.sheet_rows, index, column.cell(&row))?;
        }
        Ok(())
    }

    /// Writes the finished workbook to `out`.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn save(mut self, out: impl Write + Send) -> Result<(), XlsxError> {
        self.end_sheet(Worksheet::new())?;
        self.summary.write(self.book.worksheet_from_index(0)?)?;
        self.book.save_to_writer(out)
    }

    /// Writes the finished workbook to a scratch file and returns the file, ready to be read.
    ///
    /// Compressing a workbook takes seconds, so another thread does the work.
    pub(crate) async fn save_to_scratch(self) -> Result<File, Box<dyn Error + Send + Sync>> {
        tokio::task::spawn_blocking(move || {
            let mut scratch = tempfile::tempfile()?;
            self.save(&mut scratch)?;
            scratch.rewind()?;
            Ok(scratch)
        })
        .await?
    }

    fn start_sheet(&mut self) -> Result<(), XlsxError> {
        let name = self.output.locale.pick("Activity log", "Journal d'activité");
        let name =
            if self.sheets == 0 { Cow::Borrowed(name) } else { Cow::Owned(format!("{name} {}", self.sheets + 1)) };
        self.sheet.set_name(name)?;
        self.sheet.set_active(self.sheets == 0);
        self.sheet.set_freeze_panes(1, 0)?;
        let (bold, text) = (Format::new().set_bold(), Format::new().set_num_format("@"));
        for (column, index) in columns(self.output.rows).iter().zip(0..) {
            self.sheet.set_column_width(index, f64::from(column.width))?;
            // The text format keeps a cell text when a person edits it.
            self.sheet.set_column_format(index, &text)?;
            let title = column.title(usize::from(index), self.output.locale, self.zone);
            self.sheet.write_string_with_format(0, index, title, &bold)?;
        }
        Ok(())
    }

    /// Puts the current sheet into the workbook and continues with the next.
    fn end_sheet(&mut self, next: Worksheet) -> Result<(), XlsxError> {
        let mut sheet = std::mem::replace(&mut self.sheet, next);
        let last = u16::try_from(columns(self.output.rows).len() - 1).unwrap_or_default();
        sheet.autofilter(0, 0, self.sheet_rows, last)?;
        // Ids are digits stored as text on purpose, so the green corners of Excel are turned off.
        sheet.ignore_error_range(0, 0, self.sheet_rows, last, IgnoreError::NumberStoredAsText)?;
        self.book.push_worksheet(sheet);
        self.sheets += 1;
        self.sheet_rows = 0;
        self.links = 0;
        Ok(())
    }

    fn write_cell(&mut self, row: u32, column: u16, cell: Cell<'_>) -> Result<(), XlsxError> {
        self.bytes += CELL_BYTES;
        match cell {
            Cell::LocalTime(instant) => match date_of(instant.local_seconds(self.zone)) {
                Some(date) => drop(self.sheet.write_datetime_with_format(row, column, &date, &self.date_format)?),
                None => self.write_text(row, column, Cow::Owned(instant.to_local_text(self.zone)))?,
            },
            Cell::Number(number) => match number.parse::<f64>() {
                Ok(value) => {
                    // The format keeps the decimal places of the original: 14.90 stays 14.90.
                    let places = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                    let format = if places == 0 { "0".to_owned() } else { format!("0.{}", "0".repeat(places)) };
                    let format = Format::new().set_num_format(format);
                    self.sheet.write_number_with_format(row, column, value, &format)?;
                }
                Err(_) => self.write_text(row, column, number)?,
            },
            Cell::Customer { shown, id } => match self.subscriptions.for_customer(id) {
                Some(link) if self.links < self.limits.links => {
                    let shown = cell_text(Cow::Borrowed(shown), self.output.locale);
                    self.links += 1;
                    self.bytes += (link.len() + shown.len()) as u64 + CELL_BYTES;
                    self.sheet.write_url_with_text(row, column, Url::new(link), shown)?;
                }
                _ => self.write_text(row, column, Cow::Borrowed(shown))?,
            },
            Cell::Text(text) => self.write_text(row, column, text)?,
            Cell::UtcTime(instant) => self.write_text(row, column, Cow::Owned(instant.to_string()))?,
            Cell::Label(label) => self.write_text(row, column, Cow::Borrowed(label))?,
        }
        Ok(())
    }

    fn write_text(&mut self, row: u32, column: u16, text: Cow<'_, str>) -> Result<(), XlsxError> {
        let text = cell_text(text, self.output.locale);
        let escapes = text.bytes().filter(|byte| matches!(byte, b'&' | b'<' | b'>' | 0..=31)).count();
        self.bytes += (text.len() + 6 * escapes) as u64;
        self.sheet.write_string(row, column, text)?;
        Ok(())
    }
}
