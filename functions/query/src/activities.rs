//! Lists of activities, page by page, and one activity with its details.

use domain::{
    access::Operation,
    activity::{ActivityId, ActivityJson, Details},
    query::{Position, Question, SETTLE_SECONDS, Selection, SortOrder},
    text::{hex, quoted},
    time::{Instant, Period},
};
use lambda::{
    Answer, Parameters, Problem, Request, StatusCode, cursor, header, link, log, metrics::Metric, payload, request,
    response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::ledger::{Ledger, MAX_PAGE_ROWS, StoredActivity};
use utoipa::ToSchema;

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

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityList)]
pub struct ListAnswer {
    /// The activities, without details.
    #[schema(value_type = Vec<ActivityJson>)]
    pub activities: Vec<Box<RawValue>>,
    /// The period that was read.
    pub range: Range,
    /// The list holds every matching activity that was acknowledged before this instant.
    #[schema(format = DateTime)]
    pub complete_through: String,
    /// The cursor of the next page; null at the end. A page can be short or empty and still have a next one.
    pub next_cursor: Option<String>,
}

/// A period, and the time zone of its dates.
#[derive(Debug, Serialize, ToSchema)]
pub struct Range {
    /// The first instant.
    pub from: Instant,
    /// The first instant after.
    pub to: Instant,
    /// The IANA name of the time zone.
    pub time_zone: &'static str,
}

/// The contents of a cursor: a position, and the period as the first page read it. Only the query whose fingerprint the
/// cursor holds accepts it.
#[derive(Serialize, Deserialize)]
struct Cursor {
    after: String,
    from: Instant,
    to: Instant,
    begun_at: Instant,
    query: String,
}

pub(crate) async fn list(ledger: &Ledger, request: &Request, customer: Option<String>, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    log::time_invocation(Metric::ListLatency);
    let parameters = Parameters::read(request, &PARAMETERS)?;
    let order = match parameters.one("order")?.as_deref() {
        None | Some("desc") => SortOrder::Descending,
        Some("asc") => SortOrder::Ascending,
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
    let fingerprint = cursor::fingerprint(&format!("{partner} {question:?} {order:?} {limit}"));
    let (mut period, zone, filter) = question.read(now)?;
    let (mut after, mut begun_at) = (None, now);
    if let Some(text) = parameters.one("cursor")? {
        let cursor: Cursor = cursor::decode_cursor("cursor", &text)?;
        if cursor.query != fingerprint {
            let detail = "belongs to another query: send it with the same parameters as the page before, or start again without it";
            return Err(Problem::field("cursor", detail));
        }
        (period, after) = resume(&cursor).ok_or_else(|| Problem::field("cursor", "is not a cursor of this list"))?;
        // Activities recorded since the first page, in the part that was read already, are in no page.
        begun_at = cursor.begun_at.min(now);
    }
    let selection = Selection { period, filter, order, recorded_from: None, recorded_before: None };
    let mut page = ledger.list_page(&partner, &selection, limit, after, None).await?;
    let activities = payload::write_fitting(page.activities())?;
    page.truncate(activities.len());
    let (from, to) = (period.from(), period.to());
    let next = page.next.as_ref().map(|position| {
        cursor::encode_cursor(&Cursor { after: position.to_text(), from, to, begun_at, query: fingerprint })
    });
    let answer = ListAnswer {
        activities,
        range: Range { from, to, time_zone: zone.name() },
        complete_through: begun_at.plus_seconds(-SETTLE_SECONDS).to_millis_text(),
        next_cursor: next.transpose()?,
    };
    let mut response = response::json(StatusCode::OK, &answer)?;
    if let Some(next) = answer.next_cursor {
        response::set_header(
            &mut response,
            header::LINK,
            &format!("<{}>; rel=\"next\"", next_query(&parameters, &next)),
        );
    }
    Ok(response)
}

fn resume(cursor: &Cursor) -> Option<(Period, Option<Position>)> {
    let period = Period::new(cursor.from, cursor.to).ok()?;
    let position = Position::parse(&cursor.after)?;
    period.contains(position.occurred_at()).then_some((period, Some(position)))
}

/// Returns the query of the next page, as a reference relative to the address of this page.
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

pub(crate) async fn show(ledger: &Ledger, request: &Request) -> Answer {
    let (found, _) = find(ledger, request, &["occurred_at"]).await?;
    // The digest of its content identifies an activity, because activities never change.
    let tag = format!("\"{}\"", hex(&found.activity().digest));
    let mut response = if request::has_current(request, &tag) {
        response::empty(StatusCode::NOT_MODIFIED)
    } else {
        response::activity(StatusCode::OK, &ledger.load_details(found).await?)?
    };
    response::set_header(&mut response, header::ETAG, &tag);
    Ok(response)
}

pub(crate) async fn show_details(ledger: &Ledger, request: &Request, now: Instant) -> Answer {
    let (found, parameters) = find(ledger, request, &["occurred_at", "redirect"]).await?;
    let is_redirect = link::wants_redirect(&parameters)?;
    let activity = ledger.load_details(found).await?;
    let Details::Here(details) = &activity.details else { return Err(Problem::not_found()) };
    let url = ledger.publish_details(&activity, details.clone(), link::method(request, is_redirect)).await?;
    link::answer(url, is_redirect, now)
}

/// Finds the activity that path and query address. The query may hold only the `known` parameters.
async fn find(
    ledger: &Ledger,
    request: &Request,
    known: &[&'static str],
) -> Result<(StoredActivity, Parameters), Problem> {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    let parameters = Parameters::read(request, known)?;
    let id = ActivityId::parse(&request::path(request, "id")?).map_err(|_| Problem::not_found())?;
    let occurred_at = parameters.one("occurred_at")?;
    let occurred_at =
        occurred_at.ok_or_else(|| Problem::field("occurred_at", "is required: it is part of an activity's address"))?;
    let occurred_at = Instant::parse(&occurred_at).map_err(|detail| Problem::field("occurred_at", detail))?;
    let found = ledger.find(&partner, occurred_at, &id).await?.ok_or_else(Problem::not_found)?;
    Ok((found, parameters))
}
