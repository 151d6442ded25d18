//! An export: what was asked for, how far it is, what came of it.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    activity::{Fault, PartnerId},
    filter::Filter,
    locale::Locale,
    query::{Order, Selection},
    text::none_of,
    time::{Instant, Month, Period},
};

/// What is asked of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// First instant.
    pub from: Instant,
    /// First instant after.
    pub to: Instant,
    /// The zone of local times in the files.
    pub time_zone: Tz,
    /// Which activities.
    pub filter: Filter,
    /// In which form.
    pub output: Output,
}

/// The form of an export's files. What a job stored before a field existed says nothing of has the field's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The language of headers and labels, and with it the separator.
    pub locale: Locale,
    /// Whether the details are in it.
    pub details: bool,
    /// Whether and how files are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// What a row is.
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
    /// The ending of file names.
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

    /// The media type of files. A compressed file is one as such, never as a way of sending another: browsers would
    /// unpack it and its digest would not fit.
    pub fn media_type(self) -> &'static str {
        match (self.compression, self.format) {
            (Compression::Gzip, _) => "application/gzip",
            (Compression::None, Format::Csv) => "text/csv; charset=utf-8",
            (Compression::None, Format::Jsonl) => "application/jsonl",
            (Compression::None, Format::Xlsx) => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// Whether details have to be read for it: lines are in them.
    pub fn needs_details(self) -> bool {
        self.details || self.rows == Rows::Lines
    }
}

/// A format of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExportFormat)]
pub enum Format {
    /// For spreadsheets and programs.
    #[default]
    Csv,
    /// For programs: an activity a line, as the API gives it.
    Jsonl,
    /// For spreadsheets, with typed cells.
    Xlsx,
}

/// How files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952), one member a file.
    Gzip,
}

/// What a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// An activity.
    #[default]
    Activities,
    /// A line of an order; an activity without lines is a row, too.
    Lines,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// A fault that lists the formats.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            "xlsx" => Ok(Self::Xlsx),
            _ => Err(none_of("/format", text, "csv, jsonl, xlsx")),
        }
    }
}

impl Compression {
    /// Reads a way of compressing.
    ///
    /// # Errors
    /// A fault that lists them.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            _ => Err(none_of("/compression", text, "none, gzip")),
        }
    }
}

impl Rows {
    /// Reads what a row is to be.
    ///
    /// # Errors
    /// A fault that lists the kinds.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "activities" => Ok(Self::Activities),
            "lines" => Ok(Self::Lines),
            _ => Err(none_of("/rows", text, "activities, lines")),
        }
    }
}

/// Who asked for an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExportKind)]
pub enum Kind {
    /// A caller.
    OnDemand,
    /// The partner's schedule.
    Monthly,
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExportStatus)]
pub enum State {
    /// Asked for.
    Pending,
    /// Being made.
    Running,
    /// Its files can be downloaded.
    Ready,
    /// It could not be made.
    Failed,
    /// Its files are gone: their time was up.
    Expired,
    /// Someone asked not to make it, or to remove its files.
    Cancelled,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExportProgress)]
pub struct Progress {
    /// Rows of files.
    pub rows: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// The part of the period that is done, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub fraction: f64,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExportFile)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the file as it is stored, lower-case hexadecimal.
    pub sha256: String,
}

/// An export job. What never changes of it; [`Standing`] is the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id: a ULID, or the month of a monthly one.
    pub id: String,
    /// Whose request it was.
    pub kind: Kind,
    /// When it was asked for.
    pub created_at: Instant,
    /// Who asked.
    pub created_by: String,
    /// What was asked.
    pub request: Request,
    /// The month, of a monthly one.
    pub month: Option<Month>,
    /// Which version of the month's export it is, from 1 on.
    #[serde(default = "first")]
    pub version: u32,
    /// Only what was recorded from this instant on, of a further version: what came before is in those before it.
    #[serde(default)]
    pub recorded_from: Option<Instant>,
    /// Only what was recorded before this instant, of a monthly one: what comes later is for the next version.
    pub recorded_before: Option<Instant>,
    /// When its files are removed.
    pub expires_at: Instant,
    /// Whether [`MANIFEST`] is beside its files: jobs stored before there was one say nothing of it.
    #[serde(default)]
    pub manifest: bool,
}

fn first() -> u32 {
    1
}

/// What a version of a month's export is called: `2026-10`, `2026-10_v2`.
pub fn version_name(month: Month, version: u32) -> String {
    if version == 1 { month.to_string() } else { format!("{month}_v{version}") }
}

/// The name of the file that says what an export's files are.
pub const MANIFEST: &str = "manifest.json";

impl Job {
    /// An export that a caller asks for.
    pub fn on_demand(id: String, request: Request, created_by: String, now: Instant, retention_seconds: i64) -> Self {
        let expires_at = now.plus_seconds(retention_seconds);
        Self {
            id,
            kind: Kind::OnDemand,
            created_at: now,
            created_by,
            request,
            month: None,
            version: 1,
            recorded_from: None,
            recorded_before: None,
            expires_at,
            manifest: true,
        }
    }

