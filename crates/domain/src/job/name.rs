//! The names of an export's files: partner, period, and how the files differ from an export in English of all activities.
//!
//! Two exports on demand of one partner get the same name only if they ask for the same, but for the time zone. So a person
//! who saves several exports keeps them all. Names hold nothing but ASCII letters, digits, `-` and `_`, so that they are
//! valid in keys, in headers and in every file system.

use sha2::{Digest as _, Sha256};

use super::{ExportRequest, Format, Job, MANIFEST, Rows, version_name};
use crate::{
    activity::PartnerId,
    filter::{Choice, Filter, FilterValue},
    locale::Locale,
    text::hex,
    time::Instant,
};

/// The most characters that the values of filters take in a name.
const MAX_FILTER_CHARS: usize = 60;
/// The bytes of the digest that stands for the values that do not fit.
const DIGEST_BYTES: usize = 4;
const DAY_SECONDS: i64 = 86_400;
/// The first [`FORM_VERSION`](super::FORM_VERSION) whose names tell lines, filters and languages.
const FIRST_WITH_FORM: u32 = 2;
/// The first [`FORM_VERSION`](super::FORM_VERSION) whose names tell filters, hours and absent details.
const FIRST_WITH_FILTERS: u32 = 3;

impl Job {
    /// Returns the name of a file by its number, from 0.
    pub fn file_name(&self, partner: &PartnerId, number: usize) -> String {
        let part = if number == 0 { String::new() } else { format!("_part{}", number + 1) };
        format!("{}{part}.{}", self.name(partner), self.request.output.extension())
    }

    /// Returns the name under which a person saves the manifest. The manifest is stored as [`MANIFEST`].
    pub fn manifest_file_name(&self, partner: &PartnerId) -> String {
        format!("{}_{MANIFEST}", self.name(partner))
    }

    /// Returns what the names of all files of the job start with.
    ///
    /// The names of files that exist must not change, so jobs of earlier forms keep theirs.
    fn name(&self, partner: &PartnerId) -> String {
        let ExportRequest { filter, output, .. } = &self.request;
        let mut name = format!("activity_{partner}_{}", self.period_name());
        if self.form_version < FIRST_WITH_FORM {
            return name;
        }
        if output.rows == Rows::Lines {
            name.push_str("_lines");
        }
        if !filter.is_empty() {
            name.push_str("_filtered");
            if self.form_version >= FIRST_WITH_FILTERS {
                name.push_str(&filter_words(filter));
            }
        }
        // A schedule makes a month once, so the name of a month needs no more.
        if !output.details && self.month.is_none() && self.form_version >= FIRST_WITH_FILTERS {
            name.push_str("_no-details");
        }
        if output.locale == Locale::Fr && output.format != Format::Jsonl {
            name.push_str("_fr");
        }
        name
    }

    /// Returns the month with its version, the first and the last day, or, within a day, the first time and the time after.
    fn period_name(&self) -> String {
        let ExportRequest { from, to, time_zone, .. } = &self.request;
        if let Some(month) = self.month {
            return version_name(month, self.version);
        }
        let is_midnight = |instant: &Instant| instant.local_seconds(*time_zone).rem_euclid(DAY_SECONDS) == 0;
        let is_short = to.seconds() - from.seconds() < DAY_SECONDS && !(is_midnight(from) && is_midnight(to));
        if is_short && self.form_version >= FIRST_WITH_FILTERS {
            let time = |instant: &Instant| instant.to_local_text(*time_zone).replace(' ', "T").replace(':', "");
            return format!("{}_{}", time(from), time(to));
        }
        format!("{}_{}", from.to_local_date(*time_zone), to.plus_seconds(-1).to_local_date(*time_zone))
    }
}

