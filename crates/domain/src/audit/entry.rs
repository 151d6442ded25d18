//! An entry of the audit, and the person or program behind it.

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};

use super::{
    action::AuditAction,
    changes::{compare, cut},
};
use crate::{
    access::Caller,
    activity::{
        Action, Activity, ActivityId, Actor, ActorType, Details, Entry, MAX_ID_CHARS, MAX_NAME_CHARS, MAX_REASON_CHARS,
        MAX_USER_AGENT_CHARS, PartnerId, Status, Target,
    },
    json::Json,
    text::hex,
    time::Instant,
};

const HOUR_MICROS: i64 = 3_600 * 1_000_000;
/// The bytes of the digest in the id of an entry of the hour.
const OF_HOUR_DIGEST_BYTES: usize = 16;
/// The characters of a long id that are kept in front of its digest.
const KEPT_ID_CHARS: usize = MAX_ID_CHARS - 33;
/// The id and the name of the actor of work in the background.
const SYSTEM: (&str, &str) = ("daybook", "Daybook");

/// The person or program behind an entry, and the request by which they acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditActor {
    actor: Actor,
    correlation_id: Option<String>,
    source: Option<String>,
}

impl AuditActor {
    /// Returns the caller of a request: its subject, name and roles, and the client of its token as the source.
    pub fn of_caller(caller: &Caller) -> Self {
        let roles: Vec<&str> = caller.roles().iter().map(|role| (*role).into()).collect();
        let actor = Actor {
            kind: if caller.is_machine() { ActorType::Application } else { ActorType::User },
            id: fit_id(caller.subject()),
            name: fit(Some(caller.name()), MAX_NAME_CHARS),
            role: fit(Some(&roles.join(" ")), MAX_ID_CHARS),
            ip: None,
            user_agent: None,
        };
        Self { actor, correlation_id: None, source: caller.client().map(fit_id) }
    }

    /// Returns the service itself, at work in the background in a function.
    pub fn system(function: &str) -> Self {
        let (id, name) = SYSTEM;
        let actor = Actor {
            kind: ActorType::System,
            id: id.to_owned(),
            name: Some(name.to_owned()),
            role: None,
            ip: None,
            user_agent: None,
        };
        Self { actor, correlation_id: None, source: fit(Some(function), MAX_ID_CHARS) }
    }

    /// Adds where the request came from, and its id at the gateway.
    #[must_use]
    pub fn at(mut self, ip: Option<&str>, user_agent: Option<&str>, request_id: Option<&str>) -> Self {
        self.actor.ip = fit(ip, MAX_ID_CHARS);
        self.actor.user_agent = fit(user_agent, MAX_USER_AGENT_CHARS);
        self.correlation_id = fit(request_id, MAX_ID_CHARS);
        self
    }
}

/// An entry of the audit: an act, the thing that was acted on, and the values before and after.
///
/// ```text
/// let (before, after) = (serde_json::json!({"months": null}), serde_json::json!({"months": 84}));
/// let entry = AuditEntry::new(AuditAction::RetentionSaved).about("retention", "contoso").changed(&before, &after);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    action: AuditAction,
    target: Option<Target>,
    changes: Option<String>,
    reason: Option<String>,
}

impl AuditEntry {
    /// Begins an entry.
    pub fn new(action: AuditAction) -> Self {
        Self { action, target: None, changes: None, reason: None }
    }

    /// Names the thing that was acted on: its type, such as `export`, and its id.
    #[must_use]
    pub fn about(mut self, kind: &str, id: &str) -> Self {
        let name = self.target.and_then(|target| target.name);
        self.target = Some(Target { kind: fit(Some(kind), MAX_ID_CHARS), id: Some(fit_id(id)), name });
        self
    }

