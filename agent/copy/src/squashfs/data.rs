//! A file's inode → its content.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::Reader;
use super::bytes::{u32_at, u64_at};
use super::inode::FileInode;
use super::medium::Medium;
use super::metadata::Cursor;
use crate::visit::Visit;

/// Set in a block's length if it is not compressed.
const UNCOMPRESSED: u32 = 1 << 24;

/// Bytes of an entry in the fragment table.
const ENTRY: u64 = 16;

/// Entries in one block of that table.
const ENTRIES: u32 = 512;

impl<M: Medium> Reader<'_, M> {
    /// Tells the content of a file.
    ///
    /// # Errors
    /// Part of it can't be read, or is not as long as it has to be; or `visit`'s.
    pub(super) fn content(&mut self, file: &FileInode, visit: &mut impl Visit) -> Result<()> {
        let block_size = self.image.superblock.block_size;
        let size = u64::from(block_size);
        let blocks = match file.fragment {
            Some(_) => file.size / size,
            None => file.size.div_ceil(size),
        };
        let (mut lengths, mut position, mut rest) = (file.lengths, file.start, file.size);
        for _ in 0..blocks {
            let mut length = [0; 4];
            self.metadata(&mut lengths, &mut length)?;
            let length = u32::from_le_bytes(length);
            let expected = rest.min(size) as u32;
            if length == 0 {
                visit.hole(expected.into())?;
            } else {
                let mut block = std::mem::take(&mut self.block);
                self.data_block(position, length, expected, &mut block)?;
                ensure!(block.len() == expected as usize, "a block of a file has another length");
                visit.data(&block)?;
                self.block = block;
                position = position.saturating_add(u64::from(length & !UNCOMPRESSED));
            }
            rest -= u64::from(expected);
        }
        if let Some((index, offset)) = file.fragment
            && rest > 0
        {
            let block = self.fragment(index)?;
            let end = u64::from(offset) + rest;
            let part = usize::try_from(end).ok().and_then(|end| block.get(offset as usize..end));
            visit.data(part.context("a file's part of a fragment is outside it")?)?;
        }
        Ok(())
    }

    fn fragment(&mut self, index: u32) -> Result<Arc<Vec<u8>>> {
        let superblock = &self.image.superblock;
        ensure!(index < superblock.fragment_count, "a file's fragment does not exist");
        let (table, block_size) = (superblock.fragment_table, superblock.block_size);
        self.image.fragments.get(index, |block| {
            let mut place = [0; 8];
            let entry = table.checked_add(u64::from(index / ENTRIES) * 8);
            self.read_image(&mut place, entry.context("the fragment table's place is wrong")?)?;
            let offset = u64::from(index % ENTRIES) * ENTRY;
            let mut cursor = Cursor { block: u64_at(&place, 0), offset: offset as usize };
            let mut entry = [0; ENTRY as usize];
            self.metadata(&mut cursor, &mut entry)?;
            self.data_block(u64_at(&entry, 0), u32_at(&entry, 8), block_size, block)
        })
    }

    /// Reads the block at `position`, of the stored `length` with its flag, into `block`: at most
    /// `limit` bytes.
    fn data_block(
        &mut self,
        position: u64,
        length: u32,
        limit: u32,
        block: &mut Vec<u8>,
    ) -> Result<()> {
        let stored = length & !UNCOMPRESSED;
        ensure!(stored <= self.image.superblock.block_size, "a block is longer than it can be");
        if length & UNCOMPRESSED != 0 {
            ensure!(stored <= limit, "a block is longer than its file");
            block.resize(stored as usize, 0);
            return self.read_image(block, position);
        }
        self.raw.resize(stored as usize, 0);
        let mut raw = std::mem::take(&mut self.raw);
        let result = self
            .read_image(&mut raw, position)
            .and_then(|()| self.decompressor.decompress(&raw, block, limit as usize));
        self.raw = raw;
        result
    }
}
