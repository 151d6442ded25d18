//! The form of an export's files.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::{
    fault::{Fault, parse_word_field},
    locale::Locale,
};

/// The form of an export's files.
///
/// Jobs that were stored before a field existed have the field's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The language of headers and labels, which also decides the separator of CSV.
    pub locale: Locale,
    /// Whether the files hold the details.
    pub details: bool,
    /// The compression of the files.
    #[serde(default)]
    pub compression: Compression,
    /// The meaning of a row.
    #[serde(default)]
    pub rows: Rows,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            format: Format::default(),
            locale: Locale::default(),
            details: true,
            compression: Compression::default(),
            rows: Rows::default(),
        }
    }
}

impl Output {
    /// Returns the extension of file names.
    pub fn extension(self) -> &'static str {
        match (self.format, self.compression) {
            (Format::Csv, Compression::None) => "csv",
            (Format::Csv, Compression::Gzip) => "csv.gz",
            (Format::Jsonl, Compression::None) => "jsonl",
            (Format::Jsonl, Compression::Gzip) => "jsonl.gz",
            (Format::Xlsx, Compression::None) => "xlsx",
            (Format::Xlsx, Compression::Gzip) => "xlsx.gz",
        }
    }

    /// Returns the media type of the files.
    ///
    /// A compressed file has the type of the compression and no `Content-Encoding`, because browsers would unpack the file
    /// and its digest would no longer match.
    pub fn media_type(self) -> &'static str {
        match (self.compression, self.format) {
            (Compression::Gzip, _) => "application/gzip",
            (Compression::None, Format::Csv) => "text/csv; charset=utf-8",
            (Compression::None, Format::Jsonl) => "application/jsonl",
            (Compression::None, Format::Xlsx) => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// Tells whether the worker reads details. Order lines are part of the details.
    pub fn needs_details(self) -> bool {
        self.details || self.rows == Rows::Lines
    }
}

/// A file format.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[schema(as = ExportFormat)]
pub enum Format {
    /// For spreadsheets and programs.
    #[default]
    Csv,
    /// For programs: one activity per line, as the API shows it.
    Jsonl,
    /// For spreadsheets, with typed cells.
    Xlsx,
}

/// A compression of files.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// gzip (RFC 1952), one member per file.
    Gzip,
}

/// The meaning of a row.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Rows {
    /// One activity.
    #[default]
    Activities,
    /// One order line. An activity without lines has one row, too.
    Lines,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// A fault that lists the formats.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse_word_field("/format", text)
    }
}

impl Compression {
    /// Reads a compression.
    ///
    /// # Errors
    /// A fault that lists the compressions.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse_word_field("/compression", text)
    }
}

impl Rows {
    /// Reads the meaning of a row.
    ///
    /// # Errors
    /// A fault that lists the meanings.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse_word_field("/rows", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_has_an_extension_and_a_media_type() {
        for (format, compression, extension, media_type) in [
            ("csv", "none", "csv", "text/csv; charset=utf-8"),
            ("csv", "gzip", "csv.gz", "application/gzip"),
            ("jsonl", "none", "jsonl", "application/jsonl"),
            ("jsonl", "gzip", "jsonl.gz", "application/gzip"),
            ("xlsx", "none", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("xlsx", "gzip", "xlsx.gz", "application/gzip"),
        ] {
            let (format, compression) = (Format::parse(format).unwrap(), Compression::parse(compression).unwrap());
            let output = Output { format, compression, ..Output::default() };
            assert_eq!((output.extension(), output.media_type()), (extension, media_type));
        }
        for (details, rows, needs_details) in
            [(true, "activities", true), (false, "activities", false), (false, "lines", true), (true, "lines", true)]
        {
            let output = Output { details, rows: Rows::parse(rows).unwrap(), ..Output::default() };
            assert_eq!(output.needs_details(), needs_details);
        }
    }

    #[test]
    fn unknown_words_are_faults_of_their_field() {
        let word = "zip";
        for (fault, pointer, words) in [
            (Format::parse(word).unwrap_err(), "/format", "csv, jsonl, xlsx"),
            (Compression::parse(word).unwrap_err(), "/compression", "none, gzip"),
            (Rows::parse(word).unwrap_err(), "/rows", "activities, lines"),
        ] {
            assert_eq!(fault, Fault::new(pointer, format!("\"zip\" is not one of {words}")));
        }
    }
}
