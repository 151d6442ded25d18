//! Exports of callers who may see some customers' activities only.

use domain::{
    access::{Author, Caller, Customers, Role},
    filter::Filter,
    job::{ExportRequest, Job, Kind, Output},
    time::{Month, Zone},
};
use exports::App;
use harness::{Sqs, Stores, at, contoso, request_event};
use lambda::{identity, problem::ProblemKind};
use lambda_http::request::from_str;
use serde_json::{Value, json};

use crate::app;

const COLLECTION: &str = "/v1/partners/{partner}/exports";
const ONE: &str = "/v1/partners/{partner}/exports/{id}";
const FILE: &str = "/v1/partners/{partner}/exports/{id}/files/{name}";
const SCHEDULE: &str = "/v1/partners/{partner}/export-schedule";
const NOW: &str = "2026-11-02T12:00:00Z";

/// A caller of `contoso`, and what is asked of the function.
struct Asked<'a> {
    subject: &'a str,
    role: Role,
    customers: &'a [&'a str],
    key: Option<&'a str>,
}

/// Somebody who may change settings, restricted to customers.
fn admin<'a>(subject: &'a str, customers: &'a [&'a str]) -> Asked<'a> {
    Asked { subject, role: Role::GlobalAdmin, customers, key: None }
}

impl Asked<'_> {
    /// Sends a request, and returns the status and the body.
    async fn send(&self, app: &App, route: &str, id: &str, query: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let path = json!({"partner": "contoso", "id": id, "name": "activity.csv"});
        let mut event = request_event(route, &path, query);
        let customers = Customers::parse(self.customers.iter().copied()).unwrap();
        let caller = Caller::new(self.subject.into(), String::new(), Some(contoso()), vec![self.role], customers);
        event["requestContext"]["authorizer"] = identity::write_context(&caller);
        event["body"] = json!(if body.is_null() { String::new() } else { body.to_string() });
        if let Some(key) = self.key {
            event["multiValueHeaders"] = json!({"Idempotency-Key": [key]});
        }
        match exports::handle(app, from_str(&event.to_string()).unwrap(), at(NOW)).await {
            Ok(response) => {
                let body = response.body();
                let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
                (response.status().as_u16(), body)
            }
            Err(problem) => (problem.kind().status().as_u16(), Value::Null),
        }
    }

    async fn create(&self, app: &App, body: &Value) -> (u16, Value) {
        self.send(app, &format!("POST {COLLECTION}"), "", &[], body).await
    }

    /// Creates an export, and returns its id and its filters.
    async fn created(&self, app: &App, body: &Value) -> (String, Value) {
        let (status, export) = self.create(app, body).await;
        assert_eq!(status, 202, "{export}");
        (export["id"].as_str().unwrap().to_owned(), export["filters"].clone())
    }

    /// Lists the ids of all exports, page by page.
    async fn list(&self, app: &App, kind: Option<&str>, limit: &str) -> Vec<String> {
        let (mut found, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let mut query = vec![("limit", limit)];
            query.extend(kind.map(|kind| ("kind", kind)));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let (status, page) = self.send(app, &format!("GET {COLLECTION}"), "", &query, &Value::Null).await;
            assert_eq!(status, 200);
            let exports = page["exports"].as_array().unwrap();
            assert!(exports.len() <= limit.parse().unwrap());
            found.extend(exports.iter().map(|each| each["id"].as_str().unwrap().to_owned()));
            pages += 1;
            assert!(pages < 1_000, "the list has no end");
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return found;
            }
        }
    }

    async fn status(&self, app: &App, route: &str, id: &str) -> u16 {
        self.send(app, route, id, &[], &Value::Null).await.0
    }
}

