//! A reader → where an ISO 9660 image keeps its files.
//!
//! Only what finding a file takes: the primary volume descriptor, the directories, and Rock Ridge's
//! names (ECMA-119; SUSP and RRIP 1.12). Everything read is distrusted: a damaged image is an
//! error, never a panic, an endless loop or much memory.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};

/// Bytes of a logical sector, and of a logical block in every image that we read.
pub const SECTOR: u64 = 2048;

/// Sector of the primary volume descriptor.
const DESCRIPTOR: u64 = 16;

/// Bytes of all directories together: some 60,000 files. An ISO of ours has a few dozen, and each
/// takes memory here.
const MOST_OF_DIRECTORIES: u64 = 8 << 20;

/// Bytes of the image that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Where they begin, in bytes.
    pub start: u64,
    /// How many there are.
    pub length: u64,
}

impl Extent {
    /// Where they end, in bytes.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }

    /// Whether a byte belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// One part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Where it is.
    pub extent: Extent,
    /// The file has more than this part.
    pub partial: bool,
    /// It is the file that was looked for.
    pub wanted: bool,
}

/// What the primary volume descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Bytes of the volume. The image may be longer, with partitions after it.
    pub length: u64,
    root: Extent,
}

/// Reads the primary volume descriptor.
///
/// # Errors
/// There is none, or it is not of an image with blocks of 2048 bytes.
pub fn read_volume(image: &mut (impl Read + Seek)) -> Result<Volume> {
    let place = Extent { start: DESCRIPTOR * SECTOR, length: SECTOR };
    let sector = read(image, place).context("it is not an ISO image")?;
    ensure!(sector[..7] == *b"\x01CD001\x01", "it is not an ISO image");
    ensure!(word(&sector, 128)? == SECTOR, "it is an ISO image with blocks of an unusual size");
    let root = sector.get(156..190).context("it has no root directory")?;
    Ok(Volume { length: long(&sector, 80)? * SECTOR, root: extent(root)? })
}

/// All files of the volume, in the order of the directories, the one called `wanted` among them.
///
/// # Errors
/// A directory can't be read, or is damaged.
pub fn read_files(
    image: &mut (impl Read + Seek),
    volume: &Volume,
    wanted: &[&str],
) -> Result<Vec<FilePart>> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    let mut total = 0;
    // With each folder: how many names of `wanted` lead to it, if they do.
    let mut left = vec![(Some(0), volume.root)];
    while let Some((depth, place)) = left.pop() {
        ensure!(seen.insert(place.start), "its directories form a loop");
        total += place.length;
        ensure!(total <= MOST_OF_DIRECTORIES, "it has more directories than an ISO of nixvm");
        let bytes = read(image, place).context("one of its directories is cut off")?;
        for record in records(&bytes) {
            let record = record?;
            let Some(name) = name(record)? else { continue };
            let depth = depth.filter(|depth| wanted.get(*depth) == Some(&name.as_str()));
            let depth = depth.map(|depth| depth + 1);
            let flags = byte(record, 25)?;
            let extent = extent(record)?;
            if flags & 0b10 != 0 {
                left.push((depth, extent));
            } else {
                let wanted = depth == Some(wanted.len());
                files.push(FilePart { extent, partial: flags & 0x80 != 0, wanted });
            }
        }
    }
    Ok(files)
}

/// Reads the bytes of an extent.
///
/// # Errors
/// The image ends before it, or can't be read.
pub fn read(image: &mut (impl Read + Seek), place: Extent) -> Result<Vec<u8>> {
    image.seek(SeekFrom::Start(place.start))?;
    let mut bytes = Vec::new();
    image.take(place.length).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 == place.length, "it ends before byte {}", place.end());
    Ok(bytes)
}

/// The records of a directory: none crosses a sector's end, a zero says that no more is in one.
fn records(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8]>> {
    bytes.chunks(SECTOR as usize).flat_map(|sector| {
        let mut rest = sector;
        std::iter::from_fn(move || {
            let length = usize::from(*rest.first()?);
            if length == 0 {
                return None;
            }
            let Some((record, after)) = rest.split_at_checked(length).filter(|_| length >= 34)
            else {
                rest = &[];
                return Some(Err(anyhow::anyhow!("one of its directories is damaged")));
            };
            rest = after;
            Some(Ok(record))
        })
    })
}

/// The place that a directory record names.
fn extent(record: &[u8]) -> Result<Extent> {
    let attributes = u64::from(byte(record, 1)?);
    let start = (long(record, 2)? + attributes) * SECTOR;
    Ok(Extent { start, length: long(record, 10)? })
}

/// The name that Linux shows for a record; none for the folder itself and the one above.
fn name(record: &[u8]) -> Result<Option<String>> {
    let length = usize::from(byte(record, 32)?);
    let plain = record.get(33..33 + length).context("one of its names is damaged")?;
    if matches!(plain, [0 | 1]) {
        return Ok(None);
    }
    // The name is padded to an even length; Rock Ridge follows.
    let system_use = record.get(33 + length + (1 - length % 2)..).unwrap_or_default();
    let name = rock_ridge_name(system_use).unwrap_or_else(|| {
        let plain = String::from_utf8_lossy(plain).to_ascii_lowercase();
        let plain = plain.split(';').next().unwrap_or_default();
        plain.trim_end_matches('.').to_owned()
    });
    Ok(Some(name))
}

/// The NM entries of a record. One that continues in another sector is cut off here: no name of
/// ours is that long.
fn rock_ridge_name(mut entries: &[u8]) -> Option<String> {
    let mut name = Vec::new();
    while let [a, b, length, _, rest @ ..] = entries {
        let length = usize::from(*length);
        let (entry, after) = entries.split_at_checked(length).filter(|_| length >= 4)?;
        if [*a, *b] == *b"NM" {
            name.extend_from_slice(rest.get(1..length - 4).unwrap_or_default());
        }
        debug_assert_eq!(entry.len(), length);
        entries = after;
    }
    (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

fn byte(bytes: &[u8], at: usize) -> Result<u8> {
    bytes.get(at).copied().context("one of its directories is damaged")
}

/// A 16-bit number, of which ECMA-119 stores both orders, the little one first.
fn word(bytes: &[u8], at: usize) -> Result<u64> {
    match bytes.get(at..at + 2) {
        Some(bytes) => Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        None => bail!("one of its directories is damaged"),
    }
}

/// A 32-bit number, likewise.
fn long(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(word(bytes, at)? | word(bytes, at + 2)? << 16)
}
