//! Settings of partners: the number of partitions of their months, and their limits.

use domain::{
    activity::PartnerId,
    quota::{LARGEST, Limits},
    request_json::{Object, from_json},
    time::{Instant, Month, Zone},
};
use lambda::{Answer, Problem, ProblemKind, Request, StatusCode, request, response};
use serde::{Deserialize, Serialize};
use store::partners::{MAX_SHARDS, Settings, ShardsFrom};
use utoipa::ToSchema;

use crate::App;

/// The least time before a change of shards, in seconds. A month that has activities keeps its shards, and activities can
/// be a day ahead of now.
const AHEAD_SECONDS: i64 = 2 * 86_400;

/// Settings to save. Settings that you leave out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SavePartnerSettings)]
pub struct SaveSettings {
    /// The number of partitions of a month. One partition takes about 1,000 activities a second.
    #[schema(minimum = 1, maximum = 64)]
    shards: Option<u8>,
    /// The first month for which that holds; absent, the first possible one. Months that have begun keep what they have.
    #[schema(value_type = Option<Month>)]
    shards_from: Option<String>,
    /// What the partner may take; for what is absent in it, the installation's limit holds. They hold from a minute later on,
    /// and only where the installation has limits.
    #[schema(value_type = Option<Limits>)]
    limits: Option<Object<Limits>>,
}

/// A partner's settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PartnerSettings)]
pub struct SettingsAnswer {
    /// The partner.
    pub partner_id: PartnerId,
    /// The numbers of partitions, each with its first month. Months before the first have one partition.
    pub shards: Vec<ShardsFrom>,
    /// The limits that differ from those of the installation.
    pub limits: Limits,
    /// The time at which the settings were saved; null if they never were.
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// The person or machine that saved it.
    pub updated_by: Option<String>,
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let (_, partner) = request::partner_for_operator(request)?;
    let settings = app.partners.settings(&partner).await?;
    response::json(StatusCode::OK, &shown(partner, settings))
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for_operator(request)?;
    let Object(wanted): Object<SaveSettings> = from_json(request::body(request)?)?;
    if wanted.shards.is_none() && wanted.limits.is_none() {
        return Err(Problem::field("shards", "is required where there are no limits"));
    }
    let step = shards_step(&wanted, now)?;
    let read = app.partners.settings(&partner).await?;
    let mut settings = Settings {
        updated_at: Some(now),
        updated_by: Some(caller.name().to_owned()),
        limits: check_limits(wanted.limits.map_or(read.limits, |Object(limits)| limits))?,
        ..read.clone()
    };
    if let Some(step) = step {
        settings = settings.with_shards(step);
    }
    if !app.partners.save(&partner, &read, &settings).await? {
        return Err(Problem::new(
            ProblemKind::Conflict,
            "Someone else has just changed these settings. Read them again.",
        ));
    }
    response::json(StatusCode::OK, &shown(partner, settings))
}

/// Checks that limits shut no partner out, and can be counted.
fn check_limits(limits: Limits) -> Result<Limits, Problem> {
    let Limits { records_per_second, open_exports, export_rows_per_day, read_units_per_second } = limits;
    let (records, exports, rows, reads) = LARGEST;
    for (name, value, largest) in [
        ("records_per_second", records_per_second.map(u64::from), u64::from(records)),
        ("open_exports", open_exports.map(u64::from), u64::from(exports)),
        ("export_rows_per_day", export_rows_per_day, rows),
        ("read_units_per_second", read_units_per_second.map(u64::from), u64::from(reads)),
    ] {
        if value.is_some_and(|value| !(1..=largest).contains(&value)) {
            let detail = format!("must be from 1 to {largest}; leave it out for the installation's");
            return Err(Problem::field(&format!("limits/{name}"), detail));
        }
    }
    Ok(limits)
}

/// Returns the change of shards that is asked for, if one is.
fn shards_step(wanted: &SaveSettings, now: Instant) -> Result<Option<ShardsFrom>, Problem> {
    let Some(shards) = wanted.shards else {
        return match wanted.shards_from {
            None => Ok(None),
            Some(_) => Err(Problem::field("shards_from", "says nothing without shards")),
        };
    };
    if !(1..=MAX_SHARDS).contains(&shards) {
        return Err(Problem::field("shards", format!("must be a whole number from 1 to {MAX_SHARDS}")));
    }
    let earliest = Month::of(now.plus_seconds(AHEAD_SECONDS), Zone::UTC).next();
    let from = match wanted.shards_from.as_deref().map(Month::parse) {
        None => earliest,
        Some(Err(detail)) => return Err(Problem::field("shards_from", detail)),
        Some(Ok(from)) if from < earliest => {
            let detail = format!("shards_from: {from} has begun, or is about to; the earliest is {earliest}");
            return Err(Problem::new(ProblemKind::Unprocessable, detail));
        }
        Some(Ok(from)) => from,
    };
    Ok(Some(ShardsFrom { from, shards }))
}

fn shown(partner_id: PartnerId, settings: Settings) -> SettingsAnswer {
    SettingsAnswer {
        partner_id,
        shards: settings.shards,
        limits: settings.limits,
        updated_at: settings.updated_at.map(Instant::to_millis_text),
        updated_by: settings.updated_by,
    }
}
