//! The exports that a caller may see: all of the partner's, or those that are only about the caller's customers.

use domain::{
    access::Caller,
    activity::PartnerId,
    job::{Job, JobStatus, Kind},
};
use lambda::Problem;
use store::jobs::{ListPosition, MAX_LISTED};

use crate::App;

/// The most pages of exports that are read for one page of a restricted caller's list.
const MAX_PAGES_READ: usize = 10;

/// Finds an export that the caller may see.
///
/// # Errors
/// 404 for an export that the caller may not see, as for one that does not exist; or when the table fails.
pub(crate) async fn find_job(
    app: &App,
    caller: &Caller,
    partner: &PartnerId,
    id: &str,
) -> Result<(Job, JobStatus), Problem> {
    let found = app.control.job(partner, id).await?;
    found.filter(|(job, _)| is_visible(caller, job)).ok_or_else(Problem::not_found)
}

/// Tells whether a caller of the partner may see an export: whether the caller may see all customers, or all that the export
/// is about. Monthly exports are the whole partner's.
fn is_visible(caller: &Caller, job: &Job) -> bool {
    let (customers, filter) = (caller.customers(), &job.request.filter);
    // An export of nobody's activities says what its author asked for.
    let is_own = job.created_by_subject.as_deref() == Some(caller.subject());
    let is_of_customers = customers.contain(filter) || (is_own && filter.is_without_customers());
    customers.is_all() || (job.kind == Kind::OnDemand && is_of_customers)
}

/// Lists a page of the exports that a caller may see, newest first.
///
/// Exports that a restricted caller may not see are passed over, so a page may be short, or empty, and have a next one.
///
/// # Errors
/// When the table fails.
pub(crate) async fn list_jobs(
    app: &App,
    caller: &Caller,
    partner: &PartnerId,
    kind: Option<Kind>,
    limit: usize,
    after: ListPosition,
) -> Result<(Vec<(Job, JobStatus)>, Option<ListPosition>), Problem> {
    if caller.customers().is_all() {
        return Ok(app.control.jobs(partner, kind, limit, after).await?);
    }
    if kind == Some(Kind::Monthly) {
        return Ok((Vec::new(), None));
    }
    let (mut visible, mut read): (Vec<(Job, JobStatus)>, _) = (Vec::new(), after.clone());
    let behind = |jobs: &[(Job, JobStatus)]| after.clone().behind(jobs.iter().map(|(job, _)| job));
    for _ in 0..MAX_PAGES_READ {
        let (jobs, next) = app.control.jobs(partner, Some(Kind::OnDemand), MAX_LISTED, read).await?;
        for job in jobs.into_iter().filter(|(job, _)| is_visible(caller, job)) {
            if visible.len() == limit {
                let next = behind(&visible);
                return Ok((visible, Some(next)));
            }
            visible.push(job);
        }
        match next {
            None => return Ok((visible, None)),
            Some(next) => read = next,
        }
    }
    // Behind the last visible export, because a cursor would tell the id of another one.
    let next = if visible.is_empty() { read } else { behind(&visible) };
    Ok((visible, Some(next)))
}
