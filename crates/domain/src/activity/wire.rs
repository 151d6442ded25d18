//! The JSON of an activity, as a client sends it and as the service shows it. OpenAPI schemas are derived from the types.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    ids::{Action, ActivityId, PartnerId},
    lines::LineSums,
    model::{Activity, Actor, ActorType, Customer, Details, Status, Target},
};
use crate::{request_json::Object, time::Instant};

/// An activity to record.
///
/// All fields are optional and of text here, so that the checks find all faults of a request together.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewActivity, description = "An activity to record.")]
pub struct NewActivityJson<'a> {
    /// Your id of the activity. Send one: then you can safely send the same request again, with the same `occurred_at`. The
    /// same id with another `occurred_at` is another activity. If absent, the service makes a ULID.
    #[serde(borrow)]
    #[schema(value_type = Option<ActivityId>)]
    pub(super) id: Option<Cow<'a, str>>,
    /// When the activity occurred; at most 24 hours ahead of the service's clock. Id and time together are its address.
    #[serde(borrow)]
    #[schema(required, value_type = Instant)]
    pub(super) occurred_at: Option<Cow<'a, str>>,
    /// The customer whose account was acted on.
    #[serde(borrow)]
    #[schema(value_type = Option<NewCustomerJson>)]
    pub(super) customer: Option<Object<NewCustomerJson<'a>>>,
    /// The kind of thing that was done. The vocabulary is open.
    #[serde(borrow)]
    #[schema(required, value_type = Action)]
    pub(super) action: Option<Cow<'a, str>>,
    /// How the action ended. Default: `succeeded`.
    #[serde(borrow)]
    #[schema(value_type = Option<Status>)]
    pub(super) status: Option<Cow<'a, str>>,
    /// The person or program that acted.
    #[serde(borrow)]
    #[schema(required, value_type = NewActorJson)]
    pub(super) actor: Option<Object<NewActorJson<'a>>>,
    /// The thing that was acted on.
    #[serde(borrow)]
    #[schema(value_type = Option<NewTargetJson>)]
    pub(super) target: Option<Object<NewTargetJson<'a>>>,
    /// Why the action has its status: for example why an order failed, or why somebody declined a request.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    pub(super) reason: Option<Cow<'a, str>>,
    /// The fields that changed.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Change>>, max_items = 50)]
    pub(super) changes: Option<&'a RawValue>,
    /// The id that links the activity to your own traces.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) correlation_id: Option<Cow<'a, str>>,
    /// The system that recorded the activity.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) source: Option<Cow<'a, str>>,
    /// Anything more, up to 5 MiB. Texts are kept exactly, numbers keep their digits.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    pub(super) details: Option<&'a RawValue>,
}

/// The customer of an activity to record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomer)]
pub struct NewCustomerJson<'a> {
    /// The id.
    #[serde(borrow)]
    #[schema(required, value_type = String, min_length = 1, max_length = 128)]
    pub(super) id: Option<Cow<'a, str>>,
    /// The name to show.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub(super) name: Option<Cow<'a, str>>,
}

/// The actor of an activity to record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewActor)]
pub struct NewActorJson<'a> {
    /// The kind of actor. Default: `user`.
    #[serde(rename = "type", borrow)]
    #[schema(value_type = Option<ActorType>)]
    pub(super) kind: Option<Cow<'a, str>>,
    /// The id, such as a user principal name or a client's id.
    #[serde(borrow)]
    #[schema(required, value_type = String, min_length = 1, max_length = 128)]
    pub(super) id: Option<Cow<'a, str>>,
    /// The name to show.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub(super) name: Option<Cow<'a, str>>,
    /// The role in which the actor acted.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) role: Option<Cow<'a, str>>,
    /// The IP address from which the actor acted.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) ip: Option<Cow<'a, str>>,
    /// The user agent of the actor's program.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    pub(super) user_agent: Option<Cow<'a, str>>,
}

/// The target of an activity to record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTarget)]
pub struct NewTargetJson<'a> {
    /// The type of thing, such as `order`.
    #[serde(rename = "type", borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) kind: Option<Cow<'a, str>>,
    /// The id.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub(super) id: Option<Cow<'a, str>>,
    /// The name to show.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub(super) name: Option<Cow<'a, str>>,
}

