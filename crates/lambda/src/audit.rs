//! The audit of requests: an entry is stored before something is changed or revealed, and beside a read.
//!
//! | what happens | method | if the entry cannot be stored |
//! |---|---|---|
//! | something is changed | [`RequestAudit::change`] | 503, and nothing is changed |
//! | something is revealed: a link, a secret | [`RequestAudit::reveal`] | 503, and nothing is revealed |
//! | the log or the audit is read | [`RequestAudit::note_read`] | the read goes on; the metric `audit_failures` counts |
//! | a request is refused | [`note_refusal`] | the refusal stands; the metric `audit_failures` counts |
//!
//! A change in a handler is one call. The future makes the change and returns its result, which becomes the status of the
//! entry: `Ok` is `succeeded`; a problem of the caller (4xx) is `failed`, with the problem's detail as the reason; after a
//! problem of ours (5xx) nobody knows whether the change was made, and the entry stays `in_progress`.
//!
//! ```text
//! let (caller, partner) = request::partner_for(request, Operation::Settings)?;
//! let before = app.partners.retention(&partner).await?;
//! let entry = AuditEntry::new(AuditAction::RetentionSaved).about("retention", partner.as_str()).changed(&before, &after);
//! RequestAudit::new(&app.audit, request, &caller, now)
//!     .change(&partner, entry, async { Ok(app.partners.save_retention(&partner, &after).await?) })
//!     .await?;
//! ```
//!
//! Check everything that can be checked before the call, so that bad requests leave no entry. What concerns no single partner
//! is kept under [`PartnerId::installation`]. An entry is shown to its partner: name no other partner in it.
//!
//! Functions that no request invokes use [`store::audit::Audit`] with an [`AuditActor::system`].

use domain::{
    access::Caller,
    activity::{PartnerId, Status},
    audit::{AuditAction, AuditActor, AuditEntry},
    time::Instant,
};
use store::{
    audit::Audit,
    error::{Error, causes},
};

use crate::{
    metrics::{self, Metric},
    problem::Problem,
    request::{self, Request},
    response::Answer,
};

/// What the caller reads whose act has no entry.
const NO_ENTRY: &str = "The audit could not store an entry for this request, so nothing was changed or shown. Send the same request again in a moment.";

/// The audit of one request.
#[derive(Clone, Debug)]
pub struct RequestAudit {
    audit: Audit,
    by: AuditActor,
    now: Instant,
}

impl RequestAudit {
    /// Begins the audit of a request that a caller sent.
    pub fn new(audit: &Audit, request: &Request, caller: &Caller, now: Instant) -> Self {
        let by = AuditActor::of_caller(caller).at(
            request::source_ip(request),
            request::user_agent(request),
            Some(request::trace_id(request)),
        );
        Self { audit: audit.clone(), by, now }
    }

    /// Makes a change between the two writes of its entry, and returns the result of the change.
    ///
    /// # Errors
    /// 503 when the entry cannot be stored: the change is not made then. The problem of the change.
    pub async fn change<T>(
        &self,
        partner: &PartnerId,
        entry: AuditEntry,
        change: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let action = entry.action();
        let begun = self.audit.begin(partner, &self.by, entry, self.now).await;
        let begun = begun.map_err(|error| unavailable(action, &error))?;
        let result = change.await;
        let ended = match &result {
            Ok(_) => begun.end(Ok(())).await,
            Err(problem) if problem.kind().status().is_client_error() => begun.end(Err(problem.detail())).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = ended {
            // The change is made, and its entry says that it was begun.
            report(action, &error);
        }
        result
    }

    /// Stores the entry of something that the answer reveals.
    ///
    /// # Errors
    /// 503 when the entry cannot be stored: reveal nothing then.
    pub async fn reveal(&self, partner: &PartnerId, entry: &AuditEntry) -> Result<(), Problem> {
        let stored = self.audit.store(partner, &self.by, entry, self.now).await;
        stored.map_err(|error| unavailable(entry.action(), &error))
    }

    /// Stores the entry of a read, once an hour for a caller and partner. Run it beside the first query of the read.
    pub async fn note_read(&self, partner: &PartnerId, action: AuditAction) {
        self.note(partner, &AuditEntry::new(action), Status::Succeeded).await;
    }

    async fn note(&self, partner: &PartnerId, entry: &AuditEntry, status: Status) {
        if let Err(error) = self.audit.store_of_hour(partner, &self.by, entry, status, self.now).await {
            report(entry.action(), &error);
        }
    }
}

/// Stores the entry of a request that was refused, once an hour for a caller and route, under the caller's own partner.
///
/// A caller without a partner leaves the line in the log only. Requests that were not refused cost nothing here.
pub async fn note_refusal(audit: &Audit, request: &Request, answer: &Answer, now: Instant) {
    let Err(problem) = answer else { return };
    if !problem.is_refusal() {
        return;
    }
    let Some(caller) = request::identified(request) else { return };
    let Some(partner) = caller.partner() else { return };
    let entry = AuditEntry::new(AuditAction::AccessRefused).about("route", &request::route(request));
    let entry = entry.because(problem.detail());
    RequestAudit::new(audit, request, &caller, now).note(partner, &entry, Status::Declined).await;
}

fn unavailable(action: AuditAction, error: &Error) -> Problem {
    report(action, error);
    Problem::unavailable(NO_ENTRY)
}

fn report(action: AuditAction, error: &Error) {
    tracing::error!(action = action.as_str(), error = causes(error), "could not store an entry of the audit");
    metrics::add(Metric::AuditFailures, 1);
}
