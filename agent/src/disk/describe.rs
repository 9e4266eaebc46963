//! udev's properties and the kernel's attributes of the block devices → [`Device`]s, one for each
//! whole device, with its partitions.
//!
//! A pure function: [`super::watch`] collects the input. Property names are those that udev's
//! `60-persistent-storage.rules` and blkid builtin set, attributes those of
//! `Documentation/ABI/stable/sysfs-block` in the kernel's tree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Device, Kind, Partition};
use crate::format::printable;

/// One block device as libudev reports it.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// The kernel's name.
    pub name: String,
    /// Name of the device that a partition belongs to.
    pub parent: Option<String>,
    /// Major and minor number.
    pub number: (u32, u32),
    /// The device file.
    pub node: PathBuf,
    /// udev's properties.
    pub properties: BTreeMap<String, String>,
    /// Attributes in sysfs: those named in [`ATTRIBUTES`].
    pub attributes: BTreeMap<String, String>,
    /// Names in the device's `holders` folder.
    pub holders: Vec<String>,
    /// udev has not looked at it yet: there are no properties.
    pub unseen: bool,
}

/// The attributes that [`devices`] looks at.
pub const ATTRIBUTES: &[&str] = &[
    "size",
    "ro",
    "removable",
    "diskseq",
    "queue/logical_block_size",
    "serial",
    "wwid",
    "device/model",
    "partition",
];

/// Mount points by device number, `swap` for a swap area.
pub type Mounts = BTreeMap<(u32, u32), Vec<String>>;

/// Describes every whole block device of `raw`.
pub fn devices(raw: &[Raw], mounts: &Mounts) -> Vec<Device> {
    let by_name: BTreeMap<&str, &Raw> = raw.iter().map(|r| (r.name.as_str(), r)).collect();
    let mut devices: Vec<_> = raw
        .iter()
        .filter(|one| one.parent.is_none() && !one.unseen)
        .map(|one| {
            let parts: Vec<_> =
                raw.iter().filter(|p| p.parent.as_deref() == Some(&*one.name)).collect();
            device(one, &parts, &by_name, mounts)
        })
        .collect();
    devices.sort_by(|a, b| a.name.cmp(&b.name));
    devices
}

fn device(
    raw: &Raw,
    partitions: &[&Raw],
    by_name: &BTreeMap<&str, &Raw>,
    mounts: &Mounts,
) -> Device {
    let mut holders = Vec::new();
    let mut in_use = mounts.get(&raw.number).cloned().unwrap_or_default();
    collect_holders(raw, by_name, &mut holders);
    for partition in partitions {
        in_use.extend(mounts.get(&partition.number).into_iter().flatten().cloned());
        collect_holders(partition, by_name, &mut holders);
    }
    for holder in &holders {
        let number = by_name.get(holder.as_str()).map(|h| h.number);
        in_use.extend(number.and_then(|n| mounts.get(&n)).into_iter().flatten().cloned());
    }
    let unsettled = partitions.iter().any(|p| p.unseen);
    let mut partitions: Vec<_> =
        partitions.iter().filter(|p| !p.unseen).map(|p| partition(p)).collect();
    partitions.sort_by_key(|p| p.number);
    Device {
        name: raw.name.clone(),
        node: raw.node.clone(),
        number: raw.number,
        diskseq: raw.parse("diskseq"),
        size_bytes: raw.size_bytes(),
        sector_bytes: raw.parse("queue/logical_block_size").unwrap_or(512),
        model: raw.text(&["ID_MODEL_ENC", "ID_MODEL"]).or_else(|| raw.attribute("device/model")),
        serial: raw
            .text(SERIALS)
            .or_else(|| raw.attribute("serial"))
            .or_else(|| raw.text(&["ID_SERIAL"])),
        serials: serials(raw),
        wwn: raw.text(&["ID_WWN_WITH_EXTENSION", "ID_WWN"]).or_else(|| raw.attribute("wwid")),
        id_path: raw.text(&["ID_PATH"]),
        links: raw
            .properties
            .get("DEVLINKS")
            .map(|links| links.split_whitespace().map(PathBuf::from).collect())
            .unwrap_or_default(),
        kind: kind(raw),
        read_only: raw.attribute("ro").as_deref() == Some("1"),
        removable: raw.attribute("removable").as_deref() == Some("1"),
        multipath_member: raw.is("DM_MULTIPATH_DEVICE_PATH")
            || raw.text(&["ID_FS_TYPE"]).as_deref() == Some("mpath_member"),
        mounts: in_use,
        holders,
        partitions,
        unsettled,
        filesystem: raw.text(&["ID_FS_TYPE"]),
        label: raw.text(&["ID_FS_LABEL_ENC", "ID_FS_LABEL"]),
    }
}

