//! Activities in the Open Cybersecurity Schema Framework (OCSF), which security tools read.
//!
//! An activity becomes an event of the class API Activity (6003) of the category Application Activity (6), version 1.5.0.
//!
//! | OCSF | activity |
//! |---|---|
//! | `activity_id` | the last verb of the action: see [`ActivityKind`] |
//! | `api.operation`, `metadata.event_code` | the action |
//! | `status_id`, `status_code`, `status_detail` | the status as a number, the status as a word, the reason |
//! | `time`, `metadata.original_time` | when the activity occurred |
//! | `metadata.logged_time` | when the activity was recorded |
//! | `metadata.uid` | partner, time and id, which are the address of an activity: repeats have the same value |
//! | `metadata.tenant_uid`, `metadata.correlation_uid` | the partner, the correlation id |
//! | `actor.user` | an actor that is a person |
//! | `actor.app_uid`, `actor.app_name` | an actor that is a program |
//! | `src_endpoint` | the IP address, or else the source as `svc_name` |
//! | `http_request.user_agent` | the user agent |
//! | `resources` | the target, the customer |
//! | `unmapped` | everything else, under our own names |
//!
//! The class requires an actor and a source endpoint. If these values are erased or absent, `erased` or `unknown` stands in
//! their place.
//!
//! Source: <https://schema.ocsf.io/1.5.0/classes/api_activity>. `tests/formats/test_ocsf.py` validates documents of all known
//! actions against the published schema.

mod kind;

use std::net::IpAddr;

use serde::Serialize;
use serde_json::value::RawValue;

pub use self::kind::ActivityKind;
use crate::{
    activity::{Activity, Actor, ActorType, Customer, Details, Entry, Status, Target},
    lifecycle::ERASED_NAME,
    time::Instant,
};

/// The version of the schema.
pub const VERSION: &str = "1.5.0";
/// The class API Activity.
const CLASS: (u32, &str) = (6_003, "API Activity");
/// The category Application Activity.
const CATEGORY: (u32, &str) = (6, "Application Activity");
/// The severity of every activity.
const SEVERITY: (u32, &str) = (1, "Informational");
/// The name of the product and of its vendor.
const PRODUCT: &str = "Daybook";
/// The text in place of a source endpoint of which nothing is known.
const UNKNOWN: &str = "unknown";
/// The type of resource that a customer is.
const CUSTOMER: &str = "customer";

/// An activity as an event of the class API Activity.
#[derive(Debug, Serialize)]
pub struct ApiActivity<'a> {
    activity_id: u32,
    activity_name: &'a str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: &'static str,
    severity_id: u32,
    severity: &'static str,
    /// Milliseconds since 1970.
    time: i64,
    status_id: u32,
    status: &'static str,
    status_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'a str>,
    metadata: Metadata<'a>,
    actor: OcsfActor<'a>,
    api: Api<'a>,
    src_endpoint: Endpoint<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_request: Option<HttpRequest<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource<'a>>,
    unmapped: Unmapped<'a>,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    uid: String,
    event_code: &'a str,
    tenant_uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_uid: Option<&'a str>,
    original_time: Instant,
    /// Milliseconds since 1970.
    logged_time: i64,
}

#[derive(Debug, Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
}

#[derive(Debug, Default, Serialize)]
struct OcsfActor<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_name: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct User<'a> {
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    type_id: u32,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Api<'a> {
    operation: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Endpoint<'a> {
    Ip(IpAddr),
    SvcName(&'a str),
}

#[derive(Debug, Serialize)]
struct HttpRequest<'a> {
    user_agent: &'a str,
}

#[derive(Debug, Serialize)]
struct Resource<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// The members that the class has no place for, under our own names.
#[derive(Debug, Serialize)]
struct Unmapped<'a> {
    actor_type: ActorType,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_role: Option<&'a str>,
    /// An address that is not an IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// The type of a target without id and name, which is no resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a RawValue>,
    /// The size of details that are not shown, in bytes of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    details_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<&'a RawValue>,
}

