//! Retention: how many months a partner keeps.

use serde::{Deserialize, Serialize};

use super::{DAY_SECONDS, Lifecycle};
use crate::{access::Author, time::Instant};

/// The days after which a shorter retention takes effect.
pub const SHORTENING_DAYS: i64 = 30;
/// The longest retention, in months.
pub const MAX_MONTHS: u32 = 1_200;

/// A partner's own retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The months to keep; none for the installation's retention.
    pub months: Option<u32>,
    /// A shorter retention that is not in effect yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingRetention>,
    /// When it was saved.
    pub updated_at: Instant,
    /// The person or machine that saved it.
    pub updated_by: Author,
}

/// A shorter retention, from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRetention {
    /// The months to keep; none for the installation's retention.
    pub months: Option<u32>,
    /// When it takes effect.
    pub effective_at: Instant,
}

impl Retention {
    /// Returns the partner's own months at an instant; none for the installation's retention.
    pub fn at(&self, now: Instant) -> Option<u32> {
        match self.pending {
            Some(pending) if pending.effective_at <= now => pending.months,
            _ => self.months,
        }
    }
}

impl Lifecycle {
    /// Changes the partner's own retention; none is the installation's. A shorter one takes effect after
    /// [`SHORTENING_DAYS`], any other at once.
    pub fn save_retention(&mut self, months: Option<u32>, default_months: Option<u32>, now: Instant, author: Author) {
        let own = self.retention.as_ref().and_then(|retention| retention.at(now));
        let (before, after) = (own.or(default_months), months.or(default_months));
        let is_shorter = after.is_some_and(|after| before.is_none_or(|before| after < before));
        self.retention = Some(if is_shorter {
            let effective_at = now.plus_seconds(SHORTENING_DAYS * DAY_SECONDS);
            // Asked for again, it takes effect when it was first asked for.
            let asked_before = self.retention.as_ref().and_then(|retention| retention.pending);
            let asked_before = asked_before.filter(|pending| pending.months == months && pending.effective_at > now);
            let pending = asked_before.unwrap_or(PendingRetention { months, effective_at });
            Retention { months: own, pending: Some(pending), updated_at: now, updated_by: author }
        } else {
            Retention { months, pending: None, updated_at: now, updated_by: author }
        });
    }
}
