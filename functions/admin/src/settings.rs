//! Settings of partners: the number of partitions of their months, and their limits.

use domain::{
    access::Author,
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    quota::{LARGEST, Limits},
    request_json::{Object, Update, read_owned},
    time::{Instant, Month, Zone},
};
use lambda::{Answer, Problem, ProblemKind, Request, StatusCode, audit::RequestAudit, request, response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::partners::{FEED_BEGINS_AFTER_SECONDS, Feed, MAX_SHARDS, Settings, ShardsFrom};
use utoipa::ToSchema;

use crate::App;

/// The least time before a change of shards, in seconds. A month that has activities keeps its shards, and activities can
/// be a day ahead of now.
const AHEAD_SECONDS: i64 = 2 * 86_400;
/// The number of partitions of a month, unless the settings say otherwise.
const DEFAULT_SHARDS: u8 = 1;

/// Settings to save. Absent members stay as they are; `null` sets the default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SavePartnerSettings)]
pub struct SaveSettings {
    /// The number of partitions of a month; the default is 1. One partition takes about 1,000 activities a second.
    #[serde(default)]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 64)]
    shards: Update<u8>,
    /// The first month for which `shards` holds; the default is the first possible one. Months that have begun keep the
    /// number that they have.
    #[serde(default)]
    #[schema(value_type = Option<Month>)]
    shards_from: Update<String>,
    /// The limits of the partner; `null` removes all of them. New limits hold from a minute later on. An
    /// installation without limits (parameter `PartnerLimits`) refuses them.
    #[serde(default)]
    #[schema(value_type = Option<SaveLimits>)]
    limits: Update<Object<SaveLimits>>,
    /// Whether the partner has a feed; the default is no. A feed begins 90 seconds after it is switched on, and costs one write
    /// unit more for each activity. Switched off and on again, it begins anew.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    feed: Update<bool>,
}

/// Limits to save. Absent members stay as they are; `null` sets the installation's limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SavePartnerLimits)]
pub struct SaveLimits {
    /// Activities per second, averaged over ten seconds.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000000)]
    records_per_second: Update<u32>,
    /// Exports on demand of the last 24 hours that are not ready.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    open_exports: Update<u32>,
    /// Rows of exports on demand of the last 24 hours.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 2000000000)]
    export_rows_per_day: Update<u64>,
    /// Read units of lists and look-ups per second, averaged over ten seconds. One unit reads 4 KB.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000000)]
    read_units_per_second: Update<u32>,
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
    /// Whether the partner has a feed.
    pub feed: bool,
    /// The time of recording with which the feed begins; null without one.
    #[schema(format = DateTime)]
    pub feed_begins_at: Option<String>,
    /// The time at which the settings were saved; null if they never were.
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// The person or machine that saved it; null if nobody has.
    pub updated_by: Option<Author>,
    /// Whether the installation limits partners. If not, `limits` have no effect.
    pub limits_apply: bool,
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let (_, partner) = request::partner_for_operator(request)?;
    request::refuse_parameters(request)?;
    let settings = app.partners.settings(&partner).await?;
    response::json(StatusCode::OK, &shown(app, partner, settings))
}

/// A change of settings, once it is read.
struct SettingsUpdate {
    step: Option<ShardsFrom>,
    limits: Update<SaveLimits>,
    feed: Update<bool>,
}

impl SettingsUpdate {
    fn read(request: &Request, now: Instant) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let wanted: Option<SaveSettings> = read_owned(request::body(request)?, &mut faults);
        let update = wanted.map(|SaveSettings { shards, shards_from, limits, feed }| {
            let limits = match limits {
                Update::Set(Object(limits)) => {
                    limits.check(&mut faults);
                    Update::Set(limits)
                }
                Update::Reset => Update::Reset,
                Update::Keep => Update::Keep,
            };
            Self { step: shards_step(shards, shards_from, now, &mut faults), limits, feed }
        });
        Ok(faults.finish(update)?)
    }

    /// Returns the settings after the change.
    fn apply(&self, read: &Settings, now: Instant) -> Settings {
        let limits = match &self.limits {
            Update::Keep => read.limits,
            Update::Reset => Limits::default(),
            Update::Set(limits) => limits.apply(read.limits),
        };
        let feed = match self.feed {
            Update::Keep => read.feed,
            // A feed that is on goes on.
            Update::Set(true) => read.feed.or(Some(Feed { begins_at: now.plus_seconds(FEED_BEGINS_AFTER_SECONDS) })),
            Update::Set(false) | Update::Reset => None,
        };
        let settings = Settings { limits, feed, ..read.clone() };
        match self.step {
            Some(step) => settings.with_shards(step),
            None => settings,
        }
    }
}

