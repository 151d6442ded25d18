//! CSV files that spreadsheets of each language open as they are.
//!
//! The crate `csv` writes every byte of a row. A file is UTF-8 with a byte order mark, CRLF line ends and quotes as in
//! RFC 4180. English files separate cells by commas and French ones by semicolons, because a spreadsheet of that language
//! splits there. No `sep=` line is written: with one, Excel ignores the byte order mark. Numbers of order lines have the
//! decimal mark of the language. Texts from outside pass the [guard](crate::guard) first. A cell with any separator of
//! spreadsheets is quoted, because an import dialog may split at all of them.

use std::{cell, fmt, io};

use domain::{activity::Activity, job::Output, locale::Locale, time::Zone};

use crate::{
    cell_text::{decimal_mark, is_shown_as_recorded, write_guarded},
    guard::Findings,
    lines::OrderLines,
    table::{Cell, TableRow, columns},
};

/// Excel reads a file as UTF-8 only if the file starts with this mark.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An encoder of CSV.
#[derive(Debug)]
pub(crate) struct CsvEncoder {
    output: Output,
    zone: Zone,
    writer: csv::Writer<RowBuffer>,
    /// Holds a cell that differs from its text: guarded, or with the decimal mark of the language.
    cell: String,
}

/// A row buffer receives the bytes of rows from [`csv::Writer`].
///
/// The writer lends its destination by shared reference only, so a cell hands the bytes in and out.
#[derive(Default)]
struct RowBuffer(cell::Cell<Vec<u8>>);

impl fmt::Debug for RowBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RowBuffer")
    }
}

impl io::Write for RowBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CsvEncoder {
    pub(crate) fn new(output: Output, zone: Zone) -> Self {
        let writer = csv::WriterBuilder::new()
            .delimiter(output.locale.pick(b',', b';'))
            // `csv` quotes each cell that contains the comment character, here the separator of the other language.
            .comment(Some(output.locale.pick(b';', b',')))
            .quote_style(csv::QuoteStyle::Necessary)
            .terminator(csv::Terminator::CRLF)
            .from_writer(RowBuffer::default());
        Self { output, zone, writer, cell: String::new() }
    }

    /// Appends the byte order mark and the titles to `out`.
    pub(crate) fn start_file(&mut self, out: &mut Vec<u8>) -> Result<(), csv::Error> {
        out.extend_from_slice(BYTE_ORDER_MARK);
        self.start_row(out);
        for (index, column) in columns(self.output.rows).iter().enumerate() {
            self.writer.write_field(&*column.title(index, self.output.locale, self.zone))?;
        }
        self.end_row(out)
    }

    /// Appends one row of an activity to `out`.
    pub(crate) fn write_row<'a>(
        &mut self,
        out: &mut Vec<u8>,
        activity: &'a Activity<&'a str>,
        lines: &OrderLines<'a>,
        number: usize,
    ) -> Result<(), csv::Error> {
        let row = TableRow::new(activity, lines, number, self.output);
        self.start_row(out);
        for column in columns(self.output.rows) {
            self.write_cell(column.cell(&row))?;
        }
        self.end_row(out)
    }

    /// Lends the bytes of the file to the writer, which appends a row to them without another copy.
    fn start_row(&self, out: &mut Vec<u8>) {
        self.writer.get_ref().0.set(std::mem::take(out));
    }

    fn end_row(&mut self, out: &mut Vec<u8>) -> Result<(), csv::Error> {
        self.writer.write_record(None::<&[u8]>)?;
        self.writer.flush()?;
        *out = self.writer.get_ref().0.take();
        Ok(())
    }

    fn write_cell(&mut self, cell: Cell<'_>) -> Result<(), csv::Error> {
        match cell {
            Cell::LocalTime(instant) => self.writer.write_field(instant.to_local_text(self.zone)),
            Cell::UtcTime(instant) => self.writer.write_field(instant.to_bytes()),
            Cell::Label(label) => self.writer.write_field(label),
            Cell::Text(text) => self.write_guarded(&text),
            Cell::Customer { shown, .. } => self.write_guarded(shown),
            Cell::Number(number) => match self.output.locale {
                Locale::En => self.writer.write_field(&*number),
                Locale::Fr => {
                    self.cell.clear();
                    let mark = decimal_mark(Locale::Fr);
                    self.cell.extend(number.chars().map(|char| if char == '.' { mark } else { char }));
                    self.writer.write_field(&self.cell)
                }
            },
        }
    }

    /// Writes a text from outside, with the guard where the text needs one.
    fn write_guarded(&mut self, text: &str) -> Result<(), csv::Error> {
        let found = Findings::of(text);
        if is_shown_as_recorded(text, found, self.output.locale) {
            return self.writer.write_field(text);
        }
        self.cell.clear();
        write_guarded(text, self.output.locale, &mut self.cell);
        // A tab is the only separator that the writer does not know.
        if found.has_special_characters() && self.cell.contains('\t') {
            self.write_quoted()
        } else {
            self.writer.write_field(&self.cell)
        }
    }

    /// Writes the prepared cell in quotation marks.
    fn write_quoted(&mut self) -> Result<(), csv::Error> {
        let mut quoting = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        quoting.write_record([&self.cell])?;
        let mut quoted = quoting.into_inner().map_err(|error| error.into_error())?;
        let line_end = quoted.pop();
        debug_assert_eq!(line_end, Some(b'\n'));
        // An empty field writes the delimiter; the quoted text follows behind the row's bytes so far.
        self.writer.write_field("")?;
        self.writer.flush()?;
        let mut row = self.writer.get_ref().0.take();
        row.extend_from_slice(&quoted);
        self.writer.get_ref().0.set(row);
        Ok(())
    }
}
