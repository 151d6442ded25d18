//! The keeper: it ends and deletes months, carries out orders to erase, and deletes the data of partners that leave.
//!
//! Nothing is deleted or erased but by a decision or an order that is stored before. A run does what it finds stored; every
//! step may be repeated, by this run or another one, and a run whose time is up sends the rest to the queue of runs.

mod deletion;
mod erasing;
mod files;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use domain::{
    activity::PartnerId,
    audit::{AuditActor, AuditEntry},
    time::Instant,
};

use crate::{
    audit::Audit,
    control::Control,
    error::{Error, causes},
    ledger::Remover,
    partners::Partners,
    queues::{DeadLetters, ExportQueue, KeeperQueue, KeeperRun},
    streams::Streams,
};

/// The number of partners of a page. After each page a run checks whether its time is up.
const PAGE: usize = 100;

/// Makes the secret key of an order, of which the digests of what it erases are made.
pub type OrderKeys = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send>> + Send + Sync>;

/// The stores and queues that the keeper works on.
#[derive(Clone)]
pub struct Keeper {
    /// What is decided about partners' data.
    pub partners: Partners,
    /// Exports, schedules and orders.
    pub control: Control,
    /// The streams of partners.
    pub streams: Streams,
    /// Deletes and erases activities.
    pub activities: Remover,
    /// Deletes and erases entries of the audit.
    pub audit: Remover,
    /// Stores what the keeper has done.
    pub entries: Audit,
    /// The queue of exports that are made anew.
    pub exports: ExportQueue,
    /// The queue of the keeper's own runs.
    pub runs: KeeperQueue,
    /// The messages that could not be recorded.
    pub dead_letters: DeadLetters,
    /// Makes the keys of orders.
    pub order_keys: OrderKeys,
    /// The time for which the files of exports are kept, in seconds.
    pub retention_seconds: i64,
    /// The time from the end of a month to its export, in seconds.
    pub grace_seconds: i64,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// A run on its way.
pub struct Run<'a> {
    /// The name of the run, which no other run has.
    pub name: &'a str,
    /// The time of the run.
    pub now: Instant,
    /// Whether there is time for more.
    pub may_go_on: &'a (dyn Fn() -> bool + Send + Sync),
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("name", &self.name).field("now", &self.now).finish_non_exhaustive()
    }
}

/// How a partner was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing is to be done for now.
    Done,
    /// The time was up.
    Unfinished,
    /// Something is to be done later.
    Waiting(Duration),
}

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct KeeperSummary {
    /// The partners for which there was something to do.
    pub partners: usize,
    /// The partners for which it failed. The next run tries them again.
    pub failed: usize,
    /// Whether the run came to its end. Otherwise another run continues.
    pub complete: bool,
}

impl Keeper {
    /// Does what is to be done, for one partner or for all.
    ///
    /// # Errors
    /// When partners cannot be listed, or the rest of the run cannot be sent. One partner's failure is no error: the summary
    /// counts it.
    pub async fn run(&self, asked: &KeeperRun, run: &Run<'_>) -> Result<KeeperSummary, Error> {
        let mut summary = KeeperSummary::default();
        if let Some(partner) = &asked.partner {
            let partner = PartnerId::parse(partner).map_err(|error| Error::permanent("reading a run", error))?;
            self.keep_one(&partner, asked.again, run, &mut summary).await?;
            summary.complete = true;
            return Ok(summary);
        }
        let mut behind = asked.behind.clone();
        loop {
            if !(run.may_go_on)() {
                self.runs.send(&KeeperRun { behind, ..asked.clone() }, Duration::ZERO).await?;
                return Ok(summary);
            }
            let (found, next) = self.partners.list(PAGE, behind.as_deref()).await?;
            for (partner, record) in found {
                if record.lifecycle.needs_keeping(run.now, self.partners.default_months()) {
                    self.keep_one(&partner, false, run, &mut summary).await?;
                }
            }
            if next.is_none() {
                summary.complete = true;
                return Ok(summary);
            }
            behind = next;
        }
    }

    async fn keep_one(
        &self,
        partner: &PartnerId,
        again: bool,
        run: &Run<'_>,
        summary: &mut KeeperSummary,
    ) -> Result<(), Error> {
        summary.partners += 1;
        // Boxed, because the SDK's futures, nested this deep, exceed the compiler's limit.
        let kept = if again {
            Box::pin(self.erase_again(partner, run)).await
        } else {
            Box::pin(self.keep(partner, run)).await
        };
        let delay = match kept {
            Ok(Left::Done) => return Ok(()),
            Ok(Left::Unfinished) => Duration::ZERO,
            Ok(Left::Waiting(wait)) => wait,
            Err(error) => {
                summary.failed += 1;
                tracing::error!(%partner, error = causes(&error), "could not keep a partner's data as decided");
                return Ok(());
            }
        };
        let rest = KeeperRun { partner: Some(partner.to_string()), again, ..KeeperRun::default() };
        self.runs.send(&rest, delay).await
    }

    /// Stores an entry about what the keeper has done.
    async fn note(&self, partner: &PartnerId, entry: AuditEntry, now: Instant) -> Result<(), Error> {
        self.entries.store(partner, &AuditActor::system("keeper"), &entry, now).await
    }

    /// Does what is to be done for a partner.
    async fn keep(&self, partner: &PartnerId, run: &Run<'_>) -> Result<Left, Error> {
        let record = self.partners.read(partner).await?;
        if record.lifecycle.is_leaving() {
            let begun = self.partners.change_lifecycle(partner, |lifecycle| {
                Ok::<_, std::convert::Infallible>(lifecycle.begin_offboarding(run.now))
            });
            let Ok((is_deleting, _)) = begun.await?;
            if is_deleting {
                return self.delete_everything(partner, run).await;
            }
        }
        if self.delete_ended_months(partner, run).await? == Left::Unfinished {
            return Ok(Left::Unfinished);
        }
        let mut left = Left::Done;
        for id in record.lifecycle.open_erasures {
            match self.carry_out(partner, &id, run).await? {
                Left::Done => {}
                Left::Unfinished => return Ok(Left::Unfinished),
                waiting @ Left::Waiting(_) => left = waiting,
            }
        }
        Ok(left)
    }
}
