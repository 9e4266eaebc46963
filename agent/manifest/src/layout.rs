//! The partitions that disko's script makes of the disk: nixvm's own, or those of another host.
//!
//! `nix/layout.nix` describes a host's; [`own`] is what `nix/disko-config.nix` makes.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Formats that the agent can look after, as libblkid names them.
pub const FORMATS: [&str; 6] = ["vfat", "ext4", "xfs", "btrfs", "f2fs", "swap"];

/// A partition of the layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LayoutPartition {
    /// Number in the partition table.
    pub number: u32,
    /// GPT partition name: the `/dev/disk/by-partlabel` link that disko and the system mount by.
    pub name: String,
    /// What it is formatted with, as libblkid names it.
    pub filesystem: String,
    /// The name of the LUKS mapping that the file system is in, `/dev/mapper/NAME`; none where it is on the
    /// partition itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// File-system label, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it is mounted in the installed system: several places for subvolumes, none for swap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mount_points: Vec<PathBuf>,
    /// Swap files that disko's script leaves in it, each in the folder of a mount point that is not the root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swap_files: Vec<PathBuf>,
}

impl LayoutPartition {
    /// What is on the partition itself, as libblkid names it.
    pub fn signature(&self) -> &str {
        if self.mapping.is_some() { "crypto_LUKS" } else { &self.filesystem }
    }
}

/// The LUKS mappings of a layout, in the order in which they are opened.
pub fn mappings(layout: &[LayoutPartition]) -> Vec<&str> {
    layout.iter().filter_map(|partition| partition.mapping.as_deref()).collect()
}

/// The layout of nixvm's own systems.
///
/// ```
/// let [esp, root] = &*nixvm_manifest::layout::own() else { panic!("two partitions") };
/// assert_eq!((esp.number, root.number), (1, 2));
/// ```
pub fn own() -> Vec<LayoutPartition> {
    let partition =
        |number, name: &str, filesystem: &str, label: &str, mount_point: &str| LayoutPartition {
            number,
            name: name.to_owned(),
            filesystem: filesystem.to_owned(),
            mapping: None,
            label: Some(label.to_owned()),
            mount_points: vec![mount_point.into()],
            swap_files: Vec::new(),
        };
    vec![
        partition(1, "disk-main-ESP", "vfat", "boot", "/boot"),
        partition(2, "disk-main-root", "ext4", "nixos", "/"),
    ]
}

/// Refuses a layout that the agent could not check.
///
/// # Errors
/// What is wrong with it.
pub fn check(layout: &[LayoutPartition]) -> Result<()> {
    let esp = layout.first().context("it has no partition")?;
    let wanted = &own()[0];
    ensure!(
        (&esp.name, &esp.filesystem, &esp.mount_points)
            == (&wanted.name, &wanted.filesystem, &wanted.mount_points)
            && esp.mapping.is_none(),
        "its first partition is not the ESP"
    );
    let mut names = BTreeSet::new();
    let mut mount_points = BTreeSet::new();
    let mut mappings = BTreeSet::new();
    let mut files = BTreeSet::new();
    for (partition, number) in layout.iter().zip(1..) {
        let LayoutPartition { name, filesystem, .. } = partition;
        ensure!(
            partition.number == number,
            "{name} has number {}, in place {number}",
            partition.number
        );
        ensure!(names.insert(name), "two partitions are named {name}");
        ensure!(FORMATS.contains(&filesystem.as_str()), "{name} has {filesystem}");
        if let Some(mapping) = &partition.mapping {
            ensure!(is_mapping_name(mapping), "{mapping:?} is no name of a mapping");
            ensure!(mappings.insert(mapping), "two mappings are named {mapping}");
            ensure!(filesystem != "swap", "{name} has swap in LUKS");
        }
        let count = partition.mount_points.len();
        let fits = match filesystem.as_str() {
            "swap" => count == 0,
            "btrfs" => count > 0,
            _ => count == 1,
        };
        ensure!(fits, "{name} with {filesystem} has {count} mount points");
        for path in &partition.mount_points {
            ensure!(is_plain(path), "{} is no mount point", path.display());
            ensure!(mount_points.insert(path), "two mounts at {}", path.display());
        }
        for file in &partition.swap_files {
            // The copy of the system has files of its own at the root.
            let is_directly_in =
                |folder: &PathBuf| file.parent() == Some(folder) && folder != Path::new("/");
            ensure!(
                filesystem == "btrfs"
                    && is_plain(file)
                    && partition.mount_points.iter().any(is_directly_in),
                "{} is no swap file of {name}",
                file.display()
            );
            ensure!(files.insert(file), "two swap files are {}", file.display());
        }
    }
    ensure!(mount_points.contains(&PathBuf::from("/")), "it has no root file system");
    Ok(())
}

