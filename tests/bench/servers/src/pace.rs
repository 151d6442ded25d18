//! Answers at AWS's pace, and the faults that it has: after a time, no faster than a partition gives, and not always.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// What to imitate. The default is nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The least and the most time to an answer, in milliseconds.
    latency_ms: (u64, u64),
    /// What one hash key gives, in read units a second; 0 for no bound.
    units_per_second: f64,
    /// Every how many reads something goes wrong; 0 for never.
    fault_every: u64,
    /// What goes wrong, in turn.
    faults: Vec<Fault>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The table is asked too much.
    Throttle,
    /// The service fails.
    Internal,
    /// The connection closes before the answer.
    Reset,
    /// The connection closes in the middle of the answer.
    Truncate,
}

#[derive(Default)]
pub(crate) struct Pace {
    settings: Settings,
    /// When each hash key has given what was asked of it so far.
    free_at: HashMap<String, Instant>,
    reads: u64,
}

impl Pace {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Whether this read goes wrong.
    pub(crate) fn fault(&mut self) -> Option<Fault> {
        self.reads += 1;
        let Settings { fault_every, faults, .. } = &self.settings;
        let due = *fault_every > 0 && self.reads.is_multiple_of(*fault_every) && !faults.is_empty();
        let turn = usize::try_from(self.reads / (*fault_every).max(1)).unwrap_or_default();
        due.then(|| faults[turn % faults.len()])
    }

    /// When the answer is due to a request that arrived at some time and reads so much of a hash key. What this server
    /// itself does until then is part of it.
    pub(crate) fn due(&mut self, arrived: Instant, hash: &str, units: f64) -> Instant {
        let (least, most) = self.settings.latency_ms;
        // Spread evenly without a generator: multiples of the golden ratio.
        let spread = (self.reads * 618_034 % 1_000_000) * most.saturating_sub(least) / 1_000_000;
        let due = arrived + Duration::from_millis(least + spread);
        if self.settings.units_per_second <= 0.0 {
            return due;
        }
        let free_at = self.free_at.entry(hash.to_owned()).or_insert(arrived);
        *free_at = (*free_at).max(arrived) + Duration::from_secs_f64(units / self.settings.units_per_second);
        due.max(*free_at)
    }
}

/// Waits to the moment: the runtime's timer alone is up to a millisecond late.
pub(crate) async fn wait_until(due: Instant) {
    if let Some(most) = due.checked_duration_since(Instant::now() + Duration::from_millis(2)) {
        tokio::time::sleep(most).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}
