//! The columns of CSV and XLSX: titles, widths, and the cell that each column shows of a row.
//!
//! A row is an activity, or one line of its order (`details.lines`) with the columns of the activity in front. An activity
//! without lines is one row in either case. The row of a line shows that line, as recorded, in the column of details:
//! with all details in each row, a file would grow with the square of the number of lines.
//!
//! **Length.** Excel keeps 32,767 characters of a cell, counted in UTF-16 units. A longer text is cut and ends in a mark
//! that states how many characters are missing. JSON lines keep everything.

use std::borrow::Cow;

use domain::{
    actions,
    activity::{Activity, Details},
    job::{Output, Rows},
    locale::Locale,
    time::{Instant, Zone},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most rows of a sheet besides its header: a sheet holds 1,048,576.
pub(crate) const MAX_ROWS: u64 = 1_048_575;
/// The most UTF-16 units of a cell.
pub const MAX_CELL_UNITS: usize = 32_767;
/// The most digits that a spreadsheet keeps of a number.
pub(crate) const MAX_DIGITS: usize = 15;

/// The number of columns of an activity. The columns of a line follow them.
const ACTIVITY_COLUMNS: usize = 12;

/// A column of CSV and XLSX.
pub(crate) struct Column {
    en: &'static str,
    fr: &'static str,
    /// The width in characters of a spreadsheet's default font.
    pub(crate) width: u8,
    show: for<'a> fn(&TableRow<'a>) -> Cell<'a>,
}

/// A cell: the value that a column shows of a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// An instant, shown by the wall clock of the export's zone.
    LocalTime(Instant),
    /// An instant in UTC, with all its digits.
    UtcTime(Instant),
    /// A text of this product, which is safe in every format.
    Label(&'static str),
    /// A text from outside, which may look like a formula or a number.
    Text(Cow<'a, str>),
    /// A customer's name, or the id of a customer without a name.
    Customer {
        /// The name or id.
        shown: &'a str,
        /// The customer's id.
        id: &'a str,
    },
    /// A plain decimal of at most 15 digits, with a point as its decimal mark.
    Number(Cow<'a, str>),
}

/// All columns, in order.
const COLUMNS: [Column; 19] = [
    Column {
        en: "Date and time",
        fr: "Date et heure",
        width: 20,
        show: |row| Cell::LocalTime(row.activity.occurred_at),
    },
    Column { en: "Customer", fr: "Client", width: 28, show: |row| row.customer() },
    Column {
        en: "Action",
        fr: "Action",
        width: 26,
        show: |row| text(actions::action_label(row.activity.entry.action.as_str(), row.locale)),
    },
    Column { en: "Partner user", fr: "Utilisateur partenaire", width: 24, show: |row| row.actor() },
    Column {
        en: "Status",
        fr: "Statut",
        width: 12,
        show: |row| Cell::Label(actions::status_label(row.activity.entry.status, row.locale)),
    },
    Column { en: "Target", fr: "Cible", width: 28, show: |row| row.target() },
    Column { en: "Details", fr: "Détails", width: 50, show: |row| row.details() },
    Column {
        en: "Customer ID",
        fr: "ID du client",
        width: 18,
        show: |row| text(row.activity.entry.customer.as_ref().map_or("", |customer| customer.id)),
    },
    Column { en: "Actor ID", fr: "ID de l'acteur", width: 28, show: |row| text(row.activity.entry.actor.id) },
    Column { en: "Action ID", fr: "ID de l'action", width: 24, show: |row| text(row.activity.entry.action.as_str()) },
    Column { en: "Activity ID", fr: "ID de l'activité", width: 38, show: |row| text(row.activity.id.as_str()) },
    Column {
        en: "Occurred at (UTC)",
        fr: "Survenue le (UTC)",
        width: 28,
        show: |row| Cell::UtcTime(row.activity.occurred_at),
    },
    Column { en: "Line", fr: "Ligne", width: 8, show: |row| row.line_number() },
    Column { en: "Product", fr: "Produit", width: 28, show: |row| row.line_text(|line| line.product.or(line.name)) },
    Column { en: "Quantity", fr: "Quantité", width: 10, show: |row| row.line_number_of(|line| line.quantity) },
    Column { en: "Unit price", fr: "Prix unitaire", width: 12, show: |row| row.line_number_of(|line| line.unit_price) },
    Column { en: "Currency", fr: "Devise", width: 10, show: |row| row.line_text(|line| line.currency) },
    Column {
        en: "Subscription ID",
        fr: "ID de l'abonnement",
        width: 38,
        show: |row| row.line_text(|line| line.subscription_id),
    },
    Column { en: "Line total", fr: "Total de la ligne", width: 12, show: |row| row.line_total() },
];

/// Returns the columns of files whose rows are `rows`.
pub(crate) fn columns(rows: Rows) -> &'static [Column] {
    match rows {
        Rows::Activities => &COLUMNS[..ACTIVITY_COLUMNS],
        Rows::Lines => &COLUMNS,
    }
}

impl Column {
    /// Returns the title of the column with this index. The first title names the zone of local times.
    pub(crate) fn title(&self, index: usize, locale: Locale, zone: Zone) -> Cow<'static, str> {
        let title = locale.pick(self.en, self.fr);
        if index == 0 { Cow::Owned(format!("{title} ({zone})")) } else { Cow::Borrowed(title) }
    }

    /// Returns the cell of a row.
    pub(crate) fn cell<'a>(&self, row: &TableRow<'a>) -> Cell<'a> {
        (self.show)(row)
    }
}

