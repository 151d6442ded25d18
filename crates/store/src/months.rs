//! Monthly exports: every hour, a run creates the exports that are due, partner by partner.
//!
//! [`domain::schedule`] decides; this module stores the decisions and executes them on a [`ScheduleStore`]. A run queries
//! the index `due`. Each due schedule orders the months that have ended. Once a day the run also checks the ledger for late
//! activities, and retries failed exports of the last months.
//!
//! The operator can ask for one month at once. [`Months::run`] does what the tables show. [`Months::look_again`] sends a second
//! look, because the index of late activities may not show yet what was acknowledged just before.
//!
//! Orders are stored with the schedule before they are executed, and removed once all of them are done. Every step in
//! between may be repeated, by this run or another one. The next run completes a run that died or ran out of time. One
//! partner's failure does not hold up the others.

use std::{future::Future, pin::pin, time::Duration};

use futures_util::{StreamExt as _, stream};

use crate::{
    audit::Audit,
    control::Control,
    error::{Error, causes},
    jobs::MonthCursor,
    ledger::LateIndex,
    queues::{ExportQueue, MonthlyRun, RunQueue},
};
use domain::{
    activity::{PartnerId, Status},
    audit::{AuditActor, AuditEntry},
    job::{Job, JobStatus, State},
    query::SETTLE_SECONDS,
    schedule::{LateCheck, NotDue, Schedule, request_cut, settled_cut},
    time::{Instant, Month, Period, Zone, seconds_between},
};

/// The number of schedules of a page. After each page a run checks whether its time is up.
pub const PAGE: usize = 200;
/// The most unfinished exports that are counted, because a larger number says nothing more.
pub const MAX_COUNTED: usize = 10_000;
/// The number of partners that are processed at a time.
const CONCURRENCY: usize = 32;
/// The source of the entries in the audit.
const SOURCE: &str = "monthly";

/// The times of an installation.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The time from the end of a month to its export, in seconds.
    pub grace_seconds: i64,
    /// The time for which files are kept, in seconds.
    pub retention_seconds: i64,
}

