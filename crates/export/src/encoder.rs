//! The encoder of text files chooses between CSV and JSON lines.

use domain::{
    activity::Activity,
    job::{Format, Output},
    time::Zone,
};
use store::error::Error;

use crate::{csv::CsvEncoder, jsonl::JsonlEncoder, lines::OrderLines};

/// An encoder writes the rows of one text file.
#[derive(Debug)]
pub struct Encoder(TextFormat);

#[derive(Debug)]
enum TextFormat {
    /// Boxed, because the writer of CSV is ten times as large as the encoder of JSON lines.
    Csv(Box<CsvEncoder>),
    Jsonl(JsonlEncoder),
}

/// A row cannot be encoded. A row of a recorded activity always can.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A row cannot be written as JSON.
    #[error("could not write a row as JSON")]
    Json(#[from] serde_json::Error),
    /// A row cannot be written as CSV.
    #[error("could not write a row as CSV")]
    Csv(#[from] ::csv::Error),
}

impl Encoder {
    /// Creates the encoder of an output with local times in `zone`; none for workbooks, which are not text.
    pub fn new(output: Output, zone: Zone) -> Option<Self> {
        match output.format {
            Format::Csv => Some(Self(TextFormat::Csv(Box::new(CsvEncoder::new(output, zone))))),
            Format::Jsonl => Some(Self(TextFormat::Jsonl(JsonlEncoder::new(output)))),
            Format::Xlsx => None,
        }
    }

    /// Appends the start of a file to `out`.
    ///
    /// # Errors
    /// When the titles cannot be written as CSV.
    pub fn start_file(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &mut self.0 {
            TextFormat::Csv(csv) => csv.start_file(out)?,
            TextFormat::Jsonl(_) => {}
        }
        Ok(())
    }

    /// Appends one row of an activity to `out`, by its number from 0 to [`OrderLines::rows`].
    ///
    /// # Errors
    /// When the row cannot be encoded.
    pub fn write_row<'a>(
        &mut self,
        out: &mut Vec<u8>,
        activity: &'a Activity<&'a str>,
        lines: &OrderLines<'a>,
        number: usize,
    ) -> Result<(), EncodeError> {
        match &mut self.0 {
            TextFormat::Csv(csv) => csv.write_row(out, activity, lines, number)?,
            TextFormat::Jsonl(jsonl) => jsonl.write_row(out, activity, lines, number)?,
        }
        Ok(())
    }
}

