//! The streams of a partner: destinations to which the function `streamer` sends activities as they are recorded.
//!
//! A request only changes what is stored and marks the stream as due. The streamer does the rest within a minute.
//!
//! A stream of the audit shows who did what. So only who may see the audit may create, change, test, resend or remove one, or see
//! its secret. Others see that it is there.

use domain::{
    access::Operation,
    activity::{ActivityId, PartnerId},
    audit::{AuditAction, AuditEntry},
    delivery::Secrets,
    query::SETTLE_SECONDS,
    stream::{
        DestinationRules, LogSource, MAX_STREAMS, ReplayRequest, Stream, StreamAnswer, StreamChange, StreamSettings,
        StreamStatus,
    },
    text::hex,
    time::Instant,
};
use lambda::{
    Answer, Problem, ProblemKind, Request, StatusCode,
    audit::{RequestAudit, note_refusal},
    environment, request, response,
    secret::{self, SecretAnswer},
};
use serde::Serialize;
use serde_json::{Value, json};
use store::{
    audit::Audit,
    error,
    partners::{FEED_BEGINS_AFTER_SECONDS, Partners},
    queues::{StreamQueue, StreamRun},
    streams::Streams,
};
use utoipa::ToSchema;

/// How many times a stream is saved again after a concurrent change. The streamer saves its progress often.
const TRIES: usize = 10;

/// The stores and the queue that the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// The streams.
    pub streams: Streams,
    /// The partners, whose settings say whether they have streams.
    pub partners: Partners,
    /// The audit of who changes streams.
    pub audit: Audit,
    /// The queue of the streamer.
    pub queue: StreamQueue,
    /// The destinations that a stream may have.
    pub rules: DestinationRules,
    /// The role of the streamer, which roles of partners trust.
    pub role: String,
}

/// The streams of a partner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamList)]
pub struct StreamListAnswer {
    /// The streams, oldest first.
    pub streams: Vec<StreamAnswer>,
}

/// Answers a request by its route.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    let answer = route(app, &request, now).await;
    note_refusal(&app.audit, &request, &answer, now).await;
    answer
}

async fn route(app: &App, request: &Request, now: Instant) -> Answer {
    match request::route(request).as_str() {
        "POST /v1/partners/{partner}/streams" => create(app, request, now).await,
        "GET /v1/partners/{partner}/streams" => list(app, request, now).await,
        "GET /v1/partners/{partner}/streams/{id}" => show(app, request, now).await,
        "PATCH /v1/partners/{partner}/streams/{id}" => change(app, request, now).await,
        "DELETE /v1/partners/{partner}/streams/{id}" => remove(app, request, now).await,
        "GET /v1/partners/{partner}/streams/{id}/secret" => show_secret(app, request, now).await,
        "POST /v1/partners/{partner}/streams/{id}/secret" => replace_secret(app, request, now).await,
        "POST /v1/partners/{partner}/streams/{id}/test" => test(app, request, now).await,
        "POST /v1/partners/{partner}/streams/{id}/replay" => replay(app, request, now).await,
        _ => Err(Problem::not_found()),
    }
}

async fn create(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let StreamChange { settings, .. } = StreamChange::parse(request::body(request)?, None, &app.rules, now)?;
    check_source(request, &settings)?;
    // Of concurrent requests, each may find room for one more. A few streams beyond the limit do no harm.
    if app.streams.list(&partner).await?.len() >= MAX_STREAMS {
        let detail = format!("The partner has {MAX_STREAMS} streams, and may have no more. Remove one first.");
        return Err(Problem::new(ProblemKind::Unprocessable, detail));
    }
    let id = ActivityId::generate(now).as_str().to_owned();
    let stream = Stream::create(id, hex(&random()?), settings, now, now, caller.author());
    let secrets = Secrets::new(secret::fresh()?, now);
    let entry = entry(AuditAction::StreamSaved, &stream.id).changed(&Value::Null, &stream.describe());
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    let created = audit.change(&partner, entry, store_new(app, &partner, stream, &secrets, now)).await?;
    response::json(StatusCode::CREATED, &shown(app, &partner, &created, now).await?)
}

/// Refuses a caller who may not see the log that a stream sends.
fn check_source(request: &Request, settings: &StreamSettings) -> Result<(), Problem> {
    match settings.source {
        LogSource::Activities => Ok(()),
        LogSource::Audit => request::partner_for(request, Operation::Oversee).map(drop),
    }
}

