//! Disks for unit tests.

use super::ext4::Ext4Use;
use super::marker::Marker;
use super::surface::{Surface, WHOLE_ENDS};
use super::table::Table;
use super::{Content, Device, Disk, Ends, Esp, Kind, Partition, Signature, layout, seal};

/// A blank disk of 64 GiB, eligible in every way.
pub(crate) fn disk(name: &str) -> Disk {
    let index = name.bytes().last().unwrap_or_default();
    Disk {
        device: Device {
            name: name.to_owned(),
            node: format!("/dev/{name}").into(),
            number: (254, u32::from(index)),
            diskseq: Some(u64::from(index)),
            size_bytes: 64 << 30,
            sector_bytes: 512,
            serial: Some(format!("serial-{name}")),
            kind: Kind::Disk,
            ..Device::default()
        },
        content: zeros(&format!("digest-{name}")),
    }
}

/// What is read of a disk of zeros.
pub(crate) fn zeros(digest: &str) -> Content {
    Content {
        edges_zero: true,
        head_zero: true,
        ends: Ends { bytes: WHOLE_ENDS, first_nonzero: None },
        surface: Some(Surface { places: 8128, read: 8128, ..Surface::default() }),
        digest: digest.to_owned(),
        ..Content::default()
    }
}

/// A disk with the layout of an install, and nothing that says how it got there.
pub(crate) fn with_layout(name: &str) -> Disk {
    let mut disk = disk(name);
    let table = Table {
        id: "ours".into(),
        valid: true,
        names: vec![layout::ESP.name.into(), layout::ROOT.name.into()],
    };
    disk.content = Content {
        signatures: ["gpt", "PMBR"]
            .map(|kind| Signature { kind: kind.into(), label: None, offset: 510 })
            .to_vec(),
        table_id: Some(table.id.clone()),
        primary: Some(table.clone()),
        backup: Some(table),
        ends: Ends { bytes: super::probe::EDGE, first_nonzero: Some(450) },
        esp: Esp::Empty,
        root: Some(Ext4Use {
            uuid: "root".into(),
            mounts: 1,
            last_mounted: layout::MOUNT_POINT.into(),
            checked: false,
        }),
        digest: disk.content.digest,
        ..Content::default()
    };
    disk.device.partitions = [(&layout::ESP, "vfat"), (&layout::ROOT, "ext4")]
        .map(|(partition, filesystem)| Partition {
            number: partition.number,
            node: format!("/dev/{name}{}", partition.number).into(),
            size_bytes: 1 << 30,
            name: Some(partition.name.into()),
            filesystem: Some(filesystem.into()),
            label: Some(partition.label.into()),
            ..Partition::default()
        })
        .to_vec();
    disk
}

/// The marker that an install writes before anything else.
pub(crate) fn first_marker() -> Marker {
    Marker::new("1", "b", &nixvm_manifest::layout::own())
}

/// A disk with an install that was cut off.
pub(crate) fn unfinished(name: &str) -> Disk {
    let mut disk = with_layout(name);
    disk.content.seal = Some(seal::of("ours", disk.device.size_bytes));
    disk.content.marker = Some(Marker {
        table_id: Some("ours".into()),
        surface: Some("wiped".into()),
        root_uuid: Some("root".into()),
        ..first_marker()
    });
    disk
}
