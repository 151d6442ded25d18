//! The audit: who read the log, and who exported, downloaded, saw or changed something.
//!
//! An entry of the audit has the form of an activity, and the ledger's code stores and lists it.
//!
//! | file | subject |
//! |---|---|
//! | `action` | the closed list of audited acts, with their names in each language |
//! | `entry` | an entry, and the person or program behind it |
//! | `changes` | the values before and after a change, without secrets |
//! | `exports` | the entries about exports |
//! | `wire` | the JSON of an entry |
//!
//! **The attributes of an entry.** `actor.id` is the subject of the token, `actor.name` the name in the token, `actor.role`
//! the roles, `source` the client that the token was issued to. `target` is the thing that was acted on, `changes` the values
//! before and after, `reason` why the act failed, `correlation_id` the gateway's id of the request. Work in the background has
//! an actor of the type `system`, and the function's name as `source`.
//!
//! **Small by construction.** An entry has no details. Texts and changes are cut at limits, with a mark.

mod action;
mod changes;
mod entry;
mod exports;
mod wire;

pub use self::{
    action::AuditAction,
    changes::{HIDDEN, MAX_CHANGES_BYTES, MAX_FIELDS, MAX_VALUE_CHARS},
    entry::{AuditActor, AuditEntry},
    exports::EndedExport,
    wire::AuditEntryJson,
};
pub(crate) use action::searched_labels;
