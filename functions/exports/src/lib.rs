//! The settings and the exports of partners: what is asked for here is made by the workers.

mod clients;
mod exports;
mod schedules;
mod settings;

use daybook::{
    control::Control,
    export::Files,
    http::{Answer, Problem, Request},
    months::Months,
    period::Instant,
    queue::ExportQueue,
    settings::Partners,
};

pub use clients::{ClientAnswer, Wire as SaveClient};
pub use exports::{ExportAnswer, ExportListAnswer, LinkAnswer, Wire as CreateExport};
pub use schedules::{Only as RunMonth, RunAnswer, ScheduleAnswer, Wire as SaveSchedule};
pub use settings::{SettingsAnswer, Wire as SaveSettings};

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// Jobs, schedules, clients.
    pub control: Control,
    /// Settings of partners.
    pub partners: Partners,
    /// The way to the workers.
    pub queue: ExportQueue,
    /// The files of exports.
    pub files: Files,
    /// How long files are kept, in seconds.
    pub retention_seconds: i64,
    /// How long after its end a month is made, in seconds.
    pub grace_seconds: i64,
}

impl App {
    fn months(&self) -> Months {
        Months {
            control: self.control.clone(),
            queue: self.queue.clone(),
            grace_seconds: self.grace_seconds,
            retention_seconds: self.retention_seconds,
        }
    }
}

/// The routes of this function.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    match request.route().as_str() {
        "POST /v1/partners/{partner}/exports" => exports::create(app, &request, now).await,
        "GET /v1/partners/{partner}/exports" => exports::list(app, &request, now).await,
        "GET /v1/partners/{partner}/exports/{id}" => exports::show(app, &request, now).await,
        "DELETE /v1/partners/{partner}/exports/{id}" => exports::cancel(app, &request).await,
        "GET /v1/partners/{partner}/exports/{id}/files/{name}" => exports::download(app, &request, now).await,
        "GET /v1/partners/{partner}/export-schedule" => schedules::show(app, &request).await,
        "PUT /v1/partners/{partner}/export-schedule" => schedules::save(app, &request, now).await,
        "DELETE /v1/partners/{partner}/export-schedule" => schedules::remove(app, &request).await,
        "GET /v1/partners/{partner}/settings" => settings::show(app, &request).await,
        "PUT /v1/partners/{partner}/settings" => settings::save(app, &request, now).await,
        "POST /v1/months/{month}/run" => schedules::run_month(app, &request, now).await,
        "GET /v1/clients/{client_id}" => clients::show(app, &request).await,
        "PUT /v1/clients/{client_id}" => clients::save(app, &request, now).await,
        "DELETE /v1/clients/{client_id}" => clients::remove(app, &request).await,
        _ => Err(Problem::not_found()),
    }
}
