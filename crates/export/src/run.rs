//! The frame of a worker's run: its time, its limits, and the reasons for which the run ends early.

use domain::time::Instant;
use store::error::Error;

use crate::{table::MAX_ROWS, xlsx::WorkbookLimits};

/// The seconds for which a worker holds a job without a sign of life. The slowest part takes less.
pub const LEASE_SECONDS: i64 = 300;
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
}

impl WorkerRun<'_> {
    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }
}

/// The sizes at which parts and files end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
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
        Self { part_bytes: PART_BYTES, parts: MAX_PARTS, rows: MAX_ROWS, workbook: WorkbookLimits::default() }
    }
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