/// Returns the values of a filter as parts of a name, each behind `_`.
///
/// Where the words say less than the filter, because they are long or have other characters, a digest follows.
fn filter_words(filter: &Filter) -> String {
    let mut words = FilterWords { text: String::new(), is_exact: true };
    words.add("", &filter.status);
    words.add("", &filter.action);
    words.add("customer-", &filter.customer);
    words.add("actor-", &filter.actor);
    words.add("type-", &filter.target_type);
    words.add("target-", &filter.target);
    words.add("correlation-", &filter.correlation);
    words.add("source-", &filter.source);
    if let Some(search) = &filter.q {
        words.add_value("text-", &String::from(search.clone()));
    }
    let FilterWords { mut text, is_exact } = words;
    if text.len() <= MAX_FILTER_CHARS && is_exact {
        return text;
    }
    // All characters are ASCII.
    text.truncate(MAX_FILTER_CHARS);
    let json = serde_json::to_vec(filter).unwrap_or_default();
    format!("{text}_{}", hex(&Sha256::digest(json)[..DIGEST_BYTES]))
}

/// The words of a filter in a name.
struct FilterWords {
    text: String,
    /// Whether no other filter has these words.
    is_exact: bool,
}

impl FilterWords {
    fn add<T: FilterValue>(&mut self, field: &str, choice: &Choice<T>) {
        for text in Vec::<String>::from(choice.clone()) {
            match text.strip_prefix('!') {
                Some(excluded) => self.add_value(&format!("not-{field}"), excluded),
                None => self.add_value(field, &text),
            }
        }
    }

