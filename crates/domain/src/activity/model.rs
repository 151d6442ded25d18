//! An activity inside the service.
//!
//! The types are generic over their text: `String` owns the text, `&str` borrows it from a stored page, so that lists and
//! exports copy no text.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::ids::{Action, ActivityId, PartnerId};
use crate::{text::parse_word, time::Instant};

/// The digest of an activity's content: the first 16 bytes of a SHA-256.
pub type Digest = [u8; 16];

/// How an action ended.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// The action is done.
    #[default]
    Succeeded,
    /// The action could not be done.
    Failed,
    /// The action is not finished.
    InProgress,
    /// Somebody refused the action.
    Declined,
}

impl Status {
    /// Reads a status.
    ///
    /// # Errors
    /// A message that lists the statuses.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_word(text)
    }

    /// Returns the word for the status.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The kind of an actor.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ActorType {
    /// A person who works for the partner.
    #[default]
    User,
    /// A program with an identity of its own.
    Application,
    /// The portal itself.
    System,
    /// A person who works for the customer.
    Customer,
}

impl ActorType {
    /// Reads an actor's type.
    ///
    /// # Errors
    /// A message that lists the types.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_word(text)
    }

    /// Returns the word for the type.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The person or program that acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(bound = "")]
pub struct Actor<T = String> {
    /// The kind of actor.
    #[serde(rename = "type")]
    pub kind: ActorType,
    /// The id, such as a user principal name or a client's id.
    #[schema(value_type = String)]
    pub id: T,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub name: Option<T>,
    /// The role in which the actor acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub role: Option<T>,
    /// The IP address from which the actor acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub ip: Option<T>,
    /// The user agent of the actor's program.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub user_agent: Option<T>,
}

/// The customer whose account was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(bound = "")]
pub struct Customer<T = String> {
    /// The id.
    #[schema(value_type = String)]
    pub id: T,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub name: Option<T>,
}

/// The thing that was acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(bound = "")]
pub struct Target<T = String> {
    /// The type of thing, such as `order`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub kind: Option<T>,
    /// The id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub id: Option<T>,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub name: Option<T>,
}

/// The content of an activity, without its address and its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T = String> {
    /// The customer; absent where there is none, as in a failed creation of a customer.
    pub customer: Option<Customer<T>>,
    /// The kind of thing that was done.
    pub action: Action<T>,
    /// How the action ended.
    pub status: Status,
    /// The person or program that acted.
    pub actor: Actor<T>,
    /// The thing that was acted on.
    pub target: Option<Target<T>>,
    /// The reason for the status, such as why the action failed.
    pub reason: Option<T>,
    /// The changes as compact JSON: an array of `{"field", "old", "new"}`.
    pub changes: Option<T>,
    /// The id that links the activity to the caller's own traces.
    pub correlation_id: Option<T>,
    /// The system that recorded the activity.
    pub source: Option<T>,
}

/// An activity as a caller sent it, after all checks.
#[derive(Clone, Debug)]
pub struct NewActivity {
    /// The caller's id. Without one, a repeat of the request cannot be recognised.
    pub id: Option<ActivityId>,
    /// When the activity occurred, by the caller's clock.
    pub occurred_at: Instant,
    /// The content.
    pub entry: Entry,
    /// The details as compact JSON, an object.
    pub details: Option<String>,
    /// What the lines of an order add up to, as JSON: see [`LineSums`](super::lines::LineSums). It follows from the details.
    pub lines: Option<String>,
    /// The digest of entry and details: activities with the same address and digest are the same.
    pub digest: Digest,
}

/// The details of an activity, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details<T = String> {
    /// The activity has no details.
    None,
    /// The activity has details that were not read, of this size in bytes of JSON.
    Apart(u64),
    /// The details as compact JSON, an object.
    Here(T),
}

