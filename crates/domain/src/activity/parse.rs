//! The checks that turn sent JSON into a [`NewActivity`].

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    ids::{Action, ActivityId, MAX_ID_CHARS},
    lines::LineSums,
    model::{Actor, ActorType, Customer, Entry, NewActivity, Status, Target},
    wire::{Change, NewActivityJson, NewActorJson},
};
use crate::{
    fault::{Faults, Rejection},
    json::Json,
    request_json::{Object, RequestBody, from_json, read_body},
    text::quoted,
    time::Instant,
};

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 256;
/// The longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 1_024;
/// The longest user agent, in characters.
pub const MAX_USER_AGENT_CHARS: usize = 1_024;
/// The most changes of one activity.
pub const MAX_CHANGES: usize = 50;
/// The largest `changes` of one activity, in bytes of compact JSON. A stored item must stay well below 400 KB.
pub const MAX_CHANGES_BYTES: usize = 128 * 1_024;
/// The largest `details` of one activity, in bytes of compact JSON.
pub const MAX_DETAILS_BYTES: usize = 5 * 1_024 * 1_024;
/// The largest distance by which `occurred_at` may be ahead of the service's clock, in seconds.
pub const MAX_AHEAD_SECONDS: i64 = 24 * 3_600;

impl NewActivity {
    /// Reads and checks one activity.
    ///
    /// # Errors
    /// All faults, as the first kind that applies: malformed, too large, not acceptable.
    pub fn parse(json: &str, now: Instant) -> Result<Self, Rejection> {
        let (mut rest, mut faults) = (String::new(), Faults::default());
        let sent = read_body::<NewActivityJson<'_>>(json, &mut rest, &mut faults);
        let activity = sent.and_then(|sent| sent.check_fields(now, &mut faults));
        faults.finish(activity)
    }
}

impl RequestBody for NewActivityJson<'_> {
    type Read<'a> = NewActivityJson<'a>;
}

impl RequestBody for Change<'_> {
    type Read<'a> = Change<'a>;
}

impl NewActivityJson<'_> {
    /// Checks all fields, and adds their faults.
    pub(super) fn check_fields(self, now: Instant, faults: &mut Faults) -> Option<NewActivity> {
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
            let detail = format!("{at} is more than 24 hours ahead of {now}: check the sender's clock");
            faults.unprocessable("/occurred_at", detail);
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
                faults.invalid("/actor/id", "is required: the id of the person or program that acted");
                None
            }
            Some(Object(actor)) => actor.check(faults),
        };
        let customer = self.customer.and_then(|Object(customer)| {
            let id = faults.required_id("/customer/id", customer.id);
            let name = faults.text("/customer/name", customer.name, MAX_NAME_CHARS);
            Some(Customer { id: id?, name })
        });
        let target = self.target.map(|Object(target)| Target {
            kind: faults.text("/target/type", target.kind, MAX_ID_CHARS),
            id: faults.text("/target/id", target.id, MAX_ID_CHARS),
            name: faults.text("/target/name", target.name, MAX_NAME_CHARS),
        });
        let changes = self.changes.and_then(|raw| check_changes(raw, faults));
        let details = self.details.and_then(|raw| check_details(raw, faults));
        // Checked before anything is missed, so that all faults are found.
        let correlation_id = faults.text("/correlation_id", self.correlation_id, MAX_ID_CHARS);
        let source = faults.text("/source", self.source, MAX_ID_CHARS);
        let reason = faults.text("/reason", self.reason, MAX_REASON_CHARS);
        let entry = Entry {
            customer,
            action: action?,
            status: status?,
            actor: actor?,
            target: target.filter(|target| *target != Target::default()),
            reason,
            changes: changes.as_ref().map(|json| json.as_str().to_owned()),
            correlation_id,
            source,
        };
        let digest = entry.digest(changes.as_ref(), details.as_ref());
        let details = details.map(Json::into_string);
        let sums = details.as_deref().and_then(LineSums::of);
        let lines = sums.and_then(|sums| serde_json::to_string(&sums).ok());
        Some(NewActivity { id, occurred_at: occurred_at?, entry, details, lines, digest })
    }
}

impl NewActorJson<'_> {
    fn check(self, faults: &mut Faults) -> Option<Actor> {
        let kind =
            self.kind.map_or(Some(ActorType::default()), |text| faults.keep("/actor/type", ActorType::parse(&text)));
        let id = faults.required_id("/actor/id", self.id);
        let name = faults.text("/actor/name", self.name, MAX_NAME_CHARS);
        let role = faults.text("/actor/role", self.role, MAX_ID_CHARS);
        let ip = faults.text("/actor/ip", self.ip, MAX_ID_CHARS);
        let user_agent = faults.text("/actor/user_agent", self.user_agent, MAX_USER_AGENT_CHARS);
        Some(Actor { kind: kind?, id: id?, name, role, ip, user_agent })
    }
}

