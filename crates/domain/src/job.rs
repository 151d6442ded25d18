//! Export jobs: what was asked for, how far a job is, and what a worker needs to go on.

mod checkpoint;
mod name;
mod output;

use serde::{Deserialize, Serialize};
use serde_json::json;
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

pub use self::{
    checkpoint::{Checkpoint, File, FileInProgress, GzipState, Segment, UnsentTail},
    output::{Compression, Format, Output, Rows},
};
use crate::{
    access::Author,
    activity::PartnerId,
    filter::Filter,
    query::{SETTLE_SECONDS, Selection, SortOrder},
    time::{Instant, Month, Period, PeriodError, Zone},
};

/// The contents of an export, as they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRequest {
    /// The first instant.
    pub from: Instant,
    /// The first instant after the period.
    pub to: Instant,
    /// The zone of local times in the files.
    pub time_zone: Zone,
    /// The conditions that the activities meet.
    pub filter: Filter,
    /// The form of the files.
    pub output: Output,
}

/// The origin of an export.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ExportKind)]
pub enum Kind {
    /// A caller asked for the export.
    OnDemand,
    /// The partner's schedule asked for the export.
    Monthly,
}

/// The state of an export.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ExportStatus)]
pub enum State {
    /// No worker has begun.
    Pending,
    /// A worker makes the files.
    Running,
    /// The files can be downloaded.
    Ready,
    /// The files could not be made.
    Failed,
    /// The files were removed when their time was up.
    Expired,
    /// A caller cancelled the export or removed its files.
    Cancelled,
}

impl State {
    /// Returns the word for the state.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The progress of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExportProgress)]
pub struct Progress {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The part of the period that is done, from 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub fraction: f64,
}

/// The part of an export job that never changes. [`JobStatus`] is the other part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The id: a ULID, or the month of a monthly export.
    pub id: String,
    /// The origin.
    pub kind: Kind,
    /// When the job was created.
    pub created_at: Instant,
    /// The name of the person or machine that created the job.
    pub created_by: String,
    /// The subject of that person or machine. Jobs of schedules have none, and earlier versions did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by_subject: Option<String>,
    /// The contents that were asked for.
    pub request: ExportRequest,
    /// The month of a monthly export.
    pub month: Option<Month>,
    /// The version of the month's export, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Excludes activities recorded before this instant. Later versions of a month have it, because earlier versions hold
    /// those activities.
    #[serde(default)]
    pub recorded_from: Option<Instant>,
    /// Excludes activities recorded at this instant or later. Monthly exports have it; the next version holds the rest.
    pub recorded_before: Option<Instant>,
    /// When the files are removed.
    pub expires_at: Instant,
    /// When the job was renewed, if its files are made again. Their objects have keys of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Instant>,
    /// Whether the file [`MANIFEST`] is stored beside the others. Jobs stored before manifests existed do not say.
    #[serde(default)]
    pub manifest: bool,
    /// The orders that have erased activities since its files were made first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<String>,
    /// The [`FORM_VERSION`] of its files. Jobs stored before this field existed have version 1.
    #[serde(default = "first_version")]
    pub form_version: u32,
}

/// The version of the form in which new exports are written: of the bytes that given activities and a given [`Output`]
/// become.
///
/// A change of those bytes raises the version, so that no file of one form becomes part of a file of another. So does a change
/// of the rules of time zones, because files contain local times.
///
/// Version 2 has columns for reason, changes, role, address, target, subscriptions, correlation id, source and time of
/// recording, guards inside cells, and file names that state what the files hold. Version 3 has a first sheet in workbooks
/// that describes the export, and file names that state the filters.
pub const FORM_VERSION: u32 = 3;

/// The first version whose text files have the bytes of [`FORM_VERSION`]. Months of this version and later ones are copied.
///
/// A change of the bytes of CSV or JSON lines raises both versions.
pub const TEXT_FORM_VERSION: u32 = 2;