fn october(filter: Value) -> Value {
    let mut body = json!({"from": "2026-10-01", "to": "2026-10-31"});
    body.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn export_holds_what_its_author_may_see() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs);
    for (customers, asked, filters) in [
        (&["*"][..], json!({}), json!({})),
        (&["*"], json!({"customer": "fabrikam"}), json!({"customer": ["fabrikam"]})),
        (&["fabrikam", "northwind"], json!({}), json!({"customer": ["fabrikam", "northwind"]})),
        (&["fabrikam", "northwind"], json!({"customer": "!Fabrikam"}), json!({"customer": ["northwind"]})),
        (&["fabrikam"], json!({"customer": ["FABRIKAM", "tailspin"]}), json!({"customer": ["FABRIKAM"]})),
        (&["fabrikam"], json!({"customer": "tailspin"}), json!({"customer": [""]})),
        (&["fabrikam"], json!({"status": "failed"}), json!({"customer": ["fabrikam"], "status": ["failed"]})),
        (&[], json!({}), json!({"customer": [""]})),
    ] {
        let (id, shown) = admin("ana", customers).created(&app, &october(asked.clone())).await;
        assert_eq!(shown, filters, "{customers:?} {asked}");
        // The worker reads the stored filter.
        let (job, _) = app.control.job(&contoso(), &id).await.unwrap().unwrap();
        assert_eq!(serde_json::to_value(&job.request.filter).unwrap(), filters);
        let allowed = Customers::parse(customers.iter().copied()).unwrap();
        assert_eq!(allowed.restrict(job.request.filter.clone()), job.request.filter);
    }
}

/// Exports of several people, and a month of the schedule for one customer: each id by a name.
async fn fill(app: &App) -> Vec<(&'static str, String)> {
    let mut made = Vec::new();
    for (name, customers, filter) in [
        ("all", &["*"][..], json!({})),
        ("all but one", &["*"], json!({"customer": "!tailspin"})),
        ("fabrikam by a colleague", &["*"], json!({"customer": "Fabrikam"})),
        ("both by a colleague", &["*"], json!({"customer": ["fabrikam", "northwind"]})),
        ("fabrikam", &["fabrikam"], json!({})),
        ("nobody", &["fabrikam"], json!({"customer": "northwind"})),
    ] {
        let subject = if customers == ["*"] { "bo" } else { "ana" };
        made.push((name, admin(subject, customers).created(app, &october(filter)).await.0));
    }
    let (filter, month) = (json!({"customer": ["fabrikam"]}), Month::parse("2026-10").unwrap());
    let filter: Filter = serde_json::from_value(filter).unwrap();
    let period = month.period(Zone::UTC);
    let output = Output::default();
    let request = ExportRequest { from: period.from(), to: period.to(), time_zone: Zone::UTC, filter, output };
    let author = Author { subject: Some("ana".to_owned()), name: "Ana".to_owned() };
    let job = Job::on_demand(month.to_string(), request, author, at("2026-11-01T06:00:00Z"), 86_400);
    let job = Job { kind: Kind::Monthly, month: Some(month), ..job };
    assert!(app.control.create_job(&contoso(), &job).await.unwrap());
    made.push(("monthly", job.id));
    made
}

#[tokio::test]
async fn restricted_caller_reaches_only_exports_of_its_customers() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs);
    let made = fill(&app).await;
    let everything: Vec<&str> = made.iter().map(|(name, _)| *name).collect();
    for (who, reached) in [
        (admin("cy", &["*"]), everything),
        (admin("ana", &["FABRIKAM"]), vec!["fabrikam by a colleague", "fabrikam", "nobody"]),
        (admin("cy", &["fabrikam"]), vec!["fabrikam by a colleague", "fabrikam"]),
        (
            admin("cy", &["fabrikam", "northwind", "tailspin"]),
            vec!["fabrikam by a colleague", "both by a colleague", "fabrikam"],
        ),
        (admin("ana", &["northwind"]), vec!["nobody"]),
        (admin("cy", &["northwind"]), vec![]),
        (admin("cy", &[]), vec![]),
    ] {
        for (name, id) in &made {
            let is_reached = reached.contains(name);
            let show = who.status(&app, &format!("GET {ONE}"), id).await;
            assert_eq!(show, if is_reached { 200 } else { 404 }, "{:?} {name}", who.customers);
            // No worker has made the files.
            let download = who.status(&app, &format!("GET {FILE}"), id).await;
            assert_eq!(download, if is_reached { 409 } else { 404 }, "{:?} {name}", who.customers);
            if !is_reached {
                assert_eq!(who.status(&app, &format!("DELETE {ONE}"), id).await, 404, "{:?} {name}", who.customers);
            }
        }
        let mut listed = who.list(&app, None, "100").await;
        listed.sort();
        let mut expected: Vec<&str> =
            made.iter().filter(|(name, _)| reached.contains(name)).map(|(_, id)| id.as_str()).collect();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{:?}", who.customers);
        let months = who.list(&app, Some("monthly"), "100").await;
        assert_eq!(months.len(), usize::from(reached.contains(&"monthly")), "{:?}", who.customers);
    }
    // Who may not manage others' exports removes its own, and who may removes those of its customers.
    let (by_colleague, own) = (&made[2].1, &made[4].1);
    let agent = Asked { role: Role::HelpdeskAgent, ..admin("ana", &["fabrikam"]) };
    assert_eq!(agent.status(&app, &format!("DELETE {ONE}"), by_colleague).await, 403);
    assert_eq!(agent.status(&app, &format!("DELETE {ONE}"), own).await, 204);
    assert_eq!(admin("ana", &["fabrikam"]).status(&app, &format!("DELETE {ONE}"), by_colleague).await, 204);
}

