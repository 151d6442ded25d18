//! Conditions that activities of a list or an export meet.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    activity::{Action, Activity, Status},
    search::Search,
    text::quoted,
};

/// Conditions that an activity meets, all of them. A condition that is left out is met by every activity.
///
/// A condition names values, of which an activity has any, or values with `!` in front, of which an activity has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Filter {
    /// Ids of customers.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<IdFilter>)]
    pub customer: Choice<String>,
    /// Ids of actors.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<IdFilter>)]
    pub actor: Choice<String>,
    /// Actions, or their first words followed by `.*`.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<ActionFilter>)]
    pub action: Choice<ActionPattern>,
    /// Statuses.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<StatusFilter>)]
    pub status: Choice<Status>,
    /// Types of targets.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<IdFilter>)]
    pub target_type: Choice<String>,
    /// Ids of targets.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<IdFilter>)]
    pub target: Choice<String>,
    /// Correlation ids.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<IdFilter>)]
    pub correlation: Choice<String>,
    /// Sources.
    #[serde(skip_serializing_if = "Choice::is_empty")]
    #[schema(value_type = Vec<IdFilter>)]
    pub source: Choice<String>,
    /// Words that an activity contains, each in any of its texts that people see or search for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub q: Option<Search>,
}

/// An id, compared without regard to the case of ASCII letters. With `!` in front, activities with this id are left out.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^!?[^!\s]", min_length = 1, max_length = 256, examples("fabrikam"))]
pub struct IdFilter(pub String);

/// An action, or the first words of actions followed by `.*`. With `!` in front, these actions are left out.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^!?[a-zA-Z0-9_]+((\.[a-zA-Z0-9_]+)+|(\.[a-zA-Z0-9_]+)*\.\*)$", min_length = 1, max_length = 101, examples("order.*"))]
pub struct ActionFilter(pub String);

/// A status. With `!` in front, activities with this status are left out.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^!?(succeeded|failed|in_progress|declined)$", examples("failed"))]
pub struct StatusFilter(pub String);

/// The mark in front of a value that activities must not have.
pub(crate) const NOT: char = '!';

/// An id that nothing has. A condition with no other value accepts nothing.
const NOBODY: &str = "";

/// The values of one condition: those of which an activity has any, and those of which an activity has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>", bound = "T: FilterValue")]
pub struct Choice<T> {
    included: Vec<T>,
    excluded: Vec<T>,
}

/// A value of a condition.
pub trait FilterValue: Clone {
    /// Reads a value.
    ///
    /// # Errors
    /// A message that shows the expected form.
    fn parse_value(text: &str) -> Result<Self, String>;

    /// Returns the text of the value.
    fn value_text(&self) -> &str;
}

impl FilterValue for String {
    fn parse_value(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn value_text(&self) -> &str {
        self
    }
}

impl FilterValue for Status {
    fn parse_value(text: &str) -> Result<Self, String> {
        // The message shows the text as it was sent.
        Self::parse(&text.to_ascii_lowercase()).or_else(|_| Self::parse(text))
    }

    fn value_text(&self) -> &str {
        self.as_str()
    }
}

impl FilterValue for ActionPattern {
    fn parse_value(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }

    fn value_text(&self) -> &str {
        self.as_str()
    }
}

impl<T: FilterValue> Choice<T> {
    /// Reads values, of which those that begin with `!` are excluded.
    ///
    /// # Errors
    /// A message for each value that cannot be read.
    pub fn parse(texts: &[String]) -> Result<Self, Vec<String>> {
        let (mut choice, mut faults) = (Self::default(), Vec::new());
        for text in texts {
            let (values, value) = match text.strip_prefix(NOT) {
                Some(value) => (&mut choice.excluded, value),
                None => (&mut choice.included, text.as_str()),
            };
            match T::parse_value(value) {
                Ok(value) => values.push(value),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(choice) } else { Err(faults) }
    }
}

impl<T> Choice<T> {
    /// Includes these values, whatever they begin with.
    pub fn any_of(included: Vec<T>) -> Self {
        Self { included, excluded: Vec::new() }
    }

    /// Tells whether every value is accepted.
    pub fn is_empty(&self) -> bool {
        self.included.is_empty() && self.excluded.is_empty()
    }

    /// Returns the values of which an activity must have one. Without any, only exclusions count.
    pub fn included(&self) -> &[T] {
        &self.included
    }

    /// Returns the condition without the included values.
    #[must_use]
    pub fn without_included(self) -> Self {
        Self { included: Vec::new(), ..self }
    }

