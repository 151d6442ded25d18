//! The queues: of export jobs, and of runs that are to be gone on with. A message names what is to be done; everything else
//! is on its record.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{control::DuePlace, error::Error};
use domain::{
    activity::PartnerId,
    time::{Instant, Month},
};

/// How often a queue delivers a message before it goes to the dead letters: `maxReceiveCount` of all of ours.
pub const TRIES: u32 = 5;

/// Which try of a message this is, by the attributes that it came with.
pub fn tries(attributes: &HashMap<String, String>) -> u32 {
    attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Whether a message that fails now goes to the dead letters.
pub fn is_last_try(attributes: &HashMap<String, String>) -> bool {
    tries(attributes) >= TRIES
}

/// A job to be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Whose job it is.
    pub partner: String,
    /// The job's id.
    pub export: String,
    /// Whether someone is to be told when it is ready.
    #[serde(default)]
    pub notify: bool,
}

/// A run of months, or what is left of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The time that counts; the clock's where it is absent.
    #[serde(default)]
    pub now: Option<Instant>,
    /// The month to make at once; whatever is due where it is absent.
    #[serde(default)]
    pub month: Option<Month>,
    /// Where in the index of schedules it begins.
    #[serde(default)]
    pub from: DuePlace,
}

/// The queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExportQueue {
    sqs: aws_sdk_sqs::Client,
    url: Arc<str>,
}

impl ExportQueue {
    /// The queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self { sqs, url: url.into() }
    }

    /// Sends a job to the workers. Sending it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, partner: &PartnerId, id: &str) -> Result<(), Error> {
        self.send_month(partner, id, false).await
    }

    /// The same of a monthly export; `notify` says whether someone is to be told when it is ready.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send_month(&self, partner: &PartnerId, id: &str, notify: bool) -> Result<(), Error> {
        let message = Message { partner: partner.to_string(), export: id.to_owned(), notify };
        let body = serde_json::to_string(&message).map_err(|error| Error::broken("writing a message", error))?;
        let sent = self.sqs.send_message().queue_url(&*self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| Error::sdk("SendMessage of an export", error))
    }

    /// Lets a message that failed come back after some time. Best effort: without it, it comes back after the queue's
    /// visibility time-out.
    pub async fn delay(&self, receipt: &str, wait: Duration) {
        let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
        let change = self.sqs.change_message_visibility().queue_url(&*self.url).receipt_handle(receipt);
        if let Err(error) = change.visibility_timeout(seconds).send().await {
            tracing::warn!(error = crate::error::causes(&error), "a message's next try could not be moved forward");
        }
    }
}

/// The queue of runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunQueue {
    sqs: aws_sdk_sqs::Client,
    url: Arc<str>,
}

impl RunQueue {
    /// The queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self { sqs, url: url.into() }
    }

    /// Sends a run. Running it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, run: &Run) -> Result<(), Error> {
        let body = serde_json::to_string(run).map_err(|error| Error::broken("writing a message", error))?;
        let sent = self.sqs.send_message().queue_url(&*self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| Error::sdk("SendMessage of a run", error))
    }
}

/// Something for the notifier to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Whose export it is.
    pub partner: String,
    /// The export.
    pub export: String,
    /// The recipient to try, by its fingerprint; absent, all recipients are to be entered.
    #[serde(default)]
    pub recipient: Option<String>,
    /// After how many tries the message was sent.
    #[serde(default)]
    pub attempts: u32,
}

/// The queue of the notifier. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NoticeQueue {
    sqs: aws_sdk_sqs::Client,
    url: Arc<str>,
}

impl NoticeQueue {
    /// The queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self { sqs, url: url.into() }
    }

    /// Announces an export that is ready. Announcing it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn announce(&self, partner: &PartnerId, export: &str) -> Result<(), Error> {
        let notice = Notice { partner: partner.to_string(), export: export.to_owned(), recipient: None, attempts: 0 };
        self.send(&notice, Duration::ZERO).await
    }

    /// Sends a message, to come after a delay.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, notice: &Notice, delay: Duration) -> Result<(), Error> {
        let body = serde_json::to_string(notice).map_err(|error| Error::broken("writing a message", error))?;
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let send = self.sqs.send_message().queue_url(&*self.url).message_body(body).delay_seconds(seconds);
        send.send().await.map(drop).map_err(|error| Error::sdk("SendMessage of a notification", error))
    }
}
