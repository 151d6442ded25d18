//! Makes the monthly exports that are due, every hour.

use daybook::{
    host::Error,
    months::{Made, Months},
    period::Instant,
};
use serde_json::Value;

/// One run. An event `{"now": "…"}` sets its clock; what the scheduler sends has none, and `clock` counts.
///
/// # Errors
/// When the event's time cannot be read, the index cannot be read, or some schedule failed: the next run, or this one
/// again, makes good for it.
pub async fn handle(months: &Months, event: &Value, clock: Instant) -> Result<Made, Error> {
    let now = match event.get("now").and_then(Value::as_str) {
        Some(text) => Instant::parse(text)?,
        None => clock,
    };
    let made = months.run(now).await?;
    tracing::info!(due = made.due, created = made.created, failed = made.failed, "months made");
    if made.failed > 0 {
        return Err(format!("{} of {} due schedules failed", made.failed, made.due).into());
    }
    Ok(made)
}
