//! One test for each way in which hypervisors have led installers to the wrong disk: what udev says
//! there → what is decided.

use std::path::Path;

use super::*;
use crate::disk::describe::{self, Mounts, Raw};
use crate::disk::{Content, Device, Kind};
use crate::plan::Refusal;

/// A device as libudev reports it: name, size in GiB, properties, attributes.
fn raw(name: &str, gib: u64, properties: &[(&str, &str)], attributes: &[(&str, &str)]) -> Raw {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let mut raw = Raw {
        name: name.to_owned(),
        node: format!("/dev/{name}").into(),
        number: (8, u32::from(name.bytes().map(u16::from).sum::<u16>())),
        properties: map(properties),
        attributes: map(attributes),
        ..Raw::default()
    };
    let size = (gib << 30) / 512;
    raw.attributes.entry("size".into()).or_insert_with(|| size.to_string());
    raw
}

fn partition(mut raw: Raw, of: &str, number: u32) -> Raw {
    raw.parent = Some(of.to_owned());
    raw.attributes.insert("partition".into(), number.to_string());
    raw
}

/// A machine with these devices, all blank that are not said to be anything.
fn world(raw: &[Raw], mounts: &[(&Raw, &str)]) -> World {
    let mounts: Mounts =
        mounts.iter().map(|(raw, place)| (raw.number, vec![(*place).to_owned()])).collect();
    World::new(describe::devices(raw, &mounts).into_iter().map(|device| {
        let blank = device.filesystem.is_none() && device.partitions.is_empty();
        let content = if blank {
            crate::disk::examples::zeros(&device.name)
        } else {
            Content { digest: device.name.clone(), ..Content::default() }
        };
        Disk { device, content }
    }))
}

fn target(world: &World) -> String {
    match world.decide() {
        Decision::Go { plan, .. } => plan.target.name,
        other => format!("{other:?}"),
    }
}

fn device<'a>(world: &'a World, name: &str) -> &'a Device {
    &world.disks.iter().find(|disk| disk.device.name == name).unwrap().device
}

#[test]
fn utm_virtio_disk_beside_the_iso_on_usb() {
    let iso = raw("sr0", 4, &[("ID_CDROM", "1"), ("ID_FS_LABEL", "NIXVM-aarch64")], &[]);
    let disk = raw("vda", 64, &[], &[("serial", "0123456789ABCDEF0123")]);
    let world = world(&[iso.clone(), disk], &[(&iso, "/iso")]);
    assert_eq!(target(&world), "vda");
    assert_eq!(device(&world, "vda").serial.as_deref(), Some("0123456789ABCDEF0123"));
}

#[test]
fn apple_virtualization_iso_looks_like_a_disk() {
    // A USB disk, not removable, not optical; copied to RAM it is not even mounted.
    let label = [("ID_FS_TYPE", "iso9660"), ("ID_FS_LABEL", "NIXVM-aarch64"), ("ID_BUS", "usb")];
    let iso = raw("sda", 100, &label, &[("ro", "1")]);
    let disk = raw("vda", 64, &[], &[]);
    assert_eq!(target(&world(&[iso.clone(), disk.clone()], &[(&iso, "/iso")])), "vda");
    let writable = raw("sda", 100, &label, &[]);
    assert_eq!(target(&world(&[writable.clone(), disk.clone()], &[])), "vda");
    let by_rule = world(&[writable, disk], &[]).answering("disk = 'largest'\nerase = 'any'");
    assert_eq!(target(&by_rule), "vda");
}

#[test]
fn the_medium_is_found_through_the_partition_that_is_mounted() {
    let stick = raw("sda", 30, &[], &[]);
    let part = partition(raw("sda1", 4, &[("ID_FS_LABEL", "OTHER")], &[]), "sda", 1);
    let disk = raw("sdb", 64, &[], &[]);
    let world = world(&[part.clone(), stick, disk], &[(&part, "/iso")]);
    assert_eq!(target(&world), "sdb");
}

#[test]
fn vmware_disks_may_have_no_identity_or_share_one() {
    let serial = [("ID_SERIAL_SHORT", "VMWare_NVME_0000")];
    let two = [raw("nvme0n1", 64, &serial, &[]), raw("nvme0n2", 64, &serial, &[])];
    let ruled = world(&two, &[]).answering("disk = 'serial=VMWare_NVME_0000'");
    assert!(matches!(ruled.decide(), Decision::Refuse(Refusal::AmbiguousRule { .. })));
    assert!(matches!(world(&two, &[]).decide(), Decision::Choose { .. }));
    let pvscsi =
        world(&[raw("sda", 64, &[("ID_PATH", "pci-0000:03:00.0-scsi-0:0:0:0")], &[])], &[]);
    assert_eq!(device(&pvscsi, "sda").serial, None);
    assert_eq!(target(&pvscsi), "sda");
}

