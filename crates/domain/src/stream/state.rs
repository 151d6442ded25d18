//! The state of a stream: how far it has delivered, whether it fails, and when it tries again.
//!
//! Every function takes the present as an argument and returns the next state. A process stores that state on the condition
//! that nobody has stored another one meanwhile.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use utoipa::ToSchema;

use crate::time::{Instant, seconds_between};

/// The wait after the first failure, in seconds.
pub const MIN_WAIT_SECONDS: i64 = 5;
/// The longest wait after a failure whose answer names no time, in seconds.
pub const MAX_WAIT_SECONDS: i64 = 900;
/// The longest `Retry-After` that is obeyed, in seconds.
pub const MAX_RETRY_AFTER_SECONDS: i64 = 3_600;
/// The hours of failures after which a stream stops, unless the installation says otherwise.
pub const DEFAULT_STOP_HOURS: i64 = 72;

const HOUR_SECONDS: i64 = 3_600;
/// The wait that doubling reaches; the jitter adds up to a quarter.
const MAX_BASE_SECONDS: i64 = MAX_WAIT_SECONDS / 5 * 4;
/// The longest detail of an error, in characters.
const MAX_DETAIL_CHARS: usize = 500;

/// Whether a stream delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StreamStatus {
    /// The stream delivers.
    Active,
    /// The partner has paused the stream.
    Paused,
    /// The last attempt failed; the next one follows.
    Failing,
    /// Attempts failed for too long, or the destination has ended the stream. Nothing is tried until somebody resumes the
    /// stream.
    Stopped,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamError {
    /// When the attempt ended.
    pub at: Instant,
    /// The reason, for people.
    pub detail: String,
    /// The HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// The result of an attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFailure {
    /// The reason, for people.
    pub detail: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The seconds that the destination asks to wait (`Retry-After`).
    pub retry_after: Option<i64>,
    /// Whether the destination says that it is gone for good (HTTP 410), so that further attempts are useless.
    pub is_final: bool,
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// The position behind the last delivered activity, in the form that the reader of the log gives it; none before the first
    /// delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Everything recorded before this instant is delivered.
    pub delivered_through: Instant,
    /// When the destination last accepted a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Instant>,
    /// The last failure. It stays after a success, because it explains a lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<StreamError>,
    /// The number of failures since the last success.
    #[serde(default)]
    pub attempts: u32,
    /// When the first of these failures occurred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Instant>,
    /// When the next attempt is due, after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Instant>,
    /// When the stream stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Instant>,
    /// Why the stream stopped and what to do, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_because: Option<String>,
}

impl StreamState {
    /// Makes the state of a new stream, which sends what is recorded from an instant on.
    pub fn new(begins_at: Instant) -> Self {
        Self {
            position: None,
            delivered_through: begins_at,
            last_success_at: None,
            last_error: None,
            attempts: 0,
            failing_since: None,
            next_try_at: None,
            stopped_at: None,
            stopped_because: None,
        }
    }

    /// Returns the status. A paused stream is paused, even if it has failed before.
    pub fn status(&self, is_paused: bool) -> StreamStatus {
        match (is_paused, self.stopped_at.is_some(), self.attempts) {
            (true, _, _) => StreamStatus::Paused,
            (false, true, _) => StreamStatus::Stopped,
            (false, false, 0) => StreamStatus::Active,
            (false, false, _) => StreamStatus::Failing,
        }
    }

    /// Tells whether an attempt may be made now.
    pub fn may_try(&self, is_paused: bool, now: Instant) -> bool {
        !is_paused && self.stopped_at.is_none() && self.next_try_at.is_none_or(|at| at <= now)
    }

    /// Returns the seconds by which the destination is behind: the age of the oldest activity that is not delivered.
    ///
    /// `outstanding_since` is when that activity was recorded, as far as the log knows; none if nothing is outstanding. It
    /// counts because `delivered_through` of an idle stream is old: nobody moves it while there is nothing to deliver.
    pub fn lag_seconds(&self, outstanding_since: Option<Instant>, now: Instant) -> i64 {
        outstanding_since.map_or(0, |since| seconds_between(since.max(self.delivered_through), now))
    }

