//! The frame of a worker's run: its time, its limits, and the reasons for which the run ends early.

use std::time::Duration;

use domain::time::{Instant, seconds_between};
use store::{
    error::Error,
    queues::{ReceivedMessage, TRIES},
};

use crate::{table::MAX_ROWS, xlsx::WorkbookLimits};

/// The seconds for which a worker holds a job without a sign of life. The slowest part takes less.
pub const LEASE_SECONDS: i64 = 300;
/// The part of a lease for which a job's message stays invisible after the lease: so the job is free when the message comes.
const VISIBLE_AFTER_PART: i64 = 10;
/// The number of times in a lease that a worker hides the message of its job again.
const HIDDEN_PER_LEASE: i64 = 15;
/// The least bytes of a part that is not the last, as S3 demands. A run holds three parts in memory.
const PART_BYTES: usize = 5 * 1_024 * 1_024;
/// The most parts of a file: 5 GiB. Every checkpoint lists them, and S3 accepts no more than 10,000.
const MAX_PARTS: usize = 1_024;

/// A run of a worker, as its host defines it.
pub struct WorkerRun<'a> {
    /// A name that no other run has.
    pub name: &'a str,
    /// The instant at which the run stops and leaves the rest to the next run.
    pub stop_at: Instant,
    /// The clock of the host.
    pub clock: &'a (dyn Fn() -> Instant + Send + Sync),
    /// The message that named the job. While the worker extends its lease, the message stays invisible.
    pub message: Option<&'a ReceivedMessage>,
}

impl WorkerRun<'_> {
    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }
}

/// The sizes at which parts and files end, and the bounds of a worker's hold on its job.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The seconds for which a lease lasts after each sign of life of its worker.
    pub lease_seconds: i64,
    /// The number of runs that may fail or die, one after another, before the job has failed.
    pub tries: usize,
    /// The least bytes of a part that is not the last.
    pub part_bytes: usize,
    /// The most parts of a text file. The last rows may add one.
    pub parts: usize,
    /// The most rows of a text file.
    pub rows: u64,
    /// The sizes at which workbooks end.
    pub workbook: WorkbookLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lease_seconds: LEASE_SECONDS,
            tries: TRIES as usize,
            part_bytes: PART_BYTES,
            parts: MAX_PARTS,
            rows: MAX_ROWS,
            workbook: WorkbookLimits::default(),
        }
    }
}

impl Limits {
    /// Returns the time for which a job's message stays invisible after each sign of life of its worker.
    ///
    /// If the worker dies, the queue delivers the message to another one soon after the end of the lease.
    pub fn message_hidden_for(&self) -> Duration {
        seconds(self.lease_seconds + self.lease_seconds / VISIBLE_AFTER_PART)
    }

    /// Returns the time after which a message that met the lease of another worker comes again: soon after that lease.
    pub fn message_hidden_while_busy(&self, now: Instant, until: Instant) -> Duration {
        seconds(seconds_between(now, until).max(0) + self.lease_seconds / VISIBLE_AFTER_PART)
    }

    /// Returns the seconds between two times that a worker hides its message. Shorter than the time that is left of the
    /// message's invisibility when the lease ends.
    pub(crate) fn seconds_between_hiding(&self) -> i64 {
        self.lease_seconds / HIDDEN_PER_LEASE
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// The reason for which a run ends before its export.
pub(crate) enum Stop {
    /// Another worker has the job, or the job was cancelled.
    Lost,
    /// The time of the run is over.
    Time,
    /// A store failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_of_a_dead_worker_returns_after_its_lease() {
        for lease_seconds in 15..=900 {
            let limits = Limits { lease_seconds, ..Limits::default() };
            let hidden = i64::try_from(limits.message_hidden_for().as_secs()).unwrap();
            // At worst the worker dies just before it would hide its message again.
            assert!(hidden - limits.seconds_between_hiding() >= lease_seconds, "{lease_seconds}");
        }
        assert_eq!(Limits::default().message_hidden_for(), Duration::from_secs(330));
    }

    #[test]
    fn message_that_met_a_lease_returns_after_it() {
        let (limits, now) = (Limits::default(), Instant::parse("2026-11-02T12:00:00Z").unwrap());
        for (until, seconds) in
            [(now.plus_seconds(300), 330), (now.plus_seconds(1), 31), (now, 30), (now.plus_seconds(-9), 30)]
        {
            assert_eq!(limits.message_hidden_while_busy(now, until), Duration::from_secs(seconds));
        }
    }
}
