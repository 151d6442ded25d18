//! Operates the installation: partners, machine clients, settings, months of all partners; and what becomes of partners' data:
//! retention, holds, erasures.
//!
//! Most routes answer the operator only. A partner's overseer sees what is decided about the partner's data, and may decide
//! where the installation says so. The function has a role of its own, so that the functions that everybody calls hold none
//! of this power. It decides and orders; the keeper erases and deletes.

mod clients;
mod erasures;
mod holds;
mod months;
mod partners;
mod retention;
mod settings;

use std::time::{Duration, UNIX_EPOCH};

use domain::{access::Caller, activity::PartnerId, fault::Faults, text::quoted, time::Instant};
use lambda::{Answer, Problem, Request, audit::note_refusal, request};
use store::{
    audit::Audit, control::Control, ledger::Directory, months::Months, partners::Partners, queues::KeeperQueue,
};
use ulid::Ulid;

pub use clients::{ClientAnswer, CustomerId, SaveClient};
pub use erasures::{ErasedAddress, ErasureAnswer, ErasureListAnswer, OrderErasure};
pub use holds::{HoldAnswer, HoldListAnswer, PlaceHold};
pub use months::{Counts, MonthAnswer, MonthExport, RunAnswer, RunMonth};
pub use partners::{PartnerAnswer, PartnerListAnswer, SavePartner};
pub use retention::{RetentionAnswer, RetentionDryRun, SaveRetention};
pub use settings::{SaveLimits, SaveSettings, SettingsAnswer};

/// The longest reason of a hold or an order, in characters.
const MAX_REASON_CHARS: usize = 1_024;

/// The stores and queues that the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// Clients, the exports of months, and orders to erase.
    pub control: Control,
    /// Registrations and settings of partners, and what is decided about their data.
    pub partners: Partners,
    /// The months with activities.
    pub directory: Directory,
    /// Runs months.
    pub months: Months,
    /// The queue of the keeper.
    pub keeper_runs: KeeperQueue,
    /// The audit of what the operator changes.
    pub audit: Audit,
    /// Whether the installation limits partners.
    pub limits_apply: bool,
    /// Whether partners' overseers may decide about their partner's data.
    pub partners_erase: bool,
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
        "GET /v1/clients/{client_id}" => clients::show(app, request).await,
        "PUT /v1/clients/{client_id}" => clients::save(app, request, now).await,
        "DELETE /v1/clients/{client_id}" => clients::remove(app, request, now).await,
        "GET /v1/partners" => partners::list(app, request, now).await,
        "GET /v1/partners/{partner}" => partners::show(app, request, now).await,
        "PUT /v1/partners/{partner}" => partners::save(app, request, now).await,
        "DELETE /v1/partners/{partner}" => partners::remove(app, request, now).await,
        "GET /v1/partners/{partner}/settings" => settings::show(app, request).await,
        "PUT /v1/partners/{partner}/settings" => settings::save(app, request, now).await,
        "GET /v1/partners/{partner}/retention" => retention::show(app, request, now).await,
        "PUT /v1/partners/{partner}/retention" => retention::save(app, request, now).await,
        "GET /v1/partners/{partner}/holds" => holds::list(app, request).await,
        "POST /v1/partners/{partner}/holds" => holds::place(app, request, now).await,
        "GET /v1/partners/{partner}/holds/{id}" => holds::show(app, request).await,
        "DELETE /v1/partners/{partner}/holds/{id}" => holds::release(app, request, now).await,
        "GET /v1/partners/{partner}/erasures" => erasures::list(app, request).await,
        "POST /v1/partners/{partner}/erasures" => erasures::order(app, request, now).await,
        "GET /v1/partners/{partner}/erasures/{id}" => erasures::show(app, request).await,
        "GET /v1/exports" => months::list(app, request, now).await,
        "POST /v1/months/{month}/run" => months::run(app, request, now).await,
        _ => Err(Problem::not_found()),
    }
}

/// Whether a caller may decide what becomes of a partner's data.
fn may_change(app: &App, caller: &Caller, partner: &PartnerId) -> bool {
    caller.may_order(partner, app.partners_erase).is_ok()
}

/// Checks the reason of a hold or an order.
fn check_reason(reason: Option<String>, faults: &mut Faults) -> Option<String> {
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else {
        faults.invalid("/reason", "is required: why this is ordered");
        return None;
    };
    if reason.chars().count() > MAX_REASON_CHARS {
        faults.invalid("/reason", format!("is longer than {MAX_REASON_CHARS} characters"));
        return None;
    }
    Some(reason)
}

/// Reads `true` or `false`.
fn parse_flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{} is neither true nor false", quoted(other))),
    }
}

/// Makes a new id of an instant.
fn ulid_of(now: Instant) -> String {
    let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    Ulid::from_datetime(time).to_string()
}
