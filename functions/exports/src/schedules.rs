//! Schedules of monthly exports, their results, and the secret that signs their notifications.

use domain::{
    access::{Author, Operation},
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    delivery::{Delivery, DeliveryState, Secrets},
    fault::{Fault, Faults, Rejection},
    filter::Filter,
    job::{Compression, Format, Kind, Rows, State},
    locale::Locale,
    query::SentFilters,
    recipient::{MAX_RECIPIENTS, Recipient},
    request_json::{TextOrOther, Update, read_owned},
    schedule::{Schedule, ScheduleUpdate, TooFarAhead},
    text::parse_word,
    time::{Instant, Month, Zone},
};
use lambda::{
    Answer, Problem, ProblemKind, Request, StatusCode,
    audit::RequestAudit,
    request, response,
    secret::{self, SecretAnswer},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::jobs::ListPosition;
use utoipa::ToSchema;

use crate::App;

/// The number of exports in a schedule's results.
const RESULTS: usize = 12;
/// How many times a schedule is saved again after a concurrent change.
const TRIES: usize = 5;

/// A schedule to save. Absent members stay as they are; `null` sets the default, which is also that of a new schedule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveSchedule {
    /// Whether the schedule is on; the default is true.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    enabled: Update<bool>,
    /// The time zone of the calendar months, an IANA name; the default is UTC.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Paris")]
    time_zone: Update<String>,
    /// The format of the files; the default is csv.
    #[serde(default)]
    #[schema(value_type = Option<Format>)]
    format: Update<String>,
    /// The language of the files; the default is that of `Accept-Language`.
    #[serde(default)]
    #[schema(value_type = Option<Locale>)]
    locale: Update<String>,
    /// The compression of the files; the default is none.
    #[serde(default)]
    #[schema(value_type = Option<Compression>)]
    compression: Update<String>,
    /// The meaning of a row; the default is an activity.
    #[serde(default)]
    #[schema(value_type = Option<Rows>)]
    rows: Update<String>,
    /// Whether the files contain the details; the default is true.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    details: Update<bool>,
    /// The filters of the files, as in a list; the default is none. The next months and versions have them.
    #[serde(default)]
    #[schema(value_type = Option<SentFilters>)]
    filters: Update<SentFilters>,
    /// The first month to export; the default is the previous month.
    #[serde(default)]
    #[schema(value_type = Option<Month>)]
    from: Update<String>,
    /// The recipients of notifications: webhooks (`https://…`) and e-mail addresses (`mailto:…`); the default is nobody.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 10, example = json!(["https://portal.example/hooks/daybook"]))]
    notify: Update<Vec<TextOrOther>>,
}

/// A partner's schedule of monthly exports.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleAnswer {
    /// The partner.
    pub partner_id: PartnerId,
    /// Whether the schedule is on.
    pub enabled: bool,
    /// The time zone of the calendar months, an IANA name.
    pub time_zone: &'static str,
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
    /// The filters of the next months and versions.
    pub filters: Filter,
    /// The first month to export.
    pub from: Month,
    /// The recipients of notifications.
    pub notify: Vec<String>,
    /// The next month to export.
    pub next_month: Month,
    /// The time of the next export; null while the schedule is off.
    #[schema(format = DateTime)]
    pub next_run_at: Option<String>,
    /// The time of the next search for late activities; null while the schedule is off, and before its first month.
    #[schema(format = DateTime)]
    pub next_look_at: Option<String>,
    /// The last exports, newest month first.
    pub results: Vec<ResultAnswer>,
    /// The time at which the schedule was saved.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// The person or machine that saved it.
    pub updated_by: Author,
}

/// An export of the schedule, and its notifications.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduleResult)]
pub struct ResultAnswer {
    /// The export's id.
    pub export: String,
    /// The month.
    pub month: Option<Month>,
    /// The version of the month's export; from version 2 on, it contains late activities only.
    pub version: u32,
    /// The status.
    pub status: State,
    /// The time at which the export was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The number of rows in all files.
    pub rows: u64,
    /// The reason of the failure.
    pub problem: Option<String>,
    /// The notifications.
    pub deliveries: Vec<DeliveryAnswer>,
}

/// The notification of one recipient.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryAnswer {
    /// The recipient.
    pub recipient: String,
    /// The status.
    pub status: DeliveryState,
    /// The number of attempts.
    pub attempts: u32,
    /// The time of the last attempt.
    #[schema(format = DateTime)]
    pub last_attempt_at: Option<String>,
    /// The time of the next attempt.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
    /// The HTTP status of the last answer.
    pub http_status: Option<u16>,
    /// The reason of the last failure.
    pub problem: Option<String>,
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let schedule = present(app, &partner).await?;
    shown(app, &partner, &schedule, now).await
}

