//! Erasure: which activities an order is about, which groups of their fields go, and how far the order is.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};
use utoipa::ToSchema;

use crate::{access::Author, activity::Activity, time::Instant};

/// The most activities that one order names.
pub const MAX_ERASED_IDS: usize = 500;

/// A group of fields that is erased together.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ErasedGroup)]
pub enum Group {
    /// The actor: type, id, name, role, and with them the address and the program.
    Actor,
    /// Where the actor acted from: IP address and user agent.
    Origin,
    /// The customer: id and name.
    Customer,
    /// The target: type, id and name.
    Target,
    /// The reason.
    Reason,
    /// The changes.
    Changes,
    /// The details, and the sums of an order's lines.
    Details,
    /// The correlation id.
    Correlation,
    /// The source.
    Source,
}

/// The activities that an order is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// Those of an actor, by its id.
    Actor(String),
    /// Those of a customer, by its id.
    Customer(String),
    /// Those about a target, by its id.
    Target(String),
    /// Some activities, by time and id.
    Activities(Vec<(Instant, String)>),
}

/// The kinds of selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SelectorKind {
    /// An actor.
    Actor,
    /// A customer.
    Customer,
    /// A target.
    Target,
    /// Activities.
    Activities,
}

impl SelectorKind {
    /// Returns the value by which a selector of this kind finds an activity, in the spelling in which values are compared.
    pub fn value_of(self, activity: &Activity<&str>) -> Option<String> {
        let id = match self {
            Self::Actor => Some(activity.entry.actor.id).filter(|id| !id.is_empty()),
            Self::Customer => activity.entry.customer.as_ref().map(|customer| customer.id),
            Self::Target => activity.entry.target.as_ref().and_then(|target| target.id),
            Self::Activities => return Some(format!("{}#{}", activity.occurred_at, activity.id)),
        };
        id.map(str::to_ascii_lowercase)
    }
}

impl Selector {
    /// Returns the kind.
    pub fn kind(&self) -> SelectorKind {
        match self {
            Self::Actor(_) => SelectorKind::Actor,
            Self::Customer(_) => SelectorKind::Customer,
            Self::Target(_) => SelectorKind::Target,
            Self::Activities(_) => SelectorKind::Activities,
        }
    }

    /// Returns the values that select, in the spelling in which they are compared.
    pub fn values(&self) -> Vec<String> {
        match self {
            Self::Actor(id) | Self::Customer(id) | Self::Target(id) => vec![id.to_ascii_lowercase()],
            Self::Activities(addresses) => addresses.iter().map(|(at, id)| format!("{at}#{id}")).collect(),
        }
    }

    /// Returns the id of the actor, customer or target; none for activities.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Actor(id) | Self::Customer(id) | Self::Target(id) => Some(id),
            Self::Activities(_) => None,
        }
    }

    /// Whether an activity is selected.
    pub fn selects(&self, activity: &Activity<&str>) -> bool {
        match self {
            Self::Activities(addresses) => {
                addresses.iter().any(|(at, id)| *at == activity.occurred_at && id == activity.id.as_str())
            }
            _ => self.kind().value_of(activity).is_some_and(|value| self.values().contains(&value)),
        }
    }
}

/// The state of an order to erase.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ErasureStatus)]
pub enum ErasureState {
    /// Nothing is erased yet.
    Pending,
    /// Everything is erased but what a hold keeps; the rest follows when the hold is released.
    Held,
    /// The order is being carried out.
    Running,
    /// Everything is erased.
    Done,
}

/// What an order has found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ErasureCounts)]
pub struct ErasureTally {
    /// The activities whose groups are erased; in a dry run, those that would be.
    pub activities: u64,
    /// The selected activities that a hold keeps.
    pub held: u64,
    /// The activities that name the actor, customer or target elsewhere, in details or changes. Only a dry run counts them.
    pub mentions: u64,
    /// The exports that were removed or made anew; in a dry run, those that would be.
    pub exports: u64,
}

/// An order to erase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureOrder {
    /// The id, a ULID. Erased activities name it.
    pub id: String,
    /// The kind of selector, which stays.
    pub kind: SelectorKind,
    /// The selector; none once the order is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// The keyed digests of the selector's values, once the order is done: they find the same activities again after a
    /// restore and name nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// The groups to erase, each once.
    pub groups: Vec<Group>,
    /// Why the order was given. It is removed once the order is done if it names what was erased.
    pub reason: String,
    /// Whether the order only counts.
    #[serde(default)]
    pub dry_run: bool,
    /// The state.
    pub state: ErasureState,
    /// What was found and done so far.
    #[serde(default)]
    pub tally: ErasureTally,
    /// When the order was given.
    pub created_at: Instant,
    /// The person or machine that gave it.
    pub created_by: Author,
    /// When the order was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Instant>,
}

impl ErasureOrder {
    /// Returns the JSON that marks the groups as erased by this order, with the marks that earlier orders left.
    pub fn marks(&self, before: Option<&str>) -> String {
        let mut marks: serde_json::Map<String, serde_json::Value> =
            before.and_then(|before| serde_json::from_str(before).ok()).unwrap_or_default();
        for group in &self.groups {
            let name: &str = group.into();
            marks.entry(name).or_insert_with(|| self.id.clone().into());
        }
        serde_json::Value::Object(marks).to_string()
    }

    /// Whether an activity has lost all groups of this order already, by its marks.
    pub fn has_erased(&self, marks: Option<&str>) -> bool {
        let marks: serde_json::Map<String, serde_json::Value> =
            marks.and_then(|marks| serde_json::from_str(marks).ok()).unwrap_or_default();
        self.groups.iter().all(|group| marks.contains_key(<&str>::from(group)))
    }
}
