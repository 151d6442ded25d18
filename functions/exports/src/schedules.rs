//! Schedules of monthly exports, their results, and the secret that signs their notifications.

use domain::{
    access::Operation,
    activity::PartnerId,
    delivery::{Delivery, DeliveryState, Secret, Secrets},
    job::{Compression, Format, Kind, Rows, State},
    locale::Locale,
    recipient::{MAX_RECIPIENTS, Recipient},
    request_json::{Object, from_json},
    schedule::{Schedule, ScheduleRequest, TooFarAhead},
    time::{Instant, Month, Zone},
};
use lambda::{Answer, Problem, ProblemKind, Request, StatusCode, environment, request, response};
use serde::{Deserialize, Serialize};
use store::{error, jobs::ListPosition};
use utoipa::ToSchema;

use crate::{App, exports};

/// How many exports the results of a schedule go back.
const RESULTS: usize = 12;
/// How often a schedule is saved anew when somebody else has just changed it.
const TRIES: usize = 5;

/// A schedule to save.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveSchedule {
    /// Whether months are made; true where it is absent.
    enabled: Option<bool>,
    /// The zone whose calendar counts, an IANA name; UTC where it is absent.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// The format of the files; csv where it is absent.
    #[schema(value_type = Option<Format>)]
    format: Option<String>,
    /// The language of the files; that of `Accept-Language` where it is absent.
    #[schema(value_type = Option<Locale>)]
    locale: Option<String>,
    /// How the files are compressed; none where it is absent.
    #[schema(value_type = Option<Compression>)]
    compression: Option<String>,
    /// What a row stands for; an activity where it is absent.
    #[schema(value_type = Option<Rows>)]
    rows: Option<String>,
    /// Whether the details are in the files; true where it is absent.
    details: Option<bool>,
    /// The first month to make; the month before this one where it is absent.
    #[schema(value_type = Option<Month>)]
    from: Option<String>,
    /// Whom to tell of each export: webhooks (`https://…`) and e-mail addresses (`mailto:…`).
    #[schema(max_items = 10, example = json!(["https://portal.example/hooks/daybook"]))]
    notify: Option<Vec<String>>,
}

/// A partner's schedule of monthly exports.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleAnswer {
    /// The partner.
    pub partner_id: PartnerId,
    /// Whether months are made.
    pub enabled: bool,
    /// The zone whose calendar counts, an IANA name.
    pub time_zone: &'static str,
    /// The format of the files.
    pub format: Format,
    /// The language of the files.
    pub locale: Locale,
    /// How the files are compressed.
    pub compression: Compression,
    /// What a row stands for.
    pub rows: Rows,
    /// Whether the details are in the files.
    pub details: bool,
    /// The first month to make.
    pub from: Month,
    /// Whom to tell of each export.
    pub notify: Vec<String>,
    /// The first month not yet made.
    pub next_month: Month,
    /// When it will be made; null while the schedule is off.
    #[schema(format = DateTime)]
    pub next_run_at: Option<String>,
    /// When late activities will be looked for; null while the schedule is off, and before its first month.
    #[schema(format = DateTime)]
    pub next_look_at: Option<String>,
    /// The last exports, newest month first.
    pub results: Vec<ResultAnswer>,
    /// When the schedule was saved.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// By whom.
    pub updated_by: String,
}

/// An export that the schedule made, and who was told of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduleResult)]
pub struct ResultAnswer {
    /// The export's id.
    pub export: String,
    /// The month.
    pub month: Option<Month>,
    /// Which version of the month's export it is: from 2 on, it holds late activities only.
    pub version: u32,
    /// How far it is.
    pub status: State,
    /// When it was ordered.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Rows of its files.
    pub rows: u64,
    /// Why it failed.
    pub problem: Option<String>,
    /// Who was told.
    pub deliveries: Vec<DeliveryAnswer>,
}

/// The telling of one recipient.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryAnswer {
    /// Whom.
    pub recipient: String,
    /// How it stands.
    pub status: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    #[schema(format = DateTime)]
    pub last_attempt_at: Option<String>,
    /// When it is tried next.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
    /// The HTTP status of the last answer.
    pub http_status: Option<u16>,
    /// Why the last try failed.
    pub problem: Option<String>,
}

/// The secret that signs a schedule's webhooks (Standard Webhooks).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct SecretAnswer {
    /// The secret: `whsec_` and 32 bytes in base64.
    pub secret: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Until when the secret before it signs as well; null where it does not.
    #[schema(format = DateTime)]
    pub previous_valid_until: Option<String>,
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Settings)?;
    let schedule = present(app, &partner).await?;
    shown(app, &partner, &schedule, now).await
}

