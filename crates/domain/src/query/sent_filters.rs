//! Filters as an object of a request: the members are those of a list.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{OneOrMany, Question, given_text, one_or_many};
use crate::{
    fault::{Fault, Faults, Rejection},
    filter::Filter,
    time::Instant,
};

/// Conditions that activities meet, all of them. An object without members is met by every activity.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SentFilters {
    /// Customers' ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    customer: Option<Vec<String>>,
    /// Actors' ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    actor: Option<Vec<String>>,
    /// Actions, or their first words followed by `.*`: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    action: Option<Vec<String>>,
    /// Statuses: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    status: Option<Vec<String>>,
    /// Targets' types: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    target_type: Option<Vec<String>>,
    /// Targets' ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    target: Option<Vec<String>>,
    /// Correlation ids: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    correlation: Option<Vec<String>>,
    /// Sources: any of them, or with `!` in front none of them.
    #[serde(deserialize_with = "one_or_many")]
    #[schema(value_type = Option<OneOrMany>, nullable = false)]
    source: Option<Vec<String>>,
    /// Words that the activity contains, as in the list.
    #[serde(deserialize_with = "given_text")]
    #[schema(min_length = 1, max_length = 256, pattern = r"\S", nullable = false)]
    q: Option<String>,
}

impl SentFilters {
    /// Reads the filters, or adds their faults, each at its place in the object at `pointer`.
    pub fn read(self, pointer: &str, now: Instant, faults: &mut Faults) -> Option<Filter> {
        let Self { customer, actor, action, status, target_type, target, correlation, source, q } = self;
        let question = Question {
            customer,
            actor,
            action,
            status,
            target_type,
            target,
            correlation,
            source,
            q,
            ..Question::default()
        };
        let rejection = match question.read(now) {
            Ok((_, _, filter)) => return Some(filter),
            Err(rejection) => rejection,
        };
        let faults_at = |found: Vec<Fault>| -> Vec<Fault> {
            found.into_iter().map(|fault| Fault::new(format!("{pointer}{}", fault.pointer), fault.detail)).collect()
        };
        faults.append_rejection(match rejection {
            Rejection::Invalid(found) => Rejection::Invalid(faults_at(found)),
            Rejection::TooLarge(found) => Rejection::TooLarge(faults_at(found)),
            Rejection::Unprocessable(found) => Rejection::Unprocessable(faults_at(found)),
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Filter, Rejection> {
        let mut faults = Faults::default();
        let sent: SentFilters = serde_json::from_str(json).unwrap();
        let filter = sent.read("/filters", Instant::MAX, &mut faults);
        faults.finish(filter)
    }

    #[test]
    fn filters_of_an_object_are_those_of_a_list() {
        let filter = read(r#"{"customer":"fabrikam","action":["order.*","!order.viewed"],"q":"credit"}"#).unwrap();
        let expected = r#"{"customer":["fabrikam"],"action":["order.*","!order.viewed"],"q":"credit"}"#;
        assert_eq!(serde_json::to_string(&filter).unwrap(), expected);
        let all = r#"{"customer":["a"],"actor":["b"],"action":["c.d"],"status":["failed"],"target_type":["e"],"target":["f"],"correlation":["g"],"source":["h"],"q":"i"}"#;
        assert_eq!(read(all).unwrap(), serde_json::from_str(all).unwrap());
        assert!(read("{}").unwrap().is_empty());
    }

    #[test]
    fn faults_of_filters_have_the_place_of_the_object() {
        let rejection = read(r#"{"status":["done"],"customer":[]}"#).unwrap_err();
        let pointers: Vec<&str> = rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/filters/customer", "/filters/status"]);
    }
}
