//! A disk with a receipt, whose handover was interrupted → the disk as the handover would have left it.
//!
//! This writes to a disk that nothing was confirmed for. So it has to be the disk that was looked at,
//! and the receipt one that this agent understands, of an install to this very partition table: a copy
//! of our ESP on another disk is no install of ours.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::handover::ESP_PATH;
use super::loaders::put_in_place;
use super::target::Target;
use crate::disk::identity::Identity;
use crate::disk::layout;
use crate::disk::marker::{self, Marker};
use crate::disk::mounts;
use crate::disk::probe;
use crate::disk::receipt::{self, FILE, Receipt};
use crate::disk::seal;
use crate::disk::{Disk, Partition};

/// Puts the boot loader in place and takes the marker away.
///
/// # Errors
/// It is another disk by now, the receipt is not of this disk or of another version, or the ESP can't
/// be mounted or written.
pub(super) fn complete(disk: &Disk) -> Result<()> {
    let target = Target::hold(&Identity::of(disk))?;
    let node = &target.node;
    let receipt = disk.content.receipt.as_ref().context("there is no receipt on the disk")?;
    let table_id = probe::table_id(node).context("the disk has no partition table of ours")?;
    check(receipt, &table_id)?;
    let is_esp = |partition: &&Partition| {
        partition.number == layout::ESP.number
            && partition.name.as_deref() == Some(layout::ESP.name)
    };
    let esp = disk.device.partitions.iter().find(is_esp);
    let esp = &esp.with_context(|| format!("{} has no ESP of ours", node.display()))?.node;
    let number = esp.metadata().with_context(|| format!("cannot find {}", esp.display()))?.rdev();
    let number = (rustix::fs::major(number), rustix::fs::minor(number));
    ensure!(target.has_partition(number), "{} is not on {}", esp.display(), node.display());

    fs::create_dir_all(ESP_PATH).with_context(|| format!("cannot make {ESP_PATH}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(esp, ESP_PATH, "vfat", flags, c"umask=0077")
        .with_context(|| format!("cannot mount {}", esp.display()))?;
    let result = complete_esp(Path::new(ESP_PATH), number, &table_id);
    unmount(ESP_PATH, UnmountFlags::empty()).context("cannot unmount the ESP")?;
    result?;
    erase_marker(&mut target.open_for_writing(OFlags::empty())?, node)
}

/// The same for the mounted ESP, which is still the one that was looked at.
fn complete_esp(esp: &Path, number: (u32, u32), table_id: &str) -> Result<()> {
    let mount = mounts::table()?.into_iter().rfind(|mount| mount.path == esp);
    let mounted = mount.is_some_and(|mount| mount.number == number);
    ensure!(mounted, "what is mounted at {} is not the ESP", esp.display());
    let path = esp.join(FILE);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    check(&serde_json::from_slice(&text).context("the receipt is damaged")?, table_id)?;
    put_in_place(esp)
}

/// Insists that the receipt is understood, and of an install to this partition table.
fn check(receipt: &Receipt, table_id: &str) -> Result<()> {
    ensure!(
        receipt.version == receipt::VERSION,
        "the receipt is damaged, or of another version of nixvm"
    );
    ensure!(
        receipt.table_id.eq_ignore_ascii_case(table_id),
        "the receipt is of a disk with the partition table {}, and this one has {table_id}",
        receipt.table_id
    );
    Ok(())
}

/// Takes the marker of an unfinished install away, and the seal of its table, if there is one: other
/// bytes in its place are a user's data.
///
/// # Errors
/// The disk can't be read or written.
pub(super) fn erase_marker(disk: &mut File, node: &Path) -> Result<()> {
    let found = Marker::read(disk)
        .with_context(|| format!("cannot read the marker on {}", node.display()))?;
    let Some(marker) = found else { return Ok(()) };
    // The marker last: without the seal it is not believed.
    if let Some(table_id) = &marker.table_id {
        seal::erase(disk, table_id)
            .with_context(|| format!("cannot write to {}", node.display()))?;
    }
    marker::erase(disk)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom, Write};

    use super::*;

    fn receipt() -> Receipt {
        Receipt { version: receipt::VERSION, table_id: "ab".to_owned(), ..Receipt::default() }
    }

    #[test]
    fn only_a_receipt_of_this_version_and_this_disk_counts() {
        check(&receipt(), "AB").unwrap();
        let error = check(&receipt(), "CD").unwrap_err().to_string();
        assert!(error.contains("partition table ab, and this one has CD"), "{error}");
        let later = Receipt { version: receipt::VERSION + 1, ..receipt() };
        for unknown in [later, Receipt { table_id: "ab".to_owned(), ..Receipt::default() }] {
            assert!(check(&unknown, "AB").unwrap_err().to_string().contains("another version"));
        }
    }

    #[test]
    fn data_in_the_markers_place_stays() {
        let mut disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(2 << 20).unwrap();
        disk.seek(SeekFrom::Start(marker::OFFSET)).unwrap();
        disk.write_all(b"a user's data").unwrap();
        let node = disk.path().to_owned();
        erase_marker(disk.as_file_mut(), &node).unwrap();
        let mut found = [0; 13];
        disk.seek(SeekFrom::Start(marker::OFFSET)).unwrap();
        disk.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"a user's data");
    }
}
