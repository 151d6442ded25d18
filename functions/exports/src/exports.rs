//! Exports on demand, their list, and their files.

use std::time::{Duration, UNIX_EPOCH};

use domain::{
    access::Operation,
    activity::PartnerId,
    fault::Rejection,
    filter::Filter,
    job::{Compression, ExportRequest, File, Format, Job, JobStatus, Kind, MANIFEST, Output, Progress, Rows, State},
    locale::Locale,
    query::{OneOrMany, Question, given_text, one_or_many},
    request_json::{Object, from_json},
    text::quoted,
    time::{Instant, Month},
};
use export::LINK_SECONDS;
use lambda::{
    Answer, HeaderName, Parameters, Problem, ProblemKind, Request, StatusCode, cursor, header,
    metrics::{self, Metric},
    request, response,
};
use serde::{Deserialize, Serialize};
use store::{
    jobs::{ListPosition, MAX_LISTED},
    meter,
};
use ulid::Ulid;
use utoipa::ToSchema;

use crate::App;

const DEFAULT_LISTED: usize = 50;
const MAX_KEY_CHARS: usize = 255;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An export to create. Every field is optional; the defaults are those of the list of activities.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CreateExport {
    /// The first instant (RFC 3339) or day (`YYYY-MM-DD`).
    #[schema(example = "2026-10-01")]
    from: Option<String>,
    /// The instant after the last, or the last day.
    #[schema(example = "2026-10-31")]
    to: Option<String>,
    /// The time zone of dates and of local times in the files, an IANA name; the default is UTC.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// Customers' ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    customer: Option<Vec<String>>,
    /// Actors' ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    actor: Option<Vec<String>>,
    /// Actions, or their first words followed by `.*`: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    action: Option<Vec<String>>,
    /// Statuses: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    status: Option<Vec<String>>,
    /// Targets' types: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    target_type: Option<Vec<String>>,
    /// Targets' ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    target: Option<Vec<String>>,
    /// Correlation ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    correlation: Option<Vec<String>>,
    /// Sources: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    source: Option<Vec<String>>,
    /// Words that the activity contains, as in the list.
    #[serde(deserialize_with = "given_text")]
    #[schema(min_length = 1, max_length = 256, pattern = r"\S", nullable = false)]
    q: Option<String>,
    /// The format of the files; the default is csv.
    #[schema(value_type = Option<Format>)]
    format: Option<String>,
    /// The language of the files; the default is that of `Accept-Language`.
    #[schema(value_type = Option<Locale>)]
    locale: Option<String>,
    /// The compression of the files; the default is none.
    #[schema(value_type = Option<Compression>)]
    compression: Option<String>,
    /// The meaning of a row; the default is an activity.
    #[schema(value_type = Option<Rows>)]
    rows: Option<String>,
    /// Whether the files contain the details; the default is true.
    details: Option<bool>,
}

/// An export.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportAnswer {
    /// The id: a ULID, or the month of a monthly export.
    pub id: String,
    /// The partner.
    pub partner_id: PartnerId,
    /// The status.
    pub status: State,
    /// The kind: on demand or monthly.
    pub kind: Kind,
    /// The month of a monthly export.
    pub month: Option<Month>,
    /// The version of a monthly export; from version 2 on, it contains late activities only.
    pub version: Option<u32>,
    /// The time of the request.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The person or machine that requested it.
    pub created_by: String,
    /// The period.
    pub range: ExportRange,
    /// The filters.
    pub filters: Filter,
    /// The format of the files.
    pub format: Format,
    /// The language of the files.
    pub locale: Locale,
    /// The compression of the files.
    pub compression: Compression,
    /// The meaning of a row.
    pub rows: Rows,
    /// Whether the files contain the details.
    pub details: bool,
    /// The amount written so far.
    pub progress: Progress,
    /// The files, once the export is ready.
    pub files: Vec<File>,
    /// The name of the file that describes the others, once the export is ready.
    pub manifest: Option<&'static str>,
    /// The reason of the failure.
    pub problem: Option<String>,
    /// The export contains every matching activity that was acknowledged before this instant.
    pub complete_through: Instant,
    /// The time at which the files are removed.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// The period of an export.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportRange {
    /// The first instant.
    pub from: Instant,
    /// The first instant after.
    pub to: Instant,
    /// The zone of local times in the files, an IANA name.
    pub time_zone: &'static str,
}

