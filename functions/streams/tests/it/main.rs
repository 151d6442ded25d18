//! The routes of streams, on real engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use domain::{
    access::{Caller, Customers, Role},
    query::{SETTLE_SECONDS, Selection},
    recipient::Reach,
    stream::{DestinationRules, MAX_STREAMS},
    time::{Instant, Period},
};
use harness::{Fault, Faults, PARTNERS, Sqs, Stores, at, contoso, request_event};
use lambda::identity;
use lambda_http::request::from_str;
use serde_json::{Value, json};
use store::{partners::Partners, queues::StreamQueue};
use streams::App;

const ALL: &str = "/v1/partners/{partner}/streams";
const ONE: &str = "/v1/partners/{partner}/streams/{id}";
const NOW: &str = "2026-11-02T12:00:00Z";

fn new_app(stores: &Stores, sqs: &Sqs, faults: Option<&Faults>) -> App {
    App {
        streams: stores.streams(faults),
        partners: Partners::new(stores.dynamodb(faults), PARTNERS.into()),
        audit: stores.audit(faults),
        queue: StreamQueue::new(stores.sqs(sqs, faults), format!("{}/1/streams", sqs.url)),
        rules: DestinationRules {
            reach: Reach::new(false, ""),
            account: "210987654321".to_owned(),
            buckets: vec!["own-data".to_owned()],
        },
        role: "arn:aws:iam::210987654321:role/streamer".to_owned(),
    }
}

fn wanted() -> Value {
    json!({"name": "SIEM", "destination": {"kind": "https", "url": "https://siem.example/in", "headers": {"Authorization": "hidden"}}})
}

/// Sends a request of a caller with a role and customers, and returns the status and the body.
async fn ask_as(app: &App, (role, customers): (Role, &[&str]), route: &str, id: &str, body: &Value) -> (u16, Value) {
    let mut event = request_event(route, &json!({"partner": "contoso", "id": id}), &[]);
    let customers = Customers::parse(customers.iter().copied()).unwrap();
    let caller = Caller::new("ana".into(), String::new(), Some(contoso()), vec![role], customers);
    event["requestContext"]["authorizer"] = identity::write_context(&caller);
    event["body"] = json!(if body.is_null() { String::new() } else { body.to_string() });
    match streams::handle(app, from_str(&event.to_string()).unwrap(), at(NOW)).await {
        Ok(response) => {
            let body = response.body();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
            (response.status().as_u16(), body)
        }
        Err(problem) => (problem.kind().status().as_u16(), json!(problem.detail())),
    }
}

async fn ask(app: &App, route: &str, id: &str, body: &Value) -> (u16, Value) {
    ask_as(app, (Role::GlobalAdmin, &["*"]), route, id, body).await
}

async fn create(app: &App) -> String {
    let (status, stream) = ask(app, &format!("POST {ALL}"), "", &wanted()).await;
    assert_eq!(status, 201, "{stream}");
    stream["id"].as_str().unwrap().to_owned()
}

/// The acts in the audit, oldest first, each with its status.
async fn acts(stores: &Stores) -> Vec<String> {
    let selection = Selection {
        period: Period::new(Instant::MIN, Instant::MAX).unwrap(),
        filter: domain::filter::Filter::default(),
        order: domain::query::SortOrder::Ascending,
        recorded_from: None,
        recorded_before: None,
    };
    let audit = stores.audit(None);
    let page = audit.ledger().at(at(NOW)).list_page(&contoso(), &selection, 1_000, None, None).await.unwrap();
    let act = |one: domain::activity::Activity<&str>| {
        assert!(!format!("{one:?}").contains("hidden"), "the audit has no secret");
        let status: &str = one.entry.status.into();
        format!("{} {status}", one.entry.action.as_str())
    };
    let mut acts: Vec<String> = page.activities().map(act).collect();
    acts.sort_unstable();
    acts
}

