//! The settings and the exports of partners: what is asked for here is made by the workers.

mod clients;
mod exports;
mod months;
mod schedules;
mod settings;

use daybook::{
    control::Control,
    export::Files,
    http::{Answer, Problem, Request},
    ledger::LateIndex,
    limits::Limits,
    months::{Months, Reach, Rules},
    period::Instant,
    queue::{ExportQueue, RunQueue},
    settings::Partners,
};

pub use clients::{ClientAnswer, Wire as SaveClient};
pub use exports::{ExportAnswer, ExportListAnswer, LinkAnswer, Wire as CreateExport};
pub use months::{Counts, MonthAnswer, MonthExport, Only as RunMonth, RunAnswer};
pub use schedules::{DeliveryAnswer, ResultAnswer, ScheduleAnswer, SecretAnswer, Wire as SaveSchedule};
pub use settings::{SettingsAnswer, Wire as SaveSettings};

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// Jobs, schedules, clients.
    pub control: Control,
    /// Settings of partners.
    pub partners: Partners,
    /// What every partner may take, where partners have limits.
    pub limits: Option<Limits>,
    /// The way to the workers.
    pub queue: ExportQueue,
    /// The files of exports.
    pub files: Files,
    /// Where late activities are found.
    pub late: LateIndex,
    /// The way to the runs of months.
    pub runs: RunQueue,
    /// The installation's times.
    pub rules: Rules,
    /// Whom it can tell.
    pub reach: Reach,
}

impl App {
    fn months(&self) -> Months {
        Months {
            control: self.control.clone(),
            queue: self.queue.clone(),
            late: self.late.clone(),
            runs: self.runs.clone(),
            rules: self.rules,
        }
    }
}

/// The routes of this function.
///
/// # Errors
/// A problem.
pub async fn handle(app: &App, request: Request<'_>, now: Instant) -> Answer {
    match request.route().as_str() {
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
        "GET /v1/partners/{partner}/settings" => settings::show(app, &request).await,
        "PUT /v1/partners/{partner}/settings" => settings::save(app, &request, now).await,
        "GET /v1/exports" => months::list(app, &request, now).await,
        "POST /v1/months/{month}/run" => months::run(app, &request, now).await,
        "GET /v1/clients/{client_id}" => clients::show(app, &request).await,
        "PUT /v1/clients/{client_id}" => clients::save(app, &request, now).await,
        "DELETE /v1/clients/{client_id}" => clients::remove(app, &request).await,
        _ => Err(Problem::not_found()),
    }
}
