//! A folder with a store in it, its image, and what was copied from that.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nixvm_copy::registration::{Entry, Registration};
use nixvm_copy::{Progress, Source, StorePath, copy, nar};
use tempfile::TempDir;

pub(crate) struct Desk {
    folder: TempDir,
    pub(crate) registration: Registration,
}

impl Desk {
    pub(crate) fn new() -> Self {
        // In memory where that is possible: every copy waits until the disk has everything.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(folder.path().join("store")).unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        Self { folder, registration: Registration::default() }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Where the store path is to be made, and its name.
    pub(crate) fn place(&self, letter: char) -> (PathBuf, StorePath) {
        let name = format!("{}-{letter}", letter.to_string().repeat(32));
        (self.store().join(&name), StorePath::from_name(&name).unwrap())
    }

    /// Makes a store path by `make` and registers it.
    pub(crate) fn add(&mut self, letter: char, make: impl FnOnce(&Path)) -> StorePath {
        let (place, path) = self.place(letter);
        make(&place);
        let (hash, size) = nar::of_path(&place).unwrap();
        let entry = Entry { hash, size, deriver: None, references: Vec::new() };
        self.registration.insert(path.clone(), entry);
        path
    }

    /// Makes the image; false if the tool for it is not there.
    pub(crate) fn squash(&self, options: &[&str]) -> bool {
        let result = Command::new("mksquashfs")
            .args([self.store(), self.image()])
            .args(["-noappend", "-quiet", "-no-progress", "-b", "131072"])
            .args(options)
            .output();
        let Ok(output) = result else { return false };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        true
    }

    /// As an ISO's image is made.
    pub(crate) fn squash_zstd(&self) -> bool {
        self.squash(&["-comp", "zstd", "-no-hardlinks", "-all-root"])
    }

    pub(crate) fn copy(&self) -> Result<()> {
        self.copy_watched(&mut |_| (), &|| false)
    }

    pub(crate) fn copy_watched(
        &self,
        progress: &mut dyn FnMut(Progress),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<()> {
        let source = Source::open(&self.image())?;
        copy(&source, &self.registration, &self.root(), progress, cancelled)
    }

    /// Empties the target.
    pub(crate) fn clear(&self) {
        nixvm_copy::remove_unregistered(&self.root(), &Default::default()).unwrap();
    }

    pub(crate) fn copied(&self, path: &StorePath) -> PathBuf {
        path.below(&self.root())
    }

    /// The target's store has exactly what is registered, as Nix would leave it.
    pub(crate) fn check(&self) {
        let copied = self.root().join("nix/store");
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let registered: Vec<_> =
            self.registration.entries().map(|(path, _)| path.name().into()).collect();
        assert_eq!(names(&copied), registered as Vec<std::ffi::OsString>);
        for (path, _) in self.registration.entries() {
            let mut open = vec![PathBuf::from(path.name())];
            while let Some(part) = open.pop() {
                let (from, to) = (self.store().join(&part), copied.join(&part));
                same(&from, &to);
                if from.symlink_metadata().unwrap().is_dir() {
                    let inside = names(&from);
                    assert_eq!(names(&to), inside, "{}", to.display());
                    open.extend(inside.iter().map(|name| part.join(name)));
                }
            }
        }
    }
}

fn same(from: &Path, to: &Path) {
    let (a, b) = (from.symlink_metadata().unwrap(), to.symlink_metadata().unwrap());
    let place = to.display();
    assert_eq!(a.file_type(), b.file_type(), "{place}");
    assert_eq!((b.mtime(), b.mtime_nsec()), (1, 0), "{place}");
    let owner = fs::metadata("/proc/self").unwrap();
    assert_eq!((b.uid(), b.gid()), (owner.uid(), owner.gid()), "{place}");
    let mode = match (a.is_symlink(), a.is_dir() || a.mode() & 0o100 != 0) {
        (true, _) => 0o777,
        (false, true) => 0o555,
        (false, false) => 0o444,
    };
    assert_eq!(b.mode() & 0o7777, mode, "{place}");
    let mut names = [0; 64];
    assert_eq!(rustix::fs::llistxattr(to, &mut names[..]).unwrap(), 0, "{place}");
    if a.is_file() {
        assert_eq!(b.nlink(), 1, "{place}");
        assert!(fs::read(from).unwrap() == fs::read(to).unwrap(), "{place}");
    } else if a.is_symlink() {
        assert_eq!(fs::read_link(from).unwrap(), fs::read_link(to).unwrap(), "{place}");
    }
}

/// Bytes that zstd can't make smaller, the same in every run.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Every file below `folder` that is not below one of `except`, with its length.
pub(crate) fn everything(folder: &Path, except: &[&Path]) -> HashMap<PathBuf, u64> {
    let mut found = HashMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(place) = open.pop() {
        if except.contains(&&*place) {
            continue;
        }
        let metadata = place.symlink_metadata().unwrap();
        if metadata.is_dir() {
            open.extend(fs::read_dir(&place).unwrap().map(|e| e.unwrap().path()));
        }
        let length = if metadata.is_file() { metadata.len() } else { 0 };
        found.insert(place, length);
    }
    found
}
