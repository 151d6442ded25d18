//! What a file of an export looks like: columns, labels, and the care that spreadsheets need.
//!
//! **CSV** is UTF-8 with a byte order mark, CRLF line ends and quotes as in RFC 4180; English with commas, French with
//! semicolons, because that is what a spreadsheet of that language splits at. There is no `sep=` line: with it, Excel
//! ignores the byte order mark.
//!
//! **The guard.** A cell that a spreadsheet would run as a formula, or whose digits it would change, gets one apostrophe
//! in front. Formulas start with `=`, `+`, `-`, `@`, a tab, a line break or a full-width form of the signs (OWASP, "CSV
//! Injection"; CWE-1236). Digits change when a text of digits has a leading zero or more than 15 significant digits, or
//! reads as a number in scientific notation, such as the id `73928e05`. Plain numbers such as `-12.50` stay as they are.
//! A cell that starts with an apostrophe of its own gets one more, so that the guard can be undone: **whoever reads the
//! file as data removes one leading apostrophe from each cell that starts with one.**
//!
//! **Length.** Excel keeps 32,767 characters of a cell, counted in UTF-16 units. Longer ones are cut and end in a mark
//! that says how much is missing; JSONL keeps everything.

use std::borrow::Cow;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::job::{Format, Output};
use crate::{
    activity::{Activity, Details, Fault, Status},
    catalogue,
};

/// The most rows of a file besides its header: a sheet holds 1,048,576.
pub const MAX_ROWS: u64 = 1_048_575;
/// The most UTF-16 units of a cell.
pub const MAX_CELL_UNITS: usize = 32_767;

/// A language of exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Locale {
    /// Reads a locale; regions (`fr-CA`) are taken as their language.
    ///
    /// # Errors
    /// A fault that lists the locales.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match text.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Ok(Self::En),
            "fr" => Ok(Self::Fr),
            _ => Err(super::job::fault("/locale", text, "en, fr")),
        }
    }

    /// The best of an `Accept-Language` header (RFC 9110, section 12.5.4); English where none fits.
    pub fn negotiate(header: Option<&str>) -> Self {
        let mut best = (0.0, Self::En);
        for range in header.unwrap_or_default().split(',') {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0));
            if let Ok(locale) = Self::parse(tag)
                && weight > best.0
            {
                best = (weight, locale);
            }
        }
        best.1
    }

    /// The word of a locale.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    fn separator(self) -> u8 {
        match self {
            Self::En => b',',
            Self::Fr => b';',
        }
    }

    fn header(self, zone: Tz) -> [String; 12] {
        let (first, rest): (&str, [&str; 11]) = match self {
            Self::En => (
                "Date and time",
                [
                    "Customer",
                    "Action",
                    "Partner user",
                    "Status",
                    "Target",
                    "Details",
                    "Customer ID",
                    "Actor ID",
                    "Action ID",
                    "Activity ID",
                    "Occurred at (UTC)",
                ],
            ),
            Self::Fr => (
                "Date et heure",
                [
                    "Client",
                    "Action",
                    "Utilisateur partenaire",
                    "Statut",
                    "Cible",
                    "Détails",
                    "ID du client",
                    "ID de l'acteur",
                    "ID de l'action",
                    "ID de l'activité",
                    "Survenue le (UTC)",
                ],
            ),
        };
        let mut rest = rest.into_iter();
        std::array::from_fn(|column| {
            if column == 0 { format!("{first} ({zone})") } else { rest.next().unwrap_or_default().to_owned() }
        })
    }

    fn status(self, status: Status) -> &'static str {
        match (self, status) {
            (Self::En, Status::Succeeded) => "Succeeded",
            (Self::En, Status::Failed) => "Failed",
            (Self::En, Status::InProgress) => "In progress",
            (Self::En, Status::Declined) => "Declined",
            (Self::Fr, Status::Succeeded) => "Réussie",
            (Self::Fr, Status::Failed) => "Échouée",
            (Self::Fr, Status::InProgress) => "En cours",
            (Self::Fr, Status::Declined) => "Refusée",
        }
    }

    fn cut_mark(self, missing: usize) -> String {
        match self {
            Self::En => format!("… [cut: {missing} more characters]"),
            Self::Fr => format!("… [coupé : {missing} caractères de plus]"),
        }
    }
}

/// Writes the rows of one file.
#[derive(Debug)]
pub struct Encoder {
    output: Output,
    zone: Tz,
}

impl Encoder {
    /// An encoder of a form, with local times in `zone`.
    pub fn new(output: Output, zone: Tz) -> Self {
        Self { output, zone }
    }

    /// What a file starts with.
    pub fn start(&self, out: &mut Vec<u8>) {
        if self.output.format == Format::Csv {
            out.extend_from_slice("\u{feff}".as_bytes());
            let header = self.output.locale.header(self.zone);
            self.row(out, header.iter().map(|title| Cow::Borrowed(title.as_str())));
        }
    }

