//! Records activities: one, or a batch answered item by item.

use std::collections::HashSet;

use daybook::{
    access::Operation,
    activity::{ActivityId, NewActivity, Object, PartnerId, RecordRequest, from_json},
    http::{self, Answer, Problem, ProblemKind},
    ledger::{Ledger, RecordError, Recorded},
    period::Instant,
};
use futures_util::{StreamExt as _, stream};
use lambda_http::{
    Request,
    http::{StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many activities of a batch are written at a time.
const CONCURRENCY: usize = 32;

/// `POST /v1/partners/{partner}/activities`
///
/// # Errors
/// A problem; nothing is recorded then. A batch answers for each of its activities instead.
pub async fn handle(ledger: &Ledger, request: Request, now: Instant) -> Answer {
    let (_, partner) = http::partner_for(&request, Operation::Record)?;
    match RecordRequest::parse(http::body(&request)?)? {
        RecordRequest::One(json) => one(ledger, &partner, json, now).await,
        RecordRequest::Many(batch) => many(ledger, &partner, &batch, now).await,
    }
}

async fn one(ledger: &Ledger, partner: &PartnerId, json: &str, now: Instant) -> Answer {
    let new = NewActivity::parse(json, now)?;
    let (status, activity) = match ledger.record(partner, new, now).await.map_err(problem)? {
        Recorded::New(activity) => (StatusCode::CREATED, activity),
        Recorded::Duplicate(activity) => (StatusCode::OK, activity),
    };
    let mut response = http::ok(status, &activity)?;
    // Relative to the request's own address, which is the collection's.
    let location = format!("activities/{}?occurred_at={}", activity.id, activity.occurred_at);
    http::add_header(&mut response, header::LOCATION, &location);
    Ok(response)
}

async fn many(ledger: &Ledger, partner: &PartnerId, batch: &[&str], now: Instant) -> Answer {
    let mut results: Vec<Option<Value>> = vec![None; batch.len()];
    let mut first = Vec::new();
    let mut repeated = Vec::new();
    let mut seen = HashSet::new();
    for (index, json) in batch.iter().enumerate() {
        match NewActivity::parse(json, now) {
            Err(rejection) => results[index] = Some(rejected(index, sent_id(json), &rejection.into())),
            // What stands in a batch twice is written one after the other, so that the first one wins.
            Ok(new) if new.id.clone().is_none_or(|id| seen.insert((new.occurred_at, id))) => first.push((index, new)),
            Ok(new) => repeated.push((index, new)),
        }
    }
    for (width, wave) in [(CONCURRENCY, first), (1, repeated)] {
        let mut written = stream::iter(wave)
            .map(|(index, new)| async move {
                let id = new.id.as_ref().map(|id| id.as_str().to_owned());
                (index, id, ledger.record(partner, new, now).await)
            })
            .buffer_unordered(width);
        while let Some((index, id, outcome)) = written.next().await {
            results[index] = Some(match outcome {
                Ok(Recorded::New(activity)) => {
                    json!({"index": index, "id": activity.id, "occurred_at": activity.occurred_at, "status": "recorded"})
                }
                Ok(Recorded::Duplicate(activity)) => {
                    json!({"index": index, "id": activity.id, "occurred_at": activity.occurred_at, "status": "duplicate"})
                }
                Err(error) => rejected(index, id, &problem(error)),
            });
        }
    }
    let count = |status| results.iter().flatten().filter(|result| result["status"] == status).count();
    let answer = json!({
        "results": results,
        "recorded": count("recorded"),
        "duplicates": count("duplicate"),
        "rejected": count("rejected"),
    });
    tracing::info!(%partner, recorded = count("recorded"), duplicates = count("duplicate"), rejected = count("rejected"), "batch");
    http::ok(StatusCode::OK, &answer)
}

fn rejected(index: usize, id: Option<String>, problem: &Problem) -> Value {
    json!({"index": index, "id": id, "status": "rejected", "problem": problem.document()})
}

/// The id that a rejected activity was sent with, if it can be told.
fn sent_id(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: Option<String>,
    }
    let Object(Id { id }) = from_json(json).ok()?;
    id.filter(|id| ActivityId::parse(id).is_ok())
}

fn problem(error: RecordError) -> Problem {
    match error {
        RecordError::Conflict => Problem::new(
            ProblemKind::Conflict,
            "An activity with this id and occurred_at is recorded already, with other content. Activities are never changed: send the new content under an id of its own.",
        ),
        RecordError::Storage(error) => error.into(),
    }
}
