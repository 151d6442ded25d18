//! Replays: a period that a stream sends again, by the time at which activities occurred.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::StreamStatus;
use crate::{
    fault::{Faults, Rejection},
    request_json::read_owned,
    time::{Instant, Period, PeriodError, Zone},
};

/// A period that a stream sends again, next to what is recorded meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The first instant.
    pub from: Instant,
    /// The first instant after the period.
    pub to: Instant,
    /// When the replay was asked for.
    pub requested_at: Instant,
    /// The position behind the last activity sent, in the form that the reader of the log gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Every activity that occurred before this instant is sent.
    pub done_through: Instant,
    /// The number of activities sent.
    #[serde(default)]
    pub activities: u64,
    /// When the replay ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Instant>,
}

/// A period to send again, by the time at which activities occurred.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReplayStream)]
pub struct ReplayRequest {
    /// The first instant, or the first day.
    #[schema(required, value_type = String, nullable = false, example = "2026-11-01T00:00:00Z")]
    from: Option<String>,
    /// The first instant after the period, or the last day; the default is the time of the request.
    #[schema(value_type = Option<String>, example = "2026-11-02T00:00:00Z")]
    to: Option<String>,
    /// The time zone of dates, an IANA name; the default is UTC.
    #[schema(value_type = Option<String>, example = "Europe/Paris")]
    time_zone: Option<String>,
}

/// Why a period cannot be sent again now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayRefusal {
    /// Another replay has not ended.
    #[error("The stream is still sending another period again. Wait until that replay has ended.")]
    Running,
    /// The stream is paused or stopped.
    #[error("The stream is paused or stopped. Resume the stream with \"paused\": false first.")]
    Inactive,
}

impl ReplayRequest {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// All faults, each with its field.
    pub fn parse(json: &str, now: Instant) -> Result<Period, Rejection> {
        let mut faults = Faults::default();
        let sent: Option<Self> = read_owned(json, &mut faults);
        let period = sent.and_then(|sent| sent.read(now, &mut faults));
        faults.finish(period)
    }

    fn read(self, now: Instant, faults: &mut Faults) -> Option<Period> {
        let zone = self.time_zone.as_deref().map_or(Ok(Zone::UTC), Zone::parse);
        let zone = faults.keep("/time_zone", zone);
        if self.from.is_none() {
            faults.invalid("/from", "is required, such as 2026-11-01T00:00:00Z");
        }
        // Without a zone, the bounds are checked as well.
        let period = Period::resolve(self.from.as_deref(), self.to.as_deref(), zone.unwrap_or(Zone::UTC), now);
        for error in period.as_ref().err().into_iter().flatten() {
            let pointer = if matches!(error, PeriodError::To(_)) { "/to" } else { "/from" };
            faults.invalid(pointer, error.to_string());
        }
        zone.and(period.ok())
    }
}

impl Replay {
    /// Begins a replay.
    ///
    /// # Errors
    /// The reason why the period cannot be sent again now.
    pub fn begin(
        before: Option<&Self>,
        status: StreamStatus,
        period: Period,
        now: Instant,
    ) -> Result<Self, ReplayRefusal> {
        if before.is_some_and(Self::is_running) {
            return Err(ReplayRefusal::Running);
        }
        if matches!(status, StreamStatus::Paused | StreamStatus::Stopped) {
            return Err(ReplayRefusal::Inactive);
        }
        Ok(Self {
            from: period.from(),
            to: period.to(),
            requested_at: now,
            position: None,
            done_through: period.from(),
            activities: 0,
            finished_at: None,
        })
    }

    /// Tells whether activities are still to be sent.
    pub fn is_running(&self) -> bool {
        self.finished_at.is_none()
    }

    /// Notes that the destination has accepted a batch.
    #[must_use]
    pub fn after_batch(self, position: String, done_through: Instant, activities: u64) -> Self {
        Self {
            position: Some(position),
            done_through: self.done_through.max(done_through.min(self.to)),
            activities: self.activities.saturating_add(activities),
            ..self
        }
    }

    /// Notes that the period has no further activity.
    #[must_use]
    pub fn finish(self, now: Instant) -> Self {
        Self { done_through: self.to, position: None, finished_at: Some(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn now() -> Instant {
        at("2026-11-02T12:00:00Z")
    }

    fn period() -> Period {
        Period::new(at("2026-11-01T00:00:00Z"), now()).unwrap()
    }

    #[test]
    fn a_period_is_read_as_in_a_list() {
        let parse = |json: &str| ReplayRequest::parse(json, now()).map(|period| (period.from(), period.to()));
        assert_eq!(parse(r#"{"from":"2026-11-01T00:00:00Z"}"#), Ok((at("2026-11-01T00:00:00Z"), now())));
        assert_eq!(
            parse(r#"{"from":"2026-11-01","to":"2026-11-01","time_zone":"Europe/Paris"}"#),
            Ok((at("2026-10-31T23:00:00Z"), at("2026-11-01T23:00:00Z")))
        );
        let faults = |json: &str| -> Vec<String> {
            parse(json).unwrap_err().faults().iter().map(|fault| fault.pointer.clone()).collect()
        };
        assert_eq!(faults("{}"), ["/from"]);
        assert_eq!(
            faults(r#"{"from":"x","to":"y","time_zone":"z","more":1}"#),
            ["/more", "/time_zone", "/from", "/to"]
        );
        assert_eq!(faults(r#"{"from":"2026-11-02","to":"2026-11-01"}"#), ["/from"]);
    }

    #[test]
    fn a_replay_goes_forward_to_its_end() {
        let replay = Replay::begin(None, StreamStatus::Active, period(), now()).unwrap();
        assert!(replay.is_running() && replay.done_through == replay.from);
        let half = at("2026-11-01T12:00:00Z");
        let replay = replay.after_batch("p".to_owned(), half, 500);
        assert_eq!((replay.position.as_deref(), replay.done_through, replay.activities), (Some("p"), half, 500));
        let replay = replay.after_batch("q".to_owned(), at("2026-11-01T06:00:00Z"), 1);
        assert_eq!((replay.done_through, replay.activities), (half, 501), "no step back");
        let replay = replay.after_batch("r".to_owned(), Instant::MAX, 1);
        assert_eq!(replay.done_through, replay.to);
        let done = replay.finish(now());
        assert_eq!((done.is_running(), done.done_through, &done.position), (false, done.to, &None));
        let stored = serde_json::to_string(&done).unwrap();
        assert_eq!(serde_json::from_str::<Replay>(&stored).unwrap(), done);
    }

    #[test]
    fn one_replay_runs_at_a_time_and_only_on_a_stream_that_delivers() {
        let running = Replay::begin(None, StreamStatus::Failing, period(), now()).unwrap();
        let begin = |before: &Replay, status| Replay::begin(Some(before), status, period(), now());
        assert_eq!(begin(&running, StreamStatus::Active), Err(ReplayRefusal::Running));
        let done = running.finish(now());
        assert_eq!(done.done_through, done.to, "the rest of the period has no activity");
        assert!(begin(&done, StreamStatus::Active).is_ok());
        for status in [StreamStatus::Paused, StreamStatus::Stopped] {
            assert_eq!(begin(&done, status), Err(ReplayRefusal::Inactive));
        }
        assert!(ReplayRefusal::Inactive.to_string().contains("Resume the stream"));
    }
}
