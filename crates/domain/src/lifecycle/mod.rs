//! What becomes of a partner's data: retention, legal holds, and the end of the partner.
//!
//! A month in UTC goes through these states:
//!
//! | state | what it means |
//! |---|---|
//! | *kept* | readers see it |
//! | *ended* | older than the partner keeps, and under no hold: nobody sees it. A longer retention or a hold makes it kept again |
//! | *deleting* | its data are being deleted, [`DAYS_BEFORE_DELETION`] days after its end at the earliest |
//! | *deleted* | its data are gone |
//!
//! One record of a partner holds all of this, and every change is made under the condition that nobody has changed the
//! record meanwhile. So a hold is active at once for every month whose deletion has not begun.

mod erasure;
mod hold;
mod named;
mod offboarding;
mod retention;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::{
    erasure::{ErasureOrder, ErasureState, ErasureTally, Group, MAX_ERASED_IDS, Selector, SelectorKind},
    hold::{Hold, HoldRefusal, MAX_ACTIVE_HOLDS, MAX_HOLD_CUSTOMERS},
    named::{ERASED_NAME, Named},
    offboarding::{Deleted, DeletedCounts, LeavingError, MAX_DAYS, Offboarding},
    retention::{MAX_MONTHS, PendingRetention, Retention, SHORTENING_DAYS},
};
use crate::time::{Instant, Month};

/// The days from the end of a month to the beginning of its deletion.
pub const DAYS_BEFORE_DELETION: i64 = 30;
/// The seconds for which a process may remember what it has read of a partner: registration, settings, lifecycle, months.
pub const REMEMBERED_SECONDS: i64 = 60;

const DAY_SECONDS: i64 = 86_400;

/// The state of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthState {
    /// Readers see the month.
    Kept,
    /// The month is older than the partner keeps.
    Ended,
    /// The month is being deleted.
    Deleting,
    /// The month is deleted.
    Deleted,
}

/// What is decided about a partner's data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The number of changes so far, which is the condition of the next change.
    #[serde(default)]
    pub version: u64,
    /// The partner's own retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// The holds, active and released, in the order of their creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// The ended months, each with the time at which its end was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ended: BTreeMap<Month, Instant>,
    /// The months that are being deleted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    deleting: BTreeSet<Month>,
    /// The deleted months.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    deleted: BTreeSet<Month>,
    /// The end of the partner, from its order on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offboarding: Option<Offboarding>,
    /// The orders to erase that are not done, by their ids.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open_erasures: BTreeSet<String>,
    /// What was deleted when the partner left, each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Deleted>,
}

impl Lifecycle {
    /// Returns the number of months that the partner keeps at an instant; none for ever.
    pub fn months_kept(&self, now: Instant, default_months: Option<u32>) -> Option<u32> {
        let own = self.retention.as_ref().and_then(|retention| retention.at(now));
        own.or(default_months)
    }

    /// Returns the state of a month in UTC.
    pub fn month_state(&self, month: Month, now: Instant, default_months: Option<u32>) -> MonthState {
        if self.deleted.contains(&month) {
            MonthState::Deleted
        } else if self.deleting.contains(&month) || self.offboarding.as_ref().is_some_and(Offboarding::is_deleting) {
            MonthState::Deleting
        } else if self.has_ended(month, now, default_months) {
            MonthState::Ended
        } else {
            MonthState::Kept
        }
    }

    fn has_ended(&self, month: Month, now: Instant, default_months: Option<u32>) -> bool {
        let Some(kept) = self.months_kept(now, default_months) else { return false };
        !self.is_held(month) && month.months_until(now.utc_month()) > i64::from(kept)
    }

    /// Whether an activity that occurred at an instant was deleted with the partner's data.
    pub fn is_gone(&self, occurred_at: Instant) -> bool {
        self.deleted.contains(&occurred_at.utc_month())
            || self.left.iter().any(|left| occurred_at < left.deleted_before)
    }

    /// Notes which of the months with data have ended, and forgets those that have not any more.
    pub fn note_ended(&mut self, with_data: &[Month], now: Instant, default_months: Option<u32>) {
        let ended: BTreeMap<Month, Instant> = with_data
            .iter()
            .filter(|month| self.month_state(**month, now, default_months) == MonthState::Ended)
            .map(|month| (*month, self.ended.get(month).copied().unwrap_or(now)))
            .collect();
        self.ended = ended;
    }

    /// Returns the ended months, each with the time at which its end was noted and that of its deletion.
    pub fn ended(&self) -> impl Iterator<Item = (Month, Instant, Instant)> {
        self.ended.iter().map(|(month, ended_at)| (*month, *ended_at, deletion_time(*ended_at)))
    }

    /// Returns the months that are being deleted.
    pub fn deleting(&self) -> impl Iterator<Item = Month> {
        self.deleting.iter().copied()
    }

    /// Returns the deleted months.
    pub fn deleted(&self) -> impl Iterator<Item = Month> {
        self.deleted.iter().copied()
    }

    /// Begins the deletion of the months whose time has come.
    pub fn begin_deletions(&mut self, now: Instant, default_months: Option<u32>) {
        let due: Vec<Month> = self
            .ended()
            .filter(|(month, _, deletes_at)| *deletes_at <= now && self.has_ended(*month, now, default_months))
            .map(|(month, ..)| month)
            .collect();
        for month in due {
            self.ended.remove(&month);
            self.deleting.insert(month);
        }
    }

    /// Whether there may be something to do for the keeper.
    pub fn needs_keeping(&self, now: Instant, default_months: Option<u32>) -> bool {
        self.months_kept(now, default_months).is_some()
            || !(self.ended.is_empty() && self.deleting.is_empty() && self.open_erasures.is_empty())
            || self.offboarding.is_some()
    }

    /// Takes an erased person out of what is decided.
    pub fn clean_authors(&mut self, named: &Named<'_>) {
        if let Some(retention) = &mut self.retention {
            named.clean_author(&mut retention.updated_by);
        }
        for hold in &mut self.holds {
            named.clean_author(&mut hold.created_by);
            hold.released_by.as_mut().map(|author| named.clean_author(author));
        }
        if let Some(offboarding) = &mut self.offboarding {
            named.clean_author(&mut offboarding.ordered_by);
        }
        for left in &mut self.left {
            named.clean_author(&mut left.ordered_by);
        }
    }

    /// Notes that the data of a month are deleted.
    pub fn note_deleted(&mut self, month: Month) {
        if self.deleting.remove(&month) {
            self.deleted.insert(month);
        }
    }
}

fn deletion_time(ended_at: Instant) -> Instant {
    ended_at.plus_seconds(DAYS_BEFORE_DELETION * DAY_SECONDS)
}

#[cfg(test)]
mod tests;
