//! Recording: one activity or many, each under the condition that its key is free, each with an outcome of its own.

use std::{collections::HashSet, pin::pin, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use domain::{
    activity::{Activity, Details, PartnerId},
    partner::{RecordRefusal, may_record},
    time::{Instant, Month},
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
    due::DueMarks,
    error::{Error, causes},
    partners::{PartnerRecord, Partners, Settings},
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
    /// The partner may not record, or not this activity.
    #[error("{0}")]
    Refused(RecordRefusal),
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
    /// Whether a partner without a registration may not record; none if nobody's registration and retention matter.
    registered_only: Option<bool>,
    /// The marks of partners with streams; none if nobody reads them.
    due: Option<DueMarks>,
    /// Whether every partner has a feed and is marked as due.
    streams_all: bool,
}

impl Recorder {
    /// Creates a recorder into a ledger.
    ///
    /// `partners` has the numbers of shards of new months. `grace_seconds` is how long after its end a month is exported
    /// at the earliest; an activity that is recorded later is marked as late.
    pub fn new(ledger: Ledger, partners: Partners, grace_seconds: i64) -> Self {
        Self { ledger, partners, grace_seconds, registered_only: None, due: None, streams_all: false }
    }

    /// Returns this recorder for partners that may record: no suspended or leaving one, and nothing that is older than the
    /// partner keeps. With `registered_only`, no partner without a registration either.
    #[must_use]
    pub fn checking_partners(self, registered_only: bool) -> Self {
        Self { registered_only: Some(registered_only), ..self }
    }

    /// Returns this recorder with the marks of partners that have streams. With `streams_all`, every partner has a feed and
    /// a stream: the one that carries the activities of all partners.
    #[must_use]
    pub fn with_due_marks(self, due: DueMarks, streams_all: bool) -> Self {
        Self { due: Some(due), streams_all, ..self }
    }

    /// Records an activity, unless it is recorded already.
    ///
    /// # Errors
    /// [`RecordError::Conflict`] if another activity has the same id and time, [`RecordError::Refused`] if the partner may not
    /// record it; nothing is written then.
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
        let (shards, record) = self.open_month(&Moment::of(&activity), month).await?;
        if self.streams_all || record.settings.feed.is_some() {
            let (ledger, recorded_in) = (self.ledger.at(activity.recorded_at), activity.recorded_at.utc_month());
            let shards = ledger.enter_month(&record.settings, &activity.partner, recorded_in).await?;
            ledger.put_feed_row(&activity, shards).await?;
        }
        self.mark_due(&record.settings, &activity.partner, activity.recorded_at).await?;
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
        // What was erased does not come back, whatever is sent.
        if first.erased.is_some() {
            return Ok(Recorded::Duplicate(first));
        }
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
        let mut months: Vec<(Moment, Month)> = Vec::new();
        let (mut first, mut repeated) = (Vec::new(), Vec::new());
        for (index, activity) in activities.into_iter().enumerate() {
            let month = activity.occurred_at.utc_month();
            if !months.iter().any(|(first, known)| first.partner == activity.partner && *known == month) {
                months.push((Moment::of(&activity), month));
            }
            let wave =
                if keys.insert((activity.occurred_at, activity.id.clone())) { &mut first } else { &mut repeated };
            wave.push((index, activity));
        }
        let recording = async {
            for (first, month) in months {
                // Ahead of the activities, because otherwise all of them would ask at once. If this fails, each of them asks.
                let partner = &first.partner;
                match self.open_month(&first, month).await {
                    Ok((_, record)) => {
                        if let Err(error) = self.mark_due(&record.settings, partner, first.now).await {
                            tracing::warn!(%partner, error = causes(&error), "could not mark a partner as due");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%partner, %month, error = causes(&error), "could not enter a month into the directory");
                    }
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

    /// Marks a partner with streams as due, before an activity is put.
    async fn mark_due(&self, settings: &Settings, partner: &PartnerId, recorded_at: Instant) -> Result<(), Error> {
        match &self.due {
            Some(due) if self.streams_all || settings.streams => due.mark_recording(partner, recorded_at).await,
            _ => Ok(()),
        }
    }

    /// Checks that a partner may record what occurred at a moment, and enters the month into the directory. Returns the number
    /// of the month's shards, and the partner.
    async fn open_month(&self, moment: &Moment, month: Month) -> Result<(u8, Arc<PartnerRecord>), RecordError> {
        let Moment { partner, occurred_at, now } = moment;
        let mut record = self.partners.recent(partner, *now).await?;
        if let Some(registered_only) = self.registered_only {
            let default_months = self.partners.default_months();
            let check = |PartnerRecord { registration, lifecycle, .. }: &PartnerRecord| {
                may_record(registration.as_ref(), lifecycle, registered_only, *occurred_at, *now, default_months)
            };
            if check(&record).is_err() {
                // What is remembered may be older than the partner's registration.
                record = self.partners.refresh(partner, *now).await?;
                check(&record).map_err(RecordError::Refused)?;
            }
        }
        let shards = self.ledger.at(*now).enter_month(&record.settings, partner, month).await?;
        Ok((shards, record))
    }
}

/// The partner, the time and the time of recording of an activity.
#[derive(Debug)]
struct Moment {
    partner: PartnerId,
    occurred_at: Instant,
    now: Instant,
}

impl Moment {
    fn of(activity: &Activity) -> Self {
        let Activity { partner, occurred_at, recorded_at, .. } = activity;
        Self { partner: partner.clone(), occurred_at: *occurred_at, now: *recorded_at }
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