impl<'a> ApiActivity<'a> {
    /// Maps an activity. Details are shown if they were read, or else described by their size and `details_url`.
    ///
    /// # Errors
    /// An error if stored changes, details, sums or marks are not JSON.
    pub fn of(activity: &Activity<&'a str>, details_url: Option<&'a str>) -> Result<Self, serde_json::Error> {
        let Entry { customer, action, status, actor, target, reason, changes, correlation_id, source } =
            activity.entry.clone();
        let action = action.text();
        let kind = ActivityKind::of(action);
        let (status_id, status_name) = status_of(status);
        let ip = actor.ip.and_then(|ip| ip.parse::<IpAddr>().ok());
        Ok(Self {
            activity_id: kind.id(),
            activity_name: kind.name(action),
            category_uid: CATEGORY.0,
            category_name: CATEGORY.1,
            class_uid: CLASS.0,
            class_name: CLASS.1,
            type_uid: CLASS.0 * 100 + kind.id(),
            type_name: kind.type_name(),
            severity_id: SEVERITY.0,
            severity: SEVERITY.1,
            time: millis(activity.occurred_at),
            status_id,
            status: status_name,
            status_code: status.as_str(),
            status_detail: reason,
            metadata: Metadata {
                version: VERSION,
                product: Product { name: PRODUCT, vendor_name: PRODUCT },
                uid: [activity.partner.text(), &activity.occurred_at.to_string(), activity.id.text()].join("/"),
                event_code: action,
                tenant_uid: activity.partner.text(),
                correlation_uid: correlation_id,
                original_time: activity.occurred_at,
                logged_time: millis(activity.recorded_at),
            },
            actor: OcsfActor::of(&actor),
            api: Api { operation: action },
            src_endpoint: ip.map_or_else(|| Endpoint::SvcName(source.unwrap_or(UNKNOWN)), Endpoint::Ip),
            http_request: actor.user_agent.map(|user_agent| HttpRequest { user_agent }),
            resources: resources(customer.as_ref(), target.as_ref()),
            unmapped: Unmapped {
                actor_type: actor.kind,
                actor_role: actor.role,
                actor_ip: actor.ip.filter(|_| ip.is_none()),
                source,
                target_type: target.and_then(|target| target.kind.filter(|_| !is_resource(&target))),
                changes: changes.map(raw).transpose()?,
                details: match activity.details {
                    Details::Here(text) => Some(raw(text)?),
                    Details::None | Details::Apart(_) => None,
                },
                details_size: match activity.details {
                    Details::Apart(size) => Some(size),
                    Details::None | Details::Here(_) => None,
                },
                details_url,
                lines: activity.lines.map(raw).transpose()?,
                erased: activity.erased.map(raw).transpose()?,
            },
        })
    }
}

impl<'a> OcsfActor<'a> {
    fn of(actor: &Actor<&'a str>) -> Self {
        // An erased actor has an empty id, and the class requires an actor.
        let uid = if actor.id.is_empty() { ERASED_NAME } else { actor.id };
        let user =
            |type_id, kind| Self { user: Some(User { uid, name: actor.name, type_id, kind }), ..Self::default() };
        match actor.kind {
            ActorType::User => user(1, "User"),
            ActorType::Customer => user(99, "Customer"),
            ActorType::Application | ActorType::System => Self { user: None, app_uid: Some(uid), app_name: actor.name },
        }
    }
}

/// Lists the target and the customer. A resource needs an id or a name.
fn resources<'a>(customer: Option<&Customer<&'a str>>, target: Option<&Target<&'a str>>) -> Vec<Resource<'a>> {
    let target = target.filter(|target| is_resource(target));
    let target = target.map(|Target { kind, id, name }| Resource { kind: *kind, uid: *id, name: *name });
    let customer = customer.map(|Customer { id, name }| Resource { kind: Some(CUSTOMER), uid: Some(*id), name: *name });
    target.into_iter().chain(customer).collect()
}

