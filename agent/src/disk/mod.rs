//! Block devices as udev describes them, and what is on them → [`Disk`].
//!
//! [`watch`] follows udev, [`describe`] reads one device's description, [`probe`] reads the disk
//! itself, [`eligibility`] says why a disk can't be used, [`identity`] tells whether it is still the
//! one that was shown.

pub mod describe;
pub mod eligibility;
#[cfg(test)]
pub(crate) mod examples;
pub mod identity;
pub mod layout;
pub mod marker;
pub mod mounts;
pub mod probe;
pub mod receipt;
pub mod watch;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use marker::Marker;
use receipt::Receipt;

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
    /// Serial number, as the device says it. Virtual disks often have none, or all the same.
    pub serial: Option<String>,
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
    /// Every signature that libblkid knows, wherever on the disk it is.
    pub signatures: Vec<Signature>,
    /// The partition table's own identifier.
    pub table_id: Option<String>,
    /// The first and last [`probe::EDGE`] bytes are zeros.
    pub edges_zero: bool,
    /// Everything before the marker's offset is zeros.
    pub head_zero: bool,
    /// SHA-256 of both edges and the size, in hexadecimal.
    pub digest: String,
    /// Our mark of an install that did not end.
    pub marker: Option<Marker>,
    /// Our receipt of one that did.
    pub receipt: Option<Receipt>,
    /// A file system on it has a boot loader and no receipt: another installer made it boot.
    pub foreign_loader: bool,
    /// Why the disk could not be read.
    pub unreadable: Option<String>,
}

/// A signature that libblkid found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// libblkid's name of the format.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Byte offset on the disk.
    pub offset: u64,
}

/// What a disk's content means for who wants to install on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr)]
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
    /// What the content means.
    ///
    /// Whatever is not plainly one of the other conditions is data. A receipt counts for more than a
    /// marker: it is what replaces it. A marker counts only while what is on the disk is what our own
    /// install put there; the disk may have been partitioned since, or the install finished by hand,
    /// which leaves the marker where it is.
    pub fn condition(&self) -> Condition {
        let content = &self.content;
        if content.unreadable.is_some() {
            return Condition::Unreadable;
        }
        if content.receipt.is_some() {
            return Condition::Installed;
        }
        if let Some(marker) = &content.marker {
            let table_is_ours =
                marker.table_id.as_ref().is_none_or(|id| {
                    // That is noted when both partitions are there.
                    let is_there = |ours: &layout::LayoutPartition| {
                        self.device.partitions.iter().any(|p| p.name.as_deref() == Some(ours.name))
                    };
                    content.table_id.as_ref().is_some_and(|table| table.eq_ignore_ascii_case(id))
                        && is_there(&layout::ESP)
                        && is_there(&layout::ROOT)
                }) && self.device.partitions.iter().all(|partition| {
                    partition.name.as_deref().is_some_and(layout::is_partition_name)
                });
            let only_a_table =
                content.signatures.iter().all(|s| matches!(&*s.kind, "gpt" | "PMBR"));
            let is_ours = table_is_ours && only_a_table && !content.foreign_loader;
            if content.head_zero || is_ours {
                return Condition::Unfinished;
            }
        }
        let empty = content.signatures.is_empty()
            && content.edges_zero
            && self.device.partitions.is_empty()
            && self.device.filesystem.is_none();
        if empty { Condition::Blank } else { Condition::Data }
    }

    /// What would be lost, a phrase for each thing, most telling first; empty for a blank disk.
    pub fn contents(&self) -> Vec<String> {
        let mut found = Vec::new();
        for partition in &self.device.partitions {
            let what = partition.filesystem.as_deref().unwrap_or("unknown contents");
            let label = partition.label.as_deref().or(partition.name.as_deref());
            found.push(format!(
                "partition {}: {what}{}, {}",
                partition.number,
                label.map(|l| format!(" \"{l}\"")).unwrap_or_default(),
                crate::format::size(partition.size_bytes),
            ));
        }
        for signature in &self.content.signatures {
            let label = signature.label.as_ref().map(|l| format!(" \"{l}\"")).unwrap_or_default();
            let phrase = match &*signature.kind {
                "gpt" | "dos" | "PMBR" if !self.device.partitions.is_empty() => continue,
                "gpt" | "dos" | "PMBR" => format!("{} partition table", signature.kind),
                other => format!("{other}{label}"),
            };
            if !found.contains(&phrase) {
                found.push(phrase);
            }
        }
        if found.is_empty() && self.condition() == Condition::Data {
            found.push("data without a known format".to_owned());
        }
        found
    }

    /// What its condition was concluded from, a phrase each.
    pub fn evidence(&self) -> Vec<String> {
        match self.condition() {
            Condition::Blank => vec!["zeros at both ends".to_owned()],
            _ => Vec::new(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What an install that ended in the middle leaves behind.
    fn unfinished(change: impl FnOnce(&mut Disk)) -> Condition {
        let mut disk = crate::disk::examples::disk("vda");
        disk.content.head_zero = false;
        disk.content.edges_zero = false;
        disk.content.table_id = Some("A".into());
        disk.content.signatures = vec![Signature { kind: "gpt".into(), label: None, offset: 512 }];
        disk.content.marker = Some(Marker {
            version: marker::VERSION,
            attempt: "1".into(),
            build_id: "b".into(),
            table_id: Some("a".into()),
        });
        disk.device.partitions = [layout::ESP.name, layout::ROOT.name]
            .map(|name| Partition { name: Some(name.to_owned()), ..Partition::default() })
            .to_vec();
        change(&mut disk);
        disk.condition()
    }

    #[test]
    fn an_install_of_ours_that_did_not_end_is_told_from_what_came_after_it() {
        assert_eq!(unfinished(|_| {}), Condition::Unfinished);
        let is_data = |change: fn(&mut Disk)| assert_eq!(unfinished(change), Condition::Data);
        is_data(|disk| disk.content.table_id = Some("another".into()));
        is_data(|disk| disk.content.foreign_loader = true);
        is_data(|disk| disk.device.partitions[1].name = Some("home of Ada".into()));
        is_data(|disk| disk.device.partitions.push(Partition::default()));
        is_data(|disk| disk.device.partitions.clear());
        is_data(|disk| drop(disk.device.partitions.remove(0)));
        let receipt = unfinished(|disk| disk.content.receipt = Some(Receipt::default()));
        assert_eq!(receipt, Condition::Installed);
    }
}