    /// What to read for it: newest first.
    ///
    /// # Errors
    /// When its bounds are the wrong way round: the job was altered.
    pub fn selection(&self) -> Result<Selection, crate::time::PeriodError> {
        Ok(Selection {
            period: Period::new(self.request.from, self.request.to)?,
            filter: self.request.filter.clone(),
            order: Order::Descending,
            recorded_from: self.recorded_from,
            recorded_before: self.recorded_before,
        })
    }

    /// The instant up to which nothing acknowledged can be missing from it.
    pub fn complete_through(&self) -> Instant {
        self.recorded_before.unwrap_or_else(|| self.created_at.plus_seconds(-crate::query::SETTLE_SECONDS))
    }

    /// The name of its file, by the file's number from 0.
    pub fn file_name(&self, partner: &PartnerId, number: usize) -> String {
        let zone = self.request.time_zone;
        let day = |instant: Instant| instant.to_local_text(zone)[..10].to_owned();
        let span = match self.month {
            Some(month) => version_name(month, self.version),
            None => format!("{}_{}", day(self.request.from), day(self.request.to.plus_seconds(-1))),
        };
        let part = if number == 0 { String::new() } else { format!("_part{}", number + 1) };
        format!("activity_{partner}_{span}{part}.{}", self.request.output.extension())
    }

    /// The names of all files that may be stored of it, finished or not.
    pub fn stored_names(&self, partner: &PartnerId, standing: &Standing) -> Vec<String> {
        let checkpoint = standing.checkpoint.as_ref();
        let finished = standing.files.iter().chain(checkpoint.iter().flat_map(|checkpoint| &checkpoint.files));
        let mut names: Vec<String> = finished.map(|file| file.name.clone()).collect();
        // The one after the last may have been put before anyone could say so.
        names.push(self.file_name(partner, names.len()));
        names.push(MANIFEST.to_owned());
        names.extend((1..=checkpoint.map_or(0, |checkpoint| checkpoint.rests)).map(Rest::name));
        names
    }

    /// What the manifest says: the query, and the files that answer it.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which a stored job always can.
    pub fn manifest(&self, partner: &PartnerId, files: &[File]) -> Result<Vec<u8>, serde_json::Error> {
        let request = &self.request;
        serde_json::to_vec_pretty(&json!({
            "export": self.id,
            "partner_id": partner,
            "kind": self.kind,
            "month": self.month,
            "version": self.month.map(|_| self.version),
            "recorded_from": self.recorded_from,
            "created_at": self.created_at.to_millis_text(),
            "created_by": self.created_by,
            "range": {"from": request.from, "to": request.to, "time_zone": request.time_zone.name()},
            "filters": request.filter,
            "format": request.output.format,
            "locale": request.output.locale,
            "compression": request.output.compression,
            "rows": request.output.rows,
            "details": request.output.details,
            "complete_through": self.complete_through(),
            "software": {"name": "daybook", "version": env!("CARGO_PKG_VERSION")},
            "files": files,
        }))
    }

    /// Where a file of it is in the bucket.
    pub fn object_key(&self, partner: &PartnerId, file: &str) -> String {
        format!("exports/{partner}/{}/{file}", self.id)
    }

    /// The part of the period that lies behind a position, reading newest first.
    pub fn fraction_at(&self, occurred_at: Instant) -> f64 {
        let whole = (self.request.to.micros() - self.request.from.micros()).max(1);
        let done = (self.request.to.micros() - occurred_at.micros()).clamp(0, whole);
        #[expect(clippy::cast_precision_loss, reason = "a fraction to show")]
        let fraction = done as f64 / whole as f64;
        fraction
    }
}

/// What changes of a job while it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// How far it is.
    pub state: State,
    /// How much is written.
    pub progress: Progress,
    /// Its finished files.
    pub files: Vec<File>,
    /// Why it failed, for people.
    pub problem: Option<String>,
    /// Where its worker can go on.
    pub checkpoint: Option<Checkpoint>,
}

impl Standing {
    /// A job that nobody has begun.
    pub fn new() -> Self {
        Self {
            state: State::Pending,
            progress: Progress::default(),
            files: Vec::new(),
            problem: None,
            checkpoint: None,
        }
    }

    /// The state as of `now`: a ready export whose files' time is up has expired.
    pub fn state_at(&self, job: &Job, now: Instant) -> State {
        if self.state == State::Ready && now >= job.expires_at { State::Expired } else { self.state }
    }
}

impl Default for Standing {
    fn default() -> Self {
        Self::new()
    }
}