    /// Notes that the destination has accepted a batch, and moves the position behind the batch.
    #[must_use]
    pub fn after_success(self, position: String, delivered_through: Instant, now: Instant) -> Self {
        Self {
            position: Some(position),
            // Two clocks may differ, and what is delivered stays delivered.
            delivered_through: self.delivered_through.max(delivered_through),
            ..self.accepted(now)
        }
    }

    /// Notes that the destination has accepted something that does not move the position: a test, or a replayed batch.
    #[must_use]
    pub fn accepted(self, now: Instant) -> Self {
        Self {
            last_success_at: Some(now),
            attempts: 0,
            failing_since: None,
            next_try_at: None,
            stopped_at: None,
            stopped_because: None,
            ..self
        }
    }

    /// Notes that the log holds nothing to deliver before an instant. The position moves, and nothing was sent.
    #[must_use]
    pub fn after_idle(self, position: Option<String>, complete_through: Instant) -> Self {
        Self {
            position: position.or(self.position),
            delivered_through: self.delivered_through.max(complete_through),
            ..self
        }
    }

    /// Notes a failed attempt. The next one follows after a wait that grows with each failure, or the stream stops.
    ///
    /// `seed` is any number, which spreads the attempts of many streams. The stream stops after `stop_hours` of failures.
    #[must_use]
    pub fn after_failure(self, failure: AttemptFailure, now: Instant, seed: u64, stop_hours: i64) -> Self {
        let AttemptFailure { detail, status, retry_after, is_final } = failure;
        let failing_since = self.failing_since.unwrap_or(now);
        let attempts = self.attempts.saturating_add(1);
        let detail = detail.chars().take(MAX_DETAIL_CHARS).collect();
        let is_too_long = seconds_between(failing_since, now) >= stop_hours.saturating_mul(HOUR_SECONDS);
        let reason = match (is_final, is_too_long) {
            (true, _) => Some("The destination has answered that it is gone.".to_owned()),
            (false, true) => Some(format!("Every attempt of {stop_hours} hours has failed.")),
            (false, false) => None,
        };
        let wait = wait_seconds(attempts, seed).max(retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_SECONDS));
        let stopped_because = reason
            .map(|reason| format!("{reason} Correct the destination, then resume the stream with \"paused\": false."));
        Self {
            last_error: Some(StreamError { at: now, detail, status }),
            attempts,
            failing_since: Some(failing_since),
            next_try_at: stopped_because.is_none().then(|| now.plus_seconds(wait)),
            stopped_at: stopped_because.is_some().then_some(now),
            stopped_because,
            ..self
        }
    }

    /// Lets a failing or stopped stream try again at once. What was delivered stays delivered.
    #[must_use]
    pub fn resume(self) -> Self {
        Self { attempts: 0, failing_since: None, next_try_at: None, stopped_at: None, stopped_because: None, ..self }
    }
}

