//! Where an image's bytes are.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that can be read at any place, by several threads.
pub trait Medium: Send + Sync + Sized {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// The medium fails, or ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// The medium fails.
    fn length(&self) -> io::Result<u64>;

    /// The same bytes again, with a read-ahead of its own where there is such a thing.
    ///
    /// # Errors
    /// The medium is gone.
    fn reopen(&self) -> io::Result<Self>;
}

/// A file or a block device.
pub struct FileMedium {
    path: PathBuf,
    file: File,
}

impl FileMedium {
    /// Opens it for reading.
    ///
    /// # Errors
    /// It is not there or can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::open(path)? })
    }
}

impl Medium for FileMedium {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&self.file, buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        // Not the metadata's: a block device's would be 0.
        (&self.file).seek(SeekFrom::End(0))
    }

    fn reopen(&self) -> io::Result<Self> {
        Self::open(&self.path)
    }
}

/// Bytes in memory.
impl Medium for Arc<[u8]> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..buffer.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn reopen(&self) -> io::Result<Self> {
        Ok(Self::clone(self))
    }
}
