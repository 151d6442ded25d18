//! Months of all partners: the exports of a month, and running a month at once.

use std::time::Duration;

use domain::{
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    job::State,
    query::given_text,
    request_json::read_owned,
    text::quoted,
    time::{Instant, Month, Zone},
};
use lambda::{Answer, Parameters, Problem, Request, StatusCode, audit::RequestAudit, cursor, request, response};
use serde::{Deserialize, Serialize};
use store::{
    jobs::{MAX_LISTED, MonthCursor, MonthEntry},
    months::RunSummary,
    queues::MonthlyRun,
};
use utoipa::ToSchema;

use crate::App;

const DEFAULT_LISTED: usize = 50;
/// How many entries are read at a time to count all of them.
const COUNT_PAGE: usize = 1_000;
/// How long a run may take while its caller waits; the rest continues without them.
const RUN_TIME: Duration = Duration::from_secs(15);
/// The part of the function's time that is kept for the answer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(8);

/// The result of a month's run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MonthRun)]
pub struct RunAnswer {
    /// The month.
    pub month: Month,
    /// The number of partners whose schedules had work.
    pub due: usize,
    /// The number of exports that the run created or renewed.
    pub created: usize,
    /// The number of partners whose schedules failed; the hourly run tries them again.
    pub failed: usize,
    /// Whether the run is complete; if not, it continues in the background.
    pub complete: bool,
    /// The reason why no schedule had work, if none had.
    pub reason: Option<String>,
}

/// The partners that a month's run is for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunMonth {
    /// One partner; without this field, all partners.
    #[serde(default, deserialize_with = "given_text")]
    #[schema(value_type = Option<PartnerId>, nullable = false)]
    partner: Option<String>,
}

/// All partners' exports of a month.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MonthExports)]
pub struct MonthAnswer {
    /// The month.
    pub month: Month,
    /// The numbers of exports, on the first page only.
    pub counts: Option<Counts>,
    /// The exports.
    pub exports: Vec<MonthExport>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// The numbers of a month's exports, by status.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MonthCounts)]
pub struct Counts {
    /// The number of all exports.
    pub total: usize,
    /// The number of pending exports.
    pub pending: usize,
    /// The number of running exports.
    pub running: usize,
    /// The number of ready exports.
    pub ready: usize,
    /// The number of failed exports.
    pub failed: usize,
    /// The number of cancelled exports, and of those whose files were removed.
    pub cancelled: usize,
    /// The number of expired exports.
    pub expired: usize,
}

impl Counts {
    fn count(&mut self, state: State) {
        self.total += 1;
        match state {
            State::Pending => self.pending += 1,
            State::Running => self.running += 1,
            State::Ready => self.ready += 1,
            State::Failed => self.failed += 1,
            State::Cancelled => self.cancelled += 1,
            State::Expired => self.expired += 1,
        }
    }
}

/// A partner's export of a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct MonthExport {
    /// The partner.
    pub partner_id: PartnerId,
    /// The id: the month, with the version from 2 on.
    pub id: String,
    /// The status.
    pub status: State,
    /// The reason of the failure.
    pub problem: Option<String>,
    /// The time at which the files are removed.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// The address, below the API's root.
    pub url: String,
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    request::caller(request)?.may_operate()?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["kind", "month", "status", "limit", "cursor"], &mut faults);
    if faults.keep_part(parameters.parse("kind", check_kind)).flatten().is_none() {
        faults.invalid("/kind", "is missing; give kind=monthly, the only kind listed here");
    }
    let month = faults.keep_part(parameters.parse("month", Month::parse)).flatten();
    if month.is_none() {
        faults.invalid("/month", "is missing; give one such as month=2026-10");
    }
    let state = faults.keep_part(parameters.parse("status", parse_state));
    let limit = faults.keep_part(parameters.number("limit", DEFAULT_LISTED, MAX_LISTED));
    let text = faults.keep_part(parameters.cursor());
    let (((month, state), limit), text) = faults.finish(month.zip(state).zip(limit).zip(text))?;
    let counts = match text {
        None => Some(count(app, month, now).await?),
        Some(_) => None,
    };
    let mut place = Some(match &text {
        None => MonthCursor::default(),
        Some(text) => cursor::decode_cursor("cursor", text)?,
    });
    let mut exports = Vec::new();
    while exports.len() < limit
        && let Some(from) = place
    {
        let (found, next) = app.control.exports_of_month(month, state, limit - exports.len(), from).await?;
        exports.extend(found.into_iter().map(|entry| shown(entry, now)));
        place = next;
    }
    let next_cursor = place.map(|place| cursor::encode_cursor(&place)).transpose()?;
    response::json(StatusCode::OK, &MonthAnswer { month, counts, exports, next_cursor })
}

