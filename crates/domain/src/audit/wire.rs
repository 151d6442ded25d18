//! The JSON of an entry, as the service shows it.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    activity::{Action, Activity, ActivityId, Actor, Change, Entry, PartnerId, Status, Target},
    time::Instant,
};

/// An entry of the audit: the members that an activity and an entry have in common.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryJson<'a> {
    /// The id.
    #[schema(value_type = ActivityId)]
    id: ActivityId<&'a str>,
    /// When the act occurred. Entries of an hour have the beginning of the hour.
    occurred_at: Instant,
    /// When the entry was stored, in milliseconds.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// The partner that the act was about, or `_installation`.
    #[schema(value_type = PartnerId)]
    partner_id: PartnerId<&'a str>,
    /// The kind of act. `GET /v1/actions?log=audit` lists all of them.
    #[schema(value_type = Action, example = "export.downloaded")]
    action: Action<&'a str>,
    /// How the act ended. An act that is `in_progress` was begun, and whether it was done is not known.
    status: Status,
    /// The person or program that acted: the subject of the token, its name and its roles; null once it is erased.
    #[schema(value_type = Option<Actor>)]
    actor: Option<Actor<&'a str>>,
    /// The thing that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Target>, nullable = false)]
    target: Option<Target<&'a str>>,
    /// Why the act failed or was refused.
    reason: Option<&'a str>,
    /// The fields that changed, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Change>>, nullable = false)]
    changes: Option<&'a RawValue>,
    /// The id of the request at the gateway, which is the `trace_id` of a problem and stands in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    correlation_id: Option<&'a str>,
    /// The client that the token was issued to; of work in the background, the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<&'a str>,
    /// The groups of fields that were erased, each with the id of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, String>>, nullable = false)]
    erased: Option<&'a RawValue>,
}

impl<'a> AuditEntryJson<'a> {
    /// Shows a stored entry.
    pub fn of(stored: Activity<&'a str>) -> Self {
        let Activity { partner, id, occurred_at, recorded_at, entry, details: _, lines: _, erased, digest: _ } = stored;
        let Entry { customer: _, action, status, actor, target, reason, changes, correlation_id, source } = entry;
        Self {
            id,
            occurred_at,
            recorded_at: recorded_at.to_millis_text(),
            partner_id: partner,
            action,
            status,
            actor: Some(actor).filter(|actor| !actor.id.is_empty()),
            target,
            reason,
            // Stored changes are JSON, because only this service writes them.
            changes: changes.and_then(|text| serde_json::from_str(text).ok()),
            correlation_id,
            source,
            erased: erased.and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}