/// A page of the list of exports.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportList)]
pub struct ExportListAnswer {
    /// The exports, newest first.
    pub exports: Vec<ExportAnswer>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A link to a file. Keep the link secret: anyone with the link can download the file without a token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileLink)]
pub struct LinkAnswer {
    /// The address.
    pub url: String,
    /// The time at which the link expires.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// The form of the files, as a request says it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Form<'a> {
    pub(crate) format: Option<&'a str>,
    pub(crate) locale: Option<&'a str>,
    pub(crate) compression: Option<&'a str>,
    pub(crate) rows: Option<&'a str>,
    pub(crate) details: Option<bool>,
}

/// Reads the form of an export's files.
pub(crate) fn output(request: &Request, form: Form<'_>) -> Result<Output, Problem> {
    let invalid = |fault| Problem::from(Rejection::Invalid(vec![fault]));
    Ok(Output {
        format: form.format.map_or(Ok(Format::default()), Format::parse).map_err(invalid)?,
        locale: request::locale(request, form.locale)?,
        compression: form.compression.map_or(Ok(Compression::default()), Compression::parse).map_err(invalid)?,
        rows: form.rows.map_or(Ok(Rows::default()), Rows::parse).map_err(invalid)?,
        details: form.details.unwrap_or(true),
    })
}

pub(crate) async fn create(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    let Object(wanted): Object<CreateExport> = from_json(request::body_or_empty_object(request)?)?;
    let form = Form {
        format: wanted.format.as_deref(),
        locale: wanted.locale.as_deref(),
        compression: wanted.compression.as_deref(),
        rows: wanted.rows.as_deref(),
        details: wanted.details,
    };
    let output = output(request, form)?;
    let question = Question {
        from: wanted.from,
        to: wanted.to,
        time_zone: wanted.time_zone,
        customer: wanted.customer,
        actor: wanted.actor,
        action: wanted.action,
        status: wanted.status,
        target_type: wanted.target_type,
        target: wanted.target,
        correlation: wanted.correlation,
        source: wanted.source,
        q: wanted.q,
    };
    let (period, time_zone, filter) = question.read(now)?;
    let asked = ExportRequest { from: period.from(), to: period.to(), time_zone, filter, output };
    let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    let mut id = Ulid::from_datetime(time).to_string();
    let mut is_repeated = false;
    if let Some(key) = request::header_text(request, &IDEMPOTENCY_KEY) {
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
            return Err(Problem::field("Idempotency-Key", format!("must have 1 to {MAX_KEY_CHARS} characters")));
        }
        let own = std::mem::take(&mut id);
        id = app.control.claim_key(&partner, key, &own).await?;
        // The first request may have claimed the key and been refused, so that there is no export yet.
        is_repeated = app.limits.is_some() && id != own && app.control.job(&partner, &id).await?.is_some();
    }
    if let Some(limits) = app.limits.filter(|_| !is_repeated)
        && let Some(over) = meter::check_exports(&app.control, &app.partners, limits, &partner, now).await?
    {
        metrics::add(Metric::Refused, 1);
        return Err(over.into());
    }
    let job = Job::on_demand(id, asked, caller.name().to_owned(), now, app.rules.retention_seconds);
    let job = if app.control.create_job(&partner, &job).await? {
        app.queue.send(&partner, &job.id).await?;
        job
    } else {
        let (first, standing) = app.control.job(&partner, &job.id).await?.ok_or_else(Problem::not_found)?;
        if standing.state == State::Pending {
            // Sent again, because the first request may have died before it sent the message.
            app.queue.send(&partner, &first.id).await?;
        }
        return accepted(&partner, first, standing, now);
    };
    accepted(&partner, job, JobStatus::new(), now)
}

fn accepted(partner: &PartnerId, job: Job, standing: JobStatus, now: Instant) -> Answer {
    let shown = shown(partner, job, standing, now);
    let mut response = response::json(StatusCode::ACCEPTED, &shown)?;
    // Relative to the address of the request, which is the collection's.
    response::set_header(&mut response, header::LOCATION, &format!("exports/{}", shown.id));
    Ok(response)
}

