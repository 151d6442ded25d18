//! Monthly exports: what is due is ordered, every hour, for each partner for itself.
//!
//! [`plan`] decides; here it is noted and carried out, on a [`Desk`]. A run asks the index for schedules that are due. For
//! each it lets the schedule order what has ended, asks the ledger for late activities once a day, and looks after the
//! exports of the last months. Orders are stored with the schedule before anything is done about them, and taken off when
//! all of them are done; every step in between may be repeated, by this run or another. A run that dies, or whose time is
//! up, is made good by the next one, and a partner whose schedule fails holds up nobody.

use std::{future::Future, pin::pin};

use chrono_tz::Tz;
use futures_util::{StreamExt as _, stream};

use crate::{
    control::{Control, MonthPlace},
    error::{self as storage, Error},
    ledger::LateIndex,
    queues::{ExportQueue, Run, RunQueue},
};
use domain::{
    activity::PartnerId,
    job::{Job, Standing, State},
    schedule::{Look, Schedule},
    time::{Instant, Month, Period},
};

/// How many schedules are read at a time, and after how many a run looks whether its time is up.
pub const PAGE: usize = 200;
/// How many exports that are not ready are counted at most: from there on, how many makes no difference.
pub const MAX_COUNTED: usize = 10_000;
/// How many partners are attended to side by side.
const CONCURRENCY: usize = 32;

/// The times of an installation.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long after its end a month is made, in seconds.
    pub grace_seconds: i64,
    /// How long files are kept, in seconds.
    pub retention_seconds: i64,
}

/// Where decisions are noted and carried out.
pub trait Desk: Sync {
    /// Stores a schedule in place of the revision that it was made from; tells whether that was the last one.
    fn save(&self, partner: &PartnerId, schedule: &mut Schedule) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Writes a job that is not there yet; tells whether it was.
    fn create(&self, partner: &PartnerId, job: &Job) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Lets a job be made anew that failed, was cancelled or has expired; tells whether it was one of these.
    fn renew(&self, partner: &PartnerId, job: &Job, now: Instant) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Sends a job to the workers; `notify` says whether someone is to be told.
    fn send(&self, partner: &PartnerId, id: &str, notify: bool) -> impl Future<Output = Result<(), Error>> + Send;
    /// Whether there is a late activity where a look goes.
    fn is_late(&self, partner: &PartnerId, look: &Look) -> impl Future<Output = Result<bool, Error>> + Send;
    /// The exports of months, all versions, from a month up to another.
    fn jobs(
        &self,
        partner: &PartnerId,
        first: Month,
        last: Month,
    ) -> impl Future<Output = Result<Vec<(Job, Standing)>, Error>> + Send;
}

/// Does what is due for one partner; how many exports it ordered, new or anew.
///
/// # Errors
/// When the desk fails: the next run does what is left.
pub async fn attend<D: Desk>(
    desk: &D,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
    now: Instant,
) -> Result<usize, Error> {
    schedule.order_months(rules.grace_seconds, now);
    let mut renewed = 0;
    if schedule.is_to_look(now) {
        let looks: Vec<Look> = schedule.looks(now).collect();
        for look in looks {
            if desk.is_late(partner, &look).await? {
                schedule.order_version(&look, now);
            }
        }
        let spans: Vec<(Month, Month)> = schedule.spans(now).collect();
        for span in spans {
            renewed += mend(desk, rules, partner, &schedule, span, now, false).await?;
        }
        schedule.looked(now);
    }
    Ok(renewed + carry_out(desk, rules, partner, schedule).await?)
}

/// Makes at once what one month lacks, for one partner: its first version, the next one for late activities, or whichever
/// failed, was deleted or has expired; how many exports it ordered.
///
/// # Errors
/// When the desk fails: the same call does what is left.
pub async fn attend_month<D: Desk>(
    desk: &D,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
    month: Month,
    now: Instant,
) -> Result<usize, Error> {
    let mut renewed = 0;
    if !schedule.order_month(month, rules.grace_seconds, now) {
        renewed = mend(desk, rules, partner, &schedule, (month, month), now, true).await?;
        if let Some(look) = schedule.look(month, now)
            && desk.is_late(partner, &look).await?
        {
            schedule.order_version(&look, now);
        }
    }
    if schedule.orders().is_empty() {
        return Ok(renewed);
    }
    Ok(renewed + carry_out(desk, rules, partner, schedule).await?)
}

