//! Imitates AWS's pace and faults: latency, the limit of a partition, failed reads.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// The pace to imitate. The default is no delay and no fault.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The minimum and the maximum latency of an answer, in milliseconds.
    latency_ms: (u64, u64),
    /// The limit of one hash key, in read units a second; 0 means no limit.
    units_per_second: f64,
    /// The limit of the table, in read units a second; 0 means no limit.
    table_units_per_second: f64,
    /// The number of reads for each fault; 0 means no faults.
    fault_every: u64,
    /// The faults, in turn.
    faults: Vec<Fault>,
}

/// A fault of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// DynamoDB throttles the read.
    Throttle,
    /// DynamoDB fails with an internal error.
    Internal,
    /// The connection closes before the answer.
    Reset,
    /// The connection closes in the middle of the answer.
    Truncate,
}

#[derive(Default)]
pub(crate) struct Pace {
    settings: Settings,
    /// The time at which each hash key has served all reads so far.
    free_at: HashMap<String, Instant>,
    /// The time at which the table has served all reads so far.
    table_free_at: Option<Instant>,
    reads: u64,
    answers: u64,
}

impl Pace {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Counts a read, and returns its fault if it has one.
    pub(crate) fn fault(&mut self) -> Option<Fault> {
        self.reads += 1;
        let Settings { fault_every, faults, .. } = &self.settings;
        let due = *fault_every > 0 && self.reads.is_multiple_of(*fault_every) && !faults.is_empty();
        let turn = usize::try_from(self.reads / (*fault_every).max(1)).unwrap_or_default();
        due.then(|| faults[turn % faults.len()])
    }

    /// Returns the time at which the latency of an answer ends. The server's own work is part of the latency.
    pub(crate) fn latency_end(&mut self, arrived: Instant) -> Instant {
        self.answers += 1;
        let (least, most) = self.settings.latency_ms;
        // Multiples of the golden ratio spread evenly, without a random generator.
        let spread = (self.answers * 618_034 % 1_000_000) * most.saturating_sub(least) / 1_000_000;
        arrived + Duration::from_millis(least + spread)
    }

    /// Returns the time at which the answer to a read is due.
    pub(crate) fn due(&mut self, arrived: Instant, hash: &str, units: f64) -> Instant {
        let mut due = self.latency_end(arrived);
        let Settings { units_per_second, table_units_per_second, .. } = self.settings;
        if units_per_second > 0.0 {
            let free_at = self.free_at.entry(hash.to_owned()).or_insert(arrived);
            *free_at = (*free_at).max(arrived) + Duration::from_secs_f64(units / units_per_second);
            due = due.max(*free_at);
        }
        if table_units_per_second > 0.0 {
            let free_at = self.table_free_at.map_or(arrived, |free_at| free_at.max(arrived));
            let free_at = free_at + Duration::from_secs_f64(units / table_units_per_second);
            self.table_free_at = Some(free_at);
            due = due.max(free_at);
        }
        due
    }
}

/// Waits until a time. The last milliseconds are a busy wait, because the runtime's timer is up to a millisecond late.
pub(crate) async fn wait_until(due: Instant) {
    if let Some(most) = due.checked_duration_since(Instant::now() + Duration::from_millis(2)) {
        tokio::time::sleep(most).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}