#[tokio::test]
async fn a_stream_is_created_shown_changed_and_removed() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = new_app(&stores, &sqs, None);
    let id = create(&app).await;
    let settings = stores.partners().settings(&contoso()).await.unwrap();
    let begins_at = settings.feed.unwrap().begins_at;
    assert!(settings.streams && begins_at == at(NOW).plus_seconds(90));
    let mark = stores.due_marks(None).mark(&contoso(), Some(&id)).await.unwrap().unwrap();
    assert_eq!(mark.at, begins_at.plus_seconds(SETTLE_SECONDS));
    let (status, shown) = ask(&app, &format!("GET {ONE}"), &id, &Value::Null).await;
    assert_eq!((status, &shown["state"]["status"]), (200, &json!("active")));
    assert_eq!(shown["state"]["delivered_through"], json!(begins_at.to_millis_text()));
    assert!(!shown.to_string().contains("hidden"));
    assert_eq!(shown["destination"]["header_names"], json!(["authorization"]));
    let (_, list) = ask(&app, &format!("GET {ALL}"), "", &Value::Null).await;
    assert_eq!(list["streams"], json!([shown]));
    let (status, paused) = ask(&app, &format!("PATCH {ONE}"), &id, &json!({"paused": true})).await;
    assert_eq!((status, &paused["state"]["status"], &paused["name"]), (200, &json!("paused"), &json!("SIEM")));
    let (status, secret) = ask(&app, &format!("GET {ONE}/secret"), &id, &Value::Null).await;
    assert!(status == 200 && secret["secret"].as_str().unwrap().starts_with("whsec_"), "{secret}");
    for _ in 0..2 {
        assert_eq!(ask(&app, &format!("DELETE {ONE}"), &id, &Value::Null).await, (204, Value::Null));
    }
    assert_eq!(ask(&app, &format!("GET {ONE}"), &id, &Value::Null).await.0, 404);
    let settings = stores.partners().settings(&contoso()).await.unwrap();
    assert!(!settings.streams && settings.feed.is_some(), "the feed stays");
    let done =
        ["secret.shown succeeded", "stream.removed succeeded", "stream.saved succeeded", "stream.saved succeeded"];
    assert_eq!(acts(&stores).await, done);
}

