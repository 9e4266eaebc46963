//! The chosen disk → partitioned, formatted and mounted, with the unfinished marker on it.
//!
//! disko's script is the tool but not the guard: it follows by-partlabel links, keeps file systems
//! that it finds and can end well on the wrong disk. So the disk is emptied first, by us, and what
//! counts at the end is what is mounted.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use tokio_util::sync::CancellationToken;

use super::blocking::{blocking, go_on};
use super::target::{Target, settle};
use super::{Attempt, SCRATCH, TargetState, encryption, holders, mounted};
use crate::command::Runner;
use crate::disk::identity::Identity;
use crate::disk::layout;
use crate::disk::marker::{self, Marker};
use crate::disk::mounts;
use crate::disk::probe;
use crate::disk::seal;
use crate::disk::surface;

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
    ensure!(missing.is_empty(), "this installer lacks {}", missing.join(", "));
    ensure!(
        !mounts::table()?.iter().any(|mount| mount.path == Path::new(layout::MOUNT_POINT)),
        "something is mounted at {}",
        layout::MOUNT_POINT
    );
    let layout = &attempt.manifest.layout;
    let marker = Marker::new(&attempt.id, &attempt.manifest.build_id, layout);
    marker.check_room()?;

    let cancel = runner.cancellation();
    let mut identity = attempt.plan.target.identity.clone();
    let target = open(cancel, &identity).await?;
    let mut taken_down = holders::deactivate(runner, &target.node).await?;
    target.install_rule(runner).await?;
    // udev was triggered: where its rules assemble what they find, it is there again. Not on the ISO.
    taken_down |= holders::deactivate(runner, &target.node).await?;
    if taken_down {
        // An array that is stopped writes its superblock.
        identity.digest = probe::current_digest(&target.node, target.size_bytes)?;
    }
    // After what was on the disk is closed, and before anything is written.
    let mappings = nixvm_manifest::layout::mappings(layout);
    encryption::check_names(&mappings)?;
    // Taking down and triggering took time: look once more, and write at once.
    let target = open(cancel, &identity).await?;
    // The kernel refuses if anything holds it, in whatever mount namespace.
    let mut disk = target
        .open_for_writing(OFlags::EXCL)
        .with_context(|| format!("{} is in use", target.node.display()))?;
    // It may have taken long to be read.
    go_on(cancel)?;
    attempt.target_state.set(TargetState::Unfinished);
    let areas = areas(&partitions(&target.sysfs)?, target.size_bytes);
    let (node, first) = (target.node.clone(), marker.clone());
    blocking(cancel, move |cancel| empty(&mut disk, &node, &first, areas, cancel)).await?;
    reread(runner, &target).await?;
    // From here on the marker says what was left, so that what a user writes later is noticed.
    let mut disk = target.open_for_writing(OFlags::empty())?;
    let (node, size_bytes) = (target.node.clone(), target.size_bytes);
    let marker = blocking(cancel, move |cancel| {
        let surface = surface::digest(&disk, size_bytes)
            .with_context(|| format!("cannot read {}", node.display()))?;
        let marker = Marker { surface: Some(surface), ..marker };
        go_on(cancel)?;
        marker.write(&mut disk)?;
        Ok(marker)
    })
    .await?;

    // That took a while.
    encryption::check_names(&mappings)?;
    super::note_mounted(&mappings)?;
    std::fs::create_dir_all(SCRATCH).with_context(|| format!("cannot make {SCRATCH}"))?;
    let passphrase = encryption::provide_passphrase(attempt, &mappings)?;
    let script = runner.tool(&attempt.manifest.disko_script).env("TMPDIR", SCRATCH);
    script.run().await.context("disko's script failed")?;
    drop(passphrase);
    settle(runner).await?;
    let mounts = mounts::table()?;
    let left = mounted::below(&mounts, SCRATCH);
    ensure!(
        left.is_empty(),
        "disko's script ended well, but left a mount at {}",
        left[0].display()
    );
    mounted::check_layout(&target, &mounts, layout)
        .context("disko's script ended well, but left other mounts than it should")?;
    mounted::check_others(&target, &mounts)?;
    mounted::check_empty(&mounts, layout)?;

    let (disk, node) = (target.open_for_writing(OFlags::empty())?, target.node.clone());
    blocking(cancel, move |cancel| note_table(disk, &node, marker, cancel)).await?;
    Ok(target)
}

/// Opens the disk and checks that it is the one that was shown: all of that is read from it.
async fn open(cancel: &CancellationToken, identity: &Identity) -> Result<Target> {
    let identity = identity.clone();
    blocking(cancel, move |_| Target::open(&identity)).await
}

