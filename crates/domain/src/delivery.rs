//! Deliveries of notifications: their content, their signature, and their retries.
//!
//! The worker that finishes a monthly export announces it on a queue. The function `notifier` stores a [`Delivery`] for each
//! recipient and tries each delivery separately: an attempt is a message, and its result is stored with the delivery. A
//! message may arrive twice and a process may die at any point, so the stored number of attempts decides the next step. A
//! queue delays messages for less time than the waits between attempts, so a message that arrives early is sent again.
//!
//! Webhooks have the form of [Standard Webhooks](https://www.standardwebhooks.com): the id of the message, the time and
//! the body are signed with the schedule's secret. A receiver recognises a repeated message by its id.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    activity::PartnerId,
    job::{Job, JobStatus},
    recipient::Recipient,
    text::hex,
    time::Instant,
};

/// The time for which a replaced secret still signs, in seconds.
pub const OVERLAP_SECONDS: i64 = 86_400;
/// The most replaced secrets that sign at the same time, so that a header holds all signatures.
pub const MAX_REPLACED_SECRETS: usize = 10;
/// The start of every secret.
const SECRET_PREFIX: &str = "whsec_";
/// The longest delay of a queue, in seconds.
const MAX_DELAY_SECONDS: i64 = 900;

/// A key that signs webhooks. Only the partner sees the text; `Debug` hides it from logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Makes a secret from random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(format!("{SECRET_PREFIX}{}", STANDARD.encode(random)))
    }

    /// Returns the text that the partner configures in the receiver.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Signs a message in the form of Standard Webhooks.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let key = STANDARD.decode(self.0.trim_start_matches(SECRET_PREFIX)).unwrap_or_default();
        // HMAC accepts keys of any length, so this cannot fail.
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

/// The secrets of a schedule: the present one, and those before while they still sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredSecrets")]
pub struct Secrets {
    /// The present secret.
    pub current: Secret,
    /// The replaced secrets, oldest first, each with the instant until which it signs.
    replaced: Vec<(Secret, Instant)>,
    /// When the present secret was made.
    pub made_at: Instant,
}

/// The stored form of [`Secrets`]. Secrets that were stored earlier have one `previous` secret instead of a list.
#[derive(Deserialize)]
struct StoredSecrets {
    current: Secret,
    previous: Option<(Secret, Instant)>,
    #[serde(default)]
    replaced: Vec<(Secret, Instant)>,
    made_at: Instant,
}

impl From<StoredSecrets> for Secrets {
    fn from(StoredSecrets { current, previous, mut replaced, made_at }: StoredSecrets) -> Self {
        if let Some(previous) = previous {
            replaced.insert(0, previous);
        }
        Self { current, replaced, made_at }
    }
}

/// As many secrets as may sign at a time do so already. The value is the instant at which the oldest of them ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySecrets(pub Instant);

impl Secrets {
    /// Makes the secrets of a schedule that has none yet.
    pub fn new(current: Secret, now: Instant) -> Self {
        Self { current, replaced: Vec::new(), made_at: now }
    }

    /// Replaces the present secret, which signs for [`OVERLAP_SECONDS`] more, so that receivers can change in between.
    ///
    /// Secrets that were replaced before go on signing until their own time is up.
    ///
    /// # Errors
    /// [`TooManySecrets`] if [`MAX_REPLACED_SECRETS`] sign already.
    pub fn rotate(self, fresh: Secret, now: Instant) -> Result<Self, TooManySecrets> {
        let mut replaced: Vec<_> = self.replaced.into_iter().filter(|(_, until)| now < *until).collect();
        match replaced.first() {
            Some((_, until)) if replaced.len() >= MAX_REPLACED_SECRETS => return Err(TooManySecrets(*until)),
            _ => replaced.push((self.current, now.plus_seconds(OVERLAP_SECONDS))),
        }
        Ok(Self { current: fresh, replaced, made_at: now })
    }

    /// Returns the instant until which the secret before the present one signs, if it does at `now`.
    pub fn previous_valid_until(&self, now: Instant) -> Option<Instant> {
        self.replaced.last().map(|(_, until)| *until).filter(|until| now < *until)
    }

