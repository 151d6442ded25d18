//! Sends activities to the streams of partners, in the order of the feed, at least once.
//!
//! | file | subject |
//! |---|---|
//! | `lib` | the events: the schedule, which visits the due marks, and the messages of the queue |
//! | `run` | one run of one stream: read, send, move the position, from page to page |
//! | `sender` | one batch on its way to a destination |
//! | `installation` | the stream of each partner to the bus of the installation |
//! | `roles` | the roles of partners, which the function assumes |
//!
//! Every minute the schedule sends a message for each due mark. A message for a partner becomes a message for each of its
//! streams. A run takes the lease of its stream, and moves the position only when the destination has accepted a batch. So a
//! run that dies repeats a batch and skips none, and two runs of a stream never send at the same time.

mod installation;
mod roles;
mod run;
mod sender;

use domain::{activity::PartnerId, time::Instant};
use futures_util::{StreamExt as _, stream};
use lambda::{
    Error,
    metrics::{self, Metric},
};
use serde_json::Value;
use store::{
    due::DueMark,
    error::{self, causes},
    ledger::Ledger,
    queues::{DeadLetters, DeadReason, StreamQueue, StreamRun},
    streams::{INSTALLATION_STREAM, Streams},
};

pub use installation::InstallationBus;
pub use run::AUDIT_SECONDS;
pub use sender::Sender;

/// The lease of a run on its stream, in seconds. The lease outlasts the function's timeout, and ends before the queue delivers the
/// message of a dead run again.
pub const LEASE_SECONDS: i64 = 150;
/// The part of the function's time that is kept to end a run: one attempt and the calls around it, in seconds.
pub const MARGIN_SECONDS: i64 = 45;
/// The number of due marks that are visited at a time.
const MARKS_AT_A_TIME: usize = 64;

/// The stores, the queue and the destinations that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// The activities.
    pub ledger: Ledger,
    /// The streams and their due marks.
    pub streams: Streams,
    /// The queue of runs.
    pub queue: StreamQueue,
    /// Takes the messages that nobody can read.
    pub dead_letters: DeadLetters,
    /// The way to the destinations.
    pub sender: Sender,
    /// The address of the API, for links to details.
    pub api_url: String,
    /// The hours of failures after which a stream stops.
    pub stop_hours: i64,
    /// The entries of the audit.
    pub audit: Ledger,
    /// The bus that carries the activities of all partners; none if there is no such bus.
    pub installation: Option<InstallationBus>,
}

/// The time of an invocation.
pub(crate) struct Time<'a> {
    /// Reads the clock.
    pub(crate) clock: &'a (dyn Fn() -> Instant + Send + Sync),
    /// When the invocation begins nothing more.
    pub(crate) stop_at: Instant,
}

/// Visits the due marks, or makes the runs that come through the queue. `name` belongs to the invocation only.
///
/// # Errors
/// When a table or a queue fails. The next schedule visits the marks again, and the queue delivers its message again.
pub async fn handle(
    app: &App,
    event: &Value,
    name: &str,
    deadline: Instant,
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<(), Error> {
    let time = Time { clock, stop_at: deadline.plus_seconds(-MARGIN_SECONDS) };
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        return visit_marks(app, clock()).await;
    };
    for (number, record) in records.iter().enumerate() {
        let body = record["body"].as_str().unwrap_or_default();
        match read(body) {
            Ok((partner, run)) => work(app, &partner, &run, &format!("{name}#{number}"), &time).await?,
            Err(why) => {
                tracing::error!(message_id = record["messageId"].as_str(), "could not read a message: it is no run");
                if !app.dead_letters.bury(body, &DeadReason::unreadable(why.clone())).await {
                    return Err(why.into());
                }
                metrics::add(Metric::DeadLetters, 1);
            }
        }
    }
    Ok(())
}

/// Reads a message.
fn read(body: &str) -> Result<(PartnerId, StreamRun), String> {
    let run: StreamRun = serde_json::from_str(body).map_err(|error| error.to_string())?;
    Ok((PartnerId::parse(&run.partner)?, run))
}

/// Sends a message for each due mark, and removes the marks that are over. One mark that fails does not stop the others.
async fn visit_marks(app: &App, now: Instant) -> Result<(), Error> {
    let marks = app.streams.due_marks().due(now).await?;
    let (visited, mut failed) = (marks.len(), 0);
    let mut visits = stream::iter(marks)
        .map(|mark| async move { (visit(app, &mark, now).await, mark) })
        .buffer_unordered(MARKS_AT_A_TIME);
    while let Some((result, mark)) = visits.next().await {
        if let Err(error) = result {
            let partner = &mark.partner;
            tracing::error!(%partner, stream = mark.stream, error = causes(&error), "could not visit a due mark");
            failed += 1;
        }
    }
    tracing::info!(visited, failed, "due marks visited");
    if failed > 0 { Err(format!("{failed} of {visited} due marks could not be visited").into()) } else { Ok(()) }
}

async fn visit(app: &App, mark: &DueMark, now: Instant) -> Result<(), error::Error> {
    // The message first, because a mark that is gone leads to no further one.
    app.queue.send(&message(&mark.partner, mark.stream.as_deref())).await?;
    if mark.is_over(now) {
        app.streams.due_marks().remove(mark).await?;
    }
    Ok(())
}

fn message(partner: &PartnerId, stream: Option<&str>) -> StreamRun {
    StreamRun { partner: partner.to_string(), stream: stream.map(str::to_owned), test: false }
}

async fn work(
    app: &App,
    partner: &PartnerId,
    asked: &StreamRun,
    owner: &str,
    time: &Time<'_>,
) -> Result<(), error::Error> {
    match &asked.stream {
        Some(id) if asked.test => run::test(app, partner, id, owner, time).await,
        Some(id) => run::run(app, partner, id, owner, time).await,
        None => {
            let streams = app.streams.list(partner).await?;
            let now = (time.clock)();
            let ready = streams.into_iter().filter(|stream| stream.may_try(now)).map(|stream| stream.id);
            let own = app.installation.iter().map(|_| INSTALLATION_STREAM.to_owned());
            let ready: Vec<String> = ready.chain(own).collect();
            // One message less for the partners with one stream, which are most of them.
            if let [only] = &*ready {
                return run::run(app, partner, only, owner, time).await;
            }
            for id in &ready {
                app.queue.send(&message(partner, Some(id))).await?;
            }
            Ok(())
        }
    }
}
