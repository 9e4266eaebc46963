//! Trees of every shape come out as they went in.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nixvm_copy::{Source, copy};

use crate::desk::{Desk, noise};

fn odd(place: &Path) {
    fs::create_dir(place).unwrap();
    let write = |name: &str, content: &[u8]| fs::write(place.join(name), content).unwrap();
    write("empty", b"");
    write("small", b"hello");
    write(&"n".repeat(255), b"the longest name");
    write("odd \n\"\\\u{e4}\t name", b"odd");
    // Blocks of 128 KiB: exactly one, two and a bit, and one that zstd leaves as it is.
    write("block", &[7; 131_072]);
    write("blocks", &[8; 300_000]);
    write("noise", &noise(1, 200_000));
    write("noise-tail", &noise(2, 131_073));
    write("run", b"#!/bin/sh\n");
    fs::set_permissions(place.join("run"), Permissions::from_mode(0o700)).unwrap();
    write("others-run", b"not the owner");
    fs::set_permissions(place.join("others-run"), Permissions::from_mode(0o655)).unwrap();
    write("attribute", b"has an attribute");
    let value = rustix::fs::XattrFlags::empty();
    // Not every file system of a test's folder takes one.
    let _unsupported = rustix::fs::setxattr(place.join("attribute"), "user.x", b"y", value);
    write("twice-1", b"a fragment that is there twice");
    write("twice-2", b"a fragment that is there twice");
    fs::hard_link(place.join("small"), place.join("linked")).unwrap();
    symlink("/nonexistent", place.join("dangling")).unwrap();
    symlink("..", place.join("up")).unwrap();
    symlink("t".repeat(4095), place.join("long")).unwrap();
    fs::create_dir(place.join("empty-folder")).unwrap();
    let name = std::os::unix::ffi::OsStrExt::from_bytes(b"not utf-8 \xff");
    fs::write(place.join(<&std::ffi::OsStr>::clone(&name)), "x").unwrap();
}

fn sparse(place: &Path) {
    let file = File::create(place).unwrap();
    let write = |at, bytes: &[u8]| std::os::unix::fs::FileExt::write_all_at(&file, bytes, at);
    write(400_000, b"in the middle").unwrap();
    file.set_len(1_000_001).unwrap();
}

fn many(place: &Path) {
    fs::create_dir(place).unwrap();
    for number in 0..6000 {
        fs::write(place.join(format!("entry-{number:04}-of-a-large-folder")), [1; 3]).unwrap();
    }
    let mut deep = place.join("deep");
    for _ in 0..150 {
        fs::create_dir(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        deep.push("d");
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.add('a', odd);
    desk.add('b', |place| fs::write(place, "a file alone").unwrap());
    desk.add('c', |place| symlink("/nix/store/elsewhere", place).unwrap());
    desk.add('d', many);
    desk.add('f', sparse);
    desk
}

#[test]
fn every_shape_is_copied_from_images_of_every_kind() {
    let desk = desk();
    // What is not registered is not copied.
    fs::write(desk.store().join("nix-path-registration"), "stray").unwrap();
    fs::create_dir(desk.store().join("zzz-stray")).unwrap();
    let zstd = ["-comp", "zstd"];
    let kinds: [&[&str]; 5] = [
        &["-no-hardlinks", "-all-root"],
        &["-no-fragments", "-no-duplicates"],
        &["-always-use-fragments", "-no-sparse"],
        &["-noI", "-noD", "-noF", "-noX"],
        &["-no-exports", "-no-xattrs", "-Xcompression-level", "1"],
    ];
    for kind in kinds {
        if !desk.squash(&[&zstd, kind].concat()) {
            return;
        }
        desk.copy().unwrap_or_else(|error| panic!("{kind:?}: {error:#}"));
        desk.check();
        desk.clear();
    }
}

#[test]
fn every_shape_is_copied_from_a_folder() {
    let desk = desk();
    let source = Source::open(&desk.store()).unwrap();
    copy(&source, &desk.registration, &desk.root(), &mut |_| (), &|| false).unwrap();
    desk.check();
}

#[test]
fn nothing_is_copied_for_an_empty_closure() {
    let mut desk = desk();
    desk.registration = Default::default();
    if desk.squash_zstd() {
        let mut calls = Vec::new();
        desk.copy_watched(&mut |progress| calls.push((progress.done, progress.total)), &|| false)
            .unwrap();
        assert_eq!(calls, [(0, 0)]);
        desk.check();
    }
}

#[test]
fn leftovers_of_an_interrupted_copy_are_removed_and_registered_paths_kept() {
    let desk = desk();
    if !desk.squash_zstd() {
        return;
    }
    desk.copy().unwrap();
    let error = format!("{:#}", desk.copy().unwrap_err());
    assert!(error.contains("cannot write") && error.contains("exists"), "{error}");

    let (_, kept) = desk.place('a');
    let copied = desk.root().join("nix/store");
    for stray in [".links", "tmp-1-2"] {
        fs::create_dir(copied.join(stray)).unwrap();
    }
    symlink("/etc", copied.join("link")).unwrap();
    let registered = [kept.clone()].into();
    let removed = nixvm_copy::remove_unregistered(&desk.root(), &registered).unwrap();
    assert_eq!(removed, 6);
    assert!(Path::new("/etc/passwd").exists());
    fs::remove_dir(copied.join(".links")).unwrap();
    let left = desk.registration.without(&registered);
    let source = Source::open(&desk.image()).unwrap();
    copy(&source, &left, &desk.root(), &mut |_| (), &|| false).unwrap();
    desk.check();
}
