//! Recording: one activity or many, each under the condition that its key is free, each with an outcome of its own.

use std::{collections::HashSet, pin::pin, time::Duration};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use domain::{
    activity::{Activity, Details, PartnerId},
    time::Month,
};
use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::{
    Ledger,
    item::{Attributes, NewItem, write_item},
    keys,
    late::may_be_late,
    stored::ItemBuffer,
};
use crate::{
    error::{Error, causes},
    partners::Partners,
};

/// The number of activities of a batch that are written at a time: enough to hide the table's latency, few enough for the
/// connections and the memory of a small function.
const CONCURRENCY: usize = 32;

/// The successful outcome of a recording.
#[derive(Debug)]
pub enum Recorded {
    /// The activity is new.
    New(Activity),
    /// The same activity was recorded before; this is the first one.
    Duplicate(Activity),
}

/// An activity was not recorded, or may not be.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another activity has this id and time.
    #[error("an activity with this id and occurred_at, but with other content, is recorded already")]
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
    /// Creates a recorder into a ledger.
    ///
    /// `partners` has the numbers of shards of new months. `grace_seconds` is how long after its end a month is exported
    /// at the earliest; an activity that is recorded later is marked as late.
    pub fn new(ledger: Ledger, partners: Partners, grace_seconds: i64) -> Self {
        Self { ledger, partners, grace_seconds }
    }

    /// Records an activity, unless it is recorded already.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if another activity has the same id and time; nothing is written then.
    /// [`RecordError::Storage`] if a store failed or `time` was up: the activity may or may not be recorded, and sending
    /// the same activity again is safe.
    pub async fn record(&self, activity: Activity, time: Duration) -> Result<Recorded, RecordError> {
        match timeout(time, self.put(activity)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::time_is_up("recording").into()),
        }
    }

    async fn put(&self, activity: Activity) -> Result<Recorded, RecordError> {
        let month = activity.occurred_at.utc_month();
        let shards = self.enter_month(&activity.partner, month).await?;
        let shard = keys::shard_of(&activity.id, shards);
        let partition = keys::partition(&activity.partner, month, shard, shards);
        let is_late = may_be_late(activity.occurred_at, activity.recorded_at, self.grace_seconds);
        let mut item = write_item(&activity, &partition, is_late);
        if let Details::Here(text) = &activity.details {
            item = if item.has_room_for(text) {
                item.details(text)
            } else {
                let location = Box::pin(self.ledger.put_details(&activity, &partition, text)).await?;
                item.details_at(location, text.len())
            };
        }
        let stored = self.ledger.put_if_absent(item, "PutItem of an activity").await?;
        let Some(stored) = stored else { return Ok(Recorded::New(activity)) };
        let stored = ItemBuffer::read_one(&activity.partner, &stored);
        let first = stored.map_err(|error| Error::permanent("reading an activity", error))?.activity().owned();
        if first.digest != activity.digest {
            return Err(RecordError::Conflict);
        }
        // The same digest means the same details, wherever they are stored.
        Ok(Recorded::Duplicate(Activity { details: activity.details, ..first }))
    }

    /// Records many activities side by side. One that fails does not stop the others.
    ///
    /// The outcomes are in the order of the activities. An activity that is not done when `time` is up may or may not be
    /// recorded. Of two activities with the same key, the first one wins.
    pub async fn record_all(&self, activities: Vec<Activity>, time: Duration) -> Vec<Result<Recorded, RecordError>> {
        let mut outcomes: Vec<_> = activities.iter().map(|_| Err(Error::time_is_up("recording").into())).collect();
        let mut keys = HashSet::new();
        let mut months: Vec<(PartnerId, Month)> = Vec::new();
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for (index, activity) in activities.into_iter().enumerate() {
            let month = (activity.partner.clone(), activity.occurred_at.utc_month());
            if !months.contains(&month) {
                months.push(month);
            }
            let wave =
                if keys.insert((activity.occurred_at, activity.id.clone())) { &mut first } else { &mut repeated };
            wave.push((index, activity));
        }
        let recording = async {
            for (partner, month) in months {
                // Ahead of the activities, because otherwise all of them would ask at once. If this fails, each of them asks.
                if let Err(error) = self.enter_month(&partner, month).await {
                    tracing::warn!(%partner, %month, error = causes(&error), "could not enter a month into the directory");
                }
            }
            // Activities whose key is in the batch twice are written one by one, so that the first one wins.
            for (width, wave) in [(CONCURRENCY, first), (1, repeated)] {
                let mut written = pin!(
                    stream::iter(wave)
                        .map(|(index, activity)| async move { (index, self.put(activity).await) })
                        .buffer_unordered(width)
                );
                while let Some((index, outcome)) = written.next().await {
                    outcomes[index] = outcome;
                }
            }
        };
        if timeout(time, recording).await.is_err() {
            tracing::warn!("could not record a whole batch in time");
        }
        outcomes
    }

    async fn enter_month(&self, partner: &PartnerId, month: Month) -> Result<u8, Error> {
        self.ledger.enter_month(&self.partners, partner, month).await
    }
}

impl Ledger {
    /// Puts an item if its key is free. Returns the stored item if the key is taken.
    pub(super) async fn put_if_absent(
        &self,
        item: NewItem,
        operation: &'static str,
    ) -> Result<Option<Attributes>, Error> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item.into_attributes()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        // Boxed, because the SDK's future is large and every caller would carry it in its own.
        match Box::pin(put).await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let stored = failed.item.clone();
                    stored.map(Some).ok_or_else(|| Error::permanent(operation, "the stored item was not returned"))
                }
                _ => Err(Error::sdk(operation, error)),
            },
        }
    }
}
