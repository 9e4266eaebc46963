//! What is on a disk → its condition, and what is said of that.

mod layouts;

use super::*;
use crate::disk::examples::{disk, unfinished, with_layout};
use crate::disk::receipt::Receipt;
use crate::disk::{Ends, Signature};

type Change = fn(&mut Disk);

fn check(base: Disk, expected: &Condition, cases: &[(&str, Change)]) {
    for (what, change) in cases {
        let mut disk = base.clone();
        change(&mut disk);
        assert_eq!(disk.condition(), *expected, "{what}: {:?}", disk.verdict());
        assert!(!disk.contents().is_empty(), "{what}: of which nothing is said");
    }
}

fn signature(kind: &str) -> Signature {
    Signature { kind: kind.into(), label: None, offset: 0x438 }
}

/// A disk that was wiped for an install which was cut off before there was a table.
fn wiped() -> Disk {
    let mut wiped = disk("vda");
    let marker = unfinished("vda").content.marker.unwrap();
    let marker = Marker { table_id: None, root_uuid: None, ..marker };
    wiped.content.surface_digest.clone_from(&marker.surface);
    wiped.content.marker = Some(marker);
    wiped.content.edges_zero = false;
    // What was on the disk is still in its middle.
    wiped.content.ends = Ends { bytes: 64 << 20, first_nonzero: Some(5 << 20) };
    wiped
}

/// The same, while the table is there and its identifier is not noted yet.
fn formatting() -> Disk {
    let mut formatting = unfinished("vda");
    let marker = formatting.content.marker.as_mut().unwrap();
    (marker.table_id, marker.root_uuid) = (None, None);
    formatting.content.seal = Some(0);
    // It is mounted at the very end of the step.
    formatting.content.root.as_mut().unwrap().mounts = 0;
    formatting
}

#[test]
fn zeros_everywhere_are_blank_and_what_was_looked_at_is_said() {
    let blank = disk("vda");
    assert_eq!(blank.condition(), Condition::Blank);
    assert_eq!(blank.contents(), Vec::<String>::new());
    let [evidence] = &*blank.verdict().evidence else { panic!("{:?}", blank.verdict()) };
    let words = "zeros in the first and last 64 MiB and at 8,128 places between";
    assert_eq!(evidence.to_string(), words);
}

#[test]
fn each_doubt_alone_makes_a_disk_not_blank() {
    let cases: [(&str, Change); 12] = [
        ("a signature", |d| d.content.signatures = vec![signature("ext4")]),
        ("one where libblkid does not look", |d| {
            d.content.surface_signatures = vec![signature("ext")];
        }),
        ("a partition", |d| d.device.partitions = vec![Partition::default()]),
        ("a file system that udev knows", |d| d.device.filesystem = Some("xfs".into())),
        ("a primary table", |d| d.content.primary = Some(super::super::table::Table::default())),
        ("a backup table", |d| d.content.backup = Some(super::super::table::Table::default())),
        ("partitions in the MBR", |d| d.content.mbr_partitions = 1),
        ("a byte in the first or last 64 MiB", |d| d.content.ends.first_nonzero = Some(5 << 20)),
        ("ends not read", |d| d.content.ends.bytes = 4 << 20),
        ("a surface not read", |d| d.content.surface = None),
        ("a place with data", |d| {
            let surface = d.content.surface.as_mut().unwrap();
            (surface.nonzero, surface.first_nonzero) = (1, Some(100 << 20));
        }),
        ("too few places", |d| d.content.surface.as_mut().unwrap().read = 1023),
    ];
    check(disk("vda"), &Condition::Data, &cases);
}

#[test]
fn a_disk_that_is_held_is_neither_blank_nor_unfinished_and_the_holder_is_named() {
    let held: Change = |d| d.device.holders = vec!["dm-0".into(), "md127".into()];
    for base in [disk("vda"), wiped()] {
        check(base, &Condition::Data, &[("held", held)]);
    }
    check(unfinished("vda"), &Condition::PossiblyInstalled, &[("held", held)]);
    let mut blank = disk("vda");
    held(&mut blank);
    assert_eq!(blank.contents(), ["in use by dm-0, md127"]);
}