/// Stores a stream that begins when the feed of the partner does. The audit has a feed of its own, which is always on.
async fn store_new(
    app: &App,
    partner: &PartnerId,
    stream: Stream,
    secrets: &Secrets,
    now: Instant,
) -> Result<Stream, Problem> {
    if stream.settings.source == LogSource::Audit {
        let is_new = app.streams.create(partner, &stream, secrets, now.plus_seconds(SETTLE_SECONDS)).await?;
        return if is_new { Ok(stream) } else { Err(changed()) };
    }
    let feed = app.partners.switch_streams_on(partner, now).await?;
    let Stream { id, settings, external_id, created_by, .. } = stream;
    let stream = Stream::create(id, external_id, settings, now.max(feed.begins_at), now, created_by);
    // The first run reads what was recorded by processes that did not know yet that they must mark the partner.
    let due_at = now.plus_seconds(FEED_BEGINS_AFTER_SECONDS + SETTLE_SECONDS);
    if !app.streams.create(partner, &stream, secrets, due_at).await? {
        return Err(changed());
    }
    // Once more, because a request that removed the last stream meanwhile may have switched the streams off.
    app.partners.switch_streams_on(partner, now).await?;
    Ok(stream)
}

async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let streams = app.streams.list(&partner).await?;
    let mark = if streams.is_empty() { None } else { app.streams.due_marks().mark(&partner, None).await? };
    let recorded_at = mark.map(|mark| mark.at);
    let streams = streams.iter().map(|stream| stream.show(&partner, &app.role, outstanding(stream, recorded_at), now));
    response::json(StatusCode::OK, &StreamListAnswer { streams: streams.collect() })
}

async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let stream = present(app, &partner, request).await?;
    response::json(StatusCode::OK, &shown(app, &partner, &stream, now).await?)
}

/// Returns the stream of the path, if it is there.
async fn find(app: &App, partner: &PartnerId, request: &Request) -> Result<Option<Stream>, Problem> {
    let id = request::path(request, "id")?;
    Ok(if ActivityId::is_valid(&id) { app.streams.get(partner, &id).await? } else { None })
}

/// Returns the stream of the path, or 404 if there is none.
async fn present(app: &App, partner: &PartnerId, request: &Request) -> Result<Stream, Problem> {
    find(app, partner, request).await?.ok_or_else(Problem::not_found)
}

/// The same for a request that does something with the stream: 403 if the caller may not see the log that the stream sends.
async fn managed(app: &App, partner: &PartnerId, request: &Request) -> Result<Stream, Problem> {
    let stream = present(app, partner, request).await?;
    check_source(request, &stream.settings)?;
    Ok(stream)
}

async fn shown(app: &App, partner: &PartnerId, stream: &Stream, now: Instant) -> Result<StreamAnswer, Problem> {
    let mark = app.streams.due_marks().mark(partner, None).await?;
    Ok(stream.show(partner, &app.role, outstanding(stream, mark.map(|mark| mark.at)), now))
}

/// Returns since when something is outstanding, by the last minute in which an activity was recorded. A stream of the audit or
/// one that does not deliver counts from the end of its deliveries, because nobody notes for it what is outstanding.
fn outstanding(stream: &Stream, recorded_at: Option<Instant>) -> Option<Instant> {
    match stream.status() {
        StreamStatus::Active if stream.settings.source == LogSource::Activities => recorded_at,
        StreamStatus::Active | StreamStatus::Paused | StreamStatus::Failing | StreamStatus::Stopped => {
            Some(stream.state.delivered_through)
        }
    }
}

async fn change(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let body = request::body(request)?;
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    for _ in 0..TRIES {
        let stream = managed(app, &partner, request).await?;
        let change = StreamChange::parse(body, Some(&stream.settings), &app.rules, now)?;
        let before = stream.describe();
        let mut stream = stream.change(change, now, caller.author());
        let entry = entry(AuditAction::StreamSaved, &stream.id).changed(&before, &stream.describe());
        match audit.change(&partner, entry, store_changed(app, &partner, &mut stream, now)).await {
            Err(problem) if problem.kind() == ProblemKind::Conflict => {}
            Err(problem) => return Err(problem),
            Ok(()) => return response::json(StatusCode::OK, &shown(app, &partner, &stream, now).await?),
        }
    }
    Err(changed())
}

