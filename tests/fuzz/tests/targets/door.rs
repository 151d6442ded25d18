//! What is fuzzed through the routes themselves, on a table that holds two partners.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use daybook::{
    activity::{NewActivity, PartnerId},
    ledger::{INDEXED, Ledger, Recorder},
    settings::Partners,
};
use fuzz::run;
use lambda::response;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, runtime::Runtime};
use url::form_urlencoded;

use super::{now, outline};

const LIST: &str = "/v1/partners/{partner}/activities";
const OF_CUSTOMER: &str = "/v1/partners/{partner}/customers/{customer}/activities";
const ONE: &str = "/v1/partners/{partner}/activities/{id}";
const AUDIT: &str = "/v1/auditrecords";

/// The routes of `query` for a caller of contoso, and what they read.
struct Door {
    runtime: Runtime,
    ledger: Ledger,
}

/// An answer.
struct Answered {
    status: u16,
    body: Value,
}

impl Door {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ledger = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
                .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
                .retry_config(RetryConfig::disabled())
                .http_client(lambda::aws::http_client().unwrap())
                .build();
            tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
            let dynamodb = aws_sdk_dynamodb::Client::new(&config);
            create(&dynamodb, "activities", &["pk", "sk"]).await;
            create(&dynamodb, "partners", &["pk"]).await;
            let ledger =
                Ledger::new(dynamodb.clone(), aws_sdk_s3::Client::new(&config), "activities".into(), "data".into());
            fill(&Recorder::new(ledger.clone(), Partners::new(dynamodb, "partners".into()), 0)).await;
            ledger
        });
        Self { runtime, ledger }
    }

    /// What a route answers to a caller of contoso. Whatever is asked for: no fault of ours, and nothing of another partner.
    fn ask(&self, route: &str, path: Value, query: &Map<String, Value>, headers: Value) -> Answered {
        let request = json!({
            "httpMethod": "GET", "pathParameters": path, "multiValueQueryStringParameters": query, "multiValueHeaders": headers,
            "requestContext": {"requestId": "r-1", "resourcePath": route, "httpMethod": "GET",
                "authorizer": {"subject": "s", "name": "Ana", "partner": "contoso", "roles": "global_admin"}},
        });
        let Ok(request) = lambda_http::request::from_str(&request.to_string()) else {
            // No gateway hands on a header with control characters.
            return Answered { status: 400, body: Value::Null };
        };
        let answer = self.runtime.block_on(query::handle(&self.ledger, request, now()));
        let response = response::complete(answer, "r-1", None);
        let body = response.body();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
        let answered = Answered { status: response.status().as_u16(), body };
        assert!(matches!(answered.status, 200 | 304 | 400 | 404 | 422), "{} {}", answered.status, answered.body);
        assert!(!answered.body.to_string().contains("fabrikam-only"), "{}", answered.body);
        answered
    }
}

impl Answered {
    /// What came of it, without values.
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

async fn create(dynamodb: &aws_sdk_dynamodb::Client, table: &str, keys: &[&str]) {
    let schema = |names: [&str; 2], count: usize| {
        let kinds = [KeyType::Hash, KeyType::Range];
        let keys = names.into_iter().zip(kinds).take(count);
        keys.map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
            .collect()
    };
    let mut names = keys.to_vec();
    let mut create = dynamodb.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    create = create.set_key_schema(Some(schema([keys[0], keys.last().unwrap()], keys.len())));
    if table == "activities" {
        for (index, key, range, listed) in [("by_customer", "ck", "sk", true), ("late", "lk", "r", false)] {
            names.extend([key, range]);
            let projection = Projection::builder();
            let projection = if listed {
                let attributes = INDEXED.map(str::to_owned).to_vec();
                projection.projection_type(ProjectionType::Include).set_non_key_attributes(Some(attributes))
            } else {
                projection.projection_type(ProjectionType::All)
            };
            let index = GlobalSecondaryIndex::builder().index_name(index).set_key_schema(Some(schema([key, range], 2)));
            create = create.global_secondary_indexes(index.projection(projection.build()).build().unwrap());
        }
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(attribute.build().unwrap());
    }
    create.send().await.unwrap();
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

/// The parameters of a query string, as the gateway hands them on.
fn parameters(text: &str) -> Map<String, Value> {
    let mut many: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if let Value::Array(values) = many.entry(name).or_insert_with(|| json!([])) {
            values.push(json!(value));
        }
    }
    many
}

const OF_QUERIES: [&str; 30] = [
    "from=",
    "to=",
    "time_zone=",
    "customer=",
    "actor=",
    "action=",
    "status=",
    "target_type=",
    "target=",
    "q=",
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
    let door = Door::open();
    run("query", &OF_QUERIES, |input| {
        let text = String::from_utf8_lossy(input);
        // In front of the question mark: which route, and what stands in its path.
        let (path, query) = text.split_once('?').unwrap_or(("", &text));
        let query = parameters(query);
        let answered = match path.split_once(':') {
            Some(("customer", customer)) => {
                door.ask(OF_CUSTOMER, json!({"partner": "contoso", "customer": customer}), &query, json!({}))
            }
            Some(("id", id)) => door.ask(ONE, json!({"partner": "contoso", "id": id}), &query, json!({})),
            _ if path.is_empty() => door.ask(LIST, json!({"partner": "contoso"}), &query, json!({})),
            _ => door.ask(LIST, json!({"partner": path}), &query, json!({})),
        };
        answered.outline()
    });
}

const OF_CURSORS: [&str; 20] = [
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
    let door = Door::open();
    let list = parameters("from=2026-09-01&to=2026-11-30&limit=2");
    let records = parameters("startDate=2026-09-01&endDate=2026-11-30&size=2");
    // A cursor is no secret: whoever makes one up can begin with one that was given.
    let fingerprint = |cursor: &Value| {
        let given = URL_SAFE_NO_PAD.decode(cursor.as_str().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&given).unwrap()["query"].as_str().unwrap().to_owned()
    };
    let of_list = fingerprint(&door.ask(LIST, json!({"partner": "contoso"}), &list, json!({})).body["next_cursor"]);
    let of_records = fingerprint(&door.ask(AUDIT, json!({}), &records, json!({})).body["continuationToken"]);
    run("cursor", &OF_CURSORS, |input| {
        let text = String::from_utf8_lossy(input);
        let mut came = String::new();
        // As the text in a cursor, and as the cursor itself.
        for sealed in [true, false] {
            let made = |fingerprint: &str| match sealed {
                true => URL_SAFE_NO_PAD.encode(text.replace("QUERY", fingerprint)),
                false => text.replace("QUERY", fingerprint),
            };
            let mut query = list.clone();
            query.insert("cursor".to_owned(), json!([made(&of_list)]));
            came += &door.ask(LIST, json!({"partner": "contoso"}), &query, json!({})).outline();
            came +=
                &door.ask(AUDIT, json!({}), &records, json!({"MS-ContinuationToken": [made(&of_records)]})).outline();
        }
        came
    });
}

const OF_FILTERS: [&str; 24] = [
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
    let door = Door::open();
    run("filter", &OF_FILTERS, |input| {
        let text = String::from_utf8_lossy(input);
        // A filter by itself, or the whole query.
        let query = match text.strip_prefix('?') {
            Some(query) => parameters(query),
            None => Map::from_iter([("filter".to_owned(), json!([text]))]),
        };
        door.ask(AUDIT, json!({}), &query, json!({})).outline()
    });
}
