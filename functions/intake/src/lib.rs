//! Records activities that back ends send through the queue `ActivityIntake` instead of over HTTP.
//!
//! A message is `{"partner": "…", "activity": {…}}`, `{"partner": "…", "activities": […]}`, or a CloudEvent with the
//! extension attribute `partner`. A sender to the queue can record for every partner. The queue may deliver a message more
//! than once, and dead letters are sent again as new messages, so each activity must have an id of its own.
//!
//! The queue delivers a message again until all of its activities are recorded, and moves it to the dead letters after the
//! last try. Activities that were recorded before count as duplicates.

use std::{borrow::Cow, time::Duration};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    activity::{MAX_BATCH, PartnerId, Sent},
    fault::{Fault, Rejection},
    request_json::{Object, from_json},
    time::Instant,
};
use futures_util::{StreamExt as _, stream};
use lambda::{
    Error,
    metrics::{self, Metric},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{
    error::causes,
    ledger::{RecordError, Recorded, Recorder},
    queues,
};

/// How many messages are recorded at a time.
const MESSAGES: usize = 16;
/// The part of the function's time that is kept for the answer.
pub const TIME_TO_ANSWER: Duration = Duration::from_secs(5);

/// Records the activities of each message. The queue delivers the messages again that the answer names.
///
/// # Errors
/// None: a message that fails does not hold up the others.
pub async fn handle(
    recorder: &Recorder,
    event: SqsEvent,
    now: Instant,
    time: Duration,
) -> Result<SqsBatchResponse, Error> {
    let failed: Vec<Option<String>> = stream::iter(event.records)
        .map(|message| async move {
            let id = message.message_id.clone().unwrap_or_default();
            let is_done = record(recorder, &message, now, time).await;
            if !is_done && queues::is_last_try(&message.attributes) {
                metrics::add(Metric::DeadLetters, 1);
            }
            (!is_done).then_some(id)
        })
        .buffer_unordered(MESSAGES)
        .collect()
        .await;
    let mut answer = SqsBatchResponse::default();
    for id in failed.into_iter().flatten() {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        answer.batch_item_failures.push(failure);
    }
    Ok(answer)
}

/// Records the activities of one message; tells whether the queue can delete the message.
async fn record(recorder: &Recorder, message: &SqsMessage, now: Instant, time: Duration) -> bool {
    let message_id = message.message_id.as_deref().unwrap_or_default();
    let (partner, sent) = match read(message.body.as_deref().unwrap_or_default()) {
        Ok(read) => read,
        Err(rejection) => {
            tracing::error!(
                message_id,
                faults = faults(&rejection),
                "could not read a message: it holds no activities"
            );
            return false;
        }
    };
    let mut rejected = 0;
    let mut accepted = Vec::with_capacity(sent.len());
    for (index, sent) in sent.iter().enumerate() {
        match sent.parse(now) {
            Ok(new) if new.id.is_some() => accepted.push(new.into_activity(partner.clone(), now)),
            Ok(_) => {
                rejected += 1;
                tracing::error!(message_id, %partner, index, "could not record an activity: it has no id, without which it could be recorded twice");
            }
            Err(rejection) => {
                rejected += 1;
                tracing::error!(message_id, %partner, index, faults = faults(&rejection), "could not record an activity: it is not valid");
            }
        }
    }
    let (mut recorded, mut duplicates) = (0, 0);
    for outcome in recorder.record_all(accepted, time).await {
        match outcome {
            Ok(Recorded::New(_)) => recorded += 1,
            Ok(Recorded::Duplicate(_)) => duplicates += 1,
            Err(RecordError::Conflict) => {
                rejected += 1;
                tracing::error!(message_id, %partner, "could not record an activity: another one with this id and time is recorded");
            }
            Err(RecordError::Storage(error)) => {
                rejected += 1;
                tracing::error!(message_id, %partner, error = causes(&error), "could not record an activity");
            }
        }
    }
    tracing::debug!(message_id, %partner, recorded, duplicates, rejected, "message recorded");
    metrics::add(Metric::Recorded, recorded);
    metrics::add(Metric::Duplicates, duplicates);
    metrics::add(Metric::Rejected, rejected);
    rejected == 0
}

/// Returns the partner and the activities of a message.
fn read(body: &str) -> Result<(PartnerId, Vec<Sent<'_>>), Rejection> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        specversion: Option<&'a RawValue>,
        #[serde(borrow)]
        partner: Option<Cow<'a, str>>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Message<'a> {
        #[serde(rename = "partner")]
        _partner: serde::de::IgnoredAny,
        #[serde(borrow)]
        activity: Option<&'a RawValue>,
        #[serde(borrow)]
        activities: Option<Vec<&'a RawValue>>,
    }
    let fault = |pointer: &str, detail: String| Rejection::Invalid(vec![Fault { pointer: pointer.to_owned(), detail }]);
    let Object(probe): Object<Probe<'_>> = from_json(body)?;
    let partner = probe.partner.ok_or_else(|| fault("/partner", "is required".to_owned()))?;
    let partner = PartnerId::parse(&partner).map_err(|detail| fault("/partner", detail))?;
    if probe.specversion.is_some() {
        return Ok((partner, vec![Sent::CloudEvent(body)]));
    }
    let Object(message): Object<Message<'_>> = from_json(body)?;
    let sent: Vec<Sent<'_>> = match (message.activity, message.activities) {
        (Some(activity), None) => vec![Sent::Plain(activity.get())],
        (None, Some(activities)) if activities.len() <= MAX_BATCH => {
            activities.into_iter().map(|activity| Sent::Plain(activity.get())).collect()
        }
        (None, Some(activities)) => {
            let detail = format!("holds {} activities; send at most {MAX_BATCH} at once", activities.len());
            return Err(fault("/activities", detail));
        }
        _ => return Err(fault("", "holds either an activity or activities".to_owned())),
    };
    Ok((partner, sent))
}

fn faults(rejection: &Rejection) -> String {
    // The fields only, because the log must not hold what a message says.
    rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_a_partner_and_holds_activities() {
        let count = |body: &str| read(body).map(|(partner, sent)| (partner.to_string(), sent.len()));
        assert_eq!(count(r#"{"partner": "contoso", "activity": {}}"#), Ok(("contoso".to_owned(), 1)));
        assert_eq!(count(r#"{"activities": [{}, {}], "partner": "contoso"}"#), Ok(("contoso".to_owned(), 2)));
        let event = r#"{"specversion": "1.0", "partner": "contoso", "data": {}}"#;
        assert!(matches!(&read(event).unwrap().1[..], [Sent::CloudEvent(_)]));
        for (body, pointer) in [
            ("", ""),
            ("[]", ""),
            ("{}", "/partner"),
            (r#"{"partner": "a b", "activity": {}}"#, "/partner"),
            (r#"{"partner": "a"}"#, ""),
            (r#"{"partner": "a", "activity": {}, "activities": []}"#, ""),
            (r#"{"partner": "a", "activity": {}, "colour": 1}"#, "/colour"),
        ] {
            assert_eq!(read(body).unwrap_err().faults()[0].pointer, pointer, "{body}");
        }
        let many = format!(r#"{{"partner": "a", "activities": [{}0]}}"#, "0,".repeat(500));
        assert_eq!(read(&many).unwrap_err().faults()[0].pointer, "/activities");
    }
}
