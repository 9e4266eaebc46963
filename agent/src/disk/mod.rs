//! Block devices as udev describes them, and what is on them → [`Disk`].
//!
//! [`watch`] follows udev, [`describe`] reads one device's description, [`probe`] reads the disk
//! itself, [`verdict`] says what that means and why, [`contents`] what would be lost, [`eligibility`]
//! why a disk can't be used, [`identity`] whether it is still the one that was shown.

mod contents;
pub mod describe;
pub mod eligibility;
mod ends;
mod esp;
#[cfg(test)]
pub(crate) mod examples;
pub mod ext4;
pub mod identity;
pub mod in_use;
pub mod layout;
pub mod marker;
pub mod mounts;
pub mod probe;
pub mod receipt;
pub mod seal;
pub mod signature;
pub mod stack;
pub mod store_image;
pub mod surface;
pub mod sysfs;
pub mod table;
pub mod verdict;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use ext4::Ext4Use;
use marker::Marker;
use receipt::Receipt;
use surface::Surface;
use table::Table;
use verdict::Verdict;

/// A disk: what udev and the kernel say of it, and what is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What udev and the kernel say.
    #[serde(flatten)]
    pub device: Device,
    /// What is on it.
    pub content: Content,
}

/// A whole block device, as udev and the kernel describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The kernel's name, for example `vda`.
    pub name: String,
    /// The device file, for example `/dev/vda`.
    pub node: PathBuf,
    /// Major and minor number.
    pub number: (u32, u32),
    /// The kernel's serial number of this appearance of a disk: never used twice until a reboot.
    pub diskseq: Option<u64>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// Model, as the device says it.
    pub model: Option<String>,
    /// Serial number, as lsblk shows it. Virtual disks often have none, or all the same.
    pub serial: Option<String>,
    /// Every serial number that udev or the kernel knows: a SCSI disk may have several, of which the
    /// hypervisor's settings show another one than udev's links.
    #[serde(default)]
    pub serials: Vec<String>,
    /// World Wide Name.
    pub wwn: Option<String>,
    /// udev's `ID_PATH`: the port that the disk is attached to.
    pub id_path: Option<String>,
    /// `/dev/disk/by-id/*` and the other links that udev gave the disk.
    pub links: Vec<PathBuf>,
    /// What kind of thing it is; only [`Kind::Disk`] may be installed to.
    pub kind: Kind,
    /// The kernel refuses writes.
    pub read_only: bool,
    /// The medium can be taken out, as the kernel or a memory stick's own description says.
    pub removable: bool,
    /// It is one path of several to the same disk.
    pub multipath_member: bool,
    /// Where it, a partition of it, or something built on it is mounted, or `swap`.
    pub mounts: Vec<String>,
    /// Kernel names of what is built on it: LVM, RAID, LUKS.
    pub holders: Vec<String>,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
    /// The kernel has partitions of it that udev has not looked at yet.
    #[serde(default)]
    pub unsettled: bool,
    /// File system, RAID, LVM or LUKS on the whole disk, as libblkid names it.
    pub filesystem: Option<String>,
    /// Label of that file system.
    pub label: Option<String>,
}

/// What kind of thing a block device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A disk.
    Disk,
    /// A CD or DVD drive.
    Optical,
    /// A floppy drive.
    Floppy,
    /// Something made of other things: loop, RAM, device mapper, RAID, and whatever is unknown.
    #[default]
    Other,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Number in the partition table.
    pub number: u32,
    /// The device file.
    pub node: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Name in the partition table, which a GPT has.
    pub name: Option<String>,
    /// Type in the partition table.
    pub type_id: Option<String>,
    /// File system, RAID, LVM or LUKS on it, as libblkid names it.
    pub filesystem: Option<String>,
    /// File-system label.
    pub label: Option<String>,
}