/// Wraps an error of an encoder as a failure of the export.
pub(crate) fn encoding_error(error: EncodeError) -> Error {
    Error::permanent("encoding an activity", error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use domain::{
        activity::{NewActivity, PartnerId},
        job::Rows,
        locale::Locale,
        time::{Instant, Zone},
    };

    fn activity(extra: &serde_json::Value) -> Activity {
        let mut json = serde_json::json!({"id": "e-1", "occurred_at": "2026-11-02T09:30:00.123456Z", "action": "order.created",
            "actor": {"id": "ana@contoso.example", "name": "Ana Trujillo"}});
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        NewActivity::parse(&json.to_string(), now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    fn file(output: Output, extra: &serde_json::Value) -> String {
        let mut encoder = Encoder::new(output, Zone::parse("Europe/Paris").unwrap()).unwrap();
        let mut out = Vec::new();
        encoder.start_file(&mut out).unwrap();
        let activity = activity(extra);
        let activity = activity.borrowed();
        let lines = OrderLines::parse(&activity, output);
        for number in 0..lines.rows() {
            encoder.write_row(&mut out, &activity, &lines, number).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn csv(locale: Locale) -> Output {
        Output { locale, ..Output::default() }
    }

    #[test]
    fn csv_has_commas_in_english_and_semicolons_in_french() {
        let extra = serde_json::json!({"customer": {"id": "0042", "name": "Société \"Été\"; fils"}, "status": "failed", "reason": "no credit",
            "actor": {"id": "ana@contoso.example", "name": "Ana Trujillo", "role": "admin_agent", "ip": "203.0.113.7"},
            "target": {"type": "order", "id": "o-1"}, "changes": [{"field": "quantity", "old": 5, "new": 12}, {"field": "note", "new": "é"}],
            "correlation_id": "c-1", "source": "portal", "details": {"lines": [{"quantity": 12}]}});
        assert_eq!(
            file(csv(Locale::En), &extra),
            "\u{feff}Date and time (Europe/Paris),Customer,Action,Partner user,Status,Reason,Target,Changes,Details,Customer ID,Actor ID,Actor role,IP address,Target type,Target ID,Action ID,Subscription IDs,Correlation ID,Source,Activity ID,Occurred at (UTC),Recorded at (UTC)\r\n\
             2026-11-02 10:30:00,\"Société \"\"Été\"\"; fils\",Order created,Ana Trujillo,Failed,no credit,order o-1,\"quantity: 5 → 12\nnote: → é\",\"{\"\"lines\"\":[{\"\"quantity\"\":12}]}\",'0042,ana@contoso.example,admin_agent,203.0.113.7,order,o-1,order.created,,c-1,portal,e-1,2026-11-02T09:30:00.123456Z,2026-11-02T12:00:00.000000Z\r\n"
        );
        assert_eq!(
            file(csv(Locale::Fr), &extra),
            "\u{feff}Date et heure (Europe/Paris);Client;Action;Utilisateur partenaire;Statut;Motif;Cible;Modifications;Détails;ID du client;ID de l'acteur;Rôle de l'acteur;Adresse IP;Type de la cible;ID de la cible;ID de l'action;ID des abonnements;ID de corrélation;Source;ID de l'activité;Survenue le (UTC);Enregistrée le (UTC)\r\n\
             2026-11-02 10:30:00;\"Société \"\"Été\"\"; fils\";Création de commande;Ana Trujillo;Échec;no credit;commande o-1;\"quantity: 5 → 12\nnote: → é\";\"{\"\"lines\"\":[{\"\"quantity\"\":12}]}\";'0042;ana@contoso.example;admin_agent;203.0.113.7;order;o-1;order.created;;c-1;portal;e-1;2026-11-02T09:30:00.123456Z;2026-11-02T12:00:00.000000Z\r\n"
        );
    }

    #[test]
    fn csv_quotes_and_guards_at_every_separator() {
        let extra = serde_json::json!({"customer": {"id": "c", "name": "a;=1+1"}, "target": {"name": "b,=1+1"}, "source": "c\t=1\"", "reason": "d\te"});
        for (locale, separator) in [(Locale::En, ','), (Locale::Fr, ';')] {
            let text = file(csv(locale), &extra);
            for cell in ["\"a;'=1+1\"", "\"b,'=1+1\"", "\"c\t'=1\"\"\"", "\"d\te\""] {
                assert!(text.contains(&format!("{separator}{cell}{separator}")), "{cell} {text}");
            }
        }
    }

    #[test]
    fn numbers_stay_bare_only_where_they_are_shown_unchanged() {
        let extra = serde_json::json!({"customer": {"id": "12.5", "name": "-12,5"}, "source": "42", "reason": "12.50", "correlation_id": "Mar-1"});
        let cells = |locale: Locale| -> Vec<String> {
            let text = file(csv(locale), &extra);
            let mut reader = csv::ReaderBuilder::new().delimiter(locale.pick(b',', b';')).from_reader(text.as_bytes());
            let row = reader.records().next().unwrap().unwrap();
            [9, 1, 18, 5, 17].iter().map(|index| row[*index].to_owned()).collect()
        };
        assert_eq!(cells(Locale::En), ["12.5", "'-12,5", "42", "'12.50", "'Mar-1"]);
        assert_eq!(cells(Locale::Fr), ["'12.5", "-12,5", "42", "'12.50", "'Mar-1"]);
    }

    #[test]
    fn row_names_the_subscriptions_concerned() {
        let lines = serde_json::json!([{"subscription_id": "s-2"}, {"Subscription": "s-1"}, {"subscriptionId": "s-2"}, {"qty": 1}, "text"]);
        let target = serde_json::json!({"type": "subscription", "id": "s-1", "name": "E3"});
        for (extra, details, ids) in [
            (serde_json::json!({"target": target, "details": {"lines": lines}}), true, "\"s-1, s-2\""),
            (serde_json::json!({"target": target, "details": {"lines": lines}}), false, "s-1"),
            (
                serde_json::json!({"target": {"type": "order", "id": "s-1"}, "details": {"line_items": lines}}),
                true,
                "\"s-2, s-1\"",
            ),
            (serde_json::json!({"details": {"subscription": "none", "lines": 5}}), true, ""),
            (serde_json::json!({}), true, ""),
        ] {
            let text = file(Output { details, ..csv(Locale::En) }, &extra);
            assert!(text.contains(&format!(",order.created,{ids},,,e-1,")), "{ids} {text}");
        }
    }

    fn order() -> serde_json::Value {
        serde_json::json!({"customer": {"id": "0042", "name": "Été"}, "details": {"po": "BC-1", "lines": [
            {"sku": "=E3", "product": "Seats", "quantity": 12, "unit_price": "14.90", "currency": "EUR", "term": "P1Y", "subscription_id": "0017"},
            {"line": 30, "name": "Aide", "qty": "-1.5", "total": "-7.50"},
            "free text", {"product": {"sku": 1}, "quantity": "2 boxes", "price": 12345678901234567_i64}]}})
    }

    #[test]
    fn order_line_is_a_row_with_columns_of_its_own() {
        let output = |locale| Output { rows: Rows::Lines, ..csv(locale) };
        let english = file(output(Locale::En), &order());
        let ends = |text: &str, header: &str| -> Vec<String> {
            let text = text.trim_start_matches('\u{feff}');
            assert!(text.lines().next().unwrap().ends_with(header), "{text}");
            text.lines().skip(1).map(|line| line.split(":00.000000Z").nth(1).unwrap().to_owned()).collect()
        };
        assert_eq!(
            ends(&english, ",Line,Product,Product name,Quantity,Unit price,Amount,Currency,Term,Subscription ID"),
            [
                ",1,'=E3,Seats,12,14.90,178.80,EUR,P1Y,'0017",
                ",30,,Aide,-1.5,,-7.50,,,",
                ",3,,,,,,,,",
                ",4,\"{\"\"sku\"\":1}\",,2 boxes,'12345678901234567,,,,",
            ]
        );
        assert!(english.contains(",\"{\"\"line\"\":30,"), "the details of a row are its line: {english}");
        assert!(english.contains(",order.created,'0017,"), "the subscription of a row is that of its line: {english}");
        assert!(!english.contains("BC-1"));
        let french = file(output(Locale::Fr), &order());
        let header = ";Ligne;Produit;Nom du produit;Quantité;Prix unitaire;Montant;Devise;Durée;ID de l'abonnement";
        assert_eq!(ends(&french, header)[0], ";1;'=E3;Seats;12;\"14,90\";\"178,80\";EUR;P1Y;'0017");
        assert_eq!(ends(&french, header)[1], ";30;;Aide;\"-1,5\";;\"-7,50\";;;");
    }

    #[test]
    fn activity_without_lines_is_one_row() {
        for details in
            [serde_json::json!({"a": 1}), serde_json::json!({"lines": []}), serde_json::json!({"lines": "none"})]
        {
            let output = Output { rows: Rows::Lines, ..csv(Locale::En) };
            let text = file(output, &serde_json::json!({ "details": details }));
            assert_eq!(text.lines().count(), 2);
            assert!(text.ends_with(":00.000000Z,,,,,,,,,\r\n"), "{text}");
            assert!(text.contains(&details.to_string().replace('"', "\"\"")), "the details are complete: {text}");
        }
    }

    #[test]
    fn line_rows_have_no_details_when_not_requested() {
        let output = Output { rows: Rows::Lines, details: false, ..csv(Locale::En) };
        let text = file(output, &order());
        assert_eq!(text.lines().filter(|line| line.contains("Ana Trujillo,Succeeded,,,,,'0042")).count(), 4, "{text}");
    }

    #[test]
    fn json_line_has_the_order_line_and_its_activity() {
        let output = Output { format: Format::Jsonl, rows: Rows::Lines, ..Output::default() };
        let text = file(output, &order());
        let head = r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z","recorded_at":"2026-11-02T12:00:00.000Z","partner_id":"contoso","customer":{"id":"0042","name":"Été"},"action":"order.created","status":"succeeded","actor":{"type":"user","id":"ana@contoso.example","name":"Ana Trujillo"},"reason":null,"#;
        let line = r#""line":{"line":30,"name":"Aide","qty":"-1.5","total":"-7.50"}}"#;
        let second = text.lines().nth(1).unwrap();
        assert!(second.starts_with(head) && second.ends_with(line), "{second}");
        assert!(
            second.contains(r#""has_details":true,"details_size":"#) && !second.contains(r#""details":"#),
            "{second}"
        );
        assert!(text.lines().nth(2).unwrap().ends_with(",\"line\":\"free text\"}"));
        assert_eq!(text.lines().count(), 4);
        let without = file(output, &serde_json::json!({"details": {"a": "\u{1}"}}));
        assert!(without.contains(r#""details":{"a":"\u0001"}"#), "JSON lines keep everything: {without}");
        assert!(without.ends_with(",\"line\":null}\n"), "{without}");
    }

    proptest! {
        #[test]
        fn csv_reader_returns_any_text_when_guard_is_undone(
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
            // The rule that the documents state for programs.
            let mut undone = cell.strip_prefix('\'').unwrap_or(cell).to_owned();
            for separator in [",'", ";'", "\t'", "\r'", "\n'"] {
                undone = undone.replace(separator, &separator[..1]);
            }
            prop_assert_eq!(&undone, &name);
            prop_assert_eq!(&rows[0][20], "2026-11-02T09:30:00.123456Z");
        }
    }
}
