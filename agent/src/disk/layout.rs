//! The names that an install leaves on a disk, as `nix/disko-config.nix` gives them, and which names of
//! other disks clash with them.

/// The link that the agent's udev rule gives to the chosen disk; disko's script knows no other name.
pub const TARGET_LINK: &str = "/dev/nixvm-target";

/// Partition 1: the EFI system partition.
pub const ESP: LayoutPartition =
    LayoutPartition { number: 1, name: "disk-main-ESP", label: "boot" };

/// Partition 2: the root file system.
pub const ROOT: LayoutPartition =
    LayoutPartition { number: 2, name: "disk-main-root", label: "nixos" };

/// Where the target is mounted while it is being installed.
pub const MOUNT_POINT: &str = "/mnt";

/// The ESP's mount point below the root.
pub const ESP_MOUNT: &str = "boot";

/// A partition of the layout.
#[derive(Debug)]
pub struct LayoutPartition {
    /// Number in the partition table.
    pub number: u32,
    /// GPT partition name: the `/dev/disk/by-partlabel` link that disko and the system mount by.
    pub name: &'static str,
    /// File-system label.
    pub label: &'static str,
}

/// Whether a partition of this name in the GPT would be taken for one of the layout's.
pub fn is_partition_name(name: &str) -> bool {
    [&ESP, &ROOT].iter().any(|partition| partition.name == name)
}

/// Whether a file system of the layout has this label. Nothing looks for it; people may.
pub fn is_label(label: &str) -> bool {
    [&ESP, &ROOT].iter().any(|partition| partition.label == label)
}
