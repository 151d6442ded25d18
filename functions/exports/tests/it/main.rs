//! The routes of exports, on real engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod restriction;

use domain::recipient::Reach;
use export::Files;
use exports::App;
use harness::{BUCKET, GRACE_SECONDS, Sqs, Stores, at, request_event};
use lambda::payload;
use lambda_http::request::from_str;
use serde_json::{Value, json};
use store::{months::Rules, queues::ExportQueue};

const COLLECTION: &str = "/v1/partners/{partner}/exports";
/// Exports whose filters are full of quotes: 200 KB each, as Lambda carries them.
const COUNT: usize = 40;

fn app(stores: &Stores, sqs: &Sqs) -> App {
    App {
        control: stores.control(None),
        partners: stores.partners(),
        limits: None,
        queue: ExportQueue::new(stores.sqs(sqs, None), format!("{}/1/exports", sqs.url)),
        audit: stores.audit(None),
        files: Files::new(stores.s3(None), BUCKET.into()),
        rules: Rules { grace_seconds: GRACE_SECONDS, retention_seconds: 30 * 86_400 },
        reach: Reach::new(true, ""),
    }
}

/// Asks for the collection of exports of `contoso`.
async fn ask(app: &App, method: &str, body: &Value, query: &[(&str, &str)], now: &str) -> Value {
    let mut event = request_event(&format!("{method} {COLLECTION}"), &json!({"partner": "contoso"}), query);
    event["body"] = json!(body.to_string());
    let response = exports::handle(app, from_str(&event.to_string()).unwrap(), at(now)).await.unwrap();
    assert!(payload::fits(&response), "Lambda refuses {} bytes", payload::answer_bytes(&response));
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn list_of_large_filters_is_shorter_and_complete() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs);
    let values = vec!["\"".repeat(256); 50];
    let wanted = json!({
        "from": "2026-10-01", "to": "2026-10-31",
        "customer": values, "actor": values, "target_type": values, "target": values,
    });
    let mut made = Vec::new();
    for number in 0..COUNT {
        let export = ask(&app, "POST", &wanted, &[], &format!("2026-11-02T09:30:{number:02}Z")).await;
        made.push(export["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    let (mut found, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let mut query = vec![("limit", "100")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = ask(&app, "GET", &Value::Null, &query, "2026-11-02T10:00:00Z").await;
        found.extend(page["exports"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()));
        pages += 1;
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, made);
    assert!(pages > 1, "{pages}");
}
