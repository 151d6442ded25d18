//! CSV and JSON lines.
//!
//! **CSV** is UTF-8 with a byte order mark, CRLF line ends and quotes as in RFC 4180; English with commas, French with
//! semicolons, because that is what a spreadsheet of that language splits at. There is no `sep=` line: with it, Excel
//! ignores the byte order mark. Numbers of order lines have the decimal mark of the language.
//!
//! **The guard.** A cell that a spreadsheet would run as a formula, or whose digits it would change, gets one apostrophe
//! in front. Formulas start with `=`, `+`, `-`, `@`, a tab, a line break or a full-width form of the signs (OWASP, "CSV
//! Injection"; CWE-1236). Digits change when a text of digits has a leading zero or more than 15 significant digits, or
//! reads as a number in scientific notation, such as the id `73928e05`, or as a date or a time, such as `10-12`. Plain
//! numbers such as `-12.50` stay as they are.
//! A cell that starts with an apostrophe of its own gets one more, so that the guard can be undone: **whoever reads the
//! file as data removes one leading apostrophe from each cell that starts with one.**
//!
//! **JSON lines** keep everything: an activity as the API gives it, or a line of an order with what it belongs to.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::table::{Cell, Lines, MAX_CELL_UNITS, MAX_DIGITS, Row, columns, cut};
use domain::{
    activity::Activity,
    job::{Format, Output, Rows},
    locale::Locale,
    time::{Instant, Zone},
};

/// Writes the rows of one file of text.
#[derive(Clone, Debug)]
pub struct Encoder {
    output: Output,
    zone: Zone,
}

/// A line of an order, or an activity without lines.
#[derive(Serialize)]
struct LineOf<'a> {
    id: &'a str,
    occurred_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerOf<'a>>,
    action: &'a str,
    line: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct CustomerOf<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl Encoder {
    /// An encoder of a form, with local times in `zone`.
    pub fn new(output: Output, zone: Zone) -> Self {
        Self { output, zone }
    }

    /// What a file starts with.
    pub fn start(&self, out: &mut Vec<u8>) {
        if self.output.format == Format::Csv {
            out.extend_from_slice("\u{feff}".as_bytes());
            for (index, column) in columns(self.output.rows).iter().enumerate() {
                if index > 0 {
                    out.push(self.separator());
                }
                quoted(out, &column.title(index, self.output.locale, self.zone));
            }
            out.extend_from_slice(END_OF_ROW);
        }
    }

    /// One row of an activity, by its number from 0 to [`Lines::rows`].
    ///
    /// # Errors
    /// When it cannot be written as JSON, which a recorded activity always can.
    pub fn row<'a>(
        &self,
        out: &mut Vec<u8>,
        activity: &'a Activity<&'a str>,
        lines: &Lines<'a>,
        number: usize,
    ) -> Result<(), serde_json::Error> {
        match (self.output.format, self.output.rows) {
            (Format::Jsonl, Rows::Activities) => {
                serde_json::to_writer(&mut *out, activity)?;
                out.push(b'\n');
            }
            (Format::Jsonl, Rows::Lines) => {
                let customer = activity.entry.customer.as_ref();
                let line = LineOf {
                    id: activity.id.as_str(),
                    occurred_at: activity.occurred_at,
                    customer: customer.map(|customer| CustomerOf { id: customer.id, name: customer.name }),
                    action: activity.entry.action.as_str(),
                    line: lines.get(number),
                };
                serde_json::to_writer(&mut *out, &line)?;
                out.push(b'\n');
            }
            (Format::Csv | Format::Xlsx, _) => {
                let row = Row::new(activity, lines, number, self.output);
                for (index, column) in columns(self.output.rows).iter().enumerate() {
                    if index > 0 {
                        out.push(self.separator());
                    }
                    self.cell(out, column.of(&row));
                }
                out.extend_from_slice(END_OF_ROW);
            }
        }
        Ok(())
    }

    fn cell(&self, out: &mut Vec<u8>, cell: Cell<'_>) {
        match cell {
            Cell::Moment(instant) => out.extend_from_slice(instant.to_local_text(self.zone).as_bytes()),
            Cell::Utc(instant) => out.extend_from_slice(&instant.to_bytes()),
            Cell::Word(word) => out.extend_from_slice(word.as_bytes()),
            Cell::Text(text) => self.guarded(out, &text),
            Cell::Customer { shown, .. } => self.guarded(out, shown),
            Cell::Number(number) => match self.output.locale {
                Locale::En => quoted(out, &number),
                Locale::Fr => quoted(out, &number.replace('.', ",")),
            },
        }
    }

    /// A cell of text that came from outside, guarded and cut.
    fn guarded(&self, out: &mut Vec<u8>, text: &str) {
        if needs_guard(text) {
            quoted(out, &cut(Cow::Owned(format!("'{text}")), self.output.locale));
        } else if text.len() > MAX_CELL_UNITS {
            quoted(out, &cut(Cow::Borrowed(text), self.output.locale));
        } else {
            quoted(out, text);
        }
    }

    fn separator(&self) -> u8 {
        self.output.locale.pick(b',', b';')
    }
}

