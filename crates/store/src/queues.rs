//! The queues: of export jobs, of monthly runs, and of notifications. A message only names a record, which holds the rest.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    activity::PartnerId,
    time::{Instant, Month},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, causes},
    schedules::DueCursor,
};

/// The number of times that a queue delivers a message before it moves to the dead letters: `maxReceiveCount` of all queues.
pub const TRIES: u32 = 5;

/// The longest time for which SQS holds back a message.
const MAX_DELAY: Duration = Duration::from_secs(900);

/// The number of times that a message was delivered, by its attributes.
pub fn tries(attributes: &HashMap<String, String>) -> u32 {
    attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Whether a message moves to the dead letters if it fails now.
pub fn is_last_try(attributes: &HashMap<String, String>) -> bool {
    tries(attributes) >= TRIES
}

/// A job for the workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportMessage {
    /// The partner that the job belongs to.
    pub partner: String,
    /// The job's id.
    pub export: String,
    /// Whether recipients are notified when the export is ready.
    #[serde(default)]
    pub notify: bool,
}

/// A run of monthly exports, or the rest of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthlyRun {
    /// The time of the run; the clock's if absent.
    #[serde(default)]
    pub now: Option<Instant>,
    /// The month to export at once; all that is due if absent.
    #[serde(default)]
    pub month: Option<Month>,
    /// The only partner of a run of one month; all partners if absent.
    #[serde(default)]
    pub partner: Option<String>,
    /// Restricts a run of one month to late activities that were recorded before this instant.
    #[serde(default)]
    pub late_before: Option<Instant>,
    /// The position in the index of schedules at which the run begins.
    #[serde(default)]
    pub from: DueCursor,
}

/// A notification for the notifier to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The partner that the export belongs to.
    pub partner: String,
    /// The export's id.
    pub export: String,
    /// The fingerprint of the recipient to try. If absent, the notifier enters a delivery for every recipient.
    #[serde(default)]
    pub recipient: Option<String>,
    /// The number of tries before the message was sent.
    #[serde(default)]
    pub attempts: u32,
}

/// A queue by its URL.
#[derive(Clone, Debug)]
struct Queue {
    sqs: aws_sdk_sqs::Client,
    url: Arc<str>,
}

impl Queue {
    fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self { sqs, url: url.into() }
    }

    /// Sends a message that the queue holds back for a while, if wanted.
    async fn send<T: Serialize>(
        &self,
        message: &T,
        delay: Option<Duration>,
        operation: &'static str,
    ) -> Result<(), Error> {
        let body = serde_json::to_string(message).map_err(|error| Error::permanent("writing a message", error))?;
        let seconds = delay.map(|delay| i32::try_from(delay.as_secs()).unwrap_or(i32::MAX));
        let send = self.sqs.send_message().queue_url(&*self.url).message_body(body).set_delay_seconds(seconds);
        send.send().await.map(drop).map_err(|error| Error::sdk(operation, error))
    }
}

/// The queue of export jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExportQueue(Queue);

impl ExportQueue {
    /// Opens the queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self(Queue::new(sqs, url))
    }

    /// Sends a job to the workers. Sending it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, partner: &PartnerId, id: &str) -> Result<(), Error> {
        self.send_month(partner, id, false).await
    }

    /// Sends the job of a monthly export to the workers; `notify` says whether they notify the recipients.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send_month(&self, partner: &PartnerId, id: &str, notify: bool) -> Result<(), Error> {
        self.send_month_after(partner, id, notify, Duration::ZERO).await
    }

    /// Sends the job of a monthly export to the workers, which receive it after a time: 15 minutes at most.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send_month_after(
        &self,
        partner: &PartnerId,
        id: &str,
        notify: bool,
        wait: Duration,
    ) -> Result<(), Error> {
        let message = ExportMessage { partner: partner.to_string(), export: id.to_owned(), notify };
        let delay = (!wait.is_zero()).then_some(wait.min(MAX_DELAY));
        self.0.send(&message, delay, "SendMessage of an export").await
    }

    /// Delays the next delivery of a message that failed.
    ///
    /// A failure is only logged, because the message then returns after the queue's visibility timeout.
    pub async fn delay(&self, receipt: &str, wait: Duration) {
        let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
        let change = self.0.sqs.change_message_visibility().queue_url(&*self.0.url).receipt_handle(receipt);
        if let Err(error) = change.visibility_timeout(seconds).send().await {
            tracing::warn!(error = causes(&error), "could not delay the next try of a message");
        }
    }
}

/// The queue of monthly runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunQueue(Queue);

impl RunQueue {
    /// Opens the queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self(Queue::new(sqs, url))
    }

    /// Sends a run that the queue holds back for a while. Running it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, run: &MonthlyRun, delay: Duration) -> Result<(), Error> {
        self.0.send(run, (!delay.is_zero()).then_some(delay), "SendMessage of a run").await
    }
}

/// The queue of the notifier. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NoticeQueue(Queue);

impl NoticeQueue {
    /// Opens the queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self(Queue::new(sqs, url))
    }

    /// Announces an export that is ready. Announcing it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn announce(&self, partner: &PartnerId, export: &str) -> Result<(), Error> {
        let notice = Notice { partner: partner.to_string(), export: export.to_owned(), recipient: None, attempts: 0 };
        self.send(&notice, Duration::ZERO).await
    }

    /// Sends a notification that the queue holds back for a while.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, notice: &Notice, delay: Duration) -> Result<(), Error> {
        self.0.send(notice, Some(delay), "SendMessage of a notification").await
    }
}