/// Stores schedules and executes their orders. Tests have one in memory.
pub trait ScheduleStore: Sync {
    /// Saves a schedule in place of the revision that it was made from. Returns false if that was not the last one.
    fn save(&self, partner: &PartnerId, schedule: &mut Schedule) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Creates a job, unless it is there. Returns whether it was created.
    fn create(&self, partner: &PartnerId, job: &Job) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Renews a job that failed, was cancelled or has expired. Returns whether it was one of these.
    fn renew(&self, partner: &PartnerId, job: &Job, now: Instant) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Sends a job to the workers, who receive it after a time; `notify` says whether they notify the recipients.
    ///
    /// Before, the audit says that the export was asked for.
    fn send(
        &self,
        partner: &PartnerId,
        job: &Job,
        notify: bool,
        wait: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// Whether a check finds a late activity.
    fn has_late_activity(
        &self,
        partner: &PartnerId,
        look: &LateCheck,
    ) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Lists the exports of months, in all versions, from `first` to `last`.
    fn jobs(
        &self,
        partner: &PartnerId,
        first: Month,
        last: Month,
    ) -> impl Future<Output = Result<Vec<(Job, JobStatus)>, Error>> + Send;
}

/// Creates what is due for one partner. Returns the number of exports that were created or renewed.
///
/// # Errors
/// When the store fails; the next run does the rest.
pub async fn process_schedule<S: ScheduleStore>(
    store: &S,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
    now: Instant,
) -> Result<usize, Error> {
    schedule.plan_ended_months(rules.grace_seconds, now);
    let mut renewed = 0;
    if schedule.is_check_due(now) {
        let looks: Vec<LateCheck> = schedule.late_checks(now).collect();
        for look in looks {
            if store.has_late_activity(partner, &look).await? {
                schedule.plan_next_version(&look, now);
            }
        }
        let spans: Vec<(Month, Month)> = schedule.months_to_repair(now).collect();
        for span in spans {
            renewed += retry_exports(store, rules, partner, &schedule, span, now, false).await?;
        }
        schedule.note_checks_done(now);
    }
    Ok(renewed + execute_orders(store, rules, partner, schedule, now).await?)
}

/// Creates at once what one month of one partner lacks. Returns the number of exports that were created or renewed.
///
/// A month may lack its first version, a further version for late activities, or an export that failed, was deleted or has
/// expired. The versions hold everything that was acknowledged before `now` and that the index of late activities shows.
///
/// # Errors
/// When the store fails; the same call does the rest.
pub async fn process_month<S: ScheduleStore>(
    store: &S,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
    month: Month,
    now: Instant,
) -> Result<usize, Error> {
    // A file waits for what is being recorded only if something was recorded lately.
    let is_busy = store.has_late_activity(partner, &schedule.recent_check(month, now)).await?;
    let cut = if is_busy { request_cut(now) } else { settled_cut(now) };
    if schedule.plan_month(month, rules.grace_seconds, cut, now) {
        return execute_orders(store, rules, partner, schedule, now).await;
    }
    let renewed = retry_exports(store, rules, partner, &schedule, (month, month), now, true).await?;
    Ok(renewed + process_late_activities(store, rules, partner, schedule, month, cut, now).await?)
}

/// Creates a further version of one month of one partner, if there are activities that were recorded since the last cut and
/// before another instant. Returns the number of exports that were created.
///
/// # Errors
/// When the store fails; the same call does the rest.
pub async fn process_late_activities<S: ScheduleStore>(
    store: &S,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
    month: Month,
    recorded_before: Instant,
    now: Instant,
) -> Result<usize, Error> {
    if let Some(look) = schedule.late_check(month, recorded_before)
        && store.has_late_activity(partner, &look).await?
    {
        schedule.plan_next_version(&look, now);
    }
    if schedule.pending_jobs().is_empty() {
        return Ok(0);
    }
    execute_orders(store, rules, partner, schedule, now).await
}

/// Stores a schedule's orders, then executes them.
async fn execute_orders<S: ScheduleStore>(
    store: &S,
    rules: Rules,
    partner: &PartnerId,
    mut schedule: Schedule,
    now: Instant,
) -> Result<usize, Error> {
    if !store.save(partner, &mut schedule).await? {
        // Another run has decided meanwhile, or the partner has changed its schedule. The next run reads the change.
        return Ok(0);
    }
    let orders = schedule.take_pending_jobs();
    if orders.is_empty() {
        return Ok(0);
    }
    let mut created = 0;
    for order in orders {
        let job = order.job(schedule.output, schedule.filter.clone(), rules.retention_seconds);
        created += usize::from(store.create(partner, &job).await?);
        // Also if the job was there, because the run that created it may have died before it sent the message.
        store.send(partner, &job, schedule.has_recipients(), time_until_readable(&job, now)).await?;
    }
    // If the schedule was changed meanwhile, its orders stay and are executed once more.
    store.save(partner, &mut schedule).await?;
    Ok(created)
}

/// Retries the exports of some months. Returns the number of exports that were renewed.
///
/// Exports that failed or were cancelled are renewed, and with `expired` also those whose files are removed. Unfinished
/// exports are sent again, because a queue drops messages after some days.
async fn retry_exports<S: ScheduleStore>(
    store: &S,
    rules: Rules,
    partner: &PartnerId,
    schedule: &Schedule,
    (first, last): (Month, Month),
    now: Instant,
    expired: bool,
) -> Result<usize, Error> {
    let mut renewed = 0;
    for (mut job, status) in store.jobs(partner, first, last).await? {
        match status.state_at(&job, now) {
            State::Ready => continue,
            State::Expired if !expired => continue,
            State::Pending | State::Running => {}
            State::Failed | State::Cancelled | State::Expired => {
                job = job.renew(now, rules.retention_seconds);
                if !store.renew(partner, &job, now).await? {
                    continue;
                }
                renewed += 1;
            }
        }
        store.send(partner, &job, schedule.has_recipients(), time_until_readable(&job, now)).await?;
    }
    Ok(renewed)
}

/// Returns the time, in whole seconds rounded up, until a job's files can hold what they must hold.
fn time_until_readable(job: &Job, now: Instant) -> Duration {
    let seconds = seconds_between(now.truncated_to_seconds(), job.readable_at());
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// Creates the monthly exports.
#[derive(Clone, Debug)]
pub struct Months {
    /// The table with schedules and jobs.
    pub control: Control,
    /// The queue of the workers.
    pub queue: ExportQueue,
    /// The index of late activities.
    pub late: LateIndex,
    /// The queue of runs that another invocation continues.
    pub runs: RunQueue,
    /// The audit, which says what was asked for.
    pub audit: Audit,
    /// The times of the installation.
    pub rules: Rules,
}

/// The results of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RunSummary {
    /// The number of schedules that were processed.
    pub due: usize,
    /// The number of exports that were created or renewed.
    pub created: usize,
    /// The number of schedules that failed. The next run tries them again.
    pub failed: usize,
    /// Whether the run came to its end. Otherwise another run continues.
    pub complete: bool,
}

impl ScheduleStore for Months {
    async fn save(&self, partner: &PartnerId, schedule: &mut Schedule) -> Result<bool, Error> {
        self.control.save_schedule(partner, schedule, self.rules.grace_seconds).await
    }

