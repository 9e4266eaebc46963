//! What is known of a disk → what its content means, with the evidence for it.
//!
//! A pure function. Every condition that lets a disk go without a question needs evidence of its own
//! from several places; each doubt makes it one that is asked for.

use std::fmt;
use std::path::{Path, PathBuf};

use nixvm_manifest::LayoutPartition;

use super::ext4::Ext4Use;
use super::marker::Marker;
use super::surface::{Surface, WHOLE_ENDS};
use super::{Condition, Content, Disk, Esp, Partition, layout, probe, seal};

/// What a disk's content means, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the content means.
    pub condition: Condition,
    /// What that rests on; each has words for people.
    pub evidence: Vec<Evidence>,
}

/// Something that was found on a disk, or not found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing but zeros at both ends and at so many places between.
    Zeros {
        /// Bytes read at each end.
        end_bytes: u64,
        /// Places read between the ends.
        places: usize,
    },
    /// Something else than zeros at this offset, in bytes.
    NonzeroAt(u64),
    /// The disk was too slow for enough places to be read.
    TooFewPlaces(Surface),
    /// Only a part of the disk was read: what was found there is enough to ask.
    NotRead,
    /// The marker of an unfinished install.
    Marker,
    /// The disk is as it was after it was wiped for that install.
    OnlyWiped,
    /// Partition table and file systems are those of that install.
    OnlyInstalledTo,
    /// A receipt.
    Receipt,
    /// A signature, partition table or partition.
    Signature,
    /// Something is built on the disk.
    HeldBy(Vec<String>),
    /// A partition with a name of the layout.
    OwnName(String),
    /// The EFI system partition can't be read as one.
    UnreadableEsp(String),
    /// A file or folder of this name on the EFI system partition that no install makes.
    EspUsed(String),
    /// A boot loader in place, and no receipt.
    Loader,
    /// The table with the marker's identifier is gone, damaged, or another one.
    OtherTable,
    /// Something was written to the wiped disk.
    WrittenSince,
    /// A partition that the install did not make, or not like this.
    OtherPartition,
    /// The root file system was used since the install.
    RootUsed(Ext4Use),
    /// The root file system is not the one that the install made.
    OtherRoot,
    /// The root file system does not tell whether it was used.
    RootUnknown,
    /// The file system for this place was made or used since, or does not tell.
    OtherUsed(PathBuf),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zeros { end_bytes, places: 0 } => {
                write!(f, "zeros in the first and last {} MiB", end_bytes >> 20)
            }
            Self::Zeros { end_bytes, places } => write!(
                f,
                "zeros in the first and last {} MiB and at {} places between",
                end_bytes >> 20,
                grouped(*places as u64)
            ),
            Self::NonzeroAt(offset) => {
                write!(f, "unrecognised data (first at {})", position(*offset))
            }
            Self::TooFewPlaces(surface) => write!(
                f,
                "perhaps data: the disk is slow, only {} of {} places were read",
                grouped(surface.read as u64),
                grouped(surface.places as u64)
            ),
            Self::NotRead => f.write_str("perhaps data: not all that counts was read"),
            Self::Marker => f.write_str("the marker of an unfinished install"),
            Self::OnlyWiped => f.write_str("nothing was written since it was wiped"),
            Self::OnlyInstalledTo => {
                f.write_str("nothing but the partitions of an unfinished install")
            }
            Self::Receipt => f.write_str("the receipt of a complete install"),
            Self::Signature => f.write_str("a signature"),
            Self::HeldBy(holders) => write!(f, "in use by {}", holders.join(", ")),
            Self::OwnName(name) => write!(f, "a partition named {name}"),
            Self::UnreadableEsp(why) => write!(f, "an EFI system partition: {why}"),
            Self::EspUsed(name) => write!(f, "{name} on the EFI system partition"),
            Self::Loader => f.write_str("a boot loader without a receipt"),
            Self::OtherTable => f.write_str("not the unfinished install's partition table"),
            Self::WrittenSince => f.write_str("data written since it was wiped"),
            Self::OtherPartition => f.write_str("not only the unfinished install's partitions"),
            Self::RootUsed(Ext4Use { checked: true, .. }) => {
                f.write_str("a root file system that was checked since")
            }
            Self::OtherRoot => f.write_str("a root file system that was made since"),
            Self::RootUsed(found) => write!(
                f,
                "a root file system in use since: mounted {} times, last at {:?}",
                found.mounts, found.last_mounted
            ),
            Self::RootUnknown => f.write_str("a root file system that may have been used since"),
            Self::OtherUsed(mount_point) => {
                write!(
                    f,
                    "a file system for {} that may have been used since",
                    mount_point.display()
                )
            }
        }
    }
}

