//! Records activities: a single one, or a batch with a result for each item.

mod shorten;

use std::time::Duration;

use domain::{
    access::{Customers, Operation},
    activity::{Activity, ActivityId, PartnerId, RecordRequest, Sent, cloud_events::EventHeaders},
    partner::RecordRefusal,
    quota::LimitExceeded,
    time::Instant,
};
use lambda::{
    Answer, Problem, ProblemDocument, ProblemKind, Request, StatusCode,
    audit::note_refusal,
    header,
    metrics::{self, Metric},
    request, response,
};
use serde::Serialize;
use store::{
    audit::Audit,
    ledger::{RecordError, Recorded, Recorder},
    meter::Meter,
};
use utoipa::ToSchema;

/// The part of the function's time that is kept for the answer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(3);

/// The stores that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// Records activities.
    pub recorder: Recorder,
    /// Counts activities, where partners have limits.
    pub meter: Option<Meter>,
    /// The audit of refused requests.
    pub audit: Audit,
}

impl App {
    /// Returns how many of `wanted` activities may be recorded, and why not all.
    async fn allow(&self, partner: &PartnerId, wanted: usize, now: Instant) -> (usize, Option<LimitExceeded>) {
        let (allowed, over) = match &self.meter {
            Some(meter) if wanted > 0 => Box::pin(meter.allow(partner, wanted, now)).await,
            _ => (wanted, None),
        };
        if over.is_some() {
            metrics::add(Metric::Refused, wanted - allowed);
        }
        (allowed, over)
    }
}

/// Answers `POST /v1/partners/{partner}/activities`.
///
/// # Errors
/// A problem; nothing is recorded then. A batch answers for each of its activities instead.
pub async fn handle(app: &App, request: Request, now: Instant) -> Answer {
    let answer = record(app, &request, now).await;
    note_refusal(&app.audit, &request, &answer, now).await;
    answer
}

async fn record(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Record)?;
    request::refuse_parameters(request)?;
    let time = request::time_left(request, now).saturating_sub(TIME_TO_ANSWER);
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let event = EventHeaders::find(headers);
    match RecordRequest::parse(request::body(request)?, &request::media_type(request), event.as_ref())? {
        RecordRequest::One(sent) => record_one(app, &partner, caller.customers(), sent, now, time).await,
        RecordRequest::Many(batch) => record_batch(app, &partner, &batch, now, time).await,
    }
}

/// Records an activity. A caller that is restricted to some customers records for all of them, and is shown what it sent
/// itself where the recorded activity is not for it to see.
async fn record_one(
    app: &App,
    partner: &PartnerId,
    visible: &Customers,
    sent: Sent<'_>,
    now: Instant,
    time: Duration,
) -> Answer {
    let new = sent.parse(now).inspect_err(|_| metrics::add(Metric::Rejected, 1))?;
    if let (_, Some(over)) = app.allow(partner, 1, now).await {
        return Err(over.into());
    }
    let has_own_id = new.id.is_some();
    let activity = new.into_activity(partner.clone(), now);
    let id = activity.id.clone();
    let own = (!visible.is_all()).then(|| activity.clone());
    let (status, activity) = match app.recorder.record(activity, time).await {
        Ok(Recorded::New(activity)) => {
            metrics::add(Metric::Recorded, 1);
            (StatusCode::CREATED, activity)
        }
        Ok(Recorded::Duplicate(first)) => {
            metrics::add(Metric::Duplicates, 1);
            let is_visible = visible.allow(first.entry.customer.as_ref().map(|customer| customer.id.as_str()));
            match own.filter(|_| !is_visible) {
                Some(own) => (StatusCode::OK, Activity { recorded_at: first.recorded_at, ..own }),
                None => (StatusCode::OK, first),
            }
        }
        Err(error) => {
            metrics::add(Metric::Rejected, 1);
            return Err(problem(error, (!has_own_id).then_some(&id)));
        }
    };
    let mut response = response::activity(status, &activity)?;
    response::set_header(&mut response, header::LOCATION, &location(&activity));
    Ok(response)
}

/// Returns the address of an activity, relative to that of the request, which is the collection's.
fn location(activity: &Activity) -> String {
    format!("activities/{}?occurred_at={}", activity.id, activity.occurred_at)
}

