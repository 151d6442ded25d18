//! Conditions that activities of a list or an export meet.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    activity::{Action, Entry, Status},
    text::quoted,
};

/// Conditions that an activity meets, all of them. A condition with several values is met by any of them; an empty one by
/// every activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Filter {
    /// Ids of customers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customer: Vec<String>,
    /// Ids of actors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actor: Vec<String>,
    /// Actions, or their first words followed by `.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<ActionPattern>,
    /// Statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Types of targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_type: Vec<String>,
    /// Ids of targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// Text that occurs, ignoring case, in the name or id of the customer, actor or target, in the action, or in the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub q: Option<String>,
}

/// An action, or all actions that start with some words: `order.created`, `order.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = r"^[a-z0-9_]+((\.[a-z0-9_]+)+|(\.[a-z0-9_]+)*\.\*)$", min_length = 1, max_length = 100, examples("order.*"))]
pub struct ActionPattern(String);

impl ActionPattern {
    /// Reads an action or a prefix.
    ///
    /// # Errors
    /// A message that shows both forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_valid = match text.strip_suffix(".*") {
            // A word is appended, because a prefix may have one word and an action has at least two.
            Some(words) => Action::is_valid(&format!("{words}.x")),
            None => Action::is_valid(text),
        };
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{} is neither an action such as order.created nor a prefix such as order.*", quoted(text)))
        }
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, action: &Action<&str>) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => action.as_str().starts_with(prefix),
            None => action.as_str() == self.0,
        }
    }
}

impl TryFrom<String> for ActionPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Filter {
    /// Tells whether every activity passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the customer if the filter names exactly one.
    pub fn only_customer(&self) -> Option<&str> {
        match self.customer.as_slice() {
            [customer] => Some(customer),
            _ => None,
        }
    }

    /// Tells whether an activity with this entry passes.
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
            && self.q.as_deref().is_none_or(|q| contains_text(entry, q))
    }
}

fn contains_text(entry: &Entry<&str>, q: &str) -> bool {
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
        entry.reason,
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
            "target":{"type":"order","id":"o-1","name":"First"},"reason":"No credit"}"#;
        NewActivity::parse(json, Instant::parse("2026-11-02T12:00:00Z").unwrap()).unwrap().entry
    }

    #[test]
    fn a_filter_matches_ids_prefixes_and_contained_text() {
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
            (r#"{"action":["order.line","order.*"]}"#, true),
            (r#"{"status":["failed","declined"]}"#, true),
            (r#"{"status":["succeeded"]}"#, false),
            (r#"{"target_type":["order"],"target":["o-1"]}"#, true),
            (r#"{"target_type":["order"],"target":["o-2"]}"#, false),
            (r#"{"target_type":["user"],"target":["o-1"]}"#, false),
            (r#"{"actor":["bob"]}"#, false),
            (r#"{"actor":["ana@contoso.example"],"q":"ñUÑ"}"#, true),
            (r#"{"q":"sarl"}"#, true),
            (r#"{"q":"FABRIKAM"}"#, true),
            (r#"{"q":"contoso"}"#, true),
            (r#"{"q":"line.created"}"#, true),
            (r#"{"q":"O-1"}"#, true),
            (r#"{"q":"first"}"#, true),
            (r#"{"q":"no CREDIT"}"#, true),
            (r#"{"q":"nowhere"}"#, false),
        ] {
            let filter: Filter = serde_json::from_str(json).unwrap();
            assert_eq!(filter.matches(&entry().borrowed()), passes, "{json}");
            assert_eq!(filter.is_empty(), json == "{}");
            assert_eq!(serde_json::to_string(&filter).unwrap(), json, "empty conditions are not written");
        }
    }

    #[test]
    fn ids_match_nothing_where_an_activity_has_none() {
        let bare = Entry { customer: None, target: None, ..entry() };
        for json in [r#"{"customer":["fabrikam"]}"#, r#"{"target":["o-1"]}"#, r#"{"target_type":["order"]}"#] {
            assert!(!serde_json::from_str::<Filter>(json).unwrap().matches(&bare.borrowed()), "{json}");
        }
    }

    #[test]
    fn a_filter_with_one_customer_names_it() {
        for (customers, only) in [(vec![], None), (vec!["a"], Some("a")), (vec!["a", "b"], None)] {
            let filter = Filter { customer: customers.into_iter().map(str::to_owned).collect(), ..Filter::default() };
            assert_eq!(filter.only_customer(), only);
        }
    }

    #[test]
    fn a_pattern_is_an_action_or_a_prefix() {
        for good in ["order.created", "order.*", "order.line.*"] {
            assert_eq!(ActionPattern::parse(good).unwrap().as_str(), good);
        }
        for bad in ["order", "*", ".*", "order*", "Order.*", "order..*", "a.*.b"] {
            assert!(ActionPattern::parse(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<ActionPattern>(bad.into()).is_err(), "{bad}");
        }
    }
}