/// A recorded activity, which never changes, except that a recorded order may erase groups of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity<T = String> {
    /// The partner that owns the activity.
    pub partner: PartnerId<T>,
    /// The id, from the caller or from the service.
    pub id: ActivityId<T>,
    /// When the activity occurred, by the caller's clock.
    pub occurred_at: Instant,
    /// When the activity was recorded, by the service's clock, in whole milliseconds.
    pub recorded_at: Instant,
    /// The content.
    pub entry: Entry<T>,
    /// The details.
    pub details: Details<T>,
    /// What the lines of an order add up to, as JSON: see [`LineSums`](super::lines::LineSums). Absent in activities that were
    /// recorded by earlier versions.
    pub lines: Option<T>,
    /// The groups of fields that were erased, each with the id of the order, as JSON. An erased actor has an empty id.
    pub erased: Option<T>,
    /// The digest of entry and details: activities with the same address and digest are the same. That of an erased activity
    /// says nothing of its content.
    pub digest: Digest,
}

impl NewActivity {
    /// Completes the activity with the partner and the time of recording. An activity without an id gets a ULID of `now`.
    pub fn into_activity(self, partner: PartnerId, now: Instant) -> Activity {
        Activity {
            partner,
            id: self.id.unwrap_or_else(|| ActivityId::generate(now)),
            occurred_at: self.occurred_at,
            recorded_at: now.truncated_to_millis(),
            entry: self.entry,
            details: self.details.map_or(Details::None, Details::Here),
            lines: self.lines,
            erased: None,
            digest: self.digest,
        }
    }
}

impl<T: AsRef<str>> Activity<T> {
    /// Tells whether a group of fields was erased, by its name.
    pub fn has_erased(&self, group: &str) -> bool {
        // The names of groups are plain words, and the ids of orders have no quotes.
        self.erased.as_ref().is_some_and(|erased| erased.as_ref().contains(&format!("\"{group}\":")))
    }

    /// Borrows the text.
    pub fn borrowed(&self) -> Activity<&str> {
        self.map(AsRef::as_ref)
    }

    /// Copies the text.
    pub fn owned(&self) -> Activity {
        self.map(|text| text.as_ref().to_owned())
    }

    /// Returns the activity's address, relative to the API's root.
    pub fn url(&self) -> String {
        self.address("")
    }

    /// Returns the address of the activity's details, relative to the API's root.
    pub fn details_url(&self) -> String {
        self.address("/details")
    }

    fn address(&self, part: &str) -> String {
        // Ids and instants have no characters that need escaping in a path or a query.
        let occurred_at = self.occurred_at.to_bytes();
        let occurred_at = std::str::from_utf8(&occurred_at).unwrap_or_default();
        let (partner, id) = (self.partner.as_str(), self.id.as_str());
        ["/v1/partners/", partner, "/activities/", id, part, "?occurred_at=", occurred_at].concat()
    }
}

impl<T: AsRef<str>> Entry<T> {
    /// Borrows the text.
    pub fn borrowed(&self) -> Entry<&str> {
        self.map(AsRef::as_ref)
    }
}

impl<T: AsRef<str>> Details<T> {
    /// Returns the size in bytes of JSON.
    pub fn size(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Apart(size) => *size,
            Self::Here(text) => text.as_ref().len() as u64,
        }
    }
}

impl<T> Activity<T> {
    /// Converts every text.
    fn map<'a, U>(&'a self, convert: impl Fn(&'a T) -> U) -> Activity<U> {
        Activity {
            partner: self.partner.map(&convert),
            id: self.id.map(&convert),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            entry: self.entry.map(&convert),
            details: match &self.details {
                Details::None => Details::None,
                Details::Apart(size) => Details::Apart(*size),
                Details::Here(text) => Details::Here(convert(text)),
            },
            lines: self.lines.as_ref().map(&convert),
            erased: self.erased.as_ref().map(&convert),
            digest: self.digest,
        }
    }
}

