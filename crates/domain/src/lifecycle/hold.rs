//! Legal holds: what must not be deleted or erased.

use serde::{Deserialize, Serialize};

use super::Lifecycle;
use crate::{
    access::Author,
    activity::Activity,
    time::{Instant, Month, Zone},
};

/// The most active holds of a partner.
pub const MAX_ACTIVE_HOLDS: usize = 100;
/// The most customers of a hold.
pub const MAX_HOLD_CUSTOMERS: usize = 50;
/// The number of released holds that are remembered.
const MAX_RELEASED_HOLDS: usize = 100;

/// A hold on the activities of a period, of some customers or of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The id, a ULID.
    pub id: String,
    /// The first instant.
    pub from: Instant,
    /// The first instant after the period.
    pub to: Instant,
    /// The ids of the customers; none for all activities, also those without a customer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<String>,
    /// Why the data are held.
    pub reason: String,
    /// The months that it covers in time and does not hold, because their deletion had begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Month>,
    /// When it was placed.
    pub created_at: Instant,
    /// The person or machine that placed it.
    pub created_by: Author,
    /// When it was released; none while it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Instant>,
    /// The person or machine that released it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<Author>,
}

/// Why a hold cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldRefusal {
    /// The deletion of these months has begun, or is complete.
    DeletionBegun(Vec<Month>),
    /// All data of the partner are being deleted.
    PartnerDeleted,
    /// There are too many active holds.
    TooMany,
}

impl Hold {
    /// Whether the hold is active.
    pub fn is_active(&self) -> bool {
        self.released_at.is_none()
    }

    /// Whether the hold covers a part of a month in UTC.
    pub fn covers(&self, month: Month) -> bool {
        let period = month.period(Zone::UTC);
        self.from < period.to() && period.from() < self.to && !self.left_out.contains(&month)
    }

    /// Whether the hold is about an activity.
    pub fn is_about(&self, activity: &Activity<&str>) -> bool {
        let customer = activity.entry.customer.as_ref().map(|customer| customer.id);
        let is_customer = |held: &String| customer.is_some_and(|customer| held.eq_ignore_ascii_case(customer));
        (self.from..self.to).contains(&activity.occurred_at)
            && (self.customers.is_empty() || self.customers.iter().any(is_customer))
    }
}

impl Lifecycle {
    /// Returns the active holds.
    pub fn active_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|hold| hold.is_active())
    }

    /// Whether an active hold covers a part of a month in UTC. Then the whole month stays.
    pub fn is_held(&self, month: Month) -> bool {
        self.active_holds().any(|hold| hold.covers(month))
    }

    /// Whether an active hold is about an activity.
    pub fn holds_activity(&self, activity: &Activity<&str>) -> bool {
        self.active_holds().any(|hold| hold.is_about(activity))
    }

    /// Places a hold, which is active from this change on. With `partial`, it leaves out the months whose deletion
    /// has begun.
    ///
    /// # Errors
    /// The reason why it cannot be placed.
    pub fn place_hold(&mut self, mut hold: Hold, partial: bool) -> Result<&Hold, HoldRefusal> {
        if self.offboarding.as_ref().is_some_and(super::Offboarding::is_deleting) {
            return Err(HoldRefusal::PartnerDeleted);
        }
        if self.active_holds().count() >= MAX_ACTIVE_HOLDS {
            return Err(HoldRefusal::TooMany);
        }
        let begun = self.deleted.iter().chain(&self.deleting).copied();
        let begun: Vec<Month> = begun.filter(|month| hold.covers(*month)).collect();
        if !begun.is_empty() && !partial {
            return Err(HoldRefusal::DeletionBegun(begun));
        }
        hold.left_out = begun;
        self.ended.retain(|month, _| !hold.covers(*month));
        self.forget_released();
        let place = self.holds.len();
        self.holds.push(hold);
        Ok(&self.holds[place])
    }

    /// Releases a hold, if it is active. Returns whether the partner has, or had, a hold with this id.
    pub fn release_hold(&mut self, id: &str, now: Instant, author: Author) -> bool {
        let Some(hold) = self.holds.iter_mut().find(|hold| hold.id == id) else { return false };
        if hold.is_active() {
            hold.released_at = Some(now);
            hold.released_by = Some(author);
        }
        true
    }

    fn forget_released(&mut self) {
        let released = self.holds.len() - self.active_holds().count();
        let mut surplus = released.saturating_sub(MAX_RELEASED_HOLDS - 1);
        self.holds.retain(|hold| {
            let is_forgotten = surplus > 0 && !hold.is_active();
            surplus -= usize::from(is_forgotten);
            !is_forgotten
        });
    }
}
