//! An activity: one thing that an actor did to a customer's account, its parsing and its wire form.
//!
//! A request is parsed once, here, into a [`NewActivity`]; whatever holds one may rely on every limit below. All faults
//! of a request are found together, each with a JSON pointer to its field. The ledger turns a `NewActivity` into an
//! [`Activity`] by adding what is the service's: the partner and the time of recording.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{cloud_events, json::Json, schema::text_schema, text::quoted, time::Instant};

/// The longest id, in characters.
pub const MAX_ID_CHARS: usize = 128;
/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 256;
/// The longest action, in characters.
pub const MAX_ACTION_CHARS: usize = 100;
/// The longest user agent, in characters.
pub const MAX_USER_AGENT_CHARS: usize = 1_024;
/// The most changes of one activity.
pub const MAX_CHANGES: usize = 50;
/// The largest `changes` of one activity, in bytes of compact JSON: a stored item must stay well below 400 KB.
pub const MAX_CHANGES_BYTES: usize = 128 * 1_024;
/// The largest `details`, in bytes of compact JSON.
pub const MAX_DETAILS_BYTES: usize = 5 * 1_024 * 1_024;
/// The most activities of one batch.
pub const MAX_BATCH: usize = 500;
/// How far ahead of the service's clock an activity may have occurred, in seconds.
pub const MAX_AHEAD_SECONDS: i64 = 24 * 3_600;

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $max:literal, $pattern:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name<T = String>(T);

        text_schema!($name, $pattern, $example, $max);

        impl<T: AsRef<str>> $name<T> {
            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }

            /// The same, borrowed.
            pub fn borrowed(&self) -> $name<&str> {
                $name(self.0.as_ref())
            }

            /// The same, owned.
            pub fn owned(&self) -> $name {
                $name(self.0.as_ref().to_owned())
            }
        }

        impl<T: AsRef<str>> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0.as_ref())
            }
        }
    };
}

text_type! {
    /// A partner: the tenant that all data belongs to. 1–128 characters of `[A-Za-z0-9._-]`, so that it can stand in a
    /// key and in a file's name; neither `.` nor `..`.
    PartnerId, 128, "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$", "contoso"
}
text_type! {
    /// The caller's own id of an activity, 1–128 characters of `[A-Za-z0-9._:-]`.
    ActivityId, 128, "^[A-Za-z0-9._:-]{1,128}$", "evt-1"
}
text_type! {
    /// What was done, `noun.verb_past`: an open vocabulary. `[a-z0-9_]+(\.[a-z0-9_]+)+`, at most 100 characters.
    Action, 100, r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", "order.created"
}

impl PartnerId {
    /// Reads a partner's id.
    ///
    /// # Errors
    /// A text that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != "..";
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{} is not a partner id: 1 to {MAX_ID_CHARS} of A-Z a-z 0-9 . _ -", quoted(text)))
        }
    }
}

impl<'a> ActivityId<&'a str> {
    /// Takes a text that was found to be allowed before.
    pub fn known(text: &'a str) -> Self {
        Self(text)
    }
}

impl ActivityId {
    /// Becomes the same as another, in the memory that it has.
    pub fn become_copy_of(&mut self, other: &ActivityId<&str>) {
        other.0.clone_into(&mut self.0);
    }

    pub fn allows(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(allowed)
    }

    /// Reads an activity's id.
    ///
    /// # Errors
    /// A text that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if Self::allows(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{} is not an activity id: 1 to {MAX_ID_CHARS} of A-Z a-z 0-9 . _ : -", quoted(text)))
        }
    }
}

impl<'a> Action<&'a str> {
    /// Takes a text that was found to be allowed before.
    pub fn known(text: &'a str) -> Self {
        Self(text)
    }
}

impl Action {
    pub fn allows(text: &str) -> bool {
        // In front of a word and behind the last one stands a dot, or nothing.
        let (mut before, mut dots) = (b'.', 0);
        let fits = text.bytes().all(|byte| {
            dots += usize::from(byte == b'.');
            let between = std::mem::replace(&mut before, byte) != b'.';
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || (byte == b'.' && between)
        });
        fits && before != b'.' && dots > 0 && text.len() <= MAX_ACTION_CHARS
    }

    /// Reads an action.
    ///
    /// # Errors
    /// A text that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if Self::allows(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{} is not an action: words of a-z 0-9 _ joined by dots, such as order.created, at most {MAX_ACTION_CHARS} characters",
                quoted(text)
            ))
        }
    }
}

macro_rules! word_type {
    ($(#[$doc:meta])* $name:ident, $($(#[$default:meta])? $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                $(#[$default])?
                #[serde(rename = $word)]
                $variant
            ),+
        }

        impl $name {
            /// Reads the word.
            ///
            /// # Errors
            /// A text that lists the words.
            pub fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!(concat!("{} is none of", $(" ", $word),+), quoted(text))),
                }
            }

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+])).into()
            }
        }

        impl ToSchema for $name {}
    };
}

