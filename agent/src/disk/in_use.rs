//! Mounted file systems, and files behind loop devices → the block devices that they are on, where the
//! mount table does not show it.
//!
//! A file system may have been mounted in the initrd or in another mount namespace, as the disk is that
//! an ISO's file lies on; of a btrfs on several devices the table names one. Not seen are other file
//! systems than btrfs and those of [`KINDS`], unless the file of a loop device is on them, and further
//! devices of a file system, such as a journal of its own. To try whether a device can be opened for oneself alone
//! would tell of them as well, and for that moment fail what others do to it; so that is left to the
//! first write.

use std::path::{Path, PathBuf};

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
    for number in sysfs::btrfs()?.into_iter().flatten() {
        add(number, "btrfs");
    }
    Ok(found)
}

/// The devices that the files of loop devices are on, or that loop devices are made of, with the loop
/// devices. What is above such a device does not keep others from opening it for themselves alone.
///
/// # Errors
/// losetup does not run.
pub async fn loop_files(runner: &Runner) -> Result<Mounts> {
    let listed = runner.tool("losetup").args([
        "--list",
        "--json",
        "--output",
        "NAME,BACK-FILE,BACK-MAJ:MIN",
    ]);
    let listed = listed.output().await?;
    if !listed.success {
        bail!(listed.failure("losetup"));
    }
    let mut found = Mounts::new();
    for (number, name) in files(&listed.stdout, &sysfs::device_number)? {
        found.entry(number).or_default().push(name);
    }
    Ok(found)
}

/// Adds what is used where nothing is known yet → whether there is any.
pub fn add(used: &mut Mounts, found: &Mounts) -> bool {
    let mut is_any = false;
    for (number, by) in found {
        used.entry(*number).or_insert_with(|| {
            is_any = true;
            by.clone()
        });
    }
    is_any
}

/// The device that each loop device's file is on, or that it is made of, and the loop device.
///
/// # Errors
/// The listing is in another form.
fn files(
    listing: &str,
    device_number: &dyn Fn(&Path) -> Result<Number>,
) -> Result<Vec<(Number, String)>> {
    #[derive(Deserialize)]
    struct Listing {
        loopdevices: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        name: String,
        #[serde(rename = "back-file")]
        file: Option<PathBuf>,
        #[serde(rename = "back-maj:min")]
        back: Option<String>,
    }
    // losetup prints nothing at all where there is none.
    if listing.trim().is_empty() {
        return Ok(Vec::new());
    }
    let listing: Listing = serde_json::from_str(listing).context("cannot read losetup's output")?;
    let number = |row: &Row| {
        // Of a device, the other number is that of the file system with its device file.
        let device = row.file.as_deref().filter(|file| file.starts_with("/dev"));
        let device = device.and_then(|device| device_number(device).ok());
        device.or_else(|| sysfs::number(row.back.as_deref()?.trim()))
    };
    let rows = listing.loopdevices.into_iter();
    Ok(rows.filter_map(|row| Some((number(&row)?, row.name))).collect())
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[test]
    fn a_loop_device_uses_the_device_that_its_file_is_on() {
        // As losetup 2.38 prints it; a file in memory is on no block device.
        let listing = r#"{"loopdevices": [
            {"name":"/dev/loop0", "back-file":"/home/image", "back-maj:min":"     254:1  "},
            {"name":"/dev/loop1", "back-file":"/dev/shm/image", "back-maj:min":"       0:27 "},
            {"name":"/dev/loop2", "back-file":"/dev/sdb", "back-maj:min":"       0:6  "},
            {"name":"/dev/loop3", "back-file":null, "back-maj:min":null}
        ]}"#;
        let number = |node: &Path| {
            ensure!(node == Path::new("/dev/sdb"), "not a device");
            Ok((8, 16))
        };
        let expected = [((254, 1), "/dev/loop0"), ((0, 27), "/dev/loop1"), ((8, 16), "/dev/loop2")];
        let expected = expected.map(|(number, name)| (number, name.to_owned()));
        assert_eq!(files(listing, &number).unwrap(), expected);
        assert_eq!(files("", &number).unwrap(), []);
        assert!(files("{}", &number).is_err());
    }

    #[test]
    fn what_an_install_can_leave_on_a_disk_is_seen() {
        // sysfs has nothing of FAT; btrfs is looked at for itself, and swap is in a table of its own.
        let others = ["vfat", "btrfs", "swap"];
        for format in nixvm_manifest::layout::FORMATS {
            assert!(
                others.contains(&format) || KINDS.contains(&format),
                "{format} is not looked for"
            );
        }
    }

    #[test]
    fn what_is_known_of_a_device_stays() {
        let mounts = |rows: &[(Number, &str)]| -> Mounts {
            rows.iter().map(|(number, by)| (*number, vec![(*by).to_owned()])).collect()
        };
        let mut used = mounts(&[((8, 1), "/mnt")]);
        assert!(!add(&mut used, &mounts(&[((8, 1), "a mounted ext4")])));
        assert!(add(&mut used, &mounts(&[((8, 2), "/dev/loop0")])));
        assert_eq!(used, mounts(&[((8, 1), "/mnt"), ((8, 2), "/dev/loop0")]));
    }
}
