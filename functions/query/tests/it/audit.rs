//! Who reads is noted, and the audit is listed for those who may see it.

use harness::{at, by, parsed, request_event, sent};
use serde_json::{Value, json};

use crate::support::{Installation, NOW};

const AUDIT: &str = "GET /v1/partners/{partner}/audit";
const LIST: &str = "GET /v1/partners/{partner}/activities";
const SHOW: &str = "GET /v1/partners/{partner}/activities/{id}";
const DETAILS: &str = "GET /v1/partners/{partner}/activities/{id}/details";
const COUNTS: &str = "GET /v1/partners/{partner}/counts";
const LIST_OF_CUSTOMER: &str = "GET /v1/partners/{partner}/customers/{customer}/activities";
const AT: [(&str, &str); 1] = [("occurred_at", "2026-11-02T09:30:00Z")];

/// Returns the entries of an answer as (action, status, subject, target), without those of who reads the audit in a test.
fn shown(audit: &Value) -> Vec<[String; 4]> {
    let text =
        |entry: &Value, pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries = audit["activities"].as_array().unwrap().iter();
    let of_others = entries.filter(|entry| entry["actor"]["id"] != "overseer");
    of_others.map(|entry| ["/action", "/status", "/actor/id", "/target/id"].map(|each| text(entry, each))).collect()
}

impl Installation {
    /// Asks for a route of a partner as somebody.
    async fn ask_as(&mut self, who: [&str; 3], route: &str, partner: &str, query: &[(&str, &str)]) -> (u64, Value) {
        let path = json!({"partner": partner, "customer": "fabrikam", "id": "e-1"});
        let [subject, own, roles] = who;
        let answer = self.invoke(&by(request_event(route, &path, query), subject, own, roles)).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
    }

    /// Lists the audit of a partner of the last month, as its administrator.
    async fn audit(&mut self, partner: &str) -> Value {
        let (status, audit) = self.ask_as(["overseer", partner, "global_admin"], AUDIT, partner, &[]).await;
        assert_eq!(status, 200, "{audit}");
        audit
    }
}

#[tokio::test]
async fn reader_of_any_route_is_noted_once_an_hour() {
    let mut installation = Installation::start().await;
    installation
        .record(vec![parsed(&sent("e-1", "2026-11-02T09:30:00Z", &json!({"details": {"a": 1}})), at(NOW))])
        .await;
    let routes: [(&str, &[(&str, &str)]); 6] = [
        (LIST, &[]),
        (COUNTS, &[]),
        (LIST_OF_CUSTOMER, &[]),
        (SHOW, &AT),
        ("GET /v1/auditrecords", &[]),
        ("GET /auditactivity/v1/auditrecords", &[]),
    ];
    for (number, (route, query)) in routes.into_iter().enumerate() {
        let subject = format!("reader-{number}");
        for _ in 0..2 {
            let (status, _) = installation.ask_as([&subject, "contoso", "sales_agent"], route, "contoso", query).await;
            assert_eq!(status, 200, "{route}");
        }
        // A bad request reads nothing.
        let bad =
            installation.ask_as([&format!("bad-{number}"), "contoso", "reader"], route, "contoso", &[("x", "y")]).await;
        assert_eq!(bad.0, 400, "{route}");
    }
    let audit = installation.audit("contoso").await;
    let mut entries = shown(&audit);
    entries.sort();
    entries.dedup();
    // Where an hour ends during the test, a reader is noted in both.
    let expected: Vec<[String; 4]> =
        (0..6).map(|number| ["log.read", "succeeded", &format!("reader-{number}"), ""].map(str::to_owned)).collect();
    assert_eq!(entries, expected);
    let is_first = |entry: &&Value| entry["actor"]["id"] == "reader-0";
    let entry = audit["activities"].as_array().unwrap().iter().find(is_first).unwrap();
    assert_eq!((&entry["source"], &entry["actor"]["ip"]), (&json!("page"), &json!("203.0.113.7")));
    assert!(entry.get("url").is_none() && entry.get("details").is_none(), "{entry}");
    assert!(entry["occurred_at"].as_str().unwrap().ends_with(":00:00.000000Z"), "{entry}");
}

