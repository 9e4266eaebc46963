//! Folders in sysfs, and device files → device numbers.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Major and minor number of a block device.
pub type Number = (u32, u32);

/// The number in the folder of a device.
///
/// # Errors
/// The device is gone.
pub fn number_in(folder: &Path) -> Result<Number> {
    let path = folder.join("dev");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    number(text.trim()).with_context(|| format!("{} has no device number", path.display()))
}

/// The number of a block device by its file.
///
/// # Errors
/// There is no such block device.
pub(super) fn device_number(node: &Path) -> Result<Number> {
    let found = node.metadata().with_context(|| format!("cannot find {}", node.display()))?;
    ensure!(found.file_type().is_block_device(), "{} is no block device", node.display());
    Ok((rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev())))
}

/// A number as sysfs and losetup write it: 254:0.
pub(super) fn number(text: &str) -> Option<Number> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What is in a folder.
///
/// # Errors
/// It can't be read.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let about = || format!("cannot list {}", folder.display());
    let entries = fs::read_dir(folder).with_context(about)?;
    entries.map(|entry| Ok(entry.with_context(about)?.path())).collect()
}

/// The devices of each mounted btrfs. One that is being unmounted is left out.
///
/// # Errors
/// sysfs can't be read.
pub(super) fn btrfs() -> Result<Vec<Vec<Number>>> {
    let folder = Path::new("/sys/fs/btrfs");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let devices = list(folder)?.into_iter().map(|file_system| file_system.join("devices"));
    // Beside the file systems there are folders for all of them.
    let devices = devices.filter(|devices| devices.is_dir());
    Ok(devices.filter_map(|devices| numbers_in(&devices).ok()).collect())
}

fn numbers_in(devices: &Path) -> Result<Vec<Number>> {
    list(devices)?.iter().map(|one| number_in(one)).collect()
}
