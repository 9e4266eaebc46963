//! Disks of which nixvm has written a part, and what came after → what is said of them.
//!
//! As root, with the tools of the layout's file systems; else skipped.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nixvm_agent::disk::marker::{self, Marker};
use nixvm_agent::disk::{Condition, ext4, layout, probe, receipt, seal, surface};

use super::families;
use super::image::{self, Image, SIZE, run, text};

const TOOLS: &[&str] = &["gdisk", "mcopy", "mkfs.ext4", "mkfs.vfat", "mmd", "sfdisk", "sgdisk"];

/// Whether the tests here can run, which they say if they can't.
pub(crate) fn can_run() -> bool {
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !image::is_on_path(tool)).collect();
    let can =
        rustix::process::geteuid().is_root() && image::has_loop_devices() && missing.is_empty();
    if !can {
        super::skip(&format!("loop devices need root, and disks {TOOLS:?}; missing: {missing:?}"));
    }
    can
}

fn open(image: &Image) -> File {
    File::options().read(true).write(true).open(&image.file).unwrap()
}

/// Writes the marker as an install does that has come so far.
fn mark(image: &Image, wiped: Option<String>, table: bool) {
    let table_id = table.then(|| probe::table_id(&image.file).unwrap());
    let mut disk = open(image);
    let root_uuid = table_id.as_ref().map(|id| {
        seal::write(&disk, id).unwrap();
        let mut superblock = [0; 1024];
        disk.read_exact_at(&mut superblock, image.partitions[1].0 + 1024).unwrap();
        ext4::parse(&superblock).unwrap().uuid
    });
    let own = Marker::new("1", "test", &nixvm_manifest::layout::own());
    let marker = Marker { table_id, surface: wiped, root_uuid, ..own };
    marker.write(&mut disk).unwrap();
}

/// A disk that was full of data and has been wiped, with the fingerprint of its surface.
pub(crate) fn wiped() -> (Image, String) {
    let image = Image::new();
    image.fill_middle();
    let digest = surface::surface_digest(&image.file, SIZE).unwrap();
    mark(&image, Some(digest.clone()), false);
    (image, digest)
}

/// A disk with both file systems of the layout, which the install has mounted once.
pub(crate) fn installing() -> Image {
    let (before, digest) = wiped();
    drop(before);
    let image = families::layout();
    mark(&image, Some(digest), true);
    mount_root(&image, Path::new(layout::MOUNT_POINT));
    image
}

/// Mounts the root file system and writes to it, as at `at`: in the superblock is a path below the
/// mount namespace's root.
fn mount_root(image: &Image, at: &Path) {
    let (start, length, _) = image.partitions[1];
    let options = format!("loop,offset={start},sizelimit={length}");
    let script = format!(
        "mkdir -p {at} && mount -o {options} {file} {at} && ls {at} > {at}/listing && umount {at}",
        at = text(at),
        file = text(&image.file),
    );
    // In a namespace of its own: another mount at the same place is in no other's way.
    run("unshare", &["--mount", "sh", "-c", &script]);
}

