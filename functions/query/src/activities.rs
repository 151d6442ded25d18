//! Lists of activities, page by page, and one activity with its details.

use domain::{
    access::Operation,
    activity::{ActivityId, ActivityJson, Details, MAX_NAME_CHARS, PartnerId},
    fault::Faults,
    filter::Choice,
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
use store::ledger::MAX_PAGE_ROWS;
use utoipa::ToSchema;

use crate::App;

const DEFAULT_LIMIT: usize = 100;
const PARAMETERS: [&str; 15] = [
    "from",
    "to",
    "time_zone",
    "customer",
    "actor",
    "action",
    "status",
    "target_type",
    "target",
    "correlation",
    "source",
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

pub(crate) async fn list(app: &App, request: &Request, customer: Option<String>, now: Instant) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Read)?;
    log::time_invocation(Metric::ListLatency);
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &PARAMETERS, &mut faults);
    let order = faults.keep_part(parameters.parse("order", parse_order)).flatten().unwrap_or_default();
    let limit = faults.keep_part(parameters.number("limit", DEFAULT_LIMIT, MAX_PAGE_ROWS));
    let text = faults.keep_part(parameters.cursor());
    let all = |name: &str| Some(parameters.all(name)).filter(|values| !values.is_empty());
    let mut one = |name: &str| faults.keep_part(parameters.one(name)).flatten();
    let question = Question {
        from: one("from"),
        to: one("to"),
        time_zone: one("time_zone"),
        customer: all("customer"),
        actor: all("actor"),
        action: all("action"),
        status: all("status"),
        target_type: all("target_type"),
        target: all("target"),
        correlation: all("correlation"),
        source: all("source"),
        q: one("q"),
    };
    if customer.is_some() && question.customer.is_some() {
        faults.invalid("/customer", "is given by the path already");
    }
    // Pages of one list may have different lengths.
    let fingerprint = cursor::fingerprint(&format!("{partner} {customer:?} {question:?} {order:?}"));
    let asked = faults.keep_part(question.read(now));
    let (((mut period, zone, mut filter), limit), text) = faults.finish(asked.zip(limit).zip(text))?;
    if let Some(customer) = customer {
        if customer.chars().count() > MAX_NAME_CHARS {
            return Err(Problem::field("customer", format!("is longer than {MAX_NAME_CHARS} characters")));
        }
        filter.customer = Choice::any_of(vec![customer]);
    }
    let (mut after, mut begun_at) = (None, now);
    if let Some(text) = text {
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
    let reading = app.begin_read(&partner, now).await?;
    let mut page = reading.ledger.list_page(&partner, &selection, limit, after, None).await?;
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

fn parse_order(text: &str) -> Result<SortOrder, String> {
    match text {
        "desc" => Ok(SortOrder::Descending),
        "asc" => Ok(SortOrder::Ascending),
        other => Err(format!("{} is neither asc nor desc", quoted(other))),
    }
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

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let Address { partner, occurred_at, id, .. } = Address::read(request, &["occurred_at"])?;
    let reading = app.begin_read(&partner, now).await?;
    let found = reading.ledger.find(&partner, occurred_at, &id).await?.ok_or_else(Problem::not_found)?;
    // The digest of its content identifies an activity, because activities never change.
    let tag = format!("\"{}\"", hex(&found.activity().digest));
    let mut response = if request::has_current(request, &tag) {
        response::empty(StatusCode::NOT_MODIFIED)
    } else {
        response::activity(StatusCode::OK, &reading.ledger.load_details(found).await?)?
    };
    response::set_header(&mut response, header::ETAG, &tag);
    Ok(response)
}

pub(crate) async fn show_details(app: &App, request: &Request, now: Instant) -> Answer {
    let Address { partner, occurred_at, id, parameters } = Address::read(request, &["occurred_at", "redirect"])?;
    let is_redirect = link::wants_redirect(&parameters)?;
    let reading = app.begin_read(&partner, now).await?;
    let found = reading.ledger.find(&partner, occurred_at, &id).await?.ok_or_else(Problem::not_found)?;
    let activity = reading.ledger.load_details(found).await?;
    let Details::Here(details) = &activity.details else { return Err(Problem::not_found()) };
    let url = reading.ledger.publish_details(&activity, details.clone(), link::method(request, is_redirect)).await?;
    link::answer(url, is_redirect, now)
}

/// The address of an activity, from the path and the query of a request.
struct Address {
    partner: PartnerId,
    occurred_at: Instant,
    id: ActivityId,
    parameters: Parameters,
}

impl Address {
    /// Reads an address. The query may hold only the `known` parameters.
    fn read(request: &Request, known: &[&'static str]) -> Result<Self, Problem> {
        let (_, partner) = request::partner_for(request, Operation::Read)?;
        let id = ActivityId::parse(&request::path(request, "id")?).map_err(|_| Problem::not_found())?;
        let mut faults = Faults::default();
        let parameters = Parameters::read_known(request, known, &mut faults);
        let occurred_at = faults.keep_part(parameters.parse("occurred_at", Instant::parse)).flatten();
        if occurred_at.is_none() {
            faults.invalid("/occurred_at", "is required: it is part of an activity's address");
        }
        let occurred_at = faults.finish(occurred_at)?;
        Ok(Self { partner, occurred_at, id, parameters })
    }
}