/// The answer to a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// One result for each activity, in the order of the batch.
    pub results: Vec<BatchResult>,
    /// The number of new activities.
    pub recorded: usize,
    /// The number of activities that were recorded before.
    pub duplicates: usize,
    /// The number of activities that are not recorded, or not known to be.
    pub rejected: usize,
}

/// The result of one activity of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// The position in the batch, from 0.
    pub index: usize,
    /// The id: the caller's, or the one that the service gave.
    pub id: Option<ActivityId>,
    /// The time of the activity. Time and id together are its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub occurred_at: Option<Instant>,
    /// The outcome.
    pub status: BatchStatus,
    /// The reason of the rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<ProblemDocument>,
}

/// The outcome of one activity of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// The activity is new.
    Recorded,
    /// The activity was recorded before.
    Duplicate,
    /// It is not recorded; when its problem is `unavailable`, it may be: send it again, with the id given here. When it is
    /// `throttled`, send it again later.
    Rejected,
}

async fn record_batch(app: &App, partner: &PartnerId, batch: &[Sent<'_>], now: Instant, time: Duration) -> Answer {
    let mut results = Vec::with_capacity(batch.len());
    let mut accepted: Vec<Activity> = Vec::with_capacity(batch.len());
    let mut indexes = Vec::with_capacity(batch.len());
    for (index, sent) in batch.iter().enumerate() {
        let (id, occurred_at, problem) = match sent.parse(now) {
            Err(rejection) => (sent.id(), None, Some(Problem::from(rejection).document())),
            Ok(new) => {
                let activity = new.into_activity(partner.clone(), now);
                let known = (Some(activity.id.clone()), Some(activity.occurred_at), None);
                accepted.push(activity);
                indexes.push(index);
                known
            }
        };
        results.push(BatchResult { index, id, occurred_at, status: BatchStatus::Rejected, problem });
    }
    let (allowed, over) = app.allow(partner, accepted.len(), now).await;
    if let Some(over) = over {
        if allowed == 0 {
            return Err(over.into());
        }
        for index in indexes.drain(allowed..) {
            results[index].problem = Some(Problem::from(over.clone()).document());
        }
        accepted.truncate(allowed);
    }
    let outcomes = app.recorder.record_all(accepted, time).await;
    for (index, outcome) in indexes.into_iter().zip(outcomes) {
        let result = &mut results[index];
        match outcome {
            Ok(Recorded::New(_)) => result.status = BatchStatus::Recorded,
            Ok(Recorded::Duplicate(_)) => result.status = BatchStatus::Duplicate,
            Err(error) => result.problem = Some(problem(error, None).document()),
        }
    }
    let count = |status| results.iter().filter(|result| result.status == status).count();
    let (recorded, duplicates, rejected) =
        (count(BatchStatus::Recorded), count(BatchStatus::Duplicate), count(BatchStatus::Rejected));
    metrics::add(Metric::Recorded, recorded);
    metrics::add(Metric::Duplicates, duplicates);
    metrics::add(Metric::Rejected, rejected);
    shorten::fit_problems(&mut results);
    response::json(StatusCode::OK, &BatchAnswer { results, recorded, duplicates, rejected })
}

/// Explains why an activity was not recorded. `given_id` is the id that the service gave an activity without one.
fn problem(error: RecordError, given_id: Option<&ActivityId>) -> Problem {
    match error {
        RecordError::Conflict => Problem::new(
            ProblemKind::Conflict,
            "An activity with this id and occurred_at, which together are its address, is recorded already, with other content. Activities are never changed: send the new content under an id of its own.",
        ),
        RecordError::Refused(refusal) => {
            let kind = match refusal {
                RecordRefusal::NotRegistered => ProblemKind::NotFound,
                RecordRefusal::Suspended | RecordRefusal::Leaving => ProblemKind::Forbidden,
                RecordRefusal::Gone => ProblemKind::Gone,
            };
            Problem::new(kind, refusal.to_string())
        }
        RecordError::Storage(error) => {
            let problem = Problem::from(error);
            match given_id {
                Some(id) if problem.kind() == ProblemKind::Unavailable => Problem::new(
                    ProblemKind::Unavailable,
                    format!(
                        "The storage does not answer, and whether the activity was recorded is not known. Send it again with \"id\": \"{id}\" and the same occurred_at: then it is recorded once."
                    ),
                ),
                _ => problem,
            }
        }
    }
}