    /// Returns the header `webhook-signature`: one signature per valid secret, separated by spaces, newest first.
    pub fn signature(&self, id: &str, now: Instant, body: &str) -> String {
        let timestamp = timestamp(now);
        let mut signature = self.current.sign(id, timestamp, body);
        for (secret, _) in self.replaced.iter().rev().filter(|(_, until)| now < *until) {
            signature.push(' ');
            signature.push_str(&secret.sign(id, timestamp, body));
        }
        signature
    }
}

/// Returns the header `webhook-timestamp`: seconds since 1970.
pub fn timestamp(now: Instant) -> i64 {
    now.seconds()
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryStatus)]
pub enum DeliveryState {
    /// Attempts go on.
    Pending,
    /// The recipient has the notification.
    Delivered,
    /// No further attempt is made.
    Failed,
}

/// The notification of one recipient about one export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id of the export.
    pub export: String,
    /// The recipient.
    pub recipient: Recipient,
    /// When the delivery was stored.
    pub created_at: Instant,
    /// The state.
    pub state: DeliveryState,
    /// The number of attempts.
    pub attempts: u32,
    /// When the last attempt was made.
    pub last_at: Option<Instant>,
    /// When the next attempt is due.
    pub next_at: Option<Instant>,
    /// The HTTP status of a webhook's last answer.
    pub answer: Option<u16>,
    /// The reason why the last attempt failed, for people.
    pub problem: Option<String>,
}

/// The result of a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status, if there was an answer.
    pub answer: Option<u16>,
    /// The reason, for people.
    pub problem: String,
    /// Whether further attempts are useless.
    pub is_final: bool,
}

impl Delivery {
    /// Makes a delivery without attempts.
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

    /// Returns the id of the message, the same for all attempts.
    pub fn message_id(&self, partner: &PartnerId) -> String {
        // The id is a digest, because the signed text separates its parts by dots and an id must have none.
        let name = format!("{partner}#{}#{}", self.export, self.recipient);
        format!("msg_{}", hex(&Sha256::digest(name)[..16]))
    }

    /// Adds the result of an attempt.
    ///
    /// `waits` holds the seconds to wait after each failed attempt. When they are used up, the delivery has failed.
    #[must_use]
    pub fn after_attempt(self, result: Result<Option<u16>, Failure>, now: Instant, waits: &[i64]) -> Self {
        let wait = usize::try_from(self.attempts).ok().and_then(|attempts| waits.get(attempts)).copied();
        let attempts = self.attempts.saturating_add(1);
        let tried = Self { attempts, last_at: Some(now), next_at: None, ..self };
        match result {
            Ok(answer) => Self { state: DeliveryState::Delivered, answer, problem: None, ..tried },
            Err(Failure { answer, problem, is_final }) => {
                let next_at = wait.filter(|_| !is_final).map(|seconds| now.plus_seconds(seconds));
                let state = if next_at.is_some() { DeliveryState::Pending } else { DeliveryState::Failed };
                Self { state, next_at, answer, problem: Some(problem), ..tried }
            }
        }
    }

    /// Returns the delay of the next message: until the next attempt, but at most what a queue allows.
    pub fn delay(&self, now: Instant) -> Duration {
        let micros = self.next_at.map_or(0, |next| next.micros().saturating_sub(now.micros()).max(0));
        let seconds = (micros.saturating_add(999_999) / 1_000_000).min(MAX_DELAY_SECONDS);
        Duration::from_secs(seconds.unsigned_abs())
    }
}

