//! The queue of export jobs: a message names a job, everything else is on the job's record.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{activity::PartnerId, storage::Error};

/// A job to be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Whose job it is.
    pub partner: String,
    /// The job's id.
    pub export: String,
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
        let message = Message { partner: partner.to_string(), export: id.to_owned() };
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
            tracing::warn!(error = crate::storage::causes(&error), "a message's next try could not be moved forward");
        }
    }
}