impl SaveLimits {
    /// Checks that limits shut no partner out, and can be counted.
    fn check(&self, faults: &mut Faults) {
        fn value<T: Copy + Into<u64>>(update: &Update<T>) -> Option<u64> {
            match update {
                Update::Set(value) => Some((*value).into()),
                Update::Keep | Update::Reset => None,
            }
        }
        let (records, exports, rows, reads) = LARGEST;
        for (name, value, largest) in [
            ("records_per_second", value(&self.records_per_second), u64::from(records)),
            ("open_exports", value(&self.open_exports), u64::from(exports)),
            ("export_rows_per_day", value(&self.export_rows_per_day), rows),
            ("read_units_per_second", value(&self.read_units_per_second), u64::from(reads)),
        ] {
            if value.is_some_and(|value| !(1..=largest).contains(&value)) {
                let detail = format!("must be from 1 to {largest}; send null for the installation's");
                faults.invalid(&format!("/limits/{name}"), detail);
            }
        }
    }

    /// Tells whether any limit gets a value.
    fn sets_any(&self) -> bool {
        matches!(self.records_per_second, Update::Set(_))
            || matches!(self.open_exports, Update::Set(_))
            || matches!(self.export_rows_per_day, Update::Set(_))
            || matches!(self.read_units_per_second, Update::Set(_))
    }

    fn apply(&self, read: Limits) -> Limits {
        fn changed<T: Copy>(update: Update<T>, read: Option<T>) -> Option<T> {
            match update {
                Update::Keep => read,
                Update::Reset => None,
                Update::Set(value) => Some(value),
            }
        }
        Limits {
            records_per_second: changed(self.records_per_second, read.records_per_second),
            open_exports: changed(self.open_exports, read.open_exports),
            export_rows_per_day: changed(self.export_rows_per_day, read.export_rows_per_day),
            read_units_per_second: changed(self.read_units_per_second, read.read_units_per_second),
        }
    }
}

/// Returns the change of shards that is asked for, if one is.
fn shards_step(shards: Update<u8>, from: Update<String>, now: Instant, faults: &mut Faults) -> Option<ShardsFrom> {
    let earliest = Month::of(now.plus_seconds(AHEAD_SECONDS), Zone::UTC).next();
    let from = from.parse("/shards_from", faults, |month| Month::parse(&month));
    if let Update::Set(from) = from
        && from < earliest
    {
        let detail = format!("{from} has begun, or is about to; the earliest is {earliest}");
        faults.unprocessable("/shards_from", detail);
    }
    let shards = match shards {
        Update::Keep => {
            if matches!(from, Update::Set(_)) {
                faults.invalid("/shards_from", "says nothing without shards");
            }
            return None;
        }
        Update::Reset => DEFAULT_SHARDS,
        Update::Set(shards) => shards,
    };
    if !(1..=MAX_SHARDS).contains(&shards) {
        faults.invalid("/shards", format!("must be a whole number from 1 to {MAX_SHARDS}"));
    }
    Some(ShardsFrom { from: from.resolve(None, earliest), shards })
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for_operator(request)?;
    request::refuse_parameters(request)?;
    let update = SettingsUpdate::read(request, now)?;
    check_limits_apply(app.limits_apply, &update.limits)?;
    let read = app.partners.settings(&partner).await?;
    check_feed_is_free(&read, &update)?;
    let Author { subject, name } = caller.author();
    let settings = Settings {
        updated_at: Some(now),
        updated_by: Some(name),
        updated_by_subject: subject,
        ..update.apply(&read, now)
    };
    let entry = AuditEntry::new(AuditAction::SettingsSaved)
        .about("settings", partner.as_str())
        .changed(&described(&read), &described(&settings));
    let save = async {
        let changed = "Someone else has just changed these settings. Read them again.";
        let is_saved = app.partners.save(&partner, &read, &settings).await?;
        is_saved.then_some(()).ok_or_else(|| Problem::new(ProblemKind::Conflict, changed))
    };
    RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, save).await?;
    response::json(StatusCode::OK, &shown(app, partner, settings))
}

/// Describes settings for the audit.
fn described(settings: &Settings) -> Value {
    json!({"shards": settings.shards, "limits": settings.limits, "feed": settings.feed.is_some()})
}

/// Refuses to switch off the feed of a partner with streams, which would miss activities.
fn check_feed_is_free(read: &Settings, update: &SettingsUpdate) -> Result<(), Problem> {
    if read.streams && matches!(update.feed, Update::Set(false) | Update::Reset) {
        let detail = "The partner has streams, which read the feed. Remove the streams first.";
        return Err(Problem::new(ProblemKind::Conflict, detail));
    }
    Ok(())
}

/// Refuses limits where the installation would ignore them. Removing limits is always possible.
fn check_limits_apply(limits_apply: bool, limits: &Update<SaveLimits>) -> Result<(), Problem> {
    match limits {
        Update::Set(limits) if !limits_apply && limits.sets_any() => Err(Problem::new(
            ProblemKind::Unprocessable,
            "limits: this installation does not limit partners. Deploy it with the parameter PartnerLimits=true first.",
        )),
        _ => Ok(()),
    }
}

