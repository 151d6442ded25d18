//! The surroundings of a process: the clock, environment variables, randomness.
//!
//! Only `main` functions and this crate read them. Everything else takes values as arguments, so that tests choose them.

use std::{env, str::FromStr, time::Duration};

use domain::time::Instant;
use lambda_runtime::{Context, Error};

/// Returns the present, by the machine's clock.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    let now = chrono::Utc::now();
    Instant::from_micros(now.timestamp_micros()).unwrap_or(Instant::MAX)
}

/// Reads an environment variable.
///
/// # Errors
/// When the variable is not set.
pub fn variable(name: &str) -> Result<String, Error> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let value = env::var(name);
    value.map_err(|_| format!("the variable {name} is not set").into())
}

/// Reads an environment variable that holds a whole number.
///
/// # Errors
/// When the variable is not set, or holds no number of that type.
pub fn number<N: FromStr>(name: &str) -> Result<N, Error> {
    let text = variable(name)?;
    text.parse().map_err(|_| format!("the variable {name} is not a whole number: {text:?}").into())
}

/// Reads an environment variable that holds a whole number, of which 0 stands for none.
///
/// # Errors
/// When the variable is not set, or holds no such number.
pub fn positive(name: &str) -> Result<Option<u32>, Error> {
    Ok(Some(number(name)?).filter(|number| *number > 0))
}

/// Reads an environment variable that holds `true` or `false`.
///
/// # Errors
/// When the variable is not set, or holds something else.
pub fn flag(name: &str) -> Result<bool, Error> {
    let text = variable(name)?;
    text.parse().map_err(|_| format!("the variable {name} is neither true nor false: {text:?}").into())
}

/// Reads an environment variable that holds texts with commas between; empty ones are left out.
///
/// # Errors
/// When the variable is not set.
pub fn list(name: &str) -> Result<Vec<String>, Error> {
    let text = variable(name)?;
    Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// Returns 32 bytes that nobody can guess.
///
/// # Errors
/// When the system provides none.
pub fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("could not read random bytes: {error}"))?;
    Ok(bytes)
}

/// Returns the instant at which Lambda ends an invocation.
pub fn deadline(context: &Context) -> Instant {
    let millis = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    Instant::from_micros(millis.saturating_mul(1_000)).unwrap_or(Instant::MAX)
}

/// Returns the time from `now` to `deadline`, or none when the deadline is over.
pub fn time_left(deadline: Instant, now: Instant) -> Duration {
    let micros = deadline.micros().saturating_sub(now.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