    fn accepts(&self, is_value: impl Fn(&T) -> bool) -> bool {
        (self.included.is_empty() || self.included.iter().any(&is_value)) && !self.excluded.iter().any(is_value)
    }
}

impl Choice<String> {
    /// Replaces an id, in whatever case it is written. Returns whether it was there.
    pub(crate) fn replace_id(&mut self, id: &str, by: &str) -> bool {
        let mut is_replaced = false;
        for value in self.included.iter_mut().chain(&mut self.excluded).filter(|value| value.eq_ignore_ascii_case(id)) {
            by.clone_into(value);
            is_replaced = true;
        }
        is_replaced
    }

    /// Narrows the condition to these ids. If it accepts none of them, it accepts nothing.
    #[must_use]
    pub fn only_of<'a>(self, ids: impl Iterator<Item = &'a str>) -> Self {
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        let has = |ids: &[String], id: &str| ids.iter().any(|other| other.eq_ignore_ascii_case(id));
        let Self { included, excluded } = self;
        let mut included =
            if included.is_empty() { ids } else { included.into_iter().filter(|id| has(&ids, id)).collect() };
        included.retain(|id| !has(&excluded, id));
        if included.is_empty() {
            included.push(NOBODY.to_owned());
        }
        Self::any_of(included)
    }

    fn accepts_id(&self, id: Option<&str>) -> bool {
        self.accepts(|value| id.is_some_and(|id| value.eq_ignore_ascii_case(id)))
    }
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Self { included: Vec::new(), excluded: Vec::new() }
    }
}

impl<T: FilterValue> TryFrom<Vec<String>> for Choice<T> {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        Self::parse(&texts).map_err(|faults| faults.join("; "))
    }
}

impl<T: FilterValue> From<Choice<T>> for Vec<String> {
    fn from(Choice { included, excluded }: Choice<T>) -> Self {
        let excluded = excluded.iter().map(|value| format!("{NOT}{}", value.value_text()));
        included.iter().map(|value| value.value_text().to_owned()).chain(excluded).collect()
    }
}

/// An action, or all actions that start with some words: `order.created`, `order.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionPattern(String);

