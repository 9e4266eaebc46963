//! The EFI system partition of an installed disk → the receipt of the install, and whether the boot
//! loader is in place.
//!
//! The file systems are read in user space: nothing is mounted, so that nothing is written, no journal
//! is replayed and no disk becomes busy by being looked at.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use fatfs::{FileSystem, FsOptions};
use serde::{Deserialize, Serialize};

/// The receipt, below the ESP. `iso/grub-installed-disk.cfg` looks for the same file.
pub const FILE: &str = "EFI/nixvm/installed";

/// The boot loader on the removable path, for both architectures.
pub const LOADERS: [&str; 2] = ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI"];

/// Added to the loader's name while the receipt is not written yet.
pub const WITHHELD_SUFFIX: &str = ".withheld";

/// A receipt is smaller; a larger file is not one.
const MAXIMUM_BYTES: u64 = 64 << 10;

/// Proof of an install that ended, kept on the ESP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Receipt {
    /// Which ISO installed it.
    pub build_id: String,
    /// Names the attempt that succeeded.
    pub attempt: String,
    /// The system's host name.
    pub hostname: String,
    /// The account's login name.
    pub username: String,
    /// Store path of the system.
    pub toplevel: String,
    /// Identifier of the disk's partition table.
    pub table_id: String,
    /// Whether the boot loader is in place; not in the file, found beside it.
    #[serde(skip_deserializing)]
    pub loader: Loader,
}

/// The removable path's boot loader on a disk that has a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// There is none.
    #[default]
    Missing,
    /// The install ended between the receipt and putting the loader in place.
    Withheld,
    /// In place: firmware starts it.
    InPlace,
}

/// Looks for a receipt on the FAT file system on `partition`; None where there is none, or no FAT.
///
/// A receipt that can't be parsed still is one: the disk is somebody's.
///
/// # Errors
/// The partition can't be read.
pub fn find(partition: &Path) -> Result<Option<Receipt>> {
    let file =
        File::open(partition).with_context(|| format!("cannot read {}", partition.display()))?;
    // A file system that fatfs does not understand holds no receipt of ours.
    let Ok(filesystem) = FileSystem::new(ReadOnly(file), FsOptions::new()) else { return Ok(None) };
    let root = filesystem.root_dir();
    let Ok(found) = root.open_file(FILE) else { return Ok(None) };
    let mut text = Vec::new();
    found
        .take(MAXIMUM_BYTES)
        .read_to_end(&mut text)
        .with_context(|| format!("cannot read the receipt on {}", partition.display()))?;
    let mut receipt: Receipt = serde_json::from_slice(&text).unwrap_or_default();
    let exists = |suffix: &str| {
        LOADERS.iter().any(|loader| root.open_file(&format!("{loader}{suffix}")).is_ok())
    };
    receipt.loader = if exists("") {
        Loader::InPlace
    } else if exists(WITHHELD_SUFFIX) {
        Loader::Withheld
    } else {
        Loader::Missing
    };
    Ok(Some(receipt))
}

/// A file that refuses writes: fatfs asks for both, whatever it is used for.
struct ReadOnly(File);

impl Read for ReadOnly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for ReadOnly {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Write for ReadOnly {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn esp(files: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let mut image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(40 << 20).unwrap();
        let options = fatfs::FormatVolumeOptions::new().fat_type(fatfs::FatType::Fat32);
        fatfs::format_volume(image.as_file_mut(), options).unwrap();
        let filesystem = FileSystem::new(image.reopen().unwrap(), FsOptions::new()).unwrap();
        for (path, text) in files {
            let mut folder = filesystem.root_dir();
            let (folders, name) = path.rsplit_once('/').unwrap();
            for part in folders.split('/') {
                folder = folder.create_dir(part).unwrap();
            }
            folder.create_file(name).unwrap().write_all(text.as_bytes()).unwrap();
        }
        drop(filesystem);
        image
    }

    #[test]
    fn a_receipt_is_found_with_the_state_of_its_loader() {
        let text = r#"{"build-id":"b","hostname":"h","attempt":"1"}"#;
        for (loader, expected) in [
            ("EFI/BOOT/BOOTX64.EFI", Loader::InPlace),
            ("EFI/BOOT/BOOTAA64.EFI.withheld", Loader::Withheld),
            ("EFI/BOOT/other", Loader::Missing),
        ] {
            let image = esp(&[(FILE, text), (loader, "x")]);
            let receipt = find(image.path()).unwrap().unwrap();
            assert_eq!((receipt.hostname.as_str(), receipt.loader), ("h", expected));
        }
    }

    #[test]
    fn an_illegible_receipt_is_a_receipt_and_nothing_is_none() {
        assert_eq!(find(esp(&[(FILE, "???")]).path()).unwrap(), Some(Receipt::default()));
        assert_eq!(find(esp(&[("EFI/BOOT/BOOTX64.EFI", "x")]).path()).unwrap(), None);
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(find(empty.path()).unwrap(), None);
        assert!(find(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn looking_changes_nothing() {
        let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
        let before = std::fs::read(image.path()).unwrap();
        find(image.path()).unwrap();
        assert!(before == std::fs::read(image.path()).unwrap());
    }
}