/// The lines of an activity's order, as recorded; empty where a row is an activity.
#[derive(Debug)]
pub struct OrderLines<'a>(Vec<&'a RawValue>);

impl<'a> OrderLines<'a> {
    /// Reads the lines of an activity, where the output has a row for each line.
    pub fn parse(activity: &'a Activity<&'a str>, output: Output) -> Self {
        #[derive(Deserialize)]
        struct Order<'a> {
            #[serde(borrow)]
            lines: Option<&'a RawValue>,
        }
        let (Rows::Lines, Details::Here(details)) = (output.rows, &activity.details) else {
            return Self(Vec::new());
        };
        let lines = serde_json::from_str::<Order<'a>>(details).ok().and_then(|order| order.lines);
        // Details are any JSON, so `lines` may be something else than a list.
        Self(lines.and_then(|lines| serde_json::from_str(lines.get()).ok()).unwrap_or_default())
    }

    /// Returns the number of rows of the activity, at least one.
    pub fn rows(&self) -> usize {
        self.0.len().max(1)
    }

    /// Returns the line of a row, if the activity has lines.
    pub(crate) fn get(&self, row: usize) -> Option<&'a RawValue> {
        self.0.get(row).copied()
    }
}

/// The members of an order's line that have a column.
#[derive(Default, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    line: Option<&'a RawValue>,
    #[serde(borrow)]
    product: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    unit_price: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    subscription_id: Option<&'a RawValue>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
}

/// A row of a table: an activity, and a line of its order where there is one.
pub(crate) struct TableRow<'a> {
    activity: &'a Activity<&'a str>,
    line: Option<(usize, &'a RawValue, Line<'a>)>,
    locale: Locale,
    with_details: bool,
}

impl<'a> TableRow<'a> {
    /// Creates the row of an activity with this number, from 0.
    pub(crate) fn new(activity: &'a Activity<&'a str>, lines: &OrderLines<'a>, number: usize, output: Output) -> Self {
        // A line that is not an object has no members, so its columns stay empty.
        let line = lines.get(number).map(|raw| (number, raw, serde_json::from_str(raw.get()).unwrap_or_default()));
        Self { activity, line, locale: output.locale, with_details: output.details }
    }

    fn customer(&self) -> Cell<'a> {
        match &self.activity.entry.customer {
            Some(customer) => Cell::Customer { shown: customer.name.unwrap_or(customer.id), id: customer.id },
            None => text(""),
        }
    }

    fn actor(&self) -> Cell<'a> {
        let actor = &self.activity.entry.actor;
        text(actor.name.unwrap_or(actor.id))
    }

    fn target(&self) -> Cell<'a> {
        let Some(target) = &self.activity.entry.target else { return text("") };
        let name = target.name.or(target.id).unwrap_or_default();
        match target.kind {
            Some(kind) if name.is_empty() => text(kind),
            Some(kind) => Cell::Text(Cow::Owned([kind, " ", name].concat())),
            None => text(name),
        }
    }

    fn details(&self) -> Cell<'a> {
        match (&self.line, &self.activity.details) {
            _ if !self.with_details => text(""),
            (Some((_, line, _)), _) => text(line.get()),
            (None, Details::Here(details)) => text(details),
            (None, Details::None | Details::Apart(_)) => text(""),
        }
    }

    /// Returns the line's own number, or else its index among the lines, from 1.
    fn line_number(&self) -> Cell<'a> {
        match &self.line {
            Some((_, _, Line { line: Some(number), .. })) => decimal_or_text(number),
            Some((number, ..)) => Cell::Number(Cow::Owned((number + 1).to_string())),
            None => text(""),
        }
    }

    fn line_text(&self, member: impl FnOnce(&Line<'a>) -> Option<&'a RawValue>) -> Cell<'a> {
        self.line.as_ref().and_then(|(_, _, line)| member(line)).map_or(text(""), |value| Cell::Text(plain_text(value)))
    }

    fn line_number_of(&self, member: impl FnOnce(&Line<'a>) -> Option<&'a RawValue>) -> Cell<'a> {
        self.line.as_ref().and_then(|(_, _, line)| member(line)).map_or(text(""), decimal_or_text)
    }

    /// Returns the line's own total, or else quantity times price, exactly.
    fn line_total(&self) -> Cell<'a> {
        let Some((_, _, line)) = &self.line else { return text("") };
        if let Some(total) = line.total {
            return decimal_or_text(total);
        }
        match (line.quantity, line.unit_price) {
            (Some(quantity), Some(price)) => multiply(&plain_text(quantity), &plain_text(price))
                .filter(|total| is_decimal(total))
                .map_or(text(""), |total| Cell::Number(Cow::Owned(total))),
            _ => text(""),
        }
    }
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(Cow::Borrowed(text))
}