impl<T> Entry<T> {
    /// Converts every text.
    fn map<'a, U>(&'a self, convert: impl Fn(&'a T) -> U) -> Entry<U> {
        let optional = |text: &'a Option<T>| text.as_ref().map(&convert);
        let Self { customer, action, status, actor, target, reason, changes, correlation_id, source } = self;
        Entry {
            customer: customer.as_ref().map(|Customer { id, name }| Customer { id: convert(id), name: optional(name) }),
            action: action.map(&convert),
            status: *status,
            actor: Actor {
                kind: actor.kind,
                id: convert(&actor.id),
                name: optional(&actor.name),
                role: optional(&actor.role),
                ip: optional(&actor.ip),
                user_agent: optional(&actor.user_agent),
            },
            target: target.as_ref().map(|Target { kind, id, name }| Target {
                kind: optional(kind),
                id: optional(id),
                name: optional(name),
            }),
            reason: optional(reason),
            changes: optional(changes),
            correlation_id: optional(correlation_id),
            source: optional(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erased_groups_are_known_by_their_names() {
        let json = r#"{"id":"e","occurred_at":"2026-11-02T09:30:00Z","action":"a.b","actor":{"id":"ana"}}"#;
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let whole = NewActivity::parse(json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now);
        assert!(!whole.has_erased("actor"));
        let erased = Activity { erased: Some(r#"{"actor":"o-1","details":"o-2"}"#.to_owned()), ..whole };
        assert!(erased.has_erased("actor") && erased.has_erased("details") && !erased.has_erased("customer"));
    }

    #[test]
    fn words_are_read_and_written_alike() {
        for (word, status) in [
            ("succeeded", Status::Succeeded),
            ("failed", Status::Failed),
            ("in_progress", Status::InProgress),
            ("declined", Status::Declined),
        ] {
            assert_eq!((Status::parse(word), status.as_str()), (Ok(status), word));
            assert_eq!(serde_json::to_value(status).unwrap(), word);
        }
        for (word, kind) in [
            ("user", ActorType::User),
            ("application", ActorType::Application),
            ("system", ActorType::System),
            ("customer", ActorType::Customer),
        ] {
            assert_eq!((ActorType::parse(word), kind.as_str()), (Ok(kind), word));
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
        }
        assert_eq!(
            Status::parse("done"),
            Err("\"done\" is not one of succeeded, failed, in_progress, declined".to_owned())
        );
        assert_eq!((Status::default(), ActorType::default()), (Status::Succeeded, ActorType::User));
    }

    #[test]
    fn borrowing_and_copying_keep_every_field() {
        let now = Instant::parse("2026-11-02T12:00:00.123456Z").unwrap();
        let sent = r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00Z","customer":{"id":"c","name":"cn"},"action":"order.created",
            "status":"failed","actor":{"type":"system","id":"a","name":"an","role":"ar","ip":"::1","user_agent":"au"},
            "target":{"type":"order","id":"t","name":"tn"},"reason":"why","changes":[{"field":"q"}],"correlation_id":"k",
            "source":"s","details":{"a":1}}"#;
        let new = NewActivity::parse(sent, now).unwrap();
        let mut activity = new.clone().into_activity(PartnerId::parse("contoso").unwrap(), now);
        assert_eq!(activity.recorded_at.to_millis_text(), "2026-11-02T12:00:00.123Z");
        assert_eq!(activity.recorded_at, activity.recorded_at.truncated_to_millis());
        for (details, size) in [(Details::Here(r#"{"a":1}"#.to_owned()), 7), (Details::Apart(9), 9), (Details::None, 0)]
        {
            activity.details = details;
            assert_eq!(activity.details.size(), size);
            assert_eq!(activity.borrowed().owned(), activity);
            let text = format!("{activity:?}");
            assert_eq!(format!("{:?}", activity.borrowed()), text, "no field is lost or exchanged");
        }
        assert_eq!(activity.entry.borrowed(), activity.borrowed().entry);
        assert_eq!((&new.entry, new.digest), (&activity.entry, activity.digest));
    }

    #[test]
    fn an_activity_without_an_id_gets_one() {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let least = r#"{"occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"}}"#;
        let complete =
            || NewActivity::parse(least, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now);
        assert_eq!(complete().id.as_str().len(), 26);
        assert_ne!(complete().id, complete().id);
    }
}