fn first_version() -> u32 {
    1
}

/// Returns the name of a version of a month's export: `2026-10`, `2026-10_v2`.
pub fn version_name(month: Month, version: u32) -> String {
    if version == 1 { month.to_string() } else { format!("{month}_v{version}") }
}

/// The name of the file that describes an export's files.
pub const MANIFEST: &str = "manifest.json";

impl Job {
    /// Makes a job that a caller asks for.
    pub fn on_demand(
        id: String,
        request: ExportRequest,
        created_by: impl Into<Author>,
        now: Instant,
        retention_seconds: i64,
    ) -> Self {
        let expires_at = now.plus_seconds(retention_seconds);
        let Author { subject, name } = created_by.into();
        Self {
            id,
            kind: Kind::OnDemand,
            created_at: now,
            created_by: name,
            created_by_subject: subject,
            request,
            month: None,
            version: 1,
            recorded_from: None,
            recorded_before: None,
            expires_at,
            renewed_at: None,
            manifest: true,
            erasures: Vec::new(),
            form_version: FORM_VERSION,
        }
    }

    /// Returns the job whose worker makes the files again at `now`.
    ///
    /// The new files have new keys, because the bucket removes the old objects by the age that they have. A worker never
    /// replaces an object, so a new file under an old key would be the old object.
    #[must_use]
    pub fn renew(self, now: Instant, retention_seconds: i64) -> Self {
        let expires_at = now.plus_seconds(retention_seconds);
        Self { renewed_at: Some(now), expires_at, form_version: FORM_VERSION, ..self }
    }

    /// Returns the activities to read, newest first.
    ///
    /// # Errors
    /// [`PeriodError::Reversed`] if a stored job was altered.
    pub fn selection(&self) -> Result<Selection, PeriodError> {
        Ok(Selection {
            period: Period::new(self.request.from, self.request.to)?,
            filter: self.request.filter.clone(),
            order: SortOrder::Descending,
            recorded_from: self.recorded_from,
            recorded_before: self.recorded_before,
        })
    }

    /// Returns the person or machine that created the job.
    pub fn author(&self) -> Author {
        Author { subject: self.created_by_subject.clone(), name: self.created_by.clone() }
    }

    /// Returns the instant up to which the files hold every acknowledged activity.
    pub fn complete_through(&self) -> Instant {
        self.recorded_before.unwrap_or_else(|| self.created_at.plus_seconds(-SETTLE_SECONDS))
    }

    /// Returns when every activity that the files must hold can be read. The files are made then at the earliest.
    pub fn readable_at(&self) -> Instant {
        self.complete_through().plus_seconds(SETTLE_SECONDS)
    }

    /// Lists the names of all objects that may be stored for the job, finished or not.
    pub fn stored_names(&self, partner: &PartnerId, status: &JobStatus) -> Vec<String> {
        let checkpoint = status.checkpoint.as_ref();
        let finished = status.files.iter().chain(checkpoint.iter().flat_map(|checkpoint| &checkpoint.files));
        let mut names: Vec<String> = finished.map(|file| file.name.clone()).collect();
        // A worker may have stored the next file and died before it could say so.
        names.push(self.file_name(partner, names.len()));
        names.push(MANIFEST.to_owned());
        names.extend((1..=checkpoint.map_or(0, |checkpoint| checkpoint.tails)).map(UnsentTail::name));
        names
    }

