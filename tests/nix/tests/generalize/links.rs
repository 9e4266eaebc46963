//! What names the machine is elsewhere: behind links, and on file systems of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{have, skip};

use super::machine::{command, files, generalize, leaves, machine, refuse, succeed};

/// In another system's root, an absolute link is one into the system that the command runs on.
#[test]
fn link_out_of_the_root_is_named_and_not_followed() -> Result<()> {
    let (root, other) = (machine()?, tempfile::tempdir()?);
    let journal = other.path().join("journal/theirs/system.journal");
    fs::create_dir_all(journal.parent().context("a file has a folder")?)?;
    fs::write(&journal, "theirs")?;
    fs::remove_dir_all(root.path().join("var/log"))?;
    symlink(other.path(), root.path().join("var/log"))?;
    let state = root.path().join("var/lib/tailscale");
    fs::remove_dir_all(&state)?;
    symlink("/nonexistent/tailscale", &state)?;

    let output = generalize(root.path(), &[])?;
    let named = ["/var/log/journal", "/var/log/nixvm", "/var/lib/tailscale"];
    leaves(root.path(), &output, &named, &[])?;
    ensure!(fs::read_to_string(&journal)? == "theirs", "another system's journal is gone");
    ensure!(state.is_symlink(), "the link is gone, and what it leads to is not");
    Ok(())
}

#[test]
fn identifier_that_is_a_link_is_refused() -> Result<()> {
    let (root, other) = (machine()?, tempfile::NamedTempFile::new()?);
    fs::write(other.path(), "theirs")?;
    let id = root.path().join("etc/machine-id");
    fs::remove_file(&id)?;
    symlink(other.path(), &id)?;
    let said = refuse(root.path())?;
    ensure!(said.contains("/etc/machine-id is a link"), "{said}");
    ensure!(fs::read_to_string(other.path())? == "theirs", "another file is empty");
    Ok(())
}

/// Where a root that is made anew at each boot links to what is kept.
#[test]
fn secret_behind_a_link_goes_and_the_link_stays() -> Result<()> {
    let root = machine()?;
    let kept = root.path().join("kept");
    fs::create_dir(&kept)?;
    let state = root.path().join("var/lib/tailscale");
    let key = root.path().join("etc/ssh/ssh_host_ed25519_key");
    fs::rename(&state, kept.join("tailscale"))?;
    fs::rename(&key, kept.join("key"))?;
    symlink("../../kept/tailscale", &state)?;
    symlink(kept.join("key"), &key)?;

    let (said, _) = succeed(&generalize(root.path(), &[])?)?;
    ensure!(said.contains("emptied /var/lib/tailscale\n"), "{said}");
    ensure!(said.contains("removed /etc/ssh/ssh_host_ed25519_key\n"), "{said}");
    let left = files(&kept)?;
    ensure!(left.is_empty(), "{left:?}");
    // tailscaled and sshd write through them.
    ensure!(state.is_dir() && key.is_symlink(), "a link is gone");
    Ok(())
}

/// A certificate of the host's key, for example: to remove it would break the system.
#[test]
fn part_of_the_configuration_stays() -> Result<()> {
    let root = machine()?;
    let (store, link) = (root.path().join("nix/store"), "etc/ssh/ssh_host_rsa_key-cert.pub");
    fs::create_dir_all(&store)?;
    fs::write(store.join("cert.pub"), "public")?;
    symlink(store.join("cert.pub"), root.path().join(link))?;
    let (said, warnings) = succeed(&generalize(root.path(), &[])?)?;
    ensure!(warnings.contains(&format!("warning: kept /{link}: ")), "{warnings}");
    ensure!(!said.contains(link), "{said}");
    ensure!(fs::read_to_string(root.path().join(link))? == "public", "it is gone");
    Ok(())
}

/// Runs the command after these mounts, whose paths are below the root.
fn generalize_mounted(root: &Path, mounts: &str) -> Result<Option<Output>> {
    let unshare = ["--mount", "--propagation", "private"];
    let mut can = Command::new("unshare");
    can.args(unshare).args(["mount", "--bind", "/tmp", "/tmp"]);
    if !have(&["unshare"]) || !can.output()?.status.success() {
        skip("mount points are emptied", "it takes unshare, as root");
        return Ok(None);
    }
    let run = command(root);
    let script = format!("set -e; cd \"$0\"; {mounts}; exec \"$@\"");
    let output = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", &script])
        .arg(root)
        .arg(run.get_program())
        .args(run.get_args())
        .output()?;
    Ok(Some(output))
}

#[test]
fn mount_point_is_emptied() -> Result<()> {
    let root = machine()?;
    let kept = root.path().join("kept");
    fs::create_dir_all(kept.join("tailscale"))?;
    for file in ["machine-id", "tailscale/tailscaled.state", "key"] {
        fs::write(kept.join(file), "kept")?;
    }
    let mounts = "mount --bind kept/tailscale var/lib/tailscale; \
        mount --bind kept/machine-id etc/machine-id; \
        mount --bind kept/key etc/ssh/ssh_host_ed25519_key; \
        mount --bind boot boot";
    let Some(output) = generalize_mounted(root.path(), mounts)? else { return Ok(()) };
    let (said, warnings) = succeed(&output)?;
    for path in ["/var/lib/tailscale", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key"] {
        ensure!(said.contains(&format!("emptied {path}\n")), "{path}: {said}");
    }
    ensure!(said.contains("removed /etc/ssh/ssh_host_rsa_key\n"), "{said}");
    ensure!(!warnings.contains("is not mounted"), "{warnings}");
    let left = files(&kept)?;
    ensure!(left.values().all(String::is_empty) && left.len() == 2, "{left:?}");
    Ok(())
}

#[test]
fn what_cannot_be_removed_is_named_and_the_rest_goes() -> Result<()> {
    let root = machine()?;
    let mounts = "mount --bind var/lib/tailscale var/lib/tailscale; \
        mount -o remount,bind,ro var/lib/tailscale";
    let Some(output) = generalize_mounted(root.path(), mounts)? else { return Ok(()) };
    let wanted = ["var/lib/tailscale/tailscaled.state"];
    leaves(root.path(), &output, &["/var/lib/tailscale"], &wanted)
}
