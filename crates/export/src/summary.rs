//! The first sheet of a workbook: what was asked for, and totals of the rows in the file.
//!
//! A person who gets the file without a word about it reads here whose log it is, which period and filters it covers, and how
//! complete it is. The texts are in the language of the file. The sheet depends on the request and the rows alone, so that
//! the same export has the same bytes.

use std::borrow::Cow;

use domain::{
    actions,
    activity::{Activity, PartnerId, Status},
    filter::{Choice, FilterValue},
    job::{ExportRequest, Rows},
    locale::Locale,
    time::Instant,
};
use rust_xlsxwriter::{Format, FormatAlign, IgnoreError, Worksheet, XlsxError};

use crate::workbook_cell::{cell_text, date_of};

/// The statuses in the order of their totals.
const STATUSES: [Status; 4] = [Status::Succeeded, Status::Failed, Status::Declined, Status::InProgress];
/// The widths of both columns, in characters of a spreadsheet's default font.
const WIDTHS: [f64; 2] = [30.0, 60.0];

/// The description of a workbook, which counts the workbook's rows.
pub(crate) struct Summary {
    partner: PartnerId,
    request: ExportRequest,
    complete_through: Instant,
    rows: u32,
    activities: u32,
    /// Activities by status, in the order of [`STATUSES`].
    of_status: [u32; STATUSES.len()],
}

impl Summary {
    /// Creates the description of a workbook without rows.
    pub(crate) fn new(partner: PartnerId, request: ExportRequest, complete_through: Instant) -> Self {
        Self { partner, request, complete_through, rows: 0, activities: 0, of_status: [0; STATUSES.len()] }
    }

    /// Counts a row of an activity, by its number from 0.
    pub(crate) fn count_row(&mut self, activity: &Activity<&str>, number: usize) {
        self.rows += 1;
        // An activity with several order lines counts once.
        if number == 0 {
            self.activities += 1;
            for (count, status) in self.of_status.iter_mut().zip(STATUSES) {
                *count += u32::from(status == activity.entry.status);
            }
        }
    }

    /// Returns the name of the sheet.
    pub(crate) fn sheet_name(&self) -> &'static str {
        self.locale().pick("Summary", "Résumé")
    }

    fn locale(&self) -> Locale {
        self.request.output.locale
    }

    /// Writes the sheet.
    ///
    /// # Errors
    /// When a cell does not fit into a sheet.
    pub(crate) fn write(&self, sheet: &mut Worksheet) -> Result<(), XlsxError> {
        let mut writer = SummaryWriter::start(sheet, self.locale())?;
        let pick = |en, fr| self.locale().pick(en, fr);
        writer.title(pick("Activity log", "Journal d’activité"))?;
        writer.text(pick("Partner", "Partenaire"), self.partner.as_str())?;
        let zone = self.request.time_zone;
        for (label, instant) in [
            (pick("From", "Du"), self.request.from),
            (pick("Until (excluded)", "Jusqu’au (exclu)"), self.request.to),
            (pick("Complete through", "Données complètes jusqu’au"), self.complete_through),
        ] {
            match date_of(instant.local_seconds(zone)) {
                Some(date) => writer.date(label, &date)?,
                None => writer.text(label, &instant.to_local_text(zone))?,
            }
        }
        writer.text(pick("Time zone", "Fuseau horaire"), zone.name())?;

        writer.heading(pick("Filters", "Filtres"))?;
        if self.request.filter.is_empty() {
            writer.text(
                pick("None", "Aucun"),
                pick("Every activity of the period", "Toutes les activités de la période"),
            )?;
        }
        for (label, values) in self.filters() {
            writer.text(label, &values)?;
        }

        writer.heading(pick("Totals of this file", "Totaux de ce fichier"))?;
        if self.request.output.rows == Rows::Lines {
            writer.number(pick("Rows (order lines)", "Lignes du fichier (lignes de commande)"), self.rows)?;
        }
        writer.number(pick("Activities", "Activités"), self.activities)?;
        for (count, status) in self.of_status.iter().zip(STATUSES) {
            writer.number(actions::status_label(status, self.locale()), *count)?;
        }
        writer.finish()
    }

    /// Returns the filters in words, each with its label.
    fn filters(&self) -> Vec<(&'static str, String)> {
        let (filter, locale) = (&self.request.filter, self.locale());
        let id = |text: &str| text.to_owned();
        let action = |text: &str| match text.strip_suffix(".*") {
            Some(kind) => {
                let kind = actions::target_label(kind, locale);
                locale.pick(format!("{kind}: all actions"), format!("{kind}\u{202f}: toutes les actions"))
            }
            None => actions::action_label(text, locale).to_owned(),
        };
        let status = |text: &str| match Status::parse(text) {
            Ok(status) => actions::status_label(status, locale).to_owned(),
            Err(_) => text.to_owned(),
        };
        let kind = |text: &str| actions::target_label(text, locale).to_owned();
        let mut filters = Vec::new();
        for (en, fr, values) in [
            ("Customer", "Client", self.values(&filter.customer, id)),
            ("User", "Utilisateur", self.values(&filter.actor, id)),
            ("Action", "Action", self.values(&filter.action, action)),
            ("Status", "Statut", self.values(&filter.status, status)),
            ("Target type", "Type de la cible", self.values(&filter.target_type, kind)),
            ("Target", "Cible", self.values(&filter.target, id)),
            ("Correlation ID", "ID de corrélation", self.values(&filter.correlation, id)),
            ("Source", "Source", self.values(&filter.source, id)),
            ("Contains", "Contient", filter.q.clone().map(String::from).unwrap_or_default()),
        ] {
            if !values.is_empty() {
                filters.push((locale.pick(en, fr), values));
            }
        }
        filters
    }

    /// Returns the values of a condition, separated by commas; empty without any.
    fn values<T: FilterValue>(&self, choice: &Choice<T>, name: impl Fn(&str) -> String) -> String {
        let values = Vec::<String>::from(choice.clone()).into_iter().map(|text| match text.strip_prefix('!') {
            Some(excluded) => format!("{} {}", self.locale().pick("not", "sauf"), name(excluded)),
            None => name(&text),
        });
        values.collect::<Vec<_>>().join(", ")
    }
}

