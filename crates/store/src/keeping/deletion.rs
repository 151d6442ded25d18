//! Deletion of ended months, and of everything of a partner that leaves.

use std::convert::Infallible;

use domain::{
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    job::{Job, JobStatus},
    lifecycle::{DeletedCounts, Lifecycle, MonthState},
    time::{Month, Zone},
};

use super::{
    Keeper, Left, Run,
    files::{Withdrawal, has_files, touches},
};
use crate::error::Error;

/// The reason of an export that was removed with a month, as people read it.
const MONTH_DELETED: &str = "The files were removed, because a month in their period was deleted at the end of its retention. Request the export again \
     for what is kept.";

impl Keeper {
    /// Changes what is decided, where nothing can refuse it.
    async fn decide<T>(
        &self,
        partner: &PartnerId,
        mut change: impl FnMut(&mut Lifecycle) -> T,
    ) -> Result<(T, Lifecycle), Error> {
        let decided = self.partners.change_lifecycle(partner, |lifecycle| Ok::<_, Infallible>(change(lifecycle)));
        let Ok(decided) = decided.await?;
        Ok(decided)
    }

    /// Notes which months have ended, and deletes those whose time has come.
    pub(super) async fn delete_ended_months(&self, partner: &PartnerId, run: &Run<'_>) -> Result<Left, Error> {
        let default_months = self.partners.default_months();
        let with_data: Vec<Month> =
            self.activities.months(partner).await?.into_iter().map(|(month, _)| month).collect();
        let ((), lifecycle) = self
            .decide(partner, |lifecycle| {
                lifecycle.note_ended(&with_data, run.now, default_months);
                lifecycle.begin_deletions(run.now, default_months);
            })
            .await?;
        for month in lifecycle.deleting() {
            // The files first, because nobody may download what is being deleted.
            self.remove_exports_of(partner, month, &lifecycle, run).await?;
            let removed = self.activities.delete_month(partner, month, run.may_go_on).await?;
            tracing::info!(%partner, %month, activities = removed.activities, objects = removed.objects, "month deleted");
            if !removed.complete {
                return Ok(Left::Unfinished);
            }
            // Before it is noted, so that no deletion is without an entry. A run that dies in between leaves two.
            let entry = AuditEntry::new(AuditAction::MonthDeleted).about("month", &month.to_string());
            self.note(partner, entry, run.now).await?;
            self.decide(partner, |lifecycle| lifecycle.note_deleted(month)).await?;
        }
        Ok(Left::Done)
    }

    /// Removes the exports that hold a month which is being deleted.
    async fn remove_exports_of(
        &self,
        partner: &PartnerId,
        month: Month,
        lifecycle: &Lifecycle,
        run: &Run<'_>,
    ) -> Result<(), Error> {
        let period = month.period(Zone::UTC);
        for found in self.all_jobs(partner).await?.iter().filter(|(job, _)| touches(job, &period)) {
            let (job, status) = found;
            if self.is_all_gone(job, lifecycle, run) {
                self.activities.delete_files(&Job::objects_of(partner, &job.id), None).await?;
                self.control.delete_job(partner, job).await?;
            } else if has_files(status) && self.was_made_before(job, status, run) {
                let why = Withdrawal { problem: MONTH_DELETED, order: None, remakes: true, now: run.now };
                self.withdraw(partner, found, &why).await?;
            }
        }
        Ok(())
    }

    /// Whether no month of an export's period is kept.
    fn is_all_gone(&self, job: &Job, lifecycle: &Lifecycle, run: &Run<'_>) -> bool {
        let (first, last) = (job.request.from.utc_month(), job.request.to.plus_seconds(-1).utc_month());
        let mut month = first;
        loop {
            if lifecycle.month_state(month, run.now, self.partners.default_months()) == MonthState::Kept {
                return false;
            }
            if month >= last {
                return true;
            }
            month = month.next();
        }
    }

    /// Whether an export may hold activities of a month that has ended: the files of exports that were asked for since hold
    /// none. Processes see the end within a minute, and the deletion comes weeks later.
    fn was_made_before(&self, job: &Job, _: &JobStatus, run: &Run<'_>) -> bool {
        let asked_at = job.renewed_at.unwrap_or(job.created_at);
        asked_at < run.now.plus_seconds(-(domain::lifecycle::DAYS_BEFORE_DELETION - 1) * 86_400)
    }

    /// Deletes everything of a partner that has left.
    pub(super) async fn delete_everything(&self, partner: &PartnerId, run: &Run<'_>) -> Result<Left, Error> {
        let mut counts = DeletedCounts::default();
        let is_complete = self.delete_what_is_left(partner, run, &mut counts).await;
        // Counted also when something failed, because what is deleted cannot be counted again.
        let counted = self.decide(partner, |lifecycle| lifecycle.count_deleted(run.name, counts)).await;
        if !is_complete? {
            return Ok(Left::Unfinished);
        }
        counted?;
        self.partners.remove_registration(partner).await?;
        self.decide(partner, |lifecycle| lifecycle.note_left(run.now)).await?;
        tracing::info!(%partner, "all data of a partner deleted");
        Ok(Left::Done)
    }

    async fn delete_what_is_left(
        &self,
        partner: &PartnerId,
        run: &Run<'_>,
        counts: &mut DeletedCounts,
    ) -> Result<bool, Error> {
        // Streams before everything else, so that nothing is sent any more.
        counts.records += self.streams.remove_all(partner).await?;
        // Jobs first, so that no worker begins to make a file, and files after the workers' jobs are gone.
        let (records, is_complete) = self.control.delete_partner(partner, run.may_go_on).await?;
        counts.records += records;
        if !is_complete {
            return Ok(false);
        }
        for (month, _) in self.activities.months(partner).await? {
            let removed = self.activities.delete_month(partner, month, run.may_go_on).await?;
            counts.activities += removed.activities;
            counts.objects += removed.objects;
            if !removed.complete {
                return Ok(false);
            }
            counts.months += 1;
        }
        for (month, _) in self.audit.months(partner).await? {
            if !self.audit.delete_month(partner, month, run.may_go_on).await?.complete {
                return Ok(false);
            }
        }
        let removed = self.activities.delete_all_details(partner, run.may_go_on).await?;
        counts.objects += removed.objects;
        if !removed.complete {
            return Ok(false);
        }
        loop {
            let deleted = self.activities.delete_files(&format!("exports/{partner}/"), None).await?;
            counts.objects += deleted;
            if deleted == 0 {
                return Ok(true);
            }
            if !(run.may_go_on)() {
                return Ok(false);
            }
        }
    }
}