/// Returns a partner's schedule, or 404 if there is none.
async fn present(app: &App, partner: &PartnerId) -> Result<Schedule, Problem> {
    let schedule = app.control.schedule(partner).await?;
    schedule.filter(|schedule| !schedule.removed).ok_or_else(Problem::not_found)
}

/// Reads a request to save a schedule.
fn read_update(app: &App, request: &Request, now: Instant) -> Result<ScheduleUpdate, Problem> {
    let mut faults = Faults::default();
    let wanted: Option<SaveSchedule> = read_owned(request::body(request)?, &mut faults);
    let update = wanted.map(|wanted| ScheduleUpdate {
        enabled: wanted.enabled,
        time_zone: wanted.time_zone.parse("/time_zone", &mut faults, |name| Zone::parse(&name)),
        format: wanted.format.parse("/format", &mut faults, |word| parse_word(&word)),
        locale: wanted.locale.parse("/locale", &mut faults, |tag| Locale::parse(&tag).map_err(|fault| fault.detail)),
        compression: wanted.compression.parse("/compression", &mut faults, |word| parse_word(&word)),
        rows: wanted.rows.parse("/rows", &mut faults, |word| parse_word(&word)),
        details: wanted.details,
        filter: match wanted.filters {
            Update::Set(sent) => sent.read("/filters", now, &mut faults).map_or(Update::Keep, Update::Set),
            Update::Reset => Update::Reset,
            Update::Keep => Update::Keep,
        },
        from: wanted.from.parse("/from", &mut faults, |month| Month::parse(&month)),
        notify: match wanted.notify {
            Update::Set(sent) => Update::Set(recipients(app, &sent, &mut faults)),
            Update::Reset => Update::Reset,
            Update::Keep => Update::Keep,
        },
        language: request::preferred_locale(request),
    });
    Ok(faults.finish(update)?)
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let update = read_update(app, request, now)?;
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    for _ in 0..TRIES {
        let before = app.control.schedule(&partner).await?;
        let wanted = update.clone().resolve(before.as_ref(), now);
        let saved = Schedule::save(before.clone(), wanted, now, caller.author());
        let mut schedule = saved.map_err(|TooFarAhead(latest)| {
            let detail = format!("is more than a month ahead; the schedule can start at {latest} at the latest");
            Rejection::Unprocessable(vec![Fault::new("/from", detail)])
        })?;
        let entry = entry(AuditAction::ScheduleSaved, &partner)
            .changed(&described(before.as_ref()), &described(Some(&schedule)));
        match audit.change(&partner, entry, store(app, &partner, &mut schedule, now)).await {
            // Somebody else has changed the schedule meanwhile.
            Err(problem) if problem.kind() == ProblemKind::Conflict => {}
            Err(problem) => return Err(problem),
            Ok(()) => return shown(app, &partner, &schedule, now).await,
        }
    }
    Err(changed())
}

/// Stores a schedule in place of the one that it was made from, or refuses if that is not the last one.
async fn store(app: &App, partner: &PartnerId, schedule: &mut Schedule, now: Instant) -> Result<(), Problem> {
    if schedule.notify.iter().any(|recipient| matches!(recipient, Recipient::Webhook(_))) {
        // Created first, because every webhook is signed.
        app.control.create_secrets(partner, &Secrets::new(secret::fresh()?, now)).await?;
    }
    let is_stored = app.control.save_schedule(partner, schedule, app.rules.grace_seconds).await?;
    is_stored.then_some(()).ok_or_else(changed)
}

fn entry(action: AuditAction, partner: &PartnerId) -> AuditEntry {
    AuditEntry::new(action).about("schedule", partner.as_str())
}

/// Describes the settings of a schedule for the audit; a removed schedule has none.
fn described(schedule: Option<&Schedule>) -> Value {
    let Some(schedule) = schedule.filter(|schedule| !schedule.removed) else { return Value::Null };
    json!({
        "enabled": schedule.enabled,
        "time_zone": schedule.time_zone.name(),
        "format": schedule.output.format,
        "locale": schedule.output.locale,
        "compression": schedule.output.compression,
        "rows": schedule.output.rows,
        "details": schedule.output.details,
        "filters": schedule.filter,
        "from": schedule.from,
        "notify": schedule.notify,
    })
}

fn recipients(app: &App, sent: &[TextOrOther], faults: &mut Faults) -> Vec<Recipient> {
    if sent.len() > MAX_RECIPIENTS {
        faults.invalid("/notify", format!("has {} recipients; give at most {MAX_RECIPIENTS}", sent.len()));
        return Vec::new();
    }
    let mut recipients = Vec::new();
    for (index, sent) in sent.iter().enumerate() {
        let recipient = match sent {
            TextOrOther::Text(text) => Recipient::parse(text, &app.reach),
            TextOrOther::Other(_) => Err("must be a string".to_owned()),
        };
        if let Some(recipient) = faults.keep(&format!("/notify/{index}"), recipient)
            && !recipients.contains(&recipient)
        {
            recipients.push(recipient);
        }
    }
    recipients
}

