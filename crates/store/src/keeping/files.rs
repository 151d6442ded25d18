//! Exports that hold what goes: files are removed, and monthly exports are made anew.

use domain::{
    activity::PartnerId,
    job::{Job, JobStatus, Kind, State},
    time::{Instant, Period},
};

use super::Keeper;
use crate::{
    error::Error,
    jobs::{ListPosition, MAX_LISTED},
};

/// Why an export is taken back.
#[derive(Debug)]
pub(super) struct Withdrawal<'a> {
    /// The reason, as people read it.
    pub(super) problem: &'a str,
    /// The order to erase, if one is the reason.
    pub(super) order: Option<&'a str>,
    /// Whether monthly exports are made anew.
    pub(super) remakes: bool,
    /// The time of the run.
    pub(super) now: Instant,
}

impl Keeper {
    /// Reads all exports of a partner.
    pub(super) async fn all_jobs(&self, partner: &PartnerId) -> Result<Vec<(Job, JobStatus)>, Error> {
        let (mut jobs, mut after) = (Vec::new(), Some(ListPosition::default()));
        while let Some(position) = after {
            let (page, next) = self.control.jobs(partner, None, MAX_LISTED, position).await?;
            jobs.extend(page);
            after = next;
        }
        Ok(jobs)
    }

    /// Takes an export back: removes its files, and makes a monthly one anew if that is wanted. Returns whether a worker was
    /// making the files, which may still store one.
    pub(super) async fn withdraw(
        &self,
        partner: &PartnerId,
        (job, status): &(Job, JobStatus),
        why: &Withdrawal<'_>,
    ) -> Result<bool, Error> {
        let is_made_anew = why.order.is_some_and(|order| job.erasures.iter().any(|known| known == order));
        let was_running = status.state == State::Running && !is_made_anew;
        if !is_made_anew {
            self.control.withdraw_job(partner, job, why.problem).await?;
        }
        let objects = Job::objects_of(partner, &job.id);
        if !(why.remakes && job.kind == Kind::Monthly) {
            self.activities.delete_files(&objects, None).await?;
            return Ok(was_running);
        }
        let mut renewed = job.clone();
        if !is_made_anew {
            renewed = renewed.renew(why.now, self.retention_seconds);
            renewed.erasures.extend(why.order.map(str::to_owned));
            self.control.renew_job(partner, &renewed, why.now).await?;
        }
        self.activities.delete_files(&objects, Some(&renewed.object_key(partner, ""))).await?;
        // Also if it was renewed before, because that run may have died before it sent the message.
        if is_made_anew && status.state != State::Pending {
            return Ok(was_running);
        }
        self.exports.send_month(partner, &job.id, false).await?;
        Ok(was_running)
    }
}

/// Whether the period of an export touches another period.
pub(super) fn touches(job: &Job, period: &Period) -> bool {
    job.request.from < period.to() && period.from() < job.request.to
}

/// Whether an export has files, or will have.
pub(super) fn has_files(status: &JobStatus) -> bool {
    matches!(status.state, State::Pending | State::Running | State::Ready)
}
