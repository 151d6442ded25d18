//! The Audit table: who read, exported, downloaded, saw or changed something. It is a plain ledger.
//!
//! **The promise of [`Audit::store`] and [`Audit::begin`]:** no act happens without its entry. The entry of what reveals
//! something is stored before it is revealed. The entry of a change is stored first as `in_progress`; only then the change is
//! made, and the entry is replaced by one that says how it ended. So no entry says that a change was made before it was. A
//! process that dies in between leaves an entry in progress: the change was begun, and may have been made.
//!
//! **Entries of an hour**, such as those of readers, have an address that follows from the caller and the hour, so that all
//! processes together store one. A process remembers which ones are stored.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    activity::{Activity, ActivityId, PartnerId, Status},
    audit::{AuditActor, AuditEntry},
    time::Instant,
};
use tokio::time::timeout;

use crate::{error::Error, ledger::Ledger};

/// How long an act waits for its entry.
const STORE_TIME: Duration = Duration::from_secs(10);
/// How long the answer to a change that was made waits for the entry of its outcome.
const OUTCOME_TIME: Duration = Duration::from_secs(5);
/// How long the answer to a read or a refused request waits for the entry of its hour.
const NOTE_TIME: Duration = Duration::from_secs(1);
/// The number of entries of hours that a process remembers. Beyond it the process forgets all of them, to bound its memory.
const MAX_REMEMBERED: usize = 10_000;

/// The Audit table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    ledger: Ledger,
    /// The entries of hours that are stored.
    remembered: Arc<Mutex<HashSet<(PartnerId, Instant, ActivityId)>>>,
}

/// The entry of a change that is not made yet.
#[derive(Debug)]
#[must_use = "the entry stays in progress until the change has ended"]
pub struct BegunChange {
    ledger: Ledger,
    entry: AuditEntry,
    by: AuditActor,
    stored: Activity,
}

impl Audit {
    /// Opens the table by its name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { ledger: Ledger::plain(dynamodb, table), remembered: Arc::default() }
    }

    /// Returns the ledger that lists the entries.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Stores the entry of an act that reveals something. Reveal it afterwards.
    ///
    /// # Errors
    /// When the table fails. The entry may be stored or not; reveal nothing.
    pub async fn store(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        entry: &AuditEntry,
        now: Instant,
    ) -> Result<(), Error> {
        self.put(entry.record(partner, by, Status::Succeeded, now), STORE_TIME).await
    }

    /// Stores the entry of something that has happened, such as the end of an export.
    ///
    /// `address` is an id and a time that belong to what happened. Work that is repeated has the same address and stores
    /// one entry. An entry with this address stays, whatever it says.
    ///
    /// # Errors
    /// When the table fails. Repeat the work.
    pub async fn store_once(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        entry: &AuditEntry,
        status: Status,
        address: (&str, Instant),
        now: Instant,
    ) -> Result<(), Error> {
        self.put(entry.record_of(partner, by, status, address, now), STORE_TIME).await
    }

    /// Stores the entry of a change, as in progress. Make the change afterwards, and then call [`BegunChange::end`].
    ///
    /// # Errors
    /// When the table fails. The entry may be stored or not; change nothing.
    pub async fn begin(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        entry: AuditEntry,
        now: Instant,
    ) -> Result<BegunChange, Error> {
        let stored = entry.record(partner, by, Status::InProgress, now).map_err(unwritable)?;
        self.put(Ok(stored.clone()), STORE_TIME).await?;
        Ok(BegunChange { ledger: self.ledger.clone(), entry, by: by.clone(), stored })
    }

    /// Stores the entry of an act that is kept once an hour for a caller and a thing, unless this process has stored it.
    ///
    /// # Errors
    /// When the table fails, or does not answer within a second.
    pub async fn store_of_hour(
        &self,
        partner: &PartnerId,
        by: &AuditActor,
        entry: &AuditEntry,
        status: Status,
        now: Instant,
    ) -> Result<(), Error> {
        let entry = entry.record_of_hour(partner, by, status, now).map_err(unwritable)?;
        let address = (partner.clone(), entry.occurred_at, entry.id.clone());
        if self.remembered.lock().unwrap_or_else(PoisonError::into_inner).contains(&address) {
            return Ok(());
        }
        self.put(Ok(entry), NOTE_TIME).await?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(address);
        Ok(())
    }

    /// Puts an entry, unless its address is taken.
    async fn put(&self, entry: Result<Activity, String>, time: Duration) -> Result<(), Error> {
        let entry = entry.map_err(unwritable)?;
        let put = timeout(time, Box::pin(self.ledger.put_plain(&entry))).await;
        put.unwrap_or_else(|_| Err(Error::time_is_up("storing an entry of the audit"))).map(drop)
    }
}

impl BegunChange {
    /// Replaces the entry by one that says how the change ended: made, or not made for a reason.
    ///
    /// If nobody knows whether the change was made, do not call this: the entry says so already.
    ///
    /// # Errors
    /// When the table fails. The entry stays in progress, and the change as it is.
    pub async fn end(self, outcome: Result<(), &str>) -> Result<(), Error> {
        let Self { ledger, entry, by, stored } = self;
        let (entry, status) = match outcome {
            Ok(()) => (entry, Status::Succeeded),
            Err(reason) => (entry.because(reason), Status::Failed),
        };
        let ended = entry.record(&stored.partner, &by, status, stored.occurred_at).map_err(unwritable)?;
        let ended = Activity { id: stored.id, recorded_at: stored.recorded_at, ..ended };
        let replaced = timeout(OUTCOME_TIME, Box::pin(ledger.replace_plain(&ended, &stored.digest))).await;
        replaced.unwrap_or_else(|_| Err(Error::time_is_up("storing the outcome of a change")))
    }
}

fn unwritable(message: String) -> Error {
    Error::permanent("writing an entry of the audit", message)
}
