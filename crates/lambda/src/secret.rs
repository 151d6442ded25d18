//! Secrets that sign webhooks: a fresh one, and the answers of the routes that show and replace one.

use domain::{
    delivery::{MAX_REPLACED_SECRETS, Secret, Secrets},
    time::Instant,
};
use serde::Serialize;
use store::{deliveries::Rotation, error};
use utoipa::ToSchema;

use crate::{Problem, ProblemKind, environment};

/// The secret that signs webhooks (Standard Webhooks).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct SecretAnswer {
    /// The secret: `whsec_` and 32 bytes in base64.
    pub secret: String,
    /// The time at which the secret was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The time until which the previous secret signs as well; null when it no longer does. Secrets before the previous one
    /// sign for a day after their own replacement, too.
    #[schema(format = DateTime)]
    pub previous_valid_until: Option<String>,
}

impl SecretAnswer {
    /// Shows the current secret.
    pub fn of(secrets: &Secrets, now: Instant) -> Self {
        Self {
            secret: secrets.current.reveal().to_owned(),
            created_at: secrets.made_at.to_millis_text(),
            previous_valid_until: secrets.previous_valid_until(now).map(Instant::to_millis_text),
        }
    }
}

/// Makes a secret that nobody can guess.
///
/// # Errors
/// When the system provides no randomness.
pub fn fresh() -> Result<Secret, Problem> {
    let random = environment::random().map_err(|error| error::Error::permanent("making a secret", error))?;
    Ok(Secret::new(&random))
}

/// Returns the secrets that are valid after a rotation.
///
/// # Errors
/// 404 if there is no secret, 409 if somebody else has just replaced it, 422 if it was replaced too often.
pub fn rotated(rotation: Rotation) -> Result<Secrets, Problem> {
    match rotation {
        Rotation::Done(secrets) => Ok(secrets),
        Rotation::NoSecret => Err(Problem::not_found()),
        Rotation::Conflict => Err(Problem::new(
            ProblemKind::Conflict,
            "Somebody else has just replaced the secret. Read it before replacing it.",
        )),
        Rotation::TooMany(until) => Err(Problem::new(
            ProblemKind::Unprocessable,
            format!(
                "The secret was replaced {MAX_REPLACED_SECRETS} times within a day, and each of these still signs. Replace it again after {until}."
            ),
        )),
    }
}
