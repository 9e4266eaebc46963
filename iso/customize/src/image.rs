//! A file → [`Image`]: an ISO with one place for answers, to be read and written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::area;

use crate::iso9660::{self, Extent, FilePart, SECTOR};

/// What to do with the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Leave it as it is.
    Read,
    /// Write answers into it.
    Write,
}

/// An ISO with exactly one place for answers.
#[derive(Debug)]
pub struct Image {
    file: File,
    length: u64,
    at: u64,
}

/// How the files begin that ISOs are packed in.
const PACKED: [(&[u8], &str); 6] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
];

/// Bytes read at once while looking for a second area.
const STRETCH: u64 = 1 << 20;

impl Image {
    /// Opens an ISO and finds its place for answers.
    ///
    /// With [`Access::Write`] it is locked against another `nixvm-iso`.
    ///
    /// # Errors
    /// It can't be opened, is no ISO, is packed or cut off, or has no such place, or two.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        Self::try_open(path, access).with_context(|| format!("cannot use {}", path.display()))
    }

    fn try_open(path: &Path, access: Access) -> Result<Self> {
        let mut file = OpenOptions::new().read(true).write(access == Access::Write).open(path)?;
        if access == Access::Write
            && let Err(TryLockError::WouldBlock) = file.try_lock()
        {
            bail!("another nixvm-iso is writing to it");
        }
        let length = file.seek(SeekFrom::End(0))?;
        let at = find(&mut file, length)?;
        let mut image = Self { file, length, at };
        // An older format in its place is something that the agent on this ISO cannot read.
        if let Err(error @ area::Unreadable::OtherVersion) = area::decode(&image.area()?) {
            bail!("{error}; use the nixvm-iso that was published with it");
        }
        Ok(image)
    }

    /// Bytes of the image.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Byte at which its answers area begins.
    pub fn area_offset(&self) -> u64 {
        self.at
    }

    /// The answers' text; empty if there are none.
    ///
    /// # Errors
    /// The area can't be read, or holds something else than what was once written.
    pub fn text(&mut self) -> Result<String> {
        match area::decode(&self.area()?) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => bail!(
                "{error}; write the answers again with `nixvm-iso customize --answers`, \
                 or remove them with `nixvm-iso reset`"
            ),
        }
    }

    /// Puts the bytes of an area in its place and waits until they are stored.
    ///
    /// Cut short at any byte, it leaves an area that its checksum gives away.
    ///
    /// # Errors
    /// They can't be written, or something else is read back.
    pub fn write(&mut self, area: &[u8]) -> Result<()> {
        ensure!(area.len() == area::SIZE, "an area has {} bytes", area::SIZE);
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.write_all(area).context("the answers could not be written")?;
        self.file.sync_all().context("the answers could not be stored")?;
        ensure!(self.area()? == area, "something else was read back than was written");
        Ok(())
    }

    /// The bytes of the area, whatever they are.
    fn area(&mut self) -> Result<Vec<u8>> {
        iso9660::read(&mut self.file, Extent { start: self.at, length: area::SIZE as u64 })
    }

    /// The file, at its beginning.
    pub(crate) fn rewound(&mut self) -> Result<&mut File> {
        self.file.rewind()?;
        Ok(&mut self.file)
    }
}

/// Finds the one place for answers in an image of `length` bytes.
fn find(image: &mut (impl Read + Seek), length: u64) -> Result<u64> {
    image.rewind()?;
    let mut start = Vec::new();
    image.take(8).read_to_end(&mut start)?;
    if let Some((_, tool)) = PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
        bail!("it is packed with {tool}; unpack it first");
    }
    let volume = iso9660::read_volume(image)?;
    ensure!(
        volume.length <= length,
        "it is cut off: it has {length} of {} bytes; download it again",
        volume.length
    );
    let files = iso9660::read_files(image, &volume)?;
    let mut named = files.iter().filter(|file| file.path == area::PATH);
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
    for extent in extents.iter().chain([&Extent { start: length, length: 0 }]) {
        while at < extent.start.min(length) {
            let stretch = Extent { start: at, length: STRETCH.min(extent.start.min(length) - at) };
            let bytes = iso9660::read(image, stretch)?;
            let begins = bytes
                .chunks(SECTOR as usize)
                .zip((at..).step_by(SECTOR as usize))
                .filter(|(sector, _)| sector.starts_with(area::MAGIC));
            found.extend(begins.map(|(_, place)| place));
            at = stretch.end();
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
