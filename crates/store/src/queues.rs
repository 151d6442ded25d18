//! The queues: of export jobs, of monthly runs, of streams, and of notifications. A message only names a record, which holds the rest.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use aws_sdk_sqs::types::MessageAttributeValue;
use domain::{
    activity::PartnerId,
    time::{Instant, Month},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{
    error::{Error, causes},
    schedules::DueCursor,
};

/// The number of tries after which a message moves to the dead letters.
///
/// It is the `maxReceiveCount` of the queues whose messages are tried each time that they are received. A job of an export
/// counts its own tries, because a worker that finds the job busy does not try.
pub const TRIES: u32 = 5;

/// The most characters of an attribute of a dead letter. Attributes count to the size of a message.
const MAX_ATTRIBUTE_CHARS: usize = 1_000;

/// The longest time that a worker waits for SQS to change a visibility timeout.
const VISIBILITY_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The most times that letters are received while they are redacted: ten letters at a time.
const MAX_RECEIVES: usize = 1_000;
/// The time for which a received letter is hidden while letters are redacted, in seconds.
const REDACTION_SECONDS: i32 = 120;

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

/// A run of the keeper, or the rest of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeeperRun {
    /// The time of the run; the clock's if absent.
    #[serde(default)]
    pub now: Option<Instant>,
    /// The only partner of the run; all partners if absent.
    #[serde(default)]
    pub partner: Option<String>,
    /// Whether to carry out again the partner's orders to erase that are done, because a table was restored.
    #[serde(default)]
    pub again: bool,
    /// The partner behind which a run of all partners goes on.
    #[serde(default)]
    pub behind: Option<String>,
}

/// A run of streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRun {
    /// The partner.
    pub partner: String,
    /// The stream; every stream of the partner if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Whether to send a test activity, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
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

    /// Returns a message of the queue by the receipt of its delivery.
    pub fn received(&self, receipt: String) -> ReceivedMessage {
        ReceivedMessage { queue: self.clone(), receipt }
    }
}

/// A message that the queue of export jobs has delivered. The queue delivers it again when its visibility timeout ends.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    queue: ExportQueue,
    receipt: String,
}

impl ReceivedMessage {
    /// Sets the time after which the queue delivers the message again, unless it is deleted before.
    ///
    /// A failure is only logged: the visibility timeout that was set last then decides. A call that hangs is a failure, so
    /// that it does not stop the work on the message.
    pub async fn hide_for(&self, wait: Duration) {
        let Queue { sqs, url } = &self.queue.0;
        let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
        let change = sqs.change_message_visibility().queue_url(&**url).receipt_handle(&self.receipt);
        match timeout(VISIBILITY_CALL_TIMEOUT, change.visibility_timeout(seconds).send()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = causes(&error), "could not set the visibility timeout of a message")
            }
            Err(_) => tracing::warn!("could not set the visibility timeout of a message: SQS does not answer"),
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

/// The queue of the keeper. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeeperQueue(Queue);

impl KeeperQueue {
    /// Opens the queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self(Queue::new(sqs, url))
    }

    /// Sends a run that the queue holds back for a while: 15 minutes at most. Running it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, run: &KeeperRun, delay: Duration) -> Result<(), Error> {
        let delay = (!delay.is_zero()).then_some(delay.min(MAX_DELAY));
        self.0.send(run, delay, "SendMessage of a keeper's run").await
    }
}

/// The queue of the streamer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StreamQueue(Queue);

impl StreamQueue {
    /// Opens the queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self(Queue::new(sqs, url))
    }

    /// Sends a run. Running it twice is harmless.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send(&self, run: &StreamRun) -> Result<(), Error> {
        self.0.send(run, None, "SendMessage of a run of streams").await
    }

    /// Sends a run that the queue holds back for a while: 15 minutes at most.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn send_after(&self, run: &StreamRun, wait: Duration) -> Result<(), Error> {
        self.0.send(run, Some(wait.min(MAX_DELAY)), "SendMessage of a run of streams").await
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

/// Why a message can never succeed. Attributes of the dead letter hold the text, so that people need not read the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadReason {
    /// What is wrong with the message.
    pub reason: String,
    /// The partner of the message, if the message names one.
    pub partner: String,
    /// The ids of the activities that cannot be recorded, separated by blanks.
    pub activities: String,
}

impl DeadReason {
    /// A message that no function can read.
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self { reason: why.into(), ..Self::default() }
    }
}

/// A queue of dead letters. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DeadLetters(Queue);

impl DeadLetters {
    /// Opens the queue by its URL.
    pub fn new(sqs: aws_sdk_sqs::Client, url: String) -> Self {
        Self(Queue::new(sqs, url))
    }

    /// Moves a message that can never succeed to the dead letters, with the reason. Returns whether the message may be
    /// deleted from its own queue.
    ///
    /// A failure is only logged, because the queue then delivers the message again and moves it after the last try.
    pub async fn bury(&self, body: &str, why: &DeadReason) -> bool {
        let mut send = self.0.sqs.send_message().queue_url(&*self.0.url).message_body(body);
        for (name, value) in [("reason", &why.reason), ("partner", &why.partner), ("activities", &why.activities)] {
            let value = attribute_text(value);
            // The queue takes no empty attributes.
            if !value.is_empty()
                && let Ok(value) = MessageAttributeValue::builder().data_type("String").string_value(value).build()
            {
                send = send.message_attributes(name, value);
            }
        }
        let sent = send.send().await.map_err(|error| Error::sdk("SendMessage of a dead letter", error));
        if let Err(error) = &sent {
            tracing::warn!(error = causes(error), "could not move a message to the dead letters");
        }
        sent.is_ok()
    }
}

