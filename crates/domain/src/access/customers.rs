//! The restriction of a caller to the activities of some customers.
//!
//! Filters and the restriction are combined here, once for lists, counts and exports. The result is an ordinary filter, so that
//! readers and workers need to know nothing of the restriction, and a file states what it holds.

use std::collections::BTreeSet;

use crate::{
    activity::MAX_ID_CHARS,
    filter::{Filter, NOT},
    text::quoted,
};

/// The most bytes that the ids of a restriction take together, as they travel from the authorizer to the functions.
///
/// API Gateway limits the whole answer of an authorizer to 8 KB. Half of that is left to the caller's subject, name and roles.
/// Each id counts one byte more than it has, for the space between. A byte that is encoded on the way counts three.
pub const MAX_CUSTOMERS_BYTES: usize = 4_096;

/// The word for all customers, in a token's claim and in a client's registration.
const ALL: &str = "*";

/// The customers whose activities a caller may see. Ids are compared without regard to the case of ASCII letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customers {
    /// The ids as they were written; none without a restriction.
    only: Option<BTreeSet<String>>,
}

/// A list of customers that cannot restrict a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomersFault {
    /// The list has more than [`MAX_CUSTOMERS_BYTES`].
    TooLong,
    /// Entries of the list are not ids of customers: the number of each, from 0, and what would be accepted.
    Invalid(Vec<(usize, String)>),
}

impl Customers {
    /// No restriction: all activities, also those without a customer.
    pub const ALL: Self = Self { only: None };
    /// Nobody's activities.
    pub const NONE: Self = Self { only: Some(BTreeSet::new()) };

    /// Reads a list of ids, in which `*` stands for all customers. An empty list is nobody.
    ///
    /// # Errors
    /// [`CustomersFault`]. No list is cut, and no entry is left out.
    pub fn parse<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<Self, CustomersFault> {
        let (mut only, mut invalid, mut bytes) = (BTreeSet::new(), Vec::new(), 0_usize);
        for (index, id) in ids.into_iter().enumerate() {
            bytes += 1 + id.bytes().map(encoded_bytes).sum::<usize>();
            if bytes > MAX_CUSTOMERS_BYTES {
                return Err(CustomersFault::TooLong);
            }
            if let Err(detail) = check_id(id) {
                invalid.push((index, detail));
            }
            only.insert(id.to_owned());
        }
        if !invalid.is_empty() {
            return Err(CustomersFault::Invalid(invalid));
        }
        Ok(if only.contains(ALL) { Self::ALL } else { Self { only: Some(only) } })
    }

    /// Tells whether the caller is not restricted.
    pub fn is_all(&self) -> bool {
        self.only.is_none()
    }

    /// Returns the ids of the customers; none without a restriction.
    pub fn ids(&self) -> Option<impl Iterator<Item = &str>> {
        self.only.as_ref().map(|only| only.iter().map(String::as_str))
    }

    /// Tells whether the caller may see an activity of a customer, or one without a customer.
    pub fn allow(&self, customer: Option<&str>) -> bool {
        let Some(only) = &self.only else { return true };
        customer.is_some_and(|customer| only.iter().any(|id| id.eq_ignore_ascii_case(customer)))
    }

    /// Narrows a filter to the activities that the caller may see.
    #[must_use]
    pub fn restrict(&self, filter: Filter) -> Filter {
        match self.ids() {
            None => filter,
            Some(ids) => Filter { customer: filter.customer.only_of(ids), ..filter },
        }
    }

    /// Tells whether the caller may see every activity that a filter accepts, because the filter names only such customers.
    pub fn contain(&self, filter: &Filter) -> bool {
        let named = filter.customer.included();
        self.is_all() || (!named.is_empty() && named.iter().all(|id| self.allow(Some(id))))
    }

    /// Returns a text that differs between restrictions, to be part of what a cursor or an idempotency key belongs to. The text
    /// is empty without a restriction.
    pub fn to_key(&self) -> String {
        self.only.as_ref().map(|only| format!(" of {only:?}")).unwrap_or_default()
    }
}

