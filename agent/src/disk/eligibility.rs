//! A disk and what else is attached → whether it may be installed to at all, and if not, why.
//!
//! The labels by which the installer's own volumes are known are here, for that is the first thing that they
//! decide: such a disk is never a target.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::{Device, Disk, Kind};
use crate::format;

/// Beginning of our ISOs' volume labels.
pub const MEDIUM_LABEL_PREFIX: &str = "NIXVM-";

/// Label of a volume with answers, in capital or small letters: FAT has only the former.
pub const ANSWERS_LABEL: &str = "NIXVM";

/// Label of a volume of cloud-init's NoCloud, in capital or small letters.
pub const NO_CLOUD_LABEL: &str = "cidata";

/// Why a disk can't be used, whatever was confirmed.
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "kebab-case", tag = "reason")]
#[strum(serialize_all = "kebab-case")]
pub enum Ineligible {
    /// It is not a disk.
    NotADisk,
    /// A CD or DVD drive.
    Optical,
    /// A floppy drive.
    Floppy,
    /// The live system runs from it.
    BootMedium,
    /// An installer's ISO is on it: perhaps the one that the live system was started from.
    InstallerIso,
    /// It holds the answers file.
    AnswersVolume,
    /// Its size is zero: a drive without a medium.
    Empty,
    /// The kernel refuses writes.
    ReadOnly,
    /// A memory stick or another medium that can be taken out.
    Removable,
    /// One path of several to the same disk.
    MultipathMember,
    /// It, or something built on it, is in use.
    InUse {
        /// Mount points, `swap`, or what is in use of it where these do not show it.
        mounts: Vec<String>,
    },
    /// Too small for the system.
    TooSmall {
        /// What is needed, in bytes.
        minimum_bytes: u64,
    },
    /// udev does not know all of its partitions yet.
    Unsettled,
    /// It can't be read.
    Unreadable {
        /// What happened.
        error: String,
    },
}

impl Ineligible {
    /// The name in records and on D-Bus.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Whether it may be otherwise in a moment, though the disk stays what it is.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Unsettled | Self::Unreadable { .. })
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADisk => f.write_str("not a disk"),
            Self::Optical => f.write_str("a CD or DVD drive"),
            Self::Floppy => f.write_str("a floppy drive"),
            Self::BootMedium => f.write_str("holds this installer"),
            Self::InstallerIso => f.write_str("holds an installer ISO"),
            Self::AnswersVolume => f.write_str("holds the answers file"),
            Self::Empty => f.write_str("no medium in it"),
            Self::ReadOnly => f.write_str("read-only"),
            Self::Removable => f.write_str("removable"),
            Self::MultipathMember => f.write_str("one of several paths to a disk"),
            Self::InUse { mounts } => write!(f, "in use: {}", mounts.join(", ")),
            Self::TooSmall { minimum_bytes } => {
                write!(f, "too small: needs {}", format::size_needed(*minimum_bytes))
            }
            Self::Unsettled => f.write_str("still being checked"),
            Self::Unreadable { error } => write!(f, "unreadable: {error}"),
        }
    }
}

/// Says whether `disk` may be installed to.
///
/// `is_boot_medium`: the live system is mounted from it. `volume_label` is that of the ISO: a live
/// system that runs from memory has nothing mounted from its medium.
///
/// The order of the questions is that of what a person would say first about the disk.
///
/// # Errors
/// The reason why not.
pub fn check(
    disk: &Disk,
    is_boot_medium: bool,
    volume_label: Option<&str>,
    minimum_bytes: u64,
) -> Result<(), Ineligible> {
    let device = &disk.device;
    match device.kind {
        Kind::Disk => {}
        Kind::Optical => return Err(Ineligible::Optical),
        Kind::Floppy => return Err(Ineligible::Floppy),
        Kind::Other => return Err(Ineligible::NotADisk),
    }
    if is_boot_medium {
        return Err(Ineligible::BootMedium);
    }
    if any_file_system(device, |kind, label| is_medium(kind, label, volume_label)) {
        return Err(Ineligible::InstallerIso);
    }
    let answers = [ANSWERS_LABEL, NO_CLOUD_LABEL];
    if any_file_system(device, |_, label| answers.iter().any(|l| label.eq_ignore_ascii_case(l))) {
        return Err(Ineligible::AnswersVolume);
    }
    if device.size_bytes == 0 {
        return Err(Ineligible::Empty);
    }
    if device.read_only {
        return Err(Ineligible::ReadOnly);
    }
    if device.removable {
        return Err(Ineligible::Removable);
    }
    if device.multipath_member {
        return Err(Ineligible::MultipathMember);
    }
    // What never can be used comes before what can't be now: a rule waits for the latter.
    if device.size_bytes < minimum_bytes {
        return Err(Ineligible::TooSmall { minimum_bytes });
    }
    if !device.mounts.is_empty() {
        return Err(Ineligible::InUse { mounts: device.mounts.clone() });
    }
    if device.unsettled {
        return Err(Ineligible::Unsettled);
    }
    if let Some(error) = &disk.content.unreadable {
        return Err(Ineligible::Unreadable { error: error.clone() });
    }
    Ok(())
}

