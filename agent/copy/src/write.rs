//! A tree of files → the same tree in a store, as Nix leaves one: modes 0444 and 0555, every time 1,
//! owned by the caller, without extended attributes.
//!
//! Nothing outside the store can be written to, whatever the names are: each is one component, made
//! new in a folder that was made here and is held open. Three files are open at most.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, futimens, mkdirat,
    openat, symlinkat, utimensat,
};

use crate::visit::Visit;

/// A file system's longest name, in bytes.
const MAX_NAME: usize = 255;

/// Of everything in a store; see `canonicaliseTimestampAndPermissions` in Nix.
const TIMES: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    last_modification: Timespec { tv_sec: 1, tv_nsec: 0 },
};

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A store's folder, to write into.
pub struct Store {
    folder: OwnedFd,
    path: PathBuf,
}

impl Store {
    /// Opens the store below `root`, and makes it where there is none.
    ///
    /// # Errors
    /// It can't be made, or is no folder.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join("nix/store");
        let about = || format!("cannot make the store {}", path.display());
        std::fs::create_dir_all(&path).with_context(about)?;
        let folder = openat(CWD, &path, FOLDER, Mode::empty()).with_context(about)?;
        Ok(Self { folder, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open folder.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

/// Writes the one tree that it visits.
pub struct Writer<'a> {
    store: &'a Store,
    /// The innermost folder that is not complete.
    folder: Option<OwnedFd>,
    depth: usize,
    file: Option<Open>,
    /// What is being written, for errors.
    path: PathBuf,
}

/// The file that is being written.
struct Open {
    file: File,
    size: u64,
    /// It ends in a hole, which no write has made part of it.
    hole: bool,
}

impl<'a> Writer<'a> {
    /// Writes into `store`.
    pub fn new(store: &'a Store) -> Self {
        Self { store, folder: None, depth: 0, file: None, path: store.path.clone() }
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.folder.as_ref().map_or(self.store.folder(), AsFd::as_fd)
    }

    /// Checks a name before it is used in any way.
    fn enter(&mut self, name: &[u8]) -> Result<()> {
        let path = &self.path;
        if name.is_empty() || name == b"." || name == b".." || name.len() > MAX_NAME {
            bail!("{:?} in {} is no file's name", name.escape_ascii().to_string(), path.display());
        }
        ensure!(
            !name.contains(&b'/') && !name.contains(&0),
            "a name in {} is a path: {:?}",
            path.display(),
            name.escape_ascii().to_string()
        );
        self.path.push(std::ffi::OsStr::from_bytes(name));
        Ok(())
    }

    fn open_file(&mut self) -> Result<&mut Open> {
        self.file.as_mut().context("no file is being written")
    }
}

fn about(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

impl Visit for Writer<'_> {
    fn directory(&mut self, name: &[u8]) -> Result<()> {
        self.enter(name)?;
        let folder = mkdirat(self.here(), name, Mode::from_raw_mode(0o755))
            .and_then(|()| openat(self.here(), name, FOLDER, Mode::empty()))
            .with_context(|| about(&self.path))?;
        self.folder = Some(folder);
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        let folder = self.folder.take().context("no folder is being written")?;
        self.depth -= 1;
        // Not kept open while its entries are written: a deep tree would take too many of them. No other
        // process knows this folder, so its parent is the one that it was made in.
        let parent = match self.depth {
            0 => Ok(None),
            _ => openat(&folder, "..", FOLDER, Mode::empty()).map(Some),
        };
        self.folder = fchmod(&folder, Mode::from_raw_mode(0o555))
            .and_then(|()| futimens(&folder, &TIMES))
            .and(parent)
            .with_context(|| about(&self.path))?;
        self.path.pop();
        Ok(())
    }

    fn file(&mut self, name: &[u8], executable: bool, size: u64) -> Result<()> {
        self.enter(name)?;
        let mode = Mode::from_raw_mode(if executable { 0o555 } else { 0o444 });
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(self.here(), name, flags, mode)
            .and_then(|file| {
                // The umask takes bits away. Asking is cheaper than setting the mode every time.
                if Mode::from_raw_mode(fstat(&file)?.st_mode) != mode {
                    fchmod(&file, mode)?;
                }
                Ok(file)
            })
            .with_context(|| about(&self.path))?;
        self.file = Some(Open { file: file.into(), size, hole: false });
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        let open = self.open_file()?;
        open.hole = false;
        open.file.write_all(bytes).with_context(|| about(&self.path))
    }

    fn hole(&mut self, length: u64) -> Result<()> {
        let open = self.open_file()?;
        open.hole = true;
        i64::try_from(length)
            .map_err(std::io::Error::other)
            .and_then(|length| open.file.seek(SeekFrom::Current(length)))
            .map(drop)
            .with_context(|| about(&self.path))
    }

    fn end(&mut self) -> Result<()> {
        let open = self.file.take().context("no file is being written")?;
        if open.hole {
            open.file.set_len(open.size).with_context(|| about(&self.path))?;
        }
        futimens(&open.file, &TIMES).with_context(|| about(&self.path))?;
        self.path.pop();
        Ok(())
    }

    fn symlink(&mut self, name: &[u8], target: &[u8]) -> Result<()> {
        self.enter(name)?;
        symlinkat(target, self.here(), name)
            .and_then(|()| utimensat(self.here(), name, &TIMES, AtFlags::SYMLINK_NOFOLLOW))
            .with_context(|| about(&self.path))?;
        self.path.pop();
        Ok(())
    }
}
