//! The exports of a partner: orders, files, and the schedule of monthly exports. Workers make the files.

mod exports;
mod schedules;
mod visible;

use domain::{quota::Limits, recipient::Reach, time::Instant};
use export::Files;
use lambda::{Answer, Problem, Request, audit::note_refusal, request};
use store::{audit::Audit, control::Control, months::Rules, partners::Partners, queues::ExportQueue};

pub use exports::{CreateExport, ExportAnswer, ExportListAnswer};
pub use schedules::{DeliveryAnswer, ResultAnswer, SaveSchedule, ScheduleAnswer};

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
    /// The audit of who exports, downloads and changes.
    pub audit: Audit,
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
    let answer = route(app, &request, now).await;
    note_refusal(&app.audit, &request, &answer, now).await;
    answer
}

async fn route(app: &App, request: &Request, now: Instant) -> Answer {
    match request::route(request).as_str() {
        "POST /v1/partners/{partner}/exports" => exports::create(app, request, now).await,
        "GET /v1/partners/{partner}/exports" => exports::list(app, request, now).await,
        "GET /v1/partners/{partner}/exports/{id}" => exports::show(app, request, now).await,
        "DELETE /v1/partners/{partner}/exports/{id}" => exports::cancel(app, request, now).await,
        "GET /v1/partners/{partner}/exports/{id}/files/{name}" => exports::download(app, request, now).await,
        "GET /v1/partners/{partner}/export-schedule" => schedules::show(app, request, now).await,
        "PUT /v1/partners/{partner}/export-schedule" => schedules::save(app, request, now).await,
        "DELETE /v1/partners/{partner}/export-schedule" => schedules::remove(app, request, now).await,
        "GET /v1/partners/{partner}/export-schedule/secret" => schedules::show_secret(app, request, now).await,
        "POST /v1/partners/{partner}/export-schedule/secret" => schedules::rotate_secret(app, request, now).await,
        _ => Err(Problem::not_found()),
    }
}
