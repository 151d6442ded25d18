//! Lists of activities, page by page, and one activity with its details.

use domain::{
    access::{Caller, Operation},
    activity::{ActivityId, ActivityJson, Details, MAX_NAME_CHARS, PartnerId},
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    filter::Choice,
    query::{Position, Selection},
    text::hex,
    time::{Instant, Zone},
};
use lambda::{
    Answer, Parameters, Problem, Request, StatusCode, audit::RequestAudit, cursor, header, link, log, metrics::Metric,
    payload, request, response,
};
use serde::Serialize;
use serde_json::value::RawValue;
use store::ledger::MAX_PAGE_ROWS;
use utoipa::ToSchema;

use crate::App;
use crate::paging::{Progress, Range, complete_through, link_next, read_order, read_question, write_cursor};

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

/// A request for a page of a list, once it is read.
pub(crate) struct PageRequest {
    parameters: Parameters,
    pub(crate) selection: Selection,
    pub(crate) limit: usize,
    pub(crate) after: Option<Position>,
    zone: Zone,
    begun_at: Instant,
    fingerprint: String,
}

impl PageRequest {
    /// Reads a request for a page of a list called `name`, in which cursors of other lists have no meaning.
    pub(crate) fn read(
        request: &Request,
        name: &str,
        caller: &Caller,
        partner: &PartnerId,
        customer: Option<String>,
        now: Instant,
    ) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let parameters = Parameters::read_known(request, &PARAMETERS, &mut faults);
        let order = read_order(&parameters, &mut faults);
        let limit = faults.keep_part(parameters.number("limit", DEFAULT_LIMIT, MAX_PAGE_ROWS));
        let sent = faults.keep_part(parameters.cursor());
        let question = read_question(&parameters, &mut faults);
        if customer.is_some() && question.customer.is_some() {
            faults.invalid("/customer", "is given by the path already");
        }
        // Pages of one list may have different lengths.
        let restriction = caller.customers().to_key();
        let fingerprint =
            cursor::fingerprint(&format!("{name}{partner} {customer:?} {question:?} {order:?}{restriction}"));
        let asked = faults.keep_part(question.read(now));
        let (((period, zone, mut filter), limit), sent) = faults.finish(asked.zip(limit).zip(sent))?;
        if let Some(customer) = customer {
            if customer.chars().count() > MAX_NAME_CHARS {
                return Err(Problem::field("customer", format!("is longer than {MAX_NAME_CHARS} characters")));
            }
            filter.customer = Choice::any_of(vec![customer]);
        }
        let Progress { period, after, begun_at } = Progress::read(sent, &fingerprint, period, now)?;
        let selection = Selection { period, filter, order, recorded_from: None, recorded_before: None };
        Ok(Self { parameters, selection, limit, after, zone, begun_at, fingerprint })
    }

    /// Makes the answer of a page with these rows, whose list goes on at `next`.
    pub(crate) fn list(&self, rows: Vec<Box<RawValue>>, next: Option<&Position>) -> Result<ListAnswer, Problem> {
        let period = self.selection.period;
        Ok(ListAnswer {
            activities: rows,
            range: Range::of(period, self.zone),
            complete_through: complete_through(self.begun_at),
            next_cursor: write_cursor(next, period, self.begun_at, self.fingerprint.clone())?,
        })
    }

    /// Sends an answer, with a link to the next page.
    pub(crate) fn respond<T: Serialize>(&self, answer: &T, next_cursor: Option<&str>) -> Answer {
        let mut response = response::json(StatusCode::OK, answer)?;
        link_next(&mut response, &PARAMETERS, &self.parameters, next_cursor);
        Ok(response)
    }
}

pub(crate) async fn list(app: &App, request: &Request, customer: Option<String>, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    log::time_invocation(Metric::ListLatency);
    let asked = PageRequest::read(request, "", &caller, &partner, customer, now)?;
    let reading = app.begin_read(&caller, &partner, now).await?;
    let query = reading.list_page(asked.selection.clone(), asked.limit, asked.after.clone(), None);
    let mut page = app.note_read((request, &caller, now), &partner, query).await?;
    let activities = payload::write_fitting(page.activities())?;
    page.truncate(activities.len());
    let answer = asked.list(activities, page.next.as_ref())?;
    asked.respond(&answer, answer.next_cursor.as_deref())
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let Address { caller, partner, occurred_at, id, .. } = Address::read(request, &["occurred_at"])?;
    let reading = app.begin_read(&caller, &partner, now).await?;
    let query = reading.find(occurred_at, &id);
    let found = app.note_read((request, &caller, now), &partner, query).await?;
    // The digest of its content identifies an activity, because activities never change.
    let tag = format!("\"{}\"", hex(&found.activity().digest));
    let mut response = if request::has_current(request, &tag) {
        response::empty(StatusCode::NOT_MODIFIED)
    } else {
        response::activity(StatusCode::OK, &reading.load_details(found).await?)?
    };
    response::set_header(&mut response, header::ETAG, &tag);
    Ok(response)
}

pub(crate) async fn show_details(app: &App, request: &Request, now: Instant) -> Answer {
    let Address { caller, partner, occurred_at, id, parameters } =
        Address::read(request, &["occurred_at", "redirect"])?;
    let is_redirect = link::wants_redirect(&parameters)?;
    let reading = app.begin_read(&caller, &partner, now).await?;
    let activity = reading.load_details(reading.find(occurred_at, &id).await?).await?;
    let Details::Here(details) = &activity.details else { return Err(Problem::not_found()) };
    let method = link::method(request, is_redirect);
    let url = reading.publish_details(&activity, details.clone(), method).await?;
    // A link to the head of a file leads to no content.
    if !request::is_head(request) {
        let entry = AuditEntry::new(AuditAction::DetailsDownloaded).about("activity", id.as_str());
        let entry = entry.named(&occurred_at.to_string());
        RequestAudit::new(&app.audit, request, &caller, now).reveal(&partner, &entry).await?;
    }
    link::answer(url, is_redirect, now)
}

/// The address of an activity, from the path and the query of a request.
struct Address {
    caller: Caller,
    partner: PartnerId,
    occurred_at: Instant,
    id: ActivityId,
    parameters: Parameters,
}

impl Address {
    /// Reads an address. The query may hold only the `known` parameters.
    fn read(request: &Request, known: &[&'static str]) -> Result<Self, Problem> {
        let (caller, partner) = request::partner_for(request, Operation::Read)?;
        let id = ActivityId::parse(&request::path(request, "id")?).map_err(|_| Problem::not_found())?;
        let mut faults = Faults::default();
        let parameters = Parameters::read_known(request, known, &mut faults);
        let occurred_at = faults.keep_part(parameters.parse("occurred_at", Instant::parse)).flatten();
        if occurred_at.is_none() {
            faults.invalid("/occurred_at", "is required: it is part of an activity's address");
        }
        let occurred_at = faults.finish(occurred_at)?;
        Ok(Self { caller, partner, occurred_at, id, parameters })
    }
}
