//! Any text, as what udev, sysfs, the mount table and wipefs say of disks, and as a disk's first bytes.
//!
//! `cargo +nightly fuzz run disks -- -max_total_time=600` in agent.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use nixvm_agent::disk::describe::{self, ATTRIBUTES, Raw};
use nixvm_agent::disk::marker::Marker;
use nixvm_agent::disk::{Content, Disk, eligibility, ext4, mounts, probe, signature, table};

fuzz_target!(|bytes: &[u8]| {
    let _no_marker = Marker::from_bytes(bytes);
    for size in [0, 512, 4096, u32::MAX] {
        let _no_table = probe::gpt_identifier(bytes, size);
    }
    let _no_tables = (table::primary(bytes), table::backup(bytes, bytes.len() as u64));
    let _no_partitions = table::mbr_partitions(bytes);
    let _no_format = signature::recognise(bytes);
    if let Some(superblock) = bytes.first_chunk() {
        let _no_file_system = ext4::parse(superblock);
    }
    let text = String::from_utf8_lossy(bytes);
    let _other_form = probe::signatures(&text);
    let table = mounts::by_device(&text, &text, |_| Some((8, 1)));
    let raw: Vec<_> = text.split('\0').map(raw).collect();
    for device in describe::devices(&raw, &table) {
        let printable =
            |text: &Option<String>| text.iter().flat_map(|t| t.chars()).all(|c| !c.is_control());
        assert!(printable(&device.model) && printable(&device.serial) && printable(&device.label));
        let disk = Disk { device, content: Content::default() };
        assert!(disk.summary().chars().all(|c| !c.is_control()), "{}", disk.summary());
        let _reason = eligibility::check(&disk, disk.device.name == "sda", Some("X"), 1 << 30)
            .map_err(|e| e.to_string());
        let _contents = (disk.condition(), disk.contents());
    }
});

/// A device, out of lines: its name, its parent's, its numbers, and `KEY=VALUE`, for udev's
/// properties in capital letters and for the kernel's attributes in small ones.
fn raw(text: &str) -> Raw {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let (mut name, parent, major, minor) = (next(), next(), next(), next());
    // The kernel chooses its names itself.
    name.retain(|c| !c.is_control());
    let pairs: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let is_attribute = |key: &str| ATTRIBUTES.contains(&key);
    Raw {
        node: format!("/dev/{name}").into(),
        parent: Some(parent).filter(|parent| !parent.is_empty()),
        number: (major.parse().unwrap_or(8), minor.parse().unwrap_or(1)),
        attributes: pairs.clone().into_iter().filter(|(key, _)| is_attribute(key)).collect(),
        holders: pairs.get("holder").into_iter().cloned().collect(),
        unseen: pairs.contains_key("unseen"),
        properties: pairs,
        name,
    }
}