#[tokio::test]
async fn download_of_details_is_an_entry_of_its_own() {
    let mut installation = Installation::start().await;
    installation
        .record(vec![parsed(&sent("e-1", "2026-11-02T09:30:00Z", &json!({"details": {"a": 1}})), at(NOW))])
        .await;
    let ana = ["s-1", "contoso", "sales_agent"];
    for method in ["GET", "GET", "HEAD"] {
        let (status, _) = installation.ask_as(ana, &DETAILS.replace("GET", method), "contoso", &AT).await;
        assert_eq!(status, 303);
    }
    let audit = installation.audit("contoso").await;
    assert_eq!(shown(&audit), vec![["details.downloaded", "succeeded", "s-1", "e-1"].map(str::to_owned); 2]);
    assert!(audit.to_string().contains(r#""name":"2026-11-02T09:30:00.000000Z""#), "{audit}");
}

#[tokio::test]
async fn only_overseers_and_the_operator_see_the_audit() {
    let mut installation = Installation::start().await;
    for (who, partner, status) in [
        (["s", "contoso", "global_admin"], "contoso", 200),
        (["s", "", "operator"], "contoso", 200),
        (["s", "", "operator"], "_installation", 200),
        (["s", "_installation", "global_admin"], "_installation", 404),
        (["s", "contoso", "admin_agent billing_admin"], "contoso", 403),
        (["s", "contoso", "reader"], "contoso", 403),
        (["s", "contoso", "recorder"], "contoso", 403),
        (["s", "contoso", "global_admin"], "fabrikam", 404),
    ] {
        assert_eq!(installation.ask_as(who, AUDIT, partner, &[]).await.0, status, "{who:?} {partner}");
    }
    // The readers of the audit are in it, and refusals are in that of the caller's partner.
    let audit = installation.audit("contoso").await;
    let mut entries = shown(&audit);
    entries.sort();
    entries.dedup();
    let expected = [["access.refused", "declined", "s", AUDIT], ["audit.read", "succeeded", "s", ""]];
    assert_eq!(entries, expected.map(|entry| entry.map(str::to_owned)));
    assert!(shown(&installation.audit("fabrikam").await).is_empty());
}

#[tokio::test]
async fn list_goes_on_at_its_cursor_and_takes_filters() {
    let mut installation = Installation::start().await;
    installation
        .record(vec![parsed(&sent("e-1", "2026-11-02T09:30:00Z", &json!({"details": {"a": 1}})), at(NOW))])
        .await;
    for _ in 0..5 {
        installation.ask_as(["s-1", "contoso", "reader"], DETAILS, "contoso", &AT).await;
    }
    let admin = ["overseer", "contoso", "global_admin"];
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "2"), ("actor", "s-1"), ("action", "details.*"), ("customer", "!fabrikam")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let (status, page) = installation.ask_as(admin, AUDIT, "contoso", &query).await;
        assert_eq!(status, 200, "{page}");
        found.extend(shown(&page));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if let Some(cursor) = &cursor {
            // Cursors of one log have no meaning in the other.
            let query = [("actor", "s-1"), ("action", "details.*"), ("customer", "!fabrikam"), ("cursor", cursor)];
            assert_eq!(installation.ask_as(admin, LIST, "contoso", &query).await.0, 400);
        } else {
            break;
        }
    }
    assert_eq!(found.len(), 5);
    let (status, page) = installation.ask_as(admin, AUDIT, "contoso", &[("q", "téléchargement details")]).await;
    assert_eq!((status, shown(&page).len()), (200, 5));
    assert_eq!(
        installation.ask_as(admin, AUDIT, "contoso", &[("customer", "fabrikam")]).await.1["activities"],
        json!([])
    );
}

#[tokio::test]
async fn reads_go_on_when_the_audit_fails() {
    let mut installation = Installation::start().await;
    installation
        .record(vec![parsed(&sent("e-1", "2026-11-02T09:30:00Z", &json!({"details": {"a": 1}})), at(NOW))])
        .await;
    installation.stores.dynamodb(None).delete_table().table_name(harness::AUDIT).send().await.unwrap();
    let ana = ["s-1", "contoso", "sales_agent"];
    assert_eq!(installation.ask_as(ana, LIST, "contoso", &[]).await.0, 200);
    assert_eq!(installation.ask_as(ana, SHOW, "contoso", &AT).await.0, 200);
    assert_eq!(installation.ask_as(ana, LIST, "fabrikam", &[]).await.0, 404);
    // A download waits for its entry.
    assert_eq!(installation.ask_as(ana, DETAILS, "contoso", &AT).await.0, 503);
}

#[tokio::test]
async fn acts_of_the_audit_have_names() {
    let mut installation = Installation::start().await;
    let ana = ["s-1", "contoso", "recorder"];
    let actions = "GET /v1/actions";
    let (status, acts) = installation.ask_as(ana, actions, "contoso", &[("log", "audit"), ("locale", "fr")]).await;
    assert_eq!(status, 200);
    let downloaded = acts.as_array().unwrap().iter().find(|act| act["action"] == "export.downloaded").unwrap();
    assert_eq!(downloaded["label"], "Téléchargement d’un fichier d’export");
    let (_, known) = installation.ask_as(ana, actions, "contoso", &[]).await;
    assert!(known.as_array().unwrap().iter().all(|act| act["action"] != "export.downloaded"));
    let (status, problem) = installation.ask_as(ana, actions, "contoso", &[("log", "x"), ("locale", "de")]).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/log")));
}