fn shown(app: &App, partner_id: PartnerId, settings: Settings) -> SettingsAnswer {
    let subject = settings.updated_by_subject;
    SettingsAnswer {
        partner_id,
        shards: settings.shards,
        limits: settings.limits,
        feed: settings.feed.is_some(),
        feed_begins_at: settings.feed.map(|feed| feed.begins_at.to_millis_text()),
        updated_at: settings.updated_at.map(Instant::to_millis_text),
        updated_by: settings.updated_by.map(|name| Author { subject, name }),
        limits_apply: app.limits_apply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> Update<SaveLimits> {
        let mut faults = Faults::default();
        let read: SaveSettings = read_owned(json, &mut faults).unwrap();
        match read.limits {
            Update::Set(Object(limits)) => Update::Set(limits),
            Update::Reset => Update::Reset,
            Update::Keep => Update::Keep,
        }
    }

    #[test]
    fn limits_are_refused_where_they_would_be_ignored() {
        let set = limits(r#"{"limits": {"open_exports": 5}}"#);
        let refused = check_limits_apply(false, &set).unwrap_err();
        assert_eq!(refused.kind(), ProblemKind::Unprocessable);
        assert!(refused.document().detail.contains("PartnerLimits=true"));
        assert!(check_limits_apply(true, &set).is_ok());
        for removed in [r#"{"limits": null}"#, r#"{"limits": {"open_exports": null}}"#, r#"{"limits": {}}"#, "{}"] {
            assert!(check_limits_apply(false, &limits(removed)).is_ok(), "{removed}");
        }
    }

    #[test]
    fn absent_limits_stay_and_null_is_the_installations() {
        let stored = Limits {
            records_per_second: Some(1),
            open_exports: Some(2),
            export_rows_per_day: Some(3),
            read_units_per_second: Some(4),
        };
        let read = Settings { limits: stored, ..Settings::default() };
        for (json, expected) in [
            ("{}", stored),
            (r#"{"limits": {}}"#, stored),
            (r#"{"limits": null}"#, Limits::default()),
            (r#"{"limits": {"open_exports": 9}}"#, Limits { open_exports: Some(9), ..stored }),
            (r#"{"limits": {"open_exports": null}}"#, Limits { open_exports: None, ..stored }),
        ] {
            let update = SettingsUpdate { step: None, limits: limits(json), feed: Update::Keep };
            assert_eq!(update.apply(&read, Instant::MIN).limits, expected, "{json}");
        }
    }

    #[test]
    fn a_feed_begins_once_and_anew_after_it_was_off() {
        let now = Instant::parse("2026-11-02T00:00:00Z").unwrap();
        let later = now.plus_seconds(3_600);
        let change =
            |feed, read: &Settings, now| SettingsUpdate { step: None, limits: Update::Keep, feed }.apply(read, now);
        let on = change(Update::Set(true), &Settings::default(), now);
        assert_eq!(on.feed.unwrap().begins_at.to_millis_text(), "2026-11-02T00:01:30.000Z");
        assert_eq!(change(Update::Set(true), &on, later), on);
        assert_eq!(change(Update::Keep, &on, later), on);
        for off in [Update::Set(false), Update::Reset] {
            let off = change(off, &on, later);
            assert_eq!(off.feed, None);
            assert_eq!(
                change(Update::Set(true), &off, later).feed.unwrap().begins_at.to_millis_text(),
                "2026-11-02T01:01:30.000Z"
            );
        }
    }

    #[test]
    fn shards_are_planned_from_a_month_that_nobody_has_begun() {
        let now = Instant::parse("2026-11-02T00:00:00Z").unwrap();
        let month = |text: &str| Update::Set(text.to_owned());
        for (shards, from, step, pointers) in [
            (Update::Set(4), Update::Keep, Some(("2026-12", 4)), vec![]),
            (Update::Set(4), Update::Reset, Some(("2026-12", 4)), vec![]),
            (Update::Set(4), month("2027-02"), Some(("2027-02", 4)), vec![]),
            (Update::Reset, Update::Keep, Some(("2026-12", 1)), vec![]),
            (Update::Keep, Update::Keep, None, vec![]),
            (Update::Keep, month("2027-02"), None, vec!["/shards_from"]),
            (Update::Set(65), month("soon"), Some(("2026-12", 65)), vec!["/shards_from", "/shards"]),
            (Update::Set(4), month("2026-11"), Some(("2026-11", 4)), vec!["/shards_from"]),
        ] {
            let mut faults = Faults::default();
            let planned = shards_step(shards, from, now, &mut faults);
            assert_eq!(
                planned.map(|step| (step.from.to_string(), step.shards)),
                step.map(|(from, shards)| (from.to_owned(), shards))
            );
            let found = faults.finish(Some(())).err();
            let found = found.iter().flat_map(|rejection| rejection.faults()).map(|fault| fault.pointer.as_str());
            assert_eq!(found.collect::<Vec<_>>(), pointers);
        }
    }
}
