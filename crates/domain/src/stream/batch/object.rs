//! Objects in a bucket: JSON lines, which the caller compresses, and their keys.

use sha2::{Digest as _, Sha256};

use super::{ActivityDocument, count_fitting};
use crate::{activity::PartnerId, stream::destination::S3Destination, text::hex, time::Instant};

/// The time by which activities belong to an hour's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectHour {
    /// When activities were recorded. The feed has them in this order.
    Recorded,
    /// When activities occurred. A replay has them in this order.
    Occurred,
}

/// The content of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectBatch {
    /// The number of activities: the first ones of those that were given.
    pub count: usize,
    /// The key.
    pub key: String,
    /// One JSON object a line, before compression with gzip.
    pub lines: String,
}

impl ObjectHour {
    fn of(self, document: &ActivityDocument) -> Instant {
        match self {
            Self::Recorded => document.recorded_at,
            Self::Occurred => document.occurred_at,
        }
    }
}

/// Puts as many of the first documents into an object as fit and belong to one hour in UTC; none if there are none.
///
/// `first_position` is the position of the first document in its log. The same batch has the same key, so that a repeat
/// replaces the object by an equal one.
pub fn take_object_batch(
    documents: &[ActivityDocument],
    destination: &S3Destination,
    partner: &PartnerId,
    first_position: &str,
    hour: ObjectHour,
) -> Option<ObjectBatch> {
    let first = documents.first()?;
    let folder = folder_of(hour.of(first));
    let of_hour = documents.iter().take_while(|document| folder_of(hour.of(document)) == folder);
    let count = count_fitting(of_hour, |document| document.json.len() + 1);
    let mut lines = String::with_capacity(documents.iter().take(count).map(|document| document.json.len() + 1).sum());
    for document in documents.iter().take(count) {
        lines.push_str(&document.json);
        lines.push('\n');
    }
    let name = object_name(hour.of(first), first_position, count);
    Some(ObjectBatch { count, key: format!("{}partner={partner}/{folder}/{name}", destination.prefix), lines })
}

/// Returns the folder of an hour, in the form that query engines read as columns: `date=2026-11-02/hour=09`.
fn folder_of(instant: Instant) -> String {
    let text = instant.to_millis_text();
    let (date, hour) = (text.get(..10).unwrap_or_default(), text.get(11..13).unwrap_or_default());
    format!("date={date}/hour={hour}")
}

/// Returns the name of an object: time, digest of the first position, number of activities.
///
/// A position holds characters that are not safe in keys, such as `:` and `#`. Its digest has none of these.
fn object_name(time: Instant, first_position: &str, count: usize) -> String {
    let time: String = time.to_millis_text().chars().filter(|char| !matches!(char, '-' | ':' | '.')).collect();
    let digest = Sha256::digest(first_position);
    format!("{time}-{}-{count}.jsonl.gz", hex(digest.get(..8).unwrap_or_default()))
}
