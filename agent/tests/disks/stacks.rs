//! Real mappings on real loop devices → the partitions that a mount rests on, and no other.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixvm_agent::disk::mounts;
use nixvm_agent::disk::stack::{self, Place};

use super::image;

const TOOLS: [&str; 6] = ["losetup", "mkfs.btrfs", "mkfs.ext4", "mount", "partx", "sgdisk"];

fn can_run() -> bool {
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !image::is_on_path(tool)).collect();
    let can =
        rustix::process::geteuid().is_root() && image::has_loop_devices() && missing.is_empty();
    if !can {
        super::skip(&format!("mounts need root, loop devices and {TOOLS:?}"));
    }
    can
}

fn has_mapper() -> bool {
    let version = Command::new("dmsetup").arg("version").output();
    let has =
        image::is_on_path("cryptsetup") && version.is_ok_and(|output| output.status.success());
    if !has {
        super::skip("mappings need cryptsetup, dmsetup and a kernel with the device mapper");
    }
    has
}

/// What a program prints, which has to succeed.
fn run(program: &str, arguments: &[&str]) -> String {
    image::run(program, arguments).trim().to_owned()
}

/// What is made is taken down in reverse, whatever becomes of the test.
#[derive(Default)]
struct Undo(Vec<(&'static str, Vec<String>)>);

impl Undo {
    fn later(&mut self, program: &'static str, arguments: &[&str]) {
        self.0.push((program, arguments.iter().map(|word| (*word).to_owned()).collect()));
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for (program, arguments) in self.0.iter().rev() {
            // The test has its verdict already.
            let _undone = Command::new(program).args(arguments).status();
        }
    }
}

/// A loop device with two partitions of 150 MiB.
struct Disk {
    node: String,
    number: (u32, u32),
}

impl Disk {
    fn make(folder: &Path, name: &str, undo: &mut Undo) -> Self {
        let file = folder.join(name);
        std::fs::File::create(&file).unwrap().set_len(320 << 20).unwrap();
        let node = run("losetup", &["--find", "--show", "--partscan", file.to_str().unwrap()]);
        undo.later("losetup", &["--detach", &node]);
        run("sgdisk", &["--new=1:0:+150M", "--new=2:0:+150M", &node]);
        run("partx", &["--update", &node]);
        let number = Path::new(&node).metadata().unwrap().rdev();
        let number = (rustix::fs::major(number), rustix::fs::minor(number));
        Self { node, number }
    }

    fn place(&self, partition: u32) -> Place {
        Place { disk: self.number, partition }
    }

    fn partition(&self, number: u32) -> String {
        format!("{}p{number}", self.node)
    }
}

/// A file system of this type on `node`, mounted: the partitions that it is found to rest on.
fn places(folder: &Path, kind: &str, node: &str, undo: &mut Undo) -> anyhow::Result<Vec<Place>> {
    let at: PathBuf = folder.join(format!("at-{}", node.replace('/', "-")));
    std::fs::create_dir(&at).unwrap();
    run("mount", &["-t", kind, node, at.to_str().unwrap()]);
    undo.later("umount", &[at.to_str().unwrap()]);
    let table = mounts::table().unwrap();
    let mount = table.iter().rfind(|mount| mount.path == at).unwrap();
    Ok(stack::places(mount)?.into_iter().collect())
}

#[test]
fn a_mount_rests_on_its_partition_and_btrfs_on_all_that_it_was_given() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let disk = Disk::make(folder.path(), "disk", &mut undo);
    let other = Disk::make(folder.path(), "other", &mut undo);
    let plain = disk.partition(1);
    run("mkfs.ext4", &["-q", &plain]);
    assert_eq!(places(folder.path(), "ext4", &plain, &mut undo).unwrap(), [disk.place(1)]);

    // It names one of its devices.
    let (one, two) = (disk.partition(2), other.partition(1));
    run("mkfs.btrfs", &["--quiet", "--force", &one, &two]);
    let found = places(folder.path(), "btrfs", &one, &mut undo).unwrap();
    assert_eq!(sorted(found), sorted(vec![disk.place(2), other.place(1)]));
    let alone = other.partition(2);
    run("mkfs.btrfs", &["--quiet", "--force", &alone]);
    assert_eq!(places(folder.path(), "btrfs", &alone, &mut undo).unwrap(), [other.place(2)]);
}

#[test]
fn what_is_on_no_partition_is_an_error() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let file = folder.path().join("bare");
    std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    let bare = run("losetup", &["--find", "--show", file.to_str().unwrap()]);
    undo.later("losetup", &["--detach", &bare]);
    run("mkfs.ext4", &["-q", &bare]);
    let error = places(folder.path(), "ext4", &bare, &mut undo).unwrap_err();
    assert!(format!("{error:#}").contains("is no partition"), "{error:#}");
    let error = places(folder.path(), "tmpfs", "none", &mut undo).unwrap_err();
    assert!(format!("{error:#}").contains("it is a tmpfs, on no device"), "{error:#}");
}

#[test]
fn a_mount_is_traced_through_encryption_and_mappings_to_every_partition_below() {
    if !can_run() || !has_mapper() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let disk = Disk::make(folder.path(), "disk", &mut undo);
    let other = Disk::make(folder.path(), "other", &mut undo);

    let key = folder.path().join("key");
    std::fs::write(&key, "a passphrase").unwrap();
    let key = key.to_str().unwrap();
    let (below, name) = (disk.partition(2), format!("nixvm-test-crypt-{}", std::process::id()));
    // The least work that the key derivation can be.
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let format = [&["luksFormat", "--batch-mode", "--key-file", key], &cheap[..], &[&below]];
    run("cryptsetup", &format.concat());
    run("cryptsetup", &["open", "--key-file", key, &below, &name]);
    undo.later("cryptsetup", &["close", &name]);
    let crypt = format!("/dev/mapper/{name}");
    // In sectors: parts of the mapping that do not overlap.
    let mut volume = |name: &str, table: &str| {
        let name = format!("nixvm-test-{name}-{}", std::process::id());
        run("dmsetup", &["create", &name, "--table", table]);
        undo.later("dmsetup", &["remove", &name]);
        let node = format!("/dev/mapper/{name}");
        run("mkfs.ext4", &["-q", &node]);
        places(folder.path(), "ext4", &node, &mut undo).unwrap()
    };
    let alone =
        volume("alone", &format!("0 60000 linear {crypt} 0\n60000 60000 linear {crypt} 60000"));
    assert_eq!(alone, [disk.place(2)]);
    let second = other.partition(1);
    let wide =
        volume("wide", &format!("0 60000 linear {crypt} 120000\n60000 60000 linear {second} 0"));
    assert_eq!(sorted(wide), sorted(vec![disk.place(2), other.place(1)]));
}

fn sorted(mut places: Vec<Place>) -> Vec<Place> {
    places.sort();
    places
}
