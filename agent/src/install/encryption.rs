//! The layout's LUKS mappings: names that are free → the passphrase for disko's script, while it runs → closed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Attempt;
use crate::command::{Runner, private_file};
use crate::disk::mounts::Mount;
use crate::disk::{stack, sysfs};

/// Where disko's script reads the passphrase from; `nix/disko-script.nix` has the same.
const PASSPHRASE: &str = "/run/nixvm/passphrase";

/// Where the kernel lists block devices.
const BLOCK: &str = "/sys/class/block";

/// Insists that no mapping has one of these names: disko would take it for its own, and write to the disk below.
///
/// # Errors
/// One has, or they can't be listed.
pub(super) fn check_names(mappings: &[&str]) -> Result<()> {
    for name in mappings {
        ensure!(
            mapped(Path::new(BLOCK), name)?.is_none(),
            "the encrypted partition is to be opened as {name}, and {} is there already: close it, or detach its disk \
             and restart",
            node(name).display()
        );
    }
    Ok(())
}

/// The folder of the mapping of this name in a folder of sysfs.
fn mapped(devices: &Path, name: &str) -> Result<Option<PathBuf>> {
    let about = || format!("cannot list {}", devices.display());
    for entry in fs::read_dir(devices).with_context(about)? {
        let folder = entry.with_context(about)?.path();
        if fs::read_to_string(folder.join("dm/name")).is_ok_and(|found| found.trim_end() == name) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

fn node(name: &str) -> PathBuf {
    Path::new("/dev/mapper").join(name)
}

/// Insists that what is mounted is in LUKS, by the mapping of this name.
///
/// # Errors
/// It is not, or the kernel does not tell what it is mounted from.
pub(super) fn check_encrypted(mount: &Mount, mapping: &str) -> Result<()> {
    let number = stack::device(mount)?;
    let found = mapped(Path::new(BLOCK), mapping)?;
    let is_it = found.is_some_and(|folder| {
        let is_luks = fs::read_to_string(folder.join("dm/uuid"))
            .is_ok_and(|uuid| uuid.starts_with("CRYPT-LUKS"));
        is_luks && sysfs::number_in(&folder).is_ok_and(|found| found == number)
    });
    ensure!(
        is_it,
        "what is mounted at {} is not encrypted as {mapping}: nothing more is written",
        mount.path.display()
    );
    Ok(())
}

/// The passphrase in its file, until this is dropped.
pub(super) struct Provided;

impl Drop for Provided {
    fn drop(&mut self) {
        if let Err(error) = forget_passphrase() {
            tracing::warn!("{error:#}");
        }
    }
}

/// Writes the passphrase to where disko's script reads it, if the layout has any LUKS. The folder is in memory.
///
/// # Errors
/// There is none, or it can't be written.
pub(super) fn provide_passphrase(attempt: &Attempt, mappings: &[&str]) -> Result<Option<Provided>> {
    if mappings.is_empty() {
        return Ok(None);
    }
    let passphrase = attempt.passphrase.as_ref().context("there is no passphrase")?;
    private_file::write(Path::new(PASSPHRASE), passphrase.reveal().as_bytes())?;
    Ok(Some(Provided))
}

/// Removes the passphrase's file, if it is there: that of an agent which died, too.
///
/// # Errors
/// It can't be removed.
pub(super) fn forget_passphrase() -> Result<()> {
    for path in [PASSPHRASE.to_owned(), private_file::unfinished(PASSPHRASE)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {path}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Closes those of the mappings that are open, the last one first.
///
/// # Errors
/// One is in use. The others are closed.
pub(super) async fn close(runner: &Runner, mappings: &[&str]) -> Result<()> {
    let mut result = Ok(());
    for name in mappings.iter().rev() {
        // udev may not have made its link yet.
        if matches!(mapped(Path::new(BLOCK), name), Ok(None)) {
            continue;
        }
        let closed = runner.tool("cryptsetup").args(["close", name]).run().await;
        let closed = closed.with_context(|| format!("cannot close {}", node(name).display()));
        result = result.and(closed.map(drop));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_found_by_its_name_and_by_no_part_of_it() {
        let sysfs = tempfile::tempdir().unwrap();
        for (device, name) in [("dm-0", "crypt"), ("dm-1", "crypt-data")] {
            let folder = sysfs.path().join(device).join("dm");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        }
        fs::create_dir(sysfs.path().join("vda")).unwrap();
        let found = |name: &str| mapped(sysfs.path(), name).unwrap();
        assert_eq!(found("crypt"), Some(sysfs.path().join("dm-0")));
        assert_eq!(found("crypt-data"), Some(sysfs.path().join("dm-1")));
        assert_eq!(found("data"), None);
        assert!(mapped(&sysfs.path().join("none"), "crypt").is_err());
    }
}
