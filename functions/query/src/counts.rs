//! Counts of activities, call by call.

use std::time::Duration;

use domain::{
    access::Operation,
    activity::Activity,
    counts::{CountBucket, CountQuestion, Counts, FacetCounts, Tally},
    fault::Faults,
    query::Selection,
    time::Instant,
};
use lambda::{Answer, Parameters, Request, StatusCode, cursor, request, response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::paging::{Progress, Range, complete_through, link_next, read_order, read_question, write_cursor};

const PARAMETERS: [&str; 17] = [
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
    "interval",
    "by",
    "match",
    "cursor",
];
/// The time after which a call requests no further page, so that a client sees the first sums soon.
const READING_TIME: Duration = Duration::from_secs(2);
/// The same for the first call, which people wait for.
const FIRST_READING_TIME: Duration = Duration::from_millis(500);

/// What one call has counted. The counts of all calls, added up, are those of the list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityCounts)]
pub struct CountAnswer {
    /// The period that is counted.
    pub range: Range,
    /// The activities that this call counted.
    #[schema(example = 1204)]
    pub total: u64,
    /// Every bucket of the period, in the order of time, also those without activities; empty if no interval was asked for.
    #[schema(max_items = 1000)]
    pub buckets: Vec<CountBucket>,
    /// The values that this call met, for each facet that was asked for.
    pub by: FacetCounts,
    /// Whether this call and those before have counted the whole period.
    pub complete: bool,
    /// The counts hold every matching activity that was acknowledged before this instant.
    #[schema(format = DateTime)]
    pub complete_through: String,
    /// The cursor of the next call; null at the end.
    pub next_cursor: Option<String>,
}

pub(crate) async fn count(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &PARAMETERS, &mut faults);
    let order = read_order(&parameters, &mut faults);
    let sent = faults.keep_part(parameters.cursor());
    let question = CountQuestion {
        selected: read_question(&parameters, &mut faults),
        interval: faults.keep_part(parameters.one("interval")).flatten(),
        by: parameters.all("by"),
        matching: faults.keep_part(parameters.one("match")).flatten(),
    };
    let restriction = caller.customers().to_key();
    let fingerprint = cursor::fingerprint(&format!("counts {partner} {question:?} {order:?}{restriction}"));
    let asked = faults.keep_part(question.read(now));
    let ((period, zone, filter, plan), sent) = faults.finish(asked.zip(sent))?;
    let Progress { period, after, begun_at } = Progress::read(sent, &fingerprint, period, now)?;
    let mut tally = Tally::begin(plan, period, zone)?;
    let selection = Selection { period, filter, order, recorded_from: None, recorded_before: None };
    let reading = app.begin_read(&caller, &partner, now).await?;
    let mut add = |activity: &Activity<&str>| tally.add(activity);
    let reading_time = if after.is_none() { FIRST_READING_TIME } else { READING_TIME };
    let query = reading.visit(selection, after, reading_time, &mut add);
    let next = app.note_read((request, &caller, now), &partner, query).await?;
    let Counts { total, buckets, by } = tally.finish();
    let answer = CountAnswer {
        range: Range::of(period, zone),
        total,
        buckets,
        by,
        complete: next.is_none(),
        complete_through: complete_through(begun_at),
        next_cursor: write_cursor(next.as_ref(), period, begun_at, fingerprint)?,
    };
    let mut response = response::json(StatusCode::OK, &answer)?;
    link_next(&mut response, &PARAMETERS, &parameters, answer.next_cursor.as_deref());
    Ok(response)
}
