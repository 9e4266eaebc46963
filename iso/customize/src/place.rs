//! An image → the byte at which its one place for answers begins.

use std::io::{Read, Seek};

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::area;

use crate::iso9660::{self, Extent, FilePart, SECTOR};

/// How the files begin that ISOs are packed in.
const PACKED: [(&[u8], &str); 6] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
];

/// Bytes read at once while looking for a second place.
const STRETCH: u64 = 1 << 20;

/// Bytes outside of files in which a second place is looked for: a hundred times what an ISO has.
///
/// The kernel finds the place by its name, so one that is missed is never read.
const MOST_OUTSIDE: u64 = 32 << 20;

/// Finds the one place for answers in an image of `length` bytes.
///
/// # Errors
/// It is no ISO, is packed or cut off, or has no such place, or two.
pub fn find(image: &mut (impl Read + Seek), length: u64) -> Result<u64> {
    image.rewind()?;
    let mut start = Vec::new();
    image.take(8).read_to_end(&mut start)?;
    if let Some((_, tool)) = PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
        bail!("it is packed with {tool}; unpack it first");
    }
    let volume = iso9660::read_volume(image)?;
    ensure!(
        volume.length <= length,
        "it is cut off: it has {length} of {} bytes; download it again, or join all of its parts",
        volume.length
    );
    let files = iso9660::read_files(image, &volume, &area::PATH)?;
    let mut named = files.iter().filter(|file| file.wanted);
    let place = named.next().context(
        "it has no place for answers: it is not an ISO of nixvm, or of a version without",
    )?;
    ensure!(
        named.next().is_none() && !place.partial && place.extent.length == area::SIZE as u64,
        "its place for answers has not the size that this version knows"
    );
    let shared = |file: &&FilePart| file.extent.overlaps(&place.extent);
    ensure!(
        files.iter().filter(shared).all(|file| file.extent == place.extent),
        "another file lies in its place for answers"
    );
    match copies(image, length, &files)?.as_slice() {
        [only] if *only == place.extent.start => Ok(*only),
        [_] | [] => bail!("its place for answers is damaged; download it again"),
        several => bail!(
            "it has {} places for answers, and it is not certain which one counts",
            several.len()
        ),
    }
}

/// The places at which an area begins: at the start of a file, or on any sector outside of files.
///
/// What lies inside another file, such as the image of the Nix store, is only that file's content.
fn copies(image: &mut (impl Read + Seek), length: u64, files: &[FilePart]) -> Result<Vec<u64>> {
    let mut extents: Vec<Extent> = files.iter().map(|file| file.extent).collect();
    extents.sort_unstable();
    let mut found = Vec::new();
    let mut at = 0;
    let mut left = MOST_OUTSIDE;
    for extent in extents.iter().chain([&Extent { start: length, length: 0 }]) {
        while at < extent.start.min(length) && left > 0 {
            let size = STRETCH.min(extent.start.min(length) - at).min(left);
            let stretch = Extent { start: at, length: size };
            let bytes = iso9660::read(image, stretch)?;
            let begins = bytes
                .chunks(SECTOR as usize)
                .zip((at..).step_by(SECTOR as usize))
                .filter(|(sector, _)| sector.starts_with(area::MAGIC));
            found.extend(begins.map(|(_, place)| place));
            at = stretch.end();
            left -= size;
        }
        let first = Extent { start: extent.start, length: area::MAGIC.len() as u64 };
        if extent.length >= first.length
            && iso9660::read(image, first).context("it is cut off")? == area::MAGIC
        {
            found.push(extent.start);
        }
        at = at.max(extent.end().next_multiple_of(SECTOR));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
