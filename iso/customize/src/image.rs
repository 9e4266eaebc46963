//! A file → [`Image`]: an ISO with one place for answers, to be read and written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::area;

use crate::iso9660::{self, Extent};
use crate::place;

/// What to do with the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Leave it as it is.
    Read,
    /// Write answers into it.
    Write,
}

/// What an image is in: a file, or what stands in for one.
pub trait Store: Read + Write + Seek {
    /// Waits until what was written is stored.
    ///
    /// # Errors
    /// The system's own.
    fn sync(&mut self) -> io::Result<()>;
}

impl Store for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// An ISO with exactly one place for answers.
#[derive(Debug)]
pub struct Image<S = File> {
    store: S,
    length: u64,
    at: u64,
}

/// How often a locked ISO is tried, and the time in between.
const PATIENCE: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

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
        // To open a pipe would wait for its other end.
        let kind = path.metadata()?.file_type();
        ensure!(!kind.is_dir(), "it is a folder");
        ensure!(
            kind.is_file(),
            "it is a device or the like; change the ISO itself, before it is written to a medium"
        );
        let opened = OpenOptions::new().read(true).write(access == Access::Write).open(path);
        let file = match opened {
            Err(error)
                if access == Access::Write
                    && matches!(
                        error.kind(),
                        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                    ) =>
            {
                bail!("{error}; to write a new ISO instead, give --output")
            }
            opened => opened?,
        };
        if access == Access::Write {
            lock(&file)?;
        }
        Self::find(file)
    }

    /// The file, at its beginning.
    pub(crate) fn rewound(&mut self) -> Result<&mut File> {
        self.store.rewind()?;
        Ok(&mut self.store)
    }
}

/// Locks the file, after a moment if need be: another one writes for less than that.
fn lock(file: &File) -> Result<()> {
    for _ in 0..PATIENCE {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            // Not every file system knows locks.
            _ => return Ok(()),
        }
    }
    bail!("another nixvm-iso is writing to it")
}

impl<S: Read + Seek> Image<S> {
    /// Finds the place for answers in what an image is in.
    ///
    /// # Errors
    /// It is no ISO, is packed or cut off, or has no such place, or two.
    pub fn find(mut store: S) -> Result<Self> {
        let length = store.seek(SeekFrom::End(0))?;
        let at = place::find(&mut store, length)?;
        let mut image = Self { store, length, at };
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

    /// Gives back what the image is in.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The bytes of the area, whatever they are.
    fn area(&mut self) -> Result<Vec<u8>> {
        iso9660::read(&mut self.store, Extent { start: self.at, length: area::SIZE as u64 })
    }
}

impl<S: Store> Image<S> {
    /// Puts answers in their place and waits until they are stored; an empty text removes them.
    ///
    /// Cut short at any byte, it leaves an area that its checksum gives away. Where writing fails
    /// and the program goes on, the answers from before are put back.
    ///
    /// # Errors
    /// They are too long, can't be written, or something else is read back.
    pub fn put(&mut self, text: &str) -> Result<()> {
        let area = area::encode(text)?;
        let before = self.area()?;
        let Err(error) = self.write(&area) else { return Ok(()) };
        Err(error.context(match self.write(&before) {
            Ok(()) => "the answers could not be written, and those from before are back",
            Err(_) => {
                "the answers could not be written, and the place for them may be damaged now: \
                 once the file can be written again, use `nixvm-iso reset` or \
                 `nixvm-iso customize --answers`"
            }
        }))
    }

    fn write(&mut self, area: &[u8]) -> Result<()> {
        self.store.seek(SeekFrom::Start(self.at))?;
        self.store.write_all(area)?;
        self.store.sync()?;
        ensure!(self.area()? == area, "something else was read back than was written");
        Ok(())
    }
}
