//! A store that an earlier try was interrupted in → one with nothing but what is registered.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::store_path::StorePath;

/// Nix's own, for its optimiser; it is no store path.
const LINKS: &str = ".links";

/// Removes everything from the store below `root` that is not in `registered`; returns how many
/// entries that were.
///
/// # Errors
/// The store can't be read, or an entry can't be removed.
pub fn remove_unregistered(root: &Path, registered: &HashSet<StorePath>) -> Result<usize> {
    let store = root.join("nix/store");
    let entries = match fs::read_dir(&store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("cannot read {}", store.display()))?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", store.display()))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name == LINKS || registered.contains(name)) {
            continue;
        }
        remove(&entry.path())
            .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        removed += 1;
    }
    Ok(removed)
}

/// Removes a tree whose folders may be read-only, which stops all users but root.
fn remove(path: &Path) -> io::Result<()> {
    if !path.symlink_metadata()?.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

fn make_writable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}
