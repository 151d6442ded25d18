//! Legal holds.

use std::time::Duration;

use domain::{
    access::{Author, Operation},
    activity::{MAX_NAME_CHARS, PartnerId},
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    lifecycle::{Hold, HoldRefusal, MAX_ACTIVE_HOLDS, MAX_HOLD_CUSTOMERS},
    query::{OneOrMany, given_text, one_or_many},
    request_json::read_owned,
    time::{Instant, Month, Period, PeriodError, Zone},
};
use lambda::{Answer, Problem, ProblemKind, Request, StatusCode, audit::RequestAudit, header, request, response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{ledger::MonthSize, queues::KeeperRun};
use utoipa::ToSchema;

use crate::{App, check_reason, may_change, partners::check_registered, ulid_of};

/// The earliest day and the day after the latest, for holds without these bounds.
const ALL_TIME: (Instant, Instant) = (Instant::MIN, Instant::MAX);

/// A hold to place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewHold)]
pub struct PlaceHold {
    /// The first instant (RFC 3339) or day (`YYYY-MM-DD`, UTC); without it, everything before is held too.
    #[serde(default, deserialize_with = "given_text")]
    #[schema(nullable = false, example = "2025-01-01")]
    from: Option<String>,
    /// The instant after the last, or the last day; without it, everything after is held too.
    #[serde(default, deserialize_with = "given_text")]
    #[schema(nullable = false, example = "2025-12-31")]
    to: Option<String>,
    /// The customers, by their ids; without it, all activities.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    customers: Option<Vec<String>>,
    /// Why the data are held.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 1024)]
    reason: Option<String>,
    /// Whether to leave out the months whose deletion has begun. Otherwise the hold is refused if it covers one.
    #[serde(default)]
    partial: bool,
}

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
pub struct HoldAnswer {
    /// The id.
    pub id: String,
    /// Whether the hold is active.
    pub status: HoldStatus,
    /// The first instant; null for everything before `to`.
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// The instant after the last; null for everything from `from` on.
    #[schema(format = DateTime)]
    pub to: Option<String>,
    /// The customers; null for all activities.
    pub customers: Option<Vec<String>>,
    /// Why the data are held.
    pub reason: String,
    /// The months that it covers in time and does not hold, because their deletion had begun.
    pub left_out: Vec<Month>,
    /// When it was placed.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The person or machine that placed it.
    pub created_by: Author,
    /// When it was released.
    #[schema(format = DateTime)]
    pub released_at: Option<String>,
    /// The person or machine that released it.
    pub released_by: Option<Author>,
}

/// Whether a hold is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldStatus {
    /// Nothing under it is ended, deleted or erased.
    Active,
    /// It holds nothing any more.
    Released,
}

/// A partner's holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HoldList)]
pub struct HoldListAnswer {
    /// The holds, the newest first. Of the released ones, the last hundred.
    pub holds: Vec<HoldAnswer>,
    /// Whether this caller may place and release holds.
    pub may_change: bool,
}

/// Reads a request to place a hold, without its id and author.
fn read_hold(request: &Request, author: Author, now: Instant) -> Result<(Hold, bool), Problem> {
    let mut faults = Faults::default();
    let wanted: Option<PlaceHold> = read_owned(request::body(request)?, &mut faults);
    let hold = wanted.and_then(|wanted| {
        let PlaceHold { from, to, customers, reason, partial } = wanted;
        let customers = read_customers(customers, &mut faults);
        let reason = check_reason(reason, &mut faults);
        let (from, to) = read_bounds(from.as_deref(), to.as_deref(), now, &mut faults)?;
        let id = ulid_of(now);
        let hold = Hold {
            id,
            from,
            to,
            customers: customers?,
            reason: reason?,
            left_out: Vec::new(),
            created_at: now,
            created_by: author,
            released_at: None,
            released_by: None,
        };
        Some((hold, partial))
    });
    Ok(faults.finish(hold)?)
}

fn read_customers(customers: Option<Vec<String>>, faults: &mut Faults) -> Option<Vec<String>> {
    let Some(customers) = customers else { return Some(Vec::new()) };
    if customers.is_empty() {
        faults.invalid("/customers", "is empty: leave it out to hold all activities, or name at least one customer");
    }
    if customers.len() > MAX_HOLD_CUSTOMERS {
        faults.invalid("/customers", format!("has {} ids: give at most {MAX_HOLD_CUSTOMERS}", customers.len()));
    }
    for (index, customer) in customers.iter().enumerate() {
        if customer.trim().is_empty() || customer.chars().count() > MAX_NAME_CHARS {
            faults.invalid(&format!("/customers/{index}"), format!("must have 1 to {MAX_NAME_CHARS} characters"));
        }
    }
    Some(customers)
}

/// Reads the bounds of a hold; a missing one is the beginning or the end of time.
fn read_bounds(from: Option<&str>, to: Option<&str>, now: Instant, faults: &mut Faults) -> Option<(Instant, Instant)> {
    let given = |bound: Option<&str>, default: Instant| bound.map_or_else(|| default.to_string(), str::to_owned);
    let (from, to) = (given(from, ALL_TIME.0), given(to, ALL_TIME.1));
    match Period::resolve(Some(&from), Some(&to), Zone::UTC, now) {
        Ok(period) => Some((period.from(), period.to())),
        Err(errors) => {
            for error in errors {
                let pointer = if matches!(error, PeriodError::To(_)) { "/to" } else { "/from" };
                faults.invalid(pointer, error.to_string());
            }
            None
        }
    }
}

