//! Mounted file systems, and files behind loop devices → the block devices that they are on, where the
//! mount table does not show it.
//!
//! A file system may have been mounted in the initrd or in another mount namespace, as the disk is that
//! an ISO's file lies on; of a btrfs on several devices the table names one. Other file systems than
//! those that sysfs lists are not seen, unless the file of a loop device is on them. To try whether a
//! device can be opened for oneself alone would tell of them as well, and for that moment fail what
//! others do to it; so that is left to the first write.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::describe::Mounts;
use super::sysfs::{self, Number};
use crate::command::Runner;

/// File systems that have a folder for each device that is mounted.
const KINDS: [&str; 3] = ["ext4", "f2fs", "xfs"];

/// The devices of mounted file systems, with their kind.
///
/// # Errors
/// sysfs can't be read.
pub fn file_systems() -> Result<Mounts> {
    let mut found = Mounts::new();
    let mut add = |number: Number, kind: &str| {
        found.entry(number).or_default().push(format!("a mounted {kind}"));
    };
    for kind in KINDS {
        let folder = Path::new("/sys/fs").join(kind);
        if !folder.exists() {
            continue;
        }
        for entry in sysfs::list(&folder)? {
            let Some(name) = entry.file_name() else { continue };
            // Others than devices are there too; and what has gone since is not in use.
            if let Ok(number) = sysfs::number_in(&Path::new("/sys/class/block").join(name)) {
                add(number, kind);
            }
        }
    }
    // One that is being unmounted may lose its devices while it is read.
    for number in sysfs::btrfs().unwrap_or_default().into_iter().flatten() {
        add(number, "btrfs");
    }
    Ok(found)
}

/// The devices that the files of loop devices are on, with the loop devices.
///
/// # Errors
/// losetup does not run.
pub async fn loop_files(runner: &Runner) -> Result<Mounts> {
    let listed = runner.tool("losetup").args(["--list", "--json", "--output", "NAME,BACK-MAJ:MIN"]);
    let listed = listed.output().await?;
    if !listed.success {
        bail!(listed.failure("losetup"));
    }
    let mut found = Mounts::new();
    for (number, name) in files(&listed.stdout)? {
        found.entry(number).or_default().push(name);
    }
    Ok(found)
}

/// The device that each loop device's file is on, and the loop device.
///
/// # Errors
/// The listing is in another form.
fn files(listing: &str) -> Result<Vec<(Number, String)>> {
    #[derive(Deserialize)]
    struct Listing {
        loopdevices: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        name: String,
        #[serde(rename = "back-maj:min")]
        back: Option<String>,
    }
    // losetup prints nothing at all where there is none.
    if listing.trim().is_empty() {
        return Ok(Vec::new());
    }
    let listing: Listing = serde_json::from_str(listing).context("cannot read losetup's output")?;
    let file = |row: Row| Some((sysfs::number(row.back?.trim())?, row.name));
    Ok(listing.loopdevices.into_iter().filter_map(file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_device_uses_the_device_that_its_file_is_on() {
        // As losetup 2.38 prints it; a file in memory is on no block device.
        let listing = r#"{"loopdevices": [
            {"name":"/dev/loop0", "back-maj:min":"     254:1  "},
            {"name":"/dev/loop1", "back-maj:min":"       0:27 "},
            {"name":"/dev/loop2", "back-maj:min":null}
        ]}"#;
        let expected = [((254, 1), "/dev/loop0"), ((0, 27), "/dev/loop1")];
        let expected = expected.map(|(number, name)| (number, name.to_owned()));
        assert_eq!(files(listing).unwrap(), expected);
        assert_eq!(files("").unwrap(), []);
        assert!(files("{}").is_err());
    }
}