word_type! {
    /// How the action ended.
    Status, #[default] Succeeded = "succeeded", Failed = "failed", InProgress = "in_progress", Declined = "declined"
}
word_type! {
    /// What kind of actor acted.
    ActorType, #[default] User = "user", Application = "application", System = "system", Customer = "customer"
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor<T = String> {
    /// The kind of actor.
    pub kind: ActorType,
    /// The id: a user principal name, a client's id.
    pub id: T,
    /// The name to show.
    pub name: Option<T>,
    /// The role in which it acted.
    pub role: Option<T>,
    /// The address that it came from.
    pub ip: Option<T>,
    /// The user agent that it used.
    pub user_agent: Option<T>,
}

/// Whose account was acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer<T = String> {
    /// The id.
    pub id: T,
    /// The name to show.
    pub name: Option<T>,
}

/// What was acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target<T = String> {
    /// The type of thing, such as `order`.
    pub kind: Option<T>,
    /// The id.
    pub id: Option<T>,
    /// The name to show.
    pub name: Option<T>,
}

/// What an activity says, apart from its address and its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T = String> {
    /// Whose account was acted on; a failed creation of a customer has none.
    pub customer: Option<Customer<T>>,
    /// What was done.
    pub action: Action<T>,
    /// How it ended.
    pub status: Status,
    /// Who did it.
    pub actor: Actor<T>,
    /// What it was done to.
    pub target: Option<Target<T>>,
    /// What changed: compact JSON, an array of `{"field", "old", "new"}`.
    pub changes: Option<T>,
    /// What it belongs to in the caller's own traces.
    pub correlation_id: Option<T>,
    /// The system that recorded it.
    pub source: Option<T>,
}

/// An activity as a caller sent it, checked.
#[derive(Clone, Debug)]
pub struct NewActivity {
    /// The caller's own id, if it sent one.
    pub id: Option<ActivityId>,
    /// When it occurred, by the caller's clock.
    pub occurred_at: Instant,
    /// What it says.
    pub entry: Entry,
    /// The details, a JSON object.
    pub details: Option<String>,
    /// Digest of all of the content: two activities with the same address and digest are one.
    pub digest: Digest,
}

/// What a CloudEvent says of the activity in it.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) occurred_at: Option<Cow<'a, str>>,
    pub(crate) action: Option<Cow<'a, str>>,
    pub(crate) source: Option<Cow<'a, str>>,
}

/// Digest of an activity's content: the first 16 bytes of a SHA-256.
pub type Digest = [u8; 16];

/// What is wrong with a part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the field.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// Why an activity is refused. The worst kind of fault found decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Malformed, unknown, missing or unreadable fields.
    Invalid(Vec<Fault>),
    /// Well-formed but over a limit.
    TooLarge(Vec<Fault>),
    /// Well-formed but not acceptable.
    Unprocessable(Vec<Fault>),
}

impl Rejection {
    fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault { pointer: pointer.to_owned(), detail: detail.into() }])
    }

    /// The same with other pointers.
    fn at(self, pointer: impl Fn(&str) -> String) -> Self {
        let moved = |faults: Vec<Fault>| {
            faults.into_iter().map(|fault| Fault { pointer: pointer(&fault.pointer), ..fault }).collect()
        };
        match self {
            Self::Invalid(faults) => Self::Invalid(moved(faults)),
            Self::TooLarge(faults) => Self::TooLarge(moved(faults)),
            Self::Unprocessable(faults) => Self::Unprocessable(moved(faults)),
        }
    }

    /// The faults, at least one.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) | Self::TooLarge(faults) | Self::Unprocessable(faults) => faults,
        }
    }
}

impl NewActivity {
    /// Parses and checks one activity.
    ///
    /// # Errors
    /// All faults of the kind that weighs most: malformed before too large before not acceptable.
    pub fn parse(json: &str, now: Instant) -> Result<Self, Rejection> {
        let Object(wire): Object<WireActivity<'_>> = from_json(json)?;
        wire.parse(now, Faults::default())
    }

    /// Parses and checks an activity of which an envelope holds a part.
    ///
    /// # Errors
    /// As [`Self::parse`]; pointers are those of a CloudEvent that has the activity as its `data`.
    pub(crate) fn within(envelope: Envelope<'_>, data: &str, now: Instant) -> Result<Self, Rejection> {
        let inside = |rejection: Rejection| rejection.at(|pointer| format!("/data{pointer}"));
        let Object(mut wire): Object<WireActivity<'_>> = from_json(data).map_err(inside)?;
        let mut faults = Faults::default();
        let same_instant =
            |a: &str, b: &str| a == b || (Instant::parse(a).is_ok() && Instant::parse(a) == Instant::parse(b));
        for (pointer, own, given) in [
            ("/data/id", &mut wire.id, envelope.id),
            ("/data/occurred_at", &mut wire.occurred_at, envelope.occurred_at),
            ("/data/action", &mut wire.action, envelope.action),
        ] {
            match (own.as_deref(), given) {
                // Only of instants can two texts be the same.
                (Some(own), Some(given)) if *own != *given && !same_instant(own, &given) => {
                    faults.invalid(pointer, "differs from the event's: leave it out here");
                }
                (_, Some(given)) => *own = Some(given),
                (_, None) => {}
            }
        }
        let own_source = wire.source.is_some();
        wire.source = wire.source.or(envelope.source);
        wire.parse(now, faults).map_err(|rejection| {
            rejection.at(|pointer| match pointer {
                "/id" => "/id".to_owned(),
                "/occurred_at" => "/time".to_owned(),
                "/action" => "/type".to_owned(),
                "/source" if !own_source => "/source".to_owned(),
                inside if inside.starts_with("/data/") => inside.to_owned(),
                other => format!("/data{other}"),
            })
        })
    }