/// Checks `changes` and writes them as compact JSON; an empty array counts as absent.
fn check_changes(raw: &RawValue, faults: &mut Faults) -> Option<Json> {
    let sent: Vec<&RawValue> = match from_json(raw.get()) {
        Ok(sent) => sent,
        Err(_) => {
            faults.invalid("/changes", "must be an array of changes");
            return None;
        }
    };
    if sent.len() > MAX_CHANGES {
        faults.too_large("/changes", format!("has {} changes: send at most {MAX_CHANGES}", sent.len()));
        return None;
    }
    let mut is_complete = !sent.is_empty();
    let mut rests = vec![String::new(); sent.len()];
    let mut changes: Vec<Change<'_>> = Vec::with_capacity(sent.len());
    for (index, (raw, rest)) in sent.into_iter().zip(&mut rests).enumerate() {
        let mut found = Faults::default();
        let change = read_body::<Change<'_>>(raw.get(), rest, &mut found);
        if let Some(change) = &change
            && found.text("/field", change.field.as_deref().map(Cow::Borrowed), MAX_NAME_CHARS).is_none()
        {
            found.invalid("/field", "is required: the name of the field that changed");
            is_complete = false;
        }
        faults.append(found, |pointer| Some(format!("/changes/{index}{pointer}")));
        match change {
            Some(change) => changes.push(change),
            None => is_complete = false,
        }
    }
    let text = serde_json::to_string(&changes).ok()?;
    let json = faults.keep("/changes", Json::parse(&RawValue::from_string(text).ok()?))?;
    let size = json.as_str().len();
    if size > MAX_CHANGES_BYTES {
        faults.too_large("/changes", format!("takes {size} bytes: send at most {MAX_CHANGES_BYTES}"));
    }
    is_complete.then_some(json)
}

fn check_details(raw: &RawValue, faults: &mut Faults) -> Option<Json> {
    let json = faults.keep("/details", Json::parse(raw))?;
    if !json.is_object() {
        faults.invalid("/details", "must be a JSON object");
    }
    let size = json.as_str().len();
    if size > MAX_DETAILS_BYTES {
        faults.too_large("/details", format!("takes {size} bytes: send at most {MAX_DETAILS_BYTES}"));
    }
    Some(json)
}

impl Faults {
    /// Checks the length of a text; an empty text counts as absent.
    fn text(&mut self, pointer: &str, text: Option<Cow<'_, str>>, max: usize) -> Option<String> {
        let text = text.filter(|text| !text.is_empty())?;
        // Characters are counted only if there are more bytes than allowed characters.
        if text.len() > max && text.chars().count() > max {
            self.too_large(pointer, format!("{} is longer than {max} characters", quoted(&text)));
        }
        Some(text.into_owned())
    }

