//! Entries of a call of `PutEvents` of Amazon EventBridge.
//!
//! Source: "Calculating `PutEvents` event entry size in Amazon EventBridge", and the quotas of EventBridge.

use super::ActivityDocument;
use crate::time::Instant;

/// The source of every entry.
pub const EVENT_SOURCE: &str = "daybook";
/// The most entries of a call.
pub const MAX_ENTRIES: usize = 10;
/// The size that all entries of a call must stay below, in bytes.
pub const MAX_ENTRIES_BYTES: usize = 256 * 1_024;
/// The size of a time, in bytes, by the rule of EventBridge.
const TIME_BYTES: usize = 14;
/// The largest JSON of an entry, in bytes, whatever its action: an action has at most 100.
pub(super) const MAX_DETAIL_BYTES: usize = MAX_ENTRIES_BYTES - 1_024;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEntry<'a> {
    /// The value of `DetailType`: the action.
    pub detail_type: &'a str,
    /// The value of `Detail`: the JSON of the activity.
    pub detail: &'a str,
    /// The value of `Time`: when the activity occurred.
    pub time: Instant,
}

impl<'a> EventEntry<'a> {
    fn of(document: &'a ActivityDocument) -> Self {
        Self { detail_type: &document.action, detail: &document.json, time: document.occurred_at }
    }

    /// Returns the size by the rule of EventBridge, in bytes.
    pub fn size(&self) -> usize {
        TIME_BYTES + EVENT_SOURCE.len() + self.detail_type.len() + self.detail.len()
    }
}

/// Returns as many entries of the first documents as fit into a call.
pub fn take_entries(documents: &[ActivityDocument]) -> Vec<EventEntry<'_>> {
    let mut bytes = 0;
    let fits = |(number, entry): &(usize, EventEntry<'_>)| {
        bytes += entry.size();
        *number == 0 || bytes < MAX_ENTRIES_BYTES
    };
    documents
        .iter()
        .take(MAX_ENTRIES)
        .map(EventEntry::of)
        .enumerate()
        .take_while(fits)
        .map(|(_, entry)| entry)
        .collect()
}