#[test]
fn nothing_that_is_no_disk_is_a_candidate() {
    let others = [
        raw("sr0", 1, &[("ID_CDROM", "1")], &[]),
        raw("fd0", 64, &[("ID_TYPE", "floppy")], &[]),
        raw("loop0", 64, &[], &[]),
        raw("zram0", 64, &[], &[]),
        raw("ram0", 64, &[], &[]),
        raw("dm-0", 64, &[], &[]),
        raw("md127", 64, &[], &[]),
        raw("mtdblock0", 64, &[], &[]),
        raw("nbd0", 64, &[], &[]),
        raw("sdb", 0, &[], &[]),
        raw("sdc", 64, &[], &[("removable", "1")]),
        raw("sdd", 64, &[], &[("ro", "1")]),
        raw("sde", 64, &[("DM_MULTIPATH_DEVICE_PATH", "1")], &[]),
    ];
    let world = world(&others, &[]);
    assert!(matches!(world.decide(), Decision::Wait { .. }));
    for rule in ["only", "smallest", "largest", "/dev/sdc"] {
        let ruled = world.clone().answering(&format!("disk = '{rule}'\nerase = 'any'"));
        assert!(matches!(ruled.decide(), Decision::Wait { .. }), "{rule}");
    }
}

#[test]
fn what_is_built_on_a_disk_and_in_use_makes_it_untouchable() {
    let mut disk = raw("sda", 64, &[], &[]);
    let mut mapped = raw("dm-0", 60, &[], &[]);
    mapped.number = (253, 0);
    disk.holders = vec!["dm-0".into()];
    let world = world(&[disk, mapped.clone()], &[(&mapped, "/srv")]);
    assert_eq!(device(&world, "sda").mounts, ["/srv"]);
    assert!(matches!(world.decide(), Decision::Wait { .. }));
}

#[test]
fn a_rule_does_not_turn_to_another_disk_while_the_meant_one_cannot_be_used() {
    let model = [("ID_MODEL", "QEMU HARDDISK")];
    let meant = raw("sda", 500, &model, &[]);
    let part = partition(raw("sda1", 400, &[("ID_FS_TYPE", "ext4")], &[]), "sda", 1);
    let other = raw("sdb", 64, &[("ID_FS_TYPE", "ext4"), model[0]], &[]);
    let all = [meant, part.clone(), other];
    let mounted = world(&all, &[(&part, "/rescue")]);
    let mut unseen = all.clone();
    unseen[1].unseen = true;
    let unsettled = world(&unseen, &[]);
    let mut silent = world(&all, &[]);
    silent.disks[0].content.unreadable = Some("it does not answer".to_owned());
    let reasons = ["in use: /rescue", "still being checked", "it does not answer"];
    for (world, reason) in [mounted, unsettled, silent].into_iter().zip(reasons) {
        assert_eq!(world.disks[0].device.name, "sda");
        let Decision::Wait { message } =
            world.clone().answering("disk = 'largest'\nerase = 'any'").decide()
        else {
            panic!("it does not wait: {reason}")
        };
        assert!(message.contains("/dev/sda") && message.contains(reason), "{message}");
        for several in ["only", "model=QEMU*", "min-size=20G"] {
            let decision =
                world.clone().answering(&format!("disk = '{several}'\nerase = 'any'")).decide();
            let ambiguous = matches!(decision, Decision::Refuse(Refusal::AmbiguousRule { .. }));
            assert!(ambiguous, "{several}: {decision:?}");
        }
    }
}

/// Each way in which a disk can't be used, as udev says it → what is said of a rule that means it.
#[test]
fn a_rule_that_means_a_disk_which_cannot_be_used_says_why() {
    let sda = |gib, properties: &[(&str, &str)], attributes: &[(&str, &str)]| {
        raw("sda", gib, properties, attributes)
    };
    let (plain, zram) = (sda(64, &[], &[]), raw("zram0", 64, &[], &[]));
    let iso = [("ID_FS_TYPE", "iso9660"), ("ID_FS_LABEL", "NIXVM-x86_64")];
    let cases = [
        (zram, "not a disk"),
        (sda(64, &[("ID_CDROM", "1")], &[]), "a CD or DVD drive"),
        (sda(64, &[("ID_TYPE", "floppy")], &[]), "a floppy drive"),
        (sda(64, &iso, &[]), "holds "),
        (sda(64, &[("ID_FS_TYPE", "vfat"), ("ID_FS_LABEL", "nixvm")], &[]), "holds the answers"),
        (sda(0, &[], &[]), "no medium in it"),
        (sda(64, &[], &[("ro", "1")]), "read-only"),
        (sda(64, &[], &[("removable", "1")]), "removable"),
        (sda(64, &[("DM_MULTIPATH_DEVICE_PATH", "1")], &[]), "one of several paths"),
        (sda(1, &[], &[]), "too small"),
    ];
    for (raw, reason) in cases {
        let node = raw.node.display().to_string();
        let world = world(&[raw], &[]);
        let decision = world.answering(&format!("disk = '{node}'")).decide();
        let message = waits(&decision).unwrap_or_else(|| panic!("{reason}: {decision:?}"));
        let expected = format!("the rule means {node}, which can't be used: {reason}");
        assert!(message.contains(&expected), "{message}");
        assert!(message.contains("kernel command line"), "{message}");
    }
    let mounted = world(std::slice::from_ref(&plain), &[(&plain, "/rescue")]);
    let mut unsettled = world(std::slice::from_ref(&plain), &[]);
    unsettled.disks[0].device.unsettled = true;
    let mut silent = world(&[plain], &[]);
    silent.disks[0].content.unreadable = Some("it does not answer".to_owned());
    for (world, reason) in [
        (mounted, "in use: /rescue"),
        (silent, "it does not answer"),
        (unsettled, "still being checked"),
    ] {
        let decision = world.answering("disk = '/dev/sda'").decide();
        let message = waits(&decision).unwrap_or_else(|| panic!("{reason}: {decision:?}"));
        assert!(message.contains("/dev/sda") && message.contains(reason), "{message}");
    }
}

