//! The place from which a worker goes on with an export.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Instant;

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExportFile)]
pub struct File {
    /// The name.
    pub name: String,
    /// The number of rows.
    pub rows: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// SHA-256 of the stored file, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// The place from which a worker goes on: everything before it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The finished files.
    pub files: Vec<File>,
    /// The sort key of the last activity that is stored whole.
    pub position: Option<String>,
    /// The number of stored order lines of the activity behind `position`.
    #[serde(default)]
    pub lines: usize,
    /// The number of stored bytes of the segment behind `position`.
    #[serde(default)]
    pub segment_bytes: u64,
    /// The unfinished file.
    pub file: FileInProgress,
    /// The bytes that the last worker encoded and could not send.
    #[serde(default, rename = "rest")]
    pub tail: Option<UnsentTail>,
    /// The number of tails stored so far.
    #[serde(default, rename = "rests")]
    pub tails: u32,
    /// Whether all files are finished, so that no tail is needed any more.
    #[serde(default)]
    pub ended: bool,
    /// The months to copy from earlier exports, newest first. They are chosen once, so that every worker copies the same.
    #[serde(default)]
    pub segments: Option<Vec<Segment>>,
}

/// The end of a file that was encoded, not sent, and stored as an object beside the files.
///
/// A worker stores a tail when its time is up, because the bytes are fewer than S3 accepts as a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentTail {
    /// The number in the object's name.
    pub number: u32,
    /// The number of bytes at the start that are compressed already.
    pub packed_bytes: u64,
    /// The number of bytes behind them that are not yet compressed.
    pub content_bytes: u64,
    /// The rows of the file, those of the tail included.
    pub rows: u64,
    /// The state of the compression before the bytes that are not yet compressed.
    #[serde(rename = "packed")]
    pub gzip: GzipState,
}

impl UnsentTail {
    /// Returns the name of the object.
    pub fn name(number: u32) -> String {
        format!("rest-{number}")
    }
}

/// A month that an earlier export has in the same form, as a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The first instant.
    pub from: Instant,
    /// The first instant after the month.
    pub to: Instant,
    /// The key of the file in the bucket.
    pub key: String,
    /// The number of rows.
    pub rows: u64,
    /// The size in bytes, header included.
    pub bytes: u64,
}

impl Checkpoint {
    /// Tells whether no part of any activity is stored: at the start, and when all files are finished.
    pub fn is_at_start(&self) -> bool {
        self.position.is_none() && self.lines == 0
    }
}

/// A file of which some parts are uploaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileInProgress {
    /// The id of the multipart upload, once the first part is sent.
    pub upload: Option<String>,
    /// The tags of the parts, from part 1: the ETag, and behind a space the CRC-32, which earlier versions did not store.
    pub parts: Vec<String>,
    /// The rows in the parts.
    pub rows: u64,
    /// The bytes of the parts.
    pub bytes: u64,
    /// The state of the compression after the parts.
    #[serde(default, rename = "packed")]
    pub gzip: GzipState,
    /// The state of the running SHA-256 over the parts, in hexadecimal digits.
    pub hash: String,
    /// Whether all parts are sent and only the completion is missing.
    pub complete: bool,
}

/// The state of a gzip file between two blocks; the trailer is computed from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GzipState {
    /// CRC-32 of the uncompressed bytes.
    pub crc32: u32,
    /// The number of uncompressed bytes.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_keep_their_stored_spelling() {
        let checkpoint = Checkpoint {
            tail: Some(UnsentTail {
                number: 2,
                packed_bytes: 3,
                content_bytes: 4,
                rows: 5,
                gzip: GzipState { crc32: 6, bytes: 7 },
            }),
            tails: 2,
            ..Checkpoint::default()
        };
        let json = serde_json::to_value(&checkpoint).unwrap();
        assert_eq!(json["rest"]["packed"]["crc32"], 6);
        assert_eq!(json["rests"], 2);
        assert_eq!(json["file"]["packed"]["bytes"], 0);
        assert_eq!(serde_json::from_value::<Checkpoint>(json).unwrap(), checkpoint);
    }

    #[test]
    fn a_checkpoint_is_at_the_start_without_stored_activities() {
        for (position, lines, is_at_start) in [(None, 0, true), (None, 1, false), (Some("p"), 0, false)] {
            let position = position.map(str::to_owned);
            assert_eq!(Checkpoint { position, lines, ..Checkpoint::default() }.is_at_start(), is_at_start);
        }
    }
}