/// A field that changed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewChange)]
pub struct Change<'a> {
    /// The name of the field.
    #[serde(borrow)]
    #[schema(required, value_type = String, min_length = 1, max_length = 256)]
    pub(super) field: Option<Cow<'a, str>>,
    /// The value before: any JSON.
    #[serde(borrow)]
    #[schema(value_type = Value, required = false)]
    pub(super) old: Option<&'a RawValue>,
    /// The value after: any JSON.
    #[serde(borrow)]
    #[schema(value_type = Value, required = false)]
    pub(super) new: Option<&'a RawValue>,
}

/// An activity.
#[derive(Serialize, ToSchema)]
#[schema(as = Activity)]
pub struct ActivityJson<'a> {
    /// The id, from the caller or from the service.
    #[schema(value_type = ActivityId)]
    id: ActivityId<&'a str>,
    /// When the activity occurred, by the caller's clock.
    occurred_at: Instant,
    /// When the activity was recorded, by the service's clock, in milliseconds.
    #[serde(serialize_with = "serialize_millis")]
    recorded_at: Instant,
    /// The partner that owns the activity.
    #[schema(value_type = PartnerId)]
    partner_id: PartnerId<&'a str>,
    /// The customer whose account was acted on; null once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Customer>)]
    customer: Option<Option<Customer<&'a str>>>,
    /// The kind of thing that was done.
    #[schema(value_type = Action)]
    action: Action<&'a str>,
    /// How the action ended.
    status: Status,
    /// The person or program that acted; null once it is erased.
    #[schema(value_type = Option<Actor>)]
    actor: Option<Actor<&'a str>>,
    /// The thing that was acted on; null once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Target>)]
    target: Option<Option<Target<&'a str>>>,
    /// Why the action has its status, if the caller gave a reason.
    reason: Option<&'a str>,
    /// The fields that changed; null once they are erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Change>>)]
    changes: Option<Option<&'a RawValue>>,
    /// The id that links the activity to the traces of the recording system; null once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Option<&'a str>>,
    /// The system that recorded the activity; null once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Option<&'a str>>,
    /// The details, where the request asks for them and there are any; null where they do not fit into an answer, and once
    /// they are erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Option<&'a RawValue>>,
    /// The address of details that do not fit into an answer, relative to the API's root. It redirects to a file of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    details_url: Option<String>,
    /// Whether there are details.
    has_details: bool,
    /// The size of the details, in bytes of JSON.
    details_size: u64,
    /// What the lines of an order in the details add up to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LineSums>, nullable = false)]
    lines: Option<&'a RawValue>,
    /// The groups of fields that were erased, each with the id of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, String>>, nullable = false, example = json!({"actor": "01JD7Z6Q3V5W8X9Y0Z1A2B3C4D"}))]
    erased: Option<&'a RawValue>,
    /// The address of the whole activity, relative to the API's root.
    url: String,
}

/// An activity whose details do not fit into an answer: they are null, and have an address of their own.
#[derive(Clone, Copy, Debug)]
pub struct WithDetailsUrl<'a>(pub &'a Activity);

/// Writes the activity as [`ActivityJson`]. Details that were not read are described by their size only.
impl<T: AsRef<str>> Serialize for Activity<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let details = match &self.details {
            Details::Here(text) => Some(Some(raw::<S::Error>(text.as_ref())?)),
            Details::None | Details::Apart(_) => None,
        };
        show::<S::Error>(self.borrowed(), details, None)?.serialize(serializer)
    }
}

impl Serialize for WithDetailsUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        show::<S::Error>(self.0.borrowed(), Some(None), Some(self.0.details_url()))?.serialize(serializer)
    }
}

/// An activity whose details have an absolute address, because they do not fit into what carries the activity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithDetailsAt<'a> {
    /// The activity.
    pub(crate) activity: &'a Activity<&'a str>,
    /// The address of the details.
    pub(crate) details_url: &'a str,
}

impl Serialize for WithDetailsAt<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let details_url = Some(self.details_url.to_owned());
        show::<S::Error>(self.activity.borrowed(), Some(None), details_url)?.serialize(serializer)
    }
}