/// Returns a JSON value as a person would write it: a string without quotes, nothing for null, anything else unchanged.
fn plain_text(value: &RawValue) -> Cow<'_, str> {
    let raw = value.get();
    if raw == "null" {
        return Cow::Borrowed("");
    }
    if raw.starts_with('"') {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        return serde_json::from_str::<Text<'_>>(raw).map_or(Cow::Borrowed(raw), |Text(text)| text);
    }
    Cow::Borrowed(raw)
}

fn decimal_or_text(value: &RawValue) -> Cell<'_> {
    let shown = plain_text(value);
    if is_decimal(&shown) { Cell::Number(shown) } else { Cell::Text(shown) }
}

/// Returns whether a text is a number that a spreadsheet keeps exactly.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole)
        && all(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && digits.bytes().filter(u8::is_ascii_digit).count() <= MAX_DIGITS
}

/// Returns the product of two decimals with the decimal places of both; none if one is not a decimal.
fn multiply(left: &str, right: &str) -> Option<String> {
    let scaled = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        is_decimal(text)
            .then(|| format!("{whole}{fraction}").parse::<i128>().ok().map(|number| (number, fraction.len())))?
    };
    let ((left, left_places), (right, right_places)) = (scaled(left)?, scaled(right)?);
    let (number, places) = (left.checked_mul(right)?, left_places + right_places);
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if number < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// Returns a text that fits into a cell. A text that is too long ends in a mark that states how much is missing.
pub(crate) fn cut_cell(text: Cow<'_, str>, locale: Locale) -> Cow<'_, str> {
    // A character takes at least as many bytes as UTF-16 units, so a short text needs no counting.
    if text.len() <= MAX_CELL_UNITS || text.encode_utf16().count() <= MAX_CELL_UNITS {
        return text;
    }
    // A fixed reserve makes the place of the cut independent of the mark, which is at most 50 units long.
    const RESERVE: usize = 64;
    let mut kept_units = 0;
    let mut kept = 0;
    for (at, char) in text.char_indices() {
        if kept_units + char.len_utf16() > MAX_CELL_UNITS - RESERVE {
            kept = at;
            break;
        }
        kept_units += char.len_utf16();
    }
    let missing = text[kept..].chars().count();
    let mark =
        locale.pick(format!("… [cut: {missing} more characters]"), format!("… [coupé : {missing} caractères de plus]"));
    Cow::Owned(format!("{}{mark}", &text[..kept]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cell_is_cut_between_characters_with_a_mark() {
        let long = "😀".repeat(20_000);
        let shown = cut_cell(Cow::Owned(long), Locale::En);
        assert!(shown.encode_utf16().count() <= MAX_CELL_UNITS);
        assert!(shown.ends_with("… [cut: 3649 more characters]"), "{}", &shown[shown.len() - 50..]);
        let fits = "é".repeat(MAX_CELL_UNITS);
        assert_eq!(cut_cell(Cow::Borrowed(&fits), Locale::Fr), fits);
    }

    #[test]
    fn decimal_is_a_number_that_spreadsheets_keep() {
        for number in ["0", "-1", "12", "14.90", "-0.5", "123456789012345", "0.00000000000001"] {
            assert!(is_decimal(number), "{number}");
        }
        for other in
            ["", "-", ".5", "5.", "+5", "007", "1e3", "1,5", "1234567890123456", "12.34567890123456", "NaN", "١"]
        {
            assert!(!is_decimal(other), "{other}");
        }
    }

    #[test]
    fn multiply_is_exact() {
        for (left, right, expected) in [
            ("12", "14.90", Some("178.80")),
            ("3", "0.10", Some("0.30")),
            ("-2", "0.05", Some("-0.10")),
            ("0", "9.99", Some("0.00")),
            ("5", "5", Some("25")),
            ("5", "a", None),
            ("5", "", None),
        ] {
            assert_eq!(multiply(left, right).as_deref(), expected, "{left} × {right}");
        }
    }
}