/// Notes a schedule's decisions, then carries them out.
async fn carry_out<D: Desk>(
    desk: &D,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
) -> Result<usize, Error> {
    if !desk.save(partner, &mut schedule).await? {
        // Somebody else has decided meanwhile, or the partner has changed its schedule: the next run reads it anew.
        return Ok(0);
    }
    let orders = schedule.take_orders();
    if orders.is_empty() {
        return Ok(0);
    }
    let mut created = 0;
    for order in orders {
        let job = order.job(schedule.output, rules.retention_seconds);
        created += usize::from(desk.create(partner, &job).await?);
        // Also when it was there: whoever wrote it may have died before the message was sent.
        desk.send(partner, &job.id, schedule.notifies()).await?;
    }
    // If it was changed meanwhile, the orders stay in it, and are carried out once more.
    desk.save(partner, &mut schedule).await?;
    Ok(created)
}

/// Looks after the exports of some months: those that failed or were deleted are made anew, and with `expired` those whose
/// time is up; those that are not ready are sent again, since a queue forgets in the end. How many it began anew.
async fn mend<D: Desk>(
    desk: &D,
    rules: Rules,
    partner: &PartnerId,
    schedule: &Schedule,
    (first, last): (Month, Month),
    now: Instant,
    expired: bool,
) -> Result<usize, Error> {
    let mut renewed = 0;
    for (mut job, standing) in desk.jobs(partner, first, last).await? {
        match standing.state_at(&job, now) {
            State::Ready => continue,
            State::Expired if !expired => continue,
            State::Pending | State::Running => {}
            State::Failed | State::Cancelled | State::Expired => {
                job.expires_at = now.plus_seconds(rules.retention_seconds);
                if !desk.renew(partner, &job, now).await? {
                    continue;
                }
                renewed += 1;
            }
        }
        desk.send(partner, &job.id, schedule.notifies()).await?;
    }
    Ok(renewed)
}

/// Makes the exports of months.
#[derive(Clone, Debug)]
pub struct Months {
    /// Where schedules and jobs are.
    pub control: Control,
    /// Where jobs are sent.
    pub queue: ExportQueue,
    /// Where late activities are found.
    pub late: LateIndex,
    /// Where runs are sent that are to be gone on with.
    pub runs: RunQueue,
    /// The installation's times.
    pub rules: Rules,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// Schedules that it attended to.
    pub due: usize,
    /// Exports that it ordered.
    pub created: usize,
    /// Schedules that failed: the next run tries them again.
    pub failed: usize,
    /// Whether it came to the end; else another run goes on.
    pub complete: bool,
}

impl Desk for Months {
    async fn save(&self, partner: &PartnerId, schedule: &mut Schedule) -> Result<bool, Error> {
        self.control.save_schedule(partner, schedule, self.rules.grace_seconds).await
    }

    async fn create(&self, partner: &PartnerId, job: &Job) -> Result<bool, Error> {
        self.control.create_job(partner, job).await
    }

    async fn renew(&self, partner: &PartnerId, job: &Job, now: Instant) -> Result<bool, Error> {
        self.control.renew_job(partner, job, now).await
    }

    async fn send(&self, partner: &PartnerId, id: &str, notify: bool) -> Result<(), Error> {
        self.queue.send_month(partner, id, notify).await
    }

    async fn is_late(&self, partner: &PartnerId, look: &Look) -> Result<bool, Error> {
        let period = Period::new(look.from, look.to).map_err(|error| Error::broken("reading a schedule", error))?;
        self.late.has(partner, period, look.recorded_from, look.recorded_before).await
    }

