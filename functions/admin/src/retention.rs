//! Retention: how many months a partner keeps.

use std::{convert::Infallible, time::Duration};

use domain::{
    access::{Author, Operation},
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    lifecycle::{Lifecycle, MAX_MONTHS, MonthState},
    request_json::{Update, read_owned},
    time::{Instant, Month},
};
use lambda::{Answer, Parameters, Request, StatusCode, audit::RequestAudit, request, response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::ledger::MonthSize;
use utoipa::ToSchema;

use crate::{App, may_change, parse_flag, partners::check_registered};

/// How long a dry run counts while its caller waits.
const COUNTING_TIME: Duration = Duration::from_secs(15);
/// The price of a million write units in dollars: on demand, us-east-1, list price of 2026-11
/// (aws.amazon.com/dynamodb/pricing/on-demand).
const DOLLARS_PER_MILLION_WRITES: f64 = 0.625;

/// A retention to save.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveRetention {
    /// The whole months in UTC to keep; `null` for the installation's, which is for ever unless a parameter says otherwise.
    #[serde(default)]
    #[schema(value_type = Option<u32>, required, minimum = 1, maximum = 1200, example = 84)]
    months: Update<u32>,
}

/// A partner's retention.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retention)]
pub struct RetentionAnswer {
    /// The partner.
    pub partner_id: PartnerId,
    /// The months that are kept; null for ever.
    pub months: Option<u32>,
    /// Whether the installation's retention holds.
    pub is_default: bool,
    /// A shorter retention that is not in effect yet.
    pub pending: Option<PendingAnswer>,
    /// The months that have ended: they are in no list, count or new export.
    pub ended: Vec<EndedMonth>,
    /// The months that are being deleted.
    pub deleting: Vec<Month>,
    /// The deleted months.
    pub deleted: Vec<Month>,
    /// The time at which the retention was saved; null if it never was.
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// The person or machine that saved it.
    pub updated_by: Option<Author>,
    /// Whether this caller may change it.
    pub may_change: bool,
}

/// A shorter retention that is not in effect yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PendingRetention)]
pub struct PendingAnswer {
    /// The months to keep; null for ever.
    pub months: Option<u32>,
    /// When it takes effect.
    #[schema(format = DateTime)]
    pub effective_at: String,
}

/// An ended month.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndedMonth {
    /// The month.
    pub month: Month,
    /// When its end was noted.
    #[schema(format = DateTime)]
    pub ended_at: String,
    /// When its data are deleted at the earliest.
    #[schema(format = DateTime)]
    pub deletes_after: String,
}

/// What a retention would end and delete.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionDryRun {
    /// The months that would be kept; null for ever.
    pub months: Option<u32>,
    /// The months that would end.
    pub ended: Vec<Month>,
    /// The number of activities in them.
    pub rows: u64,
    /// About how many bytes they have in the table, details included. Details in S3 are not counted.
    pub bytes: u64,
    /// What their deletion would cost in write units of the table and its index, at the list price of us-east-1.
    pub dollars: f64,
    /// Whether everything was counted. Otherwise there is more.
    pub exact: bool,
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    request::refuse_parameters(request)?;
    let record = app.partners.read(&partner).await?;
    check_registered(&record)?;
    let may_change = may_change(app, &caller, &partner);
    response::json(StatusCode::OK, &shown(app, partner, record.lifecycle, may_change, now))
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    caller.may_order(&partner, app.partners_erase)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["dry_run"], &mut faults);
    let dry_run = faults.keep_part(parameters.parse("dry_run", parse_flag));
    let wanted: Option<SaveRetention> = read_owned(request::body(request)?, &mut faults);
    let months = wanted.and_then(|SaveRetention { months }| match months {
        Update::Set(months) if (1..=MAX_MONTHS).contains(&months) => Some(Some(months)),
        Update::Reset => Some(None),
        Update::Set(_) => {
            faults.invalid("/months", format!("must be a whole number from 1 to {MAX_MONTHS}, or null"));
            None
        }
        Update::Keep => {
            faults.invalid("/months", "is required: the months to keep, or null for the installation's");
            None
        }
    });
    let (dry_run, months) = faults.finish(dry_run.zip(months))?;
    let record = app.partners.read(&partner).await?;
    check_registered(&record)?;
    if dry_run == Some(true) {
        return try_out(app, &partner, &record.lifecycle, months, request, now).await;
    }
    let default_months = app.partners.default_months();
    let before = record.lifecycle.retention.as_ref().and_then(|own| own.at(now));
    let entry = AuditEntry::new(AuditAction::RetentionSaved)
        .about("retention", partner.as_str())
        .changed(&json!({"months": before}), &json!({"months": months}));
    let change = async {
        let saved = app.partners.change_lifecycle(&partner, |lifecycle| {
            lifecycle.save_retention(months, default_months, now, caller.author());
            Ok::<_, Infallible>(())
        });
        let Ok(((), lifecycle)) = saved.await?;
        Ok(lifecycle)
    };
    let lifecycle = RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, change).await?;
    response::json(StatusCode::OK, &shown(app, partner, lifecycle, true, now))
}