    /// Turns this activity into the activity of a partner that is recorded at `now`. An activity that came without an id
    /// gets a ULID of `now`.
    pub fn into_activity(self, partner: PartnerId, now: Instant) -> Activity {
        let Self { id, occurred_at, entry, details, digest } = self;
        let ulid = || {
            let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
            // 26 of 0-9 A-Z: allowed in an id.
            ActivityId(ulid::Ulid::from_datetime(time).to_string())
        };
        Activity {
            partner,
            id: id.unwrap_or_else(ulid),
            occurred_at,
            recorded_at: now.truncated_to_millis(),
            entry,
            details: details.map_or(Details::None, Details::Here),
            digest,
        }
    }
}

/// Reads a typed JSON document; the one place that turns a reader's error into a fault with a pointer.
///
/// # Errors
/// [`Rejection::Invalid`] that names the field.
pub fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    // To know where a fault is takes longer than to read what has none.
    if let Ok(value) = serde_json::from_str(json) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => pointer.push_str(&format!("/{key}")),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = error.inner().to_string();
        if let Some(field) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
            let shown: String = field.chars().take(60).collect();
            if !pointer.ends_with(&format!("/{field}")) {
                pointer.push_str(&format!("/{shown}"));
            }
            return Rejection::invalid(&pointer, format!("unknown field {shown:?}: remove it or correct its name"));
        }
        Rejection::invalid(&pointer, shorten(&message))
    })?;
    reader.end().map_err(|error| Rejection::invalid("", shorten(&error.to_string())))?;
    Ok(value)
}

/// A struct that is read from a JSON object only: left to itself, serde reads an array as one too.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// The members of a JSON object as they stand there, none of them twice.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("has {} twice", quoted(&name))));
                    }
                    if members.len() == MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format!("has more than {MAX_MEMBERS} members")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        deserializer.deserialize_map(Visitor)
    }
}

/// More members than any envelope has: it bounds the search for one that is there twice.
const MAX_MEMBERS: usize = 200;

fn shorten(message: &str) -> String {
    message.chars().take(300).collect()
}

#[derive(Default)]
struct Faults {
    invalid: Vec<Fault>,
    too_large: Vec<Fault>,
    unprocessable: Vec<Fault>,
}

impl Faults {
    fn invalid(&mut self, pointer: &str, detail: impl Into<String>) {
        self.invalid.push(Fault { pointer: pointer.to_owned(), detail: detail.into() });
    }

    fn too_large(&mut self, pointer: &str, detail: impl Into<String>) {
        self.too_large.push(Fault { pointer: pointer.to_owned(), detail: detail.into() });
    }

    fn into_rejection(self) -> Option<Rejection> {
        if !self.invalid.is_empty() {
            Some(Rejection::Invalid(self.invalid))
        } else if !self.too_large.is_empty() {
            Some(Rejection::TooLarge(self.too_large))
        } else if !self.unprocessable.is_empty() {
            Some(Rejection::Unprocessable(self.unprocessable))
        } else {
            None
        }
    }

    fn keep<T>(&mut self, pointer: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|detail| self.invalid(pointer, detail)).ok()
    }

    /// A text with a limit; an empty one counts as absent.
    fn text(&mut self, pointer: &str, text: Option<Cow<'_, str>>, max: usize) -> Option<String> {
        let text = text.filter(|text| !text.is_empty())?;
        // Bytes bound characters from above: only a long text is counted.
        if text.len() > max && text.chars().count() > max {
            self.too_large(pointer, format!("{} is longer than {max} characters", quoted(&text)));
        }
        Some(text.into_owned())
    }

    fn id(&mut self, pointer: &str, text: Option<Cow<'_, str>>) -> Option<String> {
        let id = self.text(pointer, text, MAX_ID_CHARS);
        if id.is_none() {
            self.invalid(pointer, "is required and must not be empty");
        }
        id
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireActivity<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    occurred_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    customer: Option<Object<WireCustomer<'a>>>,
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    actor: Option<Object<WireActor<'a>>>,
    #[serde(borrow)]
    target: Option<Object<WireTarget<'a>>>,
    #[serde(borrow)]
    changes: Option<&'a RawValue>,
    #[serde(borrow)]
    correlation_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCustomer<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireActor<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ip: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTarget<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChange<'a> {
    #[serde(borrow)]
    field: Option<Cow<'a, str>>,
    #[serde(borrow)]
    old: Option<&'a RawValue>,
    #[serde(borrow)]
    new: Option<&'a RawValue>,
}

