//! Lists the log at the newer address of Partner Center's audit records.
//!
//! `GET /auditactivity/v1/auditrecords?auditRequest.startDate&auditRequest.endDate&auditRequest.filter.field&…`. The next page
//! is at `?seek=` with the continuation token. Source: "Audit operations", learn.microsoft.com/rest/api/partner-center. The
//! answers are those of `audit_records`.

use domain::{
    access::{Caller, Operation},
    activity::PartnerId,
    fault::Faults,
    query::Position,
    time::{Instant, Period},
};
use lambda::{Answer, Parameters, Problem, Request, cursor, log, metrics::Metric, request};
use serde::{Deserialize, Serialize};
use store::ledger::MAX_PAGE_ROWS;

use crate::App;
use crate::audit_records::{
    DEFAULT_SIZE, FieldFilter, Link, Links, RecordFilter, RecordPage, answer, default_period, read_filter, read_page,
    read_period, uri,
};

const PATH: &str = "/auditactivity/v1/auditrecords";
const START: &str = "auditRequest.startDate";
const END: &str = "auditRequest.endDate";
const SIZE: &str = "auditRequest.size";
const FIELD: &str = "auditRequest.filter.field";
const VALUE: &str = "auditRequest.filter.value";
const OPERATOR: &str = "auditRequest.filter.operator";
const SEEK: &str = "seek";
/// The operators that a filter can have, with the numbers of Partner Center's enumeration `FieldFilterOperation`.
const OPERATORS: [(&str, &str); 2] = [("0", "Equals"), ("6", "Substring")];

/// The contents of a continuation token. It holds the whole question, because a client may send nothing else with it.
#[derive(Serialize, Deserialize)]
struct Seek {
    after: String,
    from: Instant,
    to: Instant,
    filter: Option<FieldFilter>,
    size: usize,
    query: String,
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let caller = request::caller(request)?;
    let partner = caller.may_at_home(Operation::Read)?;
    log::set_partner(partner);
    log::time_invocation(Metric::ListLatency);
    let mut faults = Faults::default();
    let known = [START, END, FIELD, VALUE, OPERATOR, SIZE, SEEK];
    let parameters = Parameters::read_any_case(request, &known, &mut faults);
    let token = faults.keep_part(parameters.one(SEEK)).flatten();
    let seek: Option<Seek> = token.map(|token| cursor::decode_cursor(SEEK, &token)).transpose()?;
    // What the token says stands in for parameters that do not come along.
    let bounds = seek.as_ref().map_or_else(|| default_period(now), |seek| [seek.from, seek.to]);
    let start = faults.keep_part(parameters.one(START)).flatten();
    let end = faults.keep_part(parameters.one(END)).flatten();
    let period = read_period([START, END], [start.as_deref(), end.as_deref()], bounds, &mut faults);
    let filter = sent_filter(&parameters, &mut faults).or_else(|| seek.as_ref()?.filter.clone());
    let wanted = filter.as_ref().map_or(Ok(RecordFilter::All), |filter| read_filter("auditRequest.filter", filter));
    let wanted = faults.keep_part(wanted);
    let default_size = seek.as_ref().map_or(DEFAULT_SIZE, |seek| seek.size);
    let size = faults.keep_part(parameters.number(SIZE, default_size, MAX_PAGE_ROWS));
    let ((period, wanted), size) = faults.finish(period.zip(wanted).zip(size))?;
    let query = fingerprint(&caller, partner, period, filter.as_ref());
    let after = seek.map(|seek| resume(&seek, period, &query)).transpose()?;
    let reading = app.begin_read(&caller, partner, now).await?;
    let query_page = read_page(&reading, period, &wanted, size, after);
    let RecordPage { items, next } = app.note_read((request, &caller, now), partner, query_page).await?;
    let (from, to) = (period.from(), period.to());
    let token = next.map(|next| cursor::encode_cursor(&Seek { after: next.to_text(), from, to, filter, size, query }));
    let token = token.transpose()?;
    let link = |uri| Link { uri, method: "GET", headers: Vec::new() };
    let next = token.as_ref().map(|token| link(format!("{PATH}?{SEEK}={token}")));
    answer(request, items, Links { this: link(uri(PATH, &parameters)), next }, token)
}

/// Returns where a page begins, if its token belongs to this question.
fn resume(seek: &Seek, period: Period, query: &str) -> Result<Position, Problem> {
    let position = Position::parse(&seek.after).filter(|position| period.contains(position.occurred_at()));
    position.filter(|_| seek.query == query).ok_or_else(|| {
        Problem::field(SEEK, "belongs to another request: send it alone, or with the parameters of the page before")
    })
}

fn fingerprint(caller: &Caller, partner: &PartnerId, period: Period, filter: Option<&FieldFilter>) -> String {
    let (from, to, restriction) = (period.from(), period.to(), caller.customers().to_key());
    cursor::fingerprint(&format!("{partner} {from} {to} {filter:?}{restriction}"))
}

/// Reads the filter that three parameters hold, if one of them is sent. Without an operator, the field's only one is meant.
fn sent_filter(parameters: &Parameters, faults: &mut Faults) -> Option<FieldFilter> {
    let [field, value, operator] = [FIELD, VALUE, OPERATOR].map(|name| faults.keep_part(parameters.one(name)));
    // The faults of parameters that cannot be read are known.
    let (field, value, operator) = (field?, value?, operator?);
    if field.is_none() && value.is_none() && operator.is_none() {
        return None;
    }
    for (name, sent) in [(FIELD, &field), (VALUE, &value)] {
        if sent.is_none() {
            faults.invalid(&format!("/{name}"), "is missing; a filter has a field and a value");
        }
    }
    let (field, value) = (field?, value?);
    let operator = match operator {
        None if field.eq_ignore_ascii_case("CompanyName") => "Substring".to_owned(),
        None => "Equals".to_owned(),
        Some(sent) => match OPERATORS.iter().find(|(number, _)| *number == sent) {
            Some((_, name)) => (*name).to_owned(),
            None => sent,
        },
    };
    Some(FieldFilter { field, value, operator })
}
