//! Disks for unit tests.

use super::{Content, Device, Disk, Kind};

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
        content: Content {
            edges_zero: true,
            head_zero: true,
            digest: format!("digest-{name}"),
            ..Content::default()
        },
    }
}
