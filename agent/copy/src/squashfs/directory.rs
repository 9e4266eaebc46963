//! A folder's listing → its entries, one by one: a folder with a million of them takes no more
//! memory than one.

use anyhow::{Context, Result, ensure};

use super::bytes::{u16_at, u32_at};
use super::medium::Medium;
use super::metadata::Cursor;
use super::{Reader, Reference};

/// Bytes that a listing's length counts and that are not stored, for `.` and `..`.
const UNSTORED: u32 = 3;

/// Entries behind one header.
const MAX_RUN: u32 = 256;

/// The longest name on Linux, in bytes.
const MAX_NAME: usize = 255;

/// A listing that is being read.
pub(super) struct Listing {
    cursor: Cursor,
    /// Stored bytes that follow.
    rest: u32,
    /// Entries that follow before the next header.
    run: u32,
    /// The block of the inode table that those are in.
    start: u32,
    /// The last entry's name.
    pub(super) name: Vec<u8>,
}

impl Listing {
    /// The listing at `cursor`; `length` is as the inode says it.
    pub(super) fn new(cursor: Cursor, length: u32) -> Self {
        let rest = length.saturating_sub(UNSTORED);
        Self { cursor, rest, run: 0, start: 0, name: Vec::new() }
    }
}

impl<M: Medium> Reader<'_, M> {
    /// The next entry's inode; its name is in the listing.
    ///
    /// # Errors
    /// The listing can't be read or is not one.
    pub(super) fn next_entry(&mut self, listing: &mut Listing) -> Result<Option<Reference>> {
        if listing.run == 0 {
            if listing.rest == 0 {
                return Ok(None);
            }
            let mut header = [0; 12];
            self.listed(listing, &mut header)?;
            listing.run = u32_at(&header, 0).saturating_add(1);
            ensure!(listing.run <= MAX_RUN, "a listing has an impossible header");
            listing.start = u32_at(&header, 4);
        }
        listing.run -= 1;
        let mut entry = [0; 8];
        self.listed(listing, &mut entry)?;
        let length = usize::from(u16_at(&entry, 6)) + 1;
        ensure!(length <= MAX_NAME, "a name in a listing is too long: {length} bytes");
        let mut name = std::mem::take(&mut listing.name);
        name.resize(length, 0);
        self.listed(listing, &mut name)?;
        listing.name = name;
        Ok(Some(Reference::new(listing.start, u16_at(&entry, 0))))
    }

    fn listed(&mut self, listing: &mut Listing, buffer: &mut [u8]) -> Result<()> {
        let rest = listing.rest.checked_sub(buffer.len() as u32);
        listing.rest = rest.context("a listing ends within an entry")?;
        self.metadata(&mut listing.cursor, buffer)
    }
}
