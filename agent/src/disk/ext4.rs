//! A partition with ext4 → what its superblock says of how it was used.
//!
//! Offsets are those of `struct ext4_super_block`, in `Documentation/filesystems/ext4` of the kernel's
//! tree.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout;
use crate::format::printable;

/// What an ext4 superblock says of the file system's use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ext4Use {
    /// `s_uuid`.
    pub uuid: String,
    /// How often it was mounted since it was made or checked: `s_mnt_count`.
    pub mounts: u16,
    /// Where it was mounted last, empty if never: `s_last_mounted`.
    pub last_mounted: String,
    /// It was checked since it was made: `s_lastcheck` is later than `s_mkfs_time`.
    pub checked: bool,
}

impl Ext4Use {
    /// Whether an install can have left it so: made, and mounted once, by the install, for this place in
    /// the installed system.
    pub fn is_only_installed_to(&self, mount_point: &Path) -> bool {
        let last_mounted = Path::new(&self.last_mounted);
        let by_install =
            self.last_mounted.is_empty() || last_mounted == layout::mounted_at(mount_point);
        self.mounts <= 1 && by_install && !self.checked
    }
}

/// Reads the superblock on `partition`; None where there is none.
///
/// # Errors
/// The partition can't be read.
pub fn read(partition: &Path) -> io::Result<Option<Ext4Use>> {
    let mut superblock = [0; 1024];
    match File::open(partition)?.read_exact_at(&mut superblock, 1024) {
        Ok(()) => Ok(parse(&superblock)),
        // It is too small for one.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a superblock.
pub fn parse(superblock: &[u8; 1024]) -> Option<Ext4Use> {
    let short = |offset: usize| u16::from_le_bytes([superblock[offset], superblock[offset + 1]]);
    let long = |offset: usize| u32::from(short(offset)) | u32::from(short(offset + 2)) << 16;
    if short(0x38) != 0xef53 {
        return None;
    }
    let last_mounted = superblock[0x88..0xc8].split(|byte| *byte == 0).next()?;
    let uuid = superblock[0x68..0x78].try_into().ok()?;
    Some(Ext4Use {
        uuid: uuid::Uuid::from_bytes(uuid).to_string(),
        mounts: short(0x34),
        last_mounted: printable(&String::from_utf8_lossy(last_mounted)),
        checked: long(0x40) != long(0x108),
    })
}
