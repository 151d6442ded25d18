//! Entries of the audit about exports, schedules and secrets, and calls that fail.

use domain::{
    activity::Activity,
    filter::Filter,
    job::{Format, State},
    query::{Selection, SortOrder},
    time::Period,
};
use exports::App;
use harness::{Fault, Faults, Sqs, Stores, at, by, contoso, request_event};
use lambda::StatusCode;
use lambda_http::request::from_str;
use serde_json::{Value, json};
use store::{audit::Audit, jobs::ListPosition};

const NOW: &str = "2026-11-02T12:34:56.789012Z";
const EXPORTS: &str = "POST /v1/partners/{partner}/exports";
const EXPORT: &str = "DELETE /v1/partners/{partner}/exports/{id}";
const FILE: &str = "GET /v1/partners/{partner}/exports/{id}/files/{name}";
const SAVE: &str = "PUT /v1/partners/{partner}/export-schedule";
const REMOVE: &str = "DELETE /v1/partners/{partner}/export-schedule";
const SHOW_SECRET: &str = "GET /v1/partners/{partner}/export-schedule/secret";
const REPLACE_SECRET: &str = "POST /v1/partners/{partner}/export-schedule/secret";

/// Makes the event of a request for `contoso`.
fn event(route: &str, id: &str, name: &str, body: &Value) -> Value {
    let mut event = request_event(route, &json!({"partner": "contoso", "id": id, "name": name}), &[]);
    event["body"] = json!(if body.is_null() { String::new() } else { body.to_string() });
    event
}

/// Sends a request. Returns the status and the body.
async fn send(app: &App, event: &Value) -> (StatusCode, Value) {
    match exports::handle(app, from_str(&event.to_string()).unwrap(), at(NOW)).await {
        Ok(answer) => (answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default()),
        Err(problem) => (problem.kind().status(), Value::Null),
    }
}

