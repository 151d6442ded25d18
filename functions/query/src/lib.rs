//! Reads activities: lists, one activity with its details, names of actions, and the log as Partner Center's.

mod activities;
mod audit_activity;
mod audit_records;

use domain::{actions, time::Instant};
use lambda::{Answer, Parameters, Problem, Request, StatusCode, request, response};
use store::ledger::Ledger;

pub use activities::{ListAnswer, Range};
pub use audit_records::{AuditRecord, AuditRecords, Header, Link, Links};

/// Answers a request by its route.
///
/// # Errors
/// A problem.
pub async fn handle(ledger: &Ledger, request: Request, now: Instant) -> Answer {
    match request::route(&request).as_str() {
        "GET /v1/partners/{partner}/activities" => activities::list(ledger, &request, None, now).await,
        "GET /v1/partners/{partner}/activities/{id}" => activities::show(ledger, &request).await,
        "GET /v1/partners/{partner}/activities/{id}/details" => activities::show_details(ledger, &request, now).await,
        "GET /v1/partners/{partner}/customers/{customer}/activities" => {
            let customer = request::path(&request, "customer")?;
            activities::list(ledger, &request, Some(customer), now).await
        }
        "GET /v1/auditrecords" => audit_records::list(ledger, &request, now).await,
        "GET /auditactivity/v1/auditrecords" => audit_activity::list(ledger, &request, now).await,
        "GET /v1/actions" => list_actions(&request),
        _ => Err(Problem::not_found()),
    }
}

fn list_actions(request: &Request) -> Answer {
    request::caller(request)?;
    let parameters = Parameters::read(request, &["locale"])?;
    let locale = request::locale(request, parameters.one("locale")?.as_deref())?;
    response::json(StatusCode::OK, &actions::list_actions(locale).collect::<Vec<_>>())
}