    fn add_value(&mut self, field: &str, value: &str) {
        // Filters ignore the case of ASCII letters.
        let value = value.to_ascii_lowercase();
        // `order.*` becomes `order`, which is no action, because actions have several words.
        let value = value.strip_suffix(".*").filter(|prefix| !prefix.contains('.')).unwrap_or(&value);
        self.text.push('_');
        self.text.push_str(field);
        for char in value.chars() {
            let is_kept = char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
            // Actions have points and no hyphens, so another action cannot have the same word.
            self.is_exact &= is_kept || (char == '.' && field.trim_start_matches("not-").is_empty());
            self.text.push(if is_kept { char } else { '-' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::Author,
        job::{JobStatus, Output},
        time::{Month, Zone},
    };

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn contoso() -> PartnerId {
        PartnerId::parse("contoso").unwrap()
    }

    fn job(output: Output, filter: &str) -> Job {
        let request = ExportRequest {
            from: at("2026-10-01T00:00:00Z"),
            to: at("2026-11-01T00:00:00Z"),
            time_zone: Zone::UTC,
            filter: serde_json::from_str(filter).unwrap(),
            output,
        };
        let author = Author { subject: None, name: "Ana".to_owned() };
        Job::on_demand("J".to_owned(), request, author, at("2026-11-02T12:00:00Z"), 86_400)
    }

    #[test]
    fn file_names_tell_a_full_export_from_others() {
        let full = Output::default();
        let french = Output { locale: Locale::Fr, ..full };
        let (all, failed) = ("{}", r#"{"status":["failed"]}"#);
        let days = "activity_contoso_2026-10-01_2026-10-31";
        for (output, filter, name) in [
            (full, all, format!("{days}.csv")),
            (french, all, format!("{days}_fr.csv")),
            (Output { format: Format::Jsonl, ..french }, all, format!("{days}.jsonl")),
            (full, failed, format!("{days}_filtered_failed.csv")),
            (Output { rows: Rows::Lines, ..full }, all, format!("{days}_lines.csv")),
            (Output { rows: Rows::Lines, ..french }, failed, format!("{days}_lines_filtered_failed_fr.csv")),
        ] {
            let job = job(output, filter);
            assert_eq!(job.file_name(&contoso(), 0), name);
            let stem = name.split('.').next().unwrap();
            assert_eq!(job.manifest_file_name(&contoso()), format!("{stem}_manifest.json"));
            assert_eq!(job.stored_names(&contoso(), &JobStatus::new()), [name.clone(), MANIFEST.to_owned()]);
            let month = Job { month: Some(Month::parse("2026-10").unwrap()), version: 2, ..job.clone() };
            assert_eq!(
                month.file_name(&contoso(), 1),
                stem.replace("-01_2026-10-31", "_v2") + "_part2" + &job.file_name(&contoso(), 0)[stem.len()..]
            );
            let first_form = Job { form_version: 1, ..job };
            assert!(first_form.file_name(&contoso(), 0).starts_with(&format!("{days}.")));
        }
    }

    #[test]
    fn exports_with_different_filters_have_different_names() {
        let stem = "activity_contoso_2026-10-01_2026-10-31_filtered";
        let name = |filter: &str| job(Output::default(), filter).name(&contoso());
        for (filter, words) in [
            (r#"{"status":["failed","declined"]}"#, "_failed_declined"),
            (r#"{"status":["!succeeded"]}"#, "_not-succeeded"),
            (r#"{"action":["order.created"]}"#, "_order-created"),
            (r#"{"action":["order.*"]}"#, "_order"),
            (r#"{"customer":["Fabrikam"]}"#, "_customer-fabrikam"),
            (r#"{"actor":["fabrikam"],"source":["!portal"]}"#, "_actor-fabrikam_not-source-portal"),
            (r#"{"target_type":["order"],"target":["o-1"],"q":"renewal"}"#, "_type-order_target-o-1_text-renewal"),
        ] {
            assert_eq!(name(filter), format!("{stem}{words}"));
        }
        // Words that say less than their filter have a digest.
        let similar = [
            r#"{"actor":["ana@contoso.example"]}"#,
            r#"{"actor":["ana.contoso@example"]}"#,
            r#"{"action":["order.line.*"]}"#,
            r#"{"q":"été"}"#,
            r#"{"q":"ete ete"}"#,
        ];
        let names = similar.map(name);
        for (index, one) in names.iter().enumerate() {
            assert!(one.is_ascii() && one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            assert!(!names[..index].contains(one), "{one}");
            assert_eq!(one.rsplit('_').next().unwrap().len(), 2 * DIGEST_BYTES, "{one}");
        }
        let many = format!(r#"{{"customer":[{}]}}"#, vec![r#""fabrikam""#; 50].join(","));
        assert_eq!(name(&many).len(), stem.len() + MAX_FILTER_CHARS + 1 + 2 * DIGEST_BYTES);
    }

    #[test]
    fn exports_of_hours_and_without_details_have_names_of_their_own() {
        let paris = Zone::parse("Europe/Paris").unwrap();
        let named = |from: &str, to: &str, output: Output| {
            let job = job(output, "{}");
            let request = ExportRequest { from: at(from), to: at(to), time_zone: paris, ..job.request };
            Job { request, ..job }.file_name(&contoso(), 0)
        };
        let full = Output::default();
        assert_eq!(
            named("2026-11-02T08:30:00Z", "2026-11-02T09:00:00Z", full),
            "activity_contoso_2026-11-02T093000_2026-11-02T100000.csv"
        );
        assert_eq!(
            named("2026-11-01T23:00:00Z", "2026-11-02T09:00:00Z", full),
            "activity_contoso_2026-11-02T000000_2026-11-02T100000.csv"
        );
        assert_eq!(
            named("2026-11-02T08:00:00Z", "2026-11-03T08:00:00Z", full),
            "activity_contoso_2026-11-02_2026-11-03.csv"
        );
        // The clocks were set forward, so this day has 23 hours.
        assert_eq!(
            named("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", full),
            "activity_contoso_2026-03-29_2026-03-29.csv"
        );
        assert_eq!(
            named("2026-10-02T09:31:07Z", "2026-11-02T09:31:07Z", Output { details: false, ..full }),
            "activity_contoso_2026-10-02_2026-11-02_no-details.csv"
        );
    }

    #[test]
    fn files_of_earlier_forms_keep_their_names() {
        let days = "activity_contoso_2026-10-01_2026-10-31";
        let output = Output { details: false, ..Output::default() };
        let failed = job(output, r#"{"status":["failed"]}"#);
        for (form_version, name) in [(1, format!("{days}.csv")), (2, format!("{days}_filtered.csv"))] {
            assert_eq!(Job { form_version, ..failed.clone() }.file_name(&contoso(), 0), name);
        }
    }
}