/// Writes the body of a webhook as JSON.
///
/// The link leads to the portal, which requires a sign-in, so that nobody can download anything with a forwarded message.
///
/// # Errors
/// An error of the JSON writer, which no stored job causes.
pub fn write_webhook_body(
    partner: &PartnerId,
    job: &Job,
    status: &JobStatus,
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
            "files": status.files,
            "portal_url": portal_url,
        },
    });
    serde_json::to_string(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{File, Output},
        recipient::Reach,
        schedule::MonthJob,
        time::{Month, Zone},
    };

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The expected value comes from Python's hmac.
        let secrets = Secrets::new(Secret::new(&[7; 32]), at("2026-11-02T12:00:00Z"));
        assert_eq!(secrets.current.reveal(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let signature = secrets.signature("msg_1", at("2026-11-02T12:00:00.9Z"), r#"{"a":1}"#);
        assert_eq!(signature, "v1,QY3/wtvVQV4dmqBGLMc2C2DGBApwKh2beU27VssTthc=");
        assert_eq!(format!("{secrets:?}").matches("whsec").count(), 0, "logs show no secret");
    }

    #[test]
    fn a_replaced_secret_signs_for_a_day() {
        let now = at("2026-11-02T12:00:00Z");
        let first = Secrets::new(Secret::new(&[1; 32]), now);
        let old = first.signature("m", now, "b");
        let both = first.clone().rotate(Secret::new(&[2; 32]), now).unwrap();
        let signature = both.signature("m", now, "b");
        assert_eq!(signature.split(' ').count(), 2);
        assert!(signature.ends_with(&old));
        assert_eq!(both.signature("m", now.plus_seconds(OVERLAP_SECONDS), "b").split(' ').count(), 1);
    }

    #[test]
    fn every_secret_signs_for_its_own_day() {
        let now = at("2026-11-02T12:00:00Z");
        let secret = |number: usize| Secret::new(&[u8::try_from(number).unwrap(); 32]);
        let hour = |hours: i64| now.plus_seconds(hours * 3_600);
        let mut secrets = Secrets::new(secret(0), now);
        for number in 1..=3 {
            secrets = secrets.rotate(secret(number), hour(i64::try_from(number).unwrap())).unwrap();
        }
        let signs = |secrets: &Secrets, number: usize, at: Instant| {
            let own = Secrets::new(secret(number), now).signature("m", at, "b");
            secrets.signature("m", at, "b").split(' ').any(|signature| signature == own)
        };
        for (number, until) in [(0, 25), (1, 26), (2, 27)] {
            assert!(signs(&secrets, number, hour(until).plus_seconds(-1)), "{number}");
            assert!(!signs(&secrets, number, hour(until)), "{number}");
        }
        assert_eq!(secrets.previous_valid_until(hour(4)), Some(hour(27)));
        assert_eq!(secrets.previous_valid_until(hour(27)), None);
        let stored = serde_json::to_string(&secrets).unwrap();
        assert_eq!(serde_json::from_str::<Secrets>(&stored).unwrap(), secrets);
    }

    #[test]
    fn a_limited_number_of_secrets_signs_at_a_time() {
        let now = at("2026-11-02T12:00:00Z");
        let mut secrets = Secrets::new(Secret::new(&[0; 32]), now);
        for _ in 0..MAX_REPLACED_SECRETS {
            secrets = secrets.rotate(Secret::new(&[1; 32]), now).unwrap();
        }
        let over = now.plus_seconds(OVERLAP_SECONDS);
        assert_eq!(secrets.clone().rotate(Secret::new(&[2; 32]), now), Err(TooManySecrets(over)));
        assert!(secrets.rotate(Secret::new(&[2; 32]), over).is_ok());
    }

    #[test]
    fn secrets_that_were_stored_with_one_before_are_read() {
        let stored = r#"{"current":"whsec_Ag==","previous":["whsec_AQ==","2026-11-03T12:00:00.000000Z"],
            "made_at":"2026-11-02T12:00:00.000000Z"}"#;
        let secrets: Secrets = serde_json::from_str(stored).unwrap();
        assert_eq!(secrets.previous_valid_until(secrets.made_at), Some(at("2026-11-03T12:00:00Z")));
        assert_eq!(secrets.signature("m", secrets.made_at, "b").split(' ').count(), 2);
        let never = r#"{"current":"whsec_Ag==","previous":null,"made_at":"2026-11-02T12:00:00.000000Z"}"#;
        let secrets: Secrets = serde_json::from_str(never).unwrap();
        assert_eq!(secrets.previous_valid_until(secrets.made_at), None);
    }

    #[test]
    fn a_webhook_names_the_export_and_its_files() {
        let (now, later) = (at("2026-11-02T12:00:00Z"), at("2026-11-02T12:00:01Z"));
        let planned = MonthJob {
            month: Month::parse("2026-10").unwrap(),
            version: 2,
            from: at("2026-10-01T00:00:00Z"),
            to: at("2026-11-01T00:00:00Z"),
            time_zone: Zone::UTC,
            recorded_from: None,
            recorded_before: now,
            at: now,
        };
        let job = planned.job(Output::default(), crate::filter::Filter::default(), 60);
        let file = File { name: "f".to_owned(), rows: 1, bytes: 2, sha256: "00".to_owned() };
        let status = JobStatus { files: vec![file], ..JobStatus::new() };
        let delivery = Delivery::new(job.id.clone(), Recipient::Email("a@b.example".to_owned()), later);
        let partner = PartnerId::parse("contoso").unwrap();
        let body = write_webhook_body(&partner, &job, &status, &delivery, "https://portal.example/").unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&body).unwrap(),
            json!({"type": "monthly_export.ready", "timestamp": "2026-11-02T12:00:01.000Z", "data": {
                "partner_id": "contoso", "export_id": "2026-10_v2", "month": "2026-10", "version": 2,
                "range": {"from": "2026-10-01T00:00:00.000000Z", "to": "2026-11-01T00:00:00.000000Z", "time_zone": "UTC"},
                "complete_through": "2026-11-02T12:00:00.000000Z",
                "files": [{"name": "f", "rows": 1, "bytes": 2, "sha256": "00"}], "portal_url": "https://portal.example/",
            }})
        );
        assert!(delivery.message_id(&partner).starts_with("msg_"));
        assert_eq!(delivery.message_id(&partner).len(), "msg_".len() + 32);
        let other = Delivery::new(job.id, Recipient::Email("c@b.example".to_owned()), later);
        assert_ne!(other.message_id(&partner), delivery.message_id(&partner));
    }

    #[test]
    fn delays_are_whole_seconds_rounded_up() {
        let now = at("2026-11-02T12:00:00Z");
        let recipient = Recipient::Email("a@b.example".to_owned());
        let delay = |next_at| {
            Delivery { next_at, ..Delivery::new("e".to_owned(), recipient.clone(), now) }.delay(now).as_secs()
        };
        let after = |micros| Instant::from_micros(now.micros() + micros);
        for (next_at, seconds) in [
            (None, 0),
            (after(-5_000_000), 0),
            (after(0), 0),
            (after(1), 1),
            (after(1_000_000), 1),
            (after(1_000_001), 2),
            (after(900_000_000), 900),
            (after(901_000_000), 900),
        ] {
            assert_eq!(delay(next_at), seconds, "{next_at:?}");
        }
    }

    #[test]
    fn a_delivery_fails_when_its_waits_are_used_up() {
        let now = at("2026-11-02T12:00:00Z");
        let recipient = Recipient::parse("https://portal.example/hook", &Reach::default()).unwrap();
        let failed = |is_final| Err(Failure { answer: Some(500), problem: "no".to_owned(), is_final });
        let waits = [60, 7_200];
        let first = Delivery::new("2026-10".to_owned(), recipient, now);
        assert_eq!(first.delay(now), Duration::ZERO);
        let second = first.clone().after_attempt(failed(false), now, &waits);
        assert_eq!((second.state, second.attempts, second.delay(now).as_secs()), (DeliveryState::Pending, 1, 60));
        assert_eq!((second.last_at, second.answer, second.problem.as_deref()), (Some(now), Some(500), Some("no")));
        let third = second.after_attempt(failed(false), now, &waits);
        assert_eq!(third.delay(now).as_secs(), 900, "the longest of a queue");
        assert_eq!(third.next_at, Some(now.plus_seconds(7_200)));
        let last = third.clone().after_attempt(failed(false), now, &waits);
        assert_eq!((last.state, last.attempts, last.next_at), (DeliveryState::Failed, 3, None));
        let later = now.plus_seconds(1);
        let delivered = third.clone().after_attempt(Ok(Some(204)), later, &waits);
        let state = DeliveryState::Delivered;
        let (last_at, answer) = (Some(later), Some(204));
        assert_eq!(delivered, Delivery { state, attempts: 3, last_at, next_at: None, answer, problem: None, ..third });
        assert_eq!(first.clone().after_attempt(failed(true), now, &waits).state, DeliveryState::Failed);
        let partner = PartnerId::parse("contoso").unwrap();
        assert_eq!(last.message_id(&partner), first.message_id(&partner));
    }
}
