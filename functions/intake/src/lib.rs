//! Records activities that back ends send through the queue `ActivityIntake` instead of over HTTP.
//!
//! A message is `{"partner": "…", "activity": {…}}`, `{"partner": "…", "activities": […]}`, or a CloudEvent with the
//! extension attribute `partner`. A sender to the queue can record for every partner. The queue may deliver a message more
//! than once, and dead letters are sent again as new messages, so each activity must have an id of its own.
//!
//! The queue delivers a message again while the storage fails, and moves it to the dead letters after the last try. A
//! message that can never be recorded goes to the dead letters at once, with the reason. Activities that were recorded
//! before count as duplicates.

use std::{borrow::Cow, time::Duration};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    activity::{ActivityId, MAX_BATCH, PartnerId, Sent},
    fault::{Fault, Faults, Rejection},
    request_json::{Object, RequestBody, from_json, read_body, without_byte_order_mark},
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
    queues::{self, DeadLetters, DeadReason},
};

/// How many messages are recorded at a time.
const MESSAGES: usize = 16;
/// The part of the function's time that is kept for the answer.
pub const TIME_TO_ANSWER: Duration = Duration::from_secs(5);

/// The stores and queues that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// Records activities.
    pub recorder: Recorder,
    /// Takes the messages that can never be recorded.
    pub dead_letters: DeadLetters,
}

