use lambda_http::request::from_str;
use serde_json::{Value, json};

use super::*;
use crate::log::tests::{Lines, context};

const NOW: &str = "2026-11-02T09:30:00Z";

async fn ask<F: Future<Output = Answer>>(handle: impl FnOnce(Request, Instant) -> F) -> Response {
    ask_by("GET", handle).await
}

async fn ask_by<F: Future<Output = Answer>>(method: &str, handle: impl FnOnce(Request, Instant) -> F) -> Response {
    let event = json!({
        "httpMethod": method,
        "requestContext": {"requestId": "trace-1", "resourcePath": "/health", "httpMethod": method},
    });
    let request = from_str(&event.to_string()).unwrap().with_lambda_context(context());
    answer(request, Instant::parse(NOW).unwrap(), Some("https://portal.example"), handle).await
}

#[tokio::test]
async fn request_is_answered_with_500_when_its_handler_panics() {
    let (lines, _guard) = Lines::capture("info");
    let response = ask(|_, _| async { panic!("of a test") }).await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["access-control-allow-origin"], "https://portal.example");
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&document["type"], &document["trace_id"]), (&json!("urn:daybook:problem:internal"), &json!("trace-1")));
    let [fault, last] = &lines.all()[..] else { panic!("{:?}", lines.all()) };
    assert_eq!((&fault["level"], &fault["span"]["trace_id"]), (&json!("ERROR"), &json!("trace-1")));
    assert_eq!(
        (&last["message"], &last["status"], &last["route"]),
        (&json!("answered"), &json!(500), &json!("GET /health"))
    );
}

#[tokio::test]
async fn handler_receives_the_time_of_the_request() {
    let response = ask(|_, now| async move { response::json(lambda_http::http::StatusCode::OK, &now) }).await;
    let now: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(Instant::parse(now.as_str().unwrap()), Instant::parse(NOW));
}

#[tokio::test]
async fn head_gets_the_headers_of_get_without_the_body() {
    for fails in [false, true] {
        let handle = |request: Request, _: Instant| async move {
            assert_eq!(request::route(&request), "GET /health");
            if fails { Err(Problem::not_found()) } else { response::json(lambda_http::http::StatusCode::OK, &"well") }
        };
        let (get, head) = (ask_by("GET", handle).await, ask_by("HEAD", handle).await);
        assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
        assert!(!get.body().is_empty() && head.body().is_empty());
    }
}

#[tokio::test]
async fn refused_token_is_no_fault_in_the_log() {
    let (lines, _guard) = Lines::capture("info");
    for error in [UNAUTHORIZED, "the issuer is silent"] {
        let event = LambdaEvent::new((), context());
        let result: Result<(), Error> = work(event, now(), |_| async { Err(error.into()) }).await;
        assert_eq!(result.unwrap_err().to_string(), error);
    }
    let levels: Vec<Value> = lines.all().iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["INFO", "ERROR"]);
}

#[tokio::test]
async fn panic_of_an_event_is_logged_and_goes_on_to_the_runtime() {
    let (lines, _guard) = Lines::capture("info");
    let work = work(LambdaEvent::new((), context()), now(), |_| async { panic!("of a test") });
    let result: Result<Result<(), Error>, _> = AssertUnwindSafe(work).catch_unwind().await;
    assert!(result.is_err());
    let [line] = &lines.all()[..] else { panic!("{:?}", lines.all()) };
    assert_eq!((&line["level"], &line["error"]), (&json!("ERROR"), &json!("the handler panicked")));
}
