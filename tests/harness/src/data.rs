//! Activities and their parts, in short form.

use domain::{
    activity::{Activity, ActivityId, NewActivity, PartnerId},
    time::Instant,
};
use store::{error::Error, ledger::Ledger};

/// Parses an instant.
pub fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// Parses a partner's id.
pub fn partner(name: &str) -> PartnerId {
    PartnerId::parse(name).unwrap()
}

/// The partner of tests that need only one.
pub fn contoso() -> PartnerId {
    partner("contoso")
}

/// The JSON of an activity with the members of `extra`.
pub fn sent(id: &str, occurred_at: &str, extra: &serde_json::Value) -> String {
    let mut json = serde_json::json!({
        "id": id, "occurred_at": occurred_at, "action": "order.created", "actor": {"id": "ana@contoso.example"},
    });
    json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json.to_string()
}

/// Parses an activity that is sent at `now`.
pub fn parsed(json: &str, now: Instant) -> NewActivity {
    NewActivity::parse(json, now).unwrap()
}

/// Turns activities into those of a partner, recorded at `now`.
pub fn activities(partner: &PartnerId, sent: Vec<NewActivity>, now: Instant) -> Vec<Activity> {
    sent.into_iter().map(|new| new.into_activity(partner.clone(), now)).collect()
}

/// Finds a recorded activity and loads its details.
///
/// # Errors
/// When a store fails.
pub async fn find_complete(
    ledger: &Ledger,
    partner: &PartnerId,
    occurred_at: Instant,
    id: &ActivityId,
) -> Result<Option<Activity>, Error> {
    match ledger.find(partner, occurred_at, id).await? {
        Some(found) => ledger.load_details(found).await.map(Some),
        None => Ok(None),
    }
}
