//! Telling people that a month's export is ready: what is said, how it is signed, and how often it is tried.
//!
//! The worker that finishes an export announces it on a queue. The function `notifier` enters a [`Delivery`] for each
//! recipient, then tries each for itself: a try is a message, and what came of it is on the delivery's record. A message
//! may come twice and a process may die at any point; the record's number of tries decides what is still to be done. The
//! longest delay of a queue is shorter than the waits between tries, so a message that comes early is sent on.
//!
//! Webhooks have the form of [Standard Webhooks](https://www.standardwebhooks.com): the id of the message, the time and
//! the body are signed with the schedule's secret, and a receiver that gets the same id twice has been told twice.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    activity::PartnerId,
    job::{Job, Standing},
    recipient::Recipient,
    text::hex,
    time::Instant,
};

/// How long the secret before the present one still signs, in seconds.
pub const OVERLAP_SECONDS: i64 = 86_400;
/// What secrets begin with.
const SECRET_PREFIX: &str = "whsec_";
/// The longest that a queue holds back a message, in seconds.
const MAX_DELAY_SECONDS: i64 = 900;

/// A key that signs webhooks. Its text is shown to the partner only; no log can show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret of some random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(format!("{SECRET_PREFIX}{}", STANDARD.encode(random)))
    }

    /// The text that the partner configures its receiver with.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The signature of a message, as Standard Webhooks writes it.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let key = STANDARD.decode(self.0.trim_start_matches(SECRET_PREFIX)).unwrap_or_default();
        // A key of any length is one.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The secrets of a schedule: the present one, and the one before as long as it still signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// The present one.
    pub current: Secret,
    /// The one before, and until when it signs.
    pub previous: Option<(Secret, Instant)>,
    /// When the present one was made.
    pub made_at: Instant,
}

impl Secrets {
    /// The first secret.
    pub fn new(current: Secret, now: Instant) -> Self {
        Self { current, previous: None, made_at: now }
    }

    /// A new secret; the present one signs on for [`OVERLAP_SECONDS`], so that a receiver can be changed meanwhile.
    #[must_use]
    pub fn rotated(self, fresh: Secret, now: Instant) -> Self {
        Self { current: fresh, previous: Some((self.current, now.plus_seconds(OVERLAP_SECONDS))), made_at: now }
    }

    /// The header `webhook-signature`: a signature of each secret that counts, separated by spaces.
    pub fn signature(&self, id: &str, now: Instant, body: &str) -> String {
        let timestamp = timestamp(now);
        let mut signature = self.current.sign(id, timestamp, body);
        if let Some((previous, until)) = &self.previous
            && now < *until
        {
            signature.push(' ');
            signature.push_str(&previous.sign(id, timestamp, body));
        }
        signature
    }
}

/// The header `webhook-timestamp`: seconds since 1970.
pub fn timestamp(now: Instant) -> i64 {
    now.micros().div_euclid(1_000_000)
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryStatus)]
pub enum DeliveryState {
    /// It is tried, again if need be.
    Pending,
    /// The recipient has it.
    Delivered,
    /// It was given up.
    Failed,
}

/// The telling of one recipient of one export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The export.
    pub export: String,
    /// Whom to tell.
    pub recipient: Recipient,
    /// When it was entered.
    pub created_at: Instant,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    pub last_at: Option<Instant>,
    /// When it is tried next.
    pub next_at: Option<Instant>,
    /// The HTTP status of the last answer, of a webhook.
    pub answer: Option<u16>,
    /// Why the last try failed, for people.
    pub problem: Option<String>,
}

/// How a try ended that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status, where there was an answer.
    pub answer: Option<u16>,
    /// What happened, for people.
    pub problem: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

impl Delivery {
    /// A delivery that was not tried yet.
    pub fn new(export: String, recipient: Recipient, now: Instant) -> Self {
        Self {
            export,
            recipient,
            created_at: now,
            state: DeliveryState::Pending,
            attempts: 0,
            last_at: None,
            next_at: Some(now),
            answer: None,
            problem: None,
        }
    }

    /// The id of the message: the same however often it is tried.
    pub fn message_id(&self, partner: &PartnerId) -> String {
        // A digest, since the id is signed with a full stop behind it and must have none itself.
        let name = format!("{partner}#{}#{}", self.export, self.recipient);
        format!("msg_{}", hex(&Sha256::digest(name)[..16]))
    }