/// Whether it can be a file's name below /dev/mapper, without a sign that a shell or device-mapper takes for
/// something else.
fn is_mapping_name(name: &str) -> bool {
    let is_taken = |sign: char| sign.is_ascii_alphanumeric() || "_.-".contains(sign);
    (1..=64).contains(&name.len())
        && name.chars().all(is_taken)
        && !name.starts_with(['.', '-'])
        && name != "control"
}

/// Whether the path is absolute, without detours.
fn is_plain(path: &Path) -> bool {
    let normal = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    // Components pass over single dots and repeated slashes.
    path.is_absolute()
        && path.components().all(normal)
        && path.components().collect::<PathBuf>().as_os_str() == path.as_os_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Vec<LayoutPartition>);

    fn with(change: Change) -> Result<()> {
        let mut layout = own();
        change(&mut layout);
        check(&layout)
    }

    fn swap(number: u32) -> LayoutPartition {
        LayoutPartition {
            number,
            name: "disk-main-swap".to_owned(),
            filesystem: "swap".to_owned(),
            mapping: None,
            label: None,
            mount_points: Vec::new(),
            swap_files: Vec::new(),
        }
    }

    fn btrfs_with_swap_file(layout: &mut [LayoutPartition]) {
        layout[1].filesystem = "btrfs".to_owned();
        layout[1].mount_points = ["/", "/swap"].map(PathBuf::from).to_vec();
        layout[1].swap_files = vec!["/swap/file".into()];
    }

    #[test]
    fn own_layout_and_others_of_one_disk_are_taken() {
        let taken: [Change; 6] = [
            |l| btrfs_with_swap_file(l),
            |l| l[1].mapping = Some("crypt".to_owned()),
            |_| {},
            |l| l.push(swap(3)),
            |l| l[1].filesystem = "xfs".to_owned(),
            |l| {
                l[1].filesystem = "btrfs".to_owned();
                l[1].mount_points = ["/", "/home", "/var/log"].map(PathBuf::from).to_vec();
            },
        ];
        for (number, change) in taken.into_iter().enumerate() {
            with(change).unwrap_or_else(|error| panic!("{number}: {error}"));
        }
    }

    #[test]
    fn what_could_not_be_checked_is_refused() {
        let refused: [(Change, &str); 21] = [
            (
                |l| {
                    btrfs_with_swap_file(l);
                    l[1].swap_files.push("/swapfile".into());
                },
                "/swapfile is no swap file of disk-main-root",
            ),
            (
                |l| {
                    btrfs_with_swap_file(l);
                    l[1].mount_points.pop();
                },
                "/swap/file is no swap file of disk-main-root",
            ),
            (
                |l| {
                    btrfs_with_swap_file(l);
                    l[1].swap_files[0] = "/swap/../file".into();
                },
                "is no swap file of",
            ),
            (
                |l| {
                    btrfs_with_swap_file(l);
                    l[1].swap_files.push("/swap/file".into());
                },
                "two swap files are /swap/file",
            ),
            (|l| l[1].swap_files.push("/file".into()), "/file is no swap file of"),
            (|l| l[0].mapping = Some("crypt".to_owned()), "is not the ESP"),
            (|l| l[1].mapping = Some("a/b".to_owned()), "no name of a mapping"),
            (|l| l[1].mapping = Some("-a".to_owned()), "no name of a mapping"),
            (
                |l| {
                    l.push(swap(3));
                    l[2].mapping = Some("swap".to_owned());
                },
                "has swap in LUKS",
            ),
            (
                |l| {
                    l.push(swap(3));
                    l[2].filesystem = "ext4".to_owned();
                    l[2].mount_points = vec!["/data".into()];
                    for partition in &mut l[1..] {
                        partition.mapping = Some("crypt".to_owned());
                    }
                },
                "two mappings are named crypt",
            ),
            (Vec::clear, "no partition"),
            (|l| l.swap(0, 1), "is not the ESP"),
            (|l| l[0].name = "disk-main-boot".to_owned(), "is not the ESP"),
            (|l| l.truncate(1), "no root file system"),
            (|l| l[1].number = 3, "has number 3, in place 2"),
            (|l| l[1].name = "disk-main-ESP".to_owned(), "two partitions are named"),
            (|l| l[1].filesystem = "crypto_LUKS".to_owned(), "has crypto_LUKS"),
            (|l| l[1].mount_points.push("/home".into()), "has 2 mount points"),
            (|l| l[1].mount_points = vec!["/a/../".into()], "is no mount point"),
            (|l| l[1].mount_points = vec!["/boot".into()], "two mounts at /boot"),
            (
                |l| {
                    l.push(swap(3));
                    l[2].mount_points = vec!["/swap".into()];
                },
                "has 1 mount points",
            ),
        ];
        for (change, why) in refused {
            let error = with(change).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
