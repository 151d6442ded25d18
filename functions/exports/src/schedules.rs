//! Schedules of monthly exports.

use daybook::{
    access::Operation,
    activity::{Object, PartnerId, from_json},
    control::Schedule,
    http::{self, Answer, Problem, ProblemKind},
    period::{Instant, Month, parse_zone},
};
use lambda_http::{Request, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{App, exports};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    enabled: Option<bool>,
    time_zone: Option<String>,
    format: Option<String>,
    locale: Option<String>,
    compression: Option<String>,
    rows: Option<String>,
    details: Option<bool>,
    from: Option<String>,
    notify: Option<Vec<String>>,
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Settings)?;
    let schedule = app.control.schedule(&partner).await?.ok_or_else(Problem::not_found)?;
    http::ok(StatusCode::OK, &shown(app, &partner, &schedule))
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = http::partner_for(request, Operation::Settings)?;
    let Object(wire): Object<Wire> = from_json(http::body(request)?)?;
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
    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Only {
        partner: Option<String>,
    }
    http::caller(request)?.may_operate()?;
    let month = Month::parse(&http::path(request, "month")?).map_err(|detail| Problem::field("month", detail))?;
    let body = http::body(request)?;
    let Object(Only { partner }) = from_json(if body.trim().is_empty() { "{}" } else { body })?;
    let partner =
        partner.as_deref().map(PartnerId::parse).transpose().map_err(|detail| Problem::field("partner", detail))?;
    let made = app.months().run_month(month, partner.as_ref(), now).await?;
    http::ok(StatusCode::ACCEPTED, &json!({"month": month, "due": made.due, "created": made.created}))
}

fn shown(app: &App, partner: &PartnerId, schedule: &Schedule) -> Value {
    json!({
        "partner_id": partner,
        "enabled": schedule.enabled,
        "time_zone": schedule.time_zone.name(),
        "format": schedule.output.format,
        "locale": schedule.output.locale,
        "compression": schedule.output.compression,
        "rows": schedule.output.rows,
        "details": schedule.output.details,
        "from": schedule.from,
        "notify": [],
        "next_month": schedule.next,
        "next_run_at": schedule.enabled.then(|| schedule.next_run(app.grace_seconds).to_millis_text()),
        "updated_at": schedule.updated_at.to_millis_text(),
        "updated_by": schedule.updated_by,
    })
}