/// An ISO of ours; a file system or RAID array of a user's may be called as if it were.
fn is_medium(kind: &str, label: &str, volume_label: Option<&str>) -> bool {
    let has_prefix = label
        .get(..MEDIUM_LABEL_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(MEDIUM_LABEL_PREFIX));
    let is_own =
        volume_label.is_some_and(|own| label.trim_end().eq_ignore_ascii_case(own.trim_end()));
    kind == "iso9660" && (has_prefix || is_own)
}

/// Whether kind and label of what is on the whole device or on a partition satisfy `test`.
fn any_file_system(device: &Device, test: impl Fn(&str, &str) -> bool) -> bool {
    let whole = (&device.filesystem, &device.label);
    let partitions = device.partitions.iter().map(|part| (&part.filesystem, &part.label));
    std::iter::once(whole).chain(partitions).any(|(kind, label)| {
        label.as_deref().is_some_and(|label| test(kind.as_deref().unwrap_or_default(), label))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMUM: u64 = 20 << 30;

    fn reason(change: impl FnOnce(&mut Disk)) -> Option<Ineligible> {
        let mut disk = crate::disk::examples::disk("vda");
        change(&mut disk);
        check(&disk, false, Some("WORK-ISO"), MINIMUM).err()
    }

    #[test]
    fn a_plain_disk_is_eligible_but_where_the_live_system_runs_from_it() {
        assert_eq!(reason(|_| {}), None);
        let medium = check(&crate::disk::examples::disk("vda"), true, None, MINIMUM);
        assert_eq!(medium, Err(Ineligible::BootMedium));
    }

    #[test]
    fn each_reason_is_found_alone() {
        use Ineligible as I;
        type Case = (fn(&mut Disk), Ineligible);
        let cases: [Case; 13] = [
            (|d| d.device.kind = Kind::Other, I::NotADisk),
            (|d| d.device.kind = Kind::Optical, I::Optical),
            (|d| d.device.kind = Kind::Floppy, I::Floppy),
            (
                |d| {
                    d.device.filesystem = Some("iso9660".into());
                    d.device.label = Some("nixvm-x86_64".into());
                },
                I::InstallerIso,
            ),
            (|d| d.device.label = Some("nixvm".into()), I::AnswersVolume),
            (|d| d.device.size_bytes = 0, I::Empty),
            (|d| d.device.read_only = true, I::ReadOnly),
            (|d| d.device.removable = true, I::Removable),
            (|d| d.device.multipath_member = true, I::MultipathMember),
            (|d| d.device.mounts = vec!["/x".into()], I::InUse { mounts: vec!["/x".into()] }),
            (|d| d.device.size_bytes = MINIMUM - 1, I::TooSmall { minimum_bytes: MINIMUM }),
            (|d| d.device.unsettled = true, I::Unsettled),
            (|d| d.content.unreadable = Some("EIO".into()), I::Unreadable { error: "EIO".into() }),
        ];
        for (change, expected) in cases {
            assert_eq!(reason(change), Some(expected));
        }
    }

    #[test]
    fn labels_of_partitions_count() {
        let with = |kind: &str, label: &str| {
            reason(|disk| {
                let partition = super::super::Partition {
                    filesystem: Some(kind.to_owned()),
                    label: Some(label.to_owned()),
                    ..super::super::Partition::default()
                };
                disk.device.partitions.push(partition);
            })
        };
        assert_eq!(with("vfat", "NIXVM"), Some(Ineligible::AnswersVolume));
        assert_eq!(with("vfat", "CIDATA"), Some(Ineligible::AnswersVolume));
        assert_eq!(with("iso9660", "cidata"), Some(Ineligible::AnswersVolume));
        assert_eq!(with("iso9660", "NIXVM-AARCH64"), Some(Ineligible::InstallerIso));
        assert_eq!(with("iso9660", "work-iso"), Some(Ineligible::InstallerIso), "the manifest's");
        assert_eq!(with("iso9660", "debian"), None);
        assert_eq!(with("ext4", "WORK-ISO"), None);
        assert_eq!(with("iso9660", "nixvmé"), None);
        assert_eq!(with("ext4", "data"), None);
        assert_eq!(with("linux_raid_member", "nixvm-installer:0"), None, "named after the host");
    }
}