/// A partner's schedule; 404 where there is none, or no longer.
async fn present(app: &App, partner: &PartnerId) -> Result<Schedule, Problem> {
    let schedule = app.control.schedule(partner).await?;
    schedule.filter(|schedule| !schedule.removed).ok_or_else(Problem::not_found)
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    let Object(wanted): Object<SaveSchedule> = from_json(request::body(request)?)?;
    let zone = wanted.time_zone.as_deref().map_or(Ok(Zone::UTC), Zone::parse);
    let time_zone = zone.map_err(|detail| Problem::field("time_zone", detail))?;
    let form = exports::Form {
        format: wanted.format.as_deref(),
        locale: wanted.locale.as_deref(),
        compression: wanted.compression.as_deref(),
        rows: wanted.rows.as_deref(),
        details: wanted.details,
    };
    let wishes = ScheduleRequest {
        enabled: wanted.enabled.unwrap_or(true),
        time_zone,
        output: exports::output(request, form)?,
        from: wanted.from.as_deref().map(Month::parse).transpose().map_err(|detail| Problem::field("from", detail))?,
        notify: recipients(app, wanted.notify.unwrap_or_default())?,
    };
    if wishes.notify.iter().any(|recipient| matches!(recipient, Recipient::Webhook(_))) {
        // Before anything could be sent that has to be signed.
        app.control.create_secrets(&partner, &Secrets::new(fresh_secret()?, now)).await?;
    }
    for _ in 0..TRIES {
        let before = app.control.schedule(&partner).await?;
        let schedule = Schedule::save(before, wishes.clone(), now, caller.name().to_owned());
        let mut schedule = schedule.map_err(|TooFarAhead(latest)| {
            let detail = format!("from is more than a month ahead; the schedule can start at {latest} at the latest");
            Problem::new(ProblemKind::Unprocessable, detail)
        })?;
        if app.control.save_schedule(&partner, &mut schedule, app.rules.grace_seconds).await? {
            return shown(app, &partner, &schedule, now).await;
        }
    }
    Err(changed())
}

fn recipients(app: &App, texts: Vec<String>) -> Result<Vec<Recipient>, Problem> {
    if texts.len() > MAX_RECIPIENTS {
        return Err(Problem::field("notify", format!("has {} recipients; give at most {MAX_RECIPIENTS}", texts.len())));
    }
    let mut recipients = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let recipient = Recipient::parse(text, &app.reach);
        let recipient = recipient.map_err(|detail| Problem::field(&format!("notify/{index}"), detail))?;
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    Ok(recipients)
}

pub(crate) async fn remove(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Settings)?;
    for _ in 0..TRIES {
        let schedule = app.control.schedule(&partner).await?.filter(|schedule| !schedule.removed);
        let gone = match schedule {
            None => true,
            Some(schedule) => {
                let mut removed = schedule.remove(now, caller.name().to_owned());
                app.control.save_schedule(&partner, &mut removed, app.rules.grace_seconds).await?
            }
        };
        if gone {
            app.control.remove_secrets(&partner).await?;
            return Ok(response::empty(StatusCode::NO_CONTENT));
        }
    }
    Err(changed())
}

fn changed() -> Problem {
    Problem::new(ProblemKind::Conflict, "Somebody else is changing the schedule. Send the same request again.")
}

fn fresh_secret() -> Result<Secret, Problem> {
    let random = environment::random().map_err(|error| error::Error::permanent("making a secret", error))?;
    Ok(Secret::new(&random))
}

pub(crate) async fn show_secret(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Settings)?;
    let secrets = app.control.secrets(&partner).await?.ok_or_else(Problem::not_found)?;
    response::json(StatusCode::OK, &shown_secret(&secrets, now))
}

pub(crate) async fn rotate_secret(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Settings)?;
    if app.control.secrets(&partner).await?.is_none() {
        return Err(Problem::not_found());
    }
    let rotated = app.control.rotate_secret(&partner, fresh_secret()?, now).await?;
    let rotated = rotated.ok_or_else(|| {
        Problem::new(ProblemKind::Conflict, "Somebody else has just replaced the secret. Read it before replacing it.")
    })?;
    response::json(StatusCode::OK, &shown_secret(&rotated, now))
}

fn shown_secret(secrets: &Secrets, now: Instant) -> SecretAnswer {
    let previous = secrets.previous.as_ref().filter(|(_, until)| now < *until);
    SecretAnswer {
        secret: secrets.current.reveal().to_owned(),
        created_at: secrets.made_at.to_millis_text(),
        previous_valid_until: previous.map(|(_, until)| until.to_millis_text()),
    }
}

async fn shown(app: &App, partner: &PartnerId, schedule: &Schedule, now: Instant) -> Answer {
    let (jobs, _) = app.control.jobs(partner, Some(Kind::Monthly), RESULTS, ListPosition::default()).await?;
    let mut deliveries = app.control.deliveries(partner, RESULTS * MAX_RECIPIENTS).await?;
    let results = jobs.into_iter().map(|(job, standing)| {
        let (own, others) = deliveries.drain(..).partition(|delivery| delivery.export == job.id);
        deliveries = others;
        ResultAnswer {
            status: standing.state_at(&job, now),
            export: job.id,
            month: job.month,
            version: job.version,
            created_at: job.created_at.to_millis_text(),
            rows: standing.progress.rows,
            problem: standing.problem,
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
        from: schedule.from,
        notify: schedule.notify.iter().map(ToString::to_string).collect(),
        next_month: schedule.next,
        next_run_at: schedule.enabled.then(|| text(schedule.next_run_at(app.rules.grace_seconds))),
        next_look_at: schedule.check_at().filter(|_| schedule.enabled).map(text),
        updated_at: text(schedule.updated_at),
        updated_by: schedule.updated_by.clone(),
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