/// What is on a disk, as read from the disk itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Every signature that libblkid knows, wherever it looks for one.
    pub signatures: Vec<Signature>,
    /// What places on the surface look like, where libblkid does not look.
    #[serde(default)]
    pub surface_signatures: Vec<Signature>,
    /// The partition table's own identifier.
    pub table_id: Option<String>,
    /// The GPT at the beginning.
    #[serde(default)]
    pub primary: Option<Table>,
    /// The GPT at the end.
    #[serde(default)]
    pub backup: Option<Table>,
    /// The MBR's disk signature, where nothing is beside it; see [`seal`].
    #[serde(default)]
    pub seal: Option<u32>,
    /// Partitions in the MBR, but for those that protect a GPT.
    #[serde(default)]
    pub mbr_partitions: usize,
    /// The first and last [`probe::EDGE`] bytes are zeros.
    pub edges_zero: bool,
    /// Everything before the marker's offset is zeros.
    pub head_zero: bool,
    /// What was read at both ends, which may be more than [`probe::EDGE`].
    #[serde(default)]
    pub ends: Ends,
    /// What was read between the ends; None where the rest leaves no doubt that something is there.
    #[serde(default)]
    pub surface: Option<Surface>,
    /// [`surface::surface_digest`] as it is now, where the marker has one.
    #[serde(default)]
    pub surface_digest: Option<String>,
    /// SHA-256 of both edges and the size, in hexadecimal; empty: the disk was not read.
    pub digest: String,
    /// Our mark of an install that did not end.
    pub marker: Option<Marker>,
    /// Our receipt of one that did.
    pub receipt: Option<Receipt>,
    /// What the EFI system partition is, whatever a receipt says.
    #[serde(default)]
    pub esp: Esp,
    /// The superblock of the root file system, if that is ext4: of the marker's layout, or of nixvm's own.
    #[serde(default)]
    pub root: Option<Ext4Use>,
    /// The superblocks of ext4 on the other partitions that the marker names, by their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<u32, Ext4Use>,
    /// A file system on it has a boot loader and no receipt: another installer made it boot.
    pub foreign_loader: bool,
    /// Why the disk could not be read.
    pub unreadable: Option<String>,
}

/// What was read at both ends of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Bytes read at each end.
    pub bytes: u64,
    /// Byte offset of the first that is not zero, apart from a marker's.
    pub first_nonzero: Option<u64>,
}

/// What the EFI system partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Esp {
    /// There is no partition that could be one.
    #[default]
    Absent,
    /// It begins with zeros.
    Unformatted,
    /// A FAT file system, without a receipt.
    Empty,
    /// The same, with a file or folder of this name that no install makes.
    Used(String),
    /// It, or the receipt on it, can't be read, for this reason.
    Unreadable(String),
}

/// A format, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The format's name, libblkid's where it knows the format.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Byte offset on the disk.
    pub offset: u64,
}

/// What a disk's content means for who wants to install on it.
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "kebab-case", tag = "condition")]
#[strum(serialize_all = "kebab-case")]
pub enum Condition {
    /// Nothing is on it.
    Blank,
    /// An install of ours that did not end, and nothing since.
    Unfinished,
    /// A system that we installed.
    Installed,
    /// Partitions named as ours without evidence of how their install ended: perhaps a system in use.
    PossiblyInstalled,
    /// Something else, which may be of value.
    Data,
    /// It could not be read.
    Unreadable,
}

impl Condition {
    /// The name in records.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

impl Disk {
    /// What the content means, and why.
    pub fn verdict(&self) -> Verdict {
        verdict::verdict(self)
    }

    /// What the content means.
    pub fn condition(&self) -> Condition {
        self.verdict().condition
    }

    /// What would be lost, a phrase for each thing, most telling first; empty for a blank disk.
    pub fn contents(&self) -> Vec<String> {
        contents::phrases(self)
    }

    /// What its condition was concluded from, a phrase each.
    pub fn evidence(&self) -> Vec<String> {
        self.verdict().evidence.iter().map(ToString::to_string).collect()
    }

    /// One line to know the disk by: node, size, model, serial number.
    pub fn summary(&self) -> String {
        let mut parts = vec![
            self.device.node.display().to_string(),
            crate::format::size(self.device.size_bytes),
        ];
        parts.extend(self.device.model.clone());
        parts.extend(self.device.serial.as_ref().map(|s| format!("serial {s}")));
        parts.join(", ")
    }
}