    async fn jobs(&self, partner: &PartnerId, first: Month, last: Month) -> Result<Vec<(Job, Standing)>, Error> {
        self.control.jobs_of_months(partner, first, last).await
    }
}

impl Months {
    /// Does what a run is to do, page by page of the schedules that are due, as long as `may_go_on` says so; what is left
    /// is sent to the queue of runs. One partner's failure does not hold up the others.
    ///
    /// # Errors
    /// When the index cannot be read, or the rest cannot be sent.
    pub async fn run(
        &self,
        run: &Run,
        now: Instant,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        // A month that is asked for is looked for in all schedules, else those count that are due.
        let due_by = if run.month.is_none() { Some(now) } else { None };
        let mut place = Some(run.from.clone());
        while let Some(from) = place {
            if !may_go_on() {
                self.runs.send(&Run { now: Some(now), month: run.month, from }).await?;
                return Ok(outcome);
            }
            let (schedules, next) = self.control.schedules_due(due_by, PAGE, from).await?;
            let mut attended = pin!(
                stream::iter(schedules)
                    // Boxed: the futures of the SDK, nested this deep, exceed what the compiler lays out.
                    .map(|found| Box::pin(async move {
                        let (partner, schedule) = found.map_err(|error| (None, error))?;
                        let attended = self.attend(&partner, schedule, run.month, now).await;
                        attended.map_err(|error| (Some(partner), error))
                    }))
                    .buffer_unordered(CONCURRENCY)
            );
            while let Some(result) = attended.next().await {
                match result {
                    Ok(None) => {}
                    Ok(Some(created)) => {
                        outcome.due += 1;
                        outcome.created += created;
                    }
                    Err((partner, error)) => {
                        outcome.due += 1;
                        outcome.failed += 1;
                        let partner = partner.as_ref().map_or("", PartnerId::as_str);
                        tracing::error!(partner, error = storage::causes(&error), "a month was not made");
                    }
                }
            }
            place = next;
        }
        outcome.complete = true;
        Ok(outcome)
    }

    /// How many exports are not ready of the month that ended last, in UTC, a day and the grace period ago or longer; no
    /// more than [`MAX_COUNTED`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn unmade(&self, now: Instant) -> Result<usize, Error> {
        let month = Month::of(now.plus_seconds(-self.rules.grace_seconds - 86_400), Tz::UTC).previous();
        let mut unmade = 0;
        for state in [State::Pending, State::Running, State::Failed] {
            let mut place = Some(MonthPlace::default());
            while let Some(from) = place.filter(|_| unmade < MAX_COUNTED) {
                let (found, next) = self.control.exports_of_month(month, Some(state), PAGE, from).await?;
                unmade += found.len();
                place = next;
            }
        }
        Ok(unmade)
    }

    /// Makes at once what a month lacks, for one partner with a schedule.
    ///
    /// # Errors
    /// When a store fails: what was created stays, and the same call goes on.
    pub async fn run_for(&self, partner: &PartnerId, month: Month, now: Instant) -> Result<Outcome, Error> {
        let schedule = self.control.schedule(partner).await?.filter(|schedule| schedule.enabled);
        let created = match schedule {
            Some(schedule) => self.attend(partner, schedule, Some(month), now).await?,
            None => None,
        };
        let due = usize::from(created.is_some());
        Ok(Outcome { due, created: created.unwrap_or_default(), failed: 0, complete: true })
    }

    /// Attends to one partner, about one month or about all that is due; none where there is nothing to look at.
    async fn attend(
        &self,
        partner: &PartnerId,
        schedule: Schedule,
        month: Option<Month>,
        now: Instant,
    ) -> Result<Option<usize>, Error> {
        match month {
            None => attend(self, self.rules, partner, schedule, now).await.map(Some),
            Some(month) if schedule.has(month, self.rules.grace_seconds, now) => {
                attend_month(self, self.rules, partner, schedule, month, now).await.map(Some)
            }
            Some(_) => Ok(None),
        }
    }
}
