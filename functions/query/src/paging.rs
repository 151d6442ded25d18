//! What lists and counts share: the parameters that select activities, and the cursors from one call to the next.

use domain::{
    fault::Faults,
    query::{Position, Question, SETTLE_SECONDS, SortOrder},
    text::quoted,
    time::{Instant, Period, Zone},
};
use lambda::{Parameters, Problem, Response, cursor, header, response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

impl Range {
    pub(crate) fn of(period: Period, zone: Zone) -> Self {
        Self { from: period.from(), to: period.to(), time_zone: zone.name() }
    }
}

/// Reads the parameters that select activities.
pub(crate) fn read_question(parameters: &Parameters, faults: &mut Faults) -> Question {
    let all = |name: &str| Some(parameters.all(name)).filter(|values| !values.is_empty());
    let mut one = |name: &str| faults.keep_part(parameters.one(name)).flatten();
    Question {
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
    }
}

/// Reads the order in which activities are read.
pub(crate) fn read_order(parameters: &Parameters, faults: &mut Faults) -> SortOrder {
    let parse = |text: &str| match text {
        "desc" => Ok(SortOrder::Descending),
        "asc" => Ok(SortOrder::Ascending),
        other => Err(format!("{} is neither asc nor desc", quoted(other))),
    };
    faults.keep_part(parameters.parse("order", parse)).flatten().unwrap_or_default()
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

/// How far the calls before have come.
pub(crate) struct Progress {
    /// The period, as the first call read it.
    pub(crate) period: Period,
    /// The position behind what was read; none in the first call.
    pub(crate) after: Option<Position>,
    /// When the first call was made. Activities recorded since, in the part that was read already, are in no answer.
    pub(crate) begun_at: Instant,
}

impl Progress {
    /// Reads the cursor that a request sent. A request without one begins at the period that it asks for.
    pub(crate) fn read(sent: Option<String>, fingerprint: &str, period: Period, now: Instant) -> Result<Self, Problem> {
        let Some(text) = sent else { return Ok(Self { period, after: None, begun_at: now }) };
        let cursor: Cursor = cursor::decode_cursor("cursor", &text)?;
        if cursor.query != fingerprint {
            let detail = "belongs to another query: send it with the same parameters as the page before, or start again without it";
            return Err(Problem::field("cursor", detail));
        }
        let (period, after) =
            resume(&cursor).ok_or_else(|| Problem::field("cursor", "is not a cursor of this list"))?;
        Ok(Self { period, after: Some(after), begun_at: cursor.begun_at.min(now) })
    }
}

fn resume(cursor: &Cursor) -> Option<(Period, Position)> {
    let period = Period::new(cursor.from, cursor.to).ok()?;
    let position = Position::parse(&cursor.after)?;
    period.contains(position.occurred_at()).then_some((period, position))
}

/// Writes the cursor of the next call; none at the end.
pub(crate) fn write_cursor(
    next: Option<&Position>,
    period: Period,
    begun_at: Instant,
    fingerprint: String,
) -> Result<Option<String>, Problem> {
    let (from, to) = (period.from(), period.to());
    let write = |next: &Position| {
        cursor::encode_cursor(&Cursor { after: next.to_text(), from, to, begun_at, query: fingerprint })
    };
    next.map(write).transpose()
}

/// Returns the instant before which every acknowledged activity is in the answers.
pub(crate) fn complete_through(begun_at: Instant) -> String {
    begun_at.plus_seconds(-SETTLE_SECONDS).to_millis_text()
}

/// Links an answer to the next one, by a reference relative to the address of this one. `known` are the route's parameters.
pub(crate) fn link_next(response: &mut Response, known: &[&'static str], parameters: &Parameters, next: Option<&str>) {
    let Some(next) = next else { return };
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut query = format!("?cursor={next}");
    for name in known.iter().filter(|name| **name != "cursor") {
        for value in parameters.all(name) {
            query.push_str(&format!("&{name}={}", encode(&value)));
        }
    }
    response::set_header(response, header::LINK, &format!("<{query}>; rel=\"next\""));
}
