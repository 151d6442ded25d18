//! One run of one stream.
//!
//! **The order of a step:** read a page, send a batch, save the position. The save has the conditions that the run still has
//! the lease, and that nobody has changed the stream meanwhile; otherwise the run sees the change before it goes on.
//!
//! **The due mark of the stream** is read before the stream. At the end, a run without anything left removes the mark if it is
//! unchanged. Whoever gives the stream something to do moves the mark, so that no request is lost between the two.

use domain::{
    activity::{Activity, PartnerId},
    query::{Position, SETTLE_SECONDS, Selection, SortOrder},
    stream::{
        AttemptFailure, LogSource, Replay, Stream, StreamError, StreamSettings, StreamStatus,
        batch::{ActivityDocument, DocumentWriter, ObjectHour},
    },
    time::{Instant, Period},
};
use lambda::metrics::{self, Metric};
use store::{
    due::DueMark,
    error::{Error, causes},
    ledger::{FeedPosition, Ledger, StoredActivity},
    queues::StreamRun,
    streams::{INSTALLATION_STREAM, LeasedStream},
};

use crate::{
    App, LEASE_SECONDS, Time, installation,
    sender::{Batch, SendFailure},
};

/// The most activities of a page. Details are read for all of a page, and kept until they are sent.
const PAGE: usize = 500;
const PAGE_WITH_DETAILS: usize = 50;
/// The time after which a run comes back to a stream that another run has the lease of, in seconds.
const BUSY_SECONDS: i64 = 60;
/// The time between two visits of a stream of the audit, in seconds. Nobody marks it as due, because every function may add an
/// entry.
pub const AUDIT_SECONDS: i64 = 300;
/// The same for a test, for which somebody waits.
const BUSY_TEST_SECONDS: u64 = 15;

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Nothing is left to send.
    Done,
    /// The time was up.
    Unfinished,
    /// The next attempt is due at this instant.
    Failing(Instant),
    /// The stream is paused or stopped.
    Inactive,
    /// Another run has the lease, or the stream was removed.
    LeaseLost,
}

/// How a step has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Something was read. The stream may have changed.
    Advanced,
    /// Nothing is left.
    AtEnd,
    /// Another run has the lease, or the stream was removed.
    LeaseLost,
}

/// A run that has the lease.
struct Run<'a> {
    app: &'a App,
    partner: &'a PartnerId,
    leased: LeasedStream,
    time: &'a Time<'a>,
}

/// A page that is ready to be sent.
struct Page {
    /// The settings that the documents were made with.
    settings: StreamSettings,
    documents: Vec<ActivityDocument>,
    /// The position before each document, and behind the last one.
    positions: Vec<String>,
    hour: ObjectHour,
}

impl Page {
    /// Tells whether a batch of `count` documents from the number `first` on can be made smaller. A single document loses its
    /// details for that.
    fn shrink(&mut self, first: usize, count: usize) -> bool {
        if count > 1 {
            return true;
        }
        let document = self.documents.get_mut(first);
        let short = document.and_then(|document| Some((document.without_details.take()?, document)));
        short.map(|(json, document)| document.json = json).is_some()
    }
}

/// Runs a stream until nothing is left, the destination fails, or the time is up.
///
/// # Errors
/// When a table or the queue fails. The lease is given back, and the queue delivers the message again.
pub(crate) async fn run(app: &App, partner: &PartnerId, id: &str, owner: &str, time: &Time<'_>) -> Result<(), Error> {
    let marks = app.streams.due_marks();
    let mark = marks.mark(partner, Some(id)).await?;
    let now = (time.clock)();
    let lease = (now, now.plus_seconds(LEASE_SECONDS));
    let taken = take(app, partner, id, owner, lease).await?;
    let Some(leased) = taken else {
        match (app.streams.get(partner, id).await?, mark) {
            // The other run may have read to the end already.
            (Some(_), _) => marks.mark_stream(partner, id, now.plus_seconds(BUSY_SECONDS)).await?,
            (None, Some(mark)) => drop(marks.remove(&mark).await?),
            (None, None) => {}
        }
        return Ok(());
    };
    let mut run = Run { app, partner, leased, time };
    let ended = match run.deliver().await {
        Ok(ended) => run.settle(ended, mark).await,
        Err(error) => Err(error),
    };
    if let Err(error) = app.streams.release(partner, &run.leased).await {
        // The lease ends by itself.
        tracing::warn!(%partner, stream = id, error = causes(&error), "could not give a lease back");
    }
    ended
}