/// Lists the entries of a partner, oldest first.
async fn entries_of(audit: &Audit, partner: &str) -> Vec<Activity> {
    let period = Period::new(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")).unwrap();
    let order = SortOrder::Ascending;
    let selection = Selection { period, filter: Filter::default(), order, recorded_from: None, recorded_before: None };
    let page = audit.ledger().list_page(&harness::partner(partner), &selection, 1_000, None, None).await.unwrap();
    page.activities().map(|entry| entry.owned()).collect()
}

fn shown(entries: &[Activity]) -> Vec<String> {
    let mut shown: Vec<String> =
        entries.iter().map(|entry| format!("{} {}", entry.entry.action, entry.entry.status.as_str())).collect();
    shown.sort();
    shown
}

fn schedule() -> Value {
    json!({"notify": ["https://hooks.example/top-secret-path?key=s3cr3t", "mailto:finance@contoso.example"]})
}

#[tokio::test]
async fn each_act_has_one_entry_without_a_secret() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = crate::app(&stores, &sqs);
    let (status, made) = send(&app, &event(EXPORTS, "", "", &json!({"customer": "fabrikam"}))).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let export = made["id"].as_str().unwrap();
    let job = app.control.job(&contoso(), export).await.unwrap().unwrap().0;
    app.control.take_job(&contoso(), export, "w", at(NOW), at(NOW).plus_seconds(300)).await.unwrap();
    assert!(app.control.finish_job(&contoso(), &job, "w", &[], at(NOW)).await.unwrap());
    for (method, expected) in [("GET", StatusCode::SEE_OTHER), ("HEAD", StatusCode::SEE_OTHER)] {
        let route = FILE.replace("GET", method);
        assert_eq!(send(&app, &event(&route, export, "manifest.json", &Value::Null)).await.0, expected);
    }
    assert_eq!(send(&app, &event(EXPORT, export, "", &Value::Null)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&app, &event(SAVE, "", "", &schedule())).await.0, StatusCode::OK);
    let (_, first) = send(&app, &event(SHOW_SECRET, "", "", &Value::Null)).await;
    assert_eq!(send(&app, &event(&SHOW_SECRET.replace("GET", "HEAD"), "", "", &Value::Null)).await.0, StatusCode::OK);
    let (_, second) = send(&app, &event(REPLACE_SECRET, "", "", &Value::Null)).await;
    assert_eq!(send(&app, &event(REMOVE, "", "", &Value::Null)).await.0, StatusCode::NO_CONTENT);

    let entries = entries_of(&app.audit, "contoso").await;
    assert_eq!(
        shown(&entries),
        [
            "export.cancelled succeeded",
            "export.downloaded succeeded",
            "export.requested succeeded",
            "schedule.removed succeeded",
            "schedule.saved succeeded",
            "secret.replaced succeeded",
            "secret.shown succeeded",
        ]
    );
    let secrets = [&first, &second].map(|secret| secret["secret"].as_str().unwrap().trim_start_matches("whsec_"));
    for entry in &entries {
        let text = serde_json::to_string(entry).unwrap();
        for secret in secrets.into_iter().chain(["top-secret-path", "s3cr3t", "whsec_"]) {
            assert!(!text.contains(secret), "{text}");
        }
        let actor = &entry.entry.actor;
        assert_eq!(
            (&*actor.id, actor.name.as_deref(), actor.role.as_deref()),
            ("s-1", Some("Ana"), Some("global_admin"))
        );
        assert_eq!((actor.ip.as_deref(), actor.user_agent.as_deref()), (Some("203.0.113.7"), Some("curl/8")));
        assert_eq!((entry.entry.correlation_id.as_deref(), entry.entry.source.as_deref()), (Some("r-1"), Some("page")));
    }
    let changes = |action: &str| {
        let entry = entries.iter().find(|entry| entry.entry.action.as_str() == action).unwrap();
        entry.entry.changes.clone().unwrap_or_default()
    };
    assert!(changes("export.requested").contains(r#"{"field":"filters.customer","old":null,"new":["fabrikam"]}"#));
    assert_eq!(changes("export.cancelled"), r#"[{"field":"status","old":"ready","new":"cancelled"}]"#);
    assert!(changes("schedule.saved").contains("https://hooks.example/… (SHA-256 "), "{}", changes("schedule.saved"));
    assert!(changes("schedule.removed").contains(r#"{"field":"enabled","old":true,"new":null}"#));
    assert!(entries_of(&app.audit, "fabrikam").await.is_empty());
}

#[tokio::test]
async fn refusals_have_one_entry_an_hour_under_the_callers_partner() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = crate::app(&stores, &sqs);
    let agent = |event: Value| by(event, "s-2", "fabrikam", "sales_agent");
    for _ in 0..3 {
        let event = agent(event(EXPORTS, "", "", &json!({})));
        assert_eq!(send(&app, &event).await.0, StatusCode::NOT_FOUND);
        let mut own = agent(self::event(SHOW_SECRET, "", "", &Value::Null));
        own["pathParameters"]["partner"] = json!("fabrikam");
        assert_eq!(send(&app, &own).await.0, StatusCode::FORBIDDEN);
    }
    // An export that does not exist is no refusal, and a caller without a partner leaves no entry.
    assert_eq!(send(&app, &event(EXPORT, "01JD", "", &Value::Null)).await.0, StatusCode::NOT_FOUND);
    let nobody = by(event(EXPORTS, "", "", &json!({})), "s-3", "", "");
    assert_eq!(send(&app, &nobody).await.0, StatusCode::NOT_FOUND);
    let entries = entries_of(&app.audit, "fabrikam").await;
    assert_eq!(shown(&entries), ["access.refused declined"; 2]);
    let routes: Vec<_> = entries.iter().filter_map(|entry| entry.entry.target.as_ref()?.id.clone()).collect();
    assert!(routes.contains(&EXPORTS.to_owned()) && routes.contains(&SHOW_SECRET.to_owned()), "{routes:?}");
    for entry in &entries {
        assert_eq!(entry.entry.actor.id, "s-2");
        assert!(!serde_json::to_string(entry).unwrap().contains("contoso"), "no other partner is named");
    }
    assert!(entries_of(&app.audit, "contoso").await.is_empty());
}

#[tokio::test]
async fn repeated_request_with_a_key_has_one_entry() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = crate::app(&stores, &sqs);
    let mut event = event(EXPORTS, "", "", &json!({}));
    event["multiValueHeaders"] = json!({"Idempotency-Key": ["k"]});
    let (_, first) = send(&app, &event).await;
    let (status, again) = send(&app, &event).await;
    assert_eq!((status, &again["id"]), (StatusCode::ACCEPTED, &first["id"]));
    assert_eq!(shown(&entries_of(&app.audit, "contoso").await), ["export.requested succeeded"]);
}

/// What the acts of a test have done.
async fn done(app: &App, sqs: &Sqs, export: &str) -> [bool; 5] {
    let exports = app.control.jobs(&contoso(), None, 100, ListPosition::default()).await.unwrap().0;
    let cancelled = exports.iter().any(|(job, status)| job.id == export && status.state == State::Cancelled);
    let schedule = app.control.schedule(&contoso()).await.unwrap();
    let is_saved = schedule.as_ref().is_some_and(|schedule| schedule.output.format == Format::Xlsx);
    let is_removed = schedule.is_some_and(|schedule| schedule.removed);
    [exports.len() > 1 || sqs.bodies().len() > 1, cancelled, is_saved, is_removed, false]
}

/// Every call of each act, one after the other, fails in each way, and so do all calls after it.
#[tokio::test]
async fn nothing_is_done_without_an_entry_when_calls_fail() {
    let acts = [
        ("export.requested", EXPORTS, json!({"format": "csv"})),
        ("export.cancelled", EXPORT, Value::Null),
        ("schedule.saved", SAVE, json!({"format": "xlsx"})),
        ("schedule.removed", REMOVE, Value::Null),
        ("secret.replaced", REPLACE_SECRET, Value::Null),
    ];
    let mut tried = 0;
    for (number, (action, route, body)) in acts.iter().enumerate() {
        for fault in [Fault::NotSent, Fault::AnswerLost] {
            for call in 0.. {
                let (stores, sqs) = (Stores::start().await, Sqs::start().await);
                let whole = crate::app(&stores, &sqs);
                let (_, made) = send(&whole, &event(EXPORTS, "", "", &json!({}))).await;
                send(&whole, &event(SAVE, "", "", &schedule())).await;
                let export = made["id"].as_str().unwrap();
                let before = entries_of(&whole.audit, "contoso").await;
                let secret = whole.control.secrets(&contoso()).await.unwrap().unwrap().current.reveal().to_owned();

                let faults = Faults::from(call, fault);
                let app =
                    App { control: stores.control(Some(&faults)), audit: stores.audit(Some(&faults)), ..whole.clone() };
                let (status, _) = send(&app, &event(route, export, "", body)).await;
                let mut done = done(&whole, &sqs, export).await;
                let after = whole.control.secrets(&contoso()).await.unwrap();
                done[4] = after.is_some_and(|secrets| secrets.current.reveal() != secret);
                let entries = entries_of(&whole.audit, "contoso").await;
                let is_own = |entry: &&Activity| !before.iter().any(|earlier| earlier.id == entry.id);
                let own: Vec<(&str, &str)> = entries
                    .iter()
                    .filter(is_own)
                    .map(|entry| (entry.entry.action.as_str(), entry.entry.status.as_str()))
                    .collect();
                let last = own.first().map_or("", |(_, status)| status);
                let context = format!("{action} {fault:?} from {call}: {status} {own:?} {done:?}");
                assert!(own.len() <= 1 && own.iter().all(|(found, _)| found == action), "{context}");
                if done[number] {
                    assert!(matches!(last, "in_progress" | "succeeded"), "{context}");
                } else {
                    assert_ne!(last, "succeeded", "{context}");
                }
                if status.is_success() {
                    assert!(done[number], "{context}");
                }
                tried += 1;
                if faults.failed() == 0 {
                    assert!(status.is_success() && last == "succeeded", "{context}");
                    break;
                }
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

#[tokio::test]
async fn nothing_is_revealed_without_an_entry() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let whole = crate::app(&stores, &sqs);
    let (_, made) = send(&whole, &event(EXPORTS, "", "", &json!({}))).await;
    let export = made["id"].as_str().unwrap();
    let job = whole.control.job(&contoso(), export).await.unwrap().unwrap().0;
    whole.control.take_job(&contoso(), export, "w", at(NOW), at(NOW).plus_seconds(300)).await.unwrap();
    assert!(whole.control.finish_job(&contoso(), &job, "w", &[], at(NOW)).await.unwrap());
    send(&whole, &event(SAVE, "", "", &schedule())).await;
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed] {
        for call in 0..2 {
            let faults = Faults::from(call, fault);
            let app = App { audit: stores.audit(Some(&faults)), ..whole.clone() };
            for event in [
                event(FILE, export, "manifest.json", &Value::Null),
                event(SHOW_SECRET, "", "", &Value::Null),
                event(REPLACE_SECRET, "", "", &Value::Null),
                event(SAVE, "", "", &json!({"format": "xlsx"})),
            ] {
                let answer = exports::handle(&app, from_str(&event.to_string()).unwrap(), at(NOW)).await;
                let problem = answer.unwrap_err();
                assert_eq!(problem.kind().status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?} {call}");
                assert!(problem.retry_after().is_some() && problem.detail().contains("audit"), "{}", problem.detail());
            }
        }
    }
    let schedule = whole.control.schedule(&contoso()).await.unwrap().unwrap();
    assert_eq!(schedule.output.format, Format::Csv);
}