    /// One activity.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which a recorded activity always can.
    pub fn activity(&self, out: &mut Vec<u8>, activity: &Activity) -> Result<(), serde_json::Error> {
        match self.output.format {
            Format::Csv => self.cells(out, activity),
            Format::Jsonl => {
                serde_json::to_writer(&mut *out, activity)?;
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn cells(&self, out: &mut Vec<u8>, activity: &Activity) {
        let locale = self.output.locale;
        let entry = &activity.entry;
        let customer = entry.customer.as_ref();
        let target = entry.target.as_ref();
        let shown = |name: Option<&String>, id: Option<&String>| name.or(id).map_or("", String::as_str).to_owned();
        let label = catalogue::label(entry.action.as_str(), locale);
        let details = match &activity.details {
            Details::Here(text) => text.as_str(),
            Details::None | Details::Apart(_) => "",
        };
        let target_shown = target.map_or_else(String::new, |target| {
            let name = shown(target.name.as_ref(), target.id.as_ref());
            match &target.kind {
                Some(kind) if name.is_empty() => kind.clone(),
                Some(kind) => format!("{kind} {name}"),
                None => name,
            }
        });
        let text = |text: &str| Cow::Owned(self.text(text));
        self.row(
            out,
            [
                Cow::Owned(activity.occurred_at.to_local_text(self.zone)),
                text(&customer.map_or_else(String::new, |customer| shown(customer.name.as_ref(), Some(&customer.id)))),
                text(label),
                text(&shown(entry.actor.name.as_ref(), Some(&entry.actor.id))),
                Cow::Borrowed(locale.status(entry.status)),
                text(&target_shown),
                text(details),
                text(customer.map_or("", |customer| &customer.id)),
                text(&entry.actor.id),
                text(entry.action.as_str()),
                text(activity.id.as_str()),
                Cow::Owned(activity.occurred_at.to_string()),
            ]
            .into_iter(),
        );
    }

    fn row<'a>(&self, out: &mut Vec<u8>, cells: impl Iterator<Item = Cow<'a, str>>) {
        let separator = self.output.locale.separator();
        for (column, cell) in cells.enumerate() {
            if column > 0 {
                out.push(separator);
            }
            let quote = cell.bytes().any(|byte| matches!(byte, b'"' | b'\r' | b'\n' | b',' | b';'));
            if quote {
                out.push(b'"');
                for piece in cell.split_inclusive('"') {
                    out.extend_from_slice(piece.as_bytes());
                    if piece.ends_with('"') {
                        out.push(b'"');
                    }
                }
                out.push(b'"');
            } else {
                out.extend_from_slice(cell.as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// A cell of text that came from outside, guarded and cut.
    fn text(&self, text: &str) -> String {
        let guarded = if needs_guard(text) { format!("'{text}") } else { text.to_owned() };
        cut(guarded, self.output.locale)
    }
}

fn needs_guard(text: &str) -> bool {
    match text.chars().next() {
        None => false,
        Some('\'' | '=' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => true,
        Some('+' | '-') => !is_plain_number(text),
        Some(first) => first.is_ascii_digit() && changes_as_number(text),
    }
}

/// Digits with at most one decimal mark, and a sign in front if at all: a spreadsheet shows it as the same number.
fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && !changes_as_number(digits)
}

/// Whether a spreadsheet would take a text for a number and then not show the same text.
fn changes_as_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all(whole) || !all(fraction) {
        return false;
    }
    match exponent {
        Some(exponent) => !exponent.is_empty() && all(exponent),
        None => (whole.len() > 1 && whole.starts_with('0')) || whole.len() + fraction.len() > 15,
    }
}

fn cut(text: String, locale: Locale) -> String {
    // A character takes at least as many bytes as UTF-16 units: a short text needs no counting.
    if text.len() <= MAX_CELL_UNITS {
        return text;
    }
    let units = text.encode_utf16().count();
    if units <= MAX_CELL_UNITS {
        return text;
    }
    // The mark is at most 50 units long: a fixed reserve makes the place of the cut independent of it.
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
    format!("{}{}", &text[..kept], locale.cut_mark(missing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        activity::{NewActivity, PartnerId},
        period::{Instant, parse_zone},
    };

    fn activity(extra: &serde_json::Value) -> Activity {
        let mut json = serde_json::json!({"id": "e-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created",
            "actor": {"id": "ana@contoso.example", "name": "Ana Trujillo"}});
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let new = NewActivity::parse(&json.to_string(), now).unwrap();
        Activity {
            partner: PartnerId::parse("contoso").unwrap(),
            id: new.id.unwrap(),
            occurred_at: new.occurred_at,
            recorded_at: now,
            entry: new.entry,
            details: new.details.map_or(Details::None, Details::Here),
        }
    }

    fn file(locale: Locale, format: Format, extra: &serde_json::Value) -> String {
        let encoder = Encoder::new(Output { format, locale, details: true }, parse_zone("Europe/Paris").unwrap());
        let mut out = Vec::new();
        encoder.start(&mut out);
        encoder.activity(&mut out, &activity(extra)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_english_file_has_commas_and_a_french_one_semicolons() {
        let extra = serde_json::json!({"customer": {"id": "0042", "name": "Société \"Été\"; fils"}, "status": "failed",
            "target": {"type": "order", "id": "o-1"}, "details": {"lines": [{"quantity": 12}]}});
        assert_eq!(
            file(Locale::En, Format::Csv, &extra),
            "\u{feff}Date and time (Europe/Paris),Customer,Action,Partner user,Status,Target,Details,Customer ID,Actor ID,Action ID,Activity ID,Occurred at (UTC)\r\n\
             2026-11-02 10:30:00,\"Société \"\"Été\"\"; fils\",Order created,Ana Trujillo,Failed,order o-1,\"{\"\"lines\"\":[{\"\"quantity\"\":12}]}\",'0042,ana@contoso.example,order.created,e-1,2026-11-02T09:30:00.123456Z\r\n"
        );
        assert_eq!(
            file(Locale::Fr, Format::Csv, &extra),
            "\u{feff}Date et heure (Europe/Paris);Client;Action;Utilisateur partenaire;Statut;Cible;Détails;ID du client;ID de l'acteur;ID de l'action;ID de l'activité;Survenue le (UTC)\r\n\
             2026-11-02 10:30:00;\"Société \"\"Été\"\"; fils\";Commande créée;Ana Trujillo;Échouée;order o-1;\"{\"\"lines\"\":[{\"\"quantity\"\":12}]}\";'0042;ana@contoso.example;order.created;e-1;2026-11-02T09:30:00.123456Z\r\n"
        );
    }

    #[test]
    fn formulas_and_changing_digits_are_guarded_and_numbers_are_not() {
        for guarded in [
            "=1+1",
            "=cmd|' /C calc'!A0",
            "+33 6 12",
            "-1+1",
            "--1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "＝1",
            "'quoted",
            "0042",
            "1234567890123456",
            "73928e05",
            "1E5",
            "-0042",
            "+1-1",
            "-",
            "00.5",
            "1.2345678901234567",
        ] {
            assert!(needs_guard(guarded), "{guarded:?}");
        }
        for free in [
            "",
            "a",
            "-12.50",
            "+5",
            "-0,5",
            "0",
            "0.5",
            "123456789012345",
            "12 rue",
            "2026-11-02",
            "e5",
            "1e",
            "o-1",
            "123837392027",
        ] {
            assert!(!needs_guard(free), "{free:?}");
        }
    }

    #[test]
    fn a_long_cell_is_cut_between_characters_and_says_so() {
        let long = "😀".repeat(20_000);
        let shown = cut(long, Locale::En);
        assert!(shown.encode_utf16().count() <= MAX_CELL_UNITS);
        assert!(shown.ends_with("… [cut: 3649 more characters]"), "{}", &shown[shown.len() - 50..]);
        let fits = "é".repeat(MAX_CELL_UNITS);
        assert_eq!(cut(fits.clone(), Locale::Fr), fits);
    }

    #[test]
    fn the_language_is_the_best_that_the_header_asks_for() {
        for (header, locale) in [
            (None, Locale::En),
            (Some("fr"), Locale::Fr),
            (Some("fr-CA,fr;q=0.9,en;q=0.8"), Locale::Fr),
            (Some("de, en;q=0.5, fr;q=0.4"), Locale::En),
            (Some("de, en;q=0.3, fr;q=0.4"), Locale::Fr),
            (Some("fr;q=0"), Locale::En),
            (Some(";;,q=,*"), Locale::En),
        ] {
            assert_eq!(Locale::negotiate(header), locale, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_reader_once_the_guard_is_undone(
            name in "\\PC{1,40}|[=+\\-@'\"\t\r\n;,0-9eE.é]{1,20}", french in any::<bool>(),
        ) {
            let locale = if french { Locale::Fr } else { Locale::En };
            let extra = serde_json::json!({"customer": {"id": "c", "name": name}});
            let text = file(locale, Format::Csv, &extra);
            let mut reader = csv::ReaderBuilder::new().delimiter(locale.separator()).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
            let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            let cell = &rows[0][1];
            prop_assert!(!cell.starts_with(['=', '@', '\t', '\r', '\n']));
            prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), &name);
            prop_assert_eq!(&rows[0][11], "2026-11-02T09:30:00.123456Z");
        }
    }
}
