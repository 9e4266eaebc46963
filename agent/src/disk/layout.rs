//! The names that an install leaves on a disk, and which names of other disks clash with them: nixvm's own,
//! as `nix/disko-config.nix` gives them, or those of the manifest's layout.

use std::path::{Path, PathBuf};

use nixvm_manifest::LayoutPartition;

/// The link that the agent's udev rule gives to the chosen disk; disko's script knows no other name.
pub const TARGET_LINK: &str = "/dev/nixvm-target";

/// Partition 1: the EFI system partition.
pub const ESP: OwnPartition = OwnPartition { number: 1, name: "disk-main-ESP", label: "boot" };

/// Partition 2: the root file system.
pub const ROOT: OwnPartition = OwnPartition { number: 2, name: "disk-main-root", label: "nixos" };

/// How disko names the partitions of `disk.main`, and with it every host that can be installed.
const PREFIX: &str = "disk-main-";

/// Where the target is mounted while it is being installed.
pub const MOUNT_POINT: &str = "/mnt";

/// The ESP's mount point below the root.
pub const ESP_MOUNT: &str = "boot";

/// A partition of nixvm's own layout, which every build of the agent knows.
#[derive(Debug)]
pub struct OwnPartition {
    /// Number in the partition table.
    pub number: u32,
    /// GPT partition name: the `/dev/disk/by-partlabel` link that disko and the system mount by.
    pub name: &'static str,
    /// File-system label.
    pub label: &'static str,
}

/// Whether a partition of this name in the GPT may be one of a layout's.
pub fn is_partition_name(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Where a mount point of the installed system is while it is being installed.
pub fn mounted_at(mount_point: &Path) -> PathBuf {
    match mount_point.strip_prefix("/") {
        // Joining nothing would add a slash.
        Ok(below) if below.as_os_str().is_empty() => PathBuf::from(MOUNT_POINT),
        Ok(below) => Path::new(MOUNT_POINT).join(below),
        Err(_) => Path::new(MOUNT_POINT).join(mount_point),
    }
}

/// The partition of a layout that is mounted at /.
pub fn root_of(layout: &[LayoutPartition]) -> Option<&LayoutPartition> {
    layout.iter().find(|partition| partition.mount_points.iter().any(|path| path == Path::new("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_manifests_own_layout() {
        let own = nixvm_manifest::layout::own();
        for (partition, ours) in own.iter().zip([&ESP, &ROOT]) {
            assert_eq!((partition.number, &*partition.name), (ours.number, ours.name));
            assert_eq!(partition.label.as_deref(), Some(ours.label));
        }
        assert_eq!(root_of(&own).unwrap().name, ROOT.name);
        assert_eq!(own[0].mount_points, [Path::new("/").join(ESP_MOUNT)]);
    }

    #[test]
    fn mount_points_are_below_the_targets() {
        assert_eq!(mounted_at(Path::new("/")).as_os_str(), MOUNT_POINT);
        assert_eq!(mounted_at(Path::new("/var/log")), Path::new("/mnt/var/log"));
    }
}