const END_OF_ROW: &[u8] = b"\r\n";

/// A cell, in quotes where something in it would end it. Commas and semicolons are taken for separators in either language:
/// some programs do not ask.
fn quoted(out: &mut Vec<u8>, cell: &str) {
    // Without a way out, so that many bytes are looked at together.
    let ends = cell.bytes().fold(false, |found, byte| found | matches!(byte, b'"' | b'\r' | b'\n' | b',' | b';'));
    if !ends {
        return out.extend_from_slice(cell.as_bytes());
    }
    out.push(b'"');
    let mut rest = cell.as_bytes();
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn needs_guard(text: &str) -> bool {
    match text.chars().next() {
        None => false,
        Some('\'' | '=' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => true,
        Some('+' | '-') => !is_plain_number(text),
        Some(first) => {
            first.is_ascii_digit() && (changes_as_number(text) || reads_as_moment(text) || has_sign_behind(text))
        }
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
        None => (whole.len() > 1 && whole.starts_with('0')) || whole.len() + fraction.len() > MAX_DIGITS,
    }
}

/// Whether a text is made of what numbers and dates are made of and ends in a sign: `12-` becomes -12.
fn has_sign_behind(text: &str) -> bool {
    text.ends_with(['-', '+'])
        && text.bytes().all(|byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b',' | b'/' | b':' | b' ' | b'e' | b'E')
        })
}