fn write_receipt(image: &Image) {
    let (start, ..) = image.partitions[0];
    let esp = format!("{}@@{start}", text(&image.file));
    let content = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(content.path(), r#"{"version":1,"hostname":"h"}"#).unwrap();
    run("mmd", &["-i", &esp, "::EFI", "::EFI/nixvm"]);
    let target = format!("::{}", receipt::FILE);
    run("mcopy", &["-i", &esp, text(content.path()), &target]);
}

/// Does what an install does after the copy: receipt, seal and marker, in this order.
pub(crate) fn finish(image: &Image) {
    write_receipt(image);
    let mut disk = open(image);
    seal::erase(&disk, &probe::table_id(&image.file).unwrap()).unwrap();
    marker::erase(&mut disk).unwrap();
}

#[test]
fn an_install_that_was_cut_off_is_unfinished_until_the_disk_is_used() {
    if !can_run() {
        return;
    }
    let (wiped, _) = wiped();
    assert_eq!(wiped.look().condition(), Condition::Unfinished, "{:?}", wiped.look());
    wiped.write(300 << 20, b"x");
    assert_eq!(wiped.look().condition(), Condition::Data, "{:?}", wiped.look());

    let image = installing();
    assert_eq!(image.look().condition(), Condition::Unfinished, "{:?}", image.look());
    let elsewhere = tempfile::tempdir().unwrap();
    mount_root(&image, elsewhere.path());
    assert_eq!(image.look().condition(), Condition::PossiblyInstalled, "{:?}", image.look());
}

#[test]
fn a_disk_that_was_partitioned_since_is_data_even_if_its_table_is_lost_again() {
    if !can_run() {
        return;
    }
    let (image, _) = wiped();
    let script = "echo 'start=2048, name=home' | sfdisk -q --label gpt --no-reread {}";
    image.tool("sh", &["-c", script]);
    let image = families::fill_partition(image, (1 << 20, SIZE - (2 << 20), "home"));
    let marker = Marker::read(&mut open(&image)).unwrap();
    assert!(marker.is_some(), "neither sfdisk nor mkfs touch the marker");
    assert_eq!(image.look().condition(), Condition::Data, "{:?}", image.look());
    // The primary table is lost, its copy and the file system are there.
    image.zero(0, 512 * 34);
    let image = image.with_partitions(Vec::new());
    assert_eq!(image.look().condition(), Condition::Data, "{:?}", image.look());
    // The copy as well.
    image.zero(SIZE - (1 << 20), 1 << 20);
    assert_eq!(image.look().condition(), Condition::Data, "{:?}", image.look());
}

/// Other partitions were made and used, and then our table was written again from its backup: nothing
/// that a partition table leads to tells of them.
#[test]
fn a_table_that_came_back_after_another_is_not_the_one_that_was_left() {
    if !can_run() {
        return;
    }
    let image = installing();
    assert_eq!(image.look().condition(), Condition::Unfinished, "{:?}", image.look());
    let partitions = "printf 'start=2048,size=2048\nstart=400000\n' \
        | sfdisk -q --label dos --wipe never --no-reread {}";
    image.tool("sh", &["-c", partitions]);
    assert_ne!(image.look().condition(), Condition::Unfinished, "{:?}", image.look());
    image.write(300 << 20, b"a user's data");
    // The GPT, recovery, from the backup, write, yes.
    image.tool("sh", &["-c", "printf '2\nr\nb\nw\ny\n' | gdisk {}"]);
    let disk = image.look();
    let restored = disk.content.primary.as_ref().is_some_and(|table| table.valid);
    assert!(restored && disk.content.primary == disk.content.backup, "{disk:?}");
    assert_eq!(disk.condition(), Condition::PossiblyInstalled, "{disk:?}");
    // Nothing else tells: sealed again, it would be erased without a question.
    seal::write(&open(&image), &disk.content.primary.unwrap().id).unwrap();
    assert_eq!(image.look().condition(), Condition::Unfinished, "{:?}", image.look());
}

#[test]
fn a_table_without_partitions_and_bytes_behind_it_are_data() {
    if !can_run() {
        return;
    }
    let (image, _) = wiped();
    image.tool("sgdisk", &["--clear", "{}"]);
    assert_eq!(image.look().condition(), Condition::Unfinished, "as sgdisk leaves it for disko");
    image.write(1 << 20, b"x");
    assert_eq!(image.look().condition(), Condition::Data, "{:?}", image.look());
}

#[test]
fn a_receipt_is_found_behind_damage_that_the_kernel_does_not_mind_and_never_taken_for_missing() {
    if !can_run() {
        return;
    }
    let image = installing();
    let (start, length, _) = image.partitions[0];
    write_receipt(&image);
    assert_eq!(image.look().condition(), Condition::Installed);
    // The FSInfo sector, which the boot sector says is the second.
    image.write(start + 512, &[0xa5; 512]);
    assert_eq!(image.look().condition(), Condition::Installed, "{:?}", image.look());
    // The boot sector: udev no longer knows the file system.
    image.write(start, &[0xa5; 512]);
    assert_eq!(image.look().condition(), Condition::PossiblyInstalled, "{:?}", image.look());
    image.zero(start, length);
    assert_eq!(image.look().condition(), Condition::PossiblyInstalled, "{:?}", image.look());
}