/// Records the activities of each message. The queue delivers the messages again that the answer names.
///
/// # Errors
/// None: a message that fails does not hold up the others.
pub async fn handle(app: &App, event: SqsEvent, now: Instant, time: Duration) -> Result<SqsBatchResponse, Error> {
    let failed: Vec<Option<String>> = stream::iter(event.records)
        .map(|message| async move {
            let id = message.message_id.clone().unwrap_or_default();
            let is_done = match record(&app.recorder, &message, now, time).await {
                Outcome::Recorded => true,
                Outcome::Dead(why) => {
                    let is_buried = app.dead_letters.bury(message.body.as_deref().unwrap_or_default(), &why).await;
                    if is_buried {
                        metrics::add(Metric::DeadLetters, 1);
                    }
                    is_buried
                }
                Outcome::Failed => false,
            };
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

/// The outcome of a message.
enum Outcome {
    /// All activities are recorded.
    Recorded,
    /// Some activities can never be recorded; the others are.
    Dead(DeadReason),
    /// The storage failed for some activities: another try may succeed.
    Failed,
}

/// The activities of a message that can never be recorded.
#[derive(Default)]
struct Rejected {
    ids: Vec<String>,
    reasons: Vec<String>,
}

impl Rejected {
    /// Adds an activity, by its place in the message and its id, if it has one.
    fn add(&mut self, index: usize, id: Option<&ActivityId>, reason: &str) {
        let name = id.map_or_else(|| format!("activity {index}"), |id| format!("activity {index} ({id})"));
        self.reasons.push(format!("{name}: {reason}"));
        self.ids.extend(id.map(ToString::to_string));
    }
}

/// Records the activities of one message.
async fn record(recorder: &Recorder, message: &SqsMessage, now: Instant, time: Duration) -> Outcome {
    let message_id = message.message_id.as_deref().unwrap_or_default();
    let (partner, sent) = match read(message.body.as_deref().unwrap_or_default()) {
        Ok(read) => read,
        Err(rejection) => {
            let faults = pointers(&rejection);
            tracing::error!(message_id, faults, "could not read a message: it holds no activities");
            return Outcome::Dead(DeadReason::unreadable(details(&rejection)));
        }
    };
    let mut rejected = Rejected::default();
    let mut accepted = Vec::with_capacity(sent.len());
    let mut known = Vec::with_capacity(sent.len());
    for (index, sent) in sent.iter().enumerate() {
        match sent.parse(now) {
            Ok(new) if new.id.is_some() => {
                let activity = new.into_activity(partner.clone(), now);
                known.push((index, activity.id.clone()));
                accepted.push(activity);
            }
            Ok(_) => {
                rejected.add(index, None, "/id: is required, because without it the activity could be recorded twice");
                tracing::error!(message_id, %partner, index, "could not record an activity: it has no id, without which it could be recorded twice");
            }
            Err(rejection) => {
                let id = sent.id();
                rejected.add(index, id.as_ref(), &details(&rejection));
                let (activity, faults) = (id.as_ref().map(ActivityId::as_str), pointers(&rejection));
                tracing::error!(message_id, %partner, index, activity, faults, "could not record an activity: it is not valid");
            }
        }
    }
    let (mut recorded, mut duplicates, mut failed) = (0, 0, 0);
    for ((index, id), outcome) in known.into_iter().zip(recorder.record_all(accepted, time).await) {
        let activity = id.as_str();
        match outcome {
            Ok(Recorded::New(_)) => recorded += 1,
            Ok(Recorded::Duplicate(_)) => duplicates += 1,
            Err(RecordError::Conflict) => {
                rejected.add(index, Some(&id), "another activity with this id and occurred_at is recorded");
                tracing::error!(message_id, %partner, index, activity, "could not record an activity: another one with this id and time is recorded");
            }
            Err(RecordError::Refused(refusal)) => {
                rejected.add(index, Some(&id), &refusal.to_string());
                tracing::error!(message_id, %partner, index, activity, reason = %refusal, "could not record an activity: the partner may not record it");
            }
            Err(RecordError::Storage(error)) => {
                failed += 1;
                tracing::error!(message_id, %partner, index, activity, error = causes(&error), "could not record an activity");
            }
        }
    }
    let refused = rejected.reasons.len();
    tracing::debug!(message_id, %partner, recorded, duplicates, refused, failed, "message recorded");
    metrics::add(Metric::Recorded, recorded);
    metrics::add(Metric::Duplicates, duplicates);
    metrics::add(Metric::Rejected, refused + failed);
    if failed > 0 {
        // The whole message is tried again, because its dead letter must not hold activities that can still be recorded.
        return Outcome::Failed;
    }
    if refused == 0 {
        return Outcome::Recorded;
    }
    let Rejected { ids, reasons } = rejected;
    Outcome::Dead(DeadReason { reason: reasons.join("\n"), partner: partner.to_string(), activities: ids.join(" ") })
}

/// A message with an activity or several.
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

impl RequestBody for Message<'_> {
    type Read<'a> = Message<'a>;
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
    let fault = |pointer: &str, detail: String| Rejection::Invalid(vec![Fault { pointer: pointer.to_owned(), detail }]);
    let body = without_byte_order_mark(body);
    let Object(probe): Object<Probe<'_>> = from_json(body)?;
    let partner = probe.partner.ok_or_else(|| fault("/partner", "is required".to_owned()))?;
    let partner = PartnerId::parse(&partner).map_err(|detail| fault("/partner", detail))?;
    if probe.specversion.is_some() {
        return Ok((partner, vec![Sent::CloudEvent(body)]));
    }
    let Ok(Object(message)) = from_json::<Object<Message<'_>>>(body) else {
        let mut faults = Faults::default();
        read_body::<Message<'_>>(body, &mut String::new(), &mut faults);
        return faults.finish(None);
    };
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

/// Returns the fields with faults only, because the log must not hold what a message says.
fn pointers(rejection: &Rejection) -> String {
    rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>().join(" ")
}

/// Returns the faults in words, for the dead letter, which holds the message anyway.
fn details(rejection: &Rejection) -> String {
    let faults = rejection.faults().iter();
    let detail = |Fault { pointer, detail }: &Fault| match pointer.as_str() {
        "" => detail.clone(),
        pointer => format!("{pointer}: {detail}"),
    };
    faults.map(detail).collect::<Vec<_>>().join("; ")
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