/// Whether a spreadsheet would take a text for a date or a time: two or three short numbers joined by one kind of mark, or
/// several of those.
fn reads_as_moment(text: &str) -> bool {
    let joined = |word: &str| {
        ['-', '/', ':'].iter().any(|mark| {
            let groups = word.split(*mark);
            (2..=3).contains(&groups.clone().count())
                && groups
                    .clone()
                    .all(|group| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    text.split(' ').all(joined)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use domain::activity::{NewActivity, PartnerId};

    fn activity(extra: &serde_json::Value) -> Activity {
        let mut json = serde_json::json!({"id": "e-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created",
            "actor": {"id": "ana@contoso.example", "name": "Ana Trujillo"}});
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        NewActivity::parse(&json.to_string(), now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    fn file(output: Output, extra: &serde_json::Value) -> String {
        let encoder = Encoder::new(output, Zone::parse("Europe/Paris").unwrap());
        let mut out = Vec::new();
        encoder.start(&mut out);
        let activity = activity(extra);
        let activity = activity.borrowed();
        let lines = Lines::of(&activity, output);
        for number in 0..lines.rows() {
            encoder.row(&mut out, &activity, &lines, number).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn csv(locale: Locale) -> Output {
        Output { locale, ..Output::default() }
    }

    #[test]
    fn an_english_file_has_commas_and_a_french_one_semicolons() {
        let extra = serde_json::json!({"customer": {"id": "0042", "name": "Société \"Été\"; fils"}, "status": "failed",
            "target": {"type": "order", "id": "o-1"}, "details": {"lines": [{"quantity": 12}]}});
        assert_eq!(
            file(csv(Locale::En), &extra),
            "\u{feff}Date and time (Europe/Paris),Customer,Action,Partner user,Status,Target,Details,Customer ID,Actor ID,Action ID,Activity ID,Occurred at (UTC)\r\n\
             2026-11-02 10:30:00,\"Société \"\"Été\"\"; fils\",Order created,Ana Trujillo,Failed,order o-1,\"{\"\"lines\"\":[{\"\"quantity\"\":12}]}\",'0042,ana@contoso.example,order.created,e-1,2026-11-02T09:30:00.123456Z\r\n"
        );
        assert_eq!(
            file(csv(Locale::Fr), &extra),
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
            "2026-11-02",
            "10-12",
            "12-",
            "1E5-",
            "1/2/26",
            "10:30",
            "2026-11-02 10:30:00",
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
            "12345-12",
            "2026-11-02T09:30:00Z",
            "1-2-3-4",
            "e5",
            "1e",
            "o-1",
            "123837392027",
        ] {
            assert!(!needs_guard(free), "{free:?}");
        }
    }

    fn order() -> serde_json::Value {
        serde_json::json!({"customer": {"id": "0042", "name": "Été"}, "details": {"po": "BC-1", "lines": [
            {"product": "=Seats", "quantity": 12, "unit_price": "14.90", "currency": "EUR", "subscription_id": "0017"},
            {"line": 30, "name": "Aide", "quantity": "-1.5", "total": "-7.50"},
            "free text", {"product": {"sku": 1}, "quantity": "2 boxes", "unit_price": 12345678901234567_i64}]}})
    }

    #[test]
    fn a_line_of_an_order_is_a_row_with_columns_of_its_own() {
        let output = |locale| Output { rows: Rows::Lines, ..csv(locale) };
        let english = file(output(Locale::En), &order());
        let ends = |text: &str, header: &str| -> Vec<String> {
            let text = text.trim_start_matches('\u{feff}');
            assert!(text.lines().next().unwrap().ends_with(header), "{text}");
            text.lines().skip(1).map(|line| line.split("123456Z").nth(1).unwrap().to_owned()).collect()
        };
        assert_eq!(
            ends(&english, ",Line,Product,Quantity,Unit price,Currency,Subscription ID,Line total"),
            [
                ",1,'=Seats,12,14.90,EUR,'0017,178.80",
                ",30,Aide,-1.5,,,,-7.50",
                ",3,,,,,,",
                ",4,\"{\"\"sku\"\":1}\",2 boxes,'12345678901234567,,,",
            ]
        );
        assert!(english.contains(",\"{\"\"line\"\":30,"), "a row's details are its line: {english}");
        assert!(!english.contains("BC-1"));
        let french = file(output(Locale::Fr), &order());
        let header = ";Ligne;Produit;Quantité;Prix unitaire;Devise;ID de l'abonnement;Total de la ligne";
        assert_eq!(ends(&french, header)[0], ";1;'=Seats;12;\"14,90\";EUR;'0017;\"178,80\"");
        assert_eq!(ends(&french, header)[1], ";30;Aide;\"-1,5\";;;;\"-7,50\"");
    }

    #[test]
    fn an_activity_without_lines_is_one_row() {
        for details in
            [serde_json::json!({"a": 1}), serde_json::json!({"lines": []}), serde_json::json!({"lines": "none"})]
        {
            let output = Output { rows: Rows::Lines, ..csv(Locale::En) };
            let text = file(output, &serde_json::json!({ "details": details }));
            assert_eq!(text.lines().count(), 2);
            assert!(text.ends_with("123456Z,,,,,,,\r\n"), "{text}");
            assert!(text.contains(&details.to_string().replace('"', "\"\"")), "its details are whole: {text}");
        }
    }

    #[test]
    fn details_are_left_out_of_the_rows_of_lines_too() {
        let output = Output { rows: Rows::Lines, details: false, ..csv(Locale::En) };
        let text = file(output, &order());
        assert!(!text.contains("sku\"\":1}\",'0042"), "{text}");
        assert_eq!(
            text.lines()
                .filter(|line| line.contains("Ana Trujillo,Succeeded,,,0042")
                    || line.contains("Ana Trujillo,Succeeded,,,'0042"))
                .count(),
            4
        );
    }

    #[test]
    fn a_line_of_json_has_the_line_and_what_it_belongs_to() {
        let output = Output { format: Format::Jsonl, rows: Rows::Lines, ..Output::default() };
        let text = file(output, &order());
        let head = r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z","customer":{"id":"0042","name":"Été"},"action":"order.created","line":"#;
        let line = r#"{"line":30,"name":"Aide","quantity":"-1.5","total":"-7.50"}}"#;
        assert_eq!(text.lines().nth(1).unwrap(), format!("{head}{line}"));
        assert_eq!(text.lines().nth(2).unwrap(), format!("{head}\"free text\"}}"));
        assert_eq!(text.lines().count(), 4);
        let without = file(output, &serde_json::json!({}));
        assert!(without.ends_with(",\"action\":\"order.created\",\"line\":null}\n"), "{without}");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_reader_once_the_guard_is_undone(
            name in "\\PC{1,40}|[=+\\-@'\"\t\r\n;,0-9eE.é]{1,20}", french in any::<bool>(),
        ) {
            let locale = if french { Locale::Fr } else { Locale::En };
            let extra = serde_json::json!({"customer": {"id": "c", "name": name}});
            let text = file(csv(locale), &extra);
            let mut reader = csv::ReaderBuilder::new().delimiter(locale.pick(b',', b';')).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
            let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            let cell = &rows[0][1];
            prop_assert!(!cell.starts_with(['=', '@', '\t', '\r', '\n']));
            prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), &name);
            prop_assert_eq!(&rows[0][11], "2026-11-02T09:30:00.123456Z");
        }
    }
}
