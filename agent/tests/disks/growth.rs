//! Disks that the hypervisor made larger, and what tools then made of the partitions → what is said of them.
//!
//! As root, with the tools of the layout's file systems; else skipped. A tool that is missing is passed over.

use std::fs::File;

use nixvm_agent::disk::Condition;

use super::families;
use super::histories;
use super::image::{self, Image, SIZE, run, text};

/// Bytes of the disk once it is larger.
const LARGER: u64 = 2 * SIZE;

/// Programs that give the second partition the rest of a disk `{}`: program, arguments.
const TOOLS: &[(&str, &[&str])] = &[
    ("growpart", &["{}", "2"]),
    ("sfdisk", &["sh", "echo ', +' | sfdisk -q --no-reread -N 2 {}"]),
    (
        "sgdisk",
        &[
            "--move-second-header",
            "--delete=2",
            "--new=2:65M:-0",
            "--change-name=2:disk-main-root",
            "{}",
        ],
    ),
    ("parted", &["--script", "--fix", "{}", "resizepart", "2", "100%"]),
    ("systemd-repart", &["--dry-run=no", "--definitions={definitions}", "{}"]),
];

/// Makes the disk larger, as hypervisors do: at its end are zeros.
fn enlarge(image: &Image) {
    File::options().write(true).open(&image.file).unwrap().set_len(LARGER).unwrap();
}

/// Gives the root's partition the rest of the disk, by the tool.
fn grow(image: Image, (program, arguments): &(&str, &[&str])) -> Image {
    let definitions = tempfile::tempdir().unwrap();
    std::fs::write(definitions.path().join("50-root.conf"), "[Partition]\nType=linux-generic\n")
        .unwrap();
    match arguments {
        ["sh", script] => image.tool("sh", &["-c", script]),
        arguments => {
            let place = text(definitions.path());
            let arguments: Vec<_> =
                arguments.iter().map(|a| a.replace("{definitions}", place)).collect();
            image.tool(program, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    let table = run("sfdisk", &["--json", text(&image.file)]);
    let table: serde_json::Value = serde_json::from_str(&table).unwrap();
    let number = |key: &str| table["partitiontable"]["partitions"][1][key].as_u64().unwrap() * 512;
    let (start, size) = (number("start"), number("size"));
    assert_eq!(start, image.partitions[1].0, "{program} moved the root");
    assert!(start + size > LARGER - (2 << 20), "{program} leaves {} bytes", LARGER - start - size);
    let (esp, name) = (image.partitions[0], image.partitions[1].2);
    image.with_partitions(vec![esp, (start, size, name)])
}

/// Makes the root's file system as large as its partition. While it is mounted, that takes a privilege
/// which containers lack.
fn grow_root(image: &Image) {
    let (start, length, _) = image.partitions[1];
    let script = format!(
        "device=$(losetup --find --show --offset {start} --sizelimit {length} {}) && \
         e2fsck -fp $device && resize2fs $device; status=$?; losetup --detach $device; exit $status",
        text(&image.file)
    );
    run("unshare", &["--mount", "sh", "-c", &script]);
}

/// Runs a script with the root file system mounted at `$0`, as a system that uses it.
fn mounted(image: &Image, script: &str) {
    let (start, length, _) = image.partitions[1];
    let place = tempfile::tempdir().unwrap();
    let options = format!("loop,offset={start},sizelimit={length}");
    let script = format!("mount -o {options} {} $0 && {script} && umount $0", text(&image.file));
    run("unshare", &["--mount", "sh", "-c", &script, text(place.path())]);
}

/// The tools that are here.
fn tools() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    TOOLS.iter().filter(|(program, _)| {
        let is_here = image::is_on_path(program);
        if !is_here {
            super::skip(&format!("growth: no {program}"));
        }
        is_here
    })
}

#[test]
fn an_installed_disk_that_grew_is_installed_before_and_after_its_root_does() {
    if !histories::can_run() {
        return;
    }
    let installed = histories::installing();
    histories::finish(&installed);
    mounted(&installed, "echo used > $0/used");
    assert_eq!(installed.look().condition(), Condition::Installed);
    let id = installed.look().content.table_id;
    for tool in tools() {
        let image = installed.copy();
        enlarge(&image);
        let disk = image.look();
        assert_eq!(disk.condition(), Condition::Installed, "{disk:?}");
        assert_eq!(disk.content.backup, None, "its backup is not at the end");
        let image = grow(image, tool);
        grow_root(&image);
        let disk = image.look();
        assert_eq!(disk.condition(), Condition::Installed, "{tool:?}: {disk:?}");
        assert!(disk.content.primary.is_some() && disk.content.primary == disk.content.backup);
        // The receipt names the table: an install whose last step is missing is completed by it.
        assert_eq!(disk.content.table_id, id, "{tool:?}");
        // Without its receipt it is asked about.
        image.zero(image.partitions[0].0, 1 << 20);
        let disk = image.look();
        assert_eq!(disk.condition(), Condition::PossiblyInstalled, "{tool:?}: {disk:?}");
    }
}

/// The zeros behind it may as well be a larger disk that it was copied to, and that was in use.
#[test]
fn an_unfinished_install_on_a_disk_that_grew_is_asked_about() {
    if !histories::can_run() {
        return;
    }
    let image = histories::installing();
    assert_eq!(image.look().condition(), Condition::Unfinished, "{:?}", image.look());
    enlarge(&image);
    let disk = image.look();
    assert_eq!(disk.condition(), Condition::PossiblyInstalled, "{disk:?}");
    for tool in tools() {
        let image = histories::installing();
        enlarge(&image);
        let disk = grow(image, tool).look();
        assert_eq!(disk.condition(), Condition::PossiblyInstalled, "{tool:?}: {disk:?}");
    }
}

/// The fingerprint is of a disk of another size.
#[test]
fn a_wiped_disk_that_grew_is_asked_about() {
    if !histories::can_run() {
        return;
    }
    let (image, _) = histories::wiped();
    enlarge(&image);
    assert_eq!(image.look().condition(), Condition::Data, "{:?}", image.look());
}

/// The end that was looked at for a backup, an array or an old table is in the middle now.
#[test]
fn a_disk_with_data_that_grew_is_data_with_and_without_its_beginning() {
    if !histories::can_run() {
        return;
    }
    let at_an_end = ["ext4", "zfs, labels by hand", "md 1.0, by hand", "GPT with ext4"];
    for family in families::FAMILIES.iter().filter(|family| at_an_end.contains(&family.name)) {
        let image = (family.make)();
        for head in [false, true] {
            let mut image = image.copy();
            enlarge(&image);
            if head {
                image.zero(0, super::LOST);
                image.partitions.clear();
            }
            let disk = image.look();
            let is_asked_for =
                matches!(disk.condition(), Condition::Data | Condition::PossiblyInstalled);
            assert!(is_asked_for, "{}, {head}: {disk:?}", family.name);
            assert!(!disk.contents().is_empty(), "{}, {head}: nothing is said", family.name);
        }
    }
}
