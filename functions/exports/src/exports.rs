//! Exports on demand, their list, and their files.

use std::time::{Duration, UNIX_EPOCH};

use domain::{
    access::{Author, Caller, Operation},
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    fault::{Fault, Faults, Rejection},
    filter::Filter,
    job::{Compression, ExportRequest, File, Format, Job, JobStatus, Kind, MANIFEST, Output, Progress, Rows, State},
    json::Json,
    locale::Locale,
    query::{OneOrMany, Question, given_text, one_or_many},
    request_json::{from_json, read_owned},
    text::{hex, quoted},
    time::{Instant, Month},
};
use lambda::{
    Answer, HeaderName, Parameters, Problem, ProblemKind, Request, StatusCode,
    audit::RequestAudit,
    cursor, header, link,
    metrics::{self, Metric},
    payload, request, response,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use store::{
    jobs::{IdempotencyKey, KeyClaim, ListPosition, MAX_LISTED},
    meter,
};
use ulid::Ulid;
use utoipa::ToSchema;

use crate::{App, visible};

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
    pub created_by: Author,
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
    #[schema(value_type = Vec<ExportAnswer>)]
    pub exports: Vec<Box<RawValue>>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A request to create an export, once it is read.
struct RequestedExport {
    request: ExportRequest,
    /// A digest of the body, of the language and of the caller's restriction: two requests with the same digest ask for the
    /// same.
    digest: String,
}

/// Reads a request to create an export.
///
/// A restricted caller asks for the activities that it may see, whatever filter it sends. The restriction becomes a part of
/// the filter, so that the worker applies it and the files state it.
fn read_export_request(request: &Request, caller: &Caller, now: Instant) -> Result<RequestedExport, Problem> {
    let body = request::body_or_empty_object(request)?;
    let mut faults = Faults::default();
    // A filter in the query would be ignored, and the export would hold everything.
    Parameters::read_known(request, &[], &mut faults);
    let sent_keys = request.headers().get_all(&IDEMPOTENCY_KEY).iter().count();
    let is_usable = idempotency_key(request).is_some_and(|key| (1..=MAX_KEY_CHARS).contains(&key.chars().count()));
    if sent_keys > 1 || (sent_keys == 1 && !is_usable) {
        faults.invalid("/Idempotency-Key", format!("must be sent once, with 1 to {MAX_KEY_CHARS} characters in UTF-8"));
    }
    let wanted: Option<CreateExport> = read_owned(body, &mut faults);
    let export = wanted.and_then(|wanted| {
        let output = wanted.output(request, &mut faults);
        let question = wanted.question().read(now).map_err(|rejection| faults.append_rejection(rejection)).ok();
        let (period, time_zone, filter) = question?;
        let filter = caller.customers().restrict(filter);
        Some(ExportRequest { from: period.from(), to: period.to(), time_zone, filter, output: output? })
    });
    let export = faults.finish(export)?;
    let json = Json::parse(from_json(body)?).map_err(|detail| Rejection::invalid("", detail))?;
    let language: &str = export.output.locale.into();
    // With another restriction, the same body asks for something else.
    let restriction = caller.customers().to_key();
    Ok(RequestedExport { request: export, digest: format!("{}{language}{restriction}", hex(json.digest())) })
}

impl CreateExport {
    fn output(&self, request: &Request, faults: &mut Faults) -> Option<Output> {
        let format = self.format.as_deref().map_or(Ok(Format::default()), Format::parse);
        let compression = self.compression.as_deref().map_or(Ok(Compression::default()), Compression::parse);
        let rows = self.rows.as_deref().map_or(Ok(Rows::default()), Rows::parse);
        let (format, compression) = (faults.keep_field(format), faults.keep_field(compression));
        let (rows, locale) =
            (faults.keep_field(rows), faults.keep_field(request::parse_locale(request, self.locale.as_deref())));
        let details = self.details.unwrap_or(true);
        Some(Output { format: format?, locale: locale?, compression: compression?, rows: rows?, details })
    }

    fn question(self) -> Question {
        Question {
            from: self.from,
            to: self.to,
            time_zone: self.time_zone,
            customer: self.customer,
            actor: self.actor,
            action: self.action,
            status: self.status,
            target_type: self.target_type,
            target: self.target,
            correlation: self.correlation,
            source: self.source,
            q: self.q,
        }
    }
}

fn idempotency_key(request: &Request) -> Option<&str> {
    request::header_text(request, &IDEMPOTENCY_KEY)
}

pub(crate) async fn create(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    let RequestedExport { request: asked, digest } = read_export_request(request, &caller, now)?;
    let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    let mut id = Ulid::from_datetime(time).to_string();
    if let Some(key) = idempotency_key(request) {
        let own = std::mem::take(&mut id);
        // Each caller has keys of its own, so that nobody gets a colleague's export by chance.
        let key = IdempotencyKey { subject: caller.subject(), key, request: &digest };
        id = match app.control.claim_key(&partner, &key, &own, now).await? {
            KeyClaim::Job(id) => id,
            KeyClaim::OtherRequest => {
                let detail = "was sent with another request before: use a new key for a new request";
                return Err(Rejection::Unprocessable(vec![Fault::new("/Idempotency-Key", detail)]).into());
            }
        };
        // The first request may have claimed the key and been refused, so that there is no export yet.
        if id != own && app.control.job(&partner, &id).await?.is_some() {
            let first = visible::find_job(app, &caller, &partner, &id).await?;
            return repeated(app, &partner, first, now).await;
        }
    }
    if let Some(limits) = app.limits
        && let Some(over) = meter::check_exports(&app.control, &app.partners, limits, &partner, now).await?
    {
        metrics::add(Metric::Refused, 1);
        return Err(over.into());
    }
    let job = Job::on_demand(id, asked, caller.author(), now, app.rules.retention_seconds);
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    let create = async {
        let is_new = app.control.create_job(&partner, &job).await?;
        if is_new {
            app.queue.send(&partner, &job.id).await?;
        }
        Ok(is_new)
    };
    if audit.change(&partner, AuditEntry::export_requested(&job), create).await? {
        return accepted(&partner, job, JobStatus::new(), now);
    }
    // Another request with the same key has created the job at the same moment.
    let first = visible::find_job(app, &caller, &partner, &job.id).await?;
    repeated(app, &partner, first, now).await
}

/// Answers a request that was sent before with the same key.
async fn repeated(app: &App, partner: &PartnerId, (first, status): (Job, JobStatus), now: Instant) -> Answer {
    if status.state == State::Pending {
        // Sent again, because the first request may have died before it sent the message.
        app.queue.send(partner, &first.id).await?;
    }
    accepted(partner, first, status, now)
}

fn accepted(partner: &PartnerId, job: Job, status: JobStatus, now: Instant) -> Answer {
    let shown = shown(partner, job, status, now);
    let mut response = response::json(StatusCode::ACCEPTED, &shown)?;
    // Relative to the address of the request, which is the collection's.
    response::set_header(&mut response, header::LOCATION, &format!("exports/{}", shown.id));
    Ok(response)
}

fn shown(partner: &PartnerId, job: Job, status: JobStatus, now: Instant) -> ExportAnswer {
    let state = status.state_at(&job, now);
    let complete_through = job.complete_through();
    let (created_by, job_manifest) = (job.author(), job.manifest);
    let Job { id, kind, created_at, request, month, version, expires_at, .. } = job;
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
        progress: status.progress,
        files: if state == State::Ready { status.files } else { Vec::new() },
        manifest: (state == State::Ready && job_manifest).then_some(MANIFEST),
        problem: status.problem,
        complete_through,
        expires_at: expires_at.to_millis_text(),
    }
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["kind", "limit", "cursor"], &mut faults);
    let kind = faults.keep_part(parameters.parse("kind", |kind| match kind {
        "on_demand" => Ok(Kind::OnDemand),
        "monthly" => Ok(Kind::Monthly),
        other => Err(format!("{} is neither on_demand nor monthly", quoted(other))),
    }));
    let limit = faults.keep_part(parameters.number("limit", DEFAULT_LISTED, MAX_LISTED));
    let text = faults.keep_part(parameters.cursor());
    let ((kind, limit), text) = faults.finish(kind.zip(limit).zip(text))?;
    let after: ListPosition = match text {
        None => ListPosition::default(),
        Some(text) => cursor::decode_cursor("cursor", &text)?,
    };
    let (jobs, mut next) = visible::list_jobs(app, &caller, &partner, kind, limit, after.clone()).await?;
    let listed = jobs.iter().cloned().map(|(job, status)| shown(&partner, job, status, now));
    let exports = payload::write_fitting(listed)?;
    if exports.len() < jobs.len() {
        next = Some(after.behind(jobs.iter().take(exports.len()).map(|(job, _)| job)));
    }
    let next_cursor = next.map(|next| cursor::encode_cursor(&next)).transpose()?;
    response::json(StatusCode::OK, &ExportListAnswer { exports, next_cursor })
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    request::refuse_parameters(request)?;
    let (job, status) = visible::find_job(app, &caller, &partner, &id(request)?).await?;
    response::json(StatusCode::OK, &shown(&partner, job, status, now))
}

