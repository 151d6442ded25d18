//! Counts through the function: answers, and the cursor from one call to the next.

use domain::activity::NewActivity;
use harness::{at, parsed, sent};
use serde_json::{Value, json};

use crate::support::{Installation, NOW};

const COUNTS: &str = "GET /v1/partners/{partner}/counts";
const OCTOBER: [(&str, &str); 3] = [("from", "2026-10-01"), ("to", "2026-10-31"), ("time_zone", "Europe/Paris")];

fn activity(number: usize, extra: &Value) -> NewActivity {
    let time = format!("2026-10-25T{:02}:{:02}:{:02}Z", number / 3_600, number / 60 % 60, number % 60);
    parsed(&sent(&format!("e-{number:05}"), &time, extra), at(NOW))
}

#[tokio::test]
async fn counts_have_every_bucket_and_the_values_of_each_facet() {
    let mut installation = Installation::start().await;
    installation
        .record(vec![
            activity(0, &json!({"customer": {"id": "fabrikam", "name": "Fabrikam SARL"}})),
            activity(1, &json!({"customer": {"id": "Fabrikam"}, "status": "failed", "source": "portal"})),
            activity(2, &json!({"action": "kms.decrypt"})),
        ])
        .await;
    let query = [&OCTOBER[..], &[("interval", "day"), ("by", "customer"), ("by", "category")]].concat();
    let counts = installation.ask(COUNTS, "", &query).await.json();
    assert_eq!(
        (&counts["total"], &counts["complete"], &counts["next_cursor"]),
        (&json!(3), &json!(true), &Value::Null)
    );
    let buckets = counts["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 31);
    assert_eq!(
        buckets[24],
        json!({
            "from": "2026-10-24T22:00:00.000000Z", "to": "2026-10-25T23:00:00.000000Z",
            "counts": {"succeeded": 2, "failed": 1, "in_progress": 0, "declined": 0},
        })
    );
    assert_eq!(buckets[23]["counts"], json!({"succeeded": 0, "failed": 0, "in_progress": 0, "declined": 0}));
    // The newest activity is counted first, so its spelling is the value's.
    assert_eq!(
        counts["by"],
        json!({
            "customer": [{"value": "Fabrikam", "name": "Fabrikam SARL", "count": 2}, {"value": null, "name": null, "count": 1}],
            "category": [{"value": "order", "name": null, "count": 2}, {"value": "other", "name": null, "count": 1}],
        })
    );
    assert_eq!(counts["range"]["time_zone"], "Europe/Paris");
    assert_eq!(counts["complete_through"].as_str().unwrap().len(), 24);

    let head = installation.ask(&COUNTS.replace("GET", "HEAD"), "", &query).await;
    assert_eq!((head.status, head.body.as_str(), head.header("content-type")), (200, "", Some("application/json")));
}

#[tokio::test]
async fn calls_add_up_when_values_are_many_and_long() {
    let mut installation = Installation::start().await;
    let count = 2_300;
    let name = "\"\\".repeat(128);
    let activities = (0..count).map(|number| {
        activity(number, &json!({"actor": {"id": format!("a-{number}"), "name": name}, "customer": {"id": format!("c-{number}"), "name": name}}))
    });
    installation.record(activities.collect()).await;
    let (mut total, mut actors, mut customers, mut calls, mut cursor) = (0, 0, 0, 0, None::<String>);
    loop {
        let mut query = [&OCTOBER[..], &[("by", "actor"), ("by", "customer"), ("interval", "hour")]].concat();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let answer = installation.ask(COUNTS, "", &query).await;
        let counts = answer.json();
        let sum = |facet: &str| {
            let values = counts["by"][facet].as_array().unwrap();
            assert!(values.len() <= 1_000);
            values.iter().map(|value| value["count"].as_u64().unwrap()).sum::<u64>()
        };
        total += counts["total"].as_u64().unwrap();
        (actors, customers) = (actors + sum("actor"), customers + sum("customer"));
        calls += 1;
        cursor = counts["next_cursor"].as_str().map(str::to_owned);
        assert_eq!(counts["complete"], cursor.is_none());
        let Some(cursor) = &cursor else { break };
        assert!(answer.header("link").unwrap().starts_with(&format!("<?cursor={cursor}&from=2026%2D10%2D01&")));
    }
    let count = u64::try_from(count).unwrap();
    assert_eq!((total, actors, customers, calls), (count, count, count, 3));
}

#[tokio::test]
async fn request_that_is_wrong_names_its_fields() {
    let mut installation = Installation::start().await;
    let query = [("interval", "minute"), ("by", "user"), ("match", "x"), ("from", "yesterday")];
    let answer = installation.ask(COUNTS, "", &query).await;
    assert_eq!(answer.status, 400);
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/from", "/interval", "/by"]);
    for (query, field) in [
        (vec![("limit", "1")], "/limit"),
        (vec![("from", "2020-01-01"), ("interval", "hour")], "/interval"),
        (vec![("cursor", "x")], "/cursor"),
    ] {
        let answer = installation.ask(COUNTS, "", &query).await;
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, problem["errors"][0]["pointer"].as_str()), (400, Some(field)));
    }
}
