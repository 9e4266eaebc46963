//! The mount table, after disko's script → each mount of the layout, on its partition of the target, and empty.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nixvm_manifest::LayoutPartition;

use super::encryption;
use super::target::Target;
use crate::disk::mounts::Mount;
use crate::disk::stack::{self, Place};
use crate::disk::{ext4, layout};

/// The inode number of a btrfs subvolume's own folder (`BTRFS_FIRST_FREE_OBJECTID`).
const SUBVOLUME: u64 = 256;

/// Where the layout's file systems are mounted while they are installed to, the root first.
pub(super) fn paths(layout: &[LayoutPartition]) -> Vec<PathBuf> {
    let mut paths: Vec<_> = layout
        .iter()
        .flat_map(|partition| &partition.mount_points)
        .map(|path| layout::mounted_at(path))
        .collect();
    paths.sort();
    paths
}

/// Insists that each mount of the layout is there, on its partition of the target and nowhere else.
///
/// # Errors
/// One is missing, or on something else.
pub(super) fn check_layout(
    target: &Target,
    mounts: &[Mount],
    layout: &[LayoutPartition],
) -> Result<()> {
    for partition in layout {
        for path in &partition.mount_points {
            let path = layout::mounted_at(path);
            let mount = mounts.iter().rfind(|mount| mount.path == path);
            let mount =
                mount.with_context(|| format!("nothing is mounted at {}", path.display()))?;
            let wanted = Place { disk: target.number, partition: partition.number };
            let found = stack::places(mount)?;
            ensure!(
                found.iter().eq([&wanted]),
                "what is mounted at {} is not on partition {} of {} alone: nothing more is written",
                path.display(),
                partition.number,
                target.node.display()
            );
            if let Some(mapping) = &partition.mapping {
                encryption::check_encrypted(mount, mapping)?;
            }
        }
    }
    Ok(())
}

/// Insists that whatever is mounted at or below the mount point is on the target alone.
///
/// # Errors
/// Something is not.
pub(super) fn check_others(target: &Target, mounts: &[Mount]) -> Result<()> {
    for mount in on_target(mounts) {
        ensure!(
            stack::places(mount)?.iter().all(|place| place.disk == target.number),
            "what is mounted at {} is not on {}: nothing more is written",
            mount.path.display(),
            target.node.display()
        );
    }
    Ok(())
}

/// Insists that nothing but the layout's swap files is in the file systems that are mounted at or below the mount
/// point.
///
/// # Errors
/// Another file or a folder is there.
pub(super) fn check_empty(mounts: &[Mount], layout: &[LayoutPartition]) -> Result<()> {
    let swap_files: Vec<_> = layout
        .iter()
        .flat_map(|partition| &partition.swap_files)
        .map(|file| layout::mounted_at(file))
        .collect();
    let below: Vec<_> = on_target(mounts).collect();
    for mount in &below {
        for path in entries(&mount.path)? {
            let leads_to_mount = below.iter().any(|other| other.path.starts_with(&path));
            let is_ext4s = path.file_name().is_some_and(|name| name == "lost+found");
            let is_btrfs = mount.kind == "btrfs" && is_subvolumes(&path)?;
            let is_swap = swap_files.contains(&path) && is_file(&path)?;
            ensure!(
                leads_to_mount || is_ext4s || is_btrfs || is_swap,
                "the new file system at {} is not empty: {} is there",
                mount.path.display(),
                path.display()
            );
        }
    }
    Ok(())
}

fn is_file(path: &Path) -> Result<bool> {
    let metadata = path.symlink_metadata();
    Ok(metadata.with_context(|| format!("cannot look at {}", path.display()))?.is_file())
}

/// Whether there are only subvolumes, and folders that lead to some.
fn is_subvolumes(path: &Path) -> Result<bool> {
    let about = || format!("cannot look at {}", path.display());
    let metadata = path.symlink_metadata().with_context(about)?;
    if !metadata.is_dir() {
        return Ok(false);
    }
    let entries = entries(path)?;
    if entries.is_empty() {
        return Ok(metadata.ino() == SUBVOLUME);
    }
    for entry in entries {
        if !is_subvolumes(&entry)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let about = || format!("cannot list {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(about)?;
    entries.map(|entry| Ok(entry.with_context(about)?.path())).collect()
}

fn on_target(mounts: &[Mount]) -> impl Iterator<Item = &Mount> {
    mounts.iter().filter(|mount| mount.path.starts_with(layout::MOUNT_POINT))
}

/// The mount points at or below `folder`, in mounting order.
pub(super) fn below(mounts: &[Mount], folder: &str) -> Vec<PathBuf> {
    let below = mounts.iter().filter(|mount| mount.path.starts_with(folder));
    below.map(|mount| mount.path.clone()).collect()
}

/// The UUIDs of ext4 by the number of its partition; none for other file systems, and for those in LUKS, which
/// can't be read at the next start.
///
/// # Errors
/// A file system is not mounted any more, or can't be read.
pub(super) fn ext4_uuids(
    mounts: &[Mount],
    layout: &[LayoutPartition],
) -> Result<BTreeMap<u32, String>> {
    let mut found = BTreeMap::new();
    for partition in layout.iter().filter(|partition| partition.signature() == "ext4") {
        let Some(path) = partition.mount_points.first() else { continue };
        let path = layout::mounted_at(path);
        let mount = mounts.iter().rfind(|mount| mount.path == path);
        let mount = mount.with_context(|| format!("{} is not mounted any more", path.display()))?;
        let (major, minor) = mount.number;
        let node = PathBuf::from(format!("/dev/block/{major}:{minor}"));
        let read = ext4::read(&node).with_context(|| format!("cannot read {}", node.display()))?;
        found.extend(read.map(|read| (partition.number, read.uuid)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(path: &Path, kind: &str) -> Mount {
        Mount { number: (0, 1), path: path.into(), kind: kind.to_owned(), source: None }
    }

    #[test]
    fn every_mount_of_a_layout_is_flushed_and_the_root_comes_first() {
        let own = nixvm_manifest::layout::own();
        assert_eq!(paths(&own), [Path::new("/mnt"), Path::new("/mnt/boot")]);
        let mut other = own;
        other[1].mount_points = ["/var/log", "/", "/nix"].map(Into::into).to_vec();
        let expected = ["/mnt", "/mnt/boot", "/mnt/nix", "/mnt/var/log"].map(PathBuf::from);
        assert_eq!(paths(&other), expected);
    }

    #[test]
    fn mounts_in_the_scripts_folder_are_found_and_their_neighbours_are_not() {
        let table =
            ["/run/nixvm", "/run/nixvm/disko/a", "/run/nixvm/disko/a/b", "/run/nixvm/disko-x"]
                .map(|path| mount(Path::new(path), "btrfs"));
        let expected = ["/run/nixvm/disko/a", "/run/nixvm/disko/a/b"].map(PathBuf::from);
        assert_eq!(below(&table, "/run/nixvm/disko"), expected);
    }

    #[test]
    fn only_folders_that_lead_to_subvolumes_are_no_files() {
        // A plain folder has another inode number than a subvolume.
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        assert!(!is_subvolumes(&folder.path().join("a")).unwrap());
        std::fs::write(folder.path().join("file"), "x").unwrap();
        assert!(!is_subvolumes(&folder.path().join("file")).unwrap());
    }
}
