//! Exports on demand, their list, and their files.

use std::time::{Duration, UNIX_EPOCH};

use daybook::{
    access::Operation,
    activity::{Object, PartnerId, Rejection, from_json},
    control::{ListPosition, MAX_LISTED},
    export::{
        LINK_SECONDS,
        job::{Compression, Format, Job, Kind, MANIFEST, Output, Request as ExportRequest, Rows, Standing, State},
    },
    http::{self, Answer, Parameters, Problem, ProblemKind},
    period::{Instant, quoted},
    question::{Question, one_or_many},
};
use lambda_http::{
    Request,
    http::{HeaderName, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::App;

const DEFAULT_LISTED: usize = 50;
const MAX_KEY_CHARS: usize = 255;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wire {
    from: Option<String>,
    to: Option<String>,
    time_zone: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    customer: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    actor: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    action: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    status: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    target_type: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    target: Vec<String>,
    q: Option<String>,
    format: Option<String>,
    locale: Option<String>,
    compression: Option<String>,
    rows: Option<String>,
    details: Option<bool>,
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

/// Reads the form of the files.
pub(crate) fn output(request: &Request, form: Form<'_>) -> Result<Output, Problem> {
    let invalid = |fault| Problem::from(Rejection::Invalid(vec![fault]));
    Ok(Output {
        format: form.format.map_or(Ok(Format::default()), Format::parse).map_err(invalid)?,
        locale: http::locale(request, form.locale)?,
        compression: form.compression.map_or(Ok(Compression::default()), Compression::parse).map_err(invalid)?,
        rows: form.rows.map_or(Ok(Rows::default()), Rows::parse).map_err(invalid)?,
        details: form.details.unwrap_or(true),
    })
}

pub(crate) async fn create(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = http::partner_for(request, Operation::Read)?;
    let body = http::body(request)?;
    let Object(wire): Object<Wire> = from_json(if body.trim().is_empty() { "{}" } else { body })?;
    let form = Form {
        format: wire.format.as_deref(),
        locale: wire.locale.as_deref(),
        compression: wire.compression.as_deref(),
        rows: wire.rows.as_deref(),
        details: wire.details,
    };
    let output = output(request, form)?;
    let question = Question {
        from: wire.from,
        to: wire.to,
        time_zone: wire.time_zone,
        customer: wire.customer,
        actor: wire.actor,
        action: wire.action,
        status: wire.status,
        target_type: wire.target_type,
        target: wire.target,
        q: wire.q,
    };
    let (period, time_zone, filter) = question.read(now)?;
    let asked = ExportRequest { from: period.from(), to: period.to(), time_zone, filter, output };
    let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    let mut id = Ulid::from_datetime(time).to_string();
    if let Some(key) = http::header_text(request, &IDEMPOTENCY_KEY) {
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
            return Err(Problem::field("Idempotency-Key", format!("must have 1 to {MAX_KEY_CHARS} characters")));
        }
        id = app.control.claim_key(&partner, key, &id).await?;
    }
    let job = Job::on_demand(id, asked, caller.name().to_owned(), now, app.retention_seconds);
    let job = if app.control.create_job(&partner, &job).await? {
        app.queue.send(&partner, &job.id).await?;
        job
    } else {
        let (first, standing) = app.control.job(&partner, &job.id).await?.ok_or_else(Problem::not_found)?;
        if standing.state == State::Pending {
            // The request before this one may have died before it sent the message.
            app.queue.send(&partner, &first.id).await?;
        }
        return accepted(&partner, &first, &standing, now);
    };
    accepted(&partner, &job, &Standing::new(), now)
}

fn accepted(partner: &PartnerId, job: &Job, standing: &Standing, now: Instant) -> Answer {
    let mut response = http::ok(StatusCode::ACCEPTED, &shown(partner, job, standing, now))?;
    // Relative to the request's own address, which is the collection's.
    http::add_header(&mut response, header::LOCATION, &format!("exports/{}", job.id));
    Ok(response)
}

fn shown(partner: &PartnerId, job: &Job, standing: &Standing, now: Instant) -> Value {
    let request = &job.request;
    let state = standing.state_at(job, now);
    json!({
        "id": job.id,
        "partner_id": partner,
        "status": state,
        "kind": job.kind,
        "month": job.month,
        "created_at": job.created_at.to_millis_text(),
        "created_by": job.created_by,
        "range": {"from": request.from, "to": request.to, "time_zone": request.time_zone.name()},
        "filters": request.filter,
        "format": request.output.format,
        "locale": request.output.locale,
        "compression": request.output.compression,
        "rows": request.output.rows,
        "details": request.output.details,
        "progress": standing.progress,
        "files": if state == State::Ready { json!(standing.files) } else { json!([]) },
        "manifest": (state == State::Ready && job.manifest).then_some(MANIFEST),
        "problem": standing.problem,
        "complete_through": job.complete_through(),
        "expires_at": job.expires_at.to_millis_text(),
    })
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Read)?;
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
    let after: ListPosition = match parameters.one("cursor")? {
        None => ListPosition::default(),
        Some(cursor) => http::unseal(&cursor)?,
    };
    let (jobs, next) = app.control.jobs(&partner, kind, limit, after).await?;
    let next = next.map(|next| http::seal(&next)).transpose()?;
    let exports: Vec<Value> = jobs.iter().map(|(job, standing)| shown(&partner, job, standing, now)).collect();
    http::ok(StatusCode::OK, &json!({"exports": exports, "next_cursor": next}))
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Read)?;
    let (job, standing) = app.control.job(&partner, &id(request)?).await?.ok_or_else(Problem::not_found)?;
    http::ok(StatusCode::OK, &shown(&partner, &job, &standing, now))
}

pub(crate) async fn cancel(app: &App, request: &Request) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Read)?;
    let cancelled = app.control.cancel_job(&partner, &id(request)?).await?;
    let (job, standing) = cancelled.ok_or_else(Problem::not_found)?;
    if let Some(checkpoint) = &standing.checkpoint
        && let Some(upload) = &checkpoint.file.upload
    {
        let name = job.file_name(&partner, checkpoint.files.len());
        app.files.abandon(&job.object_key(&partner, &name), upload).await?;
    }
    for name in job.stored_names(&partner, &standing) {
        app.files.remove(&job.object_key(&partner, &name)).await?;
    }
    Ok(http::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn download(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Read)?;
    let parameters = Parameters::read(request, &["redirect"])?;
    let redirect = match parameters.one("redirect")?.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(Problem::field("redirect", format!("{} is neither true nor false", quoted(other)))),
    };
    let name = http::path(request, "name")?;
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
        let mut response = http::empty(StatusCode::SEE_OTHER);
        http::add_header(&mut response, header::LOCATION, &link);
        return Ok(response);
    }
    let expires_at = now.plus_seconds(i64::try_from(LINK_SECONDS).unwrap_or(i64::MAX));
    http::ok(StatusCode::OK, &json!({"url": link, "expires_at": expires_at.to_millis_text()}))
}

/// The export of the path: a ULID or a month's id; anything else is not there.
fn id(request: &Request) -> Result<String, Problem> {
    let id = http::path(request, "id")?;
    let plain = id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain { Ok(id) } else { Err(Problem::not_found()) }
}