impl WireActivity<'_> {
    fn parse(self, now: Instant, mut faults: Faults) -> Result<NewActivity, Rejection> {
        let activity = self.check(now, &mut faults);
        match (activity, faults.into_rejection()) {
            (_, Some(rejection)) => Err(rejection),
            (Some(activity), None) => Ok(activity),
            (None, None) => Err(Rejection::invalid("", "the activity is incomplete")),
        }
    }

    fn check(self, now: Instant, faults: &mut Faults) -> Option<NewActivity> {
        let id = self.id.and_then(|id| faults.keep("/id", ActivityId::parse(&id)));
        let occurred_at = match self.occurred_at {
            None => {
                faults.invalid("/occurred_at", "is required: an RFC 3339 instant such as 2026-11-02T09:30:00Z");
                None
            }
            Some(text) => faults.keep("/occurred_at", Instant::parse(&text)),
        };
        if let Some(at) = occurred_at
            && at > now.plus_seconds(MAX_AHEAD_SECONDS)
        {
            faults.unprocessable.push(Fault {
                pointer: "/occurred_at".to_owned(),
                detail: format!("{at} is more than 24 hours ahead of {now}; check the sender's clock"),
            });
        }
        let action = match self.action {
            None => {
                faults.invalid("/action", "is required: for example order.created");
                None
            }
            Some(text) => faults.keep("/action", Action::parse(&text)),
        };
        let status = self.status.map_or(Some(Status::default()), |text| faults.keep("/status", Status::parse(&text)));
        let actor = match self.actor {
            None => {
                faults.invalid("/actor/id", "is required: the id of who acted");
                None
            }
            Some(Object(actor)) => actor.check(faults),
        };
        let customer = self.customer.and_then(|Object(customer)| {
            let id = faults.id("/customer/id", customer.id);
            let name = faults.text("/customer/name", customer.name, MAX_NAME_CHARS);
            Some(Customer { id: id?, name })
        });
        let target = self.target.map(|Object(target)| Target {
            kind: faults.text("/target/type", target.kind, MAX_ID_CHARS),
            id: faults.text("/target/id", target.id, MAX_ID_CHARS),
            name: faults.text("/target/name", target.name, MAX_NAME_CHARS),
        });
        let changes = self.changes.and_then(|raw| changes(raw, faults));
        let details = self.details.and_then(|raw| details(raw, faults));
        let entry = Entry {
            customer,
            action: action?,
            status: status?,
            actor: actor?,
            target: target.filter(|target| *target != Target::default()),
            changes: changes.as_ref().map(|json| json.as_str().to_owned()),
            correlation_id: faults.text("/correlation_id", self.correlation_id, MAX_ID_CHARS),
            source: faults.text("/source", self.source, MAX_ID_CHARS),
        };
        let digest = entry.digest(changes.as_ref(), details.as_ref());
        Some(NewActivity { id, occurred_at: occurred_at?, entry, details: details.map(Json::into_string), digest })
    }
}

impl WireActor<'_> {
    fn check(self, faults: &mut Faults) -> Option<Actor> {
        let kind =
            self.kind.map_or(Some(ActorType::default()), |text| faults.keep("/actor/type", ActorType::parse(&text)));
        let id = faults.id("/actor/id", self.id);
        let name = faults.text("/actor/name", self.name, MAX_NAME_CHARS);
        let role = faults.text("/actor/role", self.role, MAX_ID_CHARS);
        let ip = faults.text("/actor/ip", self.ip, MAX_ID_CHARS);
        let user_agent = faults.text("/actor/user_agent", self.user_agent, MAX_USER_AGENT_CHARS);
        Some(Actor { kind: kind?, id: id?, name, role, ip, user_agent })
    }
}

fn changes(raw: &RawValue, faults: &mut Faults) -> Option<Json> {
    let wire: Vec<Object<WireChange<'_>>> = match from_json(raw.get()) {
        Ok(wire) => wire,
        Err(rejection) => {
            for fault in rejection.faults() {
                faults.invalid(&format!("/changes{}", fault.pointer), fault.detail.clone());
            }
            return None;
        }
    };
    if wire.len() > MAX_CHANGES {
        faults.too_large("/changes", format!("has {} changes; at most {MAX_CHANGES} are kept", wire.len()));
        return None;
    }
    let mut complete = true;
    for (index, Object(change)) in wire.iter().enumerate() {
        let pointer = format!("/changes/{index}/field");
        complete &= faults.id_of_change(&pointer, change.field.as_deref());
    }
    let shown: Vec<ShownChange<'_>> = wire
        .iter()
        .map(|Object(change)| ShownChange {
            field: change.field.as_deref().unwrap_or_default(),
            old: change.old,
            new: change.new,
        })
        .collect();
    let text = serde_json::to_string(&shown).ok()?;
    let json = RawValue::from_string(text).ok()?;
    let json = faults.keep("/changes", Json::parse(&json))?;
    if json.as_str().len() > MAX_CHANGES_BYTES {
        faults.too_large(
            "/changes",
            format!("takes {} bytes; at most {MAX_CHANGES_BYTES} are kept", json.as_str().len()),
        );
    }
    (complete && !wire.is_empty()).then_some(json)
}

impl Faults {
    fn id_of_change(&mut self, pointer: &str, field: Option<&str>) -> bool {
        self.text(pointer, field.map(Cow::Borrowed), MAX_NAME_CHARS).is_some() || {
            self.invalid(pointer, "is required: the name of the field that changed");
            false
        }
    }
}

#[derive(Serialize)]
struct ShownChange<'a> {
    field: &'a str,
    old: Option<&'a RawValue>,
    new: Option<&'a RawValue>,
}