fn shown(partner: &PartnerId, job: Job, standing: JobStatus, now: Instant) -> ExportAnswer {
    let state = standing.state_at(&job, now);
    let complete_through = job.complete_through();
    let job_manifest = job.manifest;
    let Job { id, kind, created_at, created_by, request, month, version, expires_at, .. } = job;
    ExportAnswer {
        id,
        partner_id: partner.clone(),
        status: state,
        kind,
        month,
        version: month.map(|_| version),
        created_at: created_at.to_millis_text(),
        created_by,
        range: ExportRange { from: request.from, to: request.to, time_zone: request.time_zone.name() },
        filters: request.filter,
        format: request.output.format,
        locale: request.output.locale,
        compression: request.output.compression,
        rows: request.output.rows,
        details: request.output.details,
        progress: standing.progress,
        files: if state == State::Ready { standing.files } else { Vec::new() },
        manifest: (state == State::Ready && job_manifest).then_some(MANIFEST),
        problem: standing.problem,
        complete_through,
        expires_at: expires_at.to_millis_text(),
    }
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    let parameters = Parameters::read(request, &["kind", "limit", "cursor"])?;
    let kind = match parameters.one("kind")?.as_deref() {
        None => None,
        Some("on_demand") => Some(Kind::OnDemand),
        Some("monthly") => Some(Kind::Monthly),
        Some(other) => {
            return Err(Problem::field("kind", format!("{} is neither on_demand nor monthly", quoted(other))));
        }
    };
    let limit = parameters.number("limit", DEFAULT_LISTED, MAX_LISTED)?;
    let after: ListPosition = match parameters.cursor()? {
        None => ListPosition::default(),
        Some(text) => cursor::decode_cursor("cursor", &text)?,
    };
    let (jobs, next) = app.control.jobs(&partner, kind, limit, after).await?;
    let next_cursor = next.map(|next| cursor::encode_cursor(&next)).transpose()?;
    let exports = jobs.into_iter().map(|(job, standing)| shown(&partner, job, standing, now)).collect();
    response::json(StatusCode::OK, &ExportListAnswer { exports, next_cursor })
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    let (job, standing) = app.control.job(&partner, &id(request)?).await?.ok_or_else(Problem::not_found)?;
    response::json(StatusCode::OK, &shown(&partner, job, standing, now))
}

pub(crate) async fn cancel(app: &App, request: &Request) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    let cancelled = app.control.cancel_job(&partner, &id(request)?).await?;
    let (job, standing) = cancelled.ok_or_else(Problem::not_found)?;
    if let Some(checkpoint) = &standing.checkpoint
        && let Some(upload) = &checkpoint.file.upload
    {
        let name = job.file_name(&partner, checkpoint.files.len());
        app.files.abort_upload(&job.object_key(&partner, &name), upload).await?;
    }
    for name in job.stored_names(&partner, &standing) {
        app.files.remove(&job.object_key(&partner, &name)).await?;
    }
    Ok(response::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn download(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    let parameters = Parameters::read(request, &["redirect"])?;
    let redirect = match parameters.one("redirect")?.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(Problem::field("redirect", format!("{} is neither true nor false", quoted(other)))),
    };
    let name = request::path(request, "name")?;
    let (job, standing) = app.control.job(&partner, &id(request)?).await?.ok_or_else(Problem::not_found)?;
    match standing.state_at(&job, now) {
        State::Ready => {}
        State::Expired => {
            return Err(Problem::new(
                ProblemKind::Gone,
                "The files of this export have expired. Ask for a new export.",
            ));
        }
        State::Cancelled => {
            return Err(Problem::new(ProblemKind::Gone, "This export was cancelled. Ask for a new one."));
        }
        state => {
            let detail = format!("The export is {}; its files can be downloaded once it is ready.", state.as_str());
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
    }
    let media_type = if job.manifest && name == MANIFEST {
        "application/json"
    } else if standing.files.iter().any(|file| file.name == name) {
        job.request.output.media_type()
    } else {
        return Err(Problem::not_found());
    };
    let link = app.files.link(&job.object_key(&partner, &name), &name, media_type).await?;
    if redirect {
        let mut response = response::empty(StatusCode::SEE_OTHER);
        response::set_header(&mut response, header::LOCATION, &link);
        return Ok(response);
    }
    let expires_at = now.plus_seconds(i64::try_from(LINK_SECONDS).unwrap_or(i64::MAX));
    response::json(StatusCode::OK, &LinkAnswer { url: link, expires_at: expires_at.to_millis_text() })
}

/// Returns the id of the export in the path: a ULID, or the id of a month's export.
fn id(request: &Request) -> Result<String, Problem> {
    let id = request::path(request, "id")?;
    let is_plain = id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_plain { Ok(id) } else { Err(Problem::not_found()) }
}
