//! Nix's roots on the target → those that the installed system finds.
//!
//! Nix writes the store's place on the live system into links that it makes: `gcroots/profiles` leads
//! to `/mnt/nix/var/nix/profiles`, as does the link to a result that is a root. On the installed system
//! they would lead nowhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Nix's folder of roots, below the root of the file system.
const FOLDER: &str = "nix/var/nix/gcroots";

/// Makes the links of the system below `root` that lead to `root` lead to the same place from inside.
///
/// # Errors
/// A folder can't be read, or a link not be replaced.
pub(super) fn relink(root: &Path) -> Result<()> {
    for (link, to) in links(root)? {
        let Ok(inside) = to.strip_prefix(root) else { continue };
        let about = || format!("cannot replace the link {}", link.display());
        let fresh = link.with_extension("nixvm");
        symlink(Path::new("/").join(inside), &fresh).with_context(about)?;
        fs::rename(&fresh, &link).with_context(about)?;
    }
    Ok(())
}

/// The links below Nix's folder of roots, and where each leads.
fn links(root: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(FOLDER)];
    while let Some(folder) = folders.pop() {
        let about = || format!("cannot list {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(about)? {
            let entry = entry.with_context(about)?;
            let kind = entry.file_type().with_context(about)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_symlink() {
                let link = entry.path();
                let to = fs::read_link(&link)
                    .with_context(|| format!("cannot read the link {}", link.display()))?;
                found.push((link, to));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_same_place_from_inside() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let folder = root.join(FOLDER);
        fs::create_dir_all(folder.join("auto")).unwrap();
        symlink(root.join("nix/var/nix/profiles"), folder.join("profiles")).unwrap();
        symlink(root.join("root/result"), folder.join("auto/abc")).unwrap();
        symlink("/nix/store/x", folder.join("kept")).unwrap();
        for _ in 0..2 {
            relink(root).unwrap();
            let mut found = links(root).unwrap();
            found.sort();
            let expected = [
                ("auto/abc", "/root/result"),
                ("kept", "/nix/store/x"),
                ("profiles", "/nix/var/nix/profiles"),
            ];
            let expected = expected.map(|(link, to)| (folder.join(link), PathBuf::from(to)));
            assert_eq!(found, expected);
        }
        assert!(relink(Path::new("/nonexistent")).is_err());
    }
}
