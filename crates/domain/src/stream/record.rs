//! A stored stream: its settings, its state, and who saved it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    replay::{Replay, ReplayRefusal},
    request::StreamChange,
    settings::StreamSettings,
    state::{StreamState, StreamStatus},
};
use crate::{
    access::Author,
    activity::{Action, Activity, ActivityId, Actor, ActorType, Details, Entry, PartnerId, Status, Target},
    time::{Instant, Period},
};

/// The actor and the source of a test.
const TEST_ACTOR: &str = "daybook";

/// A stream of a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The id.
    pub id: String,
    /// The settings.
    pub settings: StreamSettings,
    /// The external id with which the service assumes the partner's role. It belongs to this stream only.
    pub external_id: String,
    /// The state.
    pub state: StreamState,
    /// The last replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// When the stream was created.
    pub created_at: Instant,
    /// The person or machine that created it.
    pub created_by: Author,
    /// When the settings were saved.
    pub updated_at: Instant,
    /// The person or machine that saved them.
    pub updated_by: Author,
    /// The number of times the stream was stored. Of two concurrent changes, one is refused by this number.
    #[serde(default)]
    pub revision: u64,
}

impl Stream {
    /// Makes a stream that sends what is recorded from `begins_at` on.
    pub fn create(
        id: String,
        external_id: String,
        settings: StreamSettings,
        begins_at: Instant,
        now: Instant,
        by: Author,
    ) -> Self {
        Self {
            id,
            settings,
            external_id,
            state: StreamState::new(begins_at),
            replay: None,
            created_at: now,
            created_by: by.clone(),
            updated_at: now,
            updated_by: by,
            revision: 0,
        }
    }

    /// Changes the settings. A stopped stream tries again if it was unpaused or has another destination.
    #[must_use]
    pub fn change(self, change: StreamChange, now: Instant, by: Author) -> Self {
        let StreamChange { settings, is_resumed } = change;
        let state = if is_resumed { self.state.resume() } else { self.state };
        Self { settings, state, updated_at: now, updated_by: by, ..self }
    }

    /// Returns the status.
    pub fn status(&self) -> StreamStatus {
        self.state.status(self.settings.paused)
    }

    /// Tells whether an attempt may be made now.
    pub fn may_try(&self, now: Instant) -> bool {
        self.state.may_try(self.settings.paused, now)
    }

    /// Begins to send a period again.
    ///
    /// # Errors
    /// The reason why the period cannot be sent again now.
    pub fn begin_replay(self, period: Period, now: Instant) -> Result<Self, ReplayRefusal> {
        let replay = Replay::begin(self.replay.as_ref(), self.status(), period, now)?;
        Ok(Self { replay: Some(replay), ..self })
    }

    /// Describes the settings for the audit, without secrets.
    pub fn describe(&self) -> Value {
        self.settings.describe()
    }

    /// Makes the activity that a test sends. The action marks it.
    pub fn test_activity(&self, partner: PartnerId, now: Instant) -> Activity {
        let actor = Actor {
            kind: ActorType::System,
            id: TEST_ACTOR.to_owned(),
            name: None,
            role: None,
            ip: None,
            user_agent: None,
        };
        Activity {
            partner,
            id: ActivityId::generate(now),
            occurred_at: now,
            recorded_at: now.truncated_to_millis(),
            entry: Entry {
                customer: None,
                action: Action::stream_tested(),
                status: Status::Succeeded,
                actor,
                target: Some(Target { kind: Some("stream".to_owned()), id: Some(self.id.clone()), name: None }),
                reason: None,
                changes: None,
                correlation_id: None,
                source: Some(TEST_ACTOR.to_owned()),
            },
            details: Details::None,
            lines: None,
            erased: None,
            digest: [0; 16],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::DestinationRules;

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:00:00.123456Z").unwrap()
    }

    fn author(name: &str) -> Author {
        Author { subject: Some("s".to_owned()), name: name.to_owned() }
    }

    fn change(json: &str, stored: Option<&StreamSettings>) -> StreamChange {
        StreamChange::parse(json, stored, &DestinationRules::default(), now()).unwrap()
    }

    fn stream() -> Stream {
        let json =
            r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/","headers":{"A":"hidden"}}}"#;
        Stream::create("s-1".to_owned(), "x-1".to_owned(), change(json, None).settings, now(), now(), author("Ana"))
    }

    fn stopped() -> Stream {
        let stream = stream();
        Stream { state: StreamState { stopped_at: Some(now()), attempts: 9, ..stream.state }, ..stream }
    }

    #[test]
    fn a_stored_stream_is_read_as_it_was() {
        let stream = stopped().begin_replay(Period::new(Instant::MIN, now()).unwrap(), now());
        assert_eq!(stream, Err(ReplayRefusal::Inactive));
        let stream = super::Stream { revision: 7, ..self::stream() };
        let stream = stream.begin_replay(Period::new(Instant::MIN, now()).unwrap(), now()).unwrap();
        let stored = serde_json::to_string(&stream).unwrap();
        assert_eq!(serde_json::from_str::<Stream>(&stored).unwrap(), stream);
        assert_eq!(stream.describe()["name"], "SIEM");
        assert!(!stream.describe().to_string().contains("hidden"));
        assert!(!format!("{stream:?}").contains("hidden"));
    }

    #[test]
    fn a_stopped_stream_resumes_by_a_change_that_says_so() {
        for (json, status) in [
            (r#"{"name":"x"}"#, StreamStatus::Stopped),
            (r#"{"paused":true}"#, StreamStatus::Paused),
            (r#"{"paused":false}"#, StreamStatus::Active),
            (r#"{"destination":{"kind":"https","url":"https://siem.example/2"}}"#, StreamStatus::Active),
        ] {
            let stream = stopped();
            let changed = change(json, Some(&stream.settings));
            let later = now().plus_seconds(1);
            let stream = stream.change(changed, later, author("Bob"));
            assert_eq!(stream.status(), status, "{json}");
            assert_eq!(stream.may_try(later), status == StreamStatus::Active);
            assert_eq!((stream.created_by.name.as_str(), stream.updated_by.name.as_str()), ("Ana", "Bob"));
            assert_eq!((stream.created_at, stream.updated_at), (now(), later));
        }
    }

    #[test]
    fn a_test_sends_a_marked_activity() {
        let activity = stream().test_activity(PartnerId::parse("contoso").unwrap(), now());
        assert_eq!(activity.entry.action, Action::parse("stream.tested").unwrap());
        assert_eq!(activity.entry.target.as_ref().and_then(|target| target.id.as_deref()), Some("s-1"));
        assert_eq!((activity.occurred_at, activity.recorded_at), (now(), now().truncated_to_millis()));
        assert!(ActivityId::is_valid(activity.id.as_str()));
    }
}