fn check_kind(kind: &str) -> Result<(), String> {
    match kind {
        "monthly" => Ok(()),
        other => Err(format!("{} is not monthly, the only kind listed here", quoted(other))),
    }
}

/// Reads a state that is stored; one that follows from the time is none.
fn parse_state(word: &str) -> Result<State, String> {
    let stored = [State::Pending, State::Running, State::Ready, State::Failed, State::Cancelled];
    let found = stored.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| format!("{} is none of pending, running, ready, failed, cancelled", quoted(word)))
}

async fn count(app: &App, month: Month, now: Instant) -> Result<Counts, Problem> {
    let mut counts = Counts::default();
    let mut place = Some(MonthCursor::default());
    while let Some(from) = place {
        let (found, next) = app.control.exports_of_month(month, None, COUNT_PAGE, from).await?;
        for entry in found {
            counts.count(state_at(&entry, now));
        }
        place = next;
    }
    Ok(counts)
}

fn state_at(entry: &MonthEntry, now: Instant) -> State {
    if entry.state == State::Ready && now >= entry.expires_at { State::Expired } else { entry.state }
}

fn shown(entry: MonthEntry, now: Instant) -> MonthExport {
    let status = state_at(&entry, now);
    let MonthEntry { partner, id, problem, expires_at, .. } = entry;
    let url = format!("/v1/partners/{partner}/exports/{id}");
    MonthExport { partner_id: partner, id, status, problem, expires_at: expires_at.to_millis_text(), url }
}

pub(crate) async fn run(app: &App, request: &Request, now: Instant) -> Answer {
    let caller = request::caller(request)?;
    caller.may_operate()?;
    request::refuse_parameters(request)?;
    let mut faults = Faults::default();
    let month = faults.keep("/month", Month::parse(&request::path(request, "month")?));
    let wanted: Option<RunMonth> = read_owned(request::body_or_empty_object(request)?, &mut faults);
    let partner = wanted.and_then(|wanted| wanted.partner);
    let partner = partner.and_then(|partner| faults.keep("/partner", PartnerId::parse(&partner)));
    let month = faults.finish(month)?;
    let entry = AuditEntry::new(AuditAction::MonthRun).about("month", &month.to_string());
    let concerned = partner.clone().unwrap_or_else(PartnerId::installation);
    let time = RUN_TIME.min(request::time_left(request, now).saturating_sub(TIME_TO_ANSWER));
    let answer = RequestAudit::new(&app.audit, request, &caller, now)
        .change(&concerned, entry, run_month(app, month, partner.as_ref(), time, now))
        .await?;
    response::json(StatusCode::ACCEPTED, &answer)
}

/// Makes what a month of a partner lacks, or of all partners as far as the time allows.
async fn run_month(
    app: &App,
    month: Month,
    partner: Option<&PartnerId>,
    time: Duration,
    now: Instant,
) -> Result<RunAnswer, Problem> {
    let (outcome, reason) = match partner {
        Some(partner) => match app.months.run_month(partner, month, now).await? {
            Ok(outcome) => (outcome, None),
            Err(reason) => (RunSummary { complete: true, ..RunSummary::default() }, Some(reason.to_string())),
        },
        None => {
            let started = tokio::time::Instant::now();
            let run = MonthlyRun { month: Some(month), ..MonthlyRun::default() };
            let outcome = app.months.run(&run, now, &|| started.elapsed() < time).await?;
            let is_idle = outcome.complete && outcome.due == 0;
            (outcome, is_idle.then(|| reason_of_idle_run(month, app.months.rules.grace_seconds, now)))
        }
    };
    let RunSummary { due, created, failed, complete } = outcome;
    if due > 0 || !complete {
        app.months.look_again(partner, month, now).await?;
    }
    Ok(RunAnswer { month, due, created, failed, complete, reason })
}

/// Says why a run for all partners found no schedule with work.
fn reason_of_idle_run(month: Month, grace_seconds: i64, now: Instant) -> String {
    let due_at = month.period(Zone::UTC).to().plus_seconds(grace_seconds);
    if due_at <= now {
        return "No enabled export schedule includes the month. Save one, or an earlier \"from\".".to_owned();
    }
    format!(
        "The month has not ended, or its grace period has not: in UTC it can be exported from {} on.",
        due_at.to_millis_text()
    )
}