pub(crate) async fn place(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    caller.may_order(&partner, app.partners_erase)?;
    request::refuse_parameters(request)?;
    let (hold, partial) = read_hold(request, caller.author(), now)?;
    let record = app.partners.read(&partner).await?;
    check_registered(&record)?;
    let entry = AuditEntry::new(AuditAction::HoldPlaced)
        .about("hold", &hold.id)
        .because(&hold.reason)
        .changed(&Value::Null, &json!({"from": hold.from, "to": hold.to, "customers": hold.customers}));
    let change = async {
        let placed = app.partners.change_lifecycle(&partner, |lifecycle| {
            // The change may be made twice if the answer to the first one was lost.
            match lifecycle.holds.iter().find(|known| known.id == hold.id) {
                Some(known) => Ok(known.clone()),
                None => lifecycle.place_hold(hold.clone(), partial).cloned(),
            }
        });
        match placed.await? {
            Ok((placed, _)) => Ok(placed),
            Err(refusal) => Err(refused(app, &partner, refusal).await?),
        }
    };
    let placed = RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, change).await?;
    let mut answer = response::json(StatusCode::CREATED, &shown(placed))?;
    response::set_header(&mut answer, header::LOCATION, &format!("holds/{}", hold.id));
    Ok(answer)
}

/// Explains why a hold cannot be placed, with the numbers of what is left of the months that are being deleted.
async fn refused(app: &App, partner: &PartnerId, refusal: HoldRefusal) -> Result<Problem, Problem> {
    Ok(match refusal {
        HoldRefusal::TooMany => Problem::new(
            ProblemKind::Unprocessable,
            format!("This partner has {MAX_ACTIVE_HOLDS} active holds, the most there may be. Release one first."),
        ),
        HoldRefusal::PartnerDeleted => {
            Problem::new(ProblemKind::Conflict, "All data of this partner are being deleted, so nothing can be held.")
        }
        HoldRefusal::DeletionBegun(months) => {
            let entries = app.directory.months(partner).await?;
            let begun: Vec<_> = entries.into_iter().filter(|(month, _)| months.contains(month)).collect();
            let MonthSize { activities, .. } = app.directory.measure(partner, &begun, &|| false).await?;
            let names = months.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Problem::new(
                ProblemKind::Conflict,
                format!(
                    "The deletion of {} month(s) in this period has begun or is complete: {names}; about {activities} activities are left there. Send \"partial\": true to hold the rest of the period.",
                    months.len()
                ),
            )
        }
    })
}

pub(crate) async fn list(app: &App, request: &Request) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    request::refuse_parameters(request)?;
    let record = app.partners.read(&partner).await?;
    check_registered(&record)?;
    let holds = record.lifecycle.holds.into_iter().rev().map(shown).collect();
    let may_change = may_change(app, &caller, &partner);
    response::json(StatusCode::OK, &HoldListAnswer { holds, may_change })
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Oversee)?;
    request::refuse_parameters(request)?;
    let id = request::path(request, "id")?;
    let holds = app.partners.read(&partner).await?.lifecycle.holds;
    let hold = holds.into_iter().find(|hold| hold.id == id).ok_or_else(Problem::not_found)?;
    response::json(StatusCode::OK, &shown(hold))
}

pub(crate) async fn release(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    caller.may_order(&partner, app.partners_erase)?;
    request::refuse_parameters(request)?;
    let id = request::path(request, "id")?;
    if !app.partners.read(&partner).await?.lifecycle.holds.iter().any(|hold| hold.id == id) {
        return Err(Problem::not_found());
    }
    let entry = AuditEntry::new(AuditAction::HoldReleased)
        .about("hold", &id)
        .changed(&json!({"status": "active"}), &json!({"status": "released"}));
    let change = async {
        let released = app.partners.change_lifecycle(&partner, |lifecycle| {
            if lifecycle.release_hold(&id, now, caller.author()) { Ok(()) } else { Err(Problem::not_found()) }
        });
        released.await??;
        // What waited goes on now instead of with the next hourly run.
        let run = KeeperRun { partner: Some(partner.to_string()), ..KeeperRun::default() };
        Ok(app.keeper_runs.send(&run, Duration::ZERO).await?)
    };
    RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, change).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

fn shown(hold: Hold) -> HoldAnswer {
    let status = if hold.is_active() { HoldStatus::Active } else { HoldStatus::Released };
    let text = Instant::to_millis_text;
    HoldAnswer {
        id: hold.id,
        status,
        from: Some(hold.from).filter(|from| *from != ALL_TIME.0).map(|from| from.to_string()),
        to: Some(hold.to).filter(|to| *to != ALL_TIME.1).map(|to| to.to_string()),
        customers: Some(hold.customers).filter(|customers| !customers.is_empty()),
        reason: hold.reason,
        left_out: hold.left_out,
        created_at: text(hold.created_at),
        created_by: hold.created_by,
        released_at: hold.released_at.map(text),
        released_by: hold.released_by,
    }
}
