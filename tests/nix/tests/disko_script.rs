//! The evaluated disko script, run on loop devices: what it makes of a disk, and what it refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{Tree, have, skip};

const TOOLS: &[&str] = &[
    "blkid",
    "losetup",
    "lsblk",
    "mkfs.ext4",
    "mkfs.vfat",
    "partx",
    "sgdisk",
    "unshare",
    "wipefs",
];

/// The script with this folder in place of `/dev/nixvm-target`'s and `/mnt`.
struct Fixture {
    work: tempfile::TempDir,
}

impl Fixture {
    fn prepare(test: &str) -> Result<Option<Self>> {
        let Some(tree) = Tree::find(test)? else { return Ok(None) };
        if !have(TOOLS) || !Path::new("/dev/loop-control").exists() {
            skip(test, &format!("it takes loop devices and {}", TOOLS.join(", ")));
            return Ok(None);
        }
        let live = tree.json("live.x86_64-linux.diskoScript")?;
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
            .replace("/mnt", &format!("{place}/mnt"));
        fs::write(work.path().join("script"), script)?;
        // No udev here: the links are made by hand, and the kernel's own nodes are enough.
        fs::create_dir(work.path().join("bin"))?;
        for (name, text) in
            [("udevadm", "exit 0"), ("partprobe", "exec partx --update \"$(realpath \"$1\")\"")]
        {
            let tool = work.path().join("bin").join(name);
            fs::write(&tool, format!("#!/bin/sh\n{text}\n"))?;
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Some(Self { work }))
    }

    fn target(&self, disk: &Disk) -> Result<()> {
        symlink(&disk.node, self.work.path().join("target"))?;
        for number in 1..=2 {
            symlink(disk.partition(number), self.part(number))?;
        }
        Ok(())
    }

    fn part(&self, number: u32) -> PathBuf {
        self.work.path().join(format!("target-part{number}"))
    }

    fn run(&self) -> Result<Output> {
        let path = std::env::var("PATH")?;
        let path = format!("{}:{path}", self.work.path().join("bin").display());
        // What it mounts goes with the namespace.
        Ok(Command::new("unshare")
            .args(["--mount", "--propagation", "private", "bash"])
            .arg(self.work.path().join("script"))
            .env("PATH", path)
            .output()?)
    }
}

/// A file behind a loop device.
struct Disk {
    file: PathBuf,
    node: PathBuf,
}

impl Disk {
    fn make(folder: &Path, name: &str, sector: u32) -> Result<Self> {
        let file = folder.join(name);
        fs::File::create(&file)?.set_len(2 << 30)?;
        let sector = sector.to_string();
        let node = say(Command::new("losetup")
            .args(["--find", "--show", "--partscan", "--sector-size", &sector])
            .arg(&file))?;
        Ok(Self { file, node: node.trim().into() })
    }

    fn partition(&self, number: u32) -> PathBuf {
        format!("{}p{number}", self.node.display()).into()
    }

    /// Gives it a partition with a file system, as a disk in use has.
    fn fill(&self) -> Result<()> {
        say(Command::new("sgdisk")
            .args(["--new=1:0:0", "--change-name=1:disk-main-root"])
            .arg(&self.node))?;
        say(Command::new("partx").arg("--update").arg(&self.node))?;
        say(Command::new("mkfs.ext4").args(["-q", "-L", "nixos"]).arg(self.partition(1)))?;
        Ok(())
    }

    fn digest(&self) -> Result<String> {
        say(Command::new("sync").arg(&self.node))?;
        say(Command::new("sha256sum").arg(&self.file))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The test has its verdict already.
        let _detached = Command::new("losetup").arg("--detach").arg(&self.node).status();
    }
}

fn say(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
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
    disk.fill()?;
    fixture.target(&disk)?;
    let before = disk.digest()?;
    let output = fixture.run()?;
    ensure!(!output.status.success(), "it went on");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("carries partitions still: nothing was written"), "{said}");
    ensure!(disk.digest()? == before, "the disk was written to");
    Ok(())
}

#[test]
fn partition_of_another_disk_is_refused() -> Result<()> {
    let Some(fixture) = Fixture::prepare("a partition of another disk is refused")? else {
        return Ok(());
    };
    let disk = Disk::make(fixture.work.path(), "disk", 512)?;
    let other = Disk::make(fixture.work.path(), "other", 512)?;
    other.fill()?;
    fixture.target(&disk)?;
    fs::remove_file(fixture.part(2))?;
    symlink(other.partition(1), fixture.part(2))?;
    let before = other.digest()?;
    let output = fixture.run()?;
    ensure!(!output.status.success(), "it went on");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("is not a partition of"), "{said}");
    ensure!(other.digest()? == before, "the other disk was written to");
    Ok(())
}
