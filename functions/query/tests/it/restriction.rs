//! Callers who may see some customers' activities only, through every route.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{activity::NewActivity, time::Month};
use harness::{at, contoso, parsed, sent};
use serde_json::{Value, json};
use store::partners::{Settings, ShardsFrom};

use crate::support::{Answer, Installation, NOW};

const LIST: &str = "GET /v1/partners/{partner}/activities";
const LIST_OF_CUSTOMER: &str = "GET /v1/partners/{partner}/customers/{customer}/activities";
const SHOW: &str = "GET /v1/partners/{partner}/activities/{id}";
const DETAILS: &str = "GET /v1/partners/{partner}/activities/{id}/details";
const COUNTS: &str = "GET /v1/partners/{partner}/counts";
const AUDIT: &str = "GET /v1/auditrecords";
const NEWER_AUDIT: &str = "GET /auditactivity/v1/auditrecords";
const NOVEMBER: [(&str, &str); 2] = [("from", "2026-11-01"), ("to", "2026-11-30")];

/// The customers of the activities, in turns; some activities have none.
const CUSTOMERS: [Option<&str>; 5] = [Some("fabrikam"), None, Some("Northwind"), Some("tailspin"), Some("FABRIKAM")];
/// Customers without activities, so that a list of them is read from the table and not from the index.
const OTHERS: [&str; 9] = ["o-1", "o-2", "o-3", "o-4", "o-5", "o-6", "o-7", "o-8", "o-9"];
const COUNT: usize = 40;

/// An activity whose time is that of its neighbours, sometimes.
fn activity(number: usize) -> NewActivity {
    let customer = CUSTOMERS[number % CUSTOMERS.len()];
    let extra = json!({
        "customer": customer.map(|id| json!({"id": id, "name": format!("{id} SARL")})),
        "status": if number.is_multiple_of(3) { "failed" } else { "succeeded" },
        "details": {"number": number},
    });
    parsed(&sent(&id(number), &time(number), &extra), at(NOW))
}

fn id(number: usize) -> String {
    format!("e-{number:03}")
}

fn time(number: usize) -> String {
    format!("2026-11-02T09:30:{:02}Z", number / 2)
}

/// Returns the ids of the activities that a restriction shows, newest first.
fn visible(ids: &[&str], accepts: impl Fn(usize) -> bool) -> Vec<String> {
    let is_visible = |number: &usize| {
        let customer = CUSTOMERS[number % CUSTOMERS.len()];
        let allowed = |customer: &str| ids.iter().any(|id| *id == "*" || id.eq_ignore_ascii_case(customer));
        customer.map_or(ids.contains(&"*"), allowed) && accepts(*number)
    };
    (0..COUNT).rev().filter(is_visible).map(id).collect()
}

/// The restrictions that are tried. The last ones are read from the table.
fn restrictions() -> Vec<Vec<&'static str>> {
    vec![
        vec!["*"],
        vec![],
        vec!["fabrikam"],
        vec!["NORTHWIND"],
        vec!["fabrikam", "northwind"],
        vec!["nobody"],
        [&["Fabrikam"], &OTHERS[..]].concat(),
        [&["northwind", "tailspin"], &OTHERS[..]].concat(),
        OTHERS.to_vec(),
    ]
}

async fn start() -> Installation {
    let installation = Installation::start().await;
    installation.record((0..COUNT).map(activity).collect()).await;
    installation
}

/// Returns the members `name` of all pages' items, and checks that no cursor names an activity that is not among them.
async fn follow(
    installation: &mut Installation,
    ids: &[&str],
    (route, items, next, parameter): (&str, &str, &str, &str),
    query: &[(&str, &str)],
) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut asked = query.to_vec();
        asked.extend(cursor.as_deref().map(|cursor| (parameter, cursor)));
        let page = installation.ask_restricted(ids, route, "", &asked).await.json();
        found.extend(page[items].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap().to_owned()));
        cursor = page[next].as_str().map(str::to_owned);
        let Some(cursor) = &cursor else { return found };
        check_cursor(cursor, &found);
    }
}

/// Checks that a cursor names no activity, or one that was shown.
fn check_cursor(cursor: &str, shown: &[String]) {
    let decoded: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
    let (instant, id) = decoded["after"].as_str().unwrap().split_once('#').unwrap();
    let is_shown = shown.iter().any(|shown| shown == id);
    assert!(is_shown || (id.is_empty() && instant.ends_with(".000000Z")), "{decoded}");
}