#[test]
fn an_install_that_was_cut_off_is_known_at_every_stage() {
    let mut no_file_system_yet = formatting();
    for partition in &mut no_file_system_yet.device.partitions {
        partition.filesystem = None;
    }
    no_file_system_yet.content.root = None;
    no_file_system_yet.content.esp = Esp::Unformatted;
    no_file_system_yet.content.surface_digest = Some("wiped".into());
    let mut one_partition_yet = no_file_system_yet.clone();
    one_partition_yet.device.partitions.pop();
    for table in [&mut one_partition_yet.content.primary, &mut one_partition_yet.content.backup] {
        table.as_mut().unwrap().names.pop();
    }
    let mut blank_disk_marked = disk("vda");
    blank_disk_marked.content.marker = wiped().content.marker;
    blank_disk_marked.content.marker.as_mut().unwrap().surface = None;
    blank_disk_marked.content.edges_zero = false;
    for (stage, disk) in [
        ("marked a blank disk", blank_disk_marked),
        ("wiped", wiped()),
        ("first partition", one_partition_yet),
        ("both partitions", no_file_system_yet),
        ("table and root noted", unfinished("vda")),
    ] {
        assert_eq!(disk.condition(), Condition::Unfinished, "{stage}: {:?}", disk.verdict());
    }
}

/// Each is as an install leaves it for a moment, and as a user may leave it for good.
#[test]
fn between_two_stages_there_is_no_evidence() {
    let cases: [(&str, Change); 7] = [
        ("both formatted", |_| {}),
        ("one partition, and another surface", |d| {
            for partition in &mut d.device.partitions {
                partition.filesystem = None;
            }
            d.device.partitions.pop();
            for table in [&mut d.content.primary, &mut d.content.backup] {
                table.as_mut().unwrap().names.pop();
            }
            (d.content.root, d.content.esp) = (None, Esp::Unformatted);
            d.content.surface_digest = Some("other".into());
        }),
        ("the ESP formatted alone", |d| {
            d.device.partitions[1].filesystem = None;
            d.content.root = None;
        }),
        ("the root formatted alone", |d| {
            d.device.partitions[0].filesystem = None;
            d.content.esp = Esp::Unformatted;
        }),
        ("mounted, and the table is not noted", |d| d.content.root.as_mut().unwrap().mounts = 1),
        ("nothing formatted, and another surface", |d| {
            d.device.partitions[0].filesystem = None;
            d.device.partitions[1].filesystem = None;
            (d.content.root, d.content.esp) = (None, Esp::Unformatted);
        }),
        ("an empty table beside our backup", |d| {
            d.device.partitions.clear();
            d.content.primary.as_mut().unwrap().names.clear();
        }),
    ];
    check(formatting(), &Condition::PossiblyInstalled, &cases);
    let mut erased = unfinished("vda");
    erased.content.esp = Esp::Unformatted;
    assert_eq!(erased.condition(), Condition::PossiblyInstalled, "the ESP lost its beginning");
}

#[test]
fn a_wiped_disk_to_which_something_was_written_is_data() {
    let cases: [(&str, Change); 9] = [
        ("its surface changed", |d| d.content.surface_digest = Some("other".into())),
        ("its surface is not known", |d| d.content.surface_digest = None),
        ("its wiping had not ended", |d| {
            d.content.marker.as_mut().unwrap().surface = None;
        }),
        ("a signature", |d| d.content.signatures = vec![signature("ext4")]),
        ("a backup table", |d| {
            d.content.backup = unfinished("x").content.backup.map(|mut t| {
                t.names = vec!["home".into()];
                t
            })
        }),
        ("the ends", |d| d.content.ends.first_nonzero = Some(1 << 20)),
        ("a partition", |d| d.device.partitions = vec![Partition::default()]),
        ("a file system", |d| d.device.filesystem = Some("ext4".into())),
        ("a table without partitions, and bytes at 1 MiB", |d| {
            d.content.primary = Some(super::super::table::Table {
                id: "new".into(),
                valid: true,
                names: Vec::new(),
            });
            d.content.signatures = vec![signature("gpt"), signature("PMBR")];
            d.content.surface_digest = Some("other".into());
        }),
    ];
    check(wiped(), &Condition::Data, &cases);
}

