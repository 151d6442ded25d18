//! Answers stay below the size that Lambda takes from a function.

use domain::activity::NewActivity;
use harness::{at, parsed, sent};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::support::{Installation, NOW};

const LIST: &str = "GET /v1/partners/{partner}/activities";
const LIST_OF_CUSTOMER: &str = "GET /v1/partners/{partner}/customers/{customer}/activities";
const SHOW: &str = "GET /v1/partners/{partner}/activities/{id}";
const DETAILS: &str = "GET /v1/partners/{partner}/activities/{id}/details";
const NOVEMBER: [(&str, &str); 2] = [("from", "2026-11-01"), ("to", "2026-11-30")];
/// Activities full of quotes: 2.6 KB each as stored, more than 10 KB each as sent.
const COUNT: usize = 650;

/// An activity whose texts are full of quotes.
fn quoted(number: usize) -> NewActivity {
    let quotes = |count| "\"".repeat(count);
    let name = quotes(256);
    let texts = json!({
        "actor": {"id": "ana", "name": name, "role": quotes(128), "user_agent": quotes(1_024)},
        "customer": {"id": "fabrikam", "name": name},
        "target": {"id": quotes(128), "name": name},
        "changes": [{"field": name, "old": name, "new": "\n".repeat(100)}],
    });
    parsed(&sent(&format!("e-{number:04}"), &format!("2026-11-02T09:00:00.{number:06}Z"), &texts), at(NOW))
}

fn ids(listed: &Value) -> Vec<String> {
    listed.as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()).collect()
}

fn newest_first() -> Vec<String> {
    (0..COUNT).rev().map(|number| format!("e-{number:04}")).collect()
}

#[tokio::test]
async fn pages_full_of_quotes_are_shorter_and_complete() {
    let mut installation = Installation::start().await;
    installation.record((0..COUNT).map(quoted).collect()).await;

    for route in [LIST, LIST_OF_CUSTOMER] {
        let (mut found, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let mut query = vec![("from", "2026-11-01"), ("to", "2026-11-30"), ("limit", "1000")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = installation.ask(route, "", &query).await.json();
            found.extend(ids(&page["activities"]));
            pages += 1;
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((found, pages), (newest_first(), 2), "{route}");
    }

    // The same activities as records have their changes as JSON inside JSON.
    let (mut found, mut seek, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let mut query = vec![
            ("auditRequest.startDate", "2026-11-01"),
            ("auditRequest.endDate", "2026-11-30"),
            ("auditRequest.size", "1000"),
        ];
        query.extend(seek.as_deref().map(|seek| ("seek", seek)));
        let page = installation.ask("GET /auditactivity/v1/auditrecords", "", &query).await.json();
        assert_eq!(page["totalCount"], page["items"].as_array().unwrap().len());
        found.extend(ids(&page["items"]));
        pages += 1;
        seek = page["continuationToken"].as_str().map(str::to_owned);
        if seek.is_none() {
            break;
        }
    }
    assert_eq!(found, newest_first());
    assert!(pages > 1, "{pages}");
}

#[tokio::test]
async fn details_that_do_not_fit_lead_to_a_file() {
    let mut installation = Installation::start().await;
    let with = |id: &str, text: String| {
        parsed(&sent(id, "2026-11-02T09:30:00Z", &json!({"details": {"text": text}})), at(NOW))
    };
    installation.record(vec![with("quotes", "\"".repeat(2_600_000)), with("letters", "é".repeat(2_600_000))]).await;
    let at = [("occurred_at", "2026-11-02T09:30:00Z")];

    let whole = installation.ask(SHOW, "letters", &at).await.json();
    assert_eq!(whole["details"]["text"].as_str().map(str::len), Some(5_200_000));
    assert_eq!(whole.get("details_url"), None);

    let shown = installation.ask(SHOW, "quotes", &at).await.json();
    assert_eq!((&shown["details"], &shown["details_size"]), (&Value::Null, &json!(5_200_011)));
    let address = "/v1/partners/contoso/activities/quotes/details?occurred_at=2026-11-02T09:30:00.000000Z";
    assert_eq!(shown["details_url"], address);

    let details = json!({"text": "\"".repeat(2_600_000)}).to_string().into_bytes();
    let mut links = Vec::new();
    for (route, query) in [
        (DETAILS, vec![at[0]]),
        (DETAILS.replace("GET", "HEAD").as_str(), vec![at[0]]),
        (DETAILS, vec![at[0], ("redirect", "false")]),
    ] {
        let answer = installation.ask(route, "quotes", &query).await;
        let link = match answer.status {
            303 => answer.header("location").unwrap().to_owned(),
            _ => answer.json()["url"].as_str().unwrap().to_owned(),
        };
        let (path, signed) = link.split_once('?').unwrap();
        assert!(signed.contains("X-Amz-Expires=300"), "{signed}");
        assert!(
            percent_decode_str(signed).decode_utf8_lossy().contains("filename=\"details_quotes.json\""),
            "{signed}"
        );
        let key = path.split_once("/data/").unwrap().1.to_owned();
        assert!(key.starts_with("downloads/contoso/2026-11/"), "{key}");
        assert_eq!(installation.stores.object(&key).await.as_ref(), Some(&details));
        links.push((answer.status, key));
    }
    assert_eq!(links.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [303, 303, 200]);
    assert!(links.iter().all(|(_, key)| *key == links[0].1), "one object for the same details");
}

#[tokio::test]
async fn activity_without_details_has_no_file() {
    let mut installation = Installation::start().await;
    installation.record(vec![parsed(&sent("none", "2026-11-02T09:30:00Z", &json!({})), at(NOW))]).await;
    let at = [("occurred_at", "2026-11-02T09:30:00Z")];
    assert_eq!(installation.ask(DETAILS, "none", &at).await.status, 404);
    assert_eq!(installation.ask(DETAILS, "unknown", &at).await.status, 404);
    assert_eq!(installation.ask(DETAILS, "none", &[]).await.status, 400);
    assert!(installation.stores.objects("downloads/").await.is_empty());
    let (list, head) = (LIST, LIST.replace("GET", "HEAD"));
    let (get, head) = (installation.ask(list, "", &NOVEMBER).await, installation.ask(&head, "", &NOVEMBER).await);
    assert_eq!((get.status, head.status, head.body.as_str()), (200, 200, ""));
    assert_eq!(get.header("content-type"), head.header("content-type"));
}
