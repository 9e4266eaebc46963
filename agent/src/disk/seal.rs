//! A partition table's identifier and the disk's size → four bytes in the MBR that protects it, while its install goes on.
//!
//! A partitioning tool that makes an MBR writes a disk signature of its own, or boot code, and one that
//! writes a GPT again from its backup protects it by an MBR without either. So a table that came back
//! after other partitions were made is not taken for one that was left alone, nor is one on a larger
//! disk, to which it was copied: what was there before is behind it. The UEFI specification has both
//! fields unused, and zero: they are so again once the install has ended.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

/// Byte offset of the disk signature; before it is boot code, behind it are two bytes without a use
/// (UEFI specification, table "Legacy MBR").
const OFFSET: u64 = 440;

/// Where the entries of the MBR begin.
const ENTRIES: usize = 446;

/// The seal of a table with this identifier on a disk of so many bytes.
pub fn of(table_id: &str, disk_bytes: u64) -> u32 {
    let digest = Sha256::new()
        .chain_update(disk_bytes.to_le_bytes())
        .chain_update(table_id.to_ascii_lowercase())
        .finalize();
    // Zero is what other tools write.
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]).max(1)
}

/// The disk signature in a disk's first bytes; None where there is anything beside it before the entries.
pub fn read(head: &[u8]) -> Option<u32> {
    let (code, rest) = head.get(..ENTRIES)?.split_at(usize::try_from(OFFSET).ok()?);
    let (seal, unused) = rest.split_first_chunk()?;
    (code.iter().chain(unused).all(|byte| *byte == 0)).then(|| u32::from_le_bytes(*seal))
}

/// Seals the table of an open disk, and waits until that is there.
///
/// # Errors
/// The disk can't be written.
pub fn write(disk: &File, table_id: &str) -> io::Result<()> {
    let seal = of(table_id, size(disk)?);
    disk.write_all_at(&seal.to_le_bytes(), OFFSET)?;
    disk.sync_data()
}

/// Takes the seal away, if it is there, and waits until it is gone.
///
/// # Errors
/// The disk can't be read or written.
pub fn erase(disk: &File, table_id: &str) -> io::Result<()> {
    let mut head = [0; ENTRIES];
    disk.read_exact_at(&mut head, 0)?;
    if read(&head) == Some(of(table_id, size(disk)?)) {
        disk.write_all_at(&[0; 4], OFFSET)?;
        disk.sync_data()?;
    }
    Ok(())
}

fn size(mut disk: &File) -> io::Result<u64> {
    disk.seek(SeekFrom::End(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(disk: &File) -> [u8; 512] {
        let mut head = [0; 512];
        disk.read_exact_at(&mut head, 0).unwrap();
        head
    }

    #[test]
    fn a_seal_is_read_until_it_is_erased_and_only_one_of_its_table_is() {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(4096).unwrap();
        disk.write_all_at(&[0xee], 450).unwrap();
        let bare = head(&disk);
        assert_eq!(read(&bare), Some(0));
        write(&disk, "ABC").unwrap();
        assert_eq!(read(&head(&disk)), Some(of("abc", 4096)));
        erase(&disk, "another").unwrap();
        assert_eq!(read(&head(&disk)), Some(of("abc", 4096)));
        erase(&disk, "abc").unwrap();
        assert_eq!(head(&disk), bare);
        assert_ne!(of("abc", 4096), of("abc", 8192));
    }

    #[test]
    fn boot_code_is_no_part_of_a_seal() {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(4096).unwrap();
        write(&disk, "abc").unwrap();
        for offset in [0, 439, 444, 445] {
            disk.write_all_at(&[1], offset).unwrap();
            assert_eq!(read(&head(&disk)), None, "{offset}");
            disk.write_all_at(&[0], offset).unwrap();
        }
        assert_eq!(read(&[]), None);
    }
}