fn details(raw: &RawValue, faults: &mut Faults) -> Option<Json> {
    let json = faults.keep("/details", Json::parse(raw))?;
    if !json.is_object() {
        faults.invalid("/details", "must be a JSON object");
    }
    if json.as_str().len() > MAX_DETAILS_BYTES {
        let size = json.as_str().len();
        faults.too_large("/details", format!("takes {size} bytes; at most {MAX_DETAILS_BYTES} are kept"));
    }
    Some(json)
}

impl Entry {
    /// Every field in a fixed order, each with a mark of its presence and its length: no two contents run together.
    fn digest(&self, changes: Option<&Json>, details: Option<&Json>) -> Digest {
        let mut hasher = Sha256::new();
        let mut part = |bytes: Option<&[u8]>| {
            hasher.update([u8::from(bytes.is_some())]);
            if let Some(bytes) = bytes {
                hasher.update((bytes.len() as u64).to_be_bytes());
                hasher.update(bytes);
            }
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
        part(self.customer.as_ref().map(|customer| customer.id.as_bytes()));
        part(self.customer.as_ref().and_then(|customer| text(&customer.name)).as_deref());
        part(Some(self.action.as_str().as_bytes()));
        part(Some(self.status.as_str().as_bytes()));
        part(Some(self.actor.kind.as_str().as_bytes()));
        part(Some(self.actor.id.as_bytes()));
        for field in [&self.actor.name, &self.actor.role, &self.actor.ip, &self.actor.user_agent] {
            part(text(field).as_deref());
        }
        let target = self.target.clone().unwrap_or_default();
        for field in [&target.kind, &target.id, &target.name, &self.correlation_id, &self.source] {
            part(text(field).as_deref());
        }
        part(changes.map(|json| json.digest().as_slice()));
        part(details.map(|json| json.digest().as_slice()));
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        digest
    }
}

/// What is known of an activity's details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details<T = String> {
    /// There are none.
    None,
    /// They exist and were not asked for; their size in bytes of JSON.
    Apart(u64),
    /// Their text, a compact JSON object.
    Here(T),
}

impl<T: AsRef<str>> Details<T> {
    /// Their size in bytes of JSON.
    pub fn size(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Apart(size) => *size,
            Self::Here(text) => text.as_ref().len() as u64,
        }
    }
}

/// A recorded activity. It is never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity<T = String> {
    /// The partner that it belongs to.
    pub partner: PartnerId<T>,
    /// The caller's own id of it, or the service's.
    pub id: ActivityId<T>,
    /// When it occurred, by the caller's clock.
    pub occurred_at: Instant,
    /// When it was recorded, by the service's clock, in whole milliseconds.
    pub recorded_at: Instant,
    /// What it says.
    pub entry: Entry<T>,
    /// Its details.
    pub details: Details<T>,
    /// Digest of all of the content: two activities with the same address and digest are one.
    pub digest: Digest,
}

impl Activity {
    /// The same, borrowed.
    pub fn borrowed(&self) -> Activity<&str> {
        let Self { partner, id, occurred_at, recorded_at, entry, details, digest } = self;
        Activity {
            partner: partner.borrowed(),
            id: id.borrowed(),
            occurred_at: *occurred_at,
            recorded_at: *recorded_at,
            entry: entry.borrowed(),
            details: match details {
                Details::None => Details::None,
                Details::Apart(size) => Details::Apart(*size),
                Details::Here(text) => Details::Here(text),
            },
            digest: *digest,
        }
    }
}

impl Entry {
    /// The same, borrowed.
    pub fn borrowed(&self) -> Entry<&str> {
        let Self { customer, action, status, actor, target, changes, correlation_id, source } = self;
        let Actor { kind, id, name, role, ip, user_agent } = actor;
        Entry {
            customer: customer.as_ref().map(|Customer { id, name }| Customer { id: &**id, name: name.as_deref() }),
            action: action.borrowed(),
            status: *status,
            actor: Actor {
                kind: *kind,
                id,
                name: name.as_deref(),
                role: role.as_deref(),
                ip: ip.as_deref(),
                user_agent: user_agent.as_deref(),
            },
            target: target.as_ref().map(|Target { kind, id, name }| Target {
                kind: kind.as_deref(),
                id: id.as_deref(),
                name: name.as_deref(),
            }),
            changes: changes.as_deref(),
            correlation_id: correlation_id.as_deref(),
            source: source.as_deref(),
        }
    }
}

impl Activity<&str> {
    /// The same, owned.
    pub fn owned(&self) -> Activity {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let Entry { customer, action, status, actor, target, changes, correlation_id, source } = &self.entry;
        let Actor { kind, id, name, role, ip, user_agent } = actor;
        let entry = Entry {
            customer: customer
                .as_ref()
                .map(|Customer { id, name }| Customer { id: (*id).to_owned(), name: own(*name) }),
            action: action.owned(),
            status: *status,
            actor: Actor {
                kind: *kind,
                id: (*id).to_owned(),
                name: own(*name),
                role: own(*role),
                ip: own(*ip),
                user_agent: own(*user_agent),
            },
            target: target.as_ref().map(|Target { kind, id, name }| Target {
                kind: own(*kind),
                id: own(*id),
                name: own(*name),
            }),
            changes: own(*changes),
            correlation_id: own(*correlation_id),
            source: own(*source),
        };
        Activity {
            partner: self.partner.owned(),
            id: self.id.owned(),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            entry,
            details: match self.details {
                Details::None => Details::None,
                Details::Apart(size) => Details::Apart(size),
                Details::Here(text) => Details::Here(text.to_owned()),
            },
            digest: self.digest,
        }
    }
}

