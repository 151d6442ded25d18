//! Works on export jobs from the queue.

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{activity::PartnerId, time::Instant};
use export::{WorkResult, Worker, WorkerRun};
use lambda::{
    Error, log,
    metrics::{self, Metric},
};
use store::{
    error::causes,
    queues::{self, DeadLetters, DeadReason, ExportMessage, ExportQueue, NoticeQueue},
};

/// The part of the function's time that is kept to upload a part and to write its checkpoint, in seconds.
pub const MARGIN_SECONDS: i64 = 60;
/// How long a failed message waits before its next try, times the number of the try.
const RETRY_AFTER: Duration = Duration::from_secs(20);

/// The worker and the queues that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// The worker that writes exports.
    pub worker: Worker,
    /// The queue of jobs that another run must continue.
    pub queue: ExportQueue,
    /// The queue of notifications.
    pub notices: NoticeQueue,
    /// Takes the messages that nobody can read.
    pub dead_letters: DeadLetters,
}

/// Works on each message. The queue delivers the messages again that the answer names.
///
/// # Errors
/// None: a message that fails does not hold up the others.
pub async fn handle(
    app: &App,
    event: SqsEvent,
    run: &str,
    deadline: Instant,
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<SqsBatchResponse, Error> {
    let mut answer = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        let run = WorkerRun { name: &format!("{run}/{id}"), stop_at: deadline.plus_seconds(-MARGIN_SECONDS), clock };
        if !work(app, &message, &run).await {
            if queues::is_last_try(&message.attributes) {
                metrics::add(Metric::DeadLetters, 1);
            }
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            answer.batch_item_failures.push(failure);
        }
    }
    Ok(answer)
}

/// Works on one message; tells whether the queue can delete the message.
async fn work(app: &App, message: &SqsMessage, run: &WorkerRun<'_>) -> bool {
    let body = message.body.as_deref().unwrap_or_default();
    let job = serde_json::from_str::<ExportMessage>(body)
        .ok()
        .and_then(|job| Some((PartnerId::parse(&job.partner).ok()?, job.export, job.notify)));
    let Some((partner, export, notify)) = job else {
        tracing::error!(message_id = message.message_id, "could not read a message: it names no export");
        let is_buried = app.dead_letters.bury(body, &DeadReason::unreadable("the message names no export")).await;
        if is_buried {
            metrics::add(Metric::DeadLetters, 1);
        }
        return is_buried;
    };
    // The event source hands over one message at a time, so that the invocation is about one partner.
    log::set_partner(&partner);
    let tries = queues::tries(&message.attributes);
    let report = app.worker.work(&partner, &export, run).await;
    for (metric, amount) in [(Metric::ExportAge, report.age_seconds), (Metric::RowsExported, report.rows)] {
        if let Some(amount) = amount {
            metrics::add(metric, usize::try_from(amount).unwrap_or(usize::MAX));
        }
    }
    match report.result {
        Ok(WorkResult::Done) => {
            tracing::info!(%partner, export, "export finished");
            !notify || announce(app, &partner, &export).await
        }
        Ok(WorkResult::Continue) => match app.queue.send_month(&partner, &export, notify).await {
            Ok(()) => {
                tracing::info!(%partner, export, "export continues in another run");
                true
            }
            Err(error) => {
                tracing::error!(%partner, export, error = causes(&error), "could not send an export back to the queue");
                false
            }
        },
        // The message stays until the job is finished, because the other worker may be dead.
        Ok(WorkResult::Busy) => false,
        Err(error) => {
            tracing::error!(%partner, export, tries, error = causes(&error), "could not make an export");
            if tries >= queues::TRIES {
                if let Err(error) = app.worker.give_up(&partner, &export, run).await {
                    tracing::error!(%partner, export, error = causes(&error), "could not mark an export as failed");
                }
            } else if let Some(receipt) = &message.receipt_handle {
                app.queue.delay(receipt, RETRY_AFTER * tries).await;
            }
            false
        }
    }
}

/// Announces an export; tells whether that succeeded. If not, the message is delivered again and finds the export finished.
async fn announce(app: &App, partner: &PartnerId, export: &str) -> bool {
    let announced = app.notices.announce(partner, export).await;
    if let Err(error) = &announced {
        tracing::error!(%partner, export, error = causes(error), "could not announce an export");
    }
    announced.is_ok()
}