impl DeadLetters {
    /// Takes out of the letters what `is_named` finds, a text of an activity or of an attribute. Letters of which nothing is
    /// left are deleted. Returns the number of letters that were changed.
    ///
    /// A changed letter is sent anew before the old one is deleted, so a run that dies leaves it twice and loses nothing.
    ///
    /// # Errors
    /// When the queue fails; the next call does the rest.
    pub async fn redact(
        &self,
        partner: &PartnerId,
        is_named: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<u64, Error> {
        let Queue { sqs, url } = &self.0;
        let (mut changed, mut seen) = (0, HashSet::new());
        for _ in 0..MAX_RECEIVES {
            let received = sqs
                .receive_message()
                .queue_url(&**url)
                .max_number_of_messages(10)
                .visibility_timeout(REDACTION_SECONDS)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(|error| Error::sdk("ReceiveMessage of dead letters", error))?;
            let messages = received.messages.unwrap_or_default();
            if messages.iter().all(|message| !seen.insert(message.message_id.clone())) {
                break;
            }
            for message in messages {
                let body = message.body.as_deref().unwrap_or_default();
                let Some(rest) = without_named(body, partner, is_named) else { continue };
                if let Some(rest) = rest {
                    let mut send = sqs.send_message().queue_url(&**url).message_body(rest);
                    for (name, value) in message.message_attributes.unwrap_or_default() {
                        if name != "activities" && !value.string_value.as_deref().is_some_and(is_named) {
                            send = send.message_attributes(name, value);
                        }
                    }
                    send.send().await.map_err(|error| Error::sdk("SendMessage of a dead letter", error))?;
                }
                let receipt = message.receipt_handle.unwrap_or_default();
                let deleted = sqs.delete_message().queue_url(&**url).receipt_handle(receipt).send().await;
                deleted.map_err(|error| Error::sdk("DeleteMessage of a dead letter", error))?;
                changed += 1;
            }
        }
        Ok(changed)
    }
}

/// Returns a message without the activities that are named; nothing inside if none is left. None if nothing is named, or the
/// message is another partner's.
fn without_named(
    body: &str,
    partner: &PartnerId,
    is_named: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Option<Option<String>> {
    let Ok(mut message) = serde_json::from_str::<serde_json::Value>(body) else {
        // Nobody can tell whose it is, and no back end can record it.
        return is_named(body).then_some(None);
    };
    if message.get("partner").and_then(serde_json::Value::as_str) != Some(partner.as_str()) || !is_named(body) {
        return None;
    }
    let Some(activities) = message.get_mut("activities").and_then(serde_json::Value::as_array_mut) else {
        return Some(None);
    };
    activities.retain(|activity| !is_named(&activity.to_string()));
    Some(if activities.is_empty() { None } else { Some(message.to_string()) })
}

/// Returns a text that an attribute of a message can hold: short, and without characters that XML forbids.
fn attribute_text(text: &str) -> String {
    let allowed = |char: char| match char {
        '\t' | '\n' | '\r' => char,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        char if char < ' ' => '\u{fffd}',
        char => char,
    };
    let mut chars = text.chars().map(allowed);
    let mut shown: String = chars.by_ref().take(MAX_ATTRIBUTE_CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_the_named_activities_of_their_partner_only() {
        let contoso = PartnerId::parse("contoso").unwrap();
        let is_named = |text: &str| text.contains("ana");
        let rest = |body: &str| without_named(body, &contoso, &is_named);
        assert_eq!(rest(r#"{"partner":"contoso","activity":{"actor":"bob"}}"#), None);
        assert_eq!(rest(r#"{"partner":"fabrikam","activity":{"actor":"ana"}}"#), None);
        assert_eq!(rest(r#"{"partner":"contoso","activity":{"actor":"ana"}}"#), Some(None));
        assert_eq!(rest(r#"{"partner":"contoso","activities":[{"actor":"ana"}]}"#), Some(None));
        assert_eq!(
            rest(r#"{"activities":[{"actor":"ana"},{"actor":"bob"}],"partner":"contoso"}"#),
            Some(Some(r#"{"activities":[{"actor":"bob"}],"partner":"contoso"}"#.to_owned()))
        );
        assert_eq!((rest("ana, no JSON"), rest("no JSON")), (Some(None), None));
    }

    #[test]
    fn attributes_are_short_and_hold_allowed_characters_only() {
        assert_eq!(attribute_text("a\u{0}\u{ffff}\né"), "a\u{fffd}\u{fffd}\né");
        assert_eq!(attribute_text(&"é".repeat(MAX_ATTRIBUTE_CHARS)).chars().count(), MAX_ATTRIBUTE_CHARS);
        assert_eq!(
            attribute_text(&"é".repeat(MAX_ATTRIBUTE_CHARS + 1)),
            format!("{}…", "é".repeat(MAX_ATTRIBUTE_CHARS))
        );
    }
}
