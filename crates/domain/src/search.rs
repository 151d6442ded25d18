//! Text search in activities: the texts that are searched, and how texts are compared.
//!
//! People type what they see: labels instead of actions, letters without accents, another apostrophe than the recorded one.
//! So both sides are folded before they are compared. Folding costs time for each activity, so only a search does it.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    actions::{searched_labels, status_label},
    activity::{Activity, Status},
    fold::{fold, fold_all, fold_into},
    locale::Locale,
};

/// The character between the texts of an activity. No word contains white space, so no word matches across two texts.
const SEPARATOR: char = '\n';

/// Words that an activity must contain, each of them in any of the activity's texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Search {
    /// The words as they were sent.
    text: String,
    /// The folded words.
    words: Vec<String>,
}

impl Search {
    /// Reads words that white space separates.
    ///
    /// # Errors
    /// A message for a text without words, because every activity would contain them all.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty: leave it out to ask for everything, or give at least one word".to_owned());
        }
        Ok(Self::from(text.to_owned()))
    }

    /// Tells whether an activity contains every word.
    pub fn matches(&self, activity: &Activity<&str>) -> bool {
        let texts = searched_texts(activity);
        self.words.iter().all(|word| texts.contains(word.as_str()))
    }
}

impl From<String> for Search {
    fn from(text: String) -> Self {
        let mut words: Vec<String> = fold(&text).split_whitespace().map(str::to_owned).collect();
        if words.is_empty() && !text.trim().is_empty() {
            // Nothing but accents: kept as sent, so that the search finds nothing instead of everything.
            words.push(text.trim().to_owned());
        }
        Self { text, words }
    }
}

impl From<Search> for String {
    fn from(search: Search) -> Self {
        search.text
    }
}

impl PartialEq for Search {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Search {}

/// Returns the searched texts of an activity, folded.
fn searched_texts(activity: &Activity<&str>) -> String {
    let entry = &activity.entry;
    let (customer, actor, target) = (entry.customer.as_ref(), &entry.actor, entry.target.as_ref());
    let own = [
        Some(activity.id.as_str()),
        customer.map(|customer| customer.id),
        customer.and_then(|customer| customer.name),
        Some(actor.id),
        actor.name,
        actor.role,
        actor.ip,
        Some(entry.action.as_str()),
        Some(entry.status.as_str()),
        target.and_then(|target| target.kind),
        target.and_then(|target| target.id),
        target.and_then(|target| target.name),
        entry.correlation_id,
        entry.reason,
    ];
    let mut texts = String::with_capacity(1_024);
    for text in own.into_iter().flatten() {
        fold_into(&mut texts, text);
        texts.push(SEPARATOR);
    }
    texts.push_str(searched_labels(entry.action.as_str()));
    texts.push(SEPARATOR);
    texts.push_str(&STATUS_LABELS[entry.status as usize]);
    texts
}

/// The folded labels of each status in every language, in the order of the statuses.
static STATUS_LABELS: LazyLock<[String; 4]> = LazyLock::new(|| {
    [Status::Succeeded, Status::Failed, Status::InProgress, Status::Declined]
        .map(|status| fold_all([Locale::En, Locale::Fr].map(|locale| status_label(status, locale))))
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        activity::{NewActivity, PartnerId},
        time::Instant,
    };

    fn activity(json: &str) -> Activity {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        NewActivity::parse(json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    fn finds(activity: &Activity, q: &str) -> bool {
        Search::parse(q).unwrap().matches(&activity.borrowed())
    }

    #[test]
    fn search_finds_what_people_see() {
        let created = activity(
            r#"{"id":"evt-77","occurred_at":"2026-11-02T09:30:00Z","action":"order.created","status":"declined",
            "actor":{"id":"ana@contoso.example","name":"Ana Ñuñez","role":"admin_agent","ip":"203.0.113.7"},
            "customer":{"id":"c-1","name":"Société de l’Été"},"target":{"type":"purchase","id":"o-1","name":"Œuvre n° 5"},
            "correlation_id":"trace-5f"}"#,
        );
        for q in [
            "societe",
            "SOCIÉTÉ",
            "Socie\u{301}te\u{301}",
            "l'ete",
            "l’été",
            "l´ete",
            "nunez ana",
            "Order created",
            "created order",
            "Création de commande",
            "creation commande",
            "declined",
            "Refus",
            "refus",
            "evt-77",
            "TRACE-5F",
            "203.0.113",
            "admin_agent",
            "purchase",
            "oeuvre",
            "OEUVRE n° 5",
            "ŒUVRE",
            "c-1",
            "O-1",
            "contoso.example",
            "ana\u{a0}refus\tsociete",
        ] {
            assert!(finds(&created, q), "{q}");
        }
        for q in ["Succeeded", "Réussite", "nowhere", "societe nowhere", "invoice", "\u{301}", "annul", "c-1\u{301}x"]
        {
            assert!(!finds(&created, q), "{q}");
        }
    }

    #[test]
    fn search_does_not_match_across_two_texts() {
        let one = activity(
            r#"{"id":"ab","occurred_at":"2026-11-02T09:30:00Z","action":"x.y","actor":{"id":"cd"},"customer":{"id":"ef"}}"#,
        );
        for q in ["abef", "efcd", "cdx.y"] {
            assert!(!finds(&one, q), "{q}");
        }
        assert!(finds(&one, "cd ab ef"));
    }

    #[test]
    fn search_without_words_is_refused() {
        for q in ["", " ", "\t\u{a0}\n"] {
            assert!(Search::parse(q).is_err(), "{q:?}");
        }
        let search: Search = serde_json::from_str("\" Été \"").unwrap();
        assert_eq!(serde_json::to_string(&search).unwrap(), "\" Été \"", "shown as it was sent");
        assert_eq!(search, Search::parse(" Été ").unwrap());
        assert_ne!(search, Search::parse("ete").unwrap());
    }

    #[test]
    fn every_status_is_found_by_its_labels() {
        for status in ["succeeded", "failed", "in_progress", "declined"] {
            let json = format!(
                r#"{{"id":"a","occurred_at":"2026-11-02T09:30:00Z","action":"x.y","status":"{status}","actor":{{"id":"b"}}}}"#
            );
            for locale in [Locale::En, Locale::Fr] {
                assert!(finds(&activity(&json), status_label(Status::parse(status).unwrap(), locale)), "{status}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_by_any_part_of_it(name in "[a-zA-ZÀ-ÿ' ]{1,20}", start in 0..20usize, length in 1..20usize) {
            let part: String = name.chars().skip(start).take(length).collect();
            prop_assume!(!part.trim().is_empty() && !name.trim().is_empty());
            let json = serde_json::json!({"occurred_at": "2026-11-02T09:30:00Z", "action": "x.y", "actor": {"id": "b", "name": name}});
            let activity = activity(&json.to_string());
            prop_assert!(finds(&activity, &part));
            prop_assert!(finds(&activity, &part.to_uppercase()));
        }
    }
}
