use lambda_http::request::from_str;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A request with these members of the gateway's event.
fn request(members: Value) -> Request {
    let mut event = json!({
        "httpMethod": "GET", "requestContext": {"requestId": "r-1", "resourcePath": "/v1/x", "httpMethod": "GET"},
    });
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    from_str(&event.to_string()).unwrap()
}

fn detail(problem: impl Into<Problem>) -> String {
    problem.into().document().detail
}

#[test]
fn path_parameter_is_decoded_exactly_once() {
    for (sent, decoded) in [("a%20b", Some("a b")), ("a%2520b", Some("a%20b")), ("%C3%A9+", Some("é+")), ("%ff", None)]
    {
        let request = request(json!({"pathParameters": {"id": sent}}));
        assert_eq!(path(&request, "id").ok().as_deref(), decoded, "{sent}");
    }
    assert_eq!(path(&request(json!({"pathParameters": null})), "id").unwrap_err().kind(), ProblemKind::NotFound);
}

#[test]
fn parameters_stand_in_the_order_of_known_names() {
    let query = json!({"b": ["2", "1"], "a": ["%41 +é"]});
    let request =
        request(json!({"multiValueQueryStringParameters": query, "queryStringParameters": {"b": "1", "a": "%41 +é"}}));
    let parameters = Parameters::read(&request, &["a", "b", "c"]).unwrap();
    assert_eq!(parameters.iter().collect::<Vec<_>>(), [("a", "%41 +é"), ("b", "2"), ("b", "1")]);
    assert_eq!(detail(parameters.one("b").unwrap_err()), "/b: is given more than once");
    assert_eq!(parameters.one("c").unwrap(), None);
}

#[test]
fn empty_parameter_is_refused_unless_it_is_the_cursor() {
    let query = json!({"a": [""], "cursor": [""], "b": ["", "1"], "limit": [""]});
    let request = request(json!({"multiValueQueryStringParameters": query}));
    let parameters = Parameters::read(&request, &["a", "b", "limit", "cursor"]).unwrap();
    assert_eq!(detail(parameters.one("a").unwrap_err()), "/a: is empty: leave it out, or give it a value");
    assert_eq!(detail(parameters.one("b").unwrap_err()), "/b: is given more than once");
    assert_eq!(
        detail(parameters.number("limit", 1, 9).unwrap_err()),
        "/limit: is empty: leave it out, or give it a value"
    );
    assert_eq!(parameters.cursor().unwrap(), None);
}

#[test]
fn unknown_parameter_is_refused() {
    let request = request(json!({"multiValueQueryStringParameters": {"A": [""]}}));
    assert_eq!(detail(Parameters::read(&request, &["a"]).unwrap_err()), "/A: unknown parameter; known are a");
    let mut faults = Faults::default();
    assert_eq!(Parameters::read_any_case(&request, &["a"], &mut faults).iter().count(), 1);
    assert_eq!(faults, Faults::default());
}

