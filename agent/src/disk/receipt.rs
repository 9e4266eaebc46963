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

/// What the boot loaders of NixOS, systemd-boot and GRUB, make in the root folder of an ESP.
const ROOT_NAMES: [&str; 4] = ["efi", "loader", "grub", "kernels"];

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
    /// A FAT file system with neither a receipt nor a boot loader, nor anything that an install of ours
    /// does not make.
    Nothing,
    /// A file or folder of this name that no install of ours makes, and no receipt.
    Foreign(String),
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
        return Ok(match (exists("")?, foreign_name(&root)?) {
            (true, _) => Found::Loader,
            (false, Some(name)) => Found::Foreign(name),
            (false, None) => Found::Nothing,
        });
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

/// A name in the root folder that no boot loader makes.
fn foreign_name<M: Read + Write + Seek>(root: &fatfs::Dir<'_, M>) -> io::Result<Option<String>> {
    for entry in root.iter() {
        let name = entry?.file_name();
        if !ROOT_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Ok(Some(printable(&name)));
        }
    }
    Ok(None)
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
mod tests;
