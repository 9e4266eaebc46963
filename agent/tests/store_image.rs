//! A squashfs image on a real loop device, in each way in which a live system may have it → the same
//! closure, copied from the device that is mounted.
//!
//! As root.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixvm_agent::disk::store_image;
use nixvm_copy::registration::Entry;
use nixvm_copy::{Registration, Source, StorePath, copy, nar};
use tempfile::TempDir;

/// A store of one path, and its image.
struct Store {
    folder: TempDir,
    path: StorePath,
    registration: Registration,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = StorePath::from_name("00000000000000000000000000000000-system").unwrap();
        let tree = folder.path().join("store").join(path.name());
        fs::create_dir_all(&tree).unwrap();
        let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
        fs::write(tree.join("text"), text).unwrap();
        let (hash, size) = nar::of_path(&tree).unwrap();
        let entry = Entry { hash, size, deriver: None, references: Vec::new() };
        let mut registration = Registration::default();
        registration.insert(path.clone(), entry);
        let (from, to) = (folder.path().join("store"), folder.path().join("image"));
        run(
            "mksquashfs",
            &[text_of(&from), text_of(&to), "-quiet", "-no-progress", "-comp", "zstd"],
        );
        Self { folder, path, registration }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Copies the closure from what is mounted at `mount_point`.
    fn copy_from(&self, mount_point: &Path) -> anyhow::Result<String> {
        let image = store_image::find(Path::new("/"), mount_point)?;
        let source = Source::open(&image.node)?;
        let target = tempfile::tempdir()?;
        copy(&source, &self.registration, target.path(), &mut |_| {}, &|| false)?;
        Ok(fs::read_to_string(self.path.below(target.path()).join("text"))?)
    }
}

/// A file system or an image that is mounted until this is dropped.
struct Mounted(TempDir);

impl Mounted {
    fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run("mount", &[arguments, &[text_of(folder.path())]].concat());
        Self(folder)
    }

    fn image(file: &Path) -> Self {
        Self::new(&["-t", "squashfs", "-o", "ro,loop", text_of(file)])
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ends_with_the_machine = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program).args(arguments).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// What is needed for these tests and is not here.
fn missing() -> Option<&'static str> {
    let works = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !rustix::process::geteuid().is_root() {
        return Some("loop devices need root");
    }
    if !works("losetup", "--find") {
        return Some("there are no loop devices");
    }
    (!works("mksquashfs", "-version")).then_some("there is no mksquashfs")
}

#[test]
fn the_closure_is_copied_from_whatever_backs_the_mounted_store() {
    if let Some(missing) = missing() {
        // Not by a macro: the test's output is not shown when it passes.
        writeln!(std::io::stderr(), "\nSKIPPED the image of a mounted store: {missing}").unwrap();
        return;
    }
    let store = Store::new();
    let text =
        fs::read_to_string(store.folder.path().join("store").join(store.path.name()).join("text"));
    let text = text.unwrap();
    let find = |mounted: &Mounted| store_image::find(Path::new("/"), mounted.path()).unwrap();

    // A medium that is mounted.
    let medium = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = medium.path().join("nix-store.squashfs");
    fs::copy(store.image(), &file).unwrap();
    let on_medium = Mounted::image(&file);
    assert!(!find(&on_medium).in_memory, "{:?}", find(&on_medium));
    assert_eq!(store.copy_from(on_medium.path()).unwrap(), text);

    // A copy in memory, then one that is in memory and nowhere else: the file of an initramfs.
    let memory = Mounted::new(&["-t", "tmpfs", "tmpfs"]);
    let file = memory.path().join("nix-store.squashfs");
    fs::copy(store.image(), &file).unwrap();
    let in_memory = Mounted::image(&file);
    for deleted in [false, true] {
        if deleted {
            fs::remove_file(&file).unwrap();
        }
        let found = find(&in_memory);
        assert!(found.in_memory, "deleted: {deleted}: {found:?}");
        assert_eq!(found.size_bytes, store.image().metadata().unwrap().len());
        assert_eq!(store.copy_from(in_memory.path()).unwrap(), text, "deleted: {deleted}");
    }

    // A file system that can't be reached from here, and so neither can the file.
    let hidden = Mounted::image(&store.image());
    run("mount", &["-t", "tmpfs", "tmpfs", text_of(store.folder.path())]);
    let copied = store.copy_from(hidden.path());
    run("umount", &[text_of(store.folder.path())]);
    assert_eq!(copied.unwrap(), text);
}

#[test]
fn a_byte_that_is_wrong_on_the_mounted_device_is_found() {
    if let Some(missing) = missing() {
        writeln!(std::io::stderr(), "\nSKIPPED a damaged image of a mounted store: {missing}")
            .unwrap();
        return;
    }
    let mut store = Store::new();
    let path = store.path.clone();
    let other = StorePath::from_name("11111111111111111111111111111111-other").unwrap();
    let tree = store.folder.path().join("store").join(path.name());
    fs::write(tree.join("text"), "not what is on the image\n").unwrap();
    let (hash, size) = nar::of_path(&tree).unwrap();
    let entry = Entry { hash, size, deriver: None, references: Vec::new() };
    let mounted = Mounted::image(&store.image());

    store.registration = Registration::default();
    store.registration.insert(path, entry.clone());
    let error = store.copy_from(mounted.path()).unwrap_err();
    assert!(format!("{error:#}").contains(store.path.name()), "{error:#}");

    store.registration = Registration::default();
    store.registration.insert(other, entry);
    let error = store.copy_from(mounted.path()).unwrap_err();
    assert!(error.to_string().contains("is not on the medium"), "{error:#}");
}
