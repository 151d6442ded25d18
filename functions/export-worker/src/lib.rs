//! Works on export jobs from the queue.
//!
//! A message stays in the queue until its job needs no more work. While a worker works, it keeps its message invisible a
//! little longer than its lease on the job. So if the worker dies, the queue delivers the message to another worker soon after
//! the lease has ended, and that worker continues.
//!
//! The job counts its tries, not the queue: a message that finds another worker at work was no try. After the last try the
//! worker sends the message to the dead letters itself.

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    activity::PartnerId,
    audit::{AuditActor, AuditEntry, EndedExport},
    time::Instant,
};
use export::{WorkResult, Worker, WorkerRun};
use lambda::{
    Error, log,
    metrics::{self, Metric},
};
use store::{
    audit::Audit,
    error::causes,
    queues::{self, DeadLetters, DeadReason, ExportMessage, ExportQueue, NoticeQueue},
};

/// The part of the function's time that is kept to upload a part and to write its checkpoint, in seconds.
pub const MARGIN_SECONDS: i64 = 60;
/// How long a failed message waits before its next try, times the number of the try.
pub const RETRY_AFTER: Duration = Duration::from_secs(20);
/// The number of tries from which on the wait stays the same.
pub const LONGEST_WAIT_TRIES: u32 = 15;

/// The worker and the queues that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// The worker that writes exports.
    pub worker: Worker,
    /// The queue of jobs that another run must continue.
    pub queue: ExportQueue,
    /// The queue of notifications.
    pub notices: NoticeQueue,
    /// Takes the messages that nobody can read, and those whose last try failed.
    pub dead_letters: DeadLetters,
    /// The audit of exports that ended.
    pub audit: Audit,
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
        let received = message.receipt_handle.clone().map(|receipt| app.queue.received(receipt));
        let name = format!("{run}/{id}");
        let run = WorkerRun {
            name: &name,
            stop_at: deadline.plus_seconds(-MARGIN_SECONDS),
            clock,
            message: received.as_ref(),
        };
        if !work(app, &message, &run).await {
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
        return bury(app, body, &DeadReason::unreadable("the message names no export")).await;
    };
    // The event source hands over one message at a time, so that the invocation is about one partner.
    log::set_partner(&partner);
    let limits = app.worker.limits;
    // Until this call, the message stays invisible for the queue's own time, which is longer than a function runs.
    hide(run, limits.message_hidden_for()).await;
    let report = app.worker.work(&partner, &export, run).await;
    for (metric, amount) in [(Metric::ExportAge, report.age_seconds), (Metric::RowsExported, report.rows)] {
        if let Some(amount) = amount {
            metrics::add(metric, usize::try_from(amount).unwrap_or(usize::MAX));
        }
    }
    match report.result {
        Ok(WorkResult::Done) => {
            tracing::info!(%partner, export, "export finished");
            note_end(app, &partner, &export).await && (!notify || announce(app, &partner, &export).await)
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
        Ok(WorkResult::Busy { until }) => {
            // The message stays until the job is finished, because the other worker may be dead.
            hide(run, limits.message_hidden_while_busy((run.clock)(), until)).await;
            false
        }
        Err(error) => {
            let tries = report.tries;
            tracing::error!(%partner, export, tries, error = causes(&error), "could not make an export");
            if tries >= limits.tries {
                let (reason, partner_id) = (causes(&error), partner.to_string());
                let why = DeadReason { reason, partner: partner_id, ..DeadReason::default() };
                // The letter comes first, because a failed job without one would raise no alarm.
                return bury(app, body, &why).await
                    && fail(app, &partner, &export, run).await
                    && note_end(app, &partner, &export).await;
            }
            // Without a lease there was no try, so the deliveries count instead.
            let failures = u32::try_from(tries).unwrap_or(u32::MAX).max(queues::tries(&message.attributes));
            hide(run, RETRY_AFTER * failures.min(LONGEST_WAIT_TRIES)).await;
            false
        }
    }
}

/// Hides the message of a run for a while.
async fn hide(run: &WorkerRun<'_>, wait: Duration) {
    if let Some(message) = run.message {
        message.hide_for(wait).await;
    }
}

/// Moves a message to the dead letters; tells whether that succeeded. Otherwise the queue delivers the message again.
async fn bury(app: &App, body: &str, why: &DeadReason) -> bool {
    let is_buried = app.dead_letters.bury(body, why).await;
    if is_buried {
        metrics::add(Metric::DeadLetters, 1);
    }
    is_buried
}

/// Fails a job after its last try; tells whether that succeeded. Otherwise the queue delivers the message again.
async fn fail(app: &App, partner: &PartnerId, export: &str, run: &WorkerRun<'_>) -> bool {
    let failed = app.worker.give_up(partner, export, run).await;
    if let Err(error) = &failed {
        tracing::error!(%partner, export, error = causes(error), "could not mark an export as failed");
    }
    failed.is_ok()
}

/// Stores how an export ended in the audit; tells whether that succeeded. If not, the message is delivered again and finds
/// the export ended. The entry belongs to the end, so that it is stored once.
async fn note_end(app: &App, partner: &PartnerId, export: &str) -> bool {
    let noted = try_note_end(app, partner, export).await;
    if let Err(error) = &noted {
        tracing::error!(%partner, export, error = causes(error), "could not store the end of an export in the audit");
    }
    noted.is_ok()
}

async fn try_note_end(app: &App, partner: &PartnerId, export: &str) -> Result<(), store::error::Error> {
    let Some((job, status)) = app.worker.control.job(partner, export).await? else { return Ok(()) };
    let Some(EndedExport { entry, status, at }) = AuditEntry::export_ended(&job, &status) else { return Ok(()) };
    let by = AuditActor::system(env!("CARGO_PKG_NAME"));
    app.audit.store_once(partner, &by, &entry, status, (export, at), at).await
}

/// Announces an export; tells whether that succeeded. If not, the message is delivered again and finds the export finished.
async fn announce(app: &App, partner: &PartnerId, export: &str) -> bool {
    let announced = app.notices.announce(partner, export).await;
    if let Err(error) = &announced {
        tracing::error!(%partner, export, error = causes(error), "could not announce an export");
    }
    announced.is_ok()
}
