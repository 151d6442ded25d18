//! Operates the installation: machine clients, settings of partners, months of all partners.
//!
//! Only a caller with the role `operator` is answered. The function has a role of its own, so that the functions that
//! partners call hold none of this power.

mod clients;
mod months;
mod settings;

use domain::time::Instant;
use lambda::{Answer, Problem, Request, request};
use store::{control::Control, months::Months, partners::Partners};

pub use clients::{ClientAnswer, SaveClient};
pub use months::{Counts, MonthAnswer, MonthExport, RunAnswer, RunMonth};
pub use settings::{SaveLimits, SaveSettings, SettingsAnswer};

/// The stores and queues that the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// Clients, and the exports of months.
    pub control: Control,
    /// Settings of partners.
    pub partners: Partners,
    /// Runs months.
    pub months: Months,
    /// Whether the installation limits partners.
    pub limits_apply: bool,
}

/// Answers a request by its route.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    match request::route(&request).as_str() {
        "GET /v1/clients/{client_id}" => clients::show(app, &request).await,
        "PUT /v1/clients/{client_id}" => clients::save(app, &request, now).await,
        "DELETE /v1/clients/{client_id}" => clients::remove(app, &request).await,
        "GET /v1/partners/{partner}/settings" => settings::show(app, &request).await,
        "PUT /v1/partners/{partner}/settings" => settings::save(app, &request, now).await,
        "GET /v1/exports" => months::list(app, &request, now).await,
        "POST /v1/months/{month}/run" => months::run(app, &request, now).await,
        _ => Err(Problem::not_found()),
    }
}