/// A place in the making of an export at which it can go on: everything before it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Files that are finished.
    pub files: Vec<File>,
    /// The sort key of the last activity stored whole.
    pub position: Option<String>,
    /// How many lines of the activity behind it are stored.
    #[serde(default)]
    pub lines: usize,
    /// How many bytes of the segment behind it are stored.
    #[serde(default)]
    pub segment_bytes: u64,
    /// The file being written.
    pub file: FileInProgress,
    /// What the last run had encoded and not sent.
    #[serde(default)]
    pub rest: Option<Rest>,
    /// How many rests were put aside so far.
    #[serde(default)]
    pub rests: u32,
    /// Whether all files are finished: no rest is needed any more.
    #[serde(default)]
    pub ended: bool,
    /// What earlier exports have of it, newest first: decided once, so that whoever goes on goes on with the same.
    #[serde(default)]
    pub segments: Option<Vec<Segment>>,
}

/// What was encoded of a file when a run had no more time, and is less than a part: an object beside the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The number in its name.
    pub number: u32,
    /// Its first bytes are packed.
    pub packed_bytes: u64,
    /// The others are yet to be.
    pub content_bytes: u64,
    /// Rows of the file up to its end.
    pub rows: u64,
    /// What is packed up to there.
    pub packed: Packed,
}

impl Rest {
    /// The name of the object.
    pub fn name(number: u32) -> String {
        format!("rest-{number}")
    }
}

/// A month that an earlier export has in the same form, in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First instant.
    pub from: Instant,
    /// First instant after.
    pub to: Instant,
    /// The file's key.
    pub key: String,
    /// Its rows.
    pub rows: u64,
    /// Its size, header included.
    pub bytes: u64,
}

impl Checkpoint {
    /// Whether nothing is stored of any activity: at the beginning, and once all is.
    pub fn is_at_start(&self) -> bool {
        self.position.is_none() && self.lines == 0
    }
}

/// What is packed of a file so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// CRC-32 of the content.
    pub crc32: u32,
    /// Bytes of the content.
    pub bytes: u64,
}

/// A file of which some parts are uploaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileInProgress {
    /// The multipart upload, once there is a first part.
    pub upload: Option<String>,
    /// The ETags of its parts, from part 1 on.
    pub parts: Vec<String>,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is packed in them, of a compressed file.
    #[serde(default)]
    pub packed: Packed,
    /// The state of the running SHA-256 over them, hexadecimal.
    pub hash: String,
    /// Whether all parts are there and only the completion is left.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_was_stored_before_there_were_formats_is_what_it_was() {
        let stored = r#"{"id":"J","kind":"on_demand","created_at":"2026-11-02T12:00:00.000000Z","created_by":"Ana",
            "request":{"from":"2026-10-01T00:00:00.000000Z","to":"2026-11-01T00:00:00.000000Z","time_zone":"Europe/Paris",
                "filter":{},"output":{"format":"jsonl","locale":"fr","details":false}},
            "month":null,"recorded_before":null,"expires_at":"2026-12-02T12:00:00.000000Z"}"#;
        let job: Job = serde_json::from_str(stored).unwrap();
        assert_eq!((job.request.output.compression, job.request.output.rows), (Compression::None, Rows::Activities));
        assert!(!job.manifest, "there is none beside its files");
        let partner = PartnerId::parse("contoso").unwrap();
        assert_eq!(job.file_name(&partner, 1), "activity_contoso_2026-10-01_2026-11-01_part2.jsonl");
        let stored = r#"{"files":[],"position":"p","file":{"upload":"u","parts":["t"],"rows":7,"bytes":9,"hash":"00","complete":false}}"#;
        let checkpoint: Checkpoint = serde_json::from_str(stored).unwrap();
        assert_eq!((checkpoint.lines, checkpoint.file.packed), (0, Packed::default()));
        assert!(!checkpoint.is_at_start());
    }

    #[test]
    fn a_job_says_all_files_that_may_be_stored_of_it() {
        let output = Output { format: Format::Xlsx, compression: Compression::Gzip, ..Output::default() };
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let request = Request {
            from: Instant::parse("2026-10-01T00:00:00Z").unwrap(),
            to: Instant::parse("2026-11-01T00:00:00Z").unwrap(),
            time_zone: Tz::UTC,
            filter: Filter::default(),
            output,
        };
        let month = Some(Month::parse("2026-10").unwrap());
        let job = Job { month, ..Job::on_demand("2026-10".to_owned(), request, "schedule".to_owned(), now, 86_400) };
        let partner = PartnerId::parse("contoso").unwrap();
        let file = File { name: job.file_name(&partner, 0), rows: 1, bytes: 1, sha256: String::new() };
        let checkpoint = Checkpoint { files: vec![file], ..Checkpoint::default() };
        let standing = Standing { checkpoint: Some(checkpoint), ..Standing::new() };
        let stem = "activity_contoso_2026-10";
        assert_eq!(
            job.stored_names(&partner, &standing),
            [format!("{stem}.xlsx.gz"), format!("{stem}_part2.xlsx.gz"), MANIFEST.to_owned()]
        );
        let second = Job { version: 2, ..job };
        assert_eq!(second.file_name(&partner, 1), format!("{stem}_v2_part2.xlsx.gz"));
    }
}
