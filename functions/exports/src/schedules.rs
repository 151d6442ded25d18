//! Schedules of monthly exports.

use daybook::{
    access::Operation,
    activity::{Object, PartnerId, from_json},
    control::Schedule,
    export::{
        job::{Compression, Format, Rows},
        profile::Locale,
    },
    http::{self, Answer, Problem, ProblemKind, Request, StatusCode},
    period::{Instant, Month, parse_zone},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{App, exports};

/// A schedule to save.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SaveSchedule)]
pub struct Wire {
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
    /// Whom to tell of each month.
    #[schema(max_items = 0)]
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
    /// Whom to tell of each month.
    pub notify: Vec<String>,
    /// The first month not yet made.
    pub next_month: Month,
    /// When it will be made; null while the schedule is off.
    #[schema(format = DateTime)]
    pub next_run_at: Option<String>,
    /// When the schedule was saved.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// By whom.
    pub updated_by: String,
}

/// What the run of a month did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MonthRun)]
pub struct RunAnswer {
    /// The month.
    pub month: Month,
    /// Partners for whom it had something to look at.
    pub due: usize,
    /// Exports that it created.
    pub created: usize,
}

/// Which partners a run of a month is for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RunMonth)]
pub struct Only {
    /// One partner; all where it is absent.
    #[schema(value_type = Option<PartnerId>)]
    partner: Option<String>,
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Settings)?;
    let schedule = app.control.schedule(&partner).await?.ok_or_else(Problem::not_found)?;
    http::ok(StatusCode::OK, &shown(app, &partner, &schedule))
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = http::partner_for(request, Operation::Settings)?;
    let Object(wire): Object<Wire> = from_json(&http::body(request)?)?;
    let zone = wire.time_zone.as_deref().map_or(Ok(chrono_tz::Tz::UTC), parse_zone);
    let time_zone = zone.map_err(|detail| Problem::field("time_zone", detail))?;
    let form = exports::Form {
        format: wire.format.as_deref(),
        locale: wire.locale.as_deref(),
        compression: wire.compression.as_deref(),
        rows: wire.rows.as_deref(),
        details: wire.details,
    };
    let output = exports::output(request, form)?;
    if wire.notify.is_some_and(|recipients| !recipients.is_empty()) {
        return Err(Problem::field(
            "notify",
            "recipients cannot be notified by this installation; leave the list empty",
        ));
    }
    let saved = app.control.schedule(&partner).await?;
    let current = Month::of(now, time_zone);
    let from =
        match wire.from.as_deref().map(Month::parse).transpose().map_err(|detail| Problem::field("from", detail))? {
            Some(from) if from > current.next() => {
                let detail = format!(
                    "{from} is more than a month ahead; the schedule can start at {} at the latest",
                    current.next()
                );
                return Err(Problem::new(ProblemKind::Unprocessable, detail));
            }
            Some(from) => from,
            // A schedule that is only changed starts where it started.
            None => saved.as_ref().map_or(current.previous(), |saved| saved.from),
        };
    // Months are made once: a schedule that starts earlier than before goes back to them, and their jobs tell which are there.
    let next = saved.filter(|saved| saved.from <= from).map_or(from, |saved| saved.next.max(from));
    let schedule = Schedule {
        enabled: wire.enabled.unwrap_or(true),
        time_zone,
        output,
        from,
        next,
        updated_at: now,
        updated_by: caller.name().to_owned(),
    };
    app.control.save_schedule(&partner, &schedule, app.grace_seconds).await?;
    http::ok(StatusCode::OK, &shown(app, &partner, &schedule))
}

pub(crate) async fn remove(app: &App, request: &Request) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Settings)?;
    app.control.remove_schedule(&partner).await?;
    Ok(http::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn run_month(app: &App, request: &Request, now: Instant) -> Answer {
    http::caller(request)?.may_operate()?;
    let month = Month::parse(&http::path(request, "month")?).map_err(|detail| Problem::field("month", detail))?;
    let body = http::body(request)?;
    let Object(Only { partner }) = from_json(if body.trim().is_empty() { "{}" } else { &body })?;
    let partner =
        partner.as_deref().map(PartnerId::parse).transpose().map_err(|detail| Problem::field("partner", detail))?;
    let made = app.months().run_month(month, partner.as_ref(), now).await?;
    http::ok(StatusCode::ACCEPTED, &RunAnswer { month, due: made.due, created: made.created })
}

fn shown(app: &App, partner: &PartnerId, schedule: &Schedule) -> ScheduleAnswer {
    ScheduleAnswer {
        partner_id: partner.clone(),
        enabled: schedule.enabled,
        time_zone: schedule.time_zone.name(),
        format: schedule.output.format,
        locale: schedule.output.locale,
        compression: schedule.output.compression,
        rows: schedule.output.rows,
        details: schedule.output.details,
        from: schedule.from,
        notify: Vec::new(),
        next_month: schedule.next,
        next_run_at: schedule.enabled.then(|| schedule.next_run(app.grace_seconds).to_millis_text()),
        updated_at: schedule.updated_at.to_millis_text(),
        updated_by: schedule.updated_by.clone(),
    }
}