impl<T: AsRef<str>> Activity<T> {
    /// The activity's address, relative to the API's root.
    pub fn url(&self) -> String {
        self.url_at(std::str::from_utf8(&self.occurred_at.to_bytes()).unwrap_or_default())
    }

    fn url_at(&self, occurred_at: &str) -> String {
        // Of what an id and an instant can hold, nothing needs escaping in a path or a query.
        let (partner, id) = (self.partner.as_str(), self.id.as_str());
        ["/v1/partners/", partner, "/activities/", id, "?occurred_at=", occurred_at].concat()
    }
}

/// The wire form. Details that are here are shown; of those apart it says that they are, and how large.
impl<T: AsRef<str>> Serialize for Activity<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn raw<E: serde::ser::Error>(text: &str) -> Result<&RawValue, E> {
            serde_json::from_str(text).map_err(E::custom)
        }

        let entry = &self.entry;
        let (occurred_at, recorded_at) = (self.occurred_at.to_bytes(), self.recorded_at.to_millis_bytes());
        let occurred_at = std::str::from_utf8(&occurred_at).unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id.as_str())?;
        map.serialize_entry("occurred_at", occurred_at)?;
        map.serialize_entry("recorded_at", std::str::from_utf8(&recorded_at).unwrap_or_default())?;
        map.serialize_entry("partner_id", self.partner.as_str())?;
        if let Some(Customer { id, name }) = &entry.customer {
            map.serialize_entry("customer", &Shown([("id", Some(id.as_ref())), ("name", text(name))]))?;
        }
        map.serialize_entry("action", entry.action.as_str())?;
        map.serialize_entry("status", &entry.status)?;
        let Actor { kind, id, name, role, ip, user_agent } = &entry.actor;
        map.serialize_entry(
            "actor",
            &Shown([
                ("type", Some(kind.as_str())),
                ("id", Some(id.as_ref())),
                ("name", text(name)),
                ("role", text(role)),
                ("ip", text(ip)),
                ("user_agent", text(user_agent)),
            ]),
        )?;
        if let Some(Target { kind, id, name }) = &entry.target {
            map.serialize_entry("target", &Shown([("type", text(kind)), ("id", text(id)), ("name", text(name))]))?;
        }
        if let Some(changes) = &entry.changes {
            map.serialize_entry("changes", raw(changes.as_ref())?)?;
        }
        if let Some(correlation_id) = text(&entry.correlation_id) {
            map.serialize_entry("correlation_id", correlation_id)?;
        }
        if let Some(source) = text(&entry.source) {
            map.serialize_entry("source", source)?;
        }
        if let Details::Here(text) = &self.details {
            map.serialize_entry("details", raw(text.as_ref())?)?;
        }
        map.serialize_entry("has_details", &!matches!(self.details, Details::None))?;
        map.serialize_entry("details_size", &self.details.size())?;
        map.serialize_entry("url", &self.url_at(occurred_at))?;
        map.end()
    }
}

fn text<T: AsRef<str>>(text: &Option<T>) -> Option<&str> {
    text.as_ref().map(AsRef::as_ref)
}

/// An object of the texts that are present.
struct Shown<'a, const N: usize>([(&'static str, Option<&'a str>); N]);

impl<const N: usize> Serialize for Shown<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|(key, value)| value.map(|value| (key, value))))
    }
}

/// An activity in a request, as it was sent.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// An activity in JSON.
    Plain(&'a str),
    /// A CloudEvent in JSON.
    CloudEvent(&'a str),
}

impl Sent<'_> {
    /// Parses and checks it.
    ///
    /// # Errors
    /// As [`NewActivity::parse`].
    pub fn parse(&self, now: Instant) -> Result<NewActivity, Rejection> {
        match self {
            Self::Plain(json) => NewActivity::parse(json, now),
            Self::CloudEvent(json) => cloud_events::parse(json, now),
        }
    }

    /// The id that it was sent with, if that can be told.
    pub fn id(&self) -> Option<ActivityId> {
        #[derive(Deserialize)]
        struct Id<'a> {
            #[serde(borrow)]
            id: Option<Cow<'a, str>>,
        }
        let (Self::Plain(json) | Self::CloudEvent(json)) = self;
        let Object(Id { id }) = from_json(json).ok()?;
        ActivityId::parse(&id?).ok()
    }
}