pub(crate) async fn remove(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    for _ in 0..TRIES {
        let schedule = app.control.schedule(&partner).await?.filter(|schedule| !schedule.removed);
        let entry =
            entry(AuditAction::ScheduleRemoved, &partner).changed(&described(schedule.as_ref()), &described(None));
        let removed = schedule.map(|schedule| schedule.remove(now, caller.author()));
        match audit.change(&partner, entry, store_removed(app, &partner, removed)).await {
            Err(problem) if problem.kind() == ProblemKind::Conflict => {}
            Err(problem) => return Err(problem),
            Ok(()) => return Ok(response::empty(StatusCode::NO_CONTENT)),
        }
    }
    Err(changed())
}

/// Stores a removed schedule, if there was one, and removes its secrets.
async fn store_removed(app: &App, partner: &PartnerId, removed: Option<Schedule>) -> Result<(), Problem> {
    if let Some(mut removed) = removed
        && !app.control.save_schedule(partner, &mut removed, app.rules.grace_seconds).await?
    {
        return Err(changed());
    }
    Ok(app.control.remove_secrets(partner).await?)
}

fn changed() -> Problem {
    Problem::new(ProblemKind::Conflict, "Somebody else is changing the schedule. Send the same request again.")
}

pub(crate) async fn show_secret(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    let secrets = app.control.secrets(&partner).await?.ok_or_else(Problem::not_found)?;
    // The answer to HEAD has no body, so that it shows nothing.
    if !request::is_head(request) {
        let audit = RequestAudit::new(&app.audit, request, &caller, now);
        audit.reveal(&partner, &entry(AuditAction::SecretShown, &partner)).await?;
    }
    response::json(StatusCode::OK, &SecretAnswer::of(&secrets, now))
}

pub(crate) async fn rotate_secret(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    request::refuse_parameters(request)?;
    // A secret of the caller's own would be ignored, and its signatures would not match.
    request::refuse_fields(request)?;
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    let entry = entry(AuditAction::SecretReplaced, &partner);
    let secrets = audit.change(&partner, entry, replace_secret(app, &partner, now)).await?;
    response::json(StatusCode::OK, &SecretAnswer::of(&secrets, now))
}

async fn replace_secret(app: &App, partner: &PartnerId, now: Instant) -> Result<Secrets, Problem> {
    secret::rotated(app.control.rotate_secret(partner, secret::fresh()?, now).await?)
}

async fn shown(app: &App, partner: &PartnerId, schedule: &Schedule, now: Instant) -> Answer {
    let (jobs, _) = app.control.jobs(partner, Some(Kind::Monthly), RESULTS, ListPosition::default()).await?;
    let mut deliveries = app.control.deliveries(partner, RESULTS * MAX_RECIPIENTS).await?;
    let results = jobs.into_iter().map(|(job, status)| {
        let (own, others) = deliveries.drain(..).partition(|delivery| delivery.export == job.id);
        deliveries = others;
        ResultAnswer {
            status: status.state_at(&job, now),
            export: job.id,
            month: job.month,
            version: job.version,
            created_at: job.created_at.to_millis_text(),
            rows: status.progress.rows,
            problem: status.problem,
            deliveries: own.into_iter().map(shown_delivery).collect(),
        }
    });
    let text = |instant: Instant| instant.to_millis_text();
    let answer = ScheduleAnswer {
        results: results.collect(),
        partner_id: partner.clone(),
        enabled: schedule.enabled,
        time_zone: schedule.time_zone.name(),
        format: schedule.output.format,
        locale: schedule.output.locale,
        compression: schedule.output.compression,
        rows: schedule.output.rows,
        details: schedule.output.details,
        filters: schedule.filter.clone(),
        from: schedule.from,
        notify: schedule.notify.iter().map(ToString::to_string).collect(),
        next_month: schedule.next,
        next_run_at: schedule.enabled.then(|| text(schedule.next_run_at(app.rules.grace_seconds))),
        next_look_at: schedule.check_at().filter(|_| schedule.enabled).map(text),
        updated_at: text(schedule.updated_at),
        updated_by: Author { subject: schedule.updated_by_subject.clone(), name: schedule.updated_by.clone() },
    };
    response::json(StatusCode::OK, &answer)
}

fn shown_delivery(delivery: Delivery) -> DeliveryAnswer {
    DeliveryAnswer {
        recipient: delivery.recipient.to_string(),
        status: delivery.state,
        attempts: delivery.attempts,
        last_attempt_at: delivery.last_at.map(Instant::to_millis_text),
        next_attempt_at: delivery.next_at.map(Instant::to_millis_text),
        http_status: delivery.answer,
        problem: delivery.problem,
    }
}
