//! Other places that name what an order erases: who made something, and filters.

use std::collections::BTreeSet;

use super::{Selector, SelectorKind};
use crate::{access::Author, filter::Filter, search::Search};

/// The text that stands in the place of an erased name.
pub const ERASED_NAME: &str = "erased";

/// What an order erases, by its id and by the names that activities gave it.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    /// The selector.
    pub selector: &'a Selector,
    /// The names.
    pub names: &'a BTreeSet<String>,
}

impl Named<'_> {
    /// Takes the erased person out of an author. Returns whether the author changed.
    pub fn clean_author(&self, author: &mut Author) -> bool {
        let is_person = self.selector.kind() == SelectorKind::Actor
            && (author.subject.as_deref().is_some_and(|subject| self.is_id(subject))
                || self.is_id(&author.name)
                || self.names.contains(&author.name));
        if is_person {
            *author = Author {
                subject: author.subject.as_ref().map(|_| ERASED_NAME.to_owned()),
                name: ERASED_NAME.to_owned(),
            };
        }
        is_person
    }

    /// Replaces the erased id and names in a filter, so that the filter then finds nothing by them. Returns whether it changed.
    pub fn clean_filter(&self, filter: &mut Filter) -> bool {
        let Some(id) = self.selector.id() else { return false };
        let choice = match self.selector.kind() {
            SelectorKind::Actor => &mut filter.actor,
            SelectorKind::Customer => &mut filter.customer,
            SelectorKind::Target => &mut filter.target,
            SelectorKind::Activities => return false,
        };
        let is_replaced = choice.replace_id(id, ERASED_NAME);
        let is_searched = filter.q.as_ref().is_some_and(|search| self.is_in(&String::from(search.clone())));
        if is_searched {
            filter.q = Some(Search::from(ERASED_NAME.to_owned()));
        }
        is_replaced || is_searched
    }

    /// Whether a text contains the erased id or one of the names, in any case.
    pub fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let names = self.names.iter().map(String::as_str).chain(self.selector.id());
        names.map(str::to_lowercase).any(|name| !name.is_empty() && text.contains(&name))
    }

    fn is_id(&self, text: &str) -> bool {
        self.selector.id().is_some_and(|id| id.eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_erased_person_and_value_are_replaced() {
        let selector = Selector::Actor("ana@contoso.example".to_owned());
        let names = BTreeSet::from(["Ana Trujillo".to_owned()]);
        let named = Named { selector: &selector, names: &names };
        for (subject, name, is_person) in [
            (Some("s"), "Ana Trujillo", true),
            (Some("ANA@contoso.example"), "x", true),
            (None, "ana@contoso.example", true),
            (Some("s"), "Ana", false),
        ] {
            let mut author = Author { subject: subject.map(str::to_owned), name: name.to_owned() };
            let before = author.clone();
            assert_eq!(named.clean_author(&mut author), is_person, "{before:?}");
            assert_eq!(author == before, !is_person);
        }
        let read = |json: &str| serde_json::from_str::<Filter>(json).unwrap();
        for (before, after) in [
            (r#"{"actor":["Ana@contoso.example","bob"]}"#, r#"{"actor":["erased","bob"]}"#),
            (r#"{"actor":["!ana@contoso.example"]}"#, r#"{"actor":["!erased"]}"#),
            (r#"{"customer":["ana@contoso.example"]}"#, r#"{"customer":["ana@contoso.example"]}"#),
            (r#"{"q":"orders of ana trujillo"}"#, r#"{"q":"erased"}"#),
            (r#"{"q":"orders"}"#, r#"{"q":"orders"}"#),
        ] {
            let mut filter = read(before);
            assert_eq!(named.clean_filter(&mut filter), before != after, "{before}");
            assert_eq!(filter, read(after));
        }
    }
}