/// The kernel sees no partition in an MBR that has lost its signature; whoever made it may.
#[test]
fn our_empty_table_behind_what_is_left_of_an_mbr_is_data() {
    let mut cleared = wiped();
    let table = super::super::table::Table { id: "new".into(), valid: true, names: Vec::new() };
    cleared.content.table_id = Some(table.id.clone());
    cleared.content.signatures = vec![signature("gpt")];
    cleared.content.primary = Some(table);
    for seal in [0, seal::of("new", cleared.device.size_bytes)] {
        cleared.content.seal = Some(seal);
        assert_eq!(cleared.condition(), Condition::Unfinished, "{:?}", cleared.verdict());
    }
    let cases: [(&str, Change); 2] = [
        ("boot code", |d| d.content.seal = None),
        ("a disk signature", |d| d.content.seal = Some(7)),
    ];
    check(cleared, &Condition::Data, &cases);
}

#[test]
fn a_stale_marker_overrides_nothing() {
    let cases: [(&str, Change); 4] = [
        ("another table; its primary is lost, an ext4 in place and a backup are there", |d| {
            d.content.primary = None;
            d.content.table_id = None;
            d.device.partitions.clear();
            d.content.backup = Some(super::super::table::Table {
                id: "another".into(),
                valid: true,
                names: vec!["home of Ada".into()],
            });
            d.content.signatures = vec![signature("gpt")];
        }),
        ("no table at all, data at 1 MiB", |d| {
            d.content.primary = None;
            d.content.backup = None;
            d.content.table_id = None;
            d.device.partitions.clear();
            d.content.signatures.clear();
            d.content.ends.first_nonzero = Some(1 << 20);
        }),
        ("other partitions", |d| {
            let partition = Partition { name: Some("home".into()), ..Partition::default() };
            d.device.partitions = vec![partition];
            for table in [&mut d.content.primary, &mut d.content.backup] {
                table.as_mut().unwrap().names = vec!["home".into()];
            }
        }),
        ("a file system on the whole disk", |d| {
            (d.content.primary, d.content.backup, d.content.table_id) = (None, None, None);
            d.device.partitions.clear();
            d.device.filesystem = Some("ext4".into());
            d.content.signatures = vec![signature("ext4")];
        }),
    ];
    check(unfinished("vda"), &Condition::Data, &cases);
}

#[test]
fn the_layout_without_evidence_of_its_own_is_perhaps_a_system() {
    let cases: [(&str, Change); 26] = [
        ("a larger disk, with no table at its end", |d| {
            d.device.size_bytes *= 2;
            d.content.backup = None;
        }),
        ("a table that was written again", |d| d.content.seal = Some(0)),
        ("boot code", |d| d.content.seal = None),
        ("a root that was made again", |d| {
            d.content.root.as_mut().unwrap().uuid = "another".into();
        }),
        ("no marker", |d| d.content.marker = None),
        ("another table", |d| {
            d.content.primary.as_mut().unwrap().id = "another".into();
            d.content.table_id = Some("another".into());
            d.content.backup.clone_from(&d.content.primary);
        }),
        ("one that the kernel does not know", |d| d.content.table_id = None),
        ("another backup", |d| d.content.backup.as_mut().unwrap().id = "another".into()),
        ("a damaged table", |d| d.content.primary.as_mut().unwrap().valid = false),
        ("a table, and the wiping had not ended", |d| {
            let marker = d.content.marker.as_mut().unwrap();
            (marker.surface, marker.table_id) = (None, None);
        }),
        ("a boot loader", |d| d.content.foreign_loader = true),
        ("an ESP that can't be read", |d| d.content.esp = Esp::Unreadable("damaged".into())),
        ("an ESP that was formatted and is zeros", |d| d.content.esp = Esp::Unformatted),
        ("a file on the ESP", |d| d.content.esp = Esp::Used("backup.tar".into())),
        ("no ESP", |d| d.content.esp = Esp::Absent),
        ("mounted twice", |d| d.content.root.as_mut().unwrap().mounts = 2),
        ("mounted as a root", |d| d.content.root.as_mut().unwrap().last_mounted = "/".into()),
        ("checked", |d| d.content.root.as_mut().unwrap().checked = true),
        ("a superblock that can't be read", |d| d.content.root = None),
        ("a root of another kind", |d| d.device.partitions[1].filesystem = Some("btrfs".into())),
        ("a root of another name", |d| d.device.partitions[1].label = Some("home".into())),
        ("a partition more", |d| d.device.partitions.push(Partition::default())),
        ("a partition less", |d| drop(d.device.partitions.pop())),
        ("a partition in the MBR", |d| d.content.mbr_partitions = 1),
        ("a signature on the whole disk", |d| d.content.signatures.push(signature("zfs_member"))),
        ("names in the backup only", |d| {
            (d.content.primary, d.content.table_id) = (None, None);
            d.device.partitions.clear();
        }),
    ];
    check(unfinished("vda"), &Condition::PossiblyInstalled, &cases);
    assert_eq!(with_layout("vda").condition(), Condition::PossiblyInstalled);
}

