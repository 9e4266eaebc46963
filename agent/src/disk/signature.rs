//! Bytes where something may begin → the format that they look like.
//!
//! For what `wipefs` can't see: a file system whose partition table is lost lies where libblkid does
//! not look. Only the name depends on this: bytes that are not zeros are data with or without one.
//! Which places are looked at, and when, is said in [`super::probe`].
//! Offsets and magic numbers are those of util-linux, `libblkid/src/superblocks`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::Signature;

/// Bytes to hand to [`recognise`].
pub const LENGTH: usize = 72 << 10;

/// Name, offset and bytes of each format, in the order of trust.
const MAGIC: &[(&str, usize, &[u8])] = &[
    ("crypto_LUKS", 0, b"LUKS\xba\xbe"),
    ("BitLocker", 3, b"-FVE-FS-"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("xfs", 0, b"XFSB"),
    ("squashfs", 0, b"hsqs"),
    ("apfs", 32, b"NXSB"),
    ("LVM2_member", 0, b"LABELONE"),
    ("LVM2_member", 512, b"LABELONE"),
    ("LVM2_member", 1024, b"LABELONE"),
    ("LVM2_member", 1536, b"LABELONE"),
    ("linux_raid_member", 0, b"\xfc\x4e\x2b\xa9"),
    ("linux_raid_member", 4096, b"\xfc\x4e\x2b\xa9"),
    ("bcache", 4120, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    ("bcachefs", 4120, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("hfsplus", 1024, b"H+\x00\x04"),
    ("hfsx", 1024, b"HX\x00\x05"),
    ("swap", 4086, b"SWAPSPACE2"),
    ("swap", 4086, b"SWAP-SPACE"),
    ("btrfs", (64 << 10) + 64, b"_BHRfS_M"),
    ("iso9660", (32 << 10) + 1, b"CD001"),
    ("udf", (32 << 10) + 1, b"BEA01"),
    ("VMFS", 0, b"\x5e\xf1\xab\x2f"),
    ("VMFS", 64 << 10, b"\x0d\xd0\x01\xc0"),
    ("vfat", 82, b"FAT32   "),
    ("vfat", 54, b"FAT16   "),
    ("vfat", 54, b"FAT12   "),
    ("gpt", 512, b"EFI PART"),
    ("ext", 1024 + 56, b"\x53\xef"),
    // A copy of the superblock fills the beginning of a block; the primary is 1 KiB behind it.
    ("ext", 56, b"\x53\xef"),
    ("minix", 1040, b"\x7f\x13"),
    ("minix", 1040, b"\x8f\x13"),
    ("minix", 1040, b"\x68\x24"),
    ("minix", 1040, b"\x78\x24"),
    ("minix", 1048, b"\x5a\x4d"),
];

/// The format that `bytes`, the first [`LENGTH`] or fewer, begin with.
pub fn recognise(bytes: &[u8]) -> Option<&'static str> {
    MAGIC.iter().find_map(|(name, offset, magic)| {
        (bytes.get(*offset..)?.starts_with(magic) && plausible(name, *offset, bytes))
            .then_some(*name)
    })
}

/// The format that begins at or shortly before the byte at `offset`, which is not zero.
pub(super) fn find(file: &File, size: u64, offset: u64) -> io::Result<Option<Signature>> {
    for alignment in [1 << 20, 64 << 10, 4096, 512] {
        let start = offset - offset % alignment;
        let mut bytes = vec![0; usize::try_from(size - start).unwrap_or(usize::MAX).min(LENGTH)];
        file.read_exact_at(&mut bytes, start)?;
        if let Some(kind) = recognise(&bytes) {
            return Ok(Some(Signature { kind: kind.to_owned(), label: None, offset: start }));
        }
    }
    Ok(None)
}

/// Two bytes are soon found in anything: more has to be right.
fn plausible(name: &str, offset: usize, bytes: &[u8]) -> bool {
    let long = |offset: usize| {
        let bytes = bytes.get(offset..offset + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    match name {
        "ext" => {
            let superblock = offset - 56;
            // Inodes, blocks, and the logarithm of a block's size in KiB.
            long(superblock) > 0 && long(superblock + 4) > 0 && long(superblock + 24) <= 6
        }
        "vfat" => bytes.get(510..512) == Some(&[0x55, 0xaa]),
        "minix" => long(1024) > 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_magic_number() {
        for (name, offset, magic) in MAGIC {
            let mut bytes = vec![0; LENGTH];
            bytes[*offset..offset + magic.len()].copy_from_slice(magic);
            match *name {
                "ext" => {
                    bytes[offset - 56] = 1;
                    bytes[offset - 52] = 1;
                }
                "vfat" => bytes[510..512].copy_from_slice(&[0x55, 0xaa]),
                "minix" => bytes[1024] = 1,
                _ => {}
            }
            assert_eq!(recognise(&bytes), Some(*name), "{offset}");
            for end in [0, *offset, offset + 1] {
                let _shorter = recognise(&bytes[..end]);
            }
        }
        assert_eq!(recognise(&[0; LENGTH]), None);
        assert_eq!(recognise(&[0xff; LENGTH]), None);
    }
}