#[tokio::test]
async fn lists_show_only_the_callers_customers() {
    let mut installation = start().await;
    let of_list = (LIST, "activities", "next_cursor", "cursor");
    for ids in restrictions() {
        for limit in ["1", "3", "1000"] {
            let all = follow(&mut installation, &ids, of_list, &[&NOVEMBER[..], &[("limit", limit)]].concat()).await;
            assert_eq!(all, visible(&ids, |_| true), "{ids:?} {limit}");
            let query = [&NOVEMBER[..], &[("limit", limit), ("order", "asc")]].concat();
            let mut ascending = follow(&mut installation, &ids, of_list, &query).await;
            ascending.reverse();
            assert_eq!(ascending, all, "{ids:?} {limit}");
        }
        let is = |name: &'static str| {
            move |number: usize| CUSTOMERS[number % 5].is_some_and(|id| id.eq_ignore_ascii_case(name))
        };
        for (filter, expected) in [
            (vec![("status", "failed")], visible(&ids, |number| number.is_multiple_of(3))),
            (vec![("customer", "Tailspin")], visible(&ids, is("tailspin"))),
            (vec![("customer", "!Fabrikam")], visible(&ids, |number| !is("fabrikam")(number))),
            (vec![("customer", "fabrikam"), ("customer", "!fabrikam")], vec![]),
            (vec![("customer", "fabrikam"), ("q", "sarl")], visible(&ids, is("fabrikam"))),
            (vec![("q", "northwind")], visible(&ids, is("northwind"))),
        ] {
            let query = [&NOVEMBER[..], &filter].concat();
            assert_eq!(follow(&mut installation, &ids, of_list, &query).await, expected, "{ids:?} {filter:?}");
        }
        // The path of the test's requests names fabrikam.
        let of_customer = (LIST_OF_CUSTOMER, "activities", "next_cursor", "cursor");
        let found = follow(&mut installation, &ids, of_customer, &NOVEMBER).await;
        assert_eq!(found, visible(&ids, is("fabrikam")), "{ids:?}");
    }
}

#[tokio::test]
async fn counts_are_those_of_the_list() {
    let mut installation = start().await;
    for ids in restrictions() {
        let query = [&NOVEMBER[..], &[("by", "customer"), ("by", "status"), ("interval", "month")]].concat();
        let counts = installation.ask_restricted(&ids, COUNTS, "", &query).await.json();
        assert_eq!((&counts["total"], &counts["complete"]), (&json!(visible(&ids, |_| true).len()), &json!(true)));
        let failed = visible(&ids, |number| number.is_multiple_of(3)).len();
        assert_eq!(counts["buckets"][0]["counts"]["failed"], json!(failed), "{ids:?}");
        let named: BTreeSet<String> = counts["by"]["customer"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value["value"].as_str().unwrap_or("none").to_ascii_lowercase())
            .collect();
        let allowed = |name: &str| ids.iter().any(|id| *id == "*" || id.eq_ignore_ascii_case(name));
        let mut expected: BTreeSet<String> =
            ["fabrikam", "northwind", "tailspin"].into_iter().filter(|name| allowed(name)).map(str::to_owned).collect();
        expected.extend(ids.contains(&"*").then(|| "none".to_owned()));
        assert_eq!(named, expected, "{ids:?}");
        let outside = [&NOVEMBER[..], &[("customer", "tailspin"), ("match", "tail"), ("by", "customer")]].concat();
        let counts = installation.ask_restricted(&ids, COUNTS, "", &outside).await.json();
        assert_eq!(counts["total"], json!(if allowed("tailspin") { 8 } else { 0 }), "{ids:?}");
    }
}

