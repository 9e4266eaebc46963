//! The answers' script → `/var/lib/nixvm/first-boot` on the target, which a unit of the installed system
//! (`nix/first-boot/`) runs once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nixvm_answers::first_boot::Script;

use crate::command::private_file;

/// Where the unit looks for it.
const FILE: &str = "var/lib/nixvm/first-boot";

/// Writes the script below `root`, for root alone: there may be secrets in it.
///
/// # Errors
/// The file can't be written.
pub(super) fn write(root: &Path, script: &Script) -> Result<()> {
    let path = root.join(FILE);
    let about = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(about)?;
    }
    private_file::write(&path, script.reveal().as_bytes())?;
    fs::set_permissions(&path, Permissions::from_mode(0o700)).with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_finds_a_script_that_root_alone_can_read_and_run() {
        let root = tempfile::tempdir().unwrap();
        let text = "#!/bin/sh\necho s3cret\n";
        write(root.path(), &text.parse().unwrap()).unwrap();
        let path = root.path().join(FILE);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        for unit in [
            include_str!("../../../nix/first-boot/nixvm-first-boot.path"),
            include_str!("../../../nix/first-boot/nixvm-first-boot.service"),
        ] {
            let line = format!("ConditionPathExists=/{FILE}\n");
            assert!(unit.contains(&line), "{line:?} is not in {unit}");
        }
    }
}
