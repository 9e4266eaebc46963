//! The chosen disk → partitioned, formatted and mounted, with the unfinished marker on it.
//!
//! disko's script is the tool but not the guard: it follows by-partlabel links, keeps file systems
//! that it finds and can end well on the wrong disk. So the disk is emptied first, by us, and what
//! counts at the end is what is mounted.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::target::{Target, settle};
use super::{Attempt, TargetState, holders};
use crate::command::Runner;
use crate::disk::layout;
use crate::disk::marker::{self, Marker};
use crate::disk::mounts::{self, Mount};
use crate::disk::probe;

/// Tools that disko's script needs; with one missing it can end well and have formatted nothing.
const TOOLS: &[&str] = &[
    "awk",
    "blkid",
    "cryptsetup",
    "dmsetup",
    "jq",
    "lsblk",
    "mdadm",
    "mkfs.ext4",
    "mkfs.vfat",
    "mount",
    "partprobe",
    "sgdisk",
    "udevadm",
    "umount",
    "wipefs",
];

/// Bytes wiped at the start and the end of each old partition: wherever a signature can be.
const PARTITION_EDGE: u64 = 1 << 20;

/// Runs the step.
///
/// # Errors
/// The disk is not the one that was shown any more, is in use, or can't be written; or what is
/// mounted in the end is not on it, or not empty.
pub(super) async fn run(attempt: &Attempt) -> Result<Target> {
    let runner = &attempt.runner;
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !is_on_path(tool)).copied().collect();
    ensure!(missing.is_empty(), "this ISO lacks {}", missing.join(", "));
    ensure!(
        !mounts::table()?.iter().any(|mount| mount.path == Path::new(layout::MOUNT_POINT)),
        "something is mounted at {}",
        layout::MOUNT_POINT
    );

    let mut identity = attempt.plan.target.identity.clone();
    let target = Target::open(&identity)?;
    if holders::deactivate(runner, &target.node).await? {
        // An array that is stopped writes its superblock.
        identity.digest = probe::current_digest(&target.node, target.size_bytes)?;
    }
    target.install_rule(runner).await?;
    let marker = Marker {
        version: marker::VERSION,
        attempt: attempt.id.clone(),
        build_id: attempt.manifest.build_id.clone(),
        table_id: None,
        surface: None,
    };
    // Taking down and triggering took time: look once more, and write at once.
    let target = Target::open(&identity)?;
    let mut disk = open_exclusively(&target.node)?;
    attempt.target_state.set(TargetState::Unfinished);
    empty(&mut disk, &target, &marker)?;
    drop(disk);
    reread(runner, &target).await?;

    super::set_mounted(true)?;
    runner.tool(&attempt.manifest.disko_script).run().await.context("disko's script failed")?;
    settle(runner).await?;
    verify_mounts(&target, &mounts::table()?)?;

    let mut disk = open_for_writing(&target.node, 0)?;
    let table_id =
        probe::table_id(&target.node).context("the new partition table has no identifier")?;
    Marker { table_id: Some(table_id), ..marker }.write(&mut disk)?;
    Ok(target)
}

fn is_on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

fn open_for_writing(node: &Path, flags: i32) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(node)
        .with_context(|| format!("cannot open {} for writing", node.display()))
}

/// Opens the disk for the first write: the kernel refuses if anything holds it, in whatever mount
/// namespace.
fn open_exclusively(node: &Path) -> Result<File> {
    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    open_for_writing(node, exclusive).with_context(|| format!("{} is in use", node.display()))
}

