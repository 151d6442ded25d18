//! Recording: one activity or many, each conditionally, each answered for itself.

use std::{collections::HashSet, pin::pin, time::Duration};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use futures_util::{StreamExt as _, stream};
use tokio::time::{timeout, timeout_at};

use super::{
    Ledger,
    item::{self, Item},
    late::may_be_late,
    read_month,
};
use crate::{
    activity::{Activity, Details, NewActivity, PartnerId},
    period::{Instant, Month},
    settings::Partners,
    storage::Error,
};

/// How many activities of a batch are written at a time: enough to hide the store's answer time, few enough for the
/// connections and the memory of a small function.
const CONCURRENCY: usize = 32;

/// No function runs longer; it keeps the sum with the clock within what a clock can show.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How recording ended well.
#[derive(Debug)]
pub enum Recorded {
    /// The activity is new.
    New(Activity),
    /// The same activity was there already: here it is.
    Duplicate(Activity),
}

/// Why an activity was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another activity has this id and time.
    #[error("an activity with this id and occurred_at and other content is recorded already")]
    Conflict,
    /// A store failed.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// Writes into the ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    ledger: Ledger,
    partners: Partners,
    grace_seconds: i64,
}

impl Recorder {
    /// A recorder into a ledger, with the settings of its partners. `grace_seconds` is how long after its end a month's
    /// export is made at the earliest; what is recorded later than that is marked as late.
    pub fn new(ledger: Ledger, partners: Partners, grace_seconds: i64) -> Self {
        Self { ledger, partners, grace_seconds }
    }

    /// Records an activity. An activity without an id gets a ULID.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] when its id and time belong to other content; nothing is written then.
    /// [`RecordError::Storage`] when a store failed or `time` was up: the activity may or may not be recorded, and sending
    /// the same again is safe if it has an id.
    pub async fn record(
        &self,
        partner: &PartnerId,
        new: NewActivity,
        now: Instant,
        time: Duration,
    ) -> Result<Recorded, RecordError> {
        match timeout(time, self.put(partner, new, now)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::time_is_up("recording").into()),
        }
    }

    async fn put(&self, partner: &PartnerId, mut new: NewActivity, now: Instant) -> Result<Recorded, RecordError> {
        let id = new.ensure_id(now);
        let NewActivity { occurred_at, entry, details, digest, .. } = new;
        let activity = Activity {
            partner: partner.clone(),
            id,
            occurred_at,
            recorded_at: now.truncated_to_millis(),
            entry,
            details: details.map_or(Details::None, Details::Here),
        };
        let month = occurred_at.utc_month();
        let shards = self.enter(partner, month).await?;
        let partition = item::partition(partner, month, item::shard_of(&activity.id, shards), shards);
        let late = may_be_late(occurred_at, now, self.grace_seconds);
        let mut item = item::write(&activity, &partition, &digest, None, late);
        if let Details::Here(text) = &activity.details
            && item::size(&item) > item::INLINE_ITEM_BYTES
        {
            let place = self.ledger.put_details(&activity, &partition, text).await?;
            item = item::write(&activity, &partition, &digest, Some(&place), late);
        }
        let put = self
            .ledger
            .dynamodb
            .put_item()
            .table_name(&*self.ledger.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Some(stored) = unless_there(put, "PutItem of an activity")? else { return Ok(Recorded::New(activity)) };
        let row = item::read(partner, item::Fields::of(&stored));
        let row = row.map_err(|error| Error::broken("reading an activity", error))?;
        if row.digest != digest {
            return Err(RecordError::Conflict);
        }
        // Apart or not, the same digest means the same details.
        Ok(Recorded::Duplicate(Activity { details: activity.details, ..row.activity }))
    }

    /// Records many activities side by side; one that fails does not stop the others. The answers stand in the order of
    /// the activities. What is not done when `time` is up is given up: it may or may not be recorded.
    pub async fn record_all(
        &self,
        partner: &PartnerId,
        activities: Vec<NewActivity>,
        now: Instant,
        time: Duration,
    ) -> Vec<Result<Recorded, RecordError>> {
        let deadline = tokio::time::Instant::now() + time.min(LONGEST);
        let mut outcomes: Vec<_> = activities.iter().map(|_| Err(Error::time_is_up("recording").into())).collect();
        let mut keys = HashSet::new();
        let mut months: Vec<Month> = Vec::new();
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for (index, mut new) in activities.into_iter().enumerate() {
            let id = new.ensure_id(now);
            let month = new.occurred_at.utc_month();
            if !months.contains(&month) {
                months.push(month);
            }
            // What stands in a batch twice is written one after the other, so that the first one wins.
            if keys.insert((new.occurred_at, id)) { first.push((index, new)) } else { repeated.push((index, new)) }
        }
        for month in months {
            // Ahead of the many that would all ask at once. If it fails, each of them asks, and answers for itself.
            if let Ok(Err(error)) = timeout_at(deadline, self.enter(partner, month)).await {
                tracing::warn!(%partner, %month, error = crate::storage::causes(&error), "a month was not entered");
            }
        }
        for (width, wave) in [(CONCURRENCY, first), (1, repeated)] {
            let mut written = pin!(
                stream::iter(wave)
                    .map(|(index, new)| async move { (index, self.put(partner, new, now).await) })
                    .buffer_unordered(width)
            );
            while let Ok(Some((index, outcome))) = timeout_at(deadline, written.next()).await {
                outcomes[index] = outcome;
            }
        }
        outcomes
    }

    /// Sees to it that a month stands in the partner's directory; its number of shards there.
    async fn enter(&self, partner: &PartnerId, month: Month) -> Result<u8, Error> {
        if let Some(shards) = self.ledger.remembered(partner, month) {
            return Ok(shards);
        }
        let wanted = self.partners.settings(partner).await?.shards(month);
        let put = self
            .ledger
            .dynamodb
            .put_item()
            .table_name(&*self.ledger.table)
            .item("pk", AttributeValue::S(item::months_partition(partner)))
            .item("sk", AttributeValue::S(month.to_string()))
            .item("n", AttributeValue::N(wanted.to_string()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let shards = match unless_there(put, "PutItem of a month")? {
            None => wanted,
            // Whoever was first decided.
            Some(entry) => read_month(&entry)?.1,
        };
        self.ledger.remember(partner, month, shards);
        Ok(shards)
    }
}

/// How a put ended whose condition is that the key is free: with the item that was there, or with none.
fn unless_there<T>(put: Result<T, SdkError<PutItemError>>, operation: &'static str) -> Result<Option<Item>, Error> {
    match put {
        Ok(_) => Ok(None),
        Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
            let stored = match service.into_err() {
                PutItemError::ConditionalCheckFailedException(failed) => failed.item,
                _ => None,
            };
            stored.map(Some).ok_or_else(|| Error::broken(operation, "the stored item was not returned"))
        }
        Err(error) => Err(Error::sdk(operation, error)),
    }
}
