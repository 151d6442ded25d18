//! Reads activities: lists, one with its details, the catalogue of actions, and all of it as Partner Center's audit log.

mod activities;
mod audit_records;

use daybook::{
    catalogue,
    http::{self, Answer, Parameters, Problem, Request, StatusCode},
    ledger::Ledger,
    period::Instant,
};

pub use activities::{ListAnswer, Range};
pub use audit_records::{AuditRecords, Header, Link, Links};

/// The routes of this function.
///
/// # Errors
/// A problem.
pub async fn handle(ledger: &Ledger, request: Request<'_>, now: Instant) -> Answer {
    match request.route().as_str() {
        "GET /v1/partners/{partner}/activities" => activities::list(ledger, &request, None, now).await,
        "GET /v1/partners/{partner}/activities/{id}" => activities::one(ledger, &request).await,
        "GET /v1/partners/{partner}/customers/{customer}/activities" => {
            let customer = http::path(&request, "customer")?;
            activities::list(ledger, &request, Some(customer), now).await
        }
        "GET /v1/auditrecords" => audit_records::list(ledger, &request, now).await,
        "GET /v1/actions" => actions(&request),
        _ => Err(Problem::not_found()),
    }
}

fn actions(request: &Request<'_>) -> Answer {
    http::caller(request)?;
    let parameters = Parameters::read(request, &["locale"])?;
    let locale = http::locale(request, parameters.one("locale")?.as_deref())?;
    http::ok(StatusCode::OK, &catalogue::actions(locale).collect::<Vec<_>>())
}