    async fn create(&self, partner: &PartnerId, job: &Job) -> Result<bool, Error> {
        self.control.create_job(partner, job).await
    }

    async fn renew(&self, partner: &PartnerId, job: &Job, now: Instant) -> Result<bool, Error> {
        self.control.renew_job(partner, job, now).await
    }

    async fn send(&self, partner: &PartnerId, job: &Job, notify: bool, wait: Duration) -> Result<(), Error> {
        // The entry belongs to the request, so that a job that is sent again has the same one.
        let (by, entry) = (AuditActor::system(SOURCE), AuditEntry::export_requested(job));
        let asked_at = job.renewed_at.unwrap_or(job.created_at);
        self.audit.store_once(partner, &by, &entry, Status::Succeeded, (&job.id, asked_at), asked_at).await?;
        self.queue.send_month_after(partner, &job.id, notify, wait).await
    }

    async fn has_late_activity(&self, partner: &PartnerId, look: &LateCheck) -> Result<bool, Error> {
        let period = Period::new(look.from, look.to).map_err(|error| Error::permanent("reading a schedule", error))?;
        self.late.has_late_activity(partner, period, look.recorded_from, look.recorded_before).await
    }

    async fn jobs(&self, partner: &PartnerId, first: Month, last: Month) -> Result<Vec<(Job, JobStatus)>, Error> {
        self.control.jobs_of_months(partner, first, last).await
    }
}

impl Months {
    /// Processes the schedules of a run, page by page, while `may_go_on` returns true. Sends the rest to the queue of runs.
    ///
    /// # Errors
    /// When the index cannot be read, or the rest of the run cannot be sent. One partner's failure is no error: the summary
    /// counts it.
    pub async fn run(
        &self,
        run: &MonthlyRun,
        now: Instant,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<RunSummary, Error> {
        if let Some(partner) = &run.partner {
            let partner = PartnerId::parse(partner).map_err(|error| Error::permanent("reading a run", error))?;
            let nothing = RunSummary { complete: true, ..RunSummary::default() };
            return Ok(self.run_partner(&partner, run, now).await?.unwrap_or(nothing));
        }
        let mut summary = RunSummary::default();
        // A run of one month goes through all schedules, any other run through those that are due.
        let due_by = if run.month.is_none() { Some(now) } else { None };
        let mut cursor = Some(run.from.clone());
        while let Some(from) = cursor {
            if !may_go_on() {
                self.runs.send(&MonthlyRun { now: Some(now), from, ..run.clone() }, Duration::ZERO).await?;
                return Ok(summary);
            }
            let (schedules, next) = self.control.schedules_due(due_by, PAGE, from).await?;
            let mut processed = pin!(
                stream::iter(schedules)
                    // Boxed, because the SDK's futures, nested this deep, exceed the compiler's limit.
                    .map(|found| Box::pin(async move {
                        let (partner, schedule) = found.map_err(|error| (None, error))?;
                        let processed = self.process(&partner, schedule, run, now).await;
                        processed.map_err(|error| (Some(partner), error))
                    }))
                    .buffer_unordered(CONCURRENCY)
            );
            while let Some(result) = processed.next().await {
                match result {
                    Ok(Err(_)) => {}
                    Ok(Ok(created)) => {
                        summary.due += 1;
                        summary.created += created;
                    }
                    Err((partner, error)) => {
                        summary.due += 1;
                        summary.failed += 1;
                        let partner = partner.as_ref().map_or("", PartnerId::as_str);
                        tracing::error!(partner, error = causes(&error), "could not process a schedule");
                    }
                }
            }
            cursor = next;
        }
        summary.complete = true;
        Ok(summary)
    }

    /// Counts the unfinished exports of the last month that ended at least a day and the grace period ago, in UTC.
    ///
    /// Counts up to about [`MAX_COUNTED`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn count_unfinished(&self, now: Instant) -> Result<usize, Error> {
        let month = Month::of(now.plus_seconds(-self.rules.grace_seconds - 86_400), Zone::UTC).previous();
        let mut unfinished = 0;
        for state in [State::Pending, State::Running, State::Failed] {
            let mut cursor = Some(MonthCursor::default());
            while let Some(from) = cursor.filter(|_| unfinished < MAX_COUNTED) {
                let (found, next) = self.control.exports_of_month(month, Some(state), PAGE, from).await?;
                unfinished += found.len();
                cursor = next;
            }
        }
        Ok(unfinished)
    }

