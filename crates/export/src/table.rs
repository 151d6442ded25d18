//! The columns of CSV and XLSX: titles, widths, and the cell that each column shows of a row.
//!
//! A row is an activity, or one line of its order (`details.lines`) with the columns of the activity in front. An activity
//! without lines is one row in either case. The row of a line shows that line, as recorded, in the column of details, and
//! the line's subscription among the subscriptions: with those of all lines in each row, a file would grow with the square
//! of the number of lines.

use std::{borrow::Cow, collections::HashSet};

use domain::{
    actions,
    activity::{
        Activity, Details,
        lines::{Line, Member, is_decimal, plain_text, subscription_id_of},
    },
    job::{Output, Rows},
    locale::Locale,
    time::{Instant, Zone},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lines::OrderLines;

/// The most rows of a sheet besides its header: a sheet holds 1,048,576.
pub(crate) const MAX_ROWS: u64 = 1_048_575;

/// The number of columns of an activity. The columns of a line follow them.
const ACTIVITY_COLUMNS: usize = 22;

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

/// Creates a column.
const fn column(en: &'static str, fr: &'static str, width: u8, show: for<'a> fn(&TableRow<'a>) -> Cell<'a>) -> Column {
    Column { en, fr, width, show }
}

/// All columns, in order. `docs/files.md` describes each of them.
const COLUMNS: [Column; 31] = [
    column("Date and time", "Date et heure", 20, |row| Cell::LocalTime(row.activity.occurred_at)),
    column("Customer", "Client", 28, |row| row.customer()),
    column("Action", "Action", 26, |row| text(actions::action_label(row.activity.entry.action.as_str(), row.locale))),
    column("Partner user", "Utilisateur partenaire", 24, |row| row.actor()),
    column("Status", "Statut", 12, |row| Cell::Label(actions::status_label(row.activity.entry.status, row.locale))),
    column("Reason", "Motif", 30, |row| optional(row.activity.entry.reason)),
    column("Target", "Cible", 28, |row| row.target()),
    column("Changes", "Modifications", 40, |row| row.changes()),
    column("Details", "Détails", 50, |row| row.details()),
    column("Customer ID", "ID du client", 18, |row| {
        optional(row.activity.entry.customer.as_ref().map(|customer| customer.id))
    }),
    column("Actor ID", "ID de l'acteur", 28, |row| text(row.activity.entry.actor.id)),
    column("Actor role", "Rôle de l'acteur", 18, |row| optional(row.activity.entry.actor.role)),
    column("IP address", "Adresse IP", 18, |row| optional(row.activity.entry.actor.ip)),
    column("Target type", "Type de la cible", 16, |row| {
        optional(row.activity.entry.target.as_ref().and_then(|target| target.kind))
    }),
    column("Target ID", "ID de la cible", 28, |row| {
        optional(row.activity.entry.target.as_ref().and_then(|target| target.id))
    }),
    column("Action ID", "ID de l'action", 24, |row| text(row.activity.entry.action.as_str())),
    column("Subscription IDs", "ID des abonnements", 38, |row| row.subscription_ids()),
    column("Correlation ID", "ID de corrélation", 38, |row| optional(row.activity.entry.correlation_id)),
    column("Source", "Source", 14, |row| optional(row.activity.entry.source)),
    column("Activity ID", "ID de l'activité", 38, |row| text(row.activity.id.as_str())),
    column("Occurred at (UTC)", "Survenue le (UTC)", 28, |row| Cell::UtcTime(row.activity.occurred_at)),
    column("Recorded at (UTC)", "Enregistrée le (UTC)", 28, |row| Cell::UtcTime(row.activity.recorded_at)),
    column("Line", "Ligne", 8, |row| row.line_number()),
    column("Product", "Produit", 28, |row| row.line_text(|line| line.product_and_name().0)),
    column("Product name", "Nom du produit", 28, |row| row.line_text(|line| line.product_and_name().1)),
    column("Quantity", "Quantité", 10, |row| row.line_number_of(Member::Quantity)),
    column("Unit price", "Prix unitaire", 12, |row| row.line_number_of(Member::UnitPrice)),
    column("Amount", "Montant", 12, |row| row.line_amount()),
    column("Currency", "Devise", 10, |row| row.line_text(|line| line.get(Member::Currency))),
    column("Term", "Durée", 10, |row| row.line_text(|line| line.get(Member::Term))),
    column("Subscription ID", "ID de l'abonnement", 38, |row| row.line_text(|line| line.get(Member::SubscriptionId))),
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

/// A row of a table: an activity, and a line of its order where there is one.
pub(crate) struct TableRow<'a> {
    activity: &'a Activity<&'a str>,
    line: Option<(usize, &'a RawValue, Line<'a>)>,
    /// The ids of the subscriptions of the lines that the row stands for.
    subscription_ids: Vec<Cow<'a, str>>,
    locale: Locale,
    with_details: bool,
}

