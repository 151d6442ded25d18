//! The gzip writer compresses a file in blocks, so that another process can continue the file.
//!
//! A file is one gzip member (RFC 1952). The writer compresses each block of content independently: a block ends with a
//! full flush on a whole byte, and the next block refers to nothing before it. The rows alone decide where a block ends, so
//! that the bytes of a file do not depend on the points at which runs stopped. Only the checksum and the length of the
//! content pass from block to block, for the trailer. The header has no time.
//!
//! No library of this workspace's choice restores a half-written gzip stream, so the header, the blocks and the trailer are
//! written here; `flate2` compresses and `crc32fast` adds up.
//!
//! A block has a least number of uncompressed bytes, and a part a least number of compressed bytes: a part ends with the
//! block that makes it large enough for S3.

use crc32fast::Hasher;
use domain::job::GzipState;
use flate2::{Compress, CompressError, Compression, FlushCompress};
use store::error::Error;

/// The least bytes of content of a block that is not the last. Independent blocks of this size enlarge a file by less than
/// one percent.
pub(crate) const BLOCK_BYTES: usize = 1_024 * 1_024;
/// The compression level of zlib: on rows, a fifth smaller than level 1 at three quarters of the speed. Higher levels cost
/// more time than they save space.
const LEVEL: u32 = 2;
/// The header: deflate, no time, fastest compression, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// The last deflate block, which is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// The bytes by which the output grows at a time.
const STEP_BYTES: usize = 64 * 1_024;

/// A gzip writer compresses the content of one file.
pub(crate) struct GzipWriter {
    /// The compressor, which is reset for each block.
    deflate: Box<Compress>,
    state: GzipState,
}

impl GzipWriter {
    /// Creates the writer of a new file, or of a file whose earlier content left `state`.
    pub(crate) fn new(state: GzipState) -> Self {
        Self { deflate: Box::new(Compress::new(Compression::new(LEVEL), false)), state }
    }

    /// Returns the state from which another writer can continue.
    pub(crate) fn state(&self) -> GzipState {
        self.state
    }

    /// Appends the start of a file to `out`.
    pub(crate) fn start_file(out: &mut Vec<u8>) {
        out.extend_from_slice(&HEADER);
    }

    /// Moves a block of content to `out`, once there is enough content. To be called at the end of a row.
    pub(crate) fn write_full_block(&mut self, content: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), CompressError> {
        if content.len() >= BLOCK_BYTES { self.write_block(content, out) } else { Ok(()) }
    }

    /// Moves all content to `out` and appends the end of the file.
    pub(crate) fn end_file(&mut self, content: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), CompressError> {
        if !content.is_empty() {
            self.write_block(content, out)?;
        }
        out.extend_from_slice(&LAST_BLOCK);
        out.extend_from_slice(&self.state.crc32.to_le_bytes());
        // RFC 1952 stores the length modulo 2^32.
        out.extend_from_slice(&self.state.bytes.to_le_bytes()[..4]);
        Ok(())
    }

    fn write_block(&mut self, content: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), CompressError> {
        let mut checksum = Hasher::new_with_initial(self.state.crc32);
        checksum.update(content);
        self.state = GzipState { crc32: checksum.finalize(), bytes: self.state.bytes + content.len() as u64 };
        self.deflate.reset();
        loop {
            out.reserve(STEP_BYTES);
            // The compressor counts from its reset, so its count is an index into this block.
            let at = usize::try_from(self.deflate.total_in()).unwrap_or(usize::MAX).min(content.len());
            self.deflate.compress_vec(&content[at..], out, FlushCompress::Full)?;
            // The flush is complete when the compressor leaves room in the output.
            if self.deflate.total_in() == content.len() as u64 && out.len() < out.capacity() {
                break;
            }
        }
        content.clear();
        Ok(())
    }
}

/// Wraps an error of the compressor as a failure of the export.
pub(crate) fn compression_error(error: CompressError) -> Error {
    Error::permanent("compressing an export", error)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    /// Compresses rows with another writer for every part of about `part` bytes.
    fn compress(rows: &[Vec<u8>], part: usize) -> (Vec<u8>, usize) {
        let (mut file, mut out, mut content, mut parts) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let mut gzip = GzipWriter::new(GzipState::default());
        GzipWriter::start_file(&mut out);
        for row in rows {
            content.extend_from_slice(row);
            gzip.write_full_block(&mut content, &mut out).unwrap();
            if content.is_empty() && out.len() >= part {
                file.append(&mut out);
                gzip = GzipWriter::new(gzip.state());
                parts += 1;
            }
        }
        gzip.end_file(&mut content, &mut out).unwrap();
        file.append(&mut out);
        (file, parts)
    }

    #[test]
    fn gzip_member_has_same_bytes_when_writer_is_replaced() {
        let rows: Vec<Vec<u8>> = (0..60_000_u32)
            .map(|number| {
                format!("{number};{:x};Été\r\n", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15))
                    .repeat(3)
                    .into_bytes()
            })
            .collect();
        let (whole, none) = compress(&rows, usize::MAX);
        let (stopped, parts) = compress(&rows, 1);
        assert!(none == 0 && parts > 3, "{parts}");
        assert!(whole == stopped);
        let mut content = Vec::new();
        let mut reader = GzDecoder::new(&whole[..]);
        reader.read_to_end(&mut content).unwrap();
        assert!(content == rows.concat());
        assert!(reader.into_inner().is_empty(), "the file has one member");
        assert!(whole.len() < content.len() / 2, "{} of {}", whole.len(), content.len());
    }

    #[test]
    fn gzip_member_is_valid_when_file_is_empty() {
        let (file, _) = compress(&[], 1);
        let mut content = Vec::new();
        GzDecoder::new(&file[..]).read_to_end(&mut content).unwrap();
        assert!(content.is_empty());
    }
}