    /// Checks a text that must not be empty.
    fn required_id(&mut self, pointer: &str, text: Option<Cow<'_, str>>) -> Option<String> {
        let id = self.text(pointer, text, MAX_ID_CHARS);
        if id.is_none() {
            self.invalid(pointer, "is required and must not be empty");
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Instant {
        Instant::parse("2026-11-02T12:00:00Z").unwrap()
    }

    fn parse(value: &Value) -> Result<NewActivity, Rejection> {
        NewActivity::parse(&value.to_string(), now())
    }

    fn least() -> Value {
        json!({"occurred_at": "2026-11-02T09:30:00Z", "action": "order.created", "actor": {"id": "ana"}})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut activity = least();
        activity[field] = value;
        activity
    }

    fn pointers(rejection: &Rejection) -> Vec<&str> {
        rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect()
    }

    #[test]
    fn three_fields_are_enough() {
        let activity = parse(&least()).unwrap();
        assert_eq!(activity.entry.status, Status::Succeeded);
        assert_eq!(activity.entry.actor.kind, ActorType::User);
        assert_eq!((activity.entry.customer, activity.entry.target, activity.entry.changes), (None, None, None));
        assert_eq!((activity.id, activity.details), (None, None));
    }

    #[test]
    fn every_field_is_kept() {
        let sent = json!({"id": "e-1", "occurred_at": "2026-11-02T09:30:00Z", "customer": {"id": "c", "name": "cn"},
            "action": "order.created", "status": "declined",
            "actor": {"type": "application", "id": "a", "name": "an", "role": "ar", "ip": "::1", "user_agent": "au"},
            "target": {"type": "order", "id": "t", "name": "tn"}, "reason": "why",
            "changes": [{"field": "q", "old": 1}, {"field": "r", "new": "x"}], "correlation_id": "k", "source": "s", "details": {"a": [1.0]}});
        let activity = parse(&sent).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let entry = Entry {
            customer: Some(Customer { id: "c".to_owned(), name: text("cn") }),
            action: Action::parse("order.created").unwrap(),
            status: Status::Declined,
            actor: Actor {
                kind: ActorType::Application,
                id: "a".to_owned(),
                name: text("an"),
                role: text("ar"),
                ip: text("::1"),
                user_agent: text("au"),
            },
            target: Some(Target { kind: text("order"), id: text("t"), name: text("tn") }),
            reason: text("why"),
            changes: text(r#"[{"field":"q","old":1,"new":null},{"field":"r","old":null,"new":"x"}]"#),
            correlation_id: text("k"),
            source: text("s"),
        };
        assert_eq!(activity.entry, entry);
        assert_eq!(activity.id, ActivityId::parse("e-1").ok());
        assert_eq!(activity.details, text(r#"{"a":[1.0]}"#));
        assert_eq!(activity.occurred_at.to_string(), "2026-11-02T09:30:00.000000Z");
    }

    #[test]
    fn all_faults_are_found_and_named() {
        let sent = json!({"id": "a/b", "action": "Order", "status": "done", "actor": {"type": "robot"},
            "customer": {"name": "x"}, "details": [1], "changes": [{"old": 1}]});
        let rejection = parse(&sent).unwrap_err();
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
        assert_eq!(pointers(&parse(&json!({})).unwrap_err()), ["/occurred_at", "/action", "/actor/id"]);
        assert_eq!(pointers(&parse(&with("changes", json!([{"field": ""}]))).unwrap_err()), ["/changes/0/field"]);
        assert_eq!(pointers(&parse(&with("actor", json!({"id": ""}))).unwrap_err()), ["/actor/id"]);
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        for (activity, pointer) in [
            (with("colour", json!("red")), "/colour"),
            (with("actor", json!({"id": "a", "colour": 1})), "/actor/colour"),
            (with("customer", json!({"id": "a", "colour": 1})), "/customer/colour"),
            (with("target", json!({"id": "a", "colour": 1})), "/target/colour"),
            (with("changes", json!([{"field": "f", "colour": 1}])), "/changes/0/colour"),
            (with("recorded_at", json!("2026-11-02T09:30:00Z")), "/recorded_at"),
        ] {
            let rejection = parse(&activity).unwrap_err();
            assert_eq!(pointers(&rejection), [pointer]);
            assert!(matches!(rejection, Rejection::Invalid(_)));
        }
    }

    #[test]
    fn wrong_types_are_named() {
        assert_eq!(pointers(&parse(&with("action", json!(5))).unwrap_err()), ["/action"]);
        assert_eq!(pointers(&parse(&with("actor", json!({"id": ["x"]}))).unwrap_err()), ["/actor/id"]);
        assert_eq!(pointers(&parse(&with("changes", json!({"field": "f"}))).unwrap_err()), ["/changes"]);
        assert!(matches!(NewActivity::parse("{", now()), Err(Rejection::Invalid(_))));
        assert!(matches!(NewActivity::parse("{} {}", now()), Err(Rejection::Invalid(_))));
        let array = r#"["e-1", "2026-11-02T09:30:00Z", null, "order.created", null, ["user", "ana"]]"#;
        assert!(matches!(NewActivity::parse(array, now()), Err(Rejection::Invalid(_))));
    }

    #[test]
    fn limits_change_only_on_purpose() {
        assert_eq!((MAX_DETAILS_BYTES, MAX_CHANGES_BYTES, MAX_CHANGES), (5_242_880, 131_072, 50));
        assert_eq!((MAX_NAME_CHARS, MAX_REASON_CHARS, MAX_USER_AGENT_CHARS), (256, 1_024, 1_024));
        assert_eq!(MAX_AHEAD_SECONDS, 86_400);
    }

    #[test]
    fn limits_are_inclusive() {
        let text = |count: usize| "é".repeat(count);
        let changes = |count: usize| json!(vec![json!({"field": "f"}); count]);
        let detail = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        let change = |bytes: usize| json!([{"field": "f", "old": "x".repeat(bytes - r#"[{"field":"f","old":"","new":null}]"#.len())}]);
        for (pointer, longest, too_long) in [
            ("/actor/id", json!({"id": text(MAX_ID_CHARS)}), json!({"id": text(MAX_ID_CHARS + 1)})),
            (
                "/actor/name",
                json!({"id": "a", "name": text(MAX_NAME_CHARS)}),
                json!({"id": "a", "name": text(MAX_NAME_CHARS + 1)}),
            ),
            (
                "/actor/role",
                json!({"id": "a", "role": text(MAX_ID_CHARS)}),
                json!({"id": "a", "role": text(MAX_ID_CHARS + 1)}),
            ),
            (
                "/actor/ip",
                json!({"id": "a", "ip": text(MAX_ID_CHARS)}),
                json!({"id": "a", "ip": text(MAX_ID_CHARS + 1)}),
            ),
            (
                "/actor/user_agent",
                json!({"id": "a", "user_agent": text(MAX_USER_AGENT_CHARS)}),
                json!({"id": "a", "user_agent": text(MAX_USER_AGENT_CHARS + 1)}),
            ),
            ("/customer/id", json!({"id": text(MAX_ID_CHARS)}), json!({"id": text(MAX_ID_CHARS + 1)})),
            (
                "/customer/name",
                json!({"id": "c", "name": text(MAX_NAME_CHARS)}),
                json!({"id": "c", "name": text(MAX_NAME_CHARS + 1)}),
            ),
            ("/target/type", json!({"type": text(MAX_ID_CHARS)}), json!({"type": text(MAX_ID_CHARS + 1)})),
            ("/target/id", json!({"id": text(MAX_ID_CHARS)}), json!({"id": text(MAX_ID_CHARS + 1)})),
            ("/target/name", json!({"name": text(MAX_NAME_CHARS)}), json!({"name": text(MAX_NAME_CHARS + 1)})),
            ("/reason", json!(text(MAX_REASON_CHARS)), json!(text(MAX_REASON_CHARS + 1))),
            ("/correlation_id", json!(text(MAX_ID_CHARS)), json!(text(MAX_ID_CHARS + 1))),
            ("/source", json!(text(MAX_ID_CHARS)), json!(text(MAX_ID_CHARS + 1))),
            ("/changes", changes(MAX_CHANGES), changes(MAX_CHANGES + 1)),
            ("/changes", change(MAX_CHANGES_BYTES), change(MAX_CHANGES_BYTES + 1)),
            ("/details", detail(MAX_DETAILS_BYTES), detail(MAX_DETAILS_BYTES + 1)),
        ] {
            let field = pointer[1..].split('/').next().unwrap();
            assert!(parse(&with(field, longest)).is_ok(), "{pointer}");
            let rejection = parse(&with(field, too_long)).unwrap_err();
            assert_eq!(pointers(&rejection), [pointer]);
            assert!(matches!(rejection, Rejection::TooLarge(_)), "{rejection:?}");
        }
    }

    #[test]
    fn empty_optional_fields_count_as_absent() {
        let empty = json!({"occurred_at": "2026-11-02T09:30:00Z", "action": "order.created", "actor": {"id": "ana", "name": ""},
            "target": {"id": ""}, "reason": "", "changes": [], "correlation_id": "", "source": "", "customer": null, "details": null});
        assert_eq!(parse(&empty).unwrap().entry, parse(&least()).unwrap().entry);
    }

    #[test]
    fn a_time_more_than_a_day_ahead_is_not_acceptable() {
        assert!(parse(&with("occurred_at", json!("2026-11-03T12:00:00Z"))).is_ok());
        assert!(parse(&with("occurred_at", json!("1970-01-01T00:00:00Z"))).is_ok());
        let rejection = parse(&with("occurred_at", json!("2026-11-03T12:00:00.000001Z"))).unwrap_err();
        assert!(matches!(rejection, Rejection::Unprocessable(_)));
        assert_eq!(pointers(&rejection), ["/occurred_at"]);
    }

    #[test]
    fn faults_of_every_kind_are_named_at_once() {
        let mut activity = with("source", json!("x".repeat(129)));
        activity["occurred_at"] = json!("2030-01-01T00:00:00Z");
        let rejection = parse(&activity).unwrap_err();
        assert!(matches!(rejection, Rejection::TooLarge(_)), "{rejection:?}");
        assert_eq!(pointers(&rejection), ["/source", "/occurred_at"]);
        activity["status"] = json!("done");
        activity["colour"] = json!("red");
        activity["action"] = json!(5);
        activity["actor"] = json!({"id": ["x"], "type": "robot", "mail": 1});
        activity["changes"] = json!([{"field": 1, "before": 2}, 3, {"field": "f"}]);
        let rejection = parse(&activity).unwrap_err();
        assert!(matches!(rejection, Rejection::Invalid(_)), "{rejection:?}");
        let mut found = pointers(&rejection);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                "/action",
                "/actor/id",
                "/actor/mail",
                "/actor/type",
                "/changes/0/before",
                "/changes/0/field",
                "/changes/1",
                "/colour",
                "/occurred_at",
                "/source",
                "/status",
            ]
        );
    }
}
