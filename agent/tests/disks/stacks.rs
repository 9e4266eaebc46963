//! Real mappings on real loop devices → the partitions that a mount rests on, and no other.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixvm_agent::disk::mounts;
use nixvm_agent::disk::stack::{self, Place};

use super::image;

const TOOLS: [&str; 8] =
    ["cryptsetup", "dmsetup", "losetup", "mkfs.btrfs", "mkfs.ext4", "mount", "partx", "sgdisk"];

fn can_run() -> bool {
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !image::is_on_path(tool)).collect();
    let has_mapper = Path::new("/dev/mapper/control").exists();
    let can = rustix::process::geteuid().is_root()
        && image::has_loop_devices()
        && has_mapper
        && missing.is_empty();
    if !can {
        super::skip(&format!("mappings need root, the device mapper and {TOOLS:?}"));
    }
    can
}

/// Runs a program, which has to succeed; returns what it prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
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
fn a_mount_is_traced_through_encryption_and_mappings_to_its_partitions() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let disk = Disk::make(folder.path(), "disk", &mut undo);
    let other = Disk::make(folder.path(), "other", &mut undo);
    let on = |disk: &Disk, partition| Place { disk: disk.number, partition };
    let unique = std::process::id();

    let plain = disk.partition(1);
    run("mkfs.ext4", &["-q", &plain]);
    assert_eq!(places(folder.path(), "ext4", &plain, &mut undo).unwrap(), [on(&disk, 1)]);

    let key = folder.path().join("key");
    std::fs::write(&key, "a passphrase").unwrap();
    let key = key.to_str().unwrap();
    let (below, name) = (disk.partition(2), format!("nixvm-test-crypt-{unique}"));
    // The least work that the key derivation can be.
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let format = [&["luksFormat", "--batch-mode", "--key-file", key], &cheap[..], &[&below]];
    run("cryptsetup", &format.concat());
    run("cryptsetup", &["open", "--key-file", key, &below, &name]);
    undo.later("cryptsetup", &["close", &name]);
    let crypt = format!("/dev/mapper/{name}");
    // A volume on the mapping: two parts of it, as LVM makes them.
    let volume = format!("nixvm-test-volume-{unique}");
    let table = format!("0 100000 linear {crypt} 0\n100000 100000 linear {crypt} 100000");
    run("dmsetup", &["create", &volume, "--table", &table]);
    undo.later("dmsetup", &["remove", &volume]);
    let node = format!("/dev/mapper/{volume}");
    run("mkfs.ext4", &["-q", &node]);
    assert_eq!(places(folder.path(), "ext4", &node, &mut undo).unwrap(), [on(&disk, 2)]);

    // btrfs names one of its devices, and lies on both.
    run("mkfs.btrfs", &["--quiet", "--force", &other.partition(1), &other.partition(2)]);
    let found = places(folder.path(), "btrfs", &other.partition(1), &mut undo).unwrap();
    assert_eq!(found, [on(&other, 1), on(&other, 2)]);
}

#[test]
fn a_mapping_that_reaches_onto_another_disk_shows_both_and_a_whole_disk_is_none() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut undo = Undo::default();
    let disk = Disk::make(folder.path(), "disk", &mut undo);
    let other = Disk::make(folder.path(), "other", &mut undo);
    let volume = format!("nixvm-test-wide-{}", std::process::id());
    let table = format!(
        "0 100000 linear {} 0\n100000 100000 linear {} 0",
        disk.partition(2),
        other.partition(1)
    );
    run("dmsetup", &["create", &volume, "--table", &table]);
    undo.later("dmsetup", &["remove", &volume]);
    let node = format!("/dev/mapper/{volume}");
    run("mkfs.ext4", &["-q", &node]);
    let expected =
        [Place { disk: disk.number, partition: 2 }, Place { disk: other.number, partition: 1 }];
    let mut found = places(folder.path(), "ext4", &node, &mut undo).unwrap();
    found.sort_by_key(|place| place.disk != disk.number);
    assert_eq!(found, expected);

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