/// Returns the wait after a number of failures, in seconds: twice the wait before, and up to a quarter more.
fn wait_seconds(attempts: u32, seed: u64) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let base = (MIN_WAIT_SECONDS << doublings).min(MAX_BASE_SECONDS);
    let spread = u64::try_from(base / 4 + 1).unwrap_or(1);
    base + i64::try_from(seed % spread).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn now() -> Instant {
        at("2026-11-02T12:00:00Z")
    }

    fn failure() -> AttemptFailure {
        AttemptFailure { detail: "HTTP 503".to_owned(), status: Some(503), retry_after: None, is_final: false }
    }

    fn failed(state: StreamState, now: Instant) -> StreamState {
        state.after_failure(failure(), now, 0, DEFAULT_STOP_HOURS)
    }

    #[test]
    fn a_new_stream_is_active_and_due() {
        let state = StreamState::new(now());
        assert_eq!((state.status(false), state.status(true)), (StreamStatus::Active, StreamStatus::Paused));
        assert!(state.may_try(false, now()) && !state.may_try(true, now()));
    }

    #[test]
    fn a_success_moves_the_position_and_ends_the_failures() {
        let state = failed(StreamState::new(now()), now());
        assert_eq!((state.status(false), state.attempts, state.failing_since), (StreamStatus::Failing, 1, Some(now())));
        let later = now().plus_seconds(60);
        let state = state.after_success("p".to_owned(), later, later);
        assert_eq!((state.status(false), state.attempts, state.next_try_at), (StreamStatus::Active, 0, None));
        assert_eq!((state.position.as_deref(), state.delivered_through), (Some("p"), later));
        assert_eq!(state.last_success_at, Some(later));
        assert_eq!(state.last_error.as_ref().map(|error| error.status), Some(Some(503)), "the last error stays");
        let state = state.after_success("q".to_owned(), now(), later);
        assert_eq!((state.position.as_deref(), state.delivered_through), (Some("q"), later), "no step back");
    }

    #[test]
    fn a_failure_keeps_the_position() {
        let before = StreamState::new(now()).after_success("p".to_owned(), now(), now());
        let after = failed(before.clone(), now());
        assert_eq!((&after.position, after.delivered_through), (&before.position, before.delivered_through));
        assert!(!after.may_try(false, now().plus_seconds(4)));
        assert!(after.may_try(false, now().plus_seconds(5)));
        assert_eq!(after.next_try_at, Some(now().plus_seconds(5)));
    }

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour() {
        let waits: Vec<i64> = (1..=10).map(|attempts| wait_seconds(attempts, 0)).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 720, 720]);
        assert_eq!((wait_seconds(1, 1), wait_seconds(9, 180), wait_seconds(u32::MAX, 180)), (6, 900, 900));
    }

    #[test]
    fn the_destinations_own_wait_counts_up_to_an_hour() {
        for (retry_after, wait) in [(Some(0), 5), (Some(-9), 5), (Some(120), 120), (Some(9_999_999), 3_600), (None, 5)]
        {
            let failure = AttemptFailure { retry_after, ..failure() };
            let state = StreamState::new(now()).after_failure(failure, now(), 0, DEFAULT_STOP_HOURS);
            assert_eq!(state.next_try_at, Some(now().plus_seconds(wait)), "{retry_after:?}");
        }
    }

    #[test]
    fn a_stream_stops_after_hours_of_failures() {
        let state = failed(StreamState::new(now()), now());
        let almost = now().plus_seconds(72 * 3_600 - 1);
        assert_eq!(failed(state.clone(), almost).status(false), StreamStatus::Failing);
        let end = now().plus_seconds(72 * 3_600);
        let stopped = failed(state, end);
        assert_eq!((stopped.status(false), stopped.next_try_at), (StreamStatus::Stopped, None));
        assert_eq!(stopped.stopped_at, Some(end));
        assert!(stopped.stopped_because.as_deref().unwrap().starts_with("Every attempt of 72 hours has failed."));
        assert!(!stopped.may_try(false, Instant::MAX));
        assert_eq!(stopped.status(true), StreamStatus::Paused);
        let resumed = stopped.clone().resume();
        assert_eq!((resumed.status(false), resumed.attempts), (StreamStatus::Active, 0));
        assert!(resumed.may_try(false, end) && resumed.last_error == stopped.last_error);
        for going_on in [resumed.clone(), stopped.clone().accepted(end)] {
            assert_eq!((going_on.failing_since, going_on.stopped_at), (None, None));
            assert_eq!((going_on.next_try_at, going_on.stopped_because), (None, None));
        }
        // Hours count from the first failure after a success.
        assert_eq!(failed(resumed, end.plus_seconds(1)).status(false), StreamStatus::Failing);
    }

    #[test]
    fn a_destination_that_is_gone_stops_the_stream_at_once() {
        let gone = AttemptFailure { status: Some(410), is_final: true, ..failure() };
        let state = StreamState::new(now()).after_failure(gone, now(), 0, DEFAULT_STOP_HOURS);
        assert_eq!(state.status(false), StreamStatus::Stopped);
        assert!(state.stopped_because.unwrap().starts_with("The destination has answered that it is gone."));
        let tested = StreamState { stopped_at: Some(now()), ..StreamState::new(now()) }.accepted(now());
        assert_eq!(tested.status(false), StreamStatus::Active);
    }

    #[test]
    fn the_lag_is_the_age_of_what_is_outstanding() {
        let state = StreamState::new(now());
        let later = now().plus_seconds(90);
        assert_eq!(state.lag_seconds(None, later), 0);
        assert_eq!(state.lag_seconds(Some(now().plus_seconds(-1)), later), 90, "what is delivered does not count");
        assert_eq!(state.lag_seconds(Some(now().plus_seconds(60)), later), 30, "nor does the time before");
        assert_eq!(state.lag_seconds(Some(later), now().plus_seconds(-9)), 0, "clocks may differ");
        let idle = state.after_idle(None, later);
        assert_eq!((idle.delivered_through, &idle.position, idle.last_success_at), (later, &None, None));
        assert_eq!(idle.clone().after_idle(Some("p".to_owned()), now()).delivered_through, later);
        assert_eq!(idle.after_idle(Some("p".to_owned()), now()).position.as_deref(), Some("p"));
    }

    #[test]
    fn long_details_are_cut() {
        let failure = AttemptFailure { detail: "é".repeat(900), ..failure() };
        let state = StreamState::new(now()).after_failure(failure, now(), 0, 1);
        assert_eq!(state.last_error.unwrap().detail.chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn stored_states_without_later_members_are_read() {
        let state: StreamState =
            serde_json::from_str(r#"{"delivered_through":"2026-11-02T12:00:00Z","later":1}"#).unwrap();
        assert_eq!(state, StreamState::new(now()));
    }

    /// A step in the life of a stream.
    #[derive(Clone, Debug)]
    enum Step {
        Wait(i64),
        Fail { seed: u64, retry_after: Option<i64> },
        Succeed,
        Idle,
        Resume,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..100_000_i64).prop_map(Step::Wait),
            (any::<u64>(), proptest::option::of(any::<i64>()))
                .prop_map(|(seed, retry_after)| Step::Fail { seed, retry_after }),
            Just(Step::Succeed),
            Just(Step::Idle),
            Just(Step::Resume),
        ]
    }

    proptest! {
        #[test]
        fn a_stream_never_waits_too_long_nor_steps_back(steps in prop::collection::vec(step(), 0..80)) {
            let (mut state, mut now) = (StreamState::new(now()), now());
            for step in steps {
                let before = state.clone();
                state = match step {
                    Step::Wait(seconds) => {
                        now = now.plus_seconds(seconds);
                        state
                    }
                    Step::Fail { seed, retry_after } => {
                        state.after_failure(AttemptFailure { retry_after, ..failure() }, now, seed, DEFAULT_STOP_HOURS)
                    }
                    Step::Succeed => state.after_success(now.to_string(), now, now),
                    Step::Idle => state.after_idle(None, now),
                    Step::Resume => state.resume(),
                };
                prop_assert!(state.delivered_through >= before.delivered_through);
                let status = state.status(false);
                prop_assert_eq!(status == StreamStatus::Failing, state.next_try_at.is_some());
                prop_assert_eq!(status == StreamStatus::Stopped, state.stopped_because.is_some());
                prop_assert_eq!(status == StreamStatus::Active, state.attempts == 0);
                if let (Some(next), true) = (state.next_try_at, state.next_try_at != before.next_try_at) {
                    let wait = seconds_between(now, next);
                    prop_assert!((MIN_WAIT_SECONDS..=MAX_RETRY_AFTER_SECONDS).contains(&wait), "{}", wait);
                }
                let stored = serde_json::to_string(&state).unwrap();
                prop_assert_eq!(serde_json::from_str::<StreamState>(&stored).unwrap(), state.clone());
            }
        }

        #[test]
        fn waits_lie_between_their_limits(attempts in any::<u32>(), seed in any::<u64>()) {
            let wait = wait_seconds(attempts, seed);
            prop_assert!((MIN_WAIT_SECONDS..=MAX_WAIT_SECONDS).contains(&wait));
            prop_assert!(wait <= wait_seconds(attempts, 0) * 5 / 4 && wait >= wait_seconds(attempts, 0));
        }
    }
}
