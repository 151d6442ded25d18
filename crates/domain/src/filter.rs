//! What a list or an export shows of a partner's activities: one definition for both.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    activity::{Action, Entry, Status},
    schema::text_schema,
};

/// Conditions that an activity must meet, all of them; within one, any of its values. Empty ones hold for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Filter {
    /// Customers' ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customer: Vec<String>,
    /// Actors' ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actor: Vec<String>,
    /// Actions, or their first words followed by `.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<ActionPattern>,
    /// Statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Targets' types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_type: Vec<String>,
    /// Targets' ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// Text contained, without regard to case, in the customer's name or id, the actor's, the target's, or the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub q: Option<String>,
}

/// An action, or all that start with some words: `order.created`, `order.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ActionPattern {
    words: String,
    is_prefix: bool,
}

text_schema!(ActionPattern, r"^[a-z0-9_]+((\.[a-z0-9_]+)+|(\.[a-z0-9_]+)*\.\*)$", "order.*", 100);

impl ActionPattern {
    /// Reads an action or a prefix.
    ///
    /// # Errors
    /// A text that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_suffix(".*") {
            // A single word is no action, but a prefix of many.
            Some(words) => {
                Action::parse(&format!("{words}.x")).map(|_| Self { words: format!("{words}."), is_prefix: true })
            }
            None => Action::parse(text).map(|_| Self { words: text.to_owned(), is_prefix: false }),
        }
        .map_err(|_| {
            format!(
                "{} is neither an action such as order.created nor a prefix such as order.*",
                crate::text::quoted(text)
            )
        })
    }

    fn matches(&self, action: &Action<&str>) -> bool {
        if self.is_prefix { action.as_str().starts_with(&self.words) } else { action.as_str() == self.words }
    }
}

impl From<ActionPattern> for String {
    fn from(pattern: ActionPattern) -> Self {
        if pattern.is_prefix { pattern.words + "*" } else { pattern.words }
    }
}

impl TryFrom<String> for ActionPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Filter {
    /// Whether every activity passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The one customer that alone can pass, if the filter names just one.
    pub fn only_customer(&self) -> Option<&str> {
        match self.customer.as_slice() {
            [customer] => Some(customer),
            _ => None,
        }
    }

    /// Whether an activity with this entry passes.
    pub fn matches(&self, entry: &Entry<&str>) -> bool {
        fn any_of(wanted: &[String], id: Option<&str>) -> bool {
            wanted.is_empty() || id.is_some_and(|id| wanted.iter().any(|wanted| wanted == id))
        }
        let target = entry.target.as_ref();
        any_of(&self.customer, entry.customer.as_ref().map(|customer| customer.id))
            && any_of(&self.actor, Some(entry.actor.id))
            && (self.action.is_empty() || self.action.iter().any(|pattern| pattern.matches(&entry.action)))
            && (self.status.is_empty() || self.status.contains(&entry.status))
            && any_of(&self.target_type, target.and_then(|target| target.kind))
            && any_of(&self.target, target.and_then(|target| target.id))
            && self.q.as_deref().is_none_or(|q| contains(entry, q))
    }
}

fn contains(entry: &Entry<&str>, q: &str) -> bool {
    let q = q.to_lowercase();
    let customer = entry.customer.as_ref();
    let target = entry.target.as_ref();
    [
        customer.map(|customer| customer.id),
        customer.and_then(|customer| customer.name),
        Some(entry.actor.id),
        entry.actor.name,
        Some(entry.action.as_str()),
        target.and_then(|target| target.id),
        target.and_then(|target| target.name),
    ]
    .into_iter()
    .flatten()
    .any(|text| text.to_lowercase().contains(&q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{activity::NewActivity, time::Instant};

    fn entry() -> Entry {
        let json = r#"{"occurred_at":"2026-11-02T09:30:00Z","action":"order.line.created","status":"failed",
            "actor":{"id":"ana@contoso.example","name":"Ana Ñuñez"},"customer":{"id":"fabrikam","name":"Fabrikam SARL"},
            "target":{"type":"order","id":"o-1"}}"#;
        NewActivity::parse(json, Instant::parse("2026-11-02T12:00:00Z").unwrap()).unwrap().entry
    }

    #[test]
    fn conditions_are_met_by_exact_ids_prefixes_of_actions_and_contained_text() {
        let filter = |json: &str| serde_json::from_str::<Filter>(json).unwrap();
        for (json, passes) in [
            ("{}", true),
            (r#"{"customer":["fabrikam"]}"#, true),
            (r#"{"customer":["x","fabrikam"]}"#, true),
            (r#"{"customer":["fab"]}"#, false),
            (r#"{"action":["order.line.created"]}"#, true),
            (r#"{"action":["order.*"]}"#, true),
            (r#"{"action":["order.line.*"]}"#, true),
            (r#"{"action":["ord.*"]}"#, false),
            (r#"{"action":["order.line"]}"#, false),
            (r#"{"status":["failed","declined"]}"#, true),
            (r#"{"status":["succeeded"]}"#, false),
            (r#"{"target_type":["order"],"target":["o-1"]}"#, true),
            (r#"{"target_type":["order"],"target":["o-2"]}"#, false),
            (r#"{"actor":["ana@contoso.example"],"q":"ñUÑ"}"#, true),
            (r#"{"q":"sarl"}"#, true),
            (r#"{"q":"nowhere"}"#, false),
        ] {
            assert_eq!(filter(json).matches(&entry().borrowed()), passes, "{json}");
        }
    }

    #[test]
    fn a_pattern_is_an_action_or_ends_in_a_star() {
        for bad in ["order", "*", ".*", "order*", "Order.*", "order..*", "a.*.b"] {
            assert!(ActionPattern::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(String::from(ActionPattern::parse("order.*").unwrap()), "order.*");
    }
}
