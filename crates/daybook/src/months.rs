//! Monthly exports: which are due, and their making, once each.
//!
//! A schedule remembers the first month not yet made. A run asks the index for schedules whose next month has ended,
//! grace period included, and for each such month writes the job, sends it to the workers, and only then moves the
//! schedule on. Every step may be repeated: the job's key is the month, the workers ignore what is finished, the schedule
//! moves only from the state that was read. A run that dies is made good by the next one; months missed for however long
//! are made in their order.

use crate::{
    activity::PartnerId,
    control::{Control, DUE_PARTITIONS, Schedule},
    export::job::Job,
    period::{Instant, Month},
    queue::ExportQueue,
    storage::{self, Error},
};

/// The most months that one run makes for one partner; the next run goes on.
pub const MONTHS_PER_RUN: usize = 36;

/// Makes the exports of months.
#[derive(Clone, Debug)]
pub struct Months {
    /// Where schedules and jobs are.
    pub control: Control,
    /// Where jobs are sent.
    pub queue: ExportQueue,
    /// How long after its end a month is made, in seconds.
    pub grace_seconds: i64,
    /// How long files are kept, in seconds.
    pub retention_seconds: i64,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Made {
    /// Schedules that were due.
    pub due: usize,
    /// Exports that it created.
    pub created: usize,
    /// Schedules that failed: the next run tries them again.
    pub failed: usize,
}

impl Months {
    /// Makes all months that are due at `now`. One partner's failure does not hold up the others.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn run(&self, now: Instant) -> Result<Made, Error> {
        let mut made = Made::default();
        for partition in 0..DUE_PARTITIONS {
            for (partner, schedule) in self.control.schedules_due(partition, Some(now)).await? {
                made.due += 1;
                // Boxed: the futures of the SDK, nested this deep, exceed what the compiler lays out.
                match Box::pin(self.catch_up(&partner, schedule, now)).await {
                    Ok(created) => made.created += created,
                    Err(error) => {
                        made.failed += 1;
                        tracing::error!(%partner, error = storage::causes(&error), "a month was not made");
                    }
                }
            }
        }
        Ok(made)
    }

    /// Makes one month at once, if it has ended, for one partner with a schedule or for all of them.
    ///
    /// # Errors
    /// When a store fails: what was created stays, and the same call goes on.
    pub async fn run_month(&self, month: Month, only: Option<&PartnerId>, now: Instant) -> Result<Made, Error> {
        let mut made = Made::default();
        let schedules = match only {
            Some(partner) => {
                let schedule = self.control.schedule(partner).await?;
                schedule
                    .filter(|schedule| schedule.enabled)
                    .map(|schedule| (partner.clone(), schedule))
                    .into_iter()
                    .collect()
            }
            None => {
                let mut all = Vec::new();
                for partition in 0..DUE_PARTITIONS {
                    all.extend(self.control.schedules_due(partition, None).await?);
                }
                all
            }
        };
        for (partner, schedule) in schedules {
            let ended = month.period(schedule.time_zone).to() <= now;
            if ended && month >= schedule.from {
                made.due += 1;
                made.created += usize::from(self.make(&partner, &schedule, month, now).await?);
            }
        }
        Ok(made)
    }

    async fn catch_up(&self, partner: &PartnerId, mut schedule: Schedule, now: Instant) -> Result<usize, Error> {
        let mut created = 0;
        for _ in 0..MONTHS_PER_RUN {
            if schedule.next_run(self.grace_seconds) > now {
                break;
            }
            created += usize::from(self.make(partner, &schedule, schedule.next, now).await?);
            let next = schedule.next.next();
            if !self.control.advance_schedule(partner, &schedule, next, self.grace_seconds).await? {
                // Someone saved the schedule, or another run moved it: the next run reads it anew.
                break;
            }
            schedule.next = next;
        }
        Ok(created)
    }

    /// Creates a month's export, if it is not there, and sends it to the workers either way: the message of a run that
    /// died may never have been sent.
    async fn make(&self, partner: &PartnerId, schedule: &Schedule, month: Month, now: Instant) -> Result<bool, Error> {
        let job = Job::monthly(month, schedule.time_zone, schedule.output, now, self.retention_seconds);
        let created = self.control.create_job(partner, &job).await?;
        self.queue.send(partner, &job.id).await?;
        Ok(created)
    }
}
