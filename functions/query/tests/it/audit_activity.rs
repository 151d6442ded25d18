//! The newer address of Partner Center's audit records.

use harness::{at, parsed, sent};
use serde_json::{Value, json};

use crate::support::{Installation, NOW};

const ROUTE: &str = "GET /auditactivity/v1/auditrecords";
const START: (&str, &str) = ("auditRequest.startDate", "2026-11-01T00:00:00Z");
const END: (&str, &str) = ("auditRequest.endDate", "2026-11-30");
const SIZE: (&str, &str) = ("auditRequest.size", "4");

async fn start() -> Installation {
    let installation = Installation::start().await;
    let activity = |number: usize| {
        let customer = if number.is_multiple_of(2) { "fabrikam" } else { "northwind" };
        let more = json!({"customer": {"id": customer, "name": format!("{customer} SARL")}});
        parsed(&sent(&format!("e-{number:02}"), &format!("2026-11-02T09:00:{number:02}Z"), &more), at(NOW))
    };
    installation.record((0..20).map(activity).collect()).await;
    installation
}

fn filter(field: &'static str, value: &'static str, operator: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("auditRequest.filter.field", field),
        ("auditRequest.filter.value", value),
        ("auditRequest.filter.operator", operator),
    ]
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn even() -> Vec<String> {
    (0..20).rev().filter(|number| number % 2 == 0).map(|number| format!("e-{number:02}")).collect()
}

#[tokio::test]
async fn seek_alone_goes_on_with_the_same_question() {
    let mut installation = start().await;
    let question = [vec![START, END, SIZE], filter("CustomerId", "fabrikam", "Equals")].concat();
    for repeated in [vec![], question.clone()] {
        let (mut page, mut found) = (installation.ask(ROUTE, "", &question).await.json(), Vec::new());
        loop {
            assert!(ids(&page).len() <= 4, "the token holds the size");
            found.extend(ids(&page));
            let Some(token) = page["continuationToken"].as_str() else { break };
            let next = format!("/auditactivity/v1/auditrecords?seek={token}");
            assert_eq!(page["links"]["next"], json!({"uri": next, "method": "GET", "headers": []}));
            let query = [repeated.clone(), vec![("seek", token)]].concat();
            page = installation.ask(ROUTE, "", &query).await.json();
        }
        assert_eq!(found, even());
        assert_eq!(page["links"].get("next"), None);
    }
}

#[tokio::test]
async fn seek_is_refused_with_another_question() {
    let mut installation = start().await;
    let page = installation.ask(ROUTE, "", &[START, END, SIZE]).await.json();
    let token = ("seek", page["continuationToken"].as_str().unwrap());
    for other in [
        vec![("auditRequest.startDate", "2026-10-31")],
        vec![("auditRequest.endDate", "2026-11-29")],
        filter("CustomerId", "fabrikam", "Equals"),
    ] {
        let answer = installation.ask(ROUTE, "", &[other, vec![token]].concat()).await;
        assert!(answer.status == 400 && answer.body.contains("/seek"), "{} {}", answer.status, answer.body);
    }
    assert_eq!(installation.ask(ROUTE, "", &[token, ("auditRequest.size", "7")]).await.json()["totalCount"], 7);
    assert_eq!(installation.ask(ROUTE, "", &[("seek", "bm9uZQ")]).await.status, 400);
}

#[tokio::test]
async fn filters_are_read_by_name_and_number() {
    let mut installation = start().await;
    for (field, value, operator) in [
        ("CustomerId", "fabrikam", "Equals"),
        ("customerid", "FABRIKAM", "0"),
        ("CompanyName", "ABRIK", "Substring"),
        ("CompanyName", "fabrikam s", "6"),
    ] {
        let query = [vec![START, END], filter(field, value, operator)].concat();
        assert_eq!(ids(&installation.ask(ROUTE, "", &query).await.json()), even(), "{field} {operator}");
    }
    let all = [vec![START, END], filter("ResourceType", "order", "0")].concat();
    assert_eq!(installation.ask(ROUTE, "", &all).await.json()["totalCount"], 20);
    for (bad, named) in [
        (filter("CustomerId", "fabrikam", "6"), "/auditRequest.filter"),
        (filter("Colour", "red", "0"), "/auditRequest.filter"),
        (filter("CustomerId", "", "0"), "/auditRequest.filter.value"),
        (vec![("auditRequest.filter.value", "fabrikam")], "/auditRequest.filter.field"),
        (vec![("auditRequest.size", "0")], "/auditRequest.size"),
        (vec![("auditRequest.startDate", "soon")], "/auditRequest.startDate"),
        (vec![("startDate", "2026-11-01")], "/startDate"),
    ] {
        let answer = installation.ask(ROUTE, "", &bad).await;
        assert!(answer.status == 400 && answer.body.contains(named), "{} {}", answer.status, answer.body);
    }
}