/// The serial number's properties, in the order of lsblk (`misc-utils/lsblk-properties.c` in
/// util-linux).
///
/// On a SCSI disk, `ID_SERIAL_SHORT` is the device identifier, and `SCSI_IDENT_SERIAL` (sg3-utils) or
/// `ID_SCSI_SERIAL` (udev's scsi_id) the unit serial number.
const SERIALS: &[&str] = &["SCSI_IDENT_SERIAL", "ID_SCSI_SERIAL", "ID_SERIAL_SHORT"];

/// Every serial number of a disk, without those that are said twice.
fn serials(raw: &Raw) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let properties = SERIALS.iter().chain(&["ID_SERIAL"]).map(|property| raw.text(&[property]));
    for serial in properties.chain([raw.attribute("serial")]).flatten() {
        if !found.contains(&serial) {
            found.push(serial);
        }
    }
    found
}

fn partition(raw: &Raw) -> Partition {
    Partition {
        number: raw.parse("partition").unwrap_or_default(),
        node: raw.node.clone(),
        size_bytes: raw.size_bytes(),
        name: raw.text(&["ID_PART_ENTRY_NAME"]),
        type_id: raw.text(&["ID_PART_ENTRY_TYPE"]),
        filesystem: raw.text(&["ID_FS_TYPE"]),
        label: raw.text(&["ID_FS_LABEL_ENC", "ID_FS_LABEL"]),
    }
}

/// Adds the holders of `raw`, and theirs.
fn collect_holders(raw: &Raw, by_name: &BTreeMap<&str, &Raw>, found: &mut Vec<String>) {
    for holder in &raw.holders {
        // A cycle can't be, but a broken sysfs must not hang the installer.
        if found.contains(holder) {
            continue;
        }
        found.push(holder.clone());
        if let Some(holder) = by_name.get(holder.as_str()) {
            collect_holders(holder, by_name, found);
        }
    }
}

/// Tells a disk by the kernel's name for its driver's devices; an unknown name is not a disk.
fn kind(raw: &Raw) -> Kind {
    let name = raw.name.as_str();
    let rest_is_letters = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_lowercase()))
    };
    let rest_is_digits = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()))
    };
    let namespace = name.strip_prefix("nvme").and_then(|r| r.split_once('n')).is_some_and(
        |(controller, namespace)| {
            let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
            digits(controller) && digits(namespace)
        },
    );
    if raw.is("ID_CDROM") || rest_is_digits("sr") {
        Kind::Optical
    } else if rest_is_digits("fd") || raw.text(&["ID_TYPE"]).as_deref() == Some("floppy") {
        Kind::Floppy
    } else if namespace
        || rest_is_digits("mmcblk")
        || ["sd", "vd", "hd", "xvd"].iter().any(|prefix| rest_is_letters(prefix))
    {
        Kind::Disk
    } else {
        Kind::Other
    }
}

impl Raw {
    fn is(&self, property: &str) -> bool {
        self.properties.get(property).is_some_and(|value| value == "1")
    }

    /// The first of these properties that is there and not blank, decoded.
    fn text(&self, properties: &[&str]) -> Option<String> {
        properties.iter().find_map(|p| readable(self.properties.get(*p)?))
    }

    fn attribute(&self, name: &str) -> Option<String> {
        readable(self.attributes.get(name)?)
    }

    fn parse<T: std::str::FromStr>(&self, attribute: &str) -> Option<T> {
        self.attributes.get(attribute)?.trim().parse().ok()
    }

    /// The kernel counts in units of 512 bytes whatever the sector size.
    fn size_bytes(&self) -> u64 {
        self.parse::<u64>("size").unwrap_or_default().saturating_mul(512)
    }
}

