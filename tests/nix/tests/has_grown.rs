//! The condition of an installed system's growth, on disks: which of them it lets grow, and what is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::disk::{self, Disk, say};
use nixvm_nix_tests::{have, project, skip};

const TOOLS: &[&str] = &["blockdev", "od", "sfdisk"];

const ROOT: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";

/// The shells that run it: NixOS's as nixpkgs calls it, and the lab's.
const SHELLS: [&[&str]; 2] = [&["bash", "-euo", "pipefail"], &["sh"]];

const LARGER: u64 = 1 << 30;

/// The disk, in sectors of both sizes, with this layout; or what is missing.
fn disks(test: &str, layout: &[&str]) -> Result<Vec<(tempfile::TempDir, Disk)>> {
    if !have(TOOLS) || !Disk::can_be_made() {
        let tools = [disk::TOOLS, TOOLS].concat().join(", ");
        skip(test, &format!("it takes loop devices and {tools}"));
        return Ok(Vec::new());
    }
    [512, 4096]
        .into_iter()
        .map(|sector| {
            let folder = tempfile::tempdir()?;
            let disk = Disk::make(folder.path(), "disk", sector)?;
            disk.sgdisk(layout)?;
            Ok((folder, disk))
        })
        .collect()
}

/// Whether the disk's root, which is this partition, may grow; and what is said otherwise.
fn asked(folder: &Path, disk: &Disk, number: u32) -> Result<(bool, String)> {
    let name = disk.partition(number).file_name().context("a node has a name")?.to_owned();
    let device = fs::read_to_string(Path::new("/sys/class/block").join(name).join("dev"))?;
    // In its place, for the root of this machine is another one.
    let mountpoint = folder.join("mountpoint");
    fs::write(&mountpoint, format!("#!/bin/sh\necho {device}"))?;
    fs::set_permissions(&mountpoint, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
    let mut answers = Vec::new();
    for shell in SHELLS {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .arg(project().join("nix/has-grown"))
            .arg(ROOT.to_uppercase())
            .env("PATH", &path)
            .output()?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() == said.is_empty(), "{shell:?}: {said:?}");
        answers.push((output.status.success(), said));
    }
    answers.dedup();
    let [answer] = answers.try_into().ok().context("the shells do not agree")?;
    Ok(answer)
}

/// It must not grow, for this reason.
fn stays(folder: &Path, disk: &Disk, number: u32, why: &str) -> Result<()> {
    let (grows, said) = asked(folder, disk, number)?;
    ensure!(!grows && said.contains(why), "grows: {grows}, for {said:?} and not {why:?}");
    Ok(())
}

const ESP: &str = "--new=1:0:+64M";

#[test]
fn root_grows_with_its_disk_and_only_then() -> Result<()> {
    let type_ = format!("--typecode=2:{ROOT}");
    let layout = [ESP, "--align-end", "--new=2:0:-0", &type_, "--change-name=2:disk-main-root"];
    for (folder, disk) in disks("the root grows with its disk", &layout)? {
        let folder = folder.path();
        stays(folder, &disk, 2, "not larger than when it was partitioned")?;
        disk.enlarge(512 << 10)?;
        stays(folder, &disk, 2, "too little")?;
        for _ in 0..2 {
            disk.enlarge(LARGER)?;
            let (grows, said) = asked(folder, &disk, 2)?;
            ensure!(grows, "{said}");
            if !repart(folder, &disk)? {
                break;
            }
            stays(folder, &disk, 2, "not larger than when it was partitioned")?;
        }
    }
    Ok(())
}

/// Grows the root as the installed system does, where this machine's systemd-repart can.
fn repart(folder: &Path, disk: &Disk) -> Result<bool> {
    let size = |node: &Path| -> Result<u64> {
        Ok(say(Command::new("blockdev").arg("--getsize64").arg(node))?.trim().parse()?)
    };
    // Older versions take a disk with sectors of 512 bytes only.
    let sector = say(Command::new("blockdev").arg("--getss").arg(&disk.node))?;
    if sector.trim() != "512" {
        return Ok(false);
    }
    if !have(&["systemd-repart"]) {
        skip("the root grows by systemd-repart", "it is not installed");
        return Ok(false);
    }
    let definitions = folder.join("definitions");
    fs::create_dir_all(&definitions)?;
    fs::write(definitions.join("50-root.conf"), format!("[Partition]\nType={ROOT}\n"))?;
    let place = format!("--definitions={}", definitions.display());
    say(Command::new("systemd-repart").args(["--dry-run=no", &place]).arg(&disk.node))?;
    let (root, all) = (size(&disk.partition(2))?, size(&disk.node)?);
    ensure!(root > all - (67 << 20), "the root has {root} bytes of {all}");
    Ok(true)
}

/// Neither where it was left free nor where a partition was deleted.
#[test]
fn space_that_was_free_before_stays_free() -> Result<()> {
    let type_ = format!("--typecode=2:{ROOT}");
    let layout = [ESP, "--new=2:0:+256M", &type_, "--new=3:0:0"];
    for (folder, disk) in disks("free space stays free", &layout)? {
        let folder = folder.path();
        stays(folder, &disk, 2, "not larger than when it was partitioned")?;
        disk.sgdisk(&["--delete=3"])?;
        stays(folder, &disk, 2, "not larger than when it was partitioned")?;
        disk.enlarge(LARGER)?;
        stays(folder, &disk, 2, "there was space behind the root's partition")?;
    }
    Ok(())
}

/// systemd-repart would make the first one larger, or a new one.
#[test]
fn root_that_is_not_the_one_of_its_type_stays() -> Result<()> {
    for (data, root, why) in [
        (ROOT, ROOT, Some("another partition of the root's type")),
        ("8300", "8300", Some("is of type 0fc63daf-8483-4772-8e79-3d69d8477de4")),
        ("8300", ROOT, None),
    ] {
        let (data, root) = (format!("--typecode=2:{data}"), format!("--typecode=3:{root}"));
        let layout = [ESP, "--new=2:0:+256M", &data, "--new=3:1G:0", &root];
        for (folder, disk) in disks("a root that is not the one of its type stays", &layout)? {
            disk.enlarge(LARGER)?;
            match why {
                Some(why) => stays(folder.path(), &disk, 3, why)?,
                None => ensure!(asked(folder.path(), &disk, 3)?.0, "it stays"),
            }
        }
    }
    Ok(())
}

#[test]
fn root_on_a_disk_without_a_gpt_stays() -> Result<()> {
    for (folder, disk) in disks("a root on a disk without a GPT stays", &[ESP, "--gpttombr=1"])? {
        disk.enlarge(LARGER)?;
        stays(folder.path(), &disk, 1, "no GUID partition table")?;
    }
    Ok(())
}
