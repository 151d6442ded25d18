//! Batches: what one request, one call or one object carries.
//!
//! | file | subject |
//! |---|---|
//! | `document` | the JSON of one activity, with format, mask and size limit of a stream |
//! | `message` | the same for people: messages for Slack and Teams |
//! | `http` | bodies of requests to an HTTPS server |
//! | `event_bridge` | entries of a call of `PutEvents` |
//! | `object` | objects in a bucket, and their keys |
//!
//! Each function takes documents in order, puts as many of the first ones as fit into a batch, and says how many. The caller
//! goes on behind them when the destination has accepted the batch.

mod document;
mod event_bridge;
mod http;
mod message;
mod object;

pub use self::{
    document::{ActivityDocument, DocumentWriter},
    event_bridge::{EVENT_SOURCE, EventEntry, MAX_ENTRIES, MAX_ENTRIES_BYTES, take_entries},
    http::{HttpBatch, take_http_batch},
    object::{ObjectBatch, ObjectHour, take_object_batch},
};

/// The most activities of a batch.
pub const MAX_BATCH_ACTIVITIES: usize = 500;
/// The largest batch, in bytes before compression.
pub const MAX_BATCH_BYTES: usize = 1_000_000;
/// The part of a batch that is kept for what surrounds the documents.
const ENVELOPE_BYTES: usize = 1_000;

/// Counts how many of the first documents fit into a batch: at least one, if there is any.
///
/// `size` is the size of a document with all that surrounds it, in bytes.
fn count_fitting<'a>(
    documents: impl Iterator<Item = &'a ActivityDocument>,
    size: impl Fn(&ActivityDocument) -> usize,
) -> usize {
    let mut bytes = 0;
    let fits = |(number, document): &(usize, &ActivityDocument)| {
        bytes += size(document);
        *number == 0 || (*number < MAX_BATCH_ACTIVITIES && bytes <= MAX_BATCH_BYTES)
    };
    documents.enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests;
