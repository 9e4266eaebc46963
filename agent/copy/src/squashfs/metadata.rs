//! A place in one of the image's tables → its bytes there.
//!
//! Inodes, listings and the fragment table are stored in blocks of 8 KiB, each compressed by itself
//! behind 16 bits with its length. What they hold goes over the blocks' ends.

use anyhow::{Context, Result, ensure};

use super::Reader;
use super::medium::Medium;

/// Bytes that a block holds at most.
const BLOCK: usize = 8 << 10;

/// Set in a block's length if it is not compressed.
const UNCOMPRESSED: u16 = 1 << 15;

/// Blocks that a reader keeps: a folder's inodes and its listing, on each level of a usual tree.
const SLOTS: usize = 48;

/// A place: a block's position in the image, and a position in its decompressed content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Position of the block.
    pub(super) block: u64,
    /// Bytes from the start of its content.
    pub(super) offset: usize,
}

/// The blocks that were read last.
#[derive(Default)]
pub(super) struct Metadata {
    slots: Vec<Slot>,
    clock: u64,
}

struct Slot {
    position: u64,
    /// Where the block after it is.
    next: u64,
    content: Vec<u8>,
    used: u64,
}

impl<M: Medium> Reader<'_, M> {
    /// Fills `buffer` from `cursor` on, and moves it behind that.
    ///
    /// # Errors
    /// There is no readable block, or there are not so many bytes.
    pub(super) fn metadata(&mut self, cursor: &mut Cursor, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let slot = self.metadata_block(cursor.block)?;
            let rest = slot.content.get(cursor.offset..).context("a place in a table is wrong")?;
            if rest.is_empty() {
                *cursor = Cursor { block: slot.next, offset: 0 };
                continue;
            }
            let part = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + part].copy_from_slice(&rest[..part]);
            cursor.offset += part;
            filled += part;
        }
        Ok(())
    }

    fn metadata_block(&mut self, position: u64) -> Result<&Slot> {
        self.metadata.clock += 1;
        let place = match self.metadata.slots.iter().position(|slot| slot.position == position) {
            Some(place) => place,
            None => self.load_metadata(position)?,
        };
        let slot = &mut self.metadata.slots[place];
        slot.used = self.metadata.clock;
        Ok(slot)
    }

    /// Reads the block at `position` into the slot that was used longest ago.
    fn load_metadata(&mut self, position: u64) -> Result<usize> {
        let mut header = [0; 2];
        self.read_image(&mut header, position)?;
        let header = u16::from_le_bytes(header);
        let length = usize::from(header & !UNCOMPRESSED);
        ensure!((1..=BLOCK).contains(&length), "a block of a table has an impossible length");
        let start = position + 2;

        let slots = &mut self.metadata.slots;
        let oldest = slots.iter().enumerate().min_by_key(|(_, slot)| slot.used).map(|(at, _)| at);
        let place = match oldest {
            Some(place) if slots.len() >= SLOTS => place,
            _ => {
                slots.push(Slot { position: 0, next: 0, content: Vec::new(), used: 0 });
                slots.len() - 1
            }
        };
        let mut content = std::mem::take(&mut slots[place].content);
        // No block is there: what fails half-way is not taken for this one.
        slots[place].position = u64::MAX;

        self.raw.resize(length, 0);
        let mut raw = std::mem::take(&mut self.raw);
        self.read_image(&mut raw, start)?;
        if header & UNCOMPRESSED == 0 {
            self.decompressor.decompress(&raw, &mut content, BLOCK)?;
        } else {
            content.clear();
            content.extend_from_slice(&raw);
        }
        self.raw = raw;
        ensure!(!content.is_empty(), "a block of a table is empty");
        let next = start + length as u64;
        self.metadata.slots[place] = Slot { position, next, content, used: self.metadata.clock };
        Ok(place)
    }

    /// Reads from the part of the medium that the image uses.
    pub(super) fn read_image(&self, buffer: &mut [u8], position: u64) -> Result<()> {
        let end = position.checked_add(buffer.len() as u64);
        ensure!(end.is_some_and(|end| end <= self.image.superblock.used), "a place is outside it");
        self.medium
            .read_exact_at(buffer, position)
            .with_context(|| format!("the medium can't be read at byte {position}"))
    }
}