/// Writes the marker and then empties the disk's edges and those of every partition on it.
fn empty(disk: &mut File, target: &Target, marker: &Marker) -> Result<()> {
    marker.write(disk)?;
    let after_marker = marker::OFFSET + marker::SIZE as u64;
    let end = target.size_bytes;
    let mut areas = vec![(0, marker::OFFSET), (after_marker, probe::EDGE)];
    for (start, length) in partitions(&target.sysfs)? {
        areas.push((start, start + PARTITION_EDGE.min(length)));
        areas.push((start + length.saturating_sub(PARTITION_EDGE), start + length));
    }
    areas.push((end.saturating_sub(probe::EDGE), end));
    for (from, to) in areas {
        let (from, to) = (from.min(end), to.min(end));
        // An old partition may begin before ours do, or overlap the marker: what is ours stays.
        for (from, to) in [(from, to.min(marker::OFFSET)), (from.max(after_marker), to)] {
            zero(disk, from, to).with_context(|| {
                format!("cannot wipe bytes {from} to {to} of {}", target.node.display())
            })?;
        }
    }
    disk.sync_all().with_context(|| format!("cannot write to {}", target.node.display()))
}

/// Start and length of each partition that the kernel knows, in bytes.
fn partitions(sysfs: &Path) -> Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(sysfs).context("cannot list the target's partitions")? {
        let folder = entry?.path();
        if !folder.join("partition").exists() {
            continue;
        }
        let number = |name: &str| -> Result<u64> {
            let path = folder.join(name);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            // sysfs counts in units of 512 bytes, whatever the sector size.
            Ok(text.trim().parse::<u64>()? * 512)
        };
        found.push((number("start")?, number("size")?));
    }
    Ok(found)
}

fn zero(disk: &mut File, from: u64, to: u64) -> std::io::Result<()> {
    const ZEROS: &[u8] = &[0; 64 << 10];
    if from >= to {
        return Ok(());
    }
    disk.seek(SeekFrom::Start(from))?;
    let mut left = to - from;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        disk.write_all(&ZEROS[..piece])?;
        left -= piece as u64;
    }
    Ok(())
}

/// Makes the kernel and udev see the emptied disk, and insists that they see nothing on it.
async fn reread(runner: &Runner, target: &Target) -> Result<()> {
    settle(runner).await?;
    runner.tool("wipefs").args(["--all", "--force"]).arg(&target.node).run().await?;
    runner.tool("partprobe").arg(&target.node).run().await?;
    settle(runner).await?;
    let left = partitions(&target.sysfs)?;
    ensure!(left.is_empty(), "{} partitions are still there after wiping", left.len());
    let listed =
        runner.tool("wipefs").args(["--no-act", "--noheadings"]).arg(&target.node).run().await?;
    ensure!(
        listed.stdout.trim().is_empty(),
        "a signature is still there after wiping: {}",
        listed.stdout.trim()
    );
    Ok(())
}

/// Insists that what is mounted at the mount point is on the target, and empty.
fn verify_mounts(target: &Target, mounts: &[Mount]) -> Result<()> {
    let below: Vec<_> =
        mounts.iter().filter(|mount| mount.path.starts_with(layout::MOUNT_POINT)).collect();
    let root = PathBuf::from(layout::MOUNT_POINT);
    let esp = root.join(layout::ESP_MOUNT);
    for path in [&root, &esp] {
        ensure!(
            below.iter().any(|mount| mount.path == *path),
            "disko's script ended well, but nothing is mounted at {}",
            path.display()
        );
    }
    for mount in &below {
        if !target.has_partition(mount.number) {
            bail!(
                "what is mounted at {} is not on {}: nothing more is written",
                mount.path.display(),
                target.node.display()
            );
        }
        for entry in std::fs::read_dir(&mount.path)
            .with_context(|| format!("cannot list {}", mount.path.display()))?
        {
            let path = entry?.path();
            let leads_to_mount = below.iter().any(|other| other.path.starts_with(&path));
            let is_ext4s = path.file_name().is_some_and(|name| name == "lost+found");
            ensure!(
                leads_to_mount || is_ext4s,
                "the new file system at {} is not empty: {} is there",
                mount.path.display(),
                path.display()
            );
        }
    }
    Ok(())
}