/// Takes the lease of a stream. The installation's own stream is made first, if it is not there, and has the settings that the
/// installation has now.
async fn take(
    app: &App,
    partner: &PartnerId,
    id: &str,
    owner: &str,
    lease: (Instant, Instant),
) -> Result<Option<LeasedStream>, Error> {
    let taken = app.streams.take_lease(partner, id, owner, lease).await?;
    let (INSTALLATION_STREAM, Some(installation)) = (id, &app.installation) else { return Ok(taken) };
    let taken = match taken {
        None => {
            installation.make(&app.streams, partner, lease.0).await?;
            app.streams.take_lease(partner, id, owner, lease).await?
        }
        taken => taken,
    };
    Ok(taken.map(|mut leased| {
        leased.stream.settings = installation.settings().clone();
        leased
    }))
}

/// Sends a test activity, and notes in the stream how that went. The position stays.
///
/// # Errors
/// When a table or the queue fails. The queue delivers the message again.
pub(crate) async fn test(app: &App, partner: &PartnerId, id: &str, owner: &str, time: &Time<'_>) -> Result<(), Error> {
    let now = (time.clock)();
    let lease = (now, now.plus_seconds(LEASE_SECONDS));
    let Some(mut leased) = app.streams.take_lease(partner, id, owner, lease).await? else {
        if app.streams.get(partner, id).await?.is_some() {
            let again = StreamRun { partner: partner.to_string(), stream: Some(id.to_owned()), test: true };
            app.queue.send_after(&again, std::time::Duration::from_secs(BUSY_TEST_SECONDS)).await?;
        }
        return Ok(());
    };
    let activity = leased.stream.test_activity(partner.clone(), now);
    let document = DocumentWriter::new(&leased.stream.settings).write(&activity.borrowed(), "");
    let document = document.map_err(|error| Error::permanent("writing a test activity", error))?;
    let position = format!("test#{}", activity.id.as_str());
    let batch = Batch { documents: &[document], first_position: &position, hour: ObjectHour::Recorded };
    let sent = app.sender.send(&leased, partner, &batch, now).await;
    let ended_at = (time.clock)();
    let was_waiting = leased.stream.status() != StreamStatus::Active;
    let progress = |stream: Stream| match &sent {
        Ok(_) => Stream { state: stream.state.accepted(ended_at), ..stream },
        Err(SendFailure { failure, .. }) => {
            let AttemptFailure { detail, status, .. } = failure.clone();
            let last_error = Some(StreamError { at: ended_at, detail, status });
            Stream { state: domain::stream::StreamState { last_error, ..stream.state }, ..stream }
        }
    };
    let until = ended_at.plus_seconds(LEASE_SECONDS);
    let is_saved = app.streams.save_progress(partner, &mut leased, until, progress).await?;
    if is_saved && sent.is_ok() && was_waiting {
        // The destination works again.
        app.streams.due_marks().mark_stream(partner, id, ended_at).await?;
    }
    app.streams.release(partner, &leased).await
}

