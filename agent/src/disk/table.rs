//! A disk's first and last bytes → the partition tables there: the GPT at each end, and the MBR.
//!
//! The format is that of the UEFI specification, section 5.3, "GUID Partition Table (GPT) Disk Layout".

use serde::{Deserialize, Serialize};

use crate::format::printable;

/// A GPT, as one of its two copies has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The disk's GUID.
    pub id: String,
    /// The checksums of header and entries are right.
    pub valid: bool,
    /// Names of the partitions, in the order of their entries; empty unless valid.
    pub names: Vec<String>,
}

const SIGNATURE: &[u8] = b"EFI PART";

/// Sizes of a logical sector: a table that was made for another one counts too.
const SECTORS: [usize; 2] = [512, 4096];

/// The GPT at the beginning of a disk, of which `head` are the first bytes.
pub fn primary(head: &[u8]) -> Option<Table> {
    SECTORS.into_iter().find_map(|sector| {
        let header = head.get(sector..)?;
        let entries = |lba: u64| head.get(usize::try_from(lba).ok()?.checked_mul(sector)?..);
        parse(header, sector, entries)
    })
}

/// The GPT at the end of a disk of `size` bytes, of which `tail` are the last bytes.
pub fn backup(tail: &[u8], size: u64) -> Option<Table> {
    let start = size.checked_sub(tail.len() as u64)?;
    SECTORS.into_iter().find_map(|sector| {
        let header = tail.get(tail.len().checked_sub(sector)?..)?;
        let entries = |lba: u64| {
            let offset = lba.checked_mul(sector as u64)?.checked_sub(start)?;
            tail.get(usize::try_from(offset).ok()?..)
        };
        parse(header, sector, entries)
    })
}

/// The disk's GUID out of a GPT header (table "GPT Header": offset 56).
pub fn identifier(header: &[u8]) -> Option<String> {
    if header.get(..8)? != SIGNATURE {
        return None;
    }
    let guid: [u8; 16] = header.get(56..72)?.try_into().ok()?;
    Some(uuid::Uuid::from_bytes_le(guid).to_string())
}

/// Partitions in the MBR at the beginning of `head` that are not the one which protects a GPT: type
/// 0xEE. A boot sector of FAT or NTFS may look as if it had some.
pub fn mbr_partitions(head: &[u8]) -> usize {
    let Some(sector) = head.get(..512).filter(|sector| sector[510..] == [0x55, 0xaa]) else {
        return 0;
    };
    let kinds = sector[446..510].chunks(16).map(|entry| entry[4]);
    kinds.filter(|kind| ![0, 0xee].contains(kind)).count()
}

fn parse<'a>(
    header: &[u8],
    sector: usize,
    entries: impl FnOnce(u64) -> Option<&'a [u8]>,
) -> Option<Table> {
    let id = identifier(header)?;
    let names = checked_names(header, sector, entries);
    Some(Table { id, valid: names.is_some(), names: names.unwrap_or_default() })
}

/// The partitions' names, if both checksums are right.
fn checked_names<'a>(
    header: &[u8],
    sector: usize,
    entries: impl FnOnce(u64) -> Option<&'a [u8]>,
) -> Option<Vec<String>> {
    let length = number(header, 12)? as usize;
    let mut checked = header.get(..length).filter(|_| (92..=sector).contains(&length))?.to_vec();
    let checksum = number(&checked, 16)?;
    checked[16..20].fill(0);
    let (count, width) = (number(header, 80)? as usize, number(header, 84)? as usize);
    let place = u64::from_le_bytes(header.get(72..80)?.try_into().ok()?);
    let entries = entries(place)?.get(..count.checked_mul(width)?)?;
    if crc32(&checked) != checksum || crc32(entries) != number(header, 88)? || width < 128 {
        return None;
    }
    let used = entries.chunks(width).filter(|entry| entry[..16] != [0; 16]);
    Some(used.map(|entry| name(&entry[56..128])).collect())
}

fn name(units: &[u8]) -> String {
    let units = units.chunks(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let text = char::decode_utf16(units.take_while(|unit| *unit != 0));
    printable(&text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>())
}

fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
}

/// CRC-32 as in ISO 3309, which GPTs have.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_header_that_lies_about_its_sizes_is_not_valid_and_does_no_harm() {
        let mut head = vec![0; 8192];
        head[512..520].copy_from_slice(SIGNATURE);
        for field in [12, 72, 80, 84] {
            let mut damaged = head.clone();
            damaged[512 + field..512 + field + 4].fill(0xff);
            assert!(!primary(&damaged).unwrap().valid, "{field}");
        }
        assert_eq!(backup(&head[..100], 100), None);
        assert_eq!(primary(b"EFI PART"), None);
    }

    #[test]
    fn only_partitions_that_protect_no_gpt_count() {
        let mut mbr = vec![0; 512];
        mbr[446 + 4] = 0xee;
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(mbr_partitions(&mbr), 0);
        mbr[462 + 4] = 0x83;
        assert_eq!(mbr_partitions(&mbr), 1);
        mbr[510] = 0;
        assert_eq!(mbr_partitions(&mbr), 0);
    }
}
