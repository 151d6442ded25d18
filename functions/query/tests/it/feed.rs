//! The feed through its route.

use domain::activity::NewActivity;
use harness::{at, contoso, parsed, sent};
use serde_json::json;
use store::partners::{Feed, Settings};

use crate::support::{Installation, NOW};

const FEED: &str = "GET /v1/partners/{partner}/feed";
const BEGINS_AT: &str = "2026-11-01T00:00:00.000Z";
const CUSTOMERS: [Option<&str>; 4] = [Some("fabrikam"), None, Some("Northwind"), Some("FABRIKAM")];
const COUNT: usize = 20;

fn activity(number: usize) -> NewActivity {
    let customer = CUSTOMERS[number % CUSTOMERS.len()].map(|id| json!({"id": id}));
    // Later numbers occurred earlier.
    let occurred_at = format!("2026-10-02T09:30:{:02}Z", COUNT - number);
    parsed(&sent(&id(number), &occurred_at, &json!({"customer": customer, "details": {"n": number}})), at(NOW))
}

fn id(number: usize) -> String {
    format!("e-{number:03}")
}

/// A partner with a feed, and activities that were recorded a second apart.
async fn start() -> Installation {
    let installation = Installation::start().await;
    let (partners, feed) = (installation.stores.partners(), Some(Feed { begins_at: at(BEGINS_AT) }));
    let settings = Settings { feed, ..Settings::default() };
    assert!(partners.save(&contoso(), &Settings::default(), &settings).await.unwrap());
    let recorder = installation.stores.recorder(None);
    for number in 0..COUNT {
        let now = at(NOW).plus_seconds(i64::try_from(number).unwrap());
        recorder.record(activity(number).into_activity(contoso(), now), std::time::Duration::MAX).await.unwrap();
    }
    installation
}

/// Follows the feed to its end. Returns ids, and all positions.
async fn follow(installation: &mut Installation, customers: &[&str], limit: &str) -> (Vec<String>, Vec<String>) {
    let (mut found, mut positions) = (Vec::new(), Vec::<String>::new());
    loop {
        let mut query = vec![("limit", limit)];
        query.extend(positions.last().map(|after| ("after", after.as_str())));
        let page = installation.ask_restricted(customers, FEED, "", &query).await.json();
        let shown = page["activities"].as_array().unwrap();
        assert!(shown.iter().all(|each| each["details"].is_null() && each["has_details"] == true), "{page}");
        found.extend(shown.iter().map(|each| each["id"].as_str().unwrap().to_owned()));
        assert_eq!(page["begins_at"], BEGINS_AT);
        let after = page["after"].as_str().unwrap().to_owned();
        assert!(positions.last().is_none_or(|before| *before <= after));
        // The recordings of this test are weeks old, so the feed has an end.
        if page["complete_through"].as_str().unwrap() > "2026-11-02T13" {
            return (found, positions);
        }
        positions.push(after);
    }
}

#[tokio::test]
async fn feeds_show_only_the_callers_customers_and_name_no_others() {
    let mut installation = start().await;
    for customers in [&["*"][..], &["fabrikam"], &["NORTHWIND", "nobody"], &[]] {
        let is_visible = |number: &usize| {
            let customer = CUSTOMERS[number % CUSTOMERS.len()];
            let allowed = |customer: &str| customers.iter().any(|id| id.eq_ignore_ascii_case(customer));
            customers.contains(&"*") || customer.is_some_and(allowed)
        };
        let expected: Vec<_> = (0..COUNT).filter(is_visible).map(id).collect();
        for limit in ["1", "3", "1000"] {
            let (found, positions) = follow(&mut installation, customers, limit).await;
            assert_eq!(found, expected, "{customers:?} {limit}");
            for position in positions {
                let is_named = position
                    .split_once('#')
                    .and_then(|(_, activity)| activity.split_once('#'))
                    .map(|(_, id)| id.to_owned());
                assert!(is_named.is_none_or(|id| expected.contains(&id)), "{customers:?} {limit}: {position}");
                assert!(position.contains('#') || position.ends_with(".000Z"), "{position}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_position_or_too_old_is_refused() {
    let mut installation = start().await;
    let mut ask = async |query: &[(&str, &str)]| {
        let answer = installation.ask(FEED, "", query).await;
        (answer.status, answer.body)
    };
    for (query, pointer) in [
        (("after", "x"), "/after"),
        (("after", ""), "/after"),
        (("after", "2026-11-02T12:00:00Z"), "/after"),
        (("limit", "0"), "/limit"),
        (("limit", "1001"), "/limit"),
        (("customer", "fabrikam"), "/customer"),
    ] {
        let (status, body) = ask(&[query]).await;
        assert!(status == 400 && body.contains(pointer), "{query:?}: {status} {body}");
    }
    let (status, body) = ask(&[("after", "2026-10-31T23:59:59.999Z")]).await;
    assert!(status == 410 && body.contains(BEGINS_AT), "{status} {body}");
    // A position of the future stays where it is.
    let (status, body) = ask(&[("after", "2999-01-01T00:00:00.000Z")]).await;
    assert!(status == 200 && body.contains(r#""after":"2999-01-01T00:00:00.000Z""#), "{status} {body}");
    assert!(!body.contains(r#""complete_through":"2999"#), "{body}");
}

#[tokio::test]
async fn a_partner_without_a_feed_is_told_who_switches_it_on() {
    let mut installation = Installation::start().await;
    let answer = installation.ask(FEED, "", &[]).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("PUT /v1/partners/{partner}/settings"), "{}", answer.body);
}
