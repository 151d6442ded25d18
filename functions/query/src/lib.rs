//! Reads activities: lists, counts, one activity with its details, names of actions, and the log as Partner Center's.

mod activities;
mod audit_activity;
mod audit_records;
mod counts;
mod paging;

use domain::{actions, activity::PartnerId, time::Instant};
use lambda::{
    Answer, Parameters, Problem, Request, StatusCode,
    metrics::{self, Metric},
    request, response,
};
use store::{
    ledger::{Ledger, ReadUnits},
    meter::Meter,
};

pub use activities::ListAnswer;
pub use audit_records::{AuditRecord, AuditRecords, Header, Link, Links};
pub use counts::CountAnswer;
pub use paging::Range;

/// The stores that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// The ledger.
    pub ledger: Ledger,
    /// Counts read units, where partners have limits.
    pub meter: Option<Meter>,
}

impl App {
    /// Begins a read for a partner, unless the partner reads more than its limit.
    async fn begin_read<'a>(&'a self, partner: &'a PartnerId, now: Instant) -> Result<Reading<'a>, Problem> {
        let Some(meter) = &self.meter else { return Ok(Reading { ledger: self.ledger.clone(), counted: None }) };
        // One unit is taken before the read, and the others after it, because only the answers tell how many they are.
        if let (_, Some(over)) = Box::pin(meter.allow(partner, 1, now)).await {
            metrics::add(Metric::Refused, 1);
            return Err(over.into());
        }
        let units = ReadUnits::default();
        Ok(Reading { ledger: self.ledger.count_reads(&units), counted: Some((meter, partner, units)) })
    }
}

/// A read for a partner. At its end the partner is charged for what was read, also if the read failed.
struct Reading<'a> {
    ledger: Ledger,
    counted: Option<(&'a Meter, &'a PartnerId, ReadUnits)>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some((meter, partner, units)) = &self.counted {
            meter.charge(partner, units.total().saturating_sub(1));
        }
    }
}

/// Answers a request by its route.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    match request::route(&request).as_str() {
        "GET /v1/partners/{partner}/activities" => activities::list(app, &request, None, now).await,
        "GET /v1/partners/{partner}/activities/{id}" => activities::show(app, &request, now).await,
        "GET /v1/partners/{partner}/activities/{id}/details" => activities::show_details(app, &request, now).await,
        "GET /v1/partners/{partner}/customers/{customer}/activities" => {
            let customer = request::path(&request, "customer")?;
            activities::list(app, &request, Some(customer), now).await
        }
        "GET /v1/partners/{partner}/counts" => counts::count(app, &request, now).await,
        "GET /v1/auditrecords" => audit_records::list(app, &request, now).await,
        "GET /auditactivity/v1/auditrecords" => audit_activity::list(app, &request, now).await,
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