#[tokio::test]
async fn a_test_and_a_replay_are_left_to_the_streamer() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = new_app(&stores, &sqs, None);
    let id = create(&app).await;
    assert_eq!(ask(&app, &format!("POST {ONE}/test"), &id, &Value::Null).await.0, 202);
    assert_eq!(sqs.take(), [format!(r#"{{"partner":"contoso","stream":"{id}","test":true}}"#)]);
    let period = json!({"from": "2026-10-01", "to": "2026-10-31"});
    let (status, shown) = ask(&app, &format!("POST {ONE}/replay"), &id, &period).await;
    assert_eq!((status, &shown["replay"]["activities"]), (202, &json!(0)));
    let mark = stores.due_marks(None).mark(&contoso(), Some(&id)).await.unwrap().unwrap();
    assert_eq!(mark.at, at(NOW), "the stream is due at once");
    assert_eq!(ask(&app, &format!("POST {ONE}/replay"), &id, &period).await.0, 409, "one replay at a time");
    assert_eq!(ask(&app, &format!("POST {ONE}/replay"), &id, &json!({})).await.0, 400);
    assert_eq!(ask(&app, &format!("POST {ONE}/test"), &id, &json!({"a": 1})).await.0, 400);
    for route in ["test", "replay"] {
        assert_eq!(
            ask(&app, &format!("POST {ONE}/{route}"), "x", if route == "test" { &Value::Null } else { &period })
                .await
                .0,
            404
        );
    }
    assert_eq!(acts(&stores).await, ["stream.replayed succeeded", "stream.saved succeeded", "stream.tested succeeded"]);
}

#[tokio::test]
async fn bad_destinations_and_too_many_streams_are_refused() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = new_app(&stores, &sqs, None);
    let role = "arn:aws:iam::210987654321:role/own";
    for (destination, expected) in [
        (json!({"kind": "https", "url": "https://10.0.0.1/"}), 400),
        (json!({"kind": "s3", "bucket": "contoso", "role_arn": role}), 400),
        (json!({"kind": "s3", "bucket": "own-data", "role_arn": "arn:aws:iam::123456789012:role/x"}), 400),
    ] {
        let body = json!({"name": "x", "destination": destination});
        assert_eq!(ask(&app, &format!("POST {ALL}"), "", &body).await.0, expected, "{body}");
    }
    assert!(acts(&stores).await.is_empty() && !stores.partners().settings(&contoso()).await.unwrap().streams);
    for _ in 0..MAX_STREAMS {
        create(&app).await;
    }
    assert_eq!(ask(&app, &format!("POST {ALL}"), "", &wanted()).await.0, 422);
}

#[tokio::test]
async fn roles_and_customers_are_those_of_the_schedule() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = new_app(&stores, &sqs, None);
    let id = create(&app).await;
    let routes = [
        (format!("POST {ALL}"), 201),
        (format!("GET {ALL}"), 200),
        (format!("GET {ONE}"), 200),
        (format!("PATCH {ONE}"), 200),
        (format!("GET {ONE}/secret"), 200),
        (format!("POST {ONE}/secret"), 200),
        (format!("POST {ONE}/test"), 202),
        (format!("POST {ONE}/replay"), 202),
        (format!("DELETE {ONE}"), 204),
    ];
    for (route, status) in routes {
        let body = match &*route {
            create if create.starts_with("POST") && create.ends_with("streams") => wanted(),
            change if change.starts_with("PATCH") => json!({"name": "x"}),
            replay if replay.ends_with("replay") => json!({"from": "2026-10-01"}),
            _ => Value::Null,
        };
        for (caller, expected) in [
            ((Role::GlobalAdmin, &["fabrikam"][..]), 404),
            ((Role::SalesAgent, &["*"][..]), 403),
            ((Role::BillingAdmin, &["*"][..]), status),
        ] {
            assert_eq!(ask_as(&app, caller, &route, &id, &body).await.0, expected, "{route} {caller:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_of_the_audit_is_for_who_may_see_the_audit() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = new_app(&stores, &sqs, None);
    let mut audit = wanted();
    audit["source"] = json!("audit");
    let billing = (Role::BillingAdmin, &["*"][..]);
    assert_eq!(ask_as(&app, billing, &format!("POST {ALL}"), "", &audit).await.0, 403);
    let (status, stream) = ask(&app, &format!("POST {ALL}"), "", &audit).await;
    assert_eq!((status, &stream["source"]), (201, &json!("audit")));
    // The activities have no feed for it, and it is due when the first entries can be read.
    let settings = stores.partners().settings(&contoso()).await.unwrap();
    assert!(!settings.streams && settings.feed.is_none());
    let id = stream["id"].as_str().unwrap();
    let mark = stores.due_marks(None).mark(&contoso(), Some(id)).await.unwrap().unwrap();
    assert_eq!(mark.at, at(NOW).plus_seconds(SETTLE_SECONDS));
    let elsewhere = json!({"destination": {"kind": "https", "url": "https://other.example/", "headers": null}});
    assert_eq!(
        ask_as(&app, billing, &format!("GET {ONE}"), id, &Value::Null).await.0,
        200,
        "others see that it is there"
    );
    assert_eq!(ask_as(&app, billing, &format!("DELETE {ONE}"), id, &Value::Null).await.0, 403);
    for (route, body) in [
        (format!("PATCH {ONE}"), elsewhere),
        (format!("POST {ONE}/replay"), json!({"from": "2026-10-01"})),
        (format!("POST {ONE}/test"), Value::Null),
        (format!("GET {ONE}/secret"), Value::Null),
        (format!("POST {ONE}/secret"), Value::Null),
    ] {
        assert_eq!(ask_as(&app, billing, &route, id, &body).await.0, 403, "{route}");
        assert!(ask(&app, &route, id, &body).await.0 < 300, "{route}");
    }
    // It keeps no feed on: the last stream of activities that goes ends the marks.
    let of_activities = create(&app).await;
    assert!(stores.partners().settings(&contoso()).await.unwrap().streams);
    assert_eq!(ask(&app, &format!("DELETE {ONE}"), &of_activities, &Value::Null).await.0, 204);
    assert!(!stores.partners().settings(&contoso()).await.unwrap().streams);
}

#[tokio::test]
async fn a_secret_is_replaced() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = new_app(&stores, &sqs, None);
    let id = create(&app).await;
    let (_, first) = ask(&app, &format!("GET {ONE}/secret"), &id, &Value::Null).await;
    let (status, second) = ask(&app, &format!("POST {ONE}/secret"), &id, &Value::Null).await;
    assert_eq!((status, &second["previous_valid_until"]), (200, &json!("2026-11-03T12:00:00.000Z")));
    assert_ne!(first["secret"], second["secret"]);
    assert_eq!(ask(&app, &format!("GET {ONE}/secret"), &id, &Value::Null).await.1, second);
    assert_eq!(ask(&app, &format!("POST {ONE}/secret"), &id, &json!({"secret": "mine"})).await.0, 400);
    assert_eq!(ask(&app, &format!("POST {ONE}/secret"), "x", &Value::Null).await.0, 404);
    assert!(acts(&stores).await.contains(&"secret.replaced succeeded".to_owned()));
}

#[tokio::test]
async fn a_stream_whose_creation_fails_anywhere_is_there_as_a_whole_or_not_at_all() {
    for call in 0.. {
        let (stores, sqs) = (Stores::start().await, Sqs::start().await);
        let faults = Faults::at(call, Fault::NotSent);
        let app = new_app(&stores, &sqs, Some(&faults));
        let (status, _) = ask(&app, &format!("POST {ALL}"), "", &wanted()).await;
        let streams = stores.streams(None).list(&contoso()).await.unwrap();
        let marks = stores.due_marks(None).due(Instant::MAX).await.unwrap();
        assert_eq!(marks.len(), streams.len(), "call {call}");
        let settings = stores.partners().settings(&contoso()).await.unwrap();
        assert!(streams.is_empty() || settings.streams, "call {call}");
        assert!(streams.len() == 1 || status == 503, "call {call}: {status}");
        if faults.calls() <= call {
            assert_eq!(status, 201);
            return;
        }
    }
}