/// An offset: in MiB where it is a multiple of that.
pub(super) fn position(offset: u64) -> String {
    match offset {
        0 => "the beginning".to_owned(),
        _ if offset.is_multiple_of(1 << 20) => format!("{} MiB", grouped(offset >> 20)),
        _ => format!("byte {}", grouped(offset)),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Judges a disk.
pub fn verdict(disk: &Disk) -> Verdict {
    let content = &disk.content;
    let of = |condition, evidence| Verdict { condition, evidence };
    if content.unreadable.is_some() {
        return of(Condition::Unreadable, Vec::new());
    }
    // A receipt counts for more than a marker: it is what replaces it.
    if content.receipt.is_some() {
        return of(Condition::Installed, vec![Evidence::Receipt]);
    }
    let mut doubts = Vec::new();
    if let Some(marker) = &content.marker {
        match unfinished(disk, marker) {
            Ok(evidence) => return of(Condition::Unfinished, vec![Evidence::Marker, evidence]),
            Err(doubt) => doubts.push(doubt),
        }
    } else {
        match zeros(disk) {
            Ok(evidence) => return of(Condition::Blank, vec![evidence]),
            Err(doubt) => doubts.push(doubt),
        }
    }
    let own_name = own_name(disk).map(|name| Evidence::OwnName(name.to_owned()));
    let possibly_installed =
        own_name.is_some() || doubts.iter().any(|doubt| matches!(doubt, Evidence::Loader));
    doubts.extend(own_name);
    if let Esp::Unreadable(why) = &content.esp {
        doubts.push(Evidence::UnreadableEsp(why.clone()));
    }
    of(if possibly_installed { Condition::PossiblyInstalled } else { Condition::Data }, doubts)
}

/// Whether the disk holds nothing but zeros, as far as was looked; its marker is passed over.
fn zeros(disk: &Disk) -> Result<Evidence, Evidence> {
    let (device, content) = (&disk.device, &disk.content);
    if !device.holders.is_empty() {
        return Err(Evidence::HeldBy(device.holders.clone()));
    }
    if !device.partitions.is_empty()
        || device.filesystem.is_some()
        || !content.signatures.is_empty()
        || !content.surface_signatures.is_empty()
        || content.primary.is_some()
        || content.backup.is_some()
        || content.table_id.is_some()
        || content.mbr_partitions > 0
    {
        return Err(Evidence::Signature);
    }
    if let Some(offset) = content.ends.first_nonzero {
        return Err(Evidence::NonzeroAt(offset));
    }
    let end_bytes = WHOLE_ENDS.min(device.size_bytes);
    let Some(surface) = content.surface.as_ref().filter(|_| content.ends.bytes >= end_bytes) else {
        return Err(Evidence::NotRead);
    };
    if let Some(offset) = surface.first_nonzero {
        return Err(Evidence::NonzeroAt(offset));
    }
    if !surface.is_zero() {
        return Err(Evidence::TooFewPlaces(surface.clone()));
    }
    if content.marker.is_none() && !content.edges_zero {
        return Err(Evidence::NotRead);
    }
    Ok(Evidence::Zeros { end_bytes, places: surface.read })
}

/// Whether nothing else is there than what an install of ours leaves that was cut off.
///
/// It writes, in this order: the marker; zeros over the ends of the disk and of its partitions; the
/// marker with the fingerprint of the wiped surface; partition table and file systems; the table's
/// seal; the marker with the identifiers of table and root file system.
fn unfinished(disk: &Disk, marker: &Marker) -> Result<Evidence, Evidence> {
    let (device, content) = (&disk.device, &disk.content);
    if !device.holders.is_empty() {
        return Err(Evidence::HeldBy(device.holders.clone()));
    }
    if content.foreign_loader {
        return Err(Evidence::Loader);
    }
    let is_table = |kind: &str| matches!(kind, "gpt" | "PMBR");
    if device.filesystem.is_some()
        || content.mbr_partitions > 0
        || !content.signatures.iter().all(|signature| is_table(&signature.kind))
    {
        return Err(Evidence::Signature);
    }
    let only_wiped = marker.surface.is_some() && marker.surface == content.surface_digest;
    let Some(primary) = &content.primary else {
        if let Ok(zeros) = zeros(disk) {
            return Ok(zeros);
        }
        let is_bare = content.signatures.is_empty()
            && content.backup.is_none()
            && device.partitions.is_empty()
            && wiped_ends(content, device.size_bytes);
        return match (&marker.table_id, is_bare) {
            (Some(_), _) => Err(Evidence::OtherTable),
            (None, false) => Err(Evidence::Signature),
            (None, true) if only_wiped => Ok(Evidence::OnlyWiped),
            (None, true) => Err(Evidence::WrittenSince),
        };
    };
    let seal_of = |id: &str| seal::of(id, device.size_bytes);
    let is_marked = match &marker.table_id {
        Some(id) => primary.id.eq_ignore_ascii_case(id) && content.seal == Some(seal_of(id)),
        // Only once the wiping has ended can there be a table that the install made; sgdisk protects
        // it by an MBR with nothing else in it.
        None => {
            let seals = [0, seal_of(&primary.id)];
            marker.surface.is_some() && content.seal.is_some_and(|seal| seals.contains(&seal))
        }
    };
    // The kernel knows no table that was made for sectors of another size.
    let is_in_use = content.table_id.as_ref() == Some(&primary.id);
    let same = content.backup.as_ref().is_none_or(|backup| backup == primary);
    if !primary.valid || !is_marked || !is_in_use || !same {
        return Err(Evidence::OtherTable);
    }
    let ours = marker.partitions();
    nixvm_manifest::layout::check(&ours).map_err(|_| Evidence::OtherPartition)?;
    partitions_are_ours(&device.partitions, &primary.names, &ours, marker, only_wiped)?;
    if device.partitions.is_empty() {
        return Ok(Evidence::OnlyWiped);
    }
    let root = layout::root_of(&ours).ok_or(Evidence::OtherPartition)?;
    let on = |ours: &LayoutPartition| {
        let found = device.partitions.iter().find(|found| found.name.as_ref() == Some(&ours.name));
        found.and_then(|found| found.filesystem.as_deref())
    };
    let is_bare = content.others.is_empty() && ours[1..].iter().all(|ours| on(ours).is_none());
    match (&content.esp, on(root), &content.root) {
        (Esp::Unreadable(why), ..) => return Err(Evidence::UnreadableEsp(why.clone())),
        (Esp::Used(name), ..) => return Err(Evidence::EspUsed(name.clone())),
        (Esp::Absent, ..) => return Err(Evidence::OtherPartition),
        // Nothing is formatted yet: then nothing was written to the partitions.
        (Esp::Unformatted, None, None) if marker.table_id.is_none() && only_wiped && is_bare => {
            return Ok(Evidence::OnlyWiped);
        }
        (Esp::Unformatted, ..) => return Err(Evidence::WrittenSince),
        (Esp::Empty, Some("ext4"), Some(found)) if marker.root_uuid.is_some() => {
            if Some(&found.uuid) != marker.root_uuid.as_ref() {
                return Err(Evidence::OtherRoot);
            }
            if !found.is_only_installed_to(Path::new("/")) {
                return Err(Evidence::RootUsed(found.clone()));
            }
        }
        // Another file system than ext4 has nothing that tells, nor has one in LUKS, or one that is not noted yet.
        (Esp::Empty, ..) => return Err(Evidence::RootUnknown),
    }
    for other in ours[1..].iter().filter(|other| other.number != root.number) {
        other_is_ours(other, on(other), content, marker)?;
    }
    Ok(Evidence::OnlyInstalledTo)
}

/// Whether a partition beside the ESP and the root is as the install left it.
fn other_is_ours(
    ours: &LayoutPartition,
    filesystem: Option<&str>,
    content: &Content,
    marker: &Marker,
) -> Result<(), Evidence> {
    let mount_point = ours.mount_points.first();
    match (filesystem, mount_point, content.others.get(&ours.number)) {
        // What is swapped out is of no value without the system that did it.
        (Some("swap"), None, None) => Ok(()),
        (Some("ext4"), Some(mount_point), Some(found))
            if marker.other_uuids.get(&ours.number) == Some(&found.uuid)
                && found.is_only_installed_to(mount_point) =>
        {
            Ok(())
        }
        (_, Some(mount_point), _) => Err(Evidence::OtherUsed(mount_point.clone())),
        (_, None, _) => Err(Evidence::OtherPartition),
    }
}

/// Whether both ends of the disk are as wiping leaves them.
fn wiped_ends(content: &Content, size: u64) -> bool {
    let between = probe::EDGE..size.saturating_sub(probe::EDGE);
    content.ends.bytes > 0 && content.ends.first_nonzero.is_none_or(|o| between.contains(&o))
}

/// Whether table and kernel have the layout's partitions and no other, or the first of them while the
/// table was being written.
fn partitions_are_ours(
    partitions: &[Partition],
    names: &[String],
    ours: &[LayoutPartition],
    marker: &Marker,
    only_wiped: bool,
) -> Result<(), Evidence> {
    let is_made_so = names.len() == partitions.len()
        && partitions.len() <= ours.len()
        && partitions.iter().zip(names).zip(ours).all(|((partition, name), ours)| {
            let is_formatted_so = match &partition.filesystem {
                None => true,
                Some(found) => found == ours.signature() && is_labelled(partition, ours),
            };
            *name == ours.name && partition.name.as_ref() == Some(&ours.name) && is_formatted_so
        });
    let is_all = partitions.len() == ours.len();
    // Nothing is formatted before all of them are made.
    let is_some = marker.table_id.is_none() && only_wiped;
    if is_made_so && (is_all || is_some) { Ok(()) } else { Err(Evidence::OtherPartition) }
}

/// Whether the file system's label is the layout's, as far as that is known; a LUKS header has none.
fn is_labelled(partition: &Partition, ours: &LayoutPartition) -> bool {
    if ours.mapping.is_some() {
        return partition.label.is_none();
    }
    ours.label.as_ref().is_none_or(|ours| {
        partition.label.as_ref().is_some_and(|label| label.eq_ignore_ascii_case(ours))
    })
}

/// A name of the layout that a partition has: in the kernel's view or in a table on the disk.
fn own_name(disk: &Disk) -> Option<&str> {
    let tables = disk.content.primary.iter().chain(&disk.content.backup);
    let in_tables = tables.flat_map(|table| &table.names).map(String::as_str);
    let in_kernel = disk.device.partitions.iter().filter_map(|p| p.name.as_deref());
    in_kernel.chain(in_tables).find(|name| layout::is_partition_name(name))
}

#[cfg(test)]
mod tests;
