//! The fuzz targets that go through the routes, on a table that holds two partners.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::activity::{NewActivity, PartnerId};
use fuzz::run;
use harness::Stores;
use lambda::response;
use query::App;
use serde_json::{Map, Value, json};
use store::ledger::Recorder;
use tokio::runtime::Runtime;
use url::form_urlencoded;

use super::{now, outline};

const LIST: &str = "/v1/partners/{partner}/activities";
const CUSTOMER_LIST: &str = "/v1/partners/{partner}/customers/{customer}/activities";
const COUNTS: &str = "/v1/partners/{partner}/counts";
const ONE: &str = "/v1/partners/{partner}/activities/{id}";
const AUDIT: &str = "/v1/auditrecords";

/// The routes of `query`, asked by a caller of contoso.
struct Api {
    runtime: Runtime,
    app: App,
    _stores: Stores,
}

/// A response of the API.
struct Answer {
    status: u16,
    body: Value,
}

impl Api {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stores = runtime.block_on(Stores::start());
        runtime.block_on(fill(&stores.recorder(None)));
        let partners = stores.partners();
        let app = App { ledger: stores.ledger(None), audit: stores.audit(None), partners, meter: None };
        Self { runtime, app, _stores: stores }
    }

    /// Sends a request of a contoso caller. The response must not be a server error and must not show another partner.
    fn get(&self, route: &str, path: Value, query: &Map<String, Value>, headers: Value) -> Answer {
        let request = json!({
            "httpMethod": "GET", "pathParameters": path, "multiValueQueryStringParameters": query, "multiValueHeaders": headers,
            "requestContext": {"requestId": "r-1", "resourcePath": route, "httpMethod": "GET",
                "authorizer": {"subject": "s", "name": "Ana", "partner": "contoso", "roles": "global_admin"}},
        });
        let Ok(request) = lambda_http::request::from_str(&request.to_string()) else {
            // API Gateway rejects headers with control characters.
            return Answer { status: 400, body: Value::Null };
        };
        let answer = self.runtime.block_on(query::handle(&self.app, request, now()));
        let response = response::complete(answer, "r-1", None);
        let body = response.body();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
        let answered = Answer { status: response.status().as_u16(), body };
        assert!(matches!(answered.status, 200 | 304 | 400 | 404 | 422), "{} {}", answered.status, answered.body);
        assert!(!answered.body.to_string().contains("fabrikam-only"), "{}", answered.body);
        answered
    }
}

impl Answer {
    /// Describes the response without values.
    fn outline(&self) -> String {
        let length = |name: &str| self.body[name].as_array().map(Vec::len);
        match self.body["detail"].as_str() {
            Some(detail) => format!("{} {}", self.status, outline(detail)),
            None => format!(
                "{} {:?} {:?} {}",
                self.status,
                length("activities"),
                length("items"),
                self.body["next_cursor"].is_null()
            ),
        }
    }
}

async fn fill(recorder: &Recorder) {
    for partner in ["contoso", "fabrikam"] {
        for number in 0..12 {
            let activity = json!({
                "id": format!("e-{number}"), "occurred_at": format!("2026-{:02}-02T09:30:00Z", 9 + number % 3), "action": "order.created",
                "actor": {"id": "ana"}, "customer": {"id": "c-1", "name": format!("{partner}-only")},
            });
            let activity = NewActivity::parse(&activity.to_string(), now()).unwrap();
            recorder
                .record(activity.into_activity(PartnerId::parse(partner).unwrap(), now()), Duration::from_secs(60))
                .await
                .unwrap();
        }
    }
}

/// Returns the parameters of a query string as API Gateway passes them on.
fn parameters(text: &str) -> Map<String, Value> {
    let mut many: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if let Value::Array(values) = many.entry(name).or_insert_with(|| json!([])) {
            values.push(json!(value));
        }
    }
    many
}

const QUERY_PIECES: [&str; 39] = [
    "counts:contoso?",
    "interval=",
    "by=",
    "match=",
    "hour",
    "from=",
    "to=",
    "time_zone=",
    "customer=",
    "actor=",
    "action=",
    "status=",
    "target_type=",
    "target=",
    "correlation=",
    "source=",
    "q=",
    "!",
    "e\u{301}\u{2019}",
    "order=",
    "limit=",
    "cursor=",
    "occurred_at=",
    "&",
    "2026-11-02",
    "2026-11-02T09:30:00Z",
    "2026-03-29T02:30:00+01:00",
    "Europe/Paris",
    "America/St_Johns",
    "asc",
    "desc",
    "order.*",
    "failed",
    "1000",
    "0",
    "%2B",
    "9999-12-31",
    "-9999-01-01",
    "T24:00:00",
];

