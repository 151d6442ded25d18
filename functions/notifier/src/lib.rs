//! Notifies recipients that a month's export is ready, and retries failed deliveries.
//!
//! A message is either an announcement, which creates a delivery for each recipient, or one attempt of one delivery. The
//! record of the delivery holds the state: a duplicated or late message finds the record ahead of itself, and at most sends
//! the next message once more.

mod mail;
mod webhooks;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use domain::{
    activity::PartnerId,
    delivery::{self, Delivery, DeliveryState, Failure},
    job::{Job, JobStatus, State},
    recipient::Recipient,
    time::Instant,
};
use futures_util::future::join_all;
use lambda::{
    Error,
    metrics::{self, Metric},
};
use store::{
    control::Control,
    error::{self, causes},
    queues::{self, DeadLetters, DeadReason, Notice, NoticeQueue},
};

pub use mail::Mail;
pub use webhooks::Webhooks;

/// The lease of an attempt on its delivery, in seconds. The lease outlasts the function's timeout.
pub const LEASE_SECONDS: i64 = 90;

/// The stores, queues and senders that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// Schedules, exports, deliveries.
    pub control: Control,
    /// The queue of attempts.
    pub queue: NoticeQueue,
    /// Takes the messages that nobody can read.
    pub dead_letters: DeadLetters,
    /// The way to receivers of webhooks.
    pub webhooks: Webhooks,
    /// The way to readers of e-mail.
    pub mail: Mail,
    /// The address where people sign in.
    pub portal_url: String,
    /// The waits after each failed attempt, in seconds. After the last wait the delivery has failed.
    pub waits: Vec<i64>,
}

/// Works on all messages at the same time. The queue delivers the messages again that the answer names.
///
/// # Errors
/// None: a message that fails does not hold up the others.
pub async fn handle(
    app: &App,
    event: SqsEvent,
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<SqsBatchResponse, Error> {
    let work = event.records.into_iter().map(|message| async move {
        let id = message.message_id.unwrap_or_default();
        let body = message.body.as_deref().unwrap_or_default();
        let (partner, notice) = match read(body) {
            Ok(read) => read,
            Err(why) => {
                tracing::error!(message_id = id, "could not read a message: it names no export");
                let is_buried = app.dead_letters.bury(body, &DeadReason::unreadable(why)).await;
                if is_buried || queues::is_last_try(&message.attributes) {
                    metrics::add(Metric::DeadLetters, 1);
                }
                return (!is_buried).then(|| failure(id));
            }
        };
        match work(app, &partner, &notice, clock).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(
                    message_id = id,
                    error = causes(&error),
                    "could not work on a notification; the queue delivers it again"
                );
                if queues::is_last_try(&message.attributes) {
                    metrics::add(Metric::DeadLetters, 1);
                }
                Some(failure(id))
            }
        }
    });
    let mut answer = SqsBatchResponse::default();
    answer.batch_item_failures = join_all(work).await.into_iter().flatten().collect();
    Ok(answer)
}

fn failure(message_id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = message_id;
    failure
}

/// Reads a message.
fn read(body: &str) -> Result<(PartnerId, Notice), String> {
    let notice: Notice = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let partner = PartnerId::parse(&notice.partner)?;
    Ok((partner, notice))
}

async fn work(
    app: &App,
    partner: &PartnerId,
    notice: &Notice,
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<(), error::Error> {
    let Some((job, status)) = app.control.job(partner, &notice.export).await? else { return Ok(()) };
    match &notice.recipient {
        None if status.state == State::Ready => create_deliveries(app, partner, notice, clock()).await,
        // The export was removed meanwhile.
        None => Ok(()),
        Some(fingerprint) => {
            let found = app.control.delivery(partner, &notice.export, fingerprint).await?;
            match found {
                Some(delivery) => attempt(app, partner, notice, delivery, (&job, &status), clock).await,
                None => Ok(()),
            }
        }
    }
}

/// Creates a delivery for each recipient of the schedule, and sends its first attempt.
async fn create_deliveries(app: &App, partner: &PartnerId, notice: &Notice, now: Instant) -> Result<(), error::Error> {
    let Some(schedule) = app.control.schedule(partner).await? else { return Ok(()) };
    for recipient in schedule.notify {
        let fingerprint = recipient.fingerprint();
        let delivery = Delivery::new(notice.export.clone(), recipient, now);
        app.control.create_delivery(partner, &delivery).await?;
        // Sent even if the delivery existed, because its creator may have died before sending the message.
        let first = Notice { recipient: Some(fingerprint), attempts: 0, ..notice.clone() };
        app.queue.send(&first, delivery.delay(now)).await?;
    }
    Ok(())
}

/// Attempts a delivery, if the attempt is due and no other process has the lease.
async fn attempt(
    app: &App,
    partner: &PartnerId,
    notice: &Notice,
    delivery: Delivery,
    (job, status): (&Job, &JobStatus),
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<(), error::Error> {
    let now = clock();
    if delivery.state != DeliveryState::Pending {
        return Ok(());
    }
    let next = |delivery: &Delivery| Notice { attempts: delivery.attempts, ..notice.clone() };
    let is_early = delivery.next_at.is_some_and(|next| now < next);
    if notice.attempts != delivery.attempts || is_early {
        // Sent again, because the last attempt may have died before sending, or the queue cannot delay so long.
        return app.queue.send(&next(&delivery), delivery.delay(now)).await;
    }
    if !app.control.take_delivery(partner, &delivery, now, now.plus_seconds(LEASE_SECONDS)).await? {
        // Another process has the lease. If that process dies, the queue delivers its message again.
        return Ok(());
    }
    let outcome = match &delivery.recipient {
        Recipient::Webhook(url) => {
            let body = delivery::write_webhook_body(partner, job, status, &delivery, &app.portal_url)
                .map_err(|error| error::Error::permanent("writing a notification", error))?;
            match app.control.secrets(partner).await? {
                Some(secrets) => {
                    let id = delivery.message_id(partner);
                    let signature = secrets.signature(&id, now, &body);
                    app.webhooks.send(url, &id, now, &signature, body).await.map(Some)
                }
                // The schedule was removed together with its secret.
                None => Err(Failure { answer: None, problem: "The schedule was removed.".to_owned(), is_final: true }),
            }
        }
        Recipient::Email(address) => app.mail.send(address, partner, job, status, &app.portal_url).await.map(|()| None),
    };
    let tried = delivery.after_attempt(outcome, clock(), &app.waits);
    tracing::info!(
        %partner,
        export = tried.export,
        recipient = tried.recipient.fingerprint(),
        attempts = tried.attempts,
        state = ?tried.state,
        http_status = tried.answer,
        problem = tried.problem,
        "notification attempted"
    );
    app.control.note_delivery(partner, &tried).await?;
    if tried.state == DeliveryState::Pending {
        app.queue.send(&next(&tried), tried.delay(clock())).await?;
    }
    Ok(())
}