pub(crate) async fn cancel(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    request::refuse_parameters(request)?;
    let id = id(request)?;
    let (job, status) = visible::find_job(app, &caller, &partner, &id).await?;
    caller.may_remove_export(job.created_by_subject.as_deref())?;
    let entry = AuditEntry::of_export(AuditAction::ExportCancelled, &id)
        .changed(&json!({"status": status.state_at(&job, now)}), &json!({"status": State::Cancelled}));
    RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, remove(app, &partner, &id)).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Cancels an export and removes its files.
async fn remove(app: &App, partner: &PartnerId, id: &str) -> Result<(), Problem> {
    let cancelled = app.control.cancel_job(partner, id).await?;
    let (job, status) = cancelled.ok_or_else(Problem::not_found)?;
    if let Some(checkpoint) = &status.checkpoint
        && let Some(upload) = &checkpoint.file.upload
    {
        let name = job.file_name(partner, checkpoint.files.len());
        app.files.abort_upload(&job.object_key(partner, &name), upload).await?;
    }
    for name in job.stored_names(partner, &status) {
        app.files.remove(&job.object_key(partner, &name)).await?;
    }
    Ok(())
}

pub(crate) async fn download(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["redirect"], &mut faults);
    let is_redirect = faults.keep_part(link::wants_redirect(&parameters));
    let is_redirect = faults.finish(is_redirect)?;
    let name = request::path(request, "name")?;
    let id = id(request)?;
    let (job, status) = visible::find_job(app, &caller, &partner, &id).await?;
    match status.state_at(&job, now) {
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
    // A person who saves several manifests can tell them apart by their names.
    let (saved_as, media_type) = if job.manifest && name == MANIFEST {
        (job.manifest_file_name(&partner), "application/json")
    } else if status.files.iter().any(|file| file.name == name) {
        (name.clone(), job.request.output.media_type())
    } else {
        return Err(Problem::not_found());
    };
    let method = link::method(request, is_redirect);
    let url = app.files.link(&job.object_key(&partner, &name), &saved_as, media_type, method).await?;
    // A link to the head of a file leads to no content.
    if !request::is_head(request) {
        let entry = AuditEntry::of_export(AuditAction::ExportDownloaded, &id).named(&name);
        RequestAudit::new(&app.audit, request, &caller, now).reveal(&partner, &entry).await?;
    }
    link::answer(url, is_redirect, now)
}

/// Returns the id of the export in the path: a ULID, or the id of a month's export.
fn id(request: &Request) -> Result<String, Problem> {
    let id = request::path(request, "id")?;
    let is_plain = id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_plain { Ok(id) } else { Err(Problem::not_found()) }
}