/// A sheet that receives the description row by row.
struct SummaryWriter<'a> {
    sheet: &'a mut Worksheet,
    locale: Locale,
    row: u32,
}

impl<'a> SummaryWriter<'a> {
    fn start(sheet: &'a mut Worksheet, locale: Locale) -> Result<Self, XlsxError> {
        for (width, column) in WIDTHS.into_iter().zip(0..) {
            sheet.set_column_width(column, width)?;
        }
        Ok(Self { sheet, locale, row: 0 })
    }

    fn title(&mut self, text: &str) -> Result<(), XlsxError> {
        self.sheet.write_string_with_format(self.row, 0, text, &Format::new().set_bold().set_font_size(16))?;
        self.row += 1;
        Ok(())
    }

    /// Writes a heading behind an empty row.
    fn heading(&mut self, text: &str) -> Result<(), XlsxError> {
        self.sheet.write_string_with_format(self.row + 1, 0, text, &Format::new().set_bold())?;
        self.row += 2;
        Ok(())
    }

    fn text(&mut self, label: &str, text: &str) -> Result<(), XlsxError> {
        self.label(label)?;
        // The text format keeps ids of digits as they are when a person edits the cell.
        let format = Format::new().set_num_format("@").set_align(FormatAlign::Top).set_text_wrap();
        self.sheet.write_string_with_format(self.row, 1, cell_text(Cow::Borrowed(text), self.locale), &format)?;
        self.row += 1;
        Ok(())
    }

    fn date(&mut self, label: &str, date: &rust_xlsxwriter::ExcelDateTime) -> Result<(), XlsxError> {
        self.label(label)?;
        let format = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss").set_align(FormatAlign::Left);
        self.sheet.write_datetime_with_format(self.row, 1, date, &format)?;
        self.row += 1;
        Ok(())
    }

    fn number(&mut self, label: &str, number: u32) -> Result<(), XlsxError> {
        self.label(label)?;
        let format = Format::new().set_num_format("#,##0").set_align(FormatAlign::Left);
        self.sheet.write_number_with_format(self.row, 1, number, &format)?;
        self.row += 1;
        Ok(())
    }

    fn label(&mut self, label: &str) -> Result<(), XlsxError> {
        self.sheet.write_string_with_format(self.row, 0, label, &Format::new().set_align(FormatAlign::Top))?;
        Ok(())
    }

    fn finish(self) -> Result<(), XlsxError> {
        // Ids of digits are text on purpose, so the green corners of Excel are turned off.
        self.sheet.ignore_error_range(0, 0, self.row, 1, IgnoreError::NumberStoredAsText)?;
        Ok(())
    }
}
