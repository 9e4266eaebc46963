//! The evaluated disko script, run on loop devices: what it makes of a disk, and what it refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::disk::{self, Disk, say};
use nixvm_nix_tests::{Tree, have, skip};

const TOOLS: &[&str] = &["blkid", "lsblk", "mkfs.ext4", "mkfs.vfat", "unshare", "wipefs"];

/// The script with this folder in place of `/dev/nixvm-target`'s and `/mnt`.
struct Fixture {
    work: tempfile::TempDir,
}

impl Fixture {
    fn prepare(test: &str) -> Result<Option<Self>> {
        Self::of(test, "live.x86_64-linux.diskoScript")
    }

    /// With the script that the attribute has.
    fn of(test: &str, attribute: &str) -> Result<Option<Self>> {
        let Some(tree) = Tree::find(test)? else { return Ok(None) };
        if !have(TOOLS) || !Disk::can_be_made() {
            skip(
                test,
                &format!("it takes loop devices and {}", [disk::TOOLS, TOOLS].concat().join(", ")),
            );
            return Ok(None);
        }
        let live = tree.json(attribute)?;
        let work = tempfile::tempdir()?;
        let place = work.path().to_str().context("an odd name")?;
        let script: String = live
            .as_str()
            .context("no script")?
            .lines()
            .filter(|line| !line.starts_with("export PATH="))
            .flat_map(|line| [line, "\n"])
            .collect::<String>()
            .replace("/dev/nixvm-target", &format!("{place}/target"))
            .replace("/run/nixvm/passphrase", &format!("{place}/passphrase"))
            .replace("/mnt", &format!("{place}/mnt"));
        fs::write(work.path().join("script"), script)?;
        // No udev here: the links are made by hand, and the kernel's own nodes are enough.
        fs::create_dir(work.path().join("bin"))?;
        for (name, text) in [
            ("udevadm", "exit 0"),
            ("partprobe", "exec partx --update \"$(realpath \"$1\")\""),
            ("swapon", "echo swap is used >&2; exit 1"),
        ] {
            let tool = work.path().join("bin").join(name);
            fs::write(&tool, format!("#!/bin/sh\n{text}\n"))?;
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Some(Self { work }))
    }

    fn target(&self, disk: &Disk) -> Result<()> {
        symlink(&disk.node, self.work.path().join("target"))?;
        for number in 1..=4 {
            symlink(disk.partition(number), self.part(number))?;
        }
        Ok(())
    }

    fn part(&self, number: u32) -> PathBuf {
        self.work.path().join(format!("target-part{number}"))
    }

    /// The same, and then a command in the same mount namespace.
    fn run_and(&self, then: &str) -> Result<Output> {
        let script = fs::read_to_string(self.work.path().join("script"))?;
        fs::write(self.work.path().join("script-and"), script + "\n" + then + "\n")?;
        self.run_file("script-and")
    }

    fn run(&self) -> Result<Output> {
        self.run_file("script")
    }

    fn run_file(&self, name: &str) -> Result<Output> {
        let path = std::env::var("PATH")?;
        let path = format!("{}:{path}", self.work.path().join("bin").display());
        // What it mounts goes with the namespace.
        Ok(Command::new("unshare")
            .args(["--mount", "--propagation", "private", "bash"])
            .arg(self.work.path().join(name))
            .env("PATH", path)
            .output()?)
    }
}

/// Gives a disk a partition with a file system, as one in use has.
fn fill(disk: &Disk) -> Result<()> {
    disk.sgdisk(&["--new=1:0:0", "--change-name=1:disk-main-root"])?;
    say(Command::new("mkfs.ext4").args(["-q", "-L", "nixos"]).arg(disk.partition(1)))?;
    Ok(())
}

fn digest(disk: &Disk) -> Result<String> {
    say(Command::new("sync").arg(&disk.node))?;
    say(Command::new("sha256sum").arg(&disk.file))
}

#[test]
fn blank_disk_gets_the_layout() -> Result<()> {
    for sector in [512, 4096] {
        let Some(fixture) = Fixture::prepare("a blank disk gets the layout")? else {
            return Ok(());
        };
        let disk = Disk::make(fixture.work.path(), "disk", sector)?;
        fixture.target(&disk)?;
        let output = fixture.run()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let no_fat = said.contains("unknown filesystem type 'vfat'");
        ensure!(output.status.success() || no_fat, "{said}");
        for (number, wanted) in [
            (1, ["LABEL=boot", "TYPE=vfat", "VERSION=FAT32", "PART_ENTRY_NAME=disk-main-ESP"]),
            (2, ["LABEL=nixos", "TYPE=ext4", "VERSION=1.0", "PART_ENTRY_NAME=disk-main-root"]),
        ] {
            let found = say(Command::new("blkid")
                .args(["--probe", "--output", "export"])
                .arg(disk.partition(number)))?;
            for line in wanted {
                ensure!(found.lines().any(|found| found == line), "{sector}: no {line} in {found}");
            }
        }
        let size = say(Command::new("lsblk")
            .args(["--nodeps", "--noheadings", "--bytes", "--output", "SIZE"])
            .arg(disk.partition(1)))?;
        ensure!(size.trim() == (512 << 20).to_string(), "the ESP has {size} bytes");
    }
    Ok(())
}

