//! The wire forms that are written and read by hand, as the OpenAPI document describes them. Tests hold them against the
//! answers of the service.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    activity::{Action, ActivityId, ActorType, PartnerId, Status},
    time::Instant,
};

/// The schema of a type that is a text of a certain form.
macro_rules! text_schema {
    ($name:ident, $pattern:expr, $example:expr, $max:expr) => {
        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                ::utoipa::openapi::ObjectBuilder::new()
                    .schema_type(::utoipa::openapi::schema::Type::String)
                    .pattern(Some($pattern))
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .examples([$example])
                    .into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    };
}
pub(crate) use text_schema;

/// An activity to record.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewActivity {
    /// The caller's own id of it. Send one: then the same request can be sent again safely. Absent, the service makes a ULID.
    pub id: Option<ActivityId>,
    /// When it occurred; at most 24 hours ahead of the service's clock.
    pub occurred_at: Instant,
    /// Whose account was acted on.
    pub customer: Option<NewCustomer>,
    /// What was done: an open vocabulary.
    pub action: Action,
    /// How it ended; `succeeded` where it is absent.
    pub status: Option<Status>,
    /// Who did it.
    pub actor: NewActor,
    /// What it was done to.
    pub target: Option<NewTarget>,
    /// What changed.
    #[schema(max_items = 50)]
    pub changes: Option<Vec<NewChange>>,
    /// What it belongs to in the caller's own traces.
    #[schema(max_length = 128)]
    pub correlation_id: Option<String>,
    /// The system that recorded it.
    #[schema(max_length = 128)]
    pub source: Option<String>,
    /// Anything more, up to 5 MiB. Texts are kept exactly, numbers keep their digits.
    #[schema(value_type = Option<Object>)]
    pub details: Option<String>,
}

/// A customer, as recorded.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCustomer {
    /// The id.
    #[schema(min_length = 1, max_length = 128)]
    pub id: String,
    /// The name to show.
    #[schema(max_length = 256)]
    pub name: Option<String>,
}

/// An actor, as recorded.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewActor {
    /// The kind of actor; `user` where it is absent.
    #[serde(rename = "type")]
    pub kind: Option<ActorType>,
    /// The id: a user principal name, a client's id.
    #[schema(min_length = 1, max_length = 128)]
    pub id: String,
    /// The name to show.
    #[schema(max_length = 256)]
    pub name: Option<String>,
    /// The role in which it acted.
    #[schema(max_length = 128)]
    pub role: Option<String>,
    /// The address that it came from.
    #[schema(max_length = 128)]
    pub ip: Option<String>,
    /// The user agent that it used.
    #[schema(max_length = 1024)]
    pub user_agent: Option<String>,
}

/// A target, as recorded.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTarget {
    /// The type of thing, such as `order`.
    #[serde(rename = "type")]
    #[schema(max_length = 128)]
    pub kind: Option<String>,
    /// The id.
    #[schema(max_length = 128)]
    pub id: Option<String>,
    /// The name to show.
    #[schema(max_length = 256)]
    pub name: Option<String>,
}

/// A change, as recorded.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChange {
    /// The field that changed.
    #[schema(min_length = 1, max_length = 256)]
    pub field: String,
    /// Its value before: any JSON.
    #[schema(value_type = Value, required = false)]
    pub old: Option<String>,
    /// Its value after: any JSON.
    #[schema(value_type = Value, required = false)]
    pub new: Option<String>,
}

/// A batch to record.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewActivities {
    /// The activities, each answered for itself.
    #[schema(max_items = 500)]
    pub activities: Vec<NewActivity>,
}

/// What is recorded: one activity, or many.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Record {
    /// One.
    One(Box<NewActivity>),
    /// Many.
    Many(NewActivities),
}

/// A CloudEvent 1.0 with an activity as its data.
#[derive(Serialize, ToSchema)]
pub struct CloudEvent {
    /// `1.0`
    #[schema(pattern = "^1\\.0$")]
    pub specversion: String,
    /// The activity's id.
    pub id: ActivityId,
    /// The system that recorded it.
    #[schema(min_length = 1, max_length = 128)]
    pub source: String,
    /// The action.
    #[serde(rename = "type")]
    pub kind: Action,
    /// When it occurred.
    pub time: Instant,
    /// The activity; what the event says already may be left out.
    #[schema(value_type = Object)]
    pub data: String,
}

/// An activity.
#[derive(Serialize, ToSchema)]
pub struct Activity {
    /// The caller's own id of it, or the service's.
    pub id: ActivityId,
    /// When it occurred, by the caller's clock.
    pub occurred_at: Instant,
    /// When it was recorded, by the service's clock, in milliseconds.
    pub recorded_at: Instant,
    /// The partner.
    pub partner_id: PartnerId,
    /// Whose account was acted on.
    #[schema(nullable = false)]
    pub customer: Option<Customer>,
    /// What was done.
    pub action: Action,
    /// How it ended.
    pub status: Status,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    #[schema(nullable = false)]
    pub target: Option<Target>,
    /// What changed.
    #[schema(nullable = false)]
    pub changes: Option<Vec<NewChange>>,
    /// What it belongs to in the recording system's traces.
    #[schema(nullable = false)]
    pub correlation_id: Option<String>,
    /// The system that recorded it.
    #[schema(nullable = false)]
    pub source: Option<String>,
    /// The details, where they are asked for and there are any.
    #[schema(nullable = false, value_type = Option<Object>)]
    pub details: Option<String>,
    /// Whether there are details.
    pub has_details: bool,
    /// How large the details are, in bytes of JSON.
    pub details_size: u64,
    /// The address of the whole activity, below the API's root.
    pub url: String,
}

/// Whose account was acted on.
#[derive(Serialize, ToSchema)]
pub struct Customer {
    /// The id.
    pub id: String,
    /// The name to show.
    #[schema(nullable = false)]
    pub name: Option<String>,
}

/// Who acted.
#[derive(Serialize, ToSchema)]
pub struct Actor {
    /// The kind of actor.
    #[serde(rename = "type")]
    pub kind: ActorType,
    /// The id.
    pub id: String,
    /// The name to show.
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// The role in which it acted.
    #[schema(nullable = false)]
    pub role: Option<String>,
    /// The address that it came from.
    #[schema(nullable = false)]
    pub ip: Option<String>,
    /// The user agent that it used.
    #[schema(nullable = false)]
    pub user_agent: Option<String>,
}

/// What was acted on.
#[derive(Serialize, ToSchema)]
pub struct Target {
    /// The type of thing.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    pub kind: Option<String>,
    /// The id.
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// The name to show.
    #[schema(nullable = false)]
    pub name: Option<String>,
}