/// Decodes udev's `\x20` escapes and drops what a terminal would act on.
fn readable(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if let (b'\\', [b'x', high, low, after @ ..]) = (*first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high * 16 + low);
            rest = after;
            continue;
        }
        bytes.push(*first);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = printable(&text);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(name: &str, attributes: &[(&str, &str)], properties: &[(&str, &str)]) -> Raw {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        Raw {
            name: name.to_owned(),
            node: format!("/dev/{name}").into(),
            attributes: map(attributes),
            properties: map(properties),
            ..Raw::default()
        }
    }

    #[test]
    fn only_names_of_disk_drivers_are_disks() {
        let kind_of = |name: &str| kind(&raw(name, &[], &[]));
        for disk in ["vda", "sda", "sdaa", "nvme0n1", "nvme10n2", "mmcblk0", "xvda", "hda"] {
            assert_eq!(kind_of(disk), Kind::Disk, "{disk}");
        }
        for other in [
            "loop0",
            "ram0",
            "zram0",
            "dm-0",
            "md127",
            "mtdblock0",
            "mmcblk0boot0",
            "nbd0",
            "nvme0c0n1",
            "sd",
            "vda1",
            "",
        ] {
            assert_eq!(kind_of(other), Kind::Other, "{other}");
        }
        assert_eq!(kind_of("sr0"), Kind::Optical);
        assert_eq!(kind_of("fd0"), Kind::Floppy);
        assert_eq!(kind(&raw("sda", &[], &[("ID_CDROM", "1")])), Kind::Optical);
        assert_eq!(kind(&raw("sda", &[], &[("ID_TYPE", "floppy")])), Kind::Floppy);
    }

    #[test]
    fn mounts_are_found_through_partitions_and_what_is_built_on_them() {
        let mut disk = raw("sda", &[("size", "4194304"), ("diskseq", "7")], &[]);
        disk.number = (8, 0);
        let mut part = raw("sda1", &[("size", "2048"), ("partition", "1")], &[]);
        part.parent = Some("sda".into());
        part.number = (8, 1);
        part.holders = vec!["dm-0".into()];
        let mut mapped = raw("dm-0", &[], &[]);
        mapped.number = (253, 0);
        let mounts = Mounts::from([((253, 0), vec!["/srv".to_owned()])]);
        let devices = devices(&[mapped, part, disk], &mounts);
        let disk = devices.iter().find(|d| d.name == "sda").unwrap();
        assert_eq!(disk.mounts, ["/srv"]);
        assert_eq!(disk.holders, ["dm-0"]);
        assert_eq!(disk.size_bytes, 2 << 30);
        assert_eq!(disk.diskseq, Some(7));
        assert_eq!(disk.partitions.len(), 1);
    }

    #[test]
    fn the_mount_of_an_iso_that_is_mapped_from_a_disk_is_found() {
        // Ventoy maps the sectors of the file, on the disk and not on its partition.
        let mut disk = raw("sda", &[("size", "4194304")], &[]);
        disk.holders = vec!["dm-0".into()];
        let mut mapped = raw("dm-0", &[], &[("ID_FS_LABEL", "NIXVM-X86_64")]);
        mapped.number = (253, 0);
        let mounts = Mounts::from([((253, 0), vec!["/iso".to_owned()])]);
        let devices = devices(&[mapped, disk], &mounts);
        let disk = devices.iter().find(|device| device.name == "sda").unwrap();
        assert_eq!(disk.mounts, ["/iso"]);
    }

    #[test]
    fn the_serial_number_is_the_one_of_lsblk_and_all_are_kept() {
        let with = |properties: &[(&str, &str)], attributes: &[(&str, &str)]| {
            let device = devices(&[raw("sda", attributes, properties)], &Mounts::new()).remove(0);
            (device.serial.unwrap_or_default(), device.serials)
        };
        let proxmox = [
            ("ID_SERIAL", "0QEMU_QEMU_HARDDISK_drive-scsi1"),
            ("ID_SERIAL_SHORT", "drive-scsi1"),
            ("ID_SCSI_SERIAL", "aidata2tb"),
        ];
        let (shown, all) = with(&proxmox, &[]);
        assert_eq!(shown, "aidata2tb");
        assert_eq!(all, ["aidata2tb", "drive-scsi1", "0QEMU_QEMU_HARDDISK_drive-scsi1"]);
        let smart_array = [
            ("ID_SERIAL_SHORT", "600508b1001cc7efd85211aea101823d"),
            ("ID_SCSI_SERIAL", "PDNLH0BRH58322"),
        ];
        let (_, all) = with(&smart_array, &[]);
        assert_eq!(all, ["PDNLH0BRH58322", "600508b1001cc7efd85211aea101823d"]);
        let sg3 = [("SCSI_IDENT_SERIAL", "A"), ("ID_SCSI_SERIAL", "B"), ("ID_SERIAL_SHORT", "B")];
        assert_eq!(with(&sg3, &[]), ("A".to_owned(), vec!["A".to_owned(), "B".to_owned()]));
        let virtio =
            with(&[("ID_SERIAL", "7286dfe6-7c44-4057-a")], &[("serial", "7286dfe6-7c44-4057-a")]);
        assert_eq!(
            virtio,
            ("7286dfe6-7c44-4057-a".to_owned(), vec!["7286dfe6-7c44-4057-a".to_owned()])
        );
    }

    #[test]
    fn what_a_device_says_of_itself_cannot_steer_a_terminal() {
        let disk = raw("sda", &[], &[("ID_MODEL_ENC", r"EVIL\x1b[2J\x20\x20DISK\x20\x20")]);
        let device = &devices(&[disk], &Mounts::new())[0];
        assert_eq!(device.model.as_deref(), Some("EVIL[2J  DISK"));
        assert_eq!(readable(r"\x"), Some(r"\x".to_owned()));
        assert_eq!(readable(r"\x20"), None);
    }
}
