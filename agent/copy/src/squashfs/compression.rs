//! A zstd frame → at most so many bytes.

use anyhow::{Context, Result, ensure};
use zstd::bulk;

/// Decompresses one frame after another.
pub(super) struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    pub(super) fn new() -> Result<Self> {
        bulk::Decompressor::new().map(Self).context("cannot set up zstd")
    }

    /// Replaces the content of `output` by that of the frame `input`, at most `limit` bytes.
    ///
    /// # Errors
    /// This is no zstd frame, its checksum is wrong, or it holds more.
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        limit: usize,
    ) -> Result<()> {
        output.clear();
        output.reserve_exact(limit);
        self.0.decompress_to_buffer(input, output).context("a compressed block is damaged")?;
        ensure!(output.len() <= limit, "a block holds more than {limit} bytes");
        Ok(())
    }
}
