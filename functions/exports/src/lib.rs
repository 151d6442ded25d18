//! The exports of a partner: orders, files, and the schedule of monthly exports. Workers make the files.

mod exports;
mod filters;
mod schedules;

use domain::{quota::Limits, recipient::Reach, time::Instant};
use export::Files;
use lambda::{Answer, Problem, Request, request};
use store::{control::Control, months::Rules, partners::Partners, queues::ExportQueue};

pub use exports::{CreateExport, ExportAnswer, ExportListAnswer};
pub use filters::SentFilters;
pub use schedules::{DeliveryAnswer, ResultAnswer, SaveSchedule, ScheduleAnswer, SecretAnswer};

/// The stores and queues that the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// Jobs and schedules.
    pub control: Control,
    /// Settings of partners.
    pub partners: Partners,
    /// The limits of every partner, where partners have limits.
    pub limits: Option<Limits>,
    /// The queue of the workers.
    pub queue: ExportQueue,
    /// The files of exports.
    pub files: Files,
    /// The installation's times.
    pub rules: Rules,
    /// The recipients that the installation can notify.
    pub reach: Reach,
}

/// Answers a request by its route.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    match request::route(&request).as_str() {
        "POST /v1/partners/{partner}/exports" => exports::create(app, &request, now).await,
        "GET /v1/partners/{partner}/exports" => exports::list(app, &request, now).await,
        "GET /v1/partners/{partner}/exports/{id}" => exports::show(app, &request, now).await,
        "DELETE /v1/partners/{partner}/exports/{id}" => exports::cancel(app, &request).await,
        "GET /v1/partners/{partner}/exports/{id}/files/{name}" => exports::download(app, &request, now).await,
        "GET /v1/partners/{partner}/export-schedule" => schedules::show(app, &request, now).await,
        "PUT /v1/partners/{partner}/export-schedule" => schedules::save(app, &request, now).await,
        "DELETE /v1/partners/{partner}/export-schedule" => schedules::remove(app, &request, now).await,
        "GET /v1/partners/{partner}/export-schedule/secret" => schedules::show_secret(app, &request, now).await,
        "POST /v1/partners/{partner}/export-schedule/secret" => schedules::rotate_secret(app, &request, now).await,
        _ => Err(Problem::not_found()),
    }
}
