//! The mount of the live system's store → the block device that its image is on, and whether that is in
//! memory.
//!
//! The image is read from the device that the kernel has mounted, whatever backs it: a file on the ISO,
//! a copy of it in memory, a file of the initramfs. The path of such a file is of no use: the last one is
//! deleted when the real root takes over, and what is mounted below an initramfs can't be reached from
//! there. That it can't is what tells that the image is in memory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::mounts::{self, Mount};

/// File systems whose files are in memory.
const IN_MEMORY: &[&str] = &["tmpfs", "ramfs", "rootfs"];

/// The mounted image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreImage {
    /// The device file.
    pub node: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// It takes that much of the machine's memory, and will until the machine restarts.
    pub in_memory: bool,
}

/// Finds the image that is mounted at `mount_point`; all paths are below `root`, which is `/` but for
/// tests.
///
/// # Errors
/// Nothing is mounted there, or no image is; or the kernel does not know its device.
pub fn find(root: &Path, mount_point: &Path) -> Result<StoreImage> {
    let mounts = mounts::table_below(root)?;
    let mount = mounts.iter().rfind(|mount| mount.path == mount_point);
    let mount =
        mount.with_context(|| format!("nothing is mounted at {}", mount_point.display()))?;
    ensure!(
        mount.kind == "squashfs",
        "what is mounted at {} is of the type {} and not squashfs",
        mount_point.display(),
        mount.kind
    );
    let (major, minor) = mount.number;
    let sysfs = root.join(format!("sys/dev/block/{major}:{minor}"));
    let read = |attribute: &str| {
        let path = sysfs.join(attribute);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let event = read("uevent")?;
    let name = event.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    let name = name.with_context(|| format!("the device {major}:{minor} has no name"))?;
    let sectors: u64 = read("size")?.trim().parse().context("a device's size is no number")?;
    let backing_file = read("loop/backing_file").ok();
    let backing_file = backing_file.as_deref().map(|text| Path::new(text.trim_end_matches('\n')));
    Ok(StoreImage {
        node: root.join("dev").join(name),
        // The kernel counts in units of 512 bytes whatever the sector size.
        size_bytes: sectors.saturating_mul(512),
        in_memory: backing_file.is_some_and(|file| is_in_memory(root, file, &mounts)),
    })
}

/// Whether a loop device's file is in memory: on a file system of that kind, or in an initramfs that is
/// no longer there.
fn is_in_memory(root: &Path, file: &Path, mounts: &[Mount]) -> bool {
    let below = file.strip_prefix("/").unwrap_or(file);
    if !root.join(below).exists() {
        return true;
    }
    // Of mounts at one place, the last hides the others.
    let depth = |mount: &&Mount| mount.path.components().count();
    let mount = mounts.iter().filter(|mount| file.starts_with(&mount.path)).max_by_key(depth);
    mount.is_some_and(|mount| IN_MEMORY.contains(&mount.kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::examples;

    const STORE: &str = "/nix/.ro-store";

    /// A live system whose store is on loop1, which has this file; of the other mounts it has these.
    fn live(backing_file: &str, mounts: &str, files: &[&str]) -> tempfile::TempDir {
        let table = format!("{mounts}30 22 7:1 / {STORE} ro shared:9 - squashfs /dev/loop1 ro\n");
        let backing_file = format!("{backing_file}\n");
        let mut all = vec![
            ("proc/self/mountinfo", table.as_str()),
            ("sys/dev/block/7:1/uevent", "MAJOR=7\nMINOR=1\nDEVNAME=loop1\nDEVTYPE=disk\n"),
            ("sys/dev/block/7:1/size", "2048\n"),
            ("sys/dev/block/7:1/loop/backing_file", &backing_file),
        ];
        all.extend(files.iter().map(|file| (*file, "")));
        examples::root(&all)
    }

    const ISO: &str =
        "22 1 0:22 / / rw - tmpfs tmpfs rw\n25 22 11:0 / /iso ro - iso9660 /dev/sr0 ro\n";
    const COPY: &str = "22 1 0:22 / / rw - tmpfs tmpfs rw\n25 22 0:25 / /iso rw - tmpfs tmpfs rw\n";

    #[test]
    fn the_image_is_on_the_device_that_is_mounted_and_its_file_tells_whether_it_is_in_memory() {
        let image = "/iso/nix-store.squashfs";
        let file = "iso/nix-store.squashfs";
        let cases = [
            ("an ISO", live(image, ISO, &[file]), false),
            ("copytoram", live(image, COPY, &[file]), true),
            ("an initramfs", live("/nix-store.squashfs (deleted)", ISO, &[]), true),
            ("an initramfs that is hidden", live("/nix-store.squashfs", ISO, &[]), true),
        ];
        for (what, root, in_memory) in cases {
            let found = find(root.path(), Path::new(STORE)).unwrap();
            let node = root.path().join("dev/loop1");
            assert_eq!(found, StoreImage { node, size_bytes: 1 << 20, in_memory }, "{what}");
        }
    }

    #[test]
    fn an_image_that_is_on_a_disk_of_its_own_is_not_in_memory() {
        let root = live("", ISO, &[]);
        fs::remove_dir_all(root.path().join("sys/dev/block/7:1/loop")).unwrap();
        assert!(!find(root.path(), Path::new(STORE)).unwrap().in_memory);
    }

    #[test]
    fn the_last_mount_counts_and_what_is_no_image_is_named() {
        let root = live("/iso/nix-store.squashfs", ISO, &["iso/nix-store.squashfs"]);
        let why = |place: &str| find(root.path(), Path::new(place)).unwrap_err().to_string();
        assert_eq!(why("/nix/store"), "nothing is mounted at /nix/store");
        assert_eq!(why("/iso"), "what is mounted at /iso is of the type iso9660 and not squashfs");
        let over = format!("{COPY}31 30 0:40 / {STORE} rw - overlay overlay rw\n");
        let table = root.path().join("proc/self/mountinfo");
        let before = fs::read_to_string(&table).unwrap();
        fs::write(&table, before + &over).unwrap();
        assert!(why(STORE).ends_with("is of the type overlay and not squashfs"));
    }
}