/// Seals the new table, and notes it and the file systems in the marker.
fn note_table(
    mut disk: File,
    node: &Path,
    marker: Marker,
    cancel: &CancellationToken,
) -> Result<()> {
    let table_id = probe::table_id(node).context("the new partition table has no identifier")?;
    let layout = marker.partitions();
    let mut other_uuids = mounted::ext4_uuids(&mounts::table()?, &layout)?;
    let root_uuid = layout::root_of(&layout).and_then(|root| other_uuids.remove(&root.number));
    go_on(cancel)?;
    seal::write(&disk, &table_id).with_context(|| format!("cannot write to {}", node.display()))?;
    go_on(cancel)?;
    Marker { table_id: Some(table_id), root_uuid, other_uuids, ..marker }.write(&mut disk)
}

fn is_on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// Writes the marker and then empties the [`areas`].
fn empty(
    disk: &mut File,
    node: &Path,
    marker: &Marker,
    areas: [Vec<(u64, u64)>; 2],
    cancel: &CancellationToken,
) -> Result<()> {
    let about = || format!("cannot write to {}", node.display());
    go_on(cancel)?;
    marker.write(disk)?;
    for areas in areas {
        for (from, to) in areas {
            go_on(cancel)?;
            zero(disk, from, to).with_context(|| {
                format!("cannot wipe bytes {from} to {to} of {}", node.display())
            })?;
        }
        disk.sync_all().with_context(about)?;
    }
    Ok(())
}

/// What is emptied, in bytes from and to: each list when the one before is on the disk.
///
/// The partition table comes last. If the power is cut before, it is still there and says that the
/// disk is a user's; without it, contents that are left between the edges would go unseen.
fn areas(partitions: &[(u64, u64)], size: u64) -> [Vec<(u64, u64)>; 2] {
    let after_marker = marker::OFFSET + marker::SIZE as u64;
    let mut first = vec![(after_marker, probe::EDGE)];
    for &(start, length) in partitions {
        first.push((start, start + PARTITION_EDGE.min(length)));
        first.push((start + length.saturating_sub(PARTITION_EDGE), start + length));
    }
    first.push((size.saturating_sub(probe::EDGE), size));
    // An old partition may begin before ours do, or overlap the marker: what is ours stays.
    let first = first.into_iter().map(|(from, to)| (from.max(after_marker), to.min(size)));
    [first.filter(|(from, to)| from < to).collect(), vec![(0, marker::OFFSET.min(size))]]
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 64 << 30;

    #[test]
    fn edges_of_disk_and_partitions_are_emptied_and_the_marker_stays() {
        let old = [(63 * 512, 10 << 30), (40 << 30, 100 << 10)];
        let mut covered: Vec<_> = areas(&old, SIZE).concat();
        covered.sort_unstable();
        let is_emptied = |from: u64, to: u64| {
            let mut at = from;
            for &(start, end) in &covered {
                if start <= at {
                    at = at.max(end);
                }
            }
            at >= to
        };
        let marker_end = marker::OFFSET + marker::SIZE as u64;
        assert!(is_emptied(0, marker::OFFSET) && is_emptied(marker_end, probe::EDGE));
        assert!(is_emptied(SIZE - probe::EDGE, SIZE));
        for (start, length) in old {
            let end = start + length;
            assert!(is_emptied(start.max(marker_end), start + PARTITION_EDGE.min(length)));
            assert!(is_emptied(end - PARTITION_EDGE.min(length), end));
        }
        for (from, to) in covered {
            assert!(to <= marker::OFFSET || from >= marker_end, "{from} to {to}");
        }
    }

    #[test]
    fn nothing_is_written_after_a_cancel() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(8 << 20).unwrap();
        let mut file = disk.reopen().unwrap();
        let marker = crate::disk::examples::first_marker();
        let areas = || areas(&[], 8 << 20);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let error = empty(&mut file, disk.path(), &marker, areas(), &cancel).unwrap_err();
        assert!(error.is::<crate::command::Cancelled>());
        assert_eq!(Marker::read(&mut file).unwrap(), None);
        let note = note_table(disk.reopen().unwrap(), disk.path(), marker.clone(), &cancel);
        assert!(note.is_err());
        empty(&mut file, disk.path(), &marker, areas(), &CancellationToken::new()).unwrap();
        assert_eq!(Marker::read(&mut file).unwrap(), Some(marker));
    }

    #[test]
    fn the_partition_table_goes_when_all_else_is_gone() {
        let [before, last] = areas(&[(1 << 20, 1 << 30)], SIZE);
        assert_eq!(last, [(0, marker::OFFSET)]);
        assert!(before.iter().all(|(from, _)| *from > marker::OFFSET));
    }
}
