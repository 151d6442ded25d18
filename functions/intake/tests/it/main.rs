//! The intake on real engines: what is recorded, what is tried again, and what goes to the dead letters at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use harness::{Fault, Faults, Sqs, Stores, at, contoso};
use intake::App;
use serde_json::{Value, json};
use store::queues::DeadLetters;

fn activity(id: &str) -> Value {
    json!({"id": id, "occurred_at": "2026-11-02T09:00:00Z", "action": "order.created", "actor": {"id": "ana"}})
}

/// Hands a message to the function; tells whether the queue delivers the message again.
async fn is_tried_again(stores: &Stores, dead: &Sqs, faults: Option<&Faults>, body: &str) -> bool {
    let app = App {
        recorder: stores.recorder(faults),
        dead_letters: DeadLetters::new(stores.sqs(dead, None), format!("{}/1/dead", dead.url)),
    };
    let event =
        json!({"Records": [{"messageId": "m-1", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}]});
    let event = serde_json::from_value(event).unwrap();
    let answer = intake::handle(&app, event, at("2026-11-02T09:30:00Z"), Duration::from_secs(30)).await.unwrap();
    !answer.batch_item_failures.is_empty()
}

#[tokio::test]
async fn a_message_that_can_never_succeed_is_a_dead_letter_at_once() {
    let (stores, dead) = (Stores::start().await, Sqs::start().await);
    let recorded = json!({"partner": "contoso", "activity": activity("e-1")}).to_string();
    assert!(!is_tried_again(&stores, &dead, None, &recorded).await);
    assert_eq!(dead.bodies(), Vec::<String>::new());
    let mut bad = activity("e-2");
    bad["action"] = json!("Order");
    let mut changed = activity("e-1");
    changed["status"] = json!("failed");
    let mut nameless = activity("");
    nameless.as_object_mut().unwrap().remove("id");
    let mixed = json!({"partner": "contoso", "activities": [activity("e-3"), bad, changed, nameless]}).to_string();
    for (body, partner, activities, reasons) in [
        (
            mixed,
            Some("contoso"),
            Some("e-2 e-1"),
            vec!["activity 1 (e-2): /action: ", "activity 2 (e-1): another", "activity 3: /id: "],
        ),
        ("no JSON".to_owned(), None, None, vec!["is not valid JSON"]),
        (json!({"partner": "a b", "activity": activity("e-4")}).to_string(), None, None, vec!["/partner: "]),
        (
            json!({"partner": "a", "activity": {}, "colour": 1, "activities": 5}).to_string(),
            None,
            None,
            vec!["/colour: ", "/activities: "],
        ),
    ] {
        assert!(!is_tried_again(&stores, &dead, None, &body).await, "{body}");
        assert_eq!(dead.attributes("partner"), [partner.map(str::to_owned)]);
        assert_eq!(dead.attributes("activities"), [activities.map(str::to_owned)]);
        let reason = dead.attributes("reason").remove(0).unwrap();
        assert!(reasons.iter().all(|part| reason.contains(part)), "{reason}");
        assert_eq!(dead.take(), [body]);
    }
    let found = stores.ledger(None).find(&contoso(), at("2026-11-02T09:00:00Z"), &id("e-3")).await.unwrap();
    assert!(found.is_some(), "the good activity beside them is recorded");
}

fn id(text: &str) -> domain::activity::ActivityId {
    domain::activity::ActivityId::parse(text).unwrap()
}

#[tokio::test]
async fn a_message_is_tried_again_when_the_storage_fails() {
    let (stores, dead) = (Stores::start().await, Sqs::start().await);
    let mut bad = activity("e-2");
    bad["action"] = json!("Order");
    let body = json!({"partner": "contoso", "activities": [activity("e-1"), bad]}).to_string();
    let failing = Faults::from(0, Fault::Failed);
    assert!(is_tried_again(&stores, &dead, Some(&failing), &body).await);
    assert_eq!(dead.bodies(), Vec::<String>::new(), "not a dead letter yet");
    assert!(!is_tried_again(&stores, &dead, None, &body).await);
    assert_eq!(dead.take(), [body], "once the good activity is recorded");
}
