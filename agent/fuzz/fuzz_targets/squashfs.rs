//! Any bytes, as a squashfs image: every tree in its root is read to the end or to an error.
//!
//! In agent, with images made by `mksquashfs TREE fuzz/corpus/squashfs/NAME -comp zstd -noI -noD
//! -noF` to start from: `cargo +nightly fuzz run squashfs -- -max_total_time=600`.

#![no_main]

use std::sync::Arc;

use anyhow::{Result, ensure};
use libfuzzer_sys::fuzz_target;
use nixvm_copy::nar::NarHasher;
use nixvm_copy::squashfs::Image;
use nixvm_copy::visit::Visit;

/// NAR bytes after which a tree is given up, as a copy does at its registered size.
const ENOUGH: u64 = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let _any_error = read(bytes);
});

fn read(bytes: &[u8]) -> Result<()> {
    let image = Image::new(Arc::<[u8]>::from(bytes))?;
    let mut reader = image.reader()?;
    for (name, reference) in reader.roots(|_| true)? {
        let mut limited = Limited { hasher: NarHasher::new(), depth: 0, open: None };
        let result = reader.walk(reference, &name, &mut limited);
        if result.is_ok() {
            assert_eq!(limited.depth, 0);
            assert_eq!(limited.open, None);
        }
    }
    Ok(())
}

/// Checks that the calls come as promised, and hashes.
struct Limited {
    hasher: NarHasher,
    depth: usize,
    /// Bytes that the open file still lacks.
    open: Option<u64>,
}

impl Limited {
    fn part(&mut self, length: u64) -> Result<()> {
        let left = self.open.expect("a file is open").checked_sub(length);
        self.open = Some(left.expect("a file has no more bytes than it says"));
        ensure!(self.hasher.size() + length <= ENOUGH, "enough");
        Ok(())
    }

    fn between_files(&self) -> Result<()> {
        assert_eq!(self.open, None);
        ensure!(self.hasher.size() <= ENOUGH, "enough");
        Ok(())
    }
}

impl Visit for Limited {
    fn directory(&mut self, name: &[u8]) -> Result<()> {
        self.between_files()?;
        self.depth += 1;
        self.hasher.directory(name)
    }

    fn leave(&mut self) -> Result<()> {
        self.between_files()?;
        self.depth = self.depth.checked_sub(1).expect("a folder is open");
        self.hasher.leave()
    }

    fn file(&mut self, name: &[u8], executable: bool, size: u64) -> Result<()> {
        self.between_files()?;
        self.open = Some(size);
        self.hasher.file(name, executable, size)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.part(bytes.len() as u64)?;
        self.hasher.data(bytes)
    }

    fn hole(&mut self, length: u64) -> Result<()> {
        self.part(length)?;
        self.hasher.hole(length)
    }

    fn end(&mut self) -> Result<()> {
        assert_eq!(self.open.take(), Some(0), "a file has the bytes that it says");
        self.hasher.end()
    }

    fn symlink(&mut self, name: &[u8], target: &[u8]) -> Result<()> {
        self.between_files()?;
        assert!(target.len() < 4096);
        self.hasher.symlink(name, target)
    }
}
