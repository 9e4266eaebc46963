//! Bytes → a file that its owner alone can read.

use std::fs::{OpenOptions, remove_file, rename};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Puts a file with the mode 0600 and these bytes in the place of what is at `path`, all at once. A
/// file that is there would keep its mode, and a link would lead elsewhere: neither is written to.
///
/// # Errors
/// The file can't be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let about = || format!("cannot write {}", path.display());
    let fresh = unfinished(&path.to_string_lossy());
    match remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(about),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&fresh).with_context(about)?;
    let result = file.write_all(bytes).and_then(|()| rename(&fresh, path));
    if result.is_err() {
        let _left = remove_file(&fresh);
    }
    result.with_context(about)
}

/// Where the file is until it is whole, and stays if the process dies meanwhile.
pub(crate) fn unfinished(path: &str) -> String {
    format!("{path}.new")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_that_others_could_read_is_replaced_by_one_that_they_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut opened_before = fs::File::open(&path).unwrap();
        write(&path, b"s3cret").unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"s3cret".to_vec()));
        let text = std::io::read_to_string(&mut opened_before).unwrap();
        assert_eq!(text, "before", "who had the file open reads on in it");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, fresh, other] =
            ["secret", "secret.new", "other"].map(|name| folder.path().join(name));
        fs::write(&other, "another's").unwrap();
        symlink(&other, &path).unwrap();
        symlink(&other, &fresh).unwrap();
        write(&path, b"s3cret").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "another's");
        assert!(path.symlink_metadata().unwrap().is_file());
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"s3cret".to_vec()));
        assert!(!fresh.exists());
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::create_dir(&path).unwrap();
        let error = write(&path, b"s3cret").unwrap_err().to_string();
        assert_eq!(error, format!("cannot write {}", path.display()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
