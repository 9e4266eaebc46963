//! A tree that is read → written and hashed at the same time, and stopped when it is too large or
//! the copy is cancelled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, bail, ensure};

use crate::nar::NarHasher;
use crate::registration::Entry;
use crate::visit::Visit;
use crate::{Cancelled, Writer};

/// What the threads of a copy share.
#[derive(Default)]
pub(crate) struct Shared {
    /// NAR bytes that were written and hashed.
    pub(crate) done: AtomicU64,
    /// All threads have to stop.
    pub(crate) stop: AtomicBool,
}

/// Takes the one tree that has to be `entry`.
pub(crate) struct Checked<'a> {
    writer: Writer<'a>,
    hasher: NarHasher,
    entry: &'a Entry,
    shared: &'a Shared,
    /// NAR bytes that are counted already.
    counted: u64,
}

impl<'a> Checked<'a> {
    pub(crate) fn new(writer: Writer<'a>, entry: &'a Entry, shared: &'a Shared) -> Self {
        Self { writer, hasher: NarHasher::new(), entry, shared, counted: 0 }
    }

    /// Compares what was written with what is registered.
    ///
    /// # Errors
    /// They differ.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.go_on(0)?;
        let (size, hash) = (self.hasher.size(), self.hasher.finish());
        let Entry { size: registered, hash: expected, .. } = self.entry;
        ensure!(
            size == *registered,
            "its NAR has {size} bytes and not the {registered} that are registered"
        );
        ensure!(hash == *expected, "its NAR's hash is {hash} and not {expected} as registered");
        Ok(())
    }

    /// Counts what was done; `ahead` bytes follow.
    fn go_on(&mut self, ahead: u64) -> Result<()> {
        if self.shared.stop.load(Ordering::Relaxed) {
            bail!(Cancelled);
        }
        let size = self.hasher.size();
        // So that a damaged image neither fills the disk nor makes more progress than there is.
        ensure!(
            size.saturating_add(ahead) <= self.entry.size,
            "its NAR is larger than the {} bytes that are registered",
            self.entry.size
        );
        self.shared.done.fetch_add(size - self.counted, Ordering::Relaxed);
        self.counted = size;
        Ok(())
    }
}

impl Visit for Checked<'_> {
    fn directory(&mut self, name: &[u8]) -> Result<()> {
        self.hasher.directory(name)?;
        self.go_on(0)?;
        self.writer.directory(name)
    }

    fn leave(&mut self) -> Result<()> {
        self.hasher.leave()?;
        self.writer.leave()
    }

    fn file(&mut self, name: &[u8], executable: bool, size: u64) -> Result<()> {
        self.hasher.file(name, executable, size)?;
        self.go_on(size)?;
        self.writer.file(name, executable, size)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.data(bytes)?;
        self.go_on(0)?;
        self.writer.data(bytes)
    }

    fn hole(&mut self, length: u64) -> Result<()> {
        self.go_on(length)?;
        self.hasher.hole(length)?;
        self.go_on(0)?;
        self.writer.hole(length)
    }

    fn end(&mut self) -> Result<()> {
        self.hasher.end()?;
        self.writer.end()
    }

    fn symlink(&mut self, name: &[u8], target: &[u8]) -> Result<()> {
        self.hasher.symlink(name, target)?;
        self.go_on(0)?;
        self.writer.symlink(name, target)
    }
}
