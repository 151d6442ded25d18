//! Answers to requests.

use domain::activity::{Activity, WithDetailsUrl};
use lambda_http::{
    Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde::Serialize;
use store::error;

use crate::{
    payload,
    problem::{Problem, ProblemDocument},
};

/// An answer that the gateway sends.
pub type Response = lambda_http::Response<Body>;

/// What a handler returns.
pub type Answer = Result<Response, Problem>;

/// The headers that every answer has, unless a handler sets them.
const DEFAULT_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // An answer that is no page loads nothing and stands in no frame. Pages send a policy of their own.
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];
/// The headers that scripts of other origins may read.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("Link, Location, Retry-After, ETag, MS-RequestId, MS-CorrelationId");

/// Answers with a JSON body.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let body = serde_json::to_string(value).map_err(|error| error::Error::permanent("writing an answer", error))?;
    Ok(text(status, "application/json", body))
}

/// Answers with an activity. Details that do not fit into an answer get an address of their own.
///
/// # Errors
/// 500 when the activity cannot be written as JSON.
pub fn activity(status: StatusCode, activity: &Activity) -> Answer {
    let whole = json(status, activity)?;
    if payload::leaves_room(&whole) { Ok(whole) } else { json(status, &WithDetailsUrl(activity)) }
}

/// Answers without a body.
pub fn empty(status: StatusCode) -> Response {
    text(status, "", "")
}

/// Answers with a text of a media type.
pub fn text(status: StatusCode, media_type: &'static str, body: impl Into<String>) -> Response {
    let mut response = Response::new(Body::Text(body.into()));
    *response.status_mut() = status;
    if !media_type.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response
}

/// Sets a header. A value that no header can carry is left out, and logged.
pub fn set_header(response: &mut Response, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(_) => tracing::warn!(%name, "could not send a header: its value has characters that no header can carry"),
    }
}

/// Turns a handler's answer into the response, with the headers that every answer has.
///
/// A handler keeps its answer as small as Lambda needs it. If one fails to, the caller still gets a problem document.
pub fn complete(answer: Answer, trace_id: &str, allowed_origin: Option<&str>) -> Response {
    let mut response = answer.unwrap_or_else(|problem| describe(problem, trace_id));
    if !payload::fits(&response) {
        tracing::error!(
            bytes = payload::answer_bytes(&response),
            "could not send an answer: Lambda would refuse its size"
        );
        response = describe(Problem::internal(), trace_id);
    }
    for (name, value) in DEFAULT_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    if let Some(origin) = allowed_origin.filter(|origin| !origin.is_empty()) {
        set_header(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    response
}

/// Answers with a problem document.
fn describe(problem: Problem, trace_id: &str) -> Response {
    let (retry_after, status) = (problem.retry_after(), problem.kind().status());
    let mut document = ProblemDocument { trace_id: Some(trace_id.to_owned()), ..problem.document() };
    let write = |document: &ProblemDocument| json(status, document).unwrap_or_else(|_| empty(status));
    let mut response = write(&document);
    if !payload::leaves_room(&response) {
        document.shorten();
        response = write(&document);
    }
    set_header(&mut response, header::CONTENT_TYPE, "application/problem+json");
    if let Some(seconds) = retry_after {
        set_header(&mut response, header::RETRY_AFTER, &seconds.to_string());
    }
    response
}

#[cfg(test)]
mod tests {
    use domain::fault::{Fault, Rejection};

    use super::*;
    use crate::problem::ProblemKind;

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn answer_keeps_headers_of_its_handler() {
        let mut page = text(StatusCode::OK, "text/html", "…");
        set_header(&mut page, header::CONTENT_SECURITY_POLICY, "default-src 'self'");
        let page = complete(Ok(page), "trace-1", None);
        assert_eq!(header(&page, "content-security-policy"), Some("default-src 'self'"));
        assert_eq!(header(&page, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&page, "access-control-allow-origin"), None);
    }

    #[test]
    fn problem_is_a_document_with_its_trace() {
        let problem = Problem::field("id", "is not an id");
        let response = complete(Err(problem), "trace-1", Some("*"));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(header(&response, "content-type"), Some("application/problem+json"));
        assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
        let document: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(document["errors"][0]["pointer"], "/id");
        assert_eq!(document["trace_id"], "trace-1");
        let gone = complete(Err(Problem::new(ProblemKind::Gone, "…")), "trace-1", None);
        assert_eq!(gone.status(), StatusCode::GONE);
    }

    #[test]
    fn answer_that_lambda_would_refuse_becomes_a_problem() {
        let large = |bytes| text(StatusCode::OK, "application/json", "x".repeat(bytes));
        let limit = payload::MAX_PAYLOAD_BYTES;
        assert_eq!(complete(Ok(large(limit - 1_000)), "trace-1", None).status(), StatusCode::OK);
        let refused = complete(Ok(large(limit)), "trace-1", Some("*"));
        assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(header(&refused, "access-control-allow-origin"), Some("*"));
        assert!(payload::fits(&refused));
    }

    #[test]
    fn problem_with_many_faults_is_shortened_to_fit() {
        let fault = || Fault::new("/é", "x".repeat(400));
        let few = complete(Err(Rejection::Invalid(vec![fault(); 3]).into()), "trace-1", None);
        let many = complete(Err(Rejection::Invalid(vec![fault(); 20_000]).into()), "trace-1", None);
        let document = |response: &Response| serde_json::from_slice::<serde_json::Value>(response.body()).unwrap();
        assert_eq!(document(&few)["errors"].as_array().unwrap().len(), 3);
        assert_eq!(many.status(), StatusCode::BAD_REQUEST);
        assert_eq!(document(&many).get("errors"), None);
        let detail = document(&many)["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("/é: xxx") && detail.contains("more faults"), "{detail}");
    }

    #[test]
    fn header_that_cannot_be_sent_is_left_out() {
        let mut response = empty(StatusCode::OK);
        set_header(&mut response, header::ETAG, "a\nb");
        assert_eq!(header(&response, "etag"), None);
    }
}