/// Counts what a retention would end, without changing anything.
async fn try_out(
    app: &App,
    partner: &PartnerId,
    lifecycle: &Lifecycle,
    months: Option<u32>,
    request: &Request,
    now: Instant,
) -> Answer {
    let default_months = app.partners.default_months();
    let kept = months.or(default_months);
    let mut tried = lifecycle.clone();
    tried.retention = None;
    let with_data = app.directory.months(partner).await?.into_iter();
    let ended: Vec<_> =
        with_data.filter(|(month, _)| tried.month_state(*month, now, kept) == MonthState::Ended).collect();
    let started = tokio::time::Instant::now();
    let time = COUNTING_TIME.min(request::time_left(request, now) / 2);
    let MonthSize { activities, twins, bytes, complete } =
        app.directory.measure(partner, &ended, &|| started.elapsed() < time).await?;
    // Each activity is deleted in the table and in the index of customers; an item with details takes a unit for each KB.
    #[expect(clippy::cast_precision_loss, reason = "people see dollars with few digits")]
    let units = (activities * 2 + twins.max(bytes / 1_024)) as f64;
    let dollars = (units / 1_000_000.0 * DOLLARS_PER_MILLION_WRITES * 10_000.0).ceil() / 10_000.0;
    let answer = RetentionDryRun {
        months: kept,
        ended: ended.into_iter().map(|(month, _)| month).collect(),
        rows: activities,
        bytes,
        dollars,
        exact: complete,
    };
    response::json(StatusCode::OK, &answer)
}

fn shown(app: &App, partner_id: PartnerId, lifecycle: Lifecycle, may_change: bool, now: Instant) -> RetentionAnswer {
    let default_months = app.partners.default_months();
    let own = lifecycle.retention.as_ref();
    let pending = own.and_then(|own| own.pending).filter(|pending| pending.effective_at > now);
    let text = Instant::to_millis_text;
    RetentionAnswer {
        partner_id,
        months: lifecycle.months_kept(now, default_months),
        is_default: own.and_then(|own| own.at(now)).is_none(),
        pending: pending.map(|pending| PendingAnswer {
            months: pending.months.or(default_months),
            effective_at: text(pending.effective_at),
        }),
        ended: lifecycle
            .ended()
            .map(|(month, ended_at, deletes_at)| EndedMonth {
                month,
                ended_at: text(ended_at),
                deletes_after: text(deletes_at),
            })
            .collect(),
        deleting: lifecycle.deleting().collect(),
        deleted: lifecycle.deleted().collect(),
        updated_at: own.map(|own| text(own.updated_at)),
        updated_by: own.map(|own| own.updated_by.clone()),
        may_change,
    }
}