/// Stores a changed stream, or refuses if that is not the last one.
async fn store_changed(app: &App, partner: &PartnerId, stream: &mut Stream, now: Instant) -> Result<(), Problem> {
    app.streams.change(partner, stream, now).await?.then_some(()).ok_or_else(changed)
}

async fn remove(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let stream = find(app, &partner, request).await?;
    // A request that is repeated still notes that no stream is left, because the first one may have failed there.
    match stream {
        None => note_last_removed(app, &partner, now).await?,
        Some(stream) => {
            check_source(request, &stream.settings)?;
            let entry = entry(AuditAction::StreamRemoved, &stream.id).changed(&stream.describe(), &Value::Null);
            let removal = async {
                app.streams.remove(&partner, &stream.id).await?;
                note_last_removed(app, &partner, now).await
            };
            RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, removal).await?;
        }
    }
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Notes that a partner has no streams of activities, if none is left.
async fn note_last_removed(app: &App, partner: &PartnerId, now: Instant) -> Result<(), Problem> {
    let has_streams = async || {
        let streams = app.streams.list(partner).await?;
        Ok::<_, Problem>(streams.iter().any(|stream| stream.settings.source == LogSource::Activities))
    };
    let settings = app.partners.settings(partner).await?;
    if settings.streams && !has_streams().await? {
        app.partners.switch_streams_off(partner, &settings).await?;
        // A stream that was created meanwhile has found the streams switched on.
        if has_streams().await? {
            app.partners.switch_streams_on(partner, now).await?;
        }
    }
    Ok(())
}

async fn show_secret(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let stream = managed(app, &partner, request).await?;
    let secrets = app.streams.secrets(&partner, &stream.id).await?.ok_or_else(Problem::not_found)?;
    // The answer to HEAD has no body, so that it shows nothing.
    if !request::is_head(request) {
        let audit = RequestAudit::new(&app.audit, request, &caller, now);
        audit.reveal(&partner, &entry(AuditAction::SecretShown, &stream.id)).await?;
    }
    response::json(StatusCode::OK, &SecretAnswer::of(&secrets, now))
}

async fn replace_secret(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    // A secret of the caller's own would be ignored, and its signatures would not match.
    request::refuse_fields(request)?;
    let stream = managed(app, &partner, request).await?;
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    let replacement =
        async { secret::rotated(app.streams.rotate_secret(&partner, &stream.id, secret::fresh()?, now).await?) };
    let secrets = audit.change(&partner, entry(AuditAction::SecretReplaced, &stream.id), replacement).await?;
    response::json(StatusCode::OK, &SecretAnswer::of(&secrets, now))
}

async fn test(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    // The activity of a test cannot be chosen.
    request::refuse_fields(request)?;
    let stream = managed(app, &partner, request).await?;
    let run = StreamRun { partner: partner.to_string(), stream: Some(stream.id.clone()), test: true };
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    audit
        .change(&partner, entry(AuditAction::StreamTested, &stream.id), async { Ok(app.queue.send(&run).await?) })
        .await?;
    response::json(StatusCode::ACCEPTED, &shown(app, &partner, &stream, now).await?)
}

async fn replay(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let period = ReplayRequest::parse(request::body(request)?, now)?;
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    for _ in 0..TRIES {
        let stream = managed(app, &partner, request).await?;
        let refused = |refusal: domain::stream::ReplayRefusal| Problem::new(ProblemKind::Conflict, refusal.to_string());
        let mut stream = stream.begin_replay(period, now).map_err(refused)?;
        let asked = json!({"from": period.from(), "to": period.to()});
        let entry = entry(AuditAction::StreamReplayed, &stream.id).changed(&Value::Null, &asked);
        match audit.change(&partner, entry, store_changed(app, &partner, &mut stream, now)).await {
            Err(problem) if problem.kind() == ProblemKind::Conflict => {}
            Err(problem) => return Err(problem),
            Ok(()) => return response::json(StatusCode::ACCEPTED, &shown(app, &partner, &stream, now).await?),
        }
    }
    Err(changed())
}

fn entry(action: AuditAction, id: &str) -> AuditEntry {
    AuditEntry::new(action).about("stream", id)
}

fn changed() -> Problem {
    Problem::new(ProblemKind::Conflict, "Somebody else is changing the stream. Send the same request again.")
}

fn random() -> Result<[u8; 32], Problem> {
    Ok(environment::random().map_err(|error| error::Error::permanent("making a secret", error))?)
}