fn show<'a, E: serde::ser::Error>(
    activity: Activity<&'a str>,
    shown_details: Option<Option<&'a RawValue>>,
    details_url: Option<String>,
) -> Result<ActivityJson<'a>, E> {
    let url = activity.url();
    let shown_details = shown_details.or_else(|| activity.has_erased("details").then_some(None));
    let erased = ["customer", "target", "changes", "correlation", "source"].map(|group| activity.has_erased(group));
    let Activity { partner, id, occurred_at, recorded_at, entry, details, lines, erased: marks, digest: _ } = activity;
    let [customer, target, changes, correlation, source] = erased;
    Ok(ActivityJson {
        id,
        occurred_at,
        recorded_at,
        partner_id: partner,
        customer: present_or_erased(entry.customer, customer),
        action: entry.action,
        status: entry.status,
        actor: Some(entry.actor).filter(|actor| !actor.id.is_empty()),
        target: present_or_erased(entry.target, target),
        reason: entry.reason,
        changes: present_or_erased(entry.changes.map(raw::<E>).transpose()?, changes),
        correlation_id: present_or_erased(entry.correlation_id, correlation),
        source: present_or_erased(entry.source, source),
        details: shown_details,
        details_url,
        has_details: !matches!(details, Details::None),
        details_size: details.size(),
        lines: lines.map(raw::<E>).transpose()?,
        erased: marks.map(raw::<E>).transpose()?,
        url,
    })
}

/// Returns a field as it is shown: null if it was erased, and left out if it never had a value.
fn present_or_erased<T>(value: Option<T>, is_erased: bool) -> Option<Option<T>> {
    if is_erased { Some(None) } else { value.map(Some) }
}

fn raw<E: serde::ser::Error>(text: &str) -> Result<&RawValue, E> {
    serde_json::from_str(text).map_err(E::custom)
}

fn serialize_millis<S: Serializer>(instant: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(std::str::from_utf8(&instant.to_millis_bytes()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::NewActivity;

    #[test]
    fn a_shown_activity_has_what_was_sent_and_what_the_service_adds() {
        let sent = r#"{"id":"e-1","occurred_at":"2026-11-02T10:30:00.123456+01:00","customer":{"id":"fabrikam","name":"Fabrikam SARL"},
            "action":"order.created","actor":{"id":"ana@contoso.example","role":"admin_agent"},"target":{"type":"order","id":"o-1"},
            "changes":[{"field":"quantity","old":5,"new":12.50}],"details":{"lines":[{"quantity":1.20}]}}"#;
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let mut activity =
            NewActivity::parse(sent, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now);
        insta::assert_snapshot!(serde_json::to_string(&activity).unwrap(), @r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z","recorded_at":"2026-11-02T12:00:00.000Z","partner_id":"contoso","customer":{"id":"fabrikam","name":"Fabrikam SARL"},"action":"order.created","status":"succeeded","actor":{"type":"user","id":"ana@contoso.example","role":"admin_agent"},"target":{"type":"order","id":"o-1"},"reason":null,"changes":[{"field":"quantity","old":5,"new":12.50}],"details":{"lines":[{"quantity":1.20}]},"has_details":true,"details_size":29,"lines":{"count":1},"url":"/v1/partners/contoso/activities/e-1?occurred_at=2026-11-02T09:30:00.123456Z"}"#);
        activity.details = Details::Apart(29);
        let apart = serde_json::to_value(&activity).unwrap();
        assert_eq!(
            (apart.get("details"), &apart["has_details"], &apart["details_size"]),
            (None, &true.into(), &29.into())
        );
        let linked = serde_json::to_value(WithDetailsUrl(&activity)).unwrap();
        let address = "/v1/partners/contoso/activities/e-1/details?occurred_at=2026-11-02T09:30:00.123456Z";
        assert_eq!((&linked["details"], &linked["details_url"]), (&serde_json::Value::Null, &address.into()));
        assert_eq!(linked.as_object().unwrap().len(), apart.as_object().unwrap().len() + 2);
        activity.details = Details::None;
        activity.entry.correlation_id = Some("k".to_owned());
        activity.entry.source = Some("s".to_owned());
        activity.entry.reason = Some("no credit".to_owned());
        let none = serde_json::to_value(&activity).unwrap();
        assert_eq!((&none["has_details"], &none["details_size"]), (&false.into(), &0.into()));
        assert_eq!((&none["correlation_id"], &none["source"]), (&"k".into(), &"s".into()));
        assert_eq!(none["reason"], "no credit");
        activity.entry.changes = Some("{".to_owned());
        assert!(serde_json::to_string(&activity).is_err(), "altered JSON is not shown");
    }
}
