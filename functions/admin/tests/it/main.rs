//! The operator's routes on real engines: each change has its entry in the audit of the partner that it concerns.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use admin::App;
use domain::{
    activity::{Activity, PartnerId},
    filter::Filter,
    query::{Selection, SortOrder},
    time::Period,
};
use harness::{Fault, Faults, Sqs, Stores, at, by, months, partner, request_event};
use lambda::StatusCode;
use lambda_http::request::from_str;
use serde_json::{Value, json};
use store::{ledger::Directory, partners::Partners, queues::KeeperQueue};

const NOW: &str = "2026-11-02T12:34:56.789012Z";
const SAVE_CLIENT: &str = "PUT /v1/clients/{client_id}";
const REMOVE_CLIENT: &str = "DELETE /v1/clients/{client_id}";
const SETTINGS: &str = "PUT /v1/partners/{partner}/settings";
const RUN: &str = "POST /v1/months/{month}/run";

fn app(stores: &Stores, sqs: &Sqs, faults: Option<&Faults>) -> App {
    App {
        control: stores.control(faults),
        partners: Partners::new(stores.dynamodb(faults), harness::PARTNERS.to_owned()),
        directory: Directory::new(stores.dynamodb(faults), harness::TABLE.to_owned()),
        months: months(stores, sqs, None),
        keeper_runs: KeeperQueue::new(stores.sqs(sqs, None), format!("{}/1/keeper", sqs.url)),
        audit: stores.audit(faults),
        limits_apply: true,
        partners_erase: false,
    }
}

/// Makes the operator's request.
fn operate(route: &str, body: &Value) -> Value {
    let path = json!({"client_id": "orders", "partner": "contoso", "month": "2026-09"});
    let mut event = by(request_event(route, &path, &[]), "operator", "", "operator");
    event["body"] = json!(if body.is_null() { String::new() } else { body.to_string() });
    event
}

async fn send(app: &App, event: &Value) -> StatusCode {
    match admin::handle(app, from_str(&event.to_string()).unwrap(), at(NOW)).await {
        Ok(answer) => answer.status(),
        Err(problem) => problem.kind().status(),
    }
}

/// Lists the entries of a partner.
async fn entries(app: &App, partner: &PartnerId) -> Vec<Activity> {
    let period = Period::new(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")).unwrap();
    let order = SortOrder::Ascending;
    let selection = Selection { period, filter: Filter::default(), order, recorded_from: None, recorded_before: None };
    let page = app.audit.ledger().list_page(partner, &selection, 1_000, None, None).await.unwrap();
    page.activities().map(|entry| entry.owned()).collect()
}

/// Returns the entries of a partner as texts: action, status, target and changes.
async fn shown(app: &App, of: &str) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for Activity { entry, .. } in entries(app, &partner(of)).await {
        assert_eq!((&*entry.actor.id, entry.actor.role.as_deref()), ("operator", Some("operator")));
        let target = entry.target.and_then(|target| target.id).unwrap_or_default();
        let changes = entry.changes.unwrap_or_default();
        shown.push(format!("{} {} {target} {changes}", entry.action, entry.status.as_str()));
    }
    shown.sort();
    shown
}

#[tokio::test]
async fn client_that_moves_is_in_the_audit_of_both_partners() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs, None);
    for partner in ["contoso", "contoso", "fabrikam"] {
        assert_eq!(send(&app, &operate(SAVE_CLIENT, &json!({"partner": partner}))).await, StatusCode::OK);
    }
    assert_eq!(send(&app, &operate(REMOVE_CLIENT, &Value::Null)).await, StatusCode::NO_CONTENT);
    assert_eq!(send(&app, &operate(REMOVE_CLIENT, &Value::Null)).await, StatusCode::NO_CONTENT);
    assert_eq!(
        shown(&app, "contoso").await,
        [
            "client.registered succeeded orders ",
            r#"client.registered succeeded orders [{"field":"partner","old":null,"new":"contoso"}]"#,
            r#"client.removed succeeded orders [{"field":"partner","old":"contoso","new":null}]"#,
        ]
    );
    assert_eq!(
        shown(&app, "fabrikam").await,
        [
            r#"client.registered succeeded orders [{"field":"partner","old":null,"new":"fabrikam"}]"#,
            r#"client.removed succeeded orders [{"field":"partner","old":"fabrikam","new":null}]"#,
        ]
    );
    // The second removal concerns nobody.
    assert_eq!(shown(&app, PartnerId::INSTALLATION).await, ["client.removed succeeded orders "]);
}