impl Run<'_> {
    fn now(&self) -> Instant {
        (self.time.clock)()
    }

    /// The log that the stream sends.
    fn ledger(&self) -> &Ledger {
        match self.leased.stream.settings.source {
            LogSource::Activities => &self.app.ledger,
            LogSource::Audit => &self.app.audit,
        }
    }

    fn is_time_up(&self) -> bool {
        self.now() >= self.time.stop_at
    }

    /// Sends what the feed and a replay have, page by page. What comes into the feed meanwhile is the next run's, so that a run
    /// comes to an end.
    async fn deliver(&mut self) -> Result<Ended, Error> {
        // Before this instant, every recording has ended.
        let through = self.now().plus_seconds(-SETTLE_SECONDS);
        loop {
            let stream = &self.leased.stream;
            let is_off = stream.id == INSTALLATION_STREAM && self.app.installation.is_none();
            if is_off || !stream.may_try(self.now()) {
                return Ok(match (stream.status(), stream.state.next_try_at) {
                    (StreamStatus::Failing, Some(next_try_at)) => Ended::Failing(next_try_at),
                    _ => Ended::Inactive,
                });
            }
            let feed = self.send_from_feed(through).await?;
            let replay = if feed == Step::LeaseLost { feed } else { self.send_replay().await? };
            match (feed, replay) {
                (Step::LeaseLost, _) | (_, Step::LeaseLost) => return Ok(Ended::LeaseLost),
                (Step::AtEnd, Step::AtEnd) => return Ok(Ended::Done),
                _ if self.is_time_up() => return Ok(Ended::Unfinished),
                _ => {}
            }
        }
    }

    /// Leaves the due mark of the stream as the end of the run asks for.
    async fn settle(&self, ended: Ended, mark: Option<DueMark>) -> Result<(), Error> {
        let Self { app, partner, leased, .. } = self;
        let (marks, stream) = (app.streams.due_marks(), &leased.stream);
        match ended {
            Ended::Done if stream.settings.source == LogSource::Audit => {
                let next = self.now().plus_seconds(AUDIT_SECONDS);
                marks.postpone(partner, &stream.id, mark.as_ref(), next).await?;
            }
            Ended::Done | Ended::Inactive => {
                if let Some(mark) = &mark {
                    marks.remove(mark).await?;
                }
            }
            Ended::Failing(next_try_at) => marks.mark_stream(partner, &stream.id, next_try_at).await?,
            Ended::LeaseLost => marks.mark_stream(partner, &stream.id, self.now().plus_seconds(BUSY_SECONDS)).await?,
            Ended::Unfinished => app.queue.send(&crate::message(partner, Some(&stream.id))).await?,
        }
        let behind_since = (ended != Ended::Done).then_some(stream.state.delivered_through);
        let lag_seconds = stream.state.lag_seconds(behind_since, self.now());
        let status = stream.status();
        let is_failing = matches!(status, StreamStatus::Failing | StreamStatus::Stopped);
        let problem = stream.state.last_error.as_ref().filter(|_| is_failing).map(|error| error.detail.as_str());
        tracing::info!(%partner, stream = stream.id, ?ended, lag_seconds, problem, "run of a stream ended");
        // A stream whose destination fails, or that is paused, is behind without a fault of the installation.
        if status == StreamStatus::Active {
            metrics::add(Metric::StreamLagSeconds, usize::try_from(lag_seconds).unwrap_or_default());
        }
        metrics::add(Metric::StreamsFailing, usize::from(is_failing));
        Ok(())
    }

    /// Saves the progress of the stream, and renews the lease.
    async fn save(&mut self, progress: impl Fn(Stream) -> Stream) -> Result<bool, Error> {
        let until = self.now().plus_seconds(LEASE_SECONDS);
        self.app.streams.save_progress(self.partner, &mut self.leased, until, progress).await
    }

    /// Sends a page of the feed, up to an instant.
    async fn send_from_feed(&mut self, through: Instant) -> Result<Step, Error> {
        let (now, state) = (self.now(), &self.leased.stream.state);
        let after = match &state.position {
            None => FeedPosition::before(state.delivered_through),
            Some(text) => FeedPosition::parse(text)
                .ok_or_else(|| Error::permanent("reading a stream", format!("{text:?} is no position of a feed")))?,
        };
        if after >= FeedPosition::before(through) {
            return Ok(Step::AtEnd);
        }
        let settings = self.leased.stream.settings.clone();
        let limit = page_limit(&settings);
        let ledger = self.ledger().at(now);
        let matches = |activity: &Activity<&str>| settings.filter.matches(activity);
        let page = ledger.feed_page(self.partner, &after, through, limit, &matches).await?;
        let next = page.next.clone();
        let found = page.into_stored();
        if found.is_empty() {
            let idle = |stream: Stream| {
                let state = stream.state.after_idle(Some(next.as_str().to_owned()), next.recorded_at());
                Stream { state, ..stream }
            };
            return Ok(if self.save(idle).await? { Step::Advanced } else { Step::LeaseLost });
        }
        let mut positions = vec![after.as_str().to_owned()];
        positions.extend(found.iter().map(|stored| FeedPosition::behind(&stored.activity()).as_str().to_owned()));
        if let Some(last) = positions.last_mut() {
            // Behind what the filter left out as well.
            next.as_str().clone_into(last);
        }
        let documents = self.documents(&settings, found).await?;
        let mut page = Page { settings, documents, positions, hour: ObjectHour::Recorded };
        let delivered = |stream: Stream, position: &str, _: usize, now: Instant| {
            let delivered_through = FeedPosition::parse(position).map_or(Instant::MIN, |at| at.recorded_at());
            Stream { state: stream.state.after_success(position.to_owned(), delivered_through, now), ..stream }
        };
        self.send_page(&mut page, &delivered).await
    }

    /// Sends a page of the period that is to be sent again, if there is one.
    async fn send_replay(&mut self) -> Result<Step, Error> {
        let running = self.leased.stream.replay.clone().filter(Replay::is_running);
        let Some(replay) = running.filter(|_| self.leased.stream.may_try(self.now())) else { return Ok(Step::AtEnd) };
        let unreadable = |what: &str| Error::permanent("reading a replay", format!("its {what} is not valid"));
        let period = Period::new(replay.from, replay.to).map_err(|_| unreadable("period"))?;
        let after = match &replay.position {
            None => None,
            Some(text) => Some(Position::parse(text).ok_or_else(|| unreadable("position"))?),
        };
        let settings = self.leased.stream.settings.clone();
        let selection = Selection {
            period,
            filter: settings.filter.clone(),
            order: SortOrder::Ascending,
            recorded_from: None,
            recorded_before: None,
        };
        let ledger = self.ledger().at(self.now());
        let page = ledger.list_page(self.partner, &selection, page_limit(&settings), after.clone(), None).await?;
        let next = page.next.clone();
        let found = page.into_stored();
        let before = after.unwrap_or_else(|| Position::below(replay.from)).to_text();
        let mut positions = vec![before];
        positions.extend(found.iter().map(|stored| Position::behind(&stored.activity()).to_text()));
        if let (Some(next), Some(last)) = (&next, positions.last_mut()) {
            *last = next.to_text();
        }
        let count = found.len();
        let documents = self.documents(&settings, found).await?;
        let mut page = Page { settings, documents, positions, hour: ObjectHour::Occurred };
        let is_same =
            |stream: &Stream| stream.replay.as_ref().is_some_and(|one| one.requested_at == replay.requested_at);
        let delivered = |stream: Stream, position: &str, count: usize, now: Instant| {
            let Some(replay) = stream.replay.clone().filter(|_| is_same(&stream)) else { return stream };
            let through = position.split_once('#').and_then(|(instant, _)| Instant::parse(instant).ok());
            let through = through.unwrap_or(replay.done_through);
            let replay = Some(replay.after_batch(position.to_owned(), through, count as u64));
            Stream { replay, state: stream.state.accepted(now), ..stream }
        };
        if count > 0 {
            let step = self.send_page(&mut page, &delivered).await?;
            let is_sent = self.leased.stream.replay.as_ref().and_then(|replay| replay.position.as_deref())
                == page.positions.last().map(String::as_str);
            if step == Step::LeaseLost || !is_sent || next.is_some() {
                return Ok(step);
            }
        }
        let now = self.now();
        let went_on = |stream: Stream| {
            let Some(replay) = stream.replay.clone().filter(|_| is_same(&stream)) else { return stream };
            let replay = match &next {
                None => replay.finish(now),
                Some(next) => Replay { position: Some(next.to_text()), ..replay },
            };
            Stream { replay: Some(replay), ..stream }
        };
        Ok(if self.save(went_on).await? { Step::Advanced } else { Step::LeaseLost })
    }

    /// Writes activities as the stream sends them, and reads their details where it sends these.
    async fn documents(
        &self,
        settings: &StreamSettings,
        found: Vec<StoredActivity>,
    ) -> Result<Vec<ActivityDocument>, Error> {
        let writer = DocumentWriter::new(settings);
        let mut documents = Vec::with_capacity(found.len());
        for stored in found {
            let url = format!("{}{}", self.app.api_url, stored.activity().details_url());
            let document = if writer.needs_details() {
                let activity = self.ledger().load_details(stored).await?;
                writer.write(&activity.borrowed(), &url)
            } else {
                writer.write(&stored.activity(), &url)
            };
            documents.push(document.map_err(|error| Error::permanent("writing an activity", error))?);
        }
        Ok(documents)
    }

    /// Sends a page batch by batch, and saves the progress after each. Ends early when the stream has other settings or the
    /// destination fails.
    async fn send_page(
        &mut self,
        page: &mut Page,
        delivered: &(dyn Fn(Stream, &str, usize, Instant) -> Stream + Send + Sync),
    ) -> Result<Step, Error> {
        let (mut sent, mut limit) = (0, usize::MAX);
        while sent < page.documents.len() {
            let stream = &self.leased.stream;
            if sent > 0 && (self.is_time_up() || !stream.may_try(self.now()) || stream.settings != page.settings) {
                return Ok(Step::Advanced);
            }
            let rest = &page.documents[sent..];
            let documents = &rest[..rest.len().min(limit)];
            let batch = Batch { documents, first_position: &page.positions[sent], hour: page.hour };
            let result = self.app.sender.send(&self.leased, self.partner, &batch, self.now()).await;
            let now = self.now();
            let is_saved = match result {
                Ok(count) => {
                    sent += count;
                    let position = &page.positions[sent];
                    self.save(|stream| delivered(stream, position, count, now)).await?
                }
                // The destination takes smaller requests only: fewer activities, and at last one without its details.
                Err(SendFailure { failure, count }) if failure.status == Some(413) && page.shrink(sent, count) => {
                    limit = (count / 2).max(1);
                    if self.is_time_up() {
                        return Ok(Step::Advanced);
                    }
                    continue;
                }
                Err(SendFailure { failure, .. }) => {
                    let is_own = self.leased.stream.id == INSTALLATION_STREAM;
                    let stop_hours = if is_own { installation::STOP_HOURS } else { self.app.stop_hours };
                    let seed = seed_of(&self.leased.stream, now);
                    let failed = |stream: Stream| {
                        if stream.settings.destination != page.settings.destination {
                            return stream;
                        }
                        Stream { state: stream.state.after_failure(failure.clone(), now, seed, stop_hours), ..stream }
                    };
                    return Ok(if self.save(failed).await? { Step::Advanced } else { Step::LeaseLost });
                }
            };
            if !is_saved {
                return Ok(Step::LeaseLost);
            }
        }
        Ok(Step::Advanced)
    }
}

fn page_limit(settings: &StreamSettings) -> usize {
    if DocumentWriter::new(settings).needs_details() { PAGE_WITH_DETAILS } else { PAGE }
}

/// Returns a number that spreads the attempts of many streams.
fn seed_of(stream: &Stream, now: Instant) -> u64 {
    let id = stream.id.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    id.wrapping_add(now.micros().unsigned_abs())
}
