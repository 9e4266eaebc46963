//! Disks as they are read, and as the installer shows them.

use crate::disk::eligibility;
use crate::disk::examples;
use crate::disk::receipt::Receipt;
use crate::disk::{Content, Disk, Kind, Partition, Signature};
use crate::event::DiskView;

/// As the installer shows a disk, where the system needs as much.
pub(super) fn view(disk: &Disk) -> DiskView {
    DiskView::new(disk, eligibility::check(disk, false, None, 20 << 30))
}

/// A blank disk of 20 GiB.
pub(super) fn blank(name: &str) -> Disk {
    let mut disk = examples::disk(name);
    disk.device.size_bytes = 20 << 30;
    disk.device.model = Some("QEMU HARDDISK".to_owned());
    disk.device.serial = Some(format!("{name}-1"));
    disk
}

/// A disk with Windows on it.
pub(super) fn windows(name: &str) -> Disk {
    let mut disk = with_partitions(
        name,
        [
            (100 << 20, "EFI system partition", Some(("vfat", "SYSTEM"))),
            (16 << 20, "Microsoft reserved partition", None),
            (233 << 30, "Basic data partition", Some(("ntfs", "Windows"))),
        ],
    );
    disk.device.size_bytes = 256_060_514_304;
    disk.device.model = Some("Samsung SSD 980 PRO".to_owned());
    disk.device.serial = Some("S5GXNX0T".to_owned());
    disk
}

/// A disk with partitions: their sizes, names, and file systems with labels.
pub(super) fn with_partitions<'a>(
    name: &str,
    partitions: impl IntoIterator<Item = (u64, &'a str, Option<(&'a str, &'a str)>)>,
) -> Disk {
    let mut disk = blank(name);
    let table =
        ["gpt", "PMBR"].map(|kind| Signature { kind: kind.into(), label: None, offset: 510 });
    disk.content =
        Content { signatures: table.to_vec(), digest: disk.content.digest, ..Content::default() };
    disk.device.partitions = (1..)
        .zip(partitions)
        .map(|(number, (size_bytes, partition, filesystem))| Partition {
            number,
            node: format!("/dev/{name}{number}").into(),
            size_bytes,
            name: Some(partition.to_owned()),
            filesystem: filesystem.map(|(kind, _)| kind.to_owned()),
            label: filesystem.map(|(_, label)| label.to_owned()),
            ..Partition::default()
        })
        .collect();
    disk
}

/// A disk that was installed to, as `hostname`.
pub(super) fn installed(name: &str, hostname: &str) -> Disk {
    let mut disk = examples::with_layout(name);
    disk.device = crate::disk::Device { partitions: disk.device.partitions, ..blank(name).device };
    disk.content.receipt = Some(Receipt { hostname: hostname.to_owned(), ..Receipt::default() });
    disk
}

/// The medium that was booted.
pub(super) fn medium() -> Disk {
    let mut disk = examples::disk("sr0");
    disk.device.kind = Kind::Optical;
    disk.device.size_bytes = 1_200_000_000;
    disk.device.model = Some("QEMU DVD-ROM".to_owned());
    disk.device.serial = None;
    disk.content = Content::default();
    disk
}
