//! Images of disks → what is read of them.

use std::io::Write;
use std::os::unix::fs::FileExt;

use super::surface::WHOLE_ENDS;
use super::*;
use crate::disk::examples::first_marker;
use crate::disk::{Condition, Disk};

#[test]
fn the_seventh_number_is_what_was_written() {
    let stat = "    1092     0  81234  155  17  3  4160  60  0  156  230  0  0  0  0  3  14\n";
    assert_eq!(written(stat), Some(4160));
    assert_eq!(written(""), None);
}

fn device_of(file: &Path, size_bytes: u64) -> Device {
    Device {
        kind: Kind::Disk,
        node: file.to_owned(),
        size_bytes,
        sector_bytes: 512,
        ..Device::default()
    }
}

fn content_of(fill: impl FnOnce(&mut File)) -> Content {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(64 << 20).unwrap();
    fill(file.as_file_mut());
    read(&device_of(file.path(), 64 << 20)).unwrap()
}

#[test]
fn zeros_are_seen_and_so_is_a_single_bit_at_each_end() {
    let blank = content_of(|_| {});
    assert!(blank.edges_zero && blank.head_zero);
    for offset in [0, EDGE - 1, (64 << 20) - EDGE, (64 << 20) - 1] {
        let content = content_of(|file| {
            file.seek(SeekFrom::Start(offset)).unwrap();
            file.write_all(&[1]).unwrap();
        });
        assert!(!content.edges_zero, "{offset}");
        assert_ne!(content.digest, blank.digest, "{offset}");
    }
}

#[test]
fn a_byte_anywhere_that_is_looked_at_makes_a_disk_not_blank() {
    let size: u64 = 512 << 20;
    let condition_with = |offset: Option<u64>| {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        if let Some(offset) = offset {
            file.as_file().write_all_at(b"x", offset).unwrap();
        }
        let device = device_of(file.path(), size);
        let content = look_deeper(&device, read(&device).unwrap()).unwrap();
        let disk = Disk { device, content };
        (disk.condition(), disk.contents().join("; "))
    };
    assert_eq!(condition_with(None), (Condition::Blank, String::new()));
    let ends = [0, EDGE, WHOLE_ENDS - 1, size - WHOLE_ENDS, size - EDGE - 1, size - 1];
    for offset in ends.into_iter().chain([WHOLE_ENDS, 100 << 20, (300 << 20) + 4095]) {
        let (condition, contents) = condition_with(Some(offset));
        assert_eq!(condition, Condition::Data, "{offset}");
        assert!(contents.starts_with("unrecognised data (first at "), "{offset}: {contents}");
    }
}

#[test]
fn a_marker_on_a_wiped_disk_leaves_its_head_zero() {
    let marker = first_marker();
    let content = content_of(|file| marker.write(file).unwrap());
    assert_eq!(content.marker, Some(marker));
    assert!(content.head_zero && !content.edges_zero);
}

#[test]
fn a_marker_of_another_version_makes_a_disk_neither_blank_nor_unfinished() {
    for (version, expected) in [
        (marker::VERSION, Condition::Unfinished),
        (marker::VERSION + 1, Condition::Data),
        (0, Condition::Data),
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 << 20).unwrap();
        Marker { version, ..first_marker() }.write(file.as_file_mut()).unwrap();
        let device = device_of(file.path(), 64 << 20);
        let content = look_deeper(&device, read(&device).unwrap()).unwrap();
        let disk = Disk { device, content };
        assert_eq!(disk.condition(), expected, "version {version}");
    }
}

#[test]
fn the_table_is_known_by_its_guid() {
    let content = content_of(|file| {
        file.seek(SeekFrom::Start(512)).unwrap();
        file.write_all(b"EFI PART").unwrap();
        file.seek(SeekFrom::Start(512 + 56)).unwrap();
        file.write_all(&[0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 1, 2, 3, 4, 5, 6, 7, 8])
            .unwrap();
    });
    assert_eq!(content.table_id.as_deref(), Some("00112233-4455-6677-0102-030405060708"));
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_is_said_to_be_so() {
    let device = device_of(Path::new("/nonexistent"), 64 << 20);
    let content = content(&Runner::default(), &device).await.unwrap();
    assert!(content.unreadable.unwrap().starts_with("cannot read /nonexistent: No such file"));
}

#[test]
fn wipefs_listing_is_read() {
    let found = signatures(include_str!("../../../fixtures/wipefs-gpt.json")).unwrap();
    let kinds: Vec<_> = found.iter().map(|s| (s.kind.as_str(), s.offset)).collect();
    assert_eq!(kinds, [("gpt", 0x200), ("gpt", 0x3fffe00), ("PMBR", 0x1fe)]);
    let text = r#"{"signatures":[{"type":"ext4","label":"a\nb","offset":"0x438"}]}"#;
    assert_eq!(signatures(text).unwrap()[0].label.as_deref(), Some("ab"));
    assert_eq!(signatures("").unwrap(), []);
    assert!(signatures("{").is_err());
}