impl<'a> TableRow<'a> {
    /// Creates the row of an activity with this number, from 0.
    pub(crate) fn new(activity: &'a Activity<&'a str>, lines: &OrderLines<'a>, number: usize, output: Output) -> Self {
        let line = lines.line_of_row(number).map(|raw| (number, raw, Line::parse(raw)));
        let subscription_ids = match &line {
            Some((_, _, line)) => line.subscription_id().into_iter().collect(),
            None => lines.lines_of_activity().iter().filter_map(|raw| subscription_id_of(raw)).collect(),
        };
        Self { activity, line, subscription_ids, locale: output.locale, with_details: output.details }
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
        match target.kind.map(|kind| actions::target_label(kind, self.locale)) {
            Some(label) if name.is_empty() => text(label),
            Some(label) => Cell::Text(Cow::Owned([label, " ", name].concat())),
            None => text(name),
        }
    }

    /// Returns the changes, one a line, as `field: old → new`. A value that was absent before or after is left out.
    fn changes(&self) -> Cell<'a> {
        #[derive(Deserialize)]
        struct Change<'a> {
            #[serde(borrow)]
            field: Cow<'a, str>,
            #[serde(borrow)]
            old: Option<&'a RawValue>,
            #[serde(borrow)]
            new: Option<&'a RawValue>,
        }
        let Some(json) = self.activity.entry.changes else { return text("") };
        // The ledger holds what the parser of activities wrote, so the text is shown as it is only if somebody altered it.
        let Ok(changes) = serde_json::from_str::<Vec<Change<'_>>>(json) else { return text(json) };
        let mut shown = String::with_capacity(json.len());
        for change in &changes {
            if !shown.is_empty() {
                shown.push('\n');
            }
            shown.push_str(&change.field);
            shown.push(':');
            for (mark, value) in [("", change.old), (" →", change.new)] {
                shown.push_str(mark);
                let value = value.map(plain_text).unwrap_or_default();
                if !value.is_empty() {
                    shown.push(' ');
                    shown.push_str(&value);
                }
            }
        }
        Cell::Text(Cow::Owned(shown))
    }

    fn details(&self) -> Cell<'a> {
        match (&self.line, &self.activity.details) {
            _ if !self.with_details => text(""),
            (Some((_, line, _)), _) => text(line.get()),
            (None, Details::Here(details)) => text(details),
            (None, Details::None | Details::Apart(_)) => text(""),
        }
    }

    /// Returns the ids of the subscriptions concerned, each once: the target's, and those of the lines.
    fn subscription_ids(&self) -> Cell<'a> {
        let target = self.activity.entry.target.as_ref();
        let target = target.filter(|target| target.kind.is_some_and(|kind| kind.eq_ignore_ascii_case("subscription")));
        let mut ids =
            target.and_then(|target| target.id).into_iter().chain(self.subscription_ids.iter().map(|id| &**id));
        match (ids.next(), self.subscription_ids.is_empty()) {
            (None, _) => text(""),
            (Some(_), true) => optional(target.and_then(|target| target.id)),
            (Some(first), false) => {
                let mut shown = first.to_owned();
                let mut seen = HashSet::from([first]);
                for id in ids.filter(|id| seen.insert(*id)) {
                    shown.push_str(", ");
                    shown.push_str(id);
                }
                Cell::Text(Cow::Owned(shown))
            }
        }
    }

    /// Returns the line's own number, or else its index among the lines, from 1.
    fn line_number(&self) -> Cell<'a> {
        match &self.line {
            Some((number, _, line)) => match line.get(Member::Line) {
                Some(own) => decimal_or_text(plain_text(own)),
                None => Cell::Number(Cow::Owned((number + 1).to_string())),
            },
            None => text(""),
        }
    }

    fn line_text(&self, member: impl FnOnce(&Line<'a>) -> Option<&'a RawValue>) -> Cell<'a> {
        self.line.as_ref().and_then(|(_, _, line)| member(line)).map_or(text(""), |value| Cell::Text(plain_text(value)))
    }

    fn line_number_of(&self, member: Member) -> Cell<'a> {
        let value = self.line.as_ref().and_then(|(_, _, line)| line.get(member));
        value.map_or(text(""), |value| decimal_or_text(plain_text(value)))
    }

    fn line_amount(&self) -> Cell<'a> {
        self.line.as_ref().and_then(|(_, _, line)| line.amount()).map_or(text(""), decimal_or_text)
    }
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(Cow::Borrowed(text))
}

fn optional(shown: Option<&str>) -> Cell<'_> {
    text(shown.unwrap_or_default())
}

fn decimal_or_text(shown: Cow<'_, str>) -> Cell<'_> {
    if is_decimal(&shown) { Cell::Number(shown) } else { Cell::Text(shown) }
}