#[test]
fn a_rule_that_means_several_disks_which_cannot_be_used_says_why_of_each() {
    let model = [("ID_MODEL", "QEMU HARDDISK")];
    let stick = raw("sda", 64, &model, &[("removable", "1")]);
    let small = raw("sdb", 1, &model, &[]);
    let optical = raw("sr0", 64, &[("ID_CDROM", "1"), model[0]], &[]);
    let unusable = [stick, small, optical];
    let alone = world(&unusable, &[]);
    for rule in ["model=QEMU*", "max-size=100G"] {
        let decision = alone.clone().answering(&format!("disk = '{rule}'")).decide();
        let message = waits(&decision).unwrap();
        for part in [
            "/dev/sda, which can't be used: removable; ",
            "/dev/sdb, which can't be used: too small",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("sr0"), "it is no disk: {message}");
    }
    let none = alone.clone().answering("disk = 'serial=none'").decide();
    assert!(waits(&none).unwrap().contains("no disk matches the rule"), "{none:?}");
    let usable = raw("sdc", 64, &model, &[]);
    let beside = world(&[&unusable[..], &[usable]].concat(), &[]);
    assert_eq!(target(&beside.answering("disk = 'model=QEMU*'")), "sdc");
}

#[test]
fn two_namespaces_of_a_drive_are_told_apart_by_what_only_one_is_called() {
    let namespace = |number: u32| {
        let links = format!("/dev/disk/by-id/nvme-A_B /dev/disk/by-id/nvme-A_B_{number}");
        raw(&format!("nvme0n{number}"), 64, &[("DEVLINKS", &links)], &[("serial", "B")])
    };
    let world = world(&[namespace(1), namespace(2)], &[]);
    let own = world.clone().answering("disk = '/dev/disk/by-id/nvme-A_B_2'");
    let Decision::Go { plan, .. } = own.decide() else { panic!("{:?}", own.decide()) };
    assert_eq!(plan.target.name, "nvme0n2");
    assert_eq!(plan.configuration.disk_device, Path::new("/dev/disk/by-id/nvme-A_B_2"));
    let both = world.answering("disk = '/dev/disk/by-id/nvme-A_B'");
    assert!(matches!(both.decide(), Decision::Refuse(Refusal::AmbiguousRule { .. })));
}

#[test]
fn a_rule_passes_over_what_never_can_be_used_even_if_it_is_in_use() {
    let (disk, small) = (raw("vda", 64, &[], &[]), raw("vdb", 1, &[], &[]));
    for mounts in [&[][..], &[(&small, "swap")]] {
        let world = world(&[disk.clone(), small.clone()], mounts);
        for rule in ["smallest", "only", "max-size=100G"] {
            let ruled = world.clone().answering(&format!("disk = '{rule}'"));
            assert_eq!(target(&ruled), "vda", "{rule}, {mounts:?}");
        }
    }
}

#[test]
fn an_answers_disk_is_not_installed_to_even_if_it_is_the_larger_one() {
    let answers = raw("vdb", 500, &[("ID_FS_TYPE", "vfat"), ("ID_FS_LABEL", "nixvm")], &[]);
    let disk = raw("vda", 64, &[], &[]);
    let world = world(&[disk, answers], &[]).answering("disk = 'largest'\nerase = 'any'");
    assert_eq!(target(&world), "vda");
}

#[test]
fn a_disk_below_the_minimum_is_waited_over_and_not_squeezed_onto() {
    // VirtualBox offers 8 GiB for a new disk.
    let world = world(&[raw("sda", 8, &[], &[])], &[]);
    assert!(matches!(world.decide(), Decision::Wait { .. }));
    assert_eq!(device(&world, "sda").kind, Kind::Disk);
}

#[test]
fn the_reinstall_loop_ends_at_the_receipt() {
    // The ISO stays attached, the firmware tries it first, and no key is pressed.
    for toml in ["", "erase = 'any'\ndisk = 'only'", "erase = 'any'\ndisk = 'largest'"] {
        let decision = World::new([installed("vda")]).answering(toml).decide();
        assert!(matches!(decision, Decision::Installed { .. }), "{toml}");
    }
}