    /// Writes the manifest: the query and the files that answer it.
    ///
    /// # Errors
    /// An error of the JSON writer, which no stored job causes.
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
            "created_by": self.author(),
            "range": {"from": request.from, "to": request.to, "time_zone": request.time_zone.name()},
            "filters": request.filter,
            "format": request.output.format,
            "locale": request.output.locale,
            "compression": request.output.compression,
            "rows": request.output.rows,
            "details": request.output.details,
            "complete_through": self.complete_through(),
            "erasures": self.erasures,
            "software": {"name": "daybook", "version": env!("CARGO_PKG_VERSION")},
            "files": files,
        }))
    }

    /// Returns what the keys of all objects of the job begin with, also of those that it had before it was renewed.
    pub fn objects_of(partner: &PartnerId, id: &str) -> String {
        format!("exports/{partner}/{id}/")
    }

    /// Returns the key of a file in the bucket.
    pub fn object_key(&self, partner: &PartnerId, file: &str) -> String {
        let id = &self.id;
        match self.renewed_at {
            None => format!("exports/{partner}/{id}/{file}"),
            Some(renewed_at) => format!("exports/{partner}/{id}/{}/{file}", renewed_at.micros()),
        }
    }

    /// Returns the part of the period that is done, from 0 to 1, when reading newest first has come to `occurred_at`.
    pub fn fraction_at(&self, occurred_at: Instant) -> f64 {
        let whole = (self.request.to.micros() - self.request.from.micros()).max(1);
        let done = (self.request.to.micros() - occurred_at.micros()).clamp(0, whole);
        #[expect(clippy::cast_precision_loss, reason = "people see the fraction with few digits")]
        let fraction = done as f64 / whole as f64;
        fraction
    }
}

/// The part of an export job that changes while the files are made.
#[derive(Clone, Debug, PartialEq)]
pub struct JobStatus {
    /// The state.
    pub state: State,
    /// The progress.
    pub progress: Progress,
    /// The finished files.
    pub files: Vec<File>,
    /// The reason of a failure, for people.
    pub problem: Option<String>,
    /// The place from which a worker goes on.
    pub checkpoint: Option<Checkpoint>,
    /// The number of runs that failed or died since a run last stopped in time, with the present run.
    pub tries: usize,
    /// When the job became ready or failed. Jobs that ended before this field existed do not say.
    pub ended_at: Option<Instant>,
}

impl JobStatus {
    /// Makes the status of a job that no worker has begun.
    pub fn new() -> Self {
        Self {
            state: State::Pending,
            progress: Progress::default(),
            files: Vec::new(),
            problem: None,
            checkpoint: None,
            tries: 0,
            ended_at: None,
        }
    }

    /// Returns the state as of `now`: a ready export expires when its time is up.
    pub fn state_at(&self, job: &Job, now: Instant) -> State {
        if self.state == State::Ready && now >= job.expires_at { State::Expired } else { self.state }
    }
}

impl Default for JobStatus {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ZONE_RULES;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn request(output: Output) -> ExportRequest {
        ExportRequest {
            from: at("2026-10-01T00:00:00Z"),
            to: at("2026-11-01T00:00:00Z"),
            time_zone: Zone::UTC,
            filter: Filter::default(),
            output,
        }
    }

    fn job(output: Output) -> Job {
        let author = Author { subject: Some("s-1".to_owned()), name: "Ana".to_owned() };
        Job::on_demand("J".to_owned(), request(output), author, at("2026-11-02T12:00:00Z"), 86_400)
    }

    fn contoso() -> PartnerId {
        PartnerId::parse("contoso").unwrap()
    }

    #[test]
    fn new_rules_of_zones_come_with_a_new_form() {
        let known = (3, 2, "2026f");
        assert_eq!(
            (FORM_VERSION, TEXT_FORM_VERSION, ZONE_RULES),
            known,
            "the rules have changed: raise FORM_VERSION, make TEXT_FORM_VERSION equal to it, then change these"
        );
    }