    /// The delivery after one more try: over, or with the time of the next one. `waits` are the seconds after each try
    /// that fails; when they are used up it is given up.
    #[must_use]
    pub fn tried(self, outcome: Result<Option<u16>, Failure>, now: Instant, waits: &[i64]) -> Self {
        let wait = usize::try_from(self.attempts).ok().and_then(|tried| waits.get(tried)).copied();
        let attempts = self.attempts.saturating_add(1);
        let tried = Self { attempts, last_at: Some(now), next_at: None, ..self };
        match outcome {
            Ok(answer) => Self { state: DeliveryState::Delivered, answer, problem: None, ..tried },
            Err(Failure { answer, problem, is_final }) => {
                let next_at = wait.filter(|_| !is_final).map(|seconds| now.plus_seconds(seconds));
                let state = if next_at.is_some() { DeliveryState::Pending } else { DeliveryState::Failed };
                Self { state, next_at, answer, problem: Some(problem), ..tried }
            }
        }
    }

    /// How long a message about it is to be held back: until its next try, or as long as the queue can.
    pub fn delay(&self, now: Instant) -> Duration {
        let micros = self.next_at.map_or(0, |next| next.micros().saturating_sub(now.micros()).max(0));
        let seconds = (micros.saturating_add(999_999) / 1_000_000).min(MAX_DELAY_SECONDS);
        Duration::from_secs(seconds.unsigned_abs())
    }
}

/// What a webhook's body says, as JSON. The link leads to the portal, which asks for a sign-in: whoever reads the message
/// elsewhere can download nothing with it.
///
/// # Errors
/// When it cannot be written as JSON, which a stored job always can.
pub fn payload(
    partner: &PartnerId,
    job: &Job,
    standing: &Standing,
    delivery: &Delivery,
    portal_url: &str,
) -> Result<String, serde_json::Error> {
    let body = json!({
        "type": "monthly_export.ready",
        "timestamp": delivery.created_at.to_millis_text(),
        "data": {
            "partner_id": partner,
            "export_id": job.id,
            "month": job.month,
            "version": job.version,
            "range": {"from": job.request.from, "to": job.request.to, "time_zone": job.request.time_zone.name()},
            "complete_through": job.complete_through(),
            "files": standing.files,
            "portal_url": portal_url,
        },
    });
    serde_json::to_string(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipient::Reach;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // Computed apart from this code, with Python's hmac.
        let secrets = Secrets::new(Secret::new(&[7; 32]), at("2026-11-02T12:00:00Z"));
        assert_eq!(secrets.current.reveal(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let signature = secrets.signature("msg_1", at("2026-11-02T12:00:00.9Z"), r#"{"a":1}"#);
        assert_eq!(signature, "v1,QY3/wtvVQV4dmqBGLMc2C2DGBApwKh2beU27VssTthc=");
        assert_eq!(format!("{secrets:?}").matches("whsec").count(), 0, "no log shows a secret");
    }

    #[test]
    fn a_secret_that_was_replaced_signs_for_a_day() {
        let now = at("2026-11-02T12:00:00Z");
        let first = Secrets::new(Secret::new(&[1; 32]), now);
        let old = first.signature("m", now, "b");
        let both = first.clone().rotated(Secret::new(&[2; 32]), now);
        let signature = both.signature("m", now, "b");
        assert_eq!(signature.split(' ').count(), 2);
        assert!(signature.ends_with(&old));
        assert_eq!(both.signature("m", now.plus_seconds(OVERLAP_SECONDS), "b").split(' ').count(), 1);
    }

    #[test]
    fn a_delivery_is_tried_after_each_wait_and_then_given_up() {
        let now = at("2026-11-02T12:00:00Z");
        let recipient = Recipient::parse("https://portal.example/hook", &Reach::default()).unwrap();
        let failed = |is_final| Err(Failure { answer: Some(500), problem: "no".to_owned(), is_final });
        let waits = [60, 7_200];
        let first = Delivery::new("2026-10".to_owned(), recipient, now);
        assert_eq!(first.delay(now), Duration::ZERO);
        let second = first.clone().tried(failed(false), now, &waits);
        assert_eq!((second.state, second.attempts, second.delay(now).as_secs()), (DeliveryState::Pending, 1, 60));
        let third = second.tried(failed(false), now, &waits);
        assert_eq!(third.delay(now).as_secs(), 900, "the longest of a queue");
        assert_eq!(third.next_at, Some(now.plus_seconds(7_200)));
        let last = third.clone().tried(failed(false), now, &waits);
        assert_eq!((last.state, last.attempts, last.next_at), (DeliveryState::Failed, 3, None));
        assert_eq!(third.tried(Ok(Some(204)), now, &waits).state, DeliveryState::Delivered);
        assert_eq!(first.clone().tried(failed(true), now, &waits).state, DeliveryState::Failed);
        let partner = PartnerId::parse("contoso").unwrap();
        assert_eq!(last.message_id(&partner), first.message_id(&partner));
    }
}
