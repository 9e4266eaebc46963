//! A reference → the folder, file or link that is meant.

use anyhow::{Context, Result, bail, ensure};

use super::Reader;
use super::bytes::{u16_at, u32_at, u64_at};
use super::directory::Listing;
use super::medium::Medium;
use super::metadata::Cursor;

/// Stands for "no fragment".
const NO_FRAGMENT: u32 = u32::MAX;

/// The longest target of a symbolic link on Linux, in bytes.
const MAX_TARGET: u32 = 4095;

/// Where an inode is: its block's position in the inode table above 16 bits with a position in it.
/// Inodes are stored in the order of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference(pub u64);

impl Reference {
    /// The inode at `offset` in the table's block at `start`.
    pub(super) fn new(start: u32, offset: u16) -> Self {
        Self(u64::from(start) << 16 | u64::from(offset))
    }

    fn cursor(self, table: u64) -> Result<Cursor> {
        let block = table.checked_add(self.0 >> 16).context("an inode's place is wrong")?;
        Ok(Cursor { block, offset: usize::from(self.0 as u16) })
    }
}

/// What can be in a store.
pub(super) enum Inode {
    /// A folder.
    Directory(Listing),
    /// A file.
    File(FileInode),
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
}

/// Where a file's content is.
pub(super) struct FileInode {
    /// Its owner may execute it.
    pub(super) executable: bool,
    /// Bytes.
    pub(super) size: u64,
    /// Position of its first block in the image.
    pub(super) start: u64,
    /// The block that holds its last part, and the part's position in it.
    pub(super) fragment: Option<(u32, u32)>,
    /// Where the lengths of its blocks are.
    pub(super) lengths: Cursor,
}

impl<M: Medium> Reader<'_, M> {
    /// Reads an inode.
    ///
    /// # Errors
    /// There is none at that place, or it is nothing that a Nix store can hold.
    pub(super) fn inode(&mut self, reference: Reference) -> Result<Inode> {
        let mut cursor = reference.cursor(self.image.superblock.inode_table)?;
        let mut header = [0; 16];
        self.metadata(&mut cursor, &mut header)?;
        let executable = u16_at(&header, 2) & 0o100 != 0;
        match u16_at(&header, 0) {
            1 => {
                let mut body = [0; 16];
                self.metadata(&mut cursor, &mut body)?;
                let (start, offset) = (u32_at(&body, 0), u16_at(&body, 10));
                self.listing(start, offset, u32::from(u16_at(&body, 8)))
            }
            8 => {
                let mut body = [0; 24];
                self.metadata(&mut cursor, &mut body)?;
                self.listing(u32_at(&body, 8), u16_at(&body, 18), u32_at(&body, 4))
            }
            2 => {
                let mut body = [0; 16];
                self.metadata(&mut cursor, &mut body)?;
                Ok(Inode::File(FileInode {
                    executable,
                    size: u64::from(u32_at(&body, 12)),
                    start: u64::from(u32_at(&body, 0)),
                    fragment: fragment(u32_at(&body, 4), u32_at(&body, 8)),
                    lengths: cursor,
                }))
            }
            9 => {
                let mut body = [0; 40];
                self.metadata(&mut cursor, &mut body)?;
                Ok(Inode::File(FileInode {
                    executable,
                    size: u64_at(&body, 8),
                    start: u64_at(&body, 0),
                    fragment: fragment(u32_at(&body, 28), u32_at(&body, 32)),
                    lengths: cursor,
                }))
            }
            3 | 10 => {
                let mut body = [0; 8];
                self.metadata(&mut cursor, &mut body)?;
                let length = u32_at(&body, 4);
                ensure!(length <= MAX_TARGET, "a link's target is too long: {length} bytes");
                let mut target = vec![0; length as usize];
                self.metadata(&mut cursor, &mut target)?;
                Ok(Inode::Symlink(target))
            }
            4..=7 | 11..=14 => bail!("a device, a pipe or a socket is no part of a store path"),
            other => bail!("an inode is of the unknown type {other}"),
        }
    }

    fn listing(&self, start: u32, offset: u16, length: u32) -> Result<Inode> {
        let table = self.image.superblock.directory_table;
        let block = table.checked_add(start.into()).context("a listing's place is wrong")?;
        Ok(Inode::Directory(Listing::new(Cursor { block, offset: offset.into() }, length)))
    }
}

fn fragment(index: u32, offset: u32) -> Option<(u32, u32)> {
    (index != NO_FRAGMENT).then_some((index, offset))
}