#[test]
fn query() {
    let api = Api::start();
    run("query", &QUERY_PIECES, |input| {
        let text = String::from_utf8_lossy(input);
        // The text in front of the question mark selects the route and fills its path.
        let (path, query) = text.split_once('?').unwrap_or(("", &text));
        let query = parameters(query);
        let answered = match path.split_once(':') {
            Some(("customer", customer)) => {
                api.get(CUSTOMER_LIST, json!({"partner": "contoso", "customer": customer}), &query, json!({}))
            }
            Some(("counts", partner)) => api.get(COUNTS, json!({"partner": partner}), &query, json!({})),
            Some(("id", id)) => api.get(ONE, json!({"partner": "contoso", "id": id}), &query, json!({})),
            _ if path.is_empty() => api.get(LIST, json!({"partner": "contoso"}), &query, json!({})),
            _ => api.get(LIST, json!({"partner": path}), &query, json!({})),
        };
        answered.outline()
    });
}

const CURSOR_PIECES: [&str; 20] = [
    "\"after\":",
    "\"from\":",
    "\"to\":",
    "\"begun_at\":",
    "\"query\":",
    "2026-10-02T09:30:00.000000Z",
    "#",
    "e-1",
    "~",
    "fabrikam",
    "fabrikam#2026-10",
    "0000-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-10",
    "null",
    "{",
    "}",
    ",",
    "[]",
    "2026-09-01T00:00:00.000000Z",
];

#[test]
fn cursor() {
    let api = Api::start();
    let list = parameters("from=2026-09-01&to=2026-11-30&limit=2");
    let records = parameters("startDate=2026-09-01&endDate=2026-11-30&size=2");
    // A cursor is no secret, so an attacker may start from a real one.
    let fingerprint = |cursor: &Value| {
        let given = URL_SAFE_NO_PAD.decode(cursor.as_str().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&given).unwrap()["query"].as_str().unwrap().to_owned()
    };
    let of_list = fingerprint(&api.get(LIST, json!({"partner": "contoso"}), &list, json!({})).body["next_cursor"]);
    let of_records = fingerprint(&api.get(AUDIT, json!({}), &records, json!({})).body["continuationToken"]);
    run("cursor", &CURSOR_PIECES, |input| {
        let text = String::from_utf8_lossy(input);
        let mut result = String::new();
        // The input is the text in a cursor, and then the cursor itself.
        for is_encoded in [true, false] {
            let cursor = |fingerprint: &str| match is_encoded {
                true => URL_SAFE_NO_PAD.encode(text.replace("QUERY", fingerprint)),
                false => text.replace("QUERY", fingerprint),
            };
            let mut query = list.clone();
            query.insert("cursor".to_owned(), json!([cursor(&of_list)]));
            result += &api.get(LIST, json!({"partner": "contoso"}), &query, json!({})).outline();
            result +=
                &api.get(AUDIT, json!({}), &records, json!({"MS-ContinuationToken": [cursor(&of_records)]})).outline();
        }
        result
    });
}

const FILTER_PIECES: [&str; 24] = [
    "{\"Field\":\"CompanyName\",\"Value\":\"fabrikam\",\"Operator\":\"substring\"}",
    "\"Field\":",
    "\"Value\":",
    "\"Operator\":",
    "\"CustomerId\"",
    "\"ResourceType\"",
    "\"CompanyName\"",
    "\"equals\"",
    "\"substring\"",
    "CustomerUser",
    "field",
    "value",
    "operator",
    "{",
    "}",
    ",",
    "startDate=",
    "endDate=",
    "filter=",
    "size=",
    "seekOperation=",
    "11/2/2026 9:30:00 AM",
    "2026-11-02",
    "&",
];

#[test]
fn filter() {
    let api = Api::start();
    run("filter", &FILTER_PIECES, |input| {
        let text = String::from_utf8_lossy(input);
        // The input is a filter, or the whole query string.
        let query = match text.strip_prefix('?') {
            Some(query) => parameters(query),
            None => Map::from_iter([("filter".to_owned(), json!([text]))]),
        };
        api.get(AUDIT, json!({}), &query, json!({})).outline()
    });
}
