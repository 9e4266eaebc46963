//! The EFI system partition of an installed disk → the receipt of the install, and whether the boot
//! loader is in place.
//!
//! The file systems are read in user space: nothing is mounted, so that nothing is written, no journal
//! is replayed and no disk becomes busy by being looked at.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use fatfs::{FileSystem, FsOptions};
use serde::{Deserialize, Serialize};

use super::surface::{self, BLOCK};
use crate::format::printable;

/// The receipt, below the ESP. `iso/grub-installed-disk.cfg` looks for the same file.
pub const FILE: &str = "EFI/nixvm/installed";

/// The boot loader on the removable path, for both architectures.
pub const LOADERS: [&str; 2] = ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI"];

/// Added to the loader's name while the receipt is not written yet.
pub const WITHHELD_SUFFIX: &str = ".withheld";

/// Version of the receipt's format; raised when an agent of the older one could misunderstand it.
pub const VERSION: u32 = 1;

/// A receipt is smaller; a larger file is not one.
const MAXIMUM_BYTES: u64 = 64 << 10;

/// What is read in all to find it: folders and allocation table included, a few of these at most.
const MAXIMUM_READ: u64 = 32 << 20;

/// Proof of an install that ended, kept on the ESP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// [`VERSION`] of the format.
    pub version: u32,
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

/// What is on an ESP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It begins with zeros: nothing was made there yet.
    Unformatted,
    /// A FAT file system with neither a receipt nor a boot loader.
    Nothing,
    /// A boot loader on the removable path, of which we know nothing: ours comes after the receipt.
    Loader,
    /// Our receipt.
    Receipt(Receipt),
}

/// Looks for a receipt on the FAT file system on `partition`.
///
/// A receipt that can't be parsed, or of another version, still is one of which no more is known: the
/// disk holds a system.
///
/// # Errors
/// The partition can't be read, or not as a FAT file system: whether there is a receipt is not known.
pub fn find(partition: &Path) -> Result<Found> {
    let file =
        File::open(partition).with_context(|| format!("cannot read {}", partition.display()))?;
    read(file).with_context(|| format!("cannot read the receipt on {}", partition.display()))
}

/// Looks for a receipt on a FAT file system, as [`find`] does.
///
/// # Errors
/// The receipt is there and can't be read, or the file system can't be what it says it is.
pub fn read(medium: impl Read + Seek) -> io::Result<Found> {
    // fatfs does not expect numbers that contradict each other.
    std::panic::catch_unwind(AssertUnwindSafe(|| look(medium)))
        .unwrap_or_else(|_| Err(io::Error::other("the file system is damaged")))
}

fn look(mut medium: impl Read + Seek) -> io::Result<Found> {
    let mut boot = Vec::new();
    medium.seek(SeekFrom::Start(0))?;
    medium.by_ref().take(BLOCK as u64).read_to_end(&mut boot)?;
    if surface::is_zero(&boot) {
        return Ok(Found::Unformatted);
    }
    medium.seek(SeekFrom::Start(0))?;
    let failed = Rc::default();
    let medium = ReadOnly {
        medium,
        position: 0,
        overlay: fsinfo(&boot),
        left: MAXIMUM_READ,
        failed: Rc::clone(&failed),
    };
    let found = search(medium);
    // What could not be read is not what is not there.
    match failed.take() {
        Some(error) => Err(error),
        None => found,
    }
}

fn search<M: Read + Seek>(medium: ReadOnly<M>) -> io::Result<Found> {
    let filesystem = FileSystem::new(medium, FsOptions::new())
        .map_err(|error| io::Error::other(format!("it is no intact FAT file system: {error}")))?;
    let root = filesystem.root_dir();
    let exists = |suffix: &str| {
        LOADERS.iter().try_fold(false, |found, loader| {
            Ok::<_, io::Error>(
                found || if_there(root.open_file(&format!("{loader}{suffix}")))?.is_some(),
            )
        })
    };
    let Some(found) = if_there(root.open_file(FILE))? else {
        return Ok(if exists("")? { Found::Loader } else { Found::Nothing });
    };
    let mut text = Vec::new();
    found.take(MAXIMUM_BYTES).read_to_end(&mut text)?;
    let known = serde_json::from_slice(&text).ok();
    let known = known.filter(|receipt: &Receipt| receipt.version == VERSION);
    let mut receipt = known.map(Receipt::printable).unwrap_or_default();
    receipt.loader = if exists("")? {
        Loader::InPlace
    } else if exists(WITHHELD_SUFFIX)? {
        Loader::Withheld
    } else {
        Loader::Missing
    };
    Ok(Found::Receipt(receipt))
}