    /// Adds a name to the thing that was acted on, such as that of a file.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.target.get_or_insert_default().name = fit(Some(name), MAX_NAME_CHARS);
        self
    }

    /// Adds the values before and after a change, as JSON: see [the limits](super::MAX_CHANGES_BYTES).
    ///
    /// Only fields that differ are kept. Absent values are null. Members named as secrets, such as `secret`, `token` and
    /// `headers`, are hidden, and URLs are kept by their origin and a digest. Leave other secrets out.
    #[must_use]
    pub fn changed<B: Serialize, A: Serialize>(mut self, before: &B, after: &A) -> Self {
        self.changes = compare(&to_json(before), &to_json(after));
        self
    }

    /// Adds why the act failed or was refused.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = fit(Some(reason), MAX_REASON_CHARS);
        self
    }

    /// Returns the act.
    pub fn action(&self) -> AuditAction {
        self.action
    }

    /// Returns the entry of an act at `now`, under an id of its own.
    ///
    /// # Errors
    /// A message if the changes are no JSON, which no entry causes.
    pub fn record(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        status: Status,
        now: Instant,
    ) -> Result<Activity, String> {
        self.activity(partner, by, status, (ActivityId::generate(now), now), now)
    }

    /// Returns the entry of an act that is kept once an hour for a caller and a thing acted on: at the beginning of the hour.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn record_of_hour(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        status: Status,
        now: Instant,
    ) -> Result<Activity, String> {
        let hour = Instant::from_micros(now.micros() - now.micros().rem_euclid(HOUR_MICROS)).unwrap_or(now);
        let mut hasher = Sha256::new();
        let target = self.target.as_ref().and_then(|target| target.id.as_deref());
        for text in [by.actor.id.as_str(), target.unwrap_or_default()] {
            // The length comes first, so that no two pairs of texts read alike.
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        let id = format!("{}-{}", self.action.as_str(), hex(&hasher.finalize()[..OF_HOUR_DIGEST_BYTES]));
        self.activity(partner, by, status, (ActivityId::parse(&id)?, hour), now)
    }

    /// Tells whether the id of an entry was made from its actor and target, as [`Self::record_of_hour`] does. Who guesses both
    /// can calculate such an id.
    pub fn has_id_of_hour(entry: &Activity<&str>) -> bool {
        let digest =
            entry.id.as_str().strip_prefix(entry.entry.action.as_str()).and_then(|rest| rest.strip_prefix('-'));
        digest.is_some_and(|digest| {
            digest.len() == 2 * OF_HOUR_DIGEST_BYTES && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// Returns the entry of an act that has an id and a time of its own, so that work that is repeated keeps one entry.
    ///
    /// # Errors
    /// A message if the id is not an activity's.
    pub fn record_of(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        status: Status,
        (id, occurred_at): (&str, Instant),
        now: Instant,
    ) -> Result<Activity, String> {
        let id = format!("{}-{id}", self.action.as_str());
        self.activity(partner, by, status, (ActivityId::parse(&id)?, occurred_at), now)
    }

    fn activity(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        status: Status,
        (id, occurred_at): (ActivityId, Instant),
        now: Instant,
    ) -> Result<Activity, String> {
        let entry = Entry {
            customer: None,
            action: Action::parse(self.action.as_str())?,
            status,
            actor: by.actor.clone(),
            target: self.target.clone(),
            reason: self.reason.clone(),
            changes: self.changes.clone(),
            correlation_id: by.correlation_id.clone(),
            source: by.source.clone(),
        };
        let changes = self.changes.as_deref().map(parse_json).transpose()?;
        let digest = entry.digest(changes.as_ref(), None);
        let recorded_at = now.truncated_to_millis();
        Ok(Activity {
            partner: partner.clone(),
            id,
            occurred_at,
            recorded_at,
            entry,
            details: Details::None,
            lines: None,
            erased: None,
            digest,
        })
    }
}

/// Returns a text that is not empty, cut at a number of characters.
fn fit(text: Option<&str>, max_chars: usize) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(|text| cut(text, max_chars))
}

/// Returns an id of at most [`MAX_ID_CHARS`]. A longer one ends in its digest, so that two of them stay distinct.
fn fit_id(id: &str) -> String {
    if id.chars().count() <= MAX_ID_CHARS {
        return id.to_owned();
    }
    let kept: String = id.chars().take(KEPT_ID_CHARS).collect();
    format!("{kept}…{}", hex(&Sha256::digest(id)[..16]))
}

fn parse_json(text: &str) -> Result<Json, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Json::parse(raw)
}

/// Returns a value as JSON. One that JSON cannot hold is named, because an entry must not fail for it.
fn to_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| json!({"value": format!("not JSON: {error}")}))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use strum::VariantArray as _;

    use super::*;
    use crate::{
        access::{Customers, Role},
        activity::NewActivity,
        audit::AuditEntryJson,
    };

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:34:56.789012Z").unwrap()
    }

    fn contoso() -> PartnerId {
        PartnerId::parse("contoso").unwrap()
    }

    fn ana() -> AuditActor {
        let caller =
            Caller::new("s-1".into(), "Ana Trujillo".into(), Some(contoso()), vec![Role::GlobalAdmin], Customers::ALL);
        AuditActor::of_caller(&caller.through(Some("page".into()))).at(Some("203.0.113.7"), Some("curl/8"), Some("r-1"))
    }

    #[test]
    fn entry_names_caller_client_and_request() {
        let entry = AuditEntry::new(AuditAction::ExportDownloaded).about("export", "J").named("a.csv");
        let stored = entry.record(&contoso(), &ana(), Status::Succeeded, now()).unwrap();
        let shown = serde_json::to_value(&stored).unwrap();
        for (pointer, value) in [
            ("/action", "export.downloaded"),
            ("/status", "succeeded"),
            ("/partner_id", "contoso"),
            ("/actor/type", "user"),
            ("/actor/id", "s-1"),
            ("/actor/name", "Ana Trujillo"),
            ("/actor/role", "global_admin"),
            ("/actor/ip", "203.0.113.7"),
            ("/actor/user_agent", "curl/8"),
            ("/target/type", "export"),
            ("/target/id", "J"),
            ("/target/name", "a.csv"),
            ("/correlation_id", "r-1"),
            ("/source", "page"),
            ("/occurred_at", "2026-11-02T12:34:56.789012Z"),
            ("/recorded_at", "2026-11-02T12:34:56.789Z"),
        ] {
            assert_eq!(shown.pointer(pointer).and_then(Value::as_str), Some(value), "{pointer}");
        }
        let machine = Caller::new("orders".into(), String::new(), Some(contoso()), vec![Role::Reader], Customers::ALL);
        let machine = AuditActor::of_caller(&machine);
        assert_eq!((machine.actor.kind, machine.actor.name.as_deref()), (ActorType::Application, Some("orders")));
        assert_eq!(AuditActor::system("monthly").actor.kind, ActorType::System);
    }

    #[test]
    fn acts_of_one_hour_have_one_address() {
        let entry = |action, route: &str| AuditEntry::new(action).about("route", route);
        let address = |entry: AuditEntry, by: &AuditActor, at: &str| {
            let at = Instant::parse(at).unwrap();
            let stored = entry.record_of_hour(&contoso(), by, Status::Succeeded, at).unwrap();
            (stored.id, stored.occurred_at.to_string())
        };
        let read = || entry(AuditAction::LogRead, "");
        let first = address(read(), &ana(), "2026-11-02T12:00:00Z");
        assert_eq!(first.1, "2026-11-02T12:00:00.000000Z");
        assert_eq!(address(read(), &ana(), "2026-11-02T12:59:59.999999Z"), first);
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let stored = read().record_of_hour(&contoso(), &ana(), Status::Succeeded, now).unwrap();
        assert!(AuditEntry::has_id_of_hour(&stored.borrowed()));
        for other in [
            read().record(&contoso(), &ana(), Status::Succeeded, now).unwrap(),
            read().record_of(&contoso(), &ana(), Status::Succeeded, ("2026-10_v2", now), now).unwrap(),
            read().record_of(&contoso(), &ana(), Status::Succeeded, ("2026", now), now).unwrap(),
            read()
                .record_of(&contoso(), &ana(), Status::Succeeded, (&"x".repeat(2 * OF_HOUR_DIGEST_BYTES), now), now)
                .unwrap(),
        ] {
            assert!(!AuditEntry::has_id_of_hour(&other.borrowed()), "{:?}", other.id);
        }
        for other in [
            address(read(), &ana(), "2026-11-02T13:00:00Z"),
            address(read(), &AuditActor::system("x"), "2026-11-02T12:00:00Z"),
            address(entry(AuditAction::AuditRead, ""), &ana(), "2026-11-02T12:00:00Z"),
            address(entry(AuditAction::LogRead, "other"), &ana(), "2026-11-02T12:00:00Z"),
        ] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn an_entry_shows_its_actor_unless_it_was_erased() {
        let mut stored =
            AuditEntry::new(AuditAction::LogRead).record(&contoso(), &ana(), Status::Succeeded, now()).unwrap();
        let actor = |stored: &Activity| {
            serde_json::to_value(AuditEntryJson::of(stored.borrowed())).unwrap().pointer("/actor/id").cloned()
        };
        assert_eq!(actor(&stored), Some(json!("s-1")));
        stored.entry.actor.id.clear();
        assert_eq!(actor(&stored), None);
    }

    #[test]
    fn repeated_work_has_one_address() {
        let entry = AuditEntry::new(AuditAction::ExportFinished).about("export", "2026-10_v2");
        let stored = |now: &str| {
            let now = Instant::parse(now).unwrap();
            let by = AuditActor::system("export-worker");
            entry.record_of(&contoso(), &by, Status::Succeeded, ("2026-10_v2", self::now()), now).unwrap()
        };
        let (first, again) = (stored("2026-11-02T13:00:00Z"), stored("2026-11-02T14:00:00Z"));
        assert_eq!(first.id.as_str(), "export.finished-2026-10_v2");
        assert_eq!((first.id, first.occurred_at, first.digest), (again.id, again.occurred_at, again.digest));
    }

    #[test]
    fn long_ids_stay_distinct() {
        let long = |end: &str| "s".repeat(250) + end;
        let (one, other) = (fit_id(&long("1")), fit_id(&long("2")));
        assert_ne!(one, other);
        assert_eq!((one.chars().count(), fit_id("short").as_str()), (MAX_ID_CHARS, "short"));
    }

    proptest! {
        #[test]
        fn every_entry_is_a_valid_activity(
            action in prop::sample::select(AuditAction::VARIANTS), texts in prop::collection::vec(".{0,400}", 9),
        ) {
            let caller = Caller::new(texts[0].clone() + "s", texts[1].clone(), None, vec![Role::Reader], Customers::ALL);
            let by = AuditActor::of_caller(&caller.through(Some(texts[2].clone() + "c")))
                .at(Some(&texts[3]), Some(&texts[4]), Some(&texts[5]));
            let entry = AuditEntry::new(action).about("thing", &(texts[6].clone() + "t")).named(&texts[7]).because(&texts[8]);
            let entry = entry.changed(&json!({texts[1].clone(): texts[2]}), &json!([texts[3]]));
            let stored = entry.record(&contoso(), &by, Status::Failed, now()).unwrap();
            // The same checks and the same digest as for an activity that a caller sends.
            let mut sent = serde_json::to_value(&stored).unwrap();
            for added in ["recorded_at", "partner_id", "has_details", "details_size", "url"] {
                sent.as_object_mut().unwrap().remove(added);
            }
            let parsed = NewActivity::parse(&sent.to_string(), now()).unwrap();
            prop_assert_eq!(parsed.digest, stored.digest);
            // The order of the members of a change does not count.
            let entry = Entry { changes: stored.entry.changes.clone(), ..parsed.entry };
            prop_assert_eq!(entry, stored.entry);
        }
    }
}
