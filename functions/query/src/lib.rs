//! Reads activities: lists, one with its details, and the catalogue of actions.

use daybook::{
    access::Operation,
    activity::{ActivityId, PartnerId},
    catalogue,
    http::{self, Answer, Parameters, Problem},
    ledger::{Ledger, MAX_PAGE_ROWS, Order, Position, Selection},
    period::{Instant, Period, quoted},
    question::Question,
};
use lambda_http::{
    Request,
    http::{StatusCode, header},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const DEFAULT_LIMIT: usize = 100;
const PARAMETERS: [&str; 13] = [
    "from",
    "to",
    "time_zone",
    "customer",
    "actor",
    "action",
    "status",
    "target_type",
    "target",
    "q",
    "order",
    "limit",
    "cursor",
];

/// The routes of this function.
///
/// # Errors
/// A problem.
pub async fn handle(ledger: &Ledger, request: Request, now: Instant) -> Answer {
    match http::route(&request).as_str() {
        "GET /v1/partners/{partner}/activities" => list(ledger, &request, None, now).await,
        "GET /v1/partners/{partner}/activities/{id}" => one(ledger, &request).await,
        "GET /v1/partners/{partner}/customers/{customer}/activities" => {
            let customer = http::path(&request, "customer")?;
            list(ledger, &request, Some(customer), now).await
        }
        "GET /v1/actions" => actions(&request),
        _ => Err(Problem::not_found()),
    }
}

/// What a cursor holds: positions and the period as it was first read, never a partner or a key. It is of use only with
/// the query that it came from, whose fingerprint it carries.
#[derive(Serialize, Deserialize)]
struct Cursor {
    after: String,
    from: Instant,
    to: Instant,
    query: String,
}

async fn list(ledger: &Ledger, request: &Request, customer: Option<String>, now: Instant) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Read)?;
    let parameters = Parameters::read(request, &PARAMETERS)?;
    let order = match parameters.one("order")?.as_deref() {
        None | Some("desc") => Order::Descending,
        Some("asc") => Order::Ascending,
        Some(other) => return Err(Problem::field("order", format!("{} is neither asc nor desc", quoted(other)))),
    };
    let limit = parameters.number("limit", DEFAULT_LIMIT, MAX_PAGE_ROWS)?;
    let mut question = Question {
        from: parameters.one("from")?,
        to: parameters.one("to")?,
        time_zone: parameters.one("time_zone")?,
        customer: parameters.all("customer"),
        actor: parameters.all("actor"),
        action: parameters.all("action"),
        status: parameters.all("status"),
        target_type: parameters.all("target_type"),
        target: parameters.all("target"),
        q: parameters.one("q")?,
    };
    if let Some(customer) = customer {
        if !question.customer.is_empty() {
            return Err(Problem::field("customer", "is given by the path already"));
        }
        question.customer = vec![customer];
    }
    let fingerprint = fingerprint(&partner, &question, order, limit);
    let (mut period, zone, filter) = question.read(now)?;
    let mut after = None;
    if let Some(cursor) = parameters.one("cursor")? {
        let cursor: Cursor = http::unseal(&cursor)?;
        if cursor.query != fingerprint {
            let detail = "belongs to another query: send it with the same parameters as the page before, or start again without it";
            return Err(Problem::field("cursor", detail));
        }
        (period, after) = resume(&cursor).ok_or_else(|| Problem::field("cursor", "is not a cursor of this list"))?;
    }
    let selection = Selection { period, filter, order, recorded_before: None };
    let page = ledger.page(&partner, &selection, limit, after).await?;
    let next = page.next.map(|position| {
        http::seal(&Cursor { after: position.to_text(), from: period.from(), to: period.to(), query: fingerprint })
    });
    let next = next.transpose()?;
    let mut response = http::ok(
        StatusCode::OK,
        &json!({
            "activities": page.activities,
            "range": {"from": period.from(), "to": period.to(), "time_zone": zone.name()},
            "next_cursor": next,
        }),
    )?;
    if let Some(next) = next {
        http::add_header(&mut response, header::LINK, &format!("<{}>; rel=\"next\"", next_query(&parameters, &next)));
    }
    Ok(response)
}

fn resume(cursor: &Cursor) -> Option<(Period, Option<Position>)> {
    let period = Period::new(cursor.from, cursor.to).ok()?;
    let position = Position::parse(&cursor.after)?;
    period.contains(position.occurred_at()).then_some((period, Some(position)))
}

/// Tells queries apart, so that a cursor is used with its own only.
fn fingerprint(partner: &PartnerId, question: &Question, order: Order, limit: usize) -> String {
    let digest = Sha256::digest(format!("{partner} {question:?} {order:?} {limit}"));
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The query of the next page, as a reference relative to this one's address.
fn next_query(parameters: &Parameters, cursor: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut query = format!("?cursor={cursor}");
    for name in PARAMETERS.into_iter().filter(|name| *name != "cursor") {
        for value in parameters.all(name) {
            query.push_str(&format!("&{name}={}", encode(&value)));
        }
    }
    query
}

async fn one(ledger: &Ledger, request: &Request) -> Answer {
    let (_, partner) = http::partner_for(request, Operation::Read)?;
    let parameters = Parameters::read(request, &["occurred_at"])?;
    let id = ActivityId::parse(&http::path(request, "id")?).map_err(|_| Problem::not_found())?;
    let occurred_at = parameters.one("occurred_at")?;
    let occurred_at =
        occurred_at.ok_or_else(|| Problem::field("occurred_at", "is required: it is part of an activity's address"))?;
    let occurred_at = Instant::parse(&occurred_at).map_err(|detail| Problem::field("occurred_at", detail))?;
    let activity = ledger.get(&partner, occurred_at, &id).await?.ok_or_else(Problem::not_found)?;
    http::ok(StatusCode::OK, &activity)
}

fn actions(request: &Request) -> Answer {
    http::caller(request)?;
    let parameters = Parameters::read(request, &["locale"])?;
    let locale = http::locale(request, parameters.one("locale")?.as_deref())?;
    http::ok(StatusCode::OK, &catalogue::actions(locale).collect::<Vec<_>>())
}