#[test]
fn disk_that_was_not_cleared_is_refused() -> Result<()> {
    let Some(fixture) = Fixture::prepare("a disk that was not cleared is refused")? else {
        return Ok(());
    };
    let disk = Disk::make(fixture.work.path(), "disk", 512)?;
    fill(&disk)?;
    fixture.target(&disk)?;
    let before = digest(&disk)?;
    let output = fixture.run()?;
    ensure!(!output.status.success(), "it went on");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("carries partitions still: nothing was written"), "{said}");
    ensure!(digest(&disk)? == before, "the disk was written to");
    Ok(())
}

#[test]
fn partition_of_another_disk_is_refused() -> Result<()> {
    let Some(fixture) = Fixture::prepare("a partition of another disk is refused")? else {
        return Ok(());
    };
    let disk = Disk::make(fixture.work.path(), "disk", 512)?;
    let other = Disk::make(fixture.work.path(), "other", 512)?;
    fill(&other)?;
    fixture.target(&disk)?;
    fs::remove_file(fixture.part(2))?;
    symlink(other.partition(1), fixture.part(2))?;
    let before = digest(&other)?;
    let output = fixture.run()?;
    ensure!(!output.status.success(), "it went on");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("is not a partition of"), "{said}");
    ensure!(digest(&other)? == before, "the other disk was written to");
    Ok(())
}

/// Where the kernel has no driver for vfat, a RAM disk stands in for the ESP's mount, so that those after it are
/// seen.
fn mountable(script: &str) -> Result<String> {
    let known = fs::read_to_string("/proc/filesystems")?;
    if known.lines().any(|line| line.trim() == "vfat") {
        return Ok(script.to_owned());
    }
    Ok(script.replace("-t \"vfat\"", "-t tmpfs").replace("umask=0077", "mode=0700"))
}

#[test]
fn other_layouts_are_made_and_mounted_and_their_swap_is_left_alone() -> Result<()> {
    for (name, mounts, formats, made) in [
        ("xfs-with-home", ["/ xfs 2", "/home ext4 4"].as_slice(), "vfat xfs swap ext4", ""),
        (
            "btrfs-subvolumes",
            &["/ btrfs 2", "/home btrfs 2", "/nix btrfs 2", "/var/log btrfs 2"],
            "vfat btrfs",
            "/.swap/more /.swap/swapfile",
        ),
        ("ext4-with-var", &["/ ext4 4", "/nix ext4 2", "/var ext4 3"], "vfat ext4 ext4 ext4", ""),
    ] {
        let test = format!("the layout {name} is made");
        let Some(fixture) = Fixture::of(&test, &format!("layouts.{name}.diskoScript"))? else {
            return Ok(());
        };
        if !have(&["btrfs", "mkfs.btrfs", "mkfs.xfs", "mkswap", "findmnt"]) {
            skip(&test, "it takes the tools of xfs and btrfs");
            return Ok(());
        }
        let script = fixture.work.path().join("script");
        let text = fs::read_to_string(&script)?;
        fs::write(&script, mountable(&text)?)?;
        for sector in [512, 4096] {
            let disk = Disk::make(fixture.work.path(), &format!("disk-{sector}"), sector)?;
            fixture.target(&disk)?;
            let place = fixture.work.path().join("mnt");
            let listing = format!(
                "findmnt --raw --noheadings --output TARGET,FSTYPE,SOURCE --types noproc \
                 | grep '^{place}' > {place}.table; \
                 find {place} -type f > {place}.files; umount --recursive {place}",
                place = place.display()
            );
            let output = fixture.run_and(&listing)?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{name}: {said}");
            let table = fs::read_to_string(place.with_extension("table"))?;
            for wanted in mounts {
                let mut words = wanted.split(' ');
                let mut next = || words.next().unwrap_or_default();
                let (at, kind, number) = (next(), next(), next());
                let at = format!("{}{}", place.display(), at.trim_end_matches('/'));
                let line = format!("{at} {kind} {}p{number}", disk.node.display());
                // btrfs has its subvolume in brackets.
                let found = table
                    .lines()
                    .any(|found| found.split('[').next().is_some_and(|found| found == line));
                ensure!(found, "{name}: no `{line}` in {table}");
            }
            let files = fs::read_to_string(place.with_extension("files"))?;
            let mut files: Vec<_> = files
                .lines()
                .filter_map(|file| file.strip_prefix(&*place.to_string_lossy()))
                .collect();
            files.sort_unstable();
            ensure!(files.join(" ") == made, "{name}: {files:?}");
            // NixOS would use them; they must not be in use now.
            let used = fs::read_to_string("/proc/swaps")?;
            ensure!(!used.contains(".swap"), "{used}");
            for (number, format) in (1..).zip(formats.split(' ')) {
                let found = say(Command::new("blkid")
                    .args(["--probe", "--match-tag", "TYPE", "--output", "value"])
                    .arg(disk.partition(number)))?;
                ensure!(found.trim() == format, "{name}: partition {number} has {found}");
            }
            for number in 1..=4 {
                fs::remove_file(fixture.part(number))?;
            }
            fs::remove_file(fixture.work.path().join("target"))?;
        }
    }
    Ok(())
}