fn is_resource(target: &Target<&str>) -> bool {
    target.id.is_some() || target.name.is_some()
}

fn status_of(status: Status) -> (u32, &'static str) {
    match status {
        Status::Succeeded => (1, "Success"),
        Status::Failed | Status::Declined => (2, "Failure"),
        Status::InProgress => (99, "Other"),
    }
}

fn millis(instant: Instant) -> i64 {
    instant.micros().div_euclid(1_000)
}

fn raw(text: &str) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{NewActivity, PartnerId};

    fn activity(members: &str) -> Activity {
        let json = format!(r#"{{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z",{members}}}"#);
        let now = Instant::parse("2026-11-02T12:00:00.789Z").unwrap();
        NewActivity::parse(&json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    fn full() -> Activity {
        activity(
            r#""action":"order.line.created","status":"failed","reason":"No credit",
            "actor":{"id":"ana@contoso.example","name":"Ana Ñuñez","role":"admin_agent","ip":"2001:DB8::1","user_agent":"curl/8"},
            "customer":{"id":"fabrikam","name":"Fabrikam SARL"},"target":{"type":"order","id":"o-1"},
            "changes":[{"field":"quantity","old":5,"new":12.50}],"correlation_id":"t-1","source":"portal",
            "details":{"lines":[{"quantity":1.20}]}"#,
        )
    }

    fn event(activity: &Activity, details_url: Option<&str>) -> serde_json::Value {
        serde_json::to_value(ApiActivity::of(&activity.borrowed(), details_url).unwrap()).unwrap()
    }

    #[test]
    fn every_field_has_its_place() {
        let text = serde_json::to_string(&ApiActivity::of(&full().borrowed(), None).unwrap()).unwrap();
        insta::assert_snapshot!(text, @r#"{"activity_id":1,"activity_name":"Create","category_uid":6,"category_name":"Application Activity","class_uid":6003,"class_name":"API Activity","type_uid":600301,"type_name":"API Activity: Create","severity_id":1,"severity":"Informational","time":1793611800123,"status_id":2,"status":"Failure","status_code":"failed","status_detail":"No credit","metadata":{"version":"1.5.0","product":{"name":"Daybook","vendor_name":"Daybook"},"uid":"contoso/2026-11-02T09:30:00.123456Z/e-1","event_code":"order.line.created","tenant_uid":"contoso","correlation_uid":"t-1","original_time":"2026-11-02T09:30:00.123456Z","logged_time":1793620800789},"actor":{"user":{"uid":"ana@contoso.example","name":"Ana Ñuñez","type_id":1,"type":"User"}},"api":{"operation":"order.line.created"},"src_endpoint":{"ip":"2001:db8::1"},"http_request":{"user_agent":"curl/8"},"resources":[{"type":"order","uid":"o-1"},{"type":"customer","uid":"fabrikam","name":"Fabrikam SARL"}],"unmapped":{"actor_type":"user","actor_role":"admin_agent","source":"portal","changes":[{"field":"quantity","old":5,"new":12.50}],"details":{"lines":[{"quantity":1.20}]},"lines":{"count":1}}}"#);
    }

    #[test]
    fn people_are_users_and_programs_are_applications() {
        for (kind, expected) in [
            ("user", r#"{"user":{"uid":"a","name":"n","type_id":1,"type":"User"}}"#),
            ("customer", r#"{"user":{"uid":"a","name":"n","type_id":99,"type":"Customer"}}"#),
            ("application", r#"{"app_uid":"a","app_name":"n"}"#),
            ("system", r#"{"app_uid":"a","app_name":"n"}"#),
        ] {
            let sent = format!(r#""action":"x.y","actor":{{"type":"{kind}","id":"a","name":"n"}}"#);
            let event = event(&activity(&sent), None);
            assert_eq!(
                event["actor"].to_string(),
                serde_json::from_str::<serde_json::Value>(expected).unwrap().to_string()
            );
            assert_eq!(event["unmapped"]["actor_type"], kind);
        }
    }

    #[test]
    fn the_endpoint_is_an_address_or_a_name() {
        for (actor, source, endpoint, kept) in [
            (r#""ip":"203.0.113.7""#, r#""s""#, r#"{"ip":"203.0.113.7"}"#, None),
            // The longest spelling of an address is longer than the schema allows.
            (
                r#""ip":"0000:0000:0000:0000:0000:ffff:255.255.255.255""#,
                "null",
                r#"{"ip":"::ffff:255.255.255.255"}"#,
                None,
            ),
            (r#""ip":"10.0.0.1:443""#, r#""s""#, r#"{"svc_name":"s"}"#, Some("10.0.0.1:443")),
            (r#""role":"r""#, r#""s""#, r#"{"svc_name":"s"}"#, None),
            (r#""role":"r""#, "null", r#"{"svc_name":"unknown"}"#, None),
        ] {
            let sent = format!(r#""action":"x.y","actor":{{"id":"a",{actor}}},"source":{source}"#);
            let event = event(&activity(&sent), None);
            assert_eq!(event["src_endpoint"].to_string(), endpoint, "{sent}");
            assert_eq!(event["unmapped"].get("actor_ip").and_then(serde_json::Value::as_str), kept, "{sent}");
        }
    }

    #[test]
    fn a_target_without_id_and_name_is_no_resource() {
        let event = event(&activity(r#""action":"x.y","actor":{"id":"a"},"target":{"type":"order"}"#), None);
        assert_eq!((event.get("resources"), &event["unmapped"]["target_type"]), (None, &"order".into()));
    }

    #[test]
    fn details_that_are_not_shown_have_a_size_and_an_address() {
        let mut activity = full();
        activity.details = Details::Apart(29);
        let event = event(&activity, Some("https://api.example/details"));
        let unmapped = &event["unmapped"];
        assert_eq!((unmapped.get("details"), &unmapped["details_size"]), (None, &29.into()));
        assert_eq!(unmapped["details_url"], "https://api.example/details");
    }

    #[test]
    fn an_erased_activity_stays_an_event() {
        let mut erased = full();
        erased.erased = Some(r#"{"actor":"01J","customer":"01J","target":"01J","source":"01J"}"#.to_owned());
        let entry = &mut erased.entry;
        (entry.customer, entry.target, entry.source, entry.correlation_id) = (None, None, None, None);
        entry.actor =
            Actor { kind: ActorType::User, id: String::new(), name: None, role: None, ip: None, user_agent: None };
        let event = event(&erased, None);
        assert_eq!(event["actor"]["user"]["uid"], ERASED_NAME);
        assert_eq!(event["src_endpoint"]["svc_name"], UNKNOWN);
        assert_eq!(event["unmapped"]["erased"]["actor"], "01J");
        assert_eq!((event.get("resources"), event.get("http_request")), (None, None));
    }

    #[test]
    fn each_status_has_a_number_and_keeps_its_word() {
        for (word, id) in [("succeeded", 1), ("failed", 2), ("declined", 2), ("in_progress", 99)] {
            let event = event(&activity(&format!(r#""action":"x.y","actor":{{"id":"a"}},"status":"{word}""#)), None);
            assert_eq!((&event["status_id"], &event["status_code"]), (&id.into(), &word.into()));
        }
    }

    #[test]
    fn altered_json_is_no_event() {
        for alter in [
            |activity: &mut Activity| activity.entry.changes = Some("{".to_owned()),
            |activity: &mut Activity| activity.details = Details::Here("{".to_owned()),
            |activity: &mut Activity| activity.lines = Some("{".to_owned()),
            |activity: &mut Activity| activity.erased = Some("{".to_owned()),
        ] {
            let mut activity = full();
            alter(&mut activity);
            assert!(ApiActivity::of(&activity.borrowed(), None).is_err());
        }
    }
}