#[tokio::test]
async fn list_of_a_restricted_caller_is_complete_page_by_page() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs);
    let mut own = Vec::new();
    let template = admin("bo", &["*"]).created(&app, &october(json!({}))).await.0;
    let (template, _) = app.control.job(&contoso(), &template).await.unwrap().unwrap();
    // More exports of others between the caller's than one page of its list passes over.
    for number in 0..1_250 {
        let is_own = matches!(number, 10 | 11 | 1_200 | 1_201 | 1_205);
        let filter = json!({"customer": [if is_own { "fabrikam" } else { "northwind" }]});
        let request = ExportRequest { filter: serde_json::from_value(filter).unwrap(), ..template.request.clone() };
        let job = Job { id: format!("01KA{number:022}"), request, ..template.clone() };
        assert!(app.control.create_job(&contoso(), &job).await.unwrap());
        own.extend(is_own.then_some(job.id));
    }
    own.reverse();
    for (limit, kind) in [("1", None), ("3", Some("on_demand")), ("4", None), ("100", None)] {
        assert_eq!(admin("cy", &["fabrikam"]).list(&app, kind, limit).await, own, "{limit} {kind:?}");
    }
    assert_eq!(admin("cy", &["tailspin"]).list(&app, None, "1").await, Vec::<String>::new());
    assert_eq!(admin("cy", &["*"]).list(&app, None, "100").await.len(), 1_251);
}

#[tokio::test]
async fn idempotency_key_belongs_to_the_restriction() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs);
    let keyed = |customers| Asked { key: Some("k-1"), ..admin("ana", customers) };
    let body = october(json!({}));
    let (wide, narrow): (&[&str], &[&str]) = (&["fabrikam", "northwind"], &["fabrikam"]);
    let (first, _) = keyed(wide).created(&app, &body).await;
    assert_eq!(keyed(wide).created(&app, &body).await.0, first);
    // The export would hold other activities, so this is another request.
    for customers in [narrow, &["*"], &[]] {
        assert_eq!(keyed(customers).create(&app, &body).await.0, ProblemKind::Unprocessable.status().as_u16());
    }
    let other = Asked { key: Some("k-2"), ..admin("ana", narrow) };
    assert_ne!(other.created(&app, &body).await.0, first);
}

#[tokio::test]
async fn schedule_does_not_exist_for_a_restricted_caller() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    let app = app(&stores, &sqs);
    let save = json!({"enabled": false, "notify": ["https://portal.example/hook"]});
    let put = format!("PUT {SCHEDULE}");
    let get = format!("GET {SCHEDULE}");
    for role in [Role::GlobalAdmin, Role::AdminAgent, Role::HelpdeskAgent, Role::Reader] {
        for customers in [&["fabrikam"][..], &[]] {
            let who = Asked { role, ..admin("ana", customers) };
            assert_eq!(who.send(&app, &put, "", &[], &save).await.0, 404, "{role}");
        }
    }
    assert_eq!(admin("bo", &["*"]).status(&app, &get, "").await, 404, "nothing was saved");
    assert_eq!(admin("bo", &["*"]).send(&app, &put, "", &[], &save).await.0, 200);
    for role in [Role::GlobalAdmin, Role::AdminAgent, Role::HelpdeskAgent, Role::Reader] {
        let who = Asked { role, ..admin("ana", &["fabrikam"]) };
        for route in [&get, &format!("DELETE {SCHEDULE}"), &format!("{get}/secret"), &format!("POST {SCHEDULE}/secret")]
        {
            assert_eq!(who.status(&app, route, "").await, 404, "{role} {route}");
        }
    }
    assert_eq!(admin("bo", &["*"]).status(&app, &get, "").await, 200);
}