/// Reads `*` or an id. A `!` in front is refused, because a filter would take the id for one to leave out.
fn check_id(id: &str) -> Result<(), String> {
    if id.trim().is_empty() {
        Err("is empty: give the id of a customer, or * for all".to_owned())
    } else if id.chars().count() > MAX_ID_CHARS {
        Err(format!("{} is longer than {MAX_ID_CHARS} characters", quoted(id)))
    } else if id.starts_with(NOT) {
        Err(format!("{} begins with !, which in filters leaves a customer out: name the customers to show", quoted(id)))
    } else {
        Ok(())
    }
}

/// Returns how many bytes a byte becomes when it is percent-encoded where that may be needed.
fn encoded_bytes(byte: u8) -> usize {
    let is_plain = byte.is_ascii_graphic() && !matches!(byte, b'%' | b'"' | b'\\');
    if is_plain { 1 } else { 3 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        activity::{Activity, NewActivity, PartnerId},
        time::Instant,
    };

    fn customers(ids: &[&str]) -> Customers {
        Customers::parse(ids.iter().copied()).unwrap()
    }

    fn filter(json: &str) -> Filter {
        serde_json::from_str(json).unwrap()
    }

    fn activity(customer: Option<&str>) -> Activity {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let json = serde_json::json!({
            "id": "e-1", "occurred_at": "2026-11-02T09:30:00Z", "action": "order.created", "actor": {"id": "ana"},
            "customer": customer.map(|id| serde_json::json!({"id": id})),
        });
        NewActivity::parse(&json.to_string(), now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    #[test]
    fn ids_are_compared_without_regard_to_case() {
        let some = customers(&["fabrikam", "Été 2026"]);
        for (customer, seen) in [
            (Some("fabrikam"), true),
            (Some("FABRIKAM"), true),
            (Some("Été 2026"), true),
            (Some("été 2026"), false),
            (Some("fabrika"), false),
            (Some("fabrikam2"), false),
            (Some("*"), false),
            (None, false),
        ] {
            assert_eq!(some.allow(customer), seen, "{customer:?}");
            assert!(Customers::ALL.allow(customer));
            assert!(!Customers::NONE.allow(customer));
        }
    }

    #[test]
    fn star_stands_for_all_and_no_id_for_nobody() {
        assert_eq!(customers(&["*"]), Customers::ALL);
        assert_eq!(customers(&["fabrikam", "*"]), Customers::ALL);
        assert_eq!(customers(&[]), Customers::NONE);
        assert!(!customers(&["**"]).is_all());
    }

    #[test]
    fn unusable_list_is_refused_and_never_cut() {
        let long = "x".repeat(MAX_ID_CHARS + 1);
        for bad in ["", " ", "!fabrikam", &long] {
            let found = Customers::parse(["fabrikam", bad]);
            assert!(matches!(&found, Err(CustomersFault::Invalid(faults)) if faults[0].0 == 1), "{bad} {found:?}");
        }
        // Ids of seven characters and the spaces between them.
        let many = |count: usize| (0..count).map(|number| format!("c-{number:05}")).collect::<Vec<_>>();
        let parse = |ids: &[String]| Customers::parse(ids.iter().map(String::as_str));
        assert_eq!(parse(&many(512)).unwrap().ids().unwrap().count(), 512);
        assert_eq!(parse(&many(513)), Err(CustomersFault::TooLong));
        // The same id again, all customers, and ids outside ASCII count too.
        assert_eq!(Customers::parse(["c-00001"; 513]), Err(CustomersFault::TooLong));
        assert_eq!(Customers::parse(many(512).iter().map(String::as_str).chain(["*"])), Err(CustomersFault::TooLong));
        assert_eq!(Customers::parse(["é".repeat(128).as_str(); 6]), Err(CustomersFault::TooLong));
        assert!(Customers::parse(["é".repeat(128).as_str(); 5]).is_ok());
    }

    #[test]
    fn filter_is_narrowed_to_the_customers() {
        let some = customers(&["Fabrikam", "northwind"]);
        for (asked, narrowed) in [
            (r#"{}"#, r#"{"customer":["Fabrikam","northwind"]}"#),
            (r#"{"status":["failed"]}"#, r#"{"customer":["Fabrikam","northwind"],"status":["failed"]}"#),
            (r#"{"customer":["fabrikam","tailspin"]}"#, r#"{"customer":["fabrikam"]}"#),
            (r#"{"customer":["!fabrikam"]}"#, r#"{"customer":["northwind"]}"#),
            (r#"{"customer":["!tailspin"]}"#, r#"{"customer":["Fabrikam","northwind"]}"#),
            // Nobody has an empty id.
            (r#"{"customer":["tailspin"]}"#, r#"{"customer":[""]}"#),
            (r#"{"customer":["fabrikam","!FABRIKAM"]}"#, r#"{"customer":[""]}"#),
            (r#"{"customer":["!fabrikam","!northwind"]}"#, r#"{"customer":[""]}"#),
        ] {
            assert_eq!(serde_json::to_string(&some.restrict(filter(asked))).unwrap(), narrowed, "{asked}");
            assert_eq!(Customers::ALL.restrict(filter(asked)), filter(asked));
            assert_eq!(Customers::NONE.restrict(filter(asked)).customer, filter(r#"{"customer":[""]}"#).customer);
        }
    }

    #[test]
    fn filter_is_contained_when_it_names_only_the_customers() {
        let some = customers(&["fabrikam", "northwind"]);
        for (asked, is_contained) in [
            (r#"{"customer":["FABRIKAM"]}"#, true),
            (r#"{"customer":["fabrikam","northwind"],"status":["failed"]}"#, true),
            (r#"{"customer":["fabrikam","!northwind"]}"#, true),
            (r#"{"customer":["fabrikam","tailspin"]}"#, false),
            (r#"{"customer":["!tailspin"]}"#, false),
            (r#"{"customer":[""]}"#, false),
            (r#"{"status":["failed"]}"#, false),
            (r#"{}"#, false),
        ] {
            assert_eq!(some.contain(&filter(asked)), is_contained, "{asked}");
            assert!(Customers::ALL.contain(&filter(asked)) && !Customers::NONE.contain(&filter(asked)), "{asked}");
        }
    }

    #[test]
    fn keys_tell_restrictions_apart() {
        assert_eq!(Customers::ALL.to_key(), "");
        let keys = [customers(&[]), customers(&["a", "b"]), customers(&["a\", \"b"]), customers(&["a b"])];
        let mut distinct: Vec<String> = keys.iter().map(Customers::to_key).collect();
        distinct.dedup();
        assert_eq!(distinct.len(), keys.len(), "{distinct:?}");
        assert_eq!(customers(&["b", "a"]).to_key(), customers(&["a", "b", "a"]).to_key());
    }

    /// Ids that often meet, in different spellings.
    fn id() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "A", "b", "c", "C", "é", "É", "a b", "*x", "d!"]).prop_map(str::to_owned)
    }

    fn choice() -> impl Strategy<Value = Vec<String>> {
        let value = (any::<bool>(), id()).prop_map(|(is_out, id)| if is_out { format!("!{id}") } else { id });
        prop::collection::vec(value, 0..5)
    }

    proptest! {
        #[test]
        fn no_filter_shows_an_activity_outside_the_restriction(
            ids in prop::collection::vec(id(), 0..4),
            values in choice(),
            customer in prop::option::of(id()),
            status in prop::option::of(prop::sample::select(vec!["succeeded", "failed", "!succeeded"])),
        ) {
            let allowed = Customers::parse(ids.iter().map(String::as_str)).unwrap();
            let mut asked = serde_json::json!({"customer": values});
            if let Some(status) = status {
                asked["status"] = serde_json::json!([status]);
            }
            let asked: Filter = serde_json::from_value(asked).unwrap();
            let narrowed = allowed.restrict(asked.clone());
            let activity = activity(customer.as_deref());
            let seen = narrowed.matches(&activity.borrowed());
            prop_assert_eq!(seen, asked.matches(&activity.borrowed()) && allowed.allow(customer.as_deref()));
            // A stored filter is the same.
            let stored: Filter = serde_json::from_str(&serde_json::to_string(&narrowed).unwrap()).unwrap();
            prop_assert_eq!(&stored, &narrowed);
            // A filter that the restriction contains shows nothing else.
            prop_assert!(!allowed.contain(&asked) || !asked.matches(&activity.borrowed()) || allowed.allow(customer.as_deref()));
            // To narrow twice changes nothing, and whoever narrowed a filter may see what it accepts.
            prop_assert_eq!(&allowed.restrict(narrowed.clone()), &narrowed);
            prop_assert!(allowed.contain(&narrowed) || narrowed.is_without_customers());
        }
    }
}
