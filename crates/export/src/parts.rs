//! The parts of a file that are on their way to S3, in order, and the running digest of the file.

use std::collections::VecDeque;

use domain::{job::GzipState, text::hex};
use sha2::{
    Digest as _, Sha256,
    digest::common::hazmat::{SerializableState as _, SerializedState},
};
use store::error::Error;
use tokio::task::JoinHandle;

use crate::{position::WritePosition, run::Limits};

/// Creates a buffer for a part. Rows and blocks may overshoot the least size by a quarter without another allocation.
pub(crate) fn empty_part(limits: &Limits) -> Vec<u8> {
    Vec::with_capacity(limits.part_bytes + limits.part_bytes / 4)
}

/// A task that uploads or copies a part and returns the part's tag.
type PartTask = JoinHandle<Result<String, Error>>;

/// A part of a file, and the state of the export behind the part.
pub(crate) struct Part {
    /// The bytes of the part.
    pub(crate) bytes: u64,
    /// The rows of the file up to the end of the part.
    pub(crate) rows: u64,
    /// The state of the gzip writer.
    pub(crate) gzip: GzipState,
    /// The position of the export.
    pub(crate) position: WritePosition,
}

/// A part that S3 has stored.
pub(crate) struct StoredPart {
    /// The part.
    pub(crate) part: Part,
    /// The tag of the part.
    pub(crate) tag: String,
    /// The state of the file's digest behind the part.
    pub(crate) digest_state: String,
}

/// The parts that are on their way, and the SHA-256 of all bytes of the file up to the last of them.
#[derive(Default)]
pub(crate) struct PartQueue {
    uploads: VecDeque<(PartTask, Part, String)>,
    digest: Sha256,
}

impl PartQueue {
    /// Creates the queue of a file whose earlier parts left a digest state. The state is empty if there are none.
    pub(crate) fn resume(digest_state: &str) -> Result<Self, Error> {
        Ok(Self { uploads: VecDeque::new(), digest: restore_digest(digest_state)? })
    }

    /// Returns the number of parts on their way.
    pub(crate) fn len(&self) -> usize {
        self.uploads.len()
    }

    /// Returns the bytes of the parts on their way.
    pub(crate) fn bytes(&self) -> u64 {
        self.uploads.iter().map(|(_, part, _)| part.bytes).sum()
    }

    /// Adds bytes to the digest of the file.
    pub(crate) fn update_digest(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    /// Returns the digest of the file in hexadecimal and starts the next file.
    pub(crate) fn finish_digest(&mut self) -> String {
        hex(&std::mem::take(&mut self.digest).finalize())
    }

    /// Adds a part whose bytes the digest contains.
    pub(crate) fn push(&mut self, task: PartTask, part: Part) {
        self.uploads.push_back((task, part, hex(&self.digest.serialize())));
    }

    /// Waits for the first part on its way; none if there is no part.
    pub(crate) async fn wait_for_first(&mut self) -> Result<Option<StoredPart>, Error> {
        let Some((task, part, digest_state)) = self.uploads.pop_front() else { return Ok(None) };
        let tag = task.await.map_err(|error| Error::permanent("UploadPart of an export", error))??;
        Ok(Some(StoredPart { part, tag, digest_state }))
    }

    /// Waits for all parts, whether they are stored or fail, so that no request of this run is on its way.
    pub(crate) async fn settle(self) {
        for (task, ..) in self.uploads {
            task.await.ok();
        }
    }
}

/// Returns the digest in hexadecimal of a file whose last part left this state.
pub(crate) fn digest_of_state(state: &str) -> Result<String, Error> {
    Ok(hex(&restore_digest(state)?.finalize()))
}

/// Restores a running digest from its saved state. An empty state is a new digest.
fn restore_digest(saved: &str) -> Result<Sha256, Error> {
    if saved.is_empty() {
        return Ok(Sha256::new());
    }
    let unreadable = || Error::permanent("reading a checkpoint", "the state of the digest is not readable");
    let mut state = SerializedState::<Sha256>::default();
    if saved.len() != state.len() * 2 || !saved.is_ascii() {
        return Err(unreadable());
    }
    for (index, byte) in state.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&saved[index * 2..index * 2 + 2], 16).map_err(|_| unreadable())?;
    }
    Sha256::deserialize(&state).map_err(|_| unreadable())
}
