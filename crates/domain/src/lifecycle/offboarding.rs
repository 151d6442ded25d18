//! The end of a partner: recording stops, its data are deleted after some days, and a record of that stays.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DAY_SECONDS, Lifecycle};
use crate::{access::Author, time::Instant};

/// The most days between the order and the deletion.
pub const MAX_DAYS: i64 = 3_650;

/// The order to delete all data of a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offboarding {
    /// When it was ordered. Recording has ended.
    pub ordered_at: Instant,
    /// The person or machine that ordered it.
    pub ordered_by: Author,
    /// When the deletion begins at the earliest. An active hold puts it off.
    pub deletes_at: Instant,
    /// The id of the export of everything that was made with the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_export: Option<String>,
    /// When the deletion began; until then the order can be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Instant>,
    /// What is deleted so far.
    #[serde(default)]
    pub counts: DeletedCounts,
    /// The name of the run that was counted last.
    #[serde(default)]
    counted_run: String,
}

/// Numbers of what was deleted. A run that died may have deleted more than it has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedCounts {
    /// The number of months with activities.
    pub months: u64,
    /// The number of activities.
    pub activities: u64,
    /// The number of objects with details or files.
    pub objects: u64,
    /// The number of records of exports, schedules and orders.
    pub records: u64,
}

/// The record of a deletion, which stays: counts, never content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// When the partner's end was ordered.
    pub ordered_at: Instant,
    /// The person or machine that ordered it.
    pub ordered_by: Author,
    /// When the deletion was complete.
    pub deleted_at: Instant,
    /// Everything that occurred before this instant is gone.
    pub deleted_before: Instant,
    /// What was deleted.
    pub counts: DeletedCounts,
}

/// Why an end cannot be ordered or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeavingError {
    /// The deletion has begun.
    DeletionBegun,
}

impl Offboarding {
    /// Whether the data are being deleted.
    pub fn is_deleting(&self) -> bool {
        self.begun_at.is_some()
    }
}

impl Lifecycle {
    /// Whether the partner is leaving, or its data are being deleted.
    pub fn is_leaving(&self) -> bool {
        self.offboarding.is_some()
    }

    /// Orders the partner's end, `days` from now. Ordered again, the days count anew, and the first order's last export stays.
    ///
    /// # Errors
    /// When the deletion has begun.
    pub fn offboard(
        &mut self,
        days: i64,
        last_export: Option<String>,
        now: Instant,
        author: Author,
    ) -> Result<(), LeavingError> {
        if self.offboarding.as_ref().is_some_and(Offboarding::is_deleting) {
            return Err(LeavingError::DeletionBegun);
        }
        let deletes_at = now.plus_seconds(days * DAY_SECONDS);
        self.offboarding = Some(Offboarding {
            ordered_at: now,
            ordered_by: author,
            deletes_at,
            last_export: self.offboarding.take().and_then(|before| before.last_export).or(last_export),
            begun_at: None,
            counts: DeletedCounts::default(),
            counted_run: String::new(),
        });
        Ok(())
    }

    /// Takes the order back, if there is one.
    ///
    /// # Errors
    /// When the deletion has begun.
    pub fn take_back_offboarding(&mut self) -> Result<(), LeavingError> {
        if self.offboarding.as_ref().is_some_and(Offboarding::is_deleting) {
            return Err(LeavingError::DeletionBegun);
        }
        self.offboarding = None;
        Ok(())
    }

    /// Begins the deletion if its time has come and no hold is active. Returns whether everything is to be deleted now.
    pub fn begin_offboarding(&mut self, now: Instant) -> bool {
        let is_held = self.active_holds().next().is_some();
        let Some(offboarding) = &mut self.offboarding else { return false };
        if offboarding.begun_at.is_none() && offboarding.deletes_at <= now && !is_held {
            offboarding.begun_at = Some(now);
        }
        offboarding.is_deleting()
    }

    /// Adds what a run has deleted, once for each run.
    pub fn count_deleted(&mut self, run: &str, counts: DeletedCounts) {
        if let Some(offboarding) = &mut self.offboarding
            && offboarding.counted_run != run
        {
            run.clone_into(&mut offboarding.counted_run);
            let sum = &mut offboarding.counts;
            sum.months += counts.months;
            sum.activities += counts.activities;
            sum.objects += counts.objects;
            sum.records += counts.records;
        }
    }

    /// Notes that all data are deleted, and starts anew: only the records of deletions stay.
    pub fn note_left(&mut self, now: Instant) {
        let Some(Offboarding { ordered_at, ordered_by, begun_at, counts, .. }) = self.offboarding.take() else {
            return;
        };
        // Recording had ended before the deletion began.
        let deleted_before = begun_at.unwrap_or(now);
        let left = std::mem::take(&mut self.left);
        *self = Self { version: self.version, left, ..Self::default() };
        self.left.push(Deleted { ordered_at, ordered_by, deleted_at: now, deleted_before, counts });
    }
}