/// A request to record: one activity, or many.
#[derive(Debug)]
pub enum RecordRequest<'a> {
    /// One activity.
    One(Sent<'a>),
    /// A batch.
    Many(Vec<Sent<'a>>),
}

impl<'a> RecordRequest<'a> {
    /// Tells a batch from a single activity: by its field, `{"activities": […]}`, or by the media type of CloudEvents.
    ///
    /// # Errors
    /// [`Rejection::Invalid`] for a body that is no JSON object (of a batch of CloudEvents: array), or a batch with other
    /// fields; [`Rejection::TooLarge`] for more activities than [`MAX_BATCH`].
    pub fn parse(json: &'a str, media_type: &str) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct Probe<'a> {
            #[serde(borrow)]
            activities: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Batch<'a> {
            #[serde(borrow)]
            activities: Vec<&'a RawValue>,
        }
        match media_type {
            cloud_events::ONE => Ok(Self::One(Sent::CloudEvent(json))),
            cloud_events::BATCH => Self::many("", from_json(json)?, Sent::CloudEvent),
            // Without the word nothing has to be read to know; an escape could hide it.
            _ if !json.contains("activities") && !json.contains('\\') => Ok(Self::One(Sent::Plain(json))),
            _ if from_json::<Object<Probe<'_>>>(json)?.0.activities.is_none() => Ok(Self::One(Sent::Plain(json))),
            _ => {
                let Object(Batch { activities }) = from_json(json)?;
                Self::many("/activities", activities, Sent::Plain)
            }
        }
    }

    fn many(pointer: &str, sent: Vec<&'a RawValue>, kind: fn(&'a str) -> Sent<'a>) -> Result<Self, Rejection> {
        if sent.len() > MAX_BATCH {
            let detail = format!("holds {} activities; send at most {MAX_BATCH} at once", sent.len());
            return Err(Rejection::TooLarge(vec![Fault { pointer: pointer.to_owned(), detail }]));
        }
        Ok(Self::Many(sent.into_iter().map(|raw| kind(raw.get())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:00:00Z").unwrap()
    }

    fn parse(value: serde_json::Value) -> Result<NewActivity, Rejection> {
        NewActivity::parse(&value.to_string(), now())
    }

    fn least() -> serde_json::Value {
        json!({"occurred_at": "2026-11-02T09:30:00Z", "action": "order.created", "actor": {"id": "ana"}})
    }

    fn with(field: &str, value: serde_json::Value) -> serde_json::Value {
        let mut activity = least();
        activity[field] = value;
        activity
    }

    fn pointers(rejection: &Rejection) -> Vec<&str> {
        rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect()
    }

    proptest! {
        #[test]
        fn an_action_is_words_joined_by_dots(text in "[a-z0-9_.]{0,12}|[a-zA-Z.é -]{1,8}|[a-z]{90,95}\\.[a-z]{3,8}") {
            let word = |word: &str| !word.is_empty() && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
            let is_one = text.len() <= MAX_ACTION_CHARS && text.contains('.') && text.split('.').all(word);
            prop_assert_eq!(Action::parse(&text).is_ok(), is_one);
        }
    }

    #[test]
    fn three_fields_are_enough_and_the_rest_has_defaults() {
        let activity = parse(least()).unwrap();
        assert_eq!(activity.entry.status, Status::Succeeded);
        assert_eq!(activity.entry.actor.kind, ActorType::User);
        assert_eq!(activity.id, None);
        assert_eq!(activity.details, None);
    }

    #[test]
    fn every_fault_is_found_and_named() {
        let rejection = parse(json!({"id": "a/b", "action": "Order", "status": "done", "actor": {"type": "robot"},
            "customer": {"name": "x"}, "details": [1], "changes": [{"old": 1}]}))
        .unwrap_err();
        assert_eq!(
            pointers(&rejection),
            [
                "/id",
                "/occurred_at",
                "/action",
                "/status",
                "/actor/type",
                "/actor/id",
                "/customer/id",
                "/changes/0/field",
                "/details"
            ]
        );
    }

    #[test]
    fn an_unknown_field_is_refused_by_its_name_wherever_it_stands() {
        for (activity, pointer) in [
            (with("colour", json!("red")), "/colour"),
            (with("actor", json!({"id": "a", "colour": 1})), "/actor/colour"),
            (with("changes", json!([{"field": "f", "colour": 1}])), "/changes/0/colour"),
            (with("recorded_at", json!("2026-11-02T09:30:00Z")), "/recorded_at"),
        ] {
            let rejection = parse(activity).unwrap_err();
            assert_eq!(pointers(&rejection), [pointer]);
            assert!(matches!(rejection, Rejection::Invalid(_)));
        }
    }

    #[test]
    fn a_wrong_type_is_named_too() {
        assert_eq!(pointers(&parse(with("action", json!(5))).unwrap_err()), ["/action"]);
        assert_eq!(pointers(&parse(with("actor", json!({"id": ["x"]}))).unwrap_err()), ["/actor/id"]);
        assert!(matches!(NewActivity::parse("{", now()), Err(Rejection::Invalid(_))));
        let array = r#"["e-1", "2026-11-02T09:30:00Z", null, "order.created", null, ["user", "ana"]]"#;
        assert!(matches!(NewActivity::parse(array, now()), Err(Rejection::Invalid(_))));
        assert!(matches!(NewActivity::parse("{} {}", now()), Err(Rejection::Invalid(_))));
    }

    #[test]
    fn limits_are_counted_in_characters_and_told() {
        assert!(parse(with("customer", json!({"id": "é".repeat(128)}))).is_ok());
        for (activity, pointer) in [
            (with("customer", json!({"id": "é".repeat(129)})), "/customer/id"),
            (with("actor", json!({"id": "a", "name": "n".repeat(257)})), "/actor/name"),
            (with("details", json!({"x": "y".repeat(MAX_DETAILS_BYTES)})), "/details"),
            (with("changes", json!(vec![json!({"field": "f"}); 51])), "/changes"),
        ] {
            let rejection = parse(activity).unwrap_err();
            assert_eq!(pointers(&rejection), [pointer]);
            assert!(matches!(rejection, Rejection::TooLarge(_)), "{rejection:?}");
        }
    }

    #[test]
    fn a_time_more_than_a_day_ahead_is_not_acceptable_and_any_past_is() {
        assert!(parse(with("occurred_at", json!("2026-11-03T12:00:00Z"))).is_ok());
        assert!(parse(with("occurred_at", json!("1970-01-01T00:00:00Z"))).is_ok());
        let rejection = parse(with("occurred_at", json!("2026-11-03T12:00:00.000001Z"))).unwrap_err();
        assert!(matches!(rejection, Rejection::Unprocessable(_)));
    }

    #[test]
    fn the_digest_changes_with_every_field_and_with_no_spelling() {
        let one = parse(least()).unwrap().digest;
        let mut seen = vec![one];
        for (field, value) in [
            ("customer", json!({"id": "c"})),
            ("customer", json!({"id": "c", "name": "n"})),
            ("action", json!("order.updated")),
            ("status", json!("failed")),
            ("actor", json!({"id": "bob"})),
            ("actor", json!({"id": "ana", "name": "c"})),
            ("actor", json!({"id": "ana", "role": "c"})),
            ("target", json!({"id": "c"})),
            ("target", json!({"name": "c"})),
            ("changes", json!([{"field": "f"}])),
            ("correlation_id", json!("c")),
            ("source", json!("c")),
            ("details", json!({})),
            ("details", json!({"a": 1})),
        ] {
            let digest = parse(with(field, value)).unwrap().digest;
            assert!(!seen.contains(&digest), "{field}");
            seen.push(digest);
        }
        let spelled = r#"{ "actor": {"id": "\u0061na", "type": "user"}, "action": "order.created", "status": "succeeded",
            "occurred_at": "2026-11-02T09:30:00Z", "customer": null, "target": {} }"#;
        assert_eq!(NewActivity::parse(spelled, now()).unwrap().digest, one);
    }

    #[test]
    fn a_batch_is_told_from_an_activity() {
        let plain = |json: serde_json::Value| {
            RecordRequest::parse(&json.to_string(), "application/json").map(|request| match request {
                RecordRequest::One(_) => None,
                RecordRequest::Many(many) => Some(many.len()),
            })
        };
        assert_eq!(plain(least()), Ok(None));
        assert_eq!(plain(json!({"activities": vec![least(); 3]})), Ok(Some(3)));
        assert!(matches!(plain(json!({"activities": vec![least(); 501]})), Err(Rejection::TooLarge(_))));
        assert!(matches!(plain(json!({"activities": [], "id": "x"})), Err(Rejection::Invalid(_))));
        assert!(matches!(plain(json!(["activities"])), Err(Rejection::Invalid(_))));
        assert_eq!(
            RecordRequest::parse(r#"{"\u0061ctivities":[{}]}"#, "")
                .map(|request| matches!(request, RecordRequest::Many(_))),
            Ok(true)
        );
        let events = json!([{}, {}]).to_string();
        assert!(
            matches!(RecordRequest::parse(&events, cloud_events::BATCH), Ok(RecordRequest::Many(two)) if two.len() == 2)
        );
        assert!(matches!(
            RecordRequest::parse(&events, cloud_events::ONE),
            Ok(RecordRequest::One(Sent::CloudEvent(_)))
        ));
        assert!(matches!(RecordRequest::parse("{}", cloud_events::BATCH), Err(Rejection::Invalid(_))));
    }

    #[test]
    fn the_wire_form_shows_what_was_sent_and_what_is_the_services() {
        let sent = r#"{"id":"e-1","occurred_at":"2026-11-02T10:30:00.123456+01:00","customer":{"id":"fabrikam","name":"Fabrikam SARL"},
            "action":"order.created","actor":{"id":"ana@contoso.example","role":"admin_agent"},"target":{"type":"order","id":"o-1"},
            "changes":[{"field":"quantity","old":5,"new":12.50}],"details":{"lines":[{"quantity":1.20}]}}"#;
        let new = NewActivity::parse(sent, now()).unwrap();
        let activity = new.into_activity(PartnerId::parse("contoso").unwrap(), now());
        insta::assert_snapshot!(serde_json::to_string(&activity).unwrap(), @r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z","recorded_at":"2026-11-02T12:00:00.000Z","partner_id":"contoso","customer":{"id":"fabrikam","name":"Fabrikam SARL"},"action":"order.created","status":"succeeded","actor":{"type":"user","id":"ana@contoso.example","role":"admin_agent"},"target":{"type":"order","id":"o-1"},"changes":[{"field":"quantity","old":5,"new":12.50}],"details":{"lines":[{"quantity":1.20}]},"has_details":true,"details_size":29,"url":"/v1/partners/contoso/activities/e-1?occurred_at=2026-11-02T09:30:00.123456Z"}"#);
    }
}
