//! Reads activities: lists, counts, the feed, one activity with its details, names of actions, the log as Partner Center's, and
//! the audit.

mod activities;
mod audit;
mod audit_activity;
mod audit_records;
mod counts;
mod feed;
mod paging;
mod reading;

use domain::{
    access::Caller,
    actions::{ListedAction, list_actions, list_audit_actions},
    activity::PartnerId,
    audit::AuditAction,
    fault::Faults,
    text::quoted,
    time::Instant,
};
use lambda::{
    Answer, Parameters, Problem, Request, StatusCode,
    audit::{RequestAudit, note_refusal},
    request, response,
};
use store::{audit::Audit, ledger::Ledger, meter::Meter, partners::Partners};

pub use activities::ListAnswer;
pub use audit::AuditAnswer;
pub use audit_records::{AuditRecord, AuditRecords, Header, Link, Links};
pub use counts::CountAnswer;
pub use feed::FeedAnswer;
pub use paging::Range;

/// The stores that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// The ledger.
    pub ledger: Ledger,
    /// The audit of who reads.
    pub audit: Audit,
    /// The partners, whose settings say whether they have a feed.
    pub partners: Partners,
    /// Counts read units, where partners have limits.
    pub meter: Option<Meter>,
}

impl App {
    /// Runs the first query of a read of the log, and beside it stores who reads.
    async fn note_read<T>(
        &self,
        by: (&Request, &Caller, Instant),
        partner: &PartnerId,
        query: impl Future<Output = T>,
    ) -> T {
        self.note(by, partner, AuditAction::LogRead, query).await
    }

    async fn note<T>(
        &self,
        (request, caller, now): (&Request, &Caller, Instant),
        partner: &PartnerId,
        action: AuditAction,
        query: impl Future<Output = T>,
    ) -> T {
        let audit = RequestAudit::new(&self.audit, request, caller, now);
        tokio::join!(Box::pin(query), Box::pin(audit.note_read(partner, action))).0
    }
}

/// Answers a request by its route.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    let answer = Box::pin(route(app, &request, now)).await;
    note_refusal(&app.audit, &request, &answer, now).await;
    answer
}

async fn route(app: &App, request: &Request, now: Instant) -> Answer {
    match request::route(request).as_str() {
        "GET /v1/partners/{partner}/activities" => activities::list(app, request, None, now).await,
        "GET /v1/partners/{partner}/activities/{id}" => activities::show(app, request, now).await,
        "GET /v1/partners/{partner}/activities/{id}/details" => activities::show_details(app, request, now).await,
        "GET /v1/partners/{partner}/customers/{customer}/activities" => {
            let customer = request::path(request, "customer")?;
            activities::list(app, request, Some(customer), now).await
        }
        "GET /v1/partners/{partner}/counts" => counts::count(app, request, now).await,
        "GET /v1/partners/{partner}/feed" => feed::list(app, request, now).await,
        "GET /v1/partners/{partner}/audit" => audit::list(app, request, now).await,
        "GET /v1/auditrecords" => audit_records::list(app, request, now).await,
        "GET /auditactivity/v1/auditrecords" => audit_activity::list(app, request, now).await,
        "GET /v1/actions" => show_actions(request),
        _ => Err(Problem::not_found()),
    }
}

fn show_actions(request: &Request) -> Answer {
    request::caller(request)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["locale", "log"], &mut faults);
    let locale = faults.keep_part(parameters.one("locale")).flatten();
    let of_audit = faults.keep_part(parameters.parse("log", |log| match log {
        "activities" => Ok(false),
        "audit" => Ok(true),
        other => Err(format!("{} is neither activities nor audit", quoted(other))),
    }));
    let of_audit = faults.finish(of_audit)?.unwrap_or_default();
    let locale = request::locale(request, locale.as_deref())?;
    let listed: Vec<ListedAction> =
        if of_audit { list_audit_actions(locale).collect() } else { list_actions(locale).collect() };
    response::json(StatusCode::OK, &listed)
}
