//! Layouts beside nixvm's own that the stand-in's script of disko makes, as their manifests have them.

use nixvm_manifest::LayoutPartition;

/// A layout.
pub(crate) struct Layout {
    /// Its name, after that of the script.
    pub(crate) name: &'static str,
    /// Its partitions.
    pub(super) partitions: fn() -> Vec<LayoutPartition>,
}

/// XFS, swap, and an ext4 for /home.
pub(crate) const XFS_WITH_HOME: Layout = Layout {
    name: "xfs-with-home",
    partitions: || {
        vec![
            partition(1, "ESP", "vfat", Some("boot"), &["/boot"]),
            partition(2, "root", "xfs", Some("nixos"), &["/"]),
            partition(3, "swap", "swap", None, &[]),
            partition(4, "home", "ext4", None, &["/home"]),
        ]
    },
};

/// One btrfs in several places.
pub(crate) const BTRFS_SUBVOLUMES: Layout = Layout {
    name: "btrfs-subvolumes",
    partitions: || {
        let places = ["/", "/home", "/nix", "/var/log"];
        vec![
            partition(1, "ESP", "vfat", Some("boot"), &["/boot"]),
            partition(2, "root", "btrfs", Some("nixos"), &places),
        ]
    },
};

/// nixvm's own layout, with its root in LUKS.
pub(crate) const LUKS_EXT4: Layout = Layout {
    name: "luks-ext4",
    partitions: || {
        let root = partition(2, "root", "ext4", Some("nixos"), &["/"]);
        vec![
            partition(1, "ESP", "vfat", Some("boot"), &["/boot"]),
            LayoutPartition { mapping: Some("crypt".to_owned()), ..root },
        ]
    },
};

/// btrfs with subvolumes in LUKS, one of which has a swap file.
pub(crate) const LUKS_BTRFS: Layout = Layout {
    name: "luks-btrfs",
    partitions: || {
        let mut partitions = (BTRFS_SUBVOLUMES.partitions)();
        partitions[1].mapping = Some("crypt".to_owned());
        partitions[1].mount_points.push("/swap".into());
        partitions[1].swap_files.push("/swap/swapfile".into());
        partitions
    },
};

/// All of them.
pub(super) const LAYOUTS: [Layout; 4] = [XFS_WITH_HOME, BTRFS_SUBVOLUMES, LUKS_EXT4, LUKS_BTRFS];

fn partition(
    number: u32,
    name: &str,
    filesystem: &str,
    label: Option<&str>,
    mount_points: &[&str],
) -> LayoutPartition {
    LayoutPartition {
        number,
        name: format!("disk-main-{name}"),
        filesystem: filesystem.to_owned(),
        mapping: None,
        label: label.map(str::to_owned),
        mount_points: mount_points.iter().map(Into::into).collect(),
        swap_files: Vec::new(),
    }
}