#[tokio::test]
async fn settings_and_months_have_entries_and_bad_requests_none() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs, None);
    for (route, body, status) in [
        (SETTINGS, json!({"shards": 65}), StatusCode::BAD_REQUEST),
        (SETTINGS, json!({"limits": {"open_exports": 5}}), StatusCode::OK),
        (SETTINGS, json!({"limits": {"open_exports": null}}), StatusCode::OK),
        (RUN, json!({"partner": "contoso"}), StatusCode::ACCEPTED),
        (RUN, Value::Null, StatusCode::ACCEPTED),
        (SAVE_CLIENT, json!({}), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(send(&app, &operate(route, &body)).await, status, "{route} {body}");
    }
    assert_eq!(
        shown(&app, "contoso").await,
        [
            "month.run succeeded 2026-09 ",
            r#"settings.saved succeeded contoso [{"field":"limits.open_exports","old":5,"new":null}]"#,
            r#"settings.saved succeeded contoso [{"field":"limits.open_exports","old":null,"new":5}]"#,
        ]
    );
    assert_eq!(shown(&app, PartnerId::INSTALLATION).await, ["month.run succeeded 2026-09 "]);
}

#[tokio::test]
async fn person_is_refused_under_their_own_partner() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs, None);
    for route in [SETTINGS, SAVE_CLIENT, RUN] {
        let event = by(operate(route, &Value::Null), "s-1", "fabrikam", "global_admin");
        assert_eq!(send(&app, &event).await, StatusCode::FORBIDDEN);
    }
    let refused = entries(&app, &partner("fabrikam")).await;
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|entry| entry.entry.action.as_str() == "access.refused"));
    assert!(entries(&app, &partner("contoso")).await.is_empty());
}

/// Every call, one after the other, fails in each way, and so do all calls after it.
#[tokio::test]
async fn nothing_is_changed_without_an_entry_when_calls_fail() {
    let mut tried = 0;
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        for (action, route, body) in [
            ("client.registered", SAVE_CLIENT, json!({"partner": "contoso"})),
            ("client.removed", REMOVE_CLIENT, Value::Null),
            ("settings.saved", SETTINGS, json!({"limits": {"open_exports": 9}})),
        ] {
            for call in 0.. {
                let (stores, sqs) = (Stores::start().await, Sqs::start().await);
                let whole = app(&stores, &sqs, None);
                if action == "client.removed" {
                    send(&whole, &operate(SAVE_CLIENT, &json!({"partner": "contoso"}))).await;
                }
                let faults = Faults::from(call, fault);
                let status = send(&app(&stores, &sqs, Some(&faults)), &operate(route, &body)).await;
                let is_registered = whole.control.client("orders").await.unwrap().is_some();
                let limits = whole.partners.settings(&partner("contoso")).await.unwrap().limits;
                let is_done = match action {
                    "client.registered" => is_registered,
                    "client.removed" => !is_registered,
                    _ => limits.open_exports == Some(9),
                };
                let found = entries(&whole, &partner("contoso")).await;
                let own = found.iter().find(|entry| entry.entry.action.as_str() == action);
                let entry = own.map(|entry| entry.entry.status.as_str()).unwrap_or_default();
                let context = format!("{action} {fault:?} from {call}: {status} {entry:?} {is_done}");
                assert!(!(is_done && entry.is_empty()), "{context}");
                assert!(is_done || entry != "succeeded", "{context}");
                tried += 1;
                if faults.failed() == 0 {
                    assert!(status.is_success() && entry == "succeeded" && is_done, "{context}");
                    break;
                }
            }
        }
    }
    assert!(tried > 20, "{tried}");
}
