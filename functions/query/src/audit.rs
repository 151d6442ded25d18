//! Lists the audit: who read, exported, downloaded, saw or changed something.
//!
//! The parameters and the form of the answer are those of the list of activities.

use domain::{
    access::Operation,
    audit::{AuditAction, AuditEntryJson},
    time::Instant,
};
use lambda::{Answer, Request, payload, request};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    App,
    activities::{ListAnswer, PageRequest},
    paging::Range,
};

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditList)]
pub struct AuditAnswer {
    /// The entries, in the form of activities.
    #[schema(value_type = Vec<AuditEntryJson>)]
    pub activities: Vec<Box<RawValue>>,
    /// The period that was read.
    pub range: Range,
    /// The list holds every matching entry that was stored before this instant.
    #[schema(format = DateTime)]
    pub complete_through: String,
    /// The cursor of the next page; null at the end. A page can be short or empty and still have a next one.
    pub next_cursor: Option<String>,
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    let asked = PageRequest::read(request, "audit ", &caller, &partner, None, now)?;
    let reading = app.begin(app.audit.ledger(), &caller, &partner, now).await?;
    let query = reading.list_page(asked.selection.clone(), asked.limit, asked.after.clone(), None);
    let mut page = app.note((request, &caller, now), &partner, AuditAction::AuditRead, query).await?;
    let entries = payload::write_fitting(page.activities().map(AuditEntryJson::of))?;
    page.truncate(entries.len());
    let ListAnswer { activities, range, complete_through, next_cursor } = asked.list(entries, page.next.as_ref())?;
    let answer = AuditAnswer { activities, range, complete_through, next_cursor };
    asked.respond(&answer, answer.next_cursor.as_deref())
}