#[test]
fn all_faults_of_a_query_are_named_at_once() {
    let query = json!({"z": ["1"], "b/c": ["1", "2"], "limit": ["0"], "a": ["x", "y"], "order": ["up"]});
    let request = request(json!({"multiValueQueryStringParameters": query}));
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(&request, &["a", "limit", "order"], &mut faults);
    faults.keep_part(parameters.number("limit", 1, 9));
    faults.keep_part(parameters.one("a"));
    faults.keep_part(parameters.parse("order", |order| Err::<(), _>(format!("is {order}"))));
    let pointers: Vec<String> = match faults.finish(Some(())).unwrap_err() {
        Rejection::Invalid(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(pointers, ["/b~1c", "/z", "/limit", "/a", "/order"]);
}

#[test]
fn query_is_refused_where_a_route_has_no_parameters() {
    let sent = request(json!({"multiValueQueryStringParameters": {"customer": ["c"]}}));
    let expected = "/customer: unknown parameter: this route has none in its query";
    assert_eq!(detail(refuse_parameters(&sent).unwrap_err()), expected);
    assert!(refuse_parameters(&request(json!({"multiValueQueryStringParameters": null}))).is_ok());
}

#[test]
fn body_with_fields_is_refused_where_a_route_reads_none() {
    for (body, is_read) in [("", true), ("{}", true), (" {} ", true), (r#"{"secret":"s"}"#, false), ("[]", false)] {
        assert_eq!(refuse_fields(&request(json!({"body": body}))).is_ok(), is_read, "{body:?}");
    }
}

#[test]
fn body_may_be_base64_and_must_be_utf8() {
    let body_of = |members| body(&request(members)).map(str::to_owned).map_err(detail);
    assert_eq!(body_of(json!({"body": "é"})), Ok("é".to_owned()));
    assert_eq!(body_of(json!({"body": "w6k=", "isBase64Encoded": true})), Ok("é".to_owned()));
    assert_eq!(body_of(json!({"body": null})), Ok(String::new()));
    let refused = Err("The body is not UTF-8.".to_owned());
    assert_eq!(body_of(json!({"body": "/w==", "isBase64Encoded": true})), refused);
    // One byte was sent, and the gateway replaced it.
    assert_eq!(body_of(json!({"body": "\u{fffd}", "multiValueHeaders": {"content-length": ["1"]}})), refused);
    let sent = json!({"body": "\u{fffd}", "multiValueHeaders": {"Content-Length": ["3"]}});
    assert_eq!(body_of(sent), Ok("\u{fffd}".to_owned()));
}

#[test]
fn blank_body_is_an_empty_object() {
    for (sent, read) in [("", "{}"), (" \n", "{}"), ("\u{feff}", "{}"), ("\u{feff}{\"a\":1}", "{\"a\":1}")] {
        assert_eq!(body_or_empty_object(&request(json!({"body": sent}))).unwrap(), read, "{sent:?}");
    }
}

#[test]
fn body_over_the_limit_is_refused() {
    let body_of = |text: &str, times: usize| {
        body(&request(json!({"body": text.repeat(times)}))).map(str::len).map_err(|problem| problem.kind())
    };
    // Lambda puts the body between quotes.
    let limit = MAX_PAYLOAD_BYTES - 2;
    assert_eq!(body_of("x", limit), Ok(limit));
    assert_eq!(body_of("x", limit + 1), Err(ProblemKind::TooLarge));
    // Details of 5 MiB full of quotes: each has two bytes as the client sends it, and four as Lambda carries it.
    assert_eq!(body_of("\\\"", limit / 4), Ok(limit / 4 * 2));
    assert_eq!(body_of("\\\"", 5 * 1_024 * 1_024 / 2), Err(ProblemKind::TooLarge));
}

#[test]
fn head_takes_the_route_of_get() {
    let context =
        |method: &str| json!({"httpMethod": method, "requestContext": {"resourcePath": "/v1/x", "httpMethod": method}});
    assert_eq!(route(&request(context("HEAD"))), "GET /v1/x");
    assert_eq!(route(&request(context("DELETE"))), "DELETE /v1/x");
}

#[test]
fn request_without_authorizer_has_no_caller() {
    assert_eq!(caller(&request(json!({}))).unwrap_err().kind(), ProblemKind::Unauthorized);
    let context = json!({"requestId": "r-1", "resourcePath": "/v1/x", "httpMethod": "GET", "authorizer": {
        "subject": "s", "name": "Ana", "partner": "contoso", "roles": "global_admin", "integrationLatency": 12,
    }});
    assert_eq!(caller(&request(json!({"requestContext": context}))).unwrap().name(), "Ana");
}

#[test]
fn caller_of_an_unregistered_client_is_refused() {
    let context = json!({"requestId": "r-1", "resourcePath": "/v1/x", "httpMethod": "GET", "authorizer": {
        "subject": "s", "name": "s", "partner": "", "roles": "", "fault": "unregistered_client", "fault_of": "orders",
    }});
    let problem = caller(&request(json!({"requestContext": context}))).unwrap_err();
    assert_eq!(problem.kind(), ProblemKind::Forbidden);
    assert!(detail(problem).contains("PUT /v1/clients/{client_id}"));
}

proptest! {
    #[test]
    fn headers_of_any_text_are_readable(value in "[^\\p{Cc}]*") {
        let request = request(json!({"headers": {"MS-RequestId": value}, "multiValueHeaders": {"MS-RequestId": [value]}}));
        prop_assert_eq!(header_text(&request, &HeaderName::from_static("ms-requestid")), Some(&*value));
    }
}
