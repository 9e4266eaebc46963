//! What is very large, takes very long, or is full.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nixvm_copy::Cancelled;
use nixvm_copy::registration::Entry;

use crate::desk::{Desk, noise};

const SIZE: u64 = (4 << 30) + 5;

/// A file of more than 4 GiB: a word, a hole, a word. Its hash is what `nix hash path` says.
fn huge() -> Option<Desk> {
    let mut desk = Desk::new();
    let (place, path) = desk.place('a');
    let file = File::create(place).unwrap();
    file.write_all_at(b"start", 0).unwrap();
    file.write_all_at(b"end", SIZE - 3).unwrap();
    let hash = "sha256:0jlgbnf208xlz2r636496c3cwvkqy0k50d4yw20dbw14xqbimk39".parse().unwrap();
    // What is around a file alone has 112 bytes, and 3 fill the last eight.
    let entry = Entry { hash, size: SIZE + 115, deriver: None, references: Vec::new() };
    desk.registration.insert(path, entry);
    desk.squash(&["-comp", "zstd", "-b", "1048576"]).then_some(desk)
}

#[test]
fn files_of_more_than_4_gib_are_copied_with_their_holes() {
    let Some(desk) = huge() else { return };
    let mut calls = Vec::new();
    desk.copy_watched(&mut |progress| calls.push(progress), &|| false).unwrap();
    let copied = File::open(desk.copied(&desk.place('a').1)).unwrap();
    let metadata = copied.metadata().unwrap();
    assert_eq!(metadata.len(), SIZE);
    assert!(metadata.blocks() * 512 < 64 << 20, "the hole is stored");
    let mut word = [0; 5];
    copied.read_exact_at(&mut word, 0).unwrap();
    assert_eq!(&word, b"start");
    copied.read_exact_at(&mut word, SIZE - 5).unwrap();
    assert_eq!(&word, b"\0\0end");

    let total = SIZE + 115;
    assert!(calls.len() > 2, "{calls:?}");
    assert!(calls.iter().all(|progress| progress.total == total), "{calls:?}");
    assert!(calls.is_sorted_by(|a, b| a.done < b.done), "{calls:?}");
    assert_eq!(calls.last().unwrap().done, total);
}

#[test]
fn cancel_ends_a_copy_within_a_second() {
    let Some(desk) = huge() else { return };
    let cancelled = Cell::new(None);
    let mut progress = |progress: nixvm_copy::Progress| {
        if progress.done > 0 && cancelled.get().is_none() {
            cancelled.set(Some(Instant::now()));
        }
    };
    let error = desk.copy_watched(&mut progress, &|| cancelled.get().is_some()).unwrap_err();
    assert!(cancelled.get().unwrap().elapsed() < Duration::from_secs(1));
    assert!(error.chain().any(|cause| cause.is::<Cancelled>()), "{error:#}");
}

/// A file system of 1 MiB; None where nothing can be mounted.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(place: &'a Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let output = Command::new("mount").args(options).arg(place).output().ok()?;
        output.status.success().then_some(Self(place))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _output = Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn a_full_disk_is_named_with_the_file() {
    let mut desk = Desk::new();
    let path = desk.add('a', |place| {
        fs::create_dir(place).unwrap();
        fs::write(place.join("large"), noise(1, 3 << 20)).unwrap();
    });
    let root = desk.root();
    if !desk.squash_zstd() {
        return;
    }
    let Some(_small) = Small::mount(&root) else { return };
    let error = format!("{:#}", desk.copy().unwrap_err());
    let file = desk.copied(&path).join("large");
    assert_eq!(
        error,
        format!(
            "cannot copy {path}: cannot write {}: No space left on device (os error 28)",
            file.display()
        )
    );
}
