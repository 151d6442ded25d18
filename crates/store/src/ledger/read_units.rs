//! Read units: what the reads of a request cost, as DynamoDB says it in its answers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

use super::Ledger;

/// A counter of consumed read units. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ReadUnits(
    /// Halves of read units, the least that DynamoDB counts.
    Arc<AtomicU64>,
);

impl ReadUnits {
    /// Returns the consumed read units, rounded up.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed).div_ceil(2)
    }

    fn add(&self, units: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a call consumes few read units")]
        let halves = (units * 2.0).ceil() as u64;
        self.0.fetch_add(halves, Ordering::Relaxed);
    }
}

impl Ledger {
    /// Asks DynamoDB for the consumed capacity, if it is counted.
    pub(super) fn wanted_capacity(&self) -> Option<ReturnConsumedCapacity> {
        self.read_units.as_ref().map(|_| ReturnConsumedCapacity::Total)
    }

    /// Counts the consumed capacity of an answer.
    pub(super) fn count_capacity(&self, consumed: Option<&ConsumedCapacity>) {
        self.count_units(consumed.and_then(ConsumedCapacity::capacity_units));
    }

    /// Counts the consumed read units of an answer.
    pub(super) fn count_units(&self, units: Option<f64>) {
        if let (Some(counter), Some(units)) = (&self.read_units, units) {
            counter.add(units);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_and_totals_are_rounded_up() {
        let units = ReadUnits::default();
        let clone = units.clone();
        for (consumed, total) in [(0.5, 1), (0.5, 1), (2.5, 4), (0.0, 4), (128.0, 132)] {
            clone.add(consumed);
            assert_eq!(units.total(), total);
        }
    }
}
