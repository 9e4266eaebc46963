//! Disks that other people's tools have made, whole and with their ends lost → what is said of them.
//!
//! Each is a loop device of 512 MiB with a file of 8 MiB in it: in its file system where that can be
//! mounted or filled here, else as those bytes in its middle. `UPDATE_EXPECT=1` rewrites `table.md`
//! beside this file. As root; a family whose tool is missing is skipped.

#![cfg(test)]

mod families;
mod growth;
mod held;
mod histories;
mod image;
mod stacks;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nixvm_agent::disk::Condition;

use families::FAMILIES;
use image::Image;

/// Bytes that a stray `dd` overwrites.
const LOST: u64 = 4 << 20;

const HEAD: &str = "# What is said of disks that hold something

The test `disks` makes these disks with the tools of each format and writes down what the installer says of
them. None is taken for blank.

| on the disk | whole | first 4 MiB lost | last 4 MiB lost | both lost |
|---|---|---|---|---|
";

#[test]
fn no_disk_with_anything_left_on_it_is_taken_for_blank_or_ours() {
    if !rustix::process::geteuid().is_root() || !image::has_loop_devices() {
        skip("loop devices need root");
        return;
    }
    let mut rows = written_rows();
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = String::new();
    for family in FAMILIES {
        let missing: Vec<_> = family.tools.iter().filter(|tool| !image::is_on_path(tool)).collect();
        if !missing.is_empty() {
            skip(&format!("{}: no {missing:?}", family.name));
            continue;
        }
        let row = row(family);
        let before = rows.insert(family.name.to_owned(), row.clone());
        if before.as_ref() != Some(&row) && !update {
            writeln!(wrong, "expected {before:?}\n   found {row:?}").unwrap();
        }
    }
    if update {
        let rows = FAMILIES.iter().filter_map(|family| rows.get(family.name));
        let text = rows.fold(HEAD.to_owned(), |text, row| text + row + "\n");
        std::fs::write(table(), text).unwrap();
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", table().display());
}

#[test]
fn looking_at_eight_blank_disks_of_1_tb_takes_few_reads() {
    if !rustix::process::geteuid().is_root() || !image::has_loop_devices() {
        skip("loop devices need root");
        return;
    }
    let disks: Vec<_> = std::thread::scope(|scope| {
        let look = || Image::sized(1 << 40).look_and_count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(look)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (disk, reads, bytes) in disks {
        assert_eq!(disk.condition(), Condition::Blank, "{:?}", disk.verdict());
        // Both ends of 64 MiB, over eight thousand places, and what libblkid looks at.
        assert!(reads < 16_000, "{reads} reads");
        assert!(bytes < 192 << 20, "{bytes} bytes");
    }
}

/// The family's line of the table.
fn row(family: &families::Family) -> String {
    let whole = (family.make)();
    let mut row = format!("| {} |", family.name);
    for (head, tail) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut image = whole.copy();
        if head {
            image.zero(0, LOST);
            // The kernel takes no table from the end of a disk.
            image.partitions.clear();
        }
        if tail {
            image.zero(image::SIZE - LOST, LOST);
        }
        let disk = image.look();
        let (condition, contents) = (disk.condition(), disk.contents());
        assert!(
            matches!(condition, Condition::Data | Condition::PossiblyInstalled),
            "{}: {condition:?}: {disk:?}",
            family.name
        );
        let phrase = contents.first().unwrap_or_else(|| panic!("nothing is said: {disk:?}"));
        write!(row, " {}: {} |", condition.name(), without_offset(phrase)).unwrap();
    }
    row
}

/// Where exactly a tool of this version leaves something says little.
fn without_offset(phrase: &str) -> String {
    match phrase.rsplit_once(" at ") {
        Some((what, place)) if place.ends_with(')') => format!("{what} at ...)"),
        Some((what, _)) => format!("{what} at ..."),
        None => phrase.to_owned(),
    }
}

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disks/table.md")
}

/// The table's lines by what is on the disk.
fn written_rows() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(table()).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let name = line.strip_prefix("| ")?.split(" |").next()?;
            Some((name.to_owned(), line.to_owned()))
        })
        .collect()
}

fn skip(why: &str) {
    // Not by a macro: the test's output is not shown when it passes.
    writeln!(std::io::stderr(), "SKIPPED {why}").unwrap();
}