impl ActionPattern {
    /// Reads an action or a prefix, without regard to the case of its letters.
    ///
    /// # Errors
    /// A message that shows both forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = text.to_ascii_lowercase();
        let is_valid = match pattern.strip_suffix(".*") {
            // A word is appended, because a prefix may have one word and an action has at least two.
            Some(words) => Action::is_valid(&format!("{words}.x")),
            None => Action::is_valid(&pattern),
        };
        if is_valid {
            Ok(Self(pattern))
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

impl Filter {
    /// Tells whether every activity passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether [`Choice::only_of`] has left no customer, so that no activity passes.
    pub fn is_without_customers(&self) -> bool {
        let included = self.customer.included();
        !included.is_empty() && included.iter().all(|id| id == NOBODY)
    }

    /// Tells whether an activity passes.
    pub fn matches(&self, activity: &Activity<&str>) -> bool {
        let entry = &activity.entry;
        let target = entry.target.as_ref();
        self.customer.accepts_id(entry.customer.as_ref().map(|customer| customer.id))
            && self.actor.accepts_id(Some(entry.actor.id))
            && self.action.accepts(|pattern| pattern.matches(&entry.action))
            && self.status.accepts(|status| *status == entry.status)
            && self.target_type.accepts_id(target.and_then(|target| target.kind))
            && self.target.accepts_id(target.and_then(|target| target.id))
            && self.correlation.accepts_id(entry.correlation_id)
            && self.source.accepts_id(entry.source)
            && self.q.as_ref().is_none_or(|search| search.matches(activity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::{NewActivity, PartnerId},
        time::Instant,
    };

    fn activity(extra: &str) -> Activity {
        let json = format!(
            r#"{{"id":"e-1","occurred_at":"2026-11-02T09:30:00Z","action":"order.line.created","status":"failed",{extra}}}"#
        );
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        NewActivity::parse(&json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    fn full() -> Activity {
        activity(
            r#""actor":{"id":"ana@contoso.example","name":"Ana Ñuñez"},"customer":{"id":"Fabrikam","name":"Fabrikam SARL"},
            "target":{"type":"order","id":"o-1","name":"First"},"reason":"No credit","correlation_id":"T-5f","source":"Portal""#,
        )
    }

    #[test]
    fn a_filter_that_names_no_customer_is_not_one_that_has_none_left() {
        let only =
            |ids: &[&str]| Filter { customer: Choice::default().only_of(ids.iter().copied()), ..Filter::default() };
        assert!(only(&[]).is_without_customers());
        assert!(!only(&["a"]).is_without_customers() && !Filter::default().is_without_customers());
        assert!(!only(&[]).matches(&full().borrowed()) && only(&["fabrikam"]).matches(&full().borrowed()));
    }

    #[test]
    fn a_filter_matches_ids_prefixes_and_contained_text() {
        for (json, passes) in [
            ("{}", true),
            (r#"{"customer":["Fabrikam"]}"#, true),
            (r#"{"customer":["fabrikaM"]}"#, true),
            (r#"{"customer":["x","fabrikam"]}"#, true),
            (r#"{"customer":["fab"]}"#, false),
            (r#"{"customer":["!FABRIKAM"]}"#, false),
            (r#"{"customer":["!x"]}"#, true),
            (r#"{"customer":["!x","!fabrikam"]}"#, false),
            (r#"{"customer":["fabrikam","!x"]}"#, true),
            (r#"{"customer":["fabrikam","!fabrikam"]}"#, false),
            (r#"{"action":["order.line.created"]}"#, true),
            (r#"{"action":["order.*"]}"#, true),
            (r#"{"action":["order.line.*"]}"#, true),
            (r#"{"action":["ord.*"]}"#, false),
            (r#"{"action":["order.line"]}"#, false),
            (r#"{"action":["order.line","order.*"]}"#, true),
            (r#"{"action":["!order.*"]}"#, false),
            (r#"{"action":["order.*","!order.line.created"]}"#, false),
            (r#"{"action":["!user.*"]}"#, true),
            (r#"{"status":["failed","declined"]}"#, true),
            (r#"{"status":["succeeded"]}"#, false),
            (r#"{"status":["!failed"]}"#, false),
            (r#"{"target_type":["order"],"target":["O-1"]}"#, true),
            (r#"{"target_type":["Order"],"target":["o-2"]}"#, false),
            (r#"{"target_type":["user"],"target":["o-1"]}"#, false),
            (r#"{"target_type":["!user"]}"#, true),
            (r#"{"correlation":["t-5F"]}"#, true),
            (r#"{"correlation":["t-5"]}"#, false),
            (r#"{"source":["portal"]}"#, true),
            (r#"{"source":["!PORTAL"]}"#, false),
            (r#"{"actor":["bob"]}"#, false),
            (r#"{"actor":["ANA@contoso.example"],"q":"ñUÑ"}"#, true),
            (r#"{"q":"sarl fabrikam"}"#, true),
            (r#"{"q":"line.created"}"#, true),
            (r#"{"q":"no CREDIT"}"#, true),
            (r#"{"q":"nowhere"}"#, false),
        ] {
            let filter: Filter = serde_json::from_str(json).unwrap();
            assert_eq!(filter.matches(&full().borrowed()), passes, "{json}");
            assert_eq!(filter.is_empty(), json == "{}");
            assert_eq!(serde_json::to_string(&filter).unwrap(), json, "empty conditions are not written");
        }
    }

    #[test]
    fn only_exclusions_pass_where_an_activity_has_no_value() {
        let bare = activity(r#""actor":{"id":"ana"}"#);
        for name in ["customer", "target", "target_type", "correlation", "source"] {
            for (value, passes) in [("x", false), ("!x", true)] {
                let filter: Filter = serde_json::from_value(serde_json::json!({name: [value]})).unwrap();
                assert_eq!(filter.matches(&bare.borrowed()), passes, "{name} {value}");
            }
        }
    }

    #[test]
    fn values_are_included_or_excluded() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let choice = Choice::<String>::parse(&texts(&["a", "!b", "c", "!!d"])).unwrap();
        assert_eq!(choice.included(), ["a", "c"]);
        assert_eq!(Vec::from(choice.clone()), ["a", "c", "!b", "!!d"]);
        assert_eq!(choice.without_included(), Choice::parse(&texts(&["!b", "!!d"])).unwrap());
        assert_eq!(Choice::any_of(vec!["!x".to_owned()]).included(), ["!x"]);
        let statuses = Choice::<Status>::parse(&texts(&["FAILED", "!In_Progress"])).unwrap();
        assert_eq!(Vec::from(statuses), ["failed", "!in_progress"]);
    }

    #[test]
    fn every_value_that_cannot_be_read_is_named() {
        let faults = Choice::<Status>::parse(&["done".to_owned(), "failed".to_owned(), "!x".to_owned()]).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("\"done\" is not one of"), "{faults:?}");
        assert!(serde_json::from_str::<Filter>(r#"{"status":["done"]}"#).is_err());
    }

    #[test]
    fn a_stored_empty_value_is_met_by_nothing() {
        let filter: Filter = serde_json::from_str(r#"{"customer":[""]}"#).unwrap();
        assert!(!filter.is_empty() && !filter.matches(&full().borrowed()));
    }

    #[test]
    fn a_pattern_is_an_action_or_a_prefix() {
        for (good, pattern) in
            [("order.created", "order.created"), ("order.*", "order.*"), ("Order.Line.*", "order.line.*")]
        {
            assert_eq!(ActionPattern::parse(good).unwrap().as_str(), pattern);
        }
        for bad in ["order", "*", ".*", "order*", "order..*", "a.*.b", "é.*"] {
            assert!(ActionPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
