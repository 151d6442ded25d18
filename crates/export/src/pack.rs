//! gzip in blocks, so that a file can be continued by another process.
//!
//! A file is one gzip member (RFC 1952). Its content is compressed in blocks, each by itself: a block ends on a full flush,
//! at a byte, and the next one refers to nothing before it. Where a block ends depends on the rows alone, so that the bytes
//! of a file do not depend on who stopped where. All that is carried from block to block is the checksum and the length
//! of the content, for the trailer; the header has no time in it.
//!
//! Blocks are of uncompressed bytes, parts of compressed ones: a part is cut at the end of a block once it is as large as
//! S3 wants parts to be.

use crc32fast::Hasher;
use flate2::{Compress, CompressError, Compression as Level, FlushCompress};

use domain::job::{Compression, GzipState};

/// The least bytes of content of a block that is not the last. What a block costs, the repetitions that it cannot refer to
/// in the one before, is less than a hundredth of its size.
pub(super) const BLOCK_BYTES: usize = 1_024 * 1_024;
/// zlib's level: a fifth smaller than level 1 on rows at three quarters of its speed; above it, speed goes for little.
const LEVEL: u32 = 2;
/// Deflate, no time, made fast, on an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// An empty block that is the last one.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// How much room output is given at a time.
const STEP_BYTES: usize = 64 * 1_024;

/// The way of a file's content to what is stored.
pub(super) enum Packing {
    /// As it is.
    Plain,
    /// Compressed.
    Gzip {
        /// The compressor; it is as new for each block.
        deflate: Box<Compress>,
        /// What has gone through it.
        packed: GzipState,
    },
}

impl Packing {
    /// The packing of a file that begins, or goes on behind what is packed.
    pub(super) fn new(compression: Compression, packed: GzipState) -> Self {
        match compression {
            Compression::None => Self::Plain,
            Compression::Gzip => Self::Gzip { deflate: Box::new(Compress::new(Level::new(LEVEL), false)), packed },
        }
    }

    /// What is packed so far.
    pub(super) fn packed(&self) -> GzipState {
        match self {
            Self::Plain => GzipState::default(),
            Self::Gzip { packed, .. } => *packed,
        }
    }

    /// Writes what a file starts with.
    pub(super) fn start(&self, out: &mut Vec<u8>) {
        if matches!(self, Self::Gzip { .. }) {
            out.extend_from_slice(&HEADER);
        }
    }

    /// Moves content on to `out` once there is enough of it; to be called at the end of a row.
    pub(super) fn take(&mut self, content: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), CompressError> {
        match self {
            Self::Plain => out.append(content),
            Self::Gzip { .. } if content.len() < BLOCK_BYTES => {}
            Self::Gzip { deflate, packed } => block(deflate, packed, content, out)?,
        }
        Ok(())
    }

    /// Moves all content on to `out`, and writes what a file ends with.
    pub(super) fn finish(&mut self, content: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), CompressError> {
        match self {
            Self::Plain => out.append(content),
            Self::Gzip { deflate, packed } => {
                if !content.is_empty() {
                    block(deflate, packed, content, out)?;
                }
                out.extend_from_slice(&LAST_BLOCK);
                out.extend_from_slice(&packed.crc32.to_le_bytes());
                // The length is told modulo 2^32.
                out.extend_from_slice(&packed.bytes.to_le_bytes()[..4]);
            }
        }
        Ok(())
    }
}

fn block(
    deflate: &mut Compress,
    packed: &mut GzipState,
    content: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), CompressError> {
    let mut checksum = Hasher::new_with_initial(packed.crc32);
    checksum.update(content);
    *packed = GzipState { crc32: checksum.finalize(), bytes: packed.bytes + content.len() as u64 };
    deflate.reset();
    loop {
        out.reserve(STEP_BYTES);
        // The compressor was reset for this block: what it has taken in is of this block.
        let at = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX).min(content.len());
        deflate.compress_vec(&content[at..], out, FlushCompress::Full)?;
        // Room that is left says that the flush is complete.
        if deflate.total_in() == content.len() as u64 && out.len() < out.capacity() {
            break;
        }
    }
    content.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    /// Packs rows, stopping and going on behind every part of about `part` bytes.
    fn packed(rows: &[Vec<u8>], part: usize) -> (Vec<u8>, usize) {
        let (mut file, mut out, mut content, mut parts) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let mut packing = Packing::new(Compression::Gzip, GzipState::default());
        packing.start(&mut out);
        for row in rows {
            content.extend_from_slice(row);
            packing.take(&mut content, &mut out).unwrap();
            if content.is_empty() && out.len() >= part {
                file.append(&mut out);
                packing = Packing::new(Compression::Gzip, packing.packed());
                parts += 1;
            }
        }
        packing.finish(&mut content, &mut out).unwrap();
        file.append(&mut out);
        (file, parts)
    }

    #[test]
    fn a_file_is_one_gzip_member_with_the_same_bytes_wherever_it_was_stopped() {
        let rows: Vec<Vec<u8>> = (0..60_000_u32)
            .map(|number| {
                format!("{number};{:x};Été\r\n", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15))
                    .repeat(3)
                    .into_bytes()
            })
            .collect();
        let (whole, none) = packed(&rows, usize::MAX);
        let (stopped, parts) = packed(&rows, 1);
        assert!(none == 0 && parts > 3, "{parts}");
        assert!(whole == stopped);
        let mut content = Vec::new();
        let mut reader = GzDecoder::new(&whole[..]);
        reader.read_to_end(&mut content).unwrap();
        assert!(content == rows.concat());
        assert!(reader.into_inner().is_empty(), "nothing stands behind the first member");
        assert!(whole.len() < content.len() / 2, "{} of {}", whole.len(), content.len());
    }

    #[test]
    fn an_empty_file_is_a_gzip_file_too() {
        let (file, _) = packed(&[], 1);
        let mut content = Vec::new();
        GzDecoder::new(&file[..]).read_to_end(&mut content).unwrap();
        assert!(content.is_empty());
    }
}