/// None only where the file is known not to be there.
fn if_there<F>(opened: io::Result<F>) -> io::Result<Option<F>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The FSInfo sector that a FAT32 file system with this boot sector has, as byte offsets and bytes:
/// the signatures, and counters that say nothing. The kernel mounts a file system without them;
/// fatfs does not.
fn fsinfo(boot: &[u8]) -> Vec<(u64, &'static [u8])> {
    let short = |offset: usize| {
        let bytes = boot.get(offset..offset + 2).and_then(|bytes| bytes.try_into().ok());
        u64::from(bytes.map_or(0, u16::from_le_bytes))
    };
    let (sector_bytes, sectors_per_fat16, sector) = (short(11), short(22), short(48));
    if sectors_per_fat16 != 0 || sector == 0 {
        return Vec::new();
    }
    let start = sector_bytes * sector;
    let fields: [(u64, &[u8]); 4] =
        [(0, b"RRaA"), (484, b"rrAa"), (488, &[0xff; 8]), (508, &[0, 0, 0x55, 0xaa])];
    fields.map(|(offset, bytes)| (start + offset, bytes)).to_vec()
}

impl Receipt {
    /// Without characters that a terminal would obey: anything may be in a file on a disk.
    fn printable(self) -> Self {
        let clean = |text: String| printable(&text);
        Self {
            build_id: clean(self.build_id),
            attempt: clean(self.attempt),
            hostname: clean(self.hostname),
            username: clean(self.username),
            toplevel: clean(self.toplevel),
            table_id: clean(self.table_id),
            ..self
        }
    }
}

/// A medium that refuses writes, which fatfs asks for whatever it is used for, and ends after so many
/// bytes: in a damaged file system, a folder may lead back into itself.
struct ReadOnly<M> {
    medium: M,
    position: u64,
    /// Bytes that are read in place of the medium's, with their offsets.
    overlay: Vec<(u64, &'static [u8])>,
    left: u64,
    /// Why a read failed: fatfs may make nothing of it.
    failed: Rc<Cell<Option<io::Error>>>,
}

impl<M> ReadOnly<M> {
    fn fail<T>(&self, error: io::Error) -> io::Result<T> {
        let kind = error.kind();
        self.failed.set(Some(error));
        Err(kind.into())
    }
}

impl<M: Read> Read for ReadOnly<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.medium.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return self.fail(error),
            other => other?,
        };
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return self.fail(io::Error::other("the file system makes no end")),
        }
        for (offset, bytes) in &self.overlay {
            for (offset, byte) in (*offset..).zip(*bytes) {
                let place = offset.checked_sub(self.position).map(usize::try_from);
                if let Some(Ok(place)) = place
                    && let Some(read) = buffer[..count].get_mut(place)
                {
                    *read = *byte;
                }
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl<M: Seek> Seek for ReadOnly<M> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.medium.seek(to)?;
        Ok(self.position)
    }
}