    #[test]
    fn jobs_stored_before_there_were_formats_are_read() {
        let stored = r#"{"id":"J","kind":"on_demand","created_at":"2026-11-02T12:00:00.000000Z","created_by":"Ana",
            "request":{"from":"2026-10-01T00:00:00.000000Z","to":"2026-11-01T00:00:00.000000Z","time_zone":"Europe/Paris",
                "filter":{},"output":{"format":"jsonl","locale":"fr","details":false}},
            "month":null,"recorded_before":null,"expires_at":"2026-12-02T12:00:00.000000Z"}"#;
        let job: Job = serde_json::from_str(stored).unwrap();
        assert_eq!((job.request.output.compression, job.request.output.rows), (Compression::None, Rows::Activities));
        assert!(!job.manifest, "no manifest is stored beside the files");
        assert_eq!((job.version, job.recorded_from, job.form_version), (1, None, 1));
        assert_eq!(job.author(), Author { subject: None, name: "Ana".to_owned() });
        assert_eq!(job.file_name(&contoso(), 1), "activity_contoso_2026-10-01_2026-11-01_part2.jsonl");
        let stored = r#"{"files":[],"position":"p","file":{"upload":"u","parts":["t"],"rows":7,"bytes":9,"hash":"00","complete":false}}"#;
        let checkpoint: Checkpoint = serde_json::from_str(stored).unwrap();
        assert_eq!((checkpoint.lines, checkpoint.file.gzip), (0, GzipState::default()));
        assert!(!checkpoint.is_at_start());
    }

    #[test]
    fn a_job_names_all_objects_that_may_be_stored() {
        let output = Output { format: Format::Xlsx, compression: Compression::Gzip, ..Output::default() };
        let month = Some(Month::parse("2026-10").unwrap());
        let job = Job { month, ..job(output) };
        let file = File { name: job.file_name(&contoso(), 0), rows: 1, bytes: 1, sha256: String::new() };
        let checkpoint = Checkpoint { files: vec![file], tails: 2, ..Checkpoint::default() };
        let status = JobStatus { checkpoint: Some(checkpoint), ..JobStatus::new() };
        let stem = "activity_contoso_2026-10";
        assert_eq!(
            job.stored_names(&contoso(), &status),
            [
                format!("{stem}.xlsx.gz"),
                format!("{stem}_part2.xlsx.gz"),
                MANIFEST.to_owned(),
                "rest-1".to_owned(),
                "rest-2".to_owned()
            ]
        );
        assert_eq!(
            job.stored_names(&contoso(), &JobStatus::default()),
            [format!("{stem}.xlsx.gz"), MANIFEST.to_owned()]
        );
        assert_eq!(job.object_key(&contoso(), "f"), "exports/contoso/J/f");
        let second = Job { version: 2, ..job };
        assert_eq!(second.file_name(&contoso(), 1), format!("{stem}_v2_part2.xlsx.gz"));
    }

    #[test]
    fn renewed_job_has_new_keys_and_a_new_expiry() {
        let first = Job { form_version: 0, ..job(Output::default()) };
        let stored = serde_json::to_value(&first).unwrap();
        assert_eq!(stored.get("renewed_at"), None, "other jobs are stored as before");
        let now = at("2027-01-01T00:00:00Z");
        let renewed = first.clone().renew(now, 60);
        assert_eq!((renewed.expires_at, renewed.form_version), (now.plus_seconds(60), FORM_VERSION));
        assert_eq!(renewed.object_key(&contoso(), "f"), "exports/contoso/J/1798761600000000/f");
        let again = renewed.clone().renew(now.plus_seconds(1), 60);
        assert_ne!(again.object_key(&contoso(), "f"), renewed.object_key(&contoso(), "f"));
        let all = Job::objects_of(&contoso(), &first.id);
        assert_eq!(all, "exports/contoso/J/");
        assert!([&first, &renewed].iter().all(|job| job.object_key(&contoso(), "f").starts_with(&all)));
        let files = |job: &Job| job.stored_names(&contoso(), &JobStatus::default());
        assert_eq!((renewed.request.clone(), files(&renewed)), (first.request.clone(), files(&first)));
        let restored: Job = serde_json::from_value(serde_json::to_value(&renewed).unwrap()).unwrap();
        assert_eq!(restored, renewed);
    }

    #[test]
    fn the_words_of_states_and_kinds_are_those_of_json() {
        for (state, word) in [
            (State::Pending, "pending"),
            (State::Running, "running"),
            (State::Ready, "ready"),
            (State::Failed, "failed"),
            (State::Expired, "expired"),
            (State::Cancelled, "cancelled"),
        ] {
            assert_eq!(
                (state.as_str(), serde_json::to_value(state).unwrap(), word.parse()),
                (word, word.into(), Ok(state))
            );
        }
        for (kind, word) in [(Kind::OnDemand, "on_demand"), (Kind::Monthly, "monthly")] {
            assert_eq!((serde_json::to_value(kind).unwrap(), word.parse()), (word.into(), Ok(kind)));
        }
    }

    #[test]
    fn a_ready_export_expires_when_its_time_is_up() {
        let job = job(Output::default());
        let before = job.expires_at.plus_seconds(-1);
        let state_at = |state, now| JobStatus { state, ..JobStatus::new() }.state_at(&job, now);
        assert_eq!(state_at(State::Ready, before), State::Ready);
        assert_eq!(state_at(State::Ready, job.expires_at), State::Expired);
        assert_eq!(state_at(State::Failed, job.expires_at), State::Failed);
    }

    #[test]
    fn a_job_reads_its_period_newest_first() {
        let on_demand = job(Output::default());
        let selection = on_demand.selection().unwrap();
        assert_eq!((selection.period.from(), selection.period.to()), (on_demand.request.from, on_demand.request.to));
        assert_eq!((selection.order, selection.recorded_before), (SortOrder::Descending, None));
        assert_eq!(on_demand.complete_through(), at("2026-11-02T11:58:00Z"));
        let cut = at("2026-11-01T06:00:00Z");
        let monthly = Job { recorded_from: Some(on_demand.request.from), recorded_before: Some(cut), ..on_demand };
        let selection = monthly.selection().unwrap();
        assert_eq!((selection.recorded_from, selection.recorded_before), (Some(monthly.request.from), Some(cut)));
        assert_eq!(monthly.complete_through(), cut);
        let altered = ExportRequest { to: monthly.request.from, ..monthly.request.clone() };
        assert!(Job { request: altered, ..monthly }.selection().is_err());
    }

    #[test]
    fn progress_is_the_part_of_the_period_behind() {
        let job = job(Output::default());
        for (occurred_at, fraction) in [
            ("2026-12-01T00:00:00Z", 0.0),
            ("2026-11-01T00:00:00Z", 0.0),
            ("2026-10-16T12:00:00Z", 0.5),
            ("2026-10-01T00:00:00Z", 1.0),
            ("2026-09-01T00:00:00Z", 1.0),
        ] {
            assert!((job.fraction_at(at(occurred_at)) - fraction).abs() < 1e-9, "{occurred_at}");
        }
    }

    #[test]
    fn the_manifest_describes_query_and_files() {
        let job = job(Output::default());
        let file = File { name: "f".to_owned(), rows: 1, bytes: 2, sha256: "00".to_owned() };
        let manifest = job.manifest(&contoso(), &[file]).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(
            manifest,
            json!({
                "export": "J", "partner_id": "contoso", "kind": "on_demand", "month": null, "version": null, "recorded_from": null,
                "created_at": "2026-11-02T12:00:00.000Z", "created_by": {"subject": "s-1", "name": "Ana"},
                "range": {"from": "2026-10-01T00:00:00.000000Z", "to": "2026-11-01T00:00:00.000000Z", "time_zone": "UTC"},
                "filters": {}, "format": "csv", "locale": "en", "compression": "none", "rows": "activities", "details": true, "erasures": [],
                "complete_through": "2026-11-02T11:58:00.000000Z",
                "software": {"name": "daybook", "version": env!("CARGO_PKG_VERSION")},
                "files": [{"name": "f", "rows": 1, "bytes": 2, "sha256": "00"}],
            })
        );
    }
}
