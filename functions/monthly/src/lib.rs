//! Orders the monthly exports that are due, every hour, and continues runs whose time was over.

use domain::time::Instant;
use lambda::{
    Error,
    metrics::{self, Metric},
};
use serde_json::Value;
use store::{
    error::causes,
    months::{Months, RunSummary},
    queues::{DeadLetters, DeadReason, MonthlyRun},
};

/// The part of the function's time that is kept to finish a page of schedules, in seconds.
pub const MARGIN_SECONDS: i64 = 60;

/// The months, and the queue that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// Runs months.
    pub months: Months,
    /// Takes the messages that nobody can read.
    pub dead_letters: DeadLetters,
}

/// Runs the months that are due, or continues the runs that come through the queue.
///
/// An event `{"now": "…"}` sets the time of the run; the scheduler sends none, and the run reads `clock`.
///
/// # Errors
/// When the event or the index cannot be read, or some schedule failed. The next run tries those again.
pub async fn handle(
    app: &App,
    event: &Value,
    deadline: Instant,
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<RunSummary, Error> {
    let stop_at = deadline.plus_seconds(-MARGIN_SECONDS);
    if event.get("Records").is_none() {
        // Counted before anything is ordered, because exports ordered an hour ago should be ready. A failure to count does
        // not stop the run.
        match app.months.count_unfinished(event_time(event)?.unwrap_or_else(clock)).await {
            Ok(unfinished) => metrics::add(Metric::MonthsUnmade, unfinished),
            Err(error) => tracing::warn!(error = causes(&error), "could not count unfinished exports"),
        }
    }
    let mut sum = RunSummary { complete: true, ..RunSummary::default() };
    for run in runs(app, event).await? {
        let now = run.now.unwrap_or_else(clock);
        let outcome = app.months.run(&run, now, &|| clock() < stop_at).await?;
        let RunSummary { due, created, failed, complete } = outcome;
        tracing::info!(due, created, failed, complete, "months made");
        metrics::add(Metric::MonthsDue, due);
        metrics::add(Metric::MonthsMade, created);
        sum.due += due;
        sum.created += created;
        sum.failed += failed;
        sum.complete &= complete;
    }
    if sum.failed > 0 {
        return Err(format!("{} of {} due schedules failed", sum.failed, sum.due).into());
    }
    Ok(sum)
}

fn event_time(event: &Value) -> Result<Option<Instant>, Error> {
    Ok(event.get("now").and_then(Value::as_str).map(Instant::parse).transpose()?)
}

/// Returns the runs that an event requests. A message that nobody can read goes to the dead letters.
async fn runs(app: &App, event: &Value) -> Result<Vec<MonthlyRun>, Error> {
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        return Ok(vec![MonthlyRun { now: event_time(event)?, ..MonthlyRun::default() }]);
    };
    let mut runs = Vec::with_capacity(records.len());
    for record in records {
        let body = record["body"].as_str().unwrap_or_default();
        match serde_json::from_str::<MonthlyRun>(body) {
            Ok(run) => runs.push(run),
            Err(error) => {
                tracing::error!(message_id = record["messageId"].as_str(), "could not read a message: it is no run");
                if !app.dead_letters.bury(body, &DeadReason::unreadable(error.to_string())).await {
                    return Err(error.into());
                }
                metrics::add(Metric::DeadLetters, 1);
            }
        }
    }
    Ok(runs)
}