impl<M> Write for ReadOnly<M> {
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
        let text = r#"{"version":1,"build_id":"b","hostname":"h","attempt":"1"}"#;
        for (loader, expected) in [
            ("EFI/BOOT/BOOTX64.EFI", Loader::InPlace),
            ("EFI/BOOT/BOOTAA64.EFI.withheld", Loader::Withheld),
            ("EFI/BOOT/other", Loader::Missing),
        ] {
            let image = esp(&[(FILE, text), (loader, "x")]);
            let Found::Receipt(receipt) = find(image.path()).unwrap() else { panic!("{loader}") };
            assert_eq!((receipt.hostname.as_str(), receipt.loader), ("h", expected));
        }
    }

    #[test]
    fn an_illegible_receipt_is_a_receipt_and_nothing_is_none() {
        let found = |files: &[(&str, &str)]| find(esp(files).path()).unwrap();
        assert_eq!(found(&[(FILE, "???")]), Found::Receipt(Receipt::default()));
        assert_eq!(found(&[("EFI/BOOT/BOOTX64.EFI.withheld", "x")]), Found::Nothing);
        assert_eq!(found(&[("EFI/BOOT/BOOTX64.EFI", "x")]), Found::Loader);
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(find(empty.path()).unwrap(), Found::Unformatted);
        assert!(find(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn a_receipt_of_another_version_is_a_receipt_of_which_nothing_is_believed() {
        for text in [
            r#"{"version":2,"hostname":"h","attempt":"1"}"#,
            r#"{"version":2,"hostname":{"name":"h"}}"#,
            r#"{"version":"1.1","hostname":"h"}"#,
            r#"{"hostname":"h"}"#,
        ] {
            let image = esp(&[(FILE, text), ("EFI/BOOT/BOOTX64.EFI", "x")]);
            let Found::Receipt(receipt) = find(image.path()).unwrap() else { panic!("{text}") };
            assert_eq!(receipt, Receipt { loader: Loader::InPlace, ..Receipt::default() });
            let mut disk = crate::disk::examples::disk("vda");
            disk.content.receipt = Some(receipt);
            assert_eq!(disk.condition(), crate::disk::Condition::Installed);
        }
    }

    #[test]
    fn a_file_system_that_contradicts_itself_is_damaged_and_does_no_harm() {
        let image = esp(&[(FILE, "{}")]);
        let mut bytes = std::fs::read(image.path()).unwrap();
        // The root folder's entry of EFI, whose first cluster becomes 1: there is none before 2.
        let place = bytes.windows(11).position(|name| name == b"EFI        ").unwrap();
        bytes[place + 26..place + 28].copy_from_slice(&1_u16.to_le_bytes());
        let error = read(io::Cursor::new(bytes)).unwrap_err();
        assert_eq!(error.to_string(), "the file system is damaged");
    }

    /// A medium whose reads fail once so many bytes were read.
    struct Failing<M>(M, usize);

    impl<M: Read> Read for Failing<M> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1 = self.1.checked_sub(count).ok_or_else(|| io::Error::other("EIO"))?;
            Ok(count)
        }
    }

    impl<M: Seek> Seek for Failing<M> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_receipt_that_cannot_be_read_is_not_one_that_is_not_there() {
        let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
        let read_within = |bytes| read(Failing(image.reopen().unwrap(), bytes));
        let enough = (0..).find(|bytes| read_within(*bytes).is_ok()).unwrap();
        assert!(enough > 512, "the whole boot sector is needed at least");
        let Found::Receipt(receipt) = read_within(enough).unwrap() else { panic!("no receipt") };
        assert_eq!(receipt.loader, Loader::InPlace);
    }

    #[test]
    fn a_receipt_is_found_where_the_kernel_would_mount_and_fatfs_would_not() {
        let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
        let mut bytes = std::fs::read(image.path()).unwrap();
        assert_eq!(&bytes[512..516], b"RRaA", "the FSInfo sector");
        bytes[512..1024].fill(0xa5);
        let Found::Receipt(receipt) = read(io::Cursor::new(bytes)).unwrap() else { panic!() };
        assert_eq!(receipt.loader, Loader::InPlace);
    }

    #[test]
    fn what_is_no_intact_file_system_has_not_no_receipt() {
        let image = esp(&[(FILE, "{}")]);
        let intact = std::fs::read(image.path()).unwrap();
        let with = |offset: usize, damage: &[u8]| {
            let mut bytes = intact.clone();
            bytes[offset..offset + damage.len()].copy_from_slice(damage);
            read(io::Cursor::new(bytes))
        };
        for (offset, damage) in [(510, &[0, 0][..]), (11, &[1, 0]), (13, &[0]), (16, &[0])] {
            let error = with(offset, damage).unwrap_err().to_string();
            assert!(error.starts_with("it is no intact FAT file system: "), "{offset}: {error}");
        }
        assert!(read(io::Cursor::new(b"something else".to_vec())).is_err());
        assert_eq!(read(io::Cursor::new(vec![0; 1 << 20])).unwrap(), Found::Unformatted);
        // A file in the place of the folder.
        let error = read(esp(&[("EFI/nixvm", "")]).reopen().unwrap()).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_a_receipt_says_cannot_steer_a_terminal() {
        let text = r#"{"version":1,"hostname":"a\nb\u001b[2J","username":"\r"}"#;
        let Found::Receipt(receipt) = find(esp(&[(FILE, text)]).path()).unwrap() else { panic!() };
        assert_eq!((receipt.hostname.as_str(), receipt.username.as_str()), ("ab[2J", ""));
    }

    #[test]
    fn looking_changes_nothing() {
        let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
        let before = std::fs::read(image.path()).unwrap();
        find(image.path()).unwrap();
        assert!(before == std::fs::read(image.path()).unwrap());
    }
}