    /// Creates at once what a month of one partner lacks, or returns why the month is not due.
    ///
    /// # Errors
    /// When a store fails. Exports that were created stay, and the same call does the rest.
    pub async fn run_month(
        &self,
        partner: &PartnerId,
        month: Month,
        now: Instant,
    ) -> Result<Result<RunSummary, NotDue>, Error> {
        self.run_partner(partner, &MonthlyRun { month: Some(month), ..MonthlyRun::default() }, now).await
    }

    /// Sends a second look at the late activities of a month, of one partner or of all. The second look finds what was
    /// acknowledged before `now` and was not in the index yet.
    ///
    /// # Errors
    /// When the run cannot be sent.
    pub async fn look_again(&self, partner: Option<&PartnerId>, month: Month, now: Instant) -> Result<(), Error> {
        let look = MonthlyRun {
            month: Some(month),
            partner: partner.map(PartnerId::to_string),
            late_before: Some(request_cut(now)),
            ..MonthlyRun::default()
        };
        self.runs.send(&look, Duration::from_secs(SETTLE_SECONDS.unsigned_abs())).await
    }

    async fn run_partner(
        &self,
        partner: &PartnerId,
        run: &MonthlyRun,
        now: Instant,
    ) -> Result<Result<RunSummary, NotDue>, Error> {
        let Some(schedule) = self.control.schedule(partner).await? else { return Ok(Err(NotDue::NoSchedule)) };
        let processed = self.process(partner, schedule, run, now).await?;
        Ok(processed.map(|created| RunSummary { due: 1, created, failed: 0, complete: true }))
    }

    /// Processes one partner's schedule, for one month or for all that is due.
    ///
    /// Returns the number of exports, or why the month is not due.
    async fn process(
        &self,
        partner: &PartnerId,
        schedule: Schedule,
        run: &MonthlyRun,
        now: Instant,
    ) -> Result<Result<usize, NotDue>, Error> {
        let Some(month) = run.month else {
            return process_schedule(self, self.rules, partner, schedule, now).await.map(Ok);
        };
        if let Err(reason) = schedule.check_month(month, self.rules.grace_seconds, now) {
            return Ok(Err(reason));
        }
        let created = match run.late_before {
            None => process_month(self, self.rules, partner, schedule, month, now).await?,
            Some(before) => process_late_activities(self, self.rules, partner, schedule, month, before, now).await?,
        };
        Ok(Ok(created))
    }
}
