//! Files → a small ISO image with them.

use nixvm_answers::area;

const SECTOR: usize = 2048;

/// A file at the root of an image, or in its folder `nixvm`.
pub(crate) struct Entry {
    pub(crate) folder: bool,
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn file(name: &'static str, bytes: &[u8]) -> Entry {
    Entry { folder: false, name, bytes: bytes.to_vec() }
}

pub(crate) fn in_folder(name: &'static str, bytes: &[u8]) -> Entry {
    Entry { folder: true, name, bytes: bytes.to_vec() }
}

/// The place for answers as it is published.
pub(crate) fn empty_area() -> Entry {
    in_folder("answers.toml", &area::encode("").expect("it fits"))
}

/// An image with these files, in this order, one after another.
///
/// Written after ECMA-119 and RRIP and not after the reader under test, which xorriso's images
/// check from the other side.
pub(crate) fn image(entries: &[Entry]) -> Vec<u8> {
    let (root, folder, first) = (18, 19, 20);
    let mut image = vec![0; first * SECTOR];
    let mut directories = [
        [record(root, SECTOR, 2, b"\0", None), record(root, SECTOR, 2, b"\x01", None)].concat(),
        [record(folder, SECTOR, 2, b"\0", None), record(root, SECTOR, 2, b"\x01", None)].concat(),
    ];
    directories[0].extend(record(folder, SECTOR, 2, b"NIXVM", Some("nixvm")));
    for Entry { folder, name, bytes } in entries {
        let plain = format!("{};1", name.to_ascii_uppercase());
        let place = image.len() / SECTOR;
        let record = record(place, bytes.len(), 0, plain.as_bytes(), Some(name));
        directories[usize::from(*folder)].extend(record);
        image.extend_from_slice(bytes);
        image.resize(image.len().next_multiple_of(SECTOR), 0);
    }
    for (place, directory) in [root, folder].into_iter().zip(directories) {
        assert!(directory.len() <= SECTOR);
        image[place * SECTOR..][..directory.len()].copy_from_slice(&directory);
    }
    let sectors = image.len() / SECTOR;
    let descriptor = &mut image[16 * SECTOR..17 * SECTOR];
    descriptor[..7].copy_from_slice(b"\x01CD001\x01");
    descriptor[80..88].copy_from_slice(&both(sectors));
    descriptor[128..132].copy_from_slice(&[0, 8, 8, 0]);
    descriptor[156..190].copy_from_slice(&record(root, SECTOR, 2, b"\0", None));
    image[17 * SECTOR..][..7].copy_from_slice(b"\xffCD001\x01");
    image
}

fn both(number: usize) -> [u8; 8] {
    let number = u32::try_from(number).expect("it is small");
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn record(place: usize, length: usize, flags: u8, name: &[u8], rock: Option<&str>) -> Vec<u8> {
    let mut record = vec![0; 33];
    record[2..10].copy_from_slice(&both(place));
    record[10..18].copy_from_slice(&both(length));
    record[25] = flags;
    record[28..32].copy_from_slice(&[1, 0, 0, 1]);
    record[32] = name.len() as u8;
    record.extend_from_slice(name);
    if record.len() % 2 == 1 {
        record.push(0);
    }
    if let Some(rock) = rock {
        record.extend([b'P', b'X', 5, 1, 0]);
        record.extend([b'N', b'M', 5 + rock.len() as u8, 1, 0]);
        record.extend_from_slice(rock.as_bytes());
        record.resize(record.len().next_multiple_of(2), 0);
    }
    record[0] = record.len() as u8;
    record
}
