//! The text of an answers file → an image of a volume labelled NIXVM with it.
//!
//! ISO 9660 (ECMA-119) without extensions: every hypervisor takes it for a CD, and as a disk it is
//! read just as well. Linux shows the file's name in small letters, `nixvm.toml`. The same text always
//! gives the same bytes.

use anyhow::{Result, ensure};
use nixvm_answers::document;

use crate::iso9660::SECTOR;

/// The label by which the installer finds the volume.
const LABEL: &str = "NIXVM";

/// The file in it, with the version that ISO 9660 gives each.
const FILE: &str = "NIXVM.TOML;1";

/// Sectors before the first descriptor, which belong to the system.
const SYSTEM_AREA: u32 = 16;
const PRIMARY: u32 = SYSTEM_AREA;
const TERMINATOR: u32 = PRIMARY + 1;
/// The table of folders, with little-endian numbers and with big-endian ones.
const PATH_TABLE_L: u32 = TERMINATOR + 1;
const PATH_TABLE_M: u32 = PATH_TABLE_L + 1;
const ROOT: u32 = PATH_TABLE_M + 1;
const CONTENT: u32 = ROOT + 1;

/// Sectors after the file, as mkisofs adds them: drives read ahead, and fail at an end that is near.
const PADDING: u32 = 150;

/// Bytes of the path table: the root alone.
const PATH_TABLE_BYTES: u32 = 10;

/// 1 January 2000, as a directory has it: an image has no time of its own.
const DATE: [u8; 7] = [100, 1, 1, 0, 0, 0, 0];

/// Makes the image.
///
/// # Errors
/// The text is longer than the installer reads.
///
/// ```
/// let image = nixvm_iso::volume::image("hostname = 'web'\n")?;
/// assert_eq!(&image[16 * 2048 + 40..][..5], b"NIXVM");
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn image(text: &str) -> Result<Vec<u8>> {
    ensure!(text.len() <= document::LONGEST, "the answers are too long for the installer");
    let length = u32::try_from(text.len())?;
    let sectors = CONTENT + length.div_ceil(SECTOR as u32) + PADDING;
    let mut image = vec![0; sectors as usize * SECTOR as usize];
    let mut put = |sector: u32, bytes: &[u8]| {
        let at = sector as usize * SECTOR as usize;
        image[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(PRIMARY, &primary(sectors));
    put(TERMINATOR, b"\xffCD001\x01");
    put(PATH_TABLE_L, &path_table(u32::to_le_bytes, u16::to_le_bytes));
    put(PATH_TABLE_M, &path_table(u32::to_be_bytes, u16::to_be_bytes));
    let directory = [
        record(b"\0", ROOT, SECTOR as u32, true),
        record(b"\x01", ROOT, SECTOR as u32, true),
        record(FILE.as_bytes(), CONTENT, length, false),
    ];
    put(ROOT, &directory.concat());
    put(CONTENT, text.as_bytes());
    Ok(image)
}

/// The primary volume descriptor, ECMA-119 section 8.4.
fn primary(sectors: u32) -> Vec<u8> {
    let mut descriptor = Vec::with_capacity(SECTOR as usize);
    descriptor.extend(b"\x01CD001\x01\0");
    descriptor.extend(text::<32>(""));
    descriptor.extend(text::<32>(LABEL));
    descriptor.extend([0; 8]);
    descriptor.extend(both_u32(sectors));
    descriptor.extend([0; 32]);
    // One volume, the first of its set, in blocks of one sector.
    for number in [1, 1, SECTOR as u16] {
        descriptor.extend(both_u16(number));
    }
    descriptor.extend(both_u32(PATH_TABLE_BYTES));
    for table in [PATH_TABLE_L.to_le_bytes(), [0; 4], PATH_TABLE_M.to_be_bytes(), [0; 4]] {
        descriptor.extend(table);
    }
    descriptor.extend(record(b"\0", ROOT, SECTOR as u32, true));
    // Volume set, publisher, preparer, application; files with copyright, abstract and bibliography.
    descriptor.extend(text::<{ 4 * 128 }>(""));
    descriptor.extend(text::<{ 3 * 37 }>(""));
    // When it was made and changed, expires and counts: not said.
    for _ in 0..4 {
        descriptor.extend(b"0000000000000000\0");
    }
    descriptor.push(1);
    descriptor.resize(SECTOR as usize, 0);
    descriptor
}

/// A record of a folder, section 9.1.
fn record(name: &[u8], sector: u32, length: u32, is_folder: bool) -> Vec<u8> {
    // Records have an even length.
    let size = (33 + name.len()).next_multiple_of(2);
    let mut record = vec![size as u8, 0];
    record.extend(both_u32(sector));
    record.extend(both_u32(length));
    record.extend(DATE);
    record.extend([if is_folder { 0b10 } else { 0 }, 0, 0]);
    record.extend(both_u16(1));
    record.push(name.len() as u8);
    record.extend(name);
    record.resize(size, 0);
    record
}

/// The one record of a path table, section 9.4: the root, which is its own parent.
fn path_table(long: fn(u32) -> [u8; 4], short: fn(u16) -> [u8; 2]) -> Vec<u8> {
    [&[1, 0], &long(ROOT)[..], &short(1), &[0, 0]].concat()
}

/// Both orders of bytes, the little one first.
fn both_u32(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn both_u16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// Text, filled up with blanks.
fn text<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut field = [b' '; LENGTH];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::iso9660;

    #[test]
    fn the_file_is_found_by_its_name_in_small_letters() {
        for length in [0, 1, 2048, 2049, document::LONGEST] {
            let text = "#".repeat(length);
            let mut image = Cursor::new(image(&text).unwrap());
            let volume = iso9660::read_volume(&mut image).unwrap();
            assert_eq!(volume.length, image.get_ref().len() as u64);
            let files = iso9660::read_files(&mut image, &volume, &["nixvm.toml"]).unwrap();
            let [file] = files.as_slice() else { panic!("{files:?}") };
            assert!(file.wanted);
            assert!(iso9660::read(&mut image, file.extent).unwrap() == text.as_bytes());
        }
        assert!(image(&"#".repeat(document::LONGEST + 1)).is_err());
    }
}