const PASSPHRASE: &str = "-n correct horse";

#[test]
fn a_mapping_that_is_there_already_is_not_taken_for_the_targets() -> Result<()> {
    let test = "a mapping of another disk's is refused";
    let Some(fixture) = Fixture::of(test, "layouts.luks-ext4.diskoScript")? else { return Ok(()) };
    let other = fixture.work.path().join("crypt");
    let script = fixture.work.path().join("script");
    let text = fs::read_to_string(&script)?.replace("/dev/mapper/crypt", &other.to_string_lossy());
    fs::write(&script, text)?;
    fs::write(&other, "another disk's")?;
    fs::write(fixture.work.path().join("passphrase"), PASSPHRASE)?;
    let disk = Disk::make(fixture.work.path(), "disk", 512)?;
    fixture.target(&disk)?;
    let output = fixture.run()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && said.contains("crypt is there already"), "{said}");
    let found = say(Command::new("wipefs").args(["--noheadings"]).arg(disk.partition(2)))?;
    ensure!(found.trim().is_empty(), "partition 2 has {found}");
    ensure!(fs::read_to_string(&other)? == "another disk's", "it was written to");
    Ok(())
}

#[test]
fn luks_is_made_with_the_passphrase_and_holds_the_file_systems() -> Result<()> {
    let test = "LUKS is made";
    let Some(fixture) = Fixture::of(test, "layouts.luks-btrfs.diskoScript")? else { return Ok(()) };
    let is_there = PathBuf::from("/sys/class/misc/device-mapper").exists();
    if !is_there || !have(&["cryptsetup", "dmsetup", "btrfs", "mkfs.btrfs", "findmnt"]) {
        skip(test, "it takes device mapper, cryptsetup and the tools of btrfs");
        return Ok(());
    }
    let script = fixture.work.path().join("script");
    let text = fs::read_to_string(&script)?;
    fs::write(&script, mountable(&text)?)?;
    fs::write(fixture.work.path().join("passphrase"), PASSPHRASE)?;
    for sector in [512, 4096] {
        let disk = Disk::make(fixture.work.path(), &format!("disk-{sector}"), sector)?;
        fixture.target(&disk)?;
        let place = fixture.work.path().join("mnt");
        let listing = format!(
            "findmnt --raw --noheadings --output TARGET,FSTYPE,SOURCE | grep '^{place}' > {place}.table; \
             umount --recursive {place}; cryptsetup close crypt; cryptsetup close data",
            place = place.display()
        );
        let output = fixture.run_and(&listing)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        ensure!(!said.contains("correct horse"), "the passphrase is in what it says: {said}");
        let table = fs::read_to_string(place.with_extension("table"))?;
        for (at, kind, mapping) in
            [("", "btrfs", "crypt"), ("/nix", "btrfs", "crypt"), ("/data", "ext4", "data")]
        {
            let line = format!("{}{at} {kind} /dev/mapper/{mapping}", place.display());
            let found = table.lines().any(|found| found.starts_with(&line));
            ensure!(found, "{sector}: no `{line}` in {table}");
        }
        for number in [2, 3] {
            let mut opens = Command::new("cryptsetup");
            opens.args(["open", "--test-passphrase", "--type", "luks2", "--key-file"]);
            say(opens.arg(fixture.work.path().join("passphrase")).arg(disk.partition(number)))?;
        }
        for number in 1..=4 {
            fs::remove_file(fixture.part(number))?;
        }
        fs::remove_file(fixture.work.path().join("target"))?;
    }
    Ok(())
}