#[test]
fn a_root_that_is_not_as_it_was_left_is_told_by_what_happened_to_it() {
    let root = unfinished("vda").content.root.unwrap();
    for (words, root) in [
        ("made since", Ext4Use { uuid: "another".into(), ..root.clone() }),
        ("checked since", Ext4Use { checked: true, ..root.clone() }),
        ("in use since: mounted 2 times, last at \"/mnt\"", Ext4Use { mounts: 2, ..root.clone() }),
    ] {
        let mut disk = unfinished("vda");
        disk.content.root = Some(root);
        assert!(disk.evidence()[0].ends_with(words), "{:?}", disk.evidence());
    }
}

#[test]
fn a_receipt_counts_for_more_than_a_marker() {
    let mut disk = unfinished("vda");
    disk.content.receipt = Some(Receipt::default());
    assert_eq!(disk.condition(), Condition::Installed);
}

#[test]
fn what_is_on_an_unfinished_disk_is_said() {
    let expected = ["partition 1: vfat \"boot\", 1 GiB", "partition 2: ext4 \"nixos\", 1 GiB"];
    assert_eq!(unfinished("vda").contents(), expected);
}

#[test]
fn of_a_device_that_was_not_read_nothing_is_said() {
    let mut drive = disk("sr0");
    drive.content = Content::default();
    assert_eq!(drive.contents(), Vec::<String>::new());
    assert_eq!(drive.condition(), Condition::Data);
}

#[test]
fn unrecognised_data_is_said_to_be_where_it_is() {
    let mut data = disk("vda");
    data.content.surface.as_mut().unwrap().first_nonzero = Some(100 << 20);
    assert_eq!(data.contents(), ["unrecognised data (first at 100 MiB)"]);
    data.content.ends.first_nonzero = Some(104_857_601);
    assert_eq!(data.contents(), ["unrecognised data (first at byte 104,857,601)"]);
    data.content.ends.first_nonzero = Some(0);
    assert_eq!(data.contents(), ["unrecognised data (first at the beginning)"]);
}

#[test]
fn no_text_from_a_disk_makes_a_line_of_its_own() {
    let mut data = disk("vda");
    let text = || Some("a\nb\u{1b}[2J".to_owned());
    data.content.signatures = vec![Signature { label: text(), ..signature("ext4\r") }];
    data.content.surface_signatures = data.content.signatures.clone();
    data.device.partitions =
        vec![Partition { label: text(), filesystem: text(), ..Partition::default() }];
    data.device.holders = vec!["dm\n0".into()];
    let contents = data.contents();
    assert_eq!(contents.len(), 4);
    assert!(contents.iter().flat_map(|c| c.chars()).all(|c| !c.is_control()), "{contents:?}");
}
