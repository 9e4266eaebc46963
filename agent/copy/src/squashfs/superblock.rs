//! An image's first 96 bytes → where its tables are.

use anyhow::{Context, Result, bail, ensure};

use super::Reference;
use super::bytes::{u16_at, u32_at, u64_at};
use super::medium::Medium;

/// `hsqs`, in the byte order of the format.
const MAGIC: u32 = 0x7371_7368;

/// Bytes that it takes.
const LENGTH: usize = 96;

/// The compressors' names by their numbers, from 1 on.
const COMPRESSORS: [&str; 6] = ["gzip", "lzma", "lzo", "xz", "lz4", "zstd"];

/// What the image says of itself. Only numbers that can't be right are refused here: whatever is
/// read by means of them is checked where it is read.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// Bytes of file data in a block: a power of 2 from 4 KiB to 1 MiB.
    pub block_size: u32,
    /// Number of blocks that hold small files.
    pub fragment_count: u32,
    /// The root folder's inode.
    pub root: Reference,
    /// Bytes of the image that are in use: everything is before this place.
    pub used: u64,
    /// Place of the inodes.
    pub inode_table: u64,
    /// Place of the folders' listings.
    pub directory_table: u64,
    /// Place of the index of the fragment table.
    pub fragment_table: u64,
}

impl Superblock {
    /// Reads it.
    ///
    /// # Errors
    /// This is no squashfs 4.0, or not one whose compressor is known here.
    pub(super) fn read(medium: &impl Medium) -> Result<Self> {
        let length = medium.length().context("its length is not known")?;
        ensure!(length >= LENGTH as u64, "it is too short for a squashfs: {length} bytes");
        let mut bytes = [0; LENGTH];
        medium.read_exact_at(&mut bytes, 0).context("its first block can't be read")?;
        ensure!(u32_at(&bytes, 0) == MAGIC, "it is no squashfs");
        let version = (u16_at(&bytes, 28), u16_at(&bytes, 30));
        ensure!(version == (4, 0), "it is squashfs {}.{} and not 4.0", version.0, version.1);
        match usize::from(u16_at(&bytes, 20)).checked_sub(1).map(|n| COMPRESSORS.get(n)) {
            Some(Some(&"zstd")) => {}
            Some(Some(name)) => bail!("it is compressed with {name}, and only zstd is known here"),
            _ => bail!("its compressor has a number that is not known"),
        }
        let superblock = Self {
            block_size: u32_at(&bytes, 12),
            fragment_count: u32_at(&bytes, 16),
            root: Reference(u64_at(&bytes, 32)),
            used: u64_at(&bytes, 40),
            inode_table: u64_at(&bytes, 64),
            directory_table: u64_at(&bytes, 72),
            fragment_table: u64_at(&bytes, 80),
        };
        let block_size = superblock.block_size;
        ensure!(
            block_size.is_power_of_two()
                && (4 << 10..=1 << 20).contains(&block_size)
                && block_size.ilog2() == u32::from(u16_at(&bytes, 22)),
            "its block size is impossible: {block_size}"
        );
        let used = superblock.used;
        ensure!(used <= length, "it is cut off: {length} bytes of {used} are there");
        Ok(superblock)
    }
}