#[tokio::test]
async fn audit_records_show_only_the_callers_customers() {
    let mut installation = start().await;
    for ids in restrictions() {
        let all = visible(&ids, |_| true);
        let period = [("startDate", "2026-11-01"), ("endDate", "2026-11-30")];
        let records = installation.ask_restricted(&ids, AUDIT, "", &period).await.json();
        let found: Vec<&str> =
            records["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(found, all, "{ids:?}");
        let newer = (NEWER_AUDIT, "items", "continuationToken", "seek");
        let period = [("auditRequest.startDate", "2026-11-01"), ("auditRequest.endDate", "2026-11-30")];
        let mut query = [&period[..], &[("auditRequest.size", "3")]].concat();
        assert_eq!(follow(&mut installation, &ids, newer, &query).await, all, "{ids:?}");
        for (field, value, name) in [
            ("CompanyName", "tailspin s", "tailspin"),
            ("CustomerId", "NORTHWIND", "northwind"),
            ("ResourceType", "order", ""),
        ] {
            query.truncate(3);
            query.extend([("auditRequest.filter.field", field), ("auditRequest.filter.value", value)]);
            let is_wanted = |number: usize| {
                name.is_empty() || CUSTOMERS[number % 5].is_some_and(|customer| customer.eq_ignore_ascii_case(name))
            };
            let found = follow(&mut installation, &ids, newer, &query).await;
            assert_eq!(found, visible(&ids, is_wanted), "{ids:?} {field}");
        }
    }
}

#[tokio::test]
async fn activity_of_another_customer_does_not_exist() {
    let mut installation = start().await;
    let mut absent = BTreeSet::new();
    for ids in restrictions() {
        let all = visible(&ids, |_| true);
        for number in 0..10 {
            let (id, time) = (id(number), time(number));
            let query = [("occurred_at", time.as_str())];
            let show = installation.ask_restricted(&ids, SHOW, &id, &query).await;
            let details = installation.ask_restricted(&ids, DETAILS, &id, &query).await;
            if all.contains(&id) {
                assert_eq!((show.status, details.status), (200, 303), "{ids:?} {id}");
                assert_eq!(show.json()["details"], json!({"number": number}));
            } else {
                assert_eq!((show.status, details.status), (404, 404), "{ids:?} {id}");
                absent.extend([show.body, details.body]);
            }
        }
    }
    let unknown = installation.ask_restricted(&["fabrikam"], SHOW, "unknown", &[("occurred_at", &time(0))]).await;
    absent.insert(unknown.body);
    assert_eq!(absent.len(), 1, "the answer does not tell why: {absent:?}");
    assert!(installation.stores.objects("downloads/").await.len() <= 10, "no file is written for a refused request");
}

#[tokio::test]
async fn known_tag_does_not_reveal_an_activity() {
    let mut installation = start().await;
    // Number 1 has no customer.
    let time = time(1);
    let query = [("occurred_at", time.as_str())];
    let tag = installation.ask_restricted(&["*"], SHOW, &id(1), &query).await.header("etag").unwrap().to_owned();
    for (ids, status) in [(&["*"][..], 304), (&["fabrikam"], 404), (&[], 404)] {
        for known in [tag.as_str(), "*"] {
            let answer = installation.ask_with_tag(ids, SHOW, &id(1), &query, known).await;
            assert_eq!(answer.status, status, "{ids:?} {known}");
        }
    }
}

#[tokio::test]
async fn cursor_is_refused_after_the_restriction_changed() {
    let mut installation = start().await;
    let wide = [&["fabrikam", "tailspin"], &OTHERS[..]].concat();
    let first = [&NOVEMBER[..], &[("limit", "2")]].concat();
    let audit = vec![
        ("auditRequest.startDate", "2026-11-01"),
        ("auditRequest.endDate", "2026-11-30"),
        ("auditRequest.size", "2"),
    ];
    for (route, query, next, parameter) in
        [(LIST, first, "next_cursor", "cursor"), (NEWER_AUDIT, audit, "continuationToken", "seek")]
    {
        let page = installation.ask_restricted(&wide, route, "", &query).await.json();
        let cursor = page[next].as_str().unwrap();
        let query = [&query[..], &[(parameter, cursor)]].concat();
        for (ids, status) in [(&wide[..], 200), (&["fabrikam"], 400), (&["*"], 400), (&[], 400), (&wide[1..], 400)] {
            assert_eq!(installation.ask_restricted(ids, route, "", &query).await.status, status, "{route} {ids:?}");
        }
    }
    // A cursor of the whole log is no use to somebody who is restricted since.
    let page = installation.ask_restricted(&["*"], LIST, "", &[&NOVEMBER[..], &[("limit", "2")]].concat()).await.json();
    let query = [&NOVEMBER[..], &[("limit", "2"), ("cursor", page["next_cursor"].as_str().unwrap())]].concat();
    assert_eq!(installation.ask_restricted(&["fabrikam"], LIST, "", &query).await.status, 400);
    assert_eq!(installation.ask_restricted(&["*"], LIST, "", &query).await.status, 200);
}

/// Records two activities of one customer, and between them many of another one, in 16 partitions and two seconds. A page reads
/// some 1,550 of them.
async fn start_with_shards() -> Installation {
    let installation = Installation::start().await;
    let planned = ShardsFrom { from: Month::parse("2026-01").unwrap(), shards: 16 };
    let (none, settings) = (Settings::default(), Settings::default().with_shards(planned));
    assert!(installation.stores.partners().save(&contoso(), &none, &settings).await.unwrap());
    let activity = |number: usize| {
        let customer = if number.is_multiple_of(3_400) { "fabrikam" } else { "northwind" };
        let time = format!("2026-11-02T09:30:{:02}.{:06}Z", number / 1_750, number % 1_750);
        parsed(&sent(&format!("{customer}-{number:05}"), &time, &json!({"customer": {"id": customer}})), at(NOW))
    };
    installation.record((0..3_500).map(activity).collect()).await;
    installation
}

#[tokio::test]
async fn cursor_names_no_activity_of_another_customer() {
    let mut installation = start_with_shards().await;
    let ids = [&["fabrikam"], &OTHERS[..]].concat();
    let of_list = (LIST, "activities", "next_cursor", "cursor");
    for (order, expected) in
        [("desc", ["fabrikam-03400", "fabrikam-00000"]), ("asc", ["fabrikam-00000", "fabrikam-03400"])]
    {
        for limit in ["1", "1000"] {
            let query = [&NOVEMBER[..], &[("limit", limit), ("order", order)]].concat();
            assert_eq!(follow(&mut installation, &ids, of_list, &query).await, expected, "{order} {limit}");
        }
        let query = [&NOVEMBER[..], &[("order", order)]].concat();
        assert_eq!(follow(&mut installation, &OTHERS, of_list, &query).await, [""; 0], "{order}");
    }
    // Without a restriction, a cursor may name any activity.
    let query = [&NOVEMBER[..], &[("q", "nowhere")]].concat();
    let page = installation.ask_restricted(&["*"], LIST, "", &query).await.json();
    let decoded = URL_SAFE_NO_PAD.decode(page["next_cursor"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(decoded).unwrap().contains("#northwind-"));
}

#[tokio::test]
async fn counts_go_on_behind_what_was_counted() {
    let mut installation = Installation::start().await;
    // An answer has room for 1,000 actors. The first call in ascending order ends before the 1,001st, behind activities of
    // another customer within the second of the last one that was counted.
    let activity = |number: usize| {
        let is_own = (5..1_005).contains(&number) || number > 1_007;
        let customer = if is_own { "fabrikam" } else { "northwind" };
        let time = format!("2026-11-02T09:{:02}:{:02}.{:03}Z", number / 600, number / 10 % 60, 3 * (number % 10));
        let extra = json!({"customer": {"id": customer}, "actor": {"id": format!("a-{number}")}});
        parsed(&sent(&format!("{customer}-{number:05}"), &time, &extra), at(NOW))
    };
    installation.record((0..1_200).map(activity).collect()).await;
    let ids = [&["fabrikam"], &OTHERS[..]].concat();
    for order in ["asc", "desc"] {
        let (mut total, mut actors, mut calls, mut cursor) = (0, BTreeSet::new(), 0, None::<String>);
        loop {
            let mut query = [&NOVEMBER[..], &[("by", "actor"), ("order", order)]].concat();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let counts = installation.ask_restricted(&ids, COUNTS, "", &query).await.json();
            total += counts["total"].as_u64().unwrap();
            for value in counts["by"]["actor"].as_array().unwrap() {
                assert_eq!(value["count"], 1);
                assert!(actors.insert(value["value"].as_str().unwrap().to_owned()), "{value} is counted twice");
            }
            calls += 1;
            cursor = counts["next_cursor"].as_str().map(str::to_owned);
            let Some(cursor) = &cursor else { break };
            let shown: Vec<String> = actors.iter().map(|actor| format!("fabrikam-{:0>5}", &actor[2..])).collect();
            check_cursor(cursor, &shown);
        }
        assert_eq!((total, actors.len()), (1_192, 1_192), "{order}");
        assert!(calls > 1, "{order}");
    }
}

#[tokio::test]
async fn unreadable_restriction_shows_nothing() {
    let mut installation = start().await;
    for field in [json!(""), json!("fabrikam"), json!("=!fabrikam"), json!("=*"), json!(null), json!(["*"])] {
        let answer: Answer = installation.ask_with(&field, LIST, "", &NOVEMBER).await;
        assert_eq!(answer.json()["activities"], json!([]), "{field}");
    }
    let all = installation.ask_with(&json!("*"), LIST, "", &NOVEMBER).await.json();
    assert_eq!(all["activities"].as_array().unwrap().len(), COUNT);
}
