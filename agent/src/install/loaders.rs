//! The ESP of an install → no EFI program by a name that firmware could start, until the receipt is
//! there; from then on, each by its own name.
//!
//! The removable path is what firmware tries unasked, but an entry in NVRAM may lead to any program on
//! the ESP. So every program gets a suffix. Kernels below `EFI/nixos` are programs as well and keep
//! their names: without the boot entry's options they start no system.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::disk::receipt::{LOADERS, WITHHELD_SUFFIX};

/// Where the boot entries' kernels are, below the ESP.
const KERNELS: &str = "EFI/nixos";

/// The first bytes of an EFI program (PE format: the signature of its MS-DOS stub).
const MAGIC: &[u8] = b"MZ";

/// Folders in folders that are looked at: a damaged FAT may have a folder that is in itself.
const DEPTH: usize = 16;

/// Where a program is until the receipt is there.
pub(super) fn withheld(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(WITHHELD_SUFFIX);
    name.into()
}

/// Whether firmware tries this path, below the ESP, without an entry. FAT ignores case.
pub(super) fn is_removable(path: &Path) -> bool {
    LOADERS.iter().any(|loader| path.as_os_str().eq_ignore_ascii_case(loader))
}

/// Withholds each program that has its own name.
///
/// # Errors
/// The ESP can't be read or written.
pub(super) fn withhold(esp: &Path) -> Result<()> {
    startable(esp)?.iter().try_for_each(|path| rename(&esp.join(path), &esp.join(withheld(path))))
}

/// Insists that firmware finds nothing to start.
///
/// # Errors
/// A program has its own name, or the ESP can't be read.
pub(super) fn check_withheld(esp: &Path) -> Result<()> {
    let startable = startable(esp)?;
    let names: Vec<_> = startable.iter().map(|path| path.display().to_string()).collect();
    ensure!(names.is_empty(), "the unfinished disk could be started by {}", names.join(", "));
    Ok(())
}

/// Gives every withheld program its own name, the removable path last; done already is done.
///
/// # Errors
/// The ESP can't be read or written, or there is no program at the removable path in the end.
pub(super) fn put_in_place(esp: &Path) -> Result<()> {
    let mut names: Vec<_> = files(esp)?
        .into_iter()
        .filter_map(|path| Some(PathBuf::from(path.to_str()?.strip_suffix(WITHHELD_SUFFIX)?)))
        .collect();
    names.sort_by_key(|path| is_removable(path));
    for path in names {
        rename(&esp.join(withheld(&path)), &esp.join(&path))?;
    }
    let in_place = LOADERS.iter().any(|loader| esp.join(loader).exists());
    ensure!(in_place, "the ESP has no boot loader");
    Ok(())
}

/// The programs that have their own names: paths below the ESP.
fn startable(esp: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in files(esp)? {
        let withheld = path.to_string_lossy().ends_with(WITHHELD_SUFFIX);
        if withheld || path.parent().is_some_and(|at| at.as_os_str().eq_ignore_ascii_case(KERNELS))
        {
            continue;
        }
        let mut start = Vec::new();
        let about = || format!("cannot read {}", esp.join(&path).display());
        let file = File::open(esp.join(&path)).with_context(about)?;
        file.take(MAGIC.len() as u64).read_to_end(&mut start).with_context(about)?;
        if start == MAGIC {
            found.push(path);
        }
    }
    Ok(found)
}

/// All files: paths below the ESP, or below any other folder, sorted.
///
/// # Errors
/// A folder can't be listed.
pub(super) fn files(esp: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let about = || format!("cannot list {}", esp.join(&folder).display());
        ensure!(folder.components().count() <= DEPTH, "{}: the folders have no end", about());
        for entry in fs::read_dir(esp.join(&folder)).with_context(about)? {
            let entry = entry.with_context(about)?;
            let path = folder.join(entry.file_name());
            if entry.file_type().with_context(about)?.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Renames, and waits until the disk has it.
///
/// # Errors
/// The file is not there, or its folder can't be written.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    let about = || format!("cannot rename {} to {}", from.display(), to.display());
    fs::rename(from, to).with_context(about)?;
    let folder = to.parent().map(PathBuf::from).unwrap_or_default();
    let folder = File::open(folder).with_context(about)?;
    rustix::fs::syncfs(&folder).with_context(about)?;
    // FAT's syncfs leaves it in the drive's cache, where renames may change their order.
    folder.sync_all().with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn esp(files: &[(&str, &str)]) -> tempfile::TempDir {
        let esp = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = esp.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        esp
    }

    #[test]
    fn an_interrupted_handover_is_completed_once_and_again() {
        let esp = esp(&[("EFI/systemd/systemd-bootx64.efi.withheld", "MZ")]);
        assert!(put_in_place(esp.path()).is_err(), "nothing boots");
        fs::create_dir_all(esp.path().join("EFI/BOOT")).unwrap();
        fs::write(esp.path().join(withheld(Path::new(LOADERS[0]))), "MZ").unwrap();
        for _ in 0..2 {
            put_in_place(esp.path()).unwrap();
            let expected = [LOADERS[0], "EFI/systemd/systemd-bootx64.efi"];
            assert_eq!(files(esp.path()).unwrap(), expected.map(PathBuf::from));
        }
    }

    #[test]
    fn every_program_is_withheld_but_for_the_kernels() {
        let rest = [
            ("EFI/nixos/abc-kernel.efi", "MZ"),
            ("EFI/nixvm/installed", "{}"),
            ("loader/loader.conf", "MY"),
            ("loader/random-seed", ""),
        ];
        let programs =
            [("EFI/BOOT/BOOTAA64.EFI", "MZ1"), ("EFI/shell.efi", "MZ2"), ("efi/x/odd name", "MZ3")];
        let esp = esp(&[&rest[..], &programs].concat());
        let error = check_withheld(esp.path()).unwrap_err().to_string();
        for (path, _) in programs {
            assert!(error.contains(path), "{error}");
        }
        withhold(esp.path()).unwrap();
        check_withheld(esp.path()).unwrap();
        for (path, _) in rest {
            assert!(esp.path().join(path).exists(), "{path}");
        }
        put_in_place(esp.path()).unwrap();
        for (path, text) in programs {
            assert_eq!(fs::read_to_string(esp.path().join(path)).unwrap(), text);
        }
    }

    #[test]
    fn the_removable_path_is_put_in_place_last() {
        let last = LOADERS[0];
        let esp = esp(&[]);
        for path in ["EFI/systemd/systemd-bootx64.efi", last, "shell.efi"] {
            let path = esp.path().join(withheld(Path::new(path)));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "MZ").unwrap();
        }
        // What can't be renamed ends it before the removable path, which firmware would start.
        fs::create_dir_all(esp.path().join("shell.efi/in-the-way")).unwrap();
        assert!(put_in_place(esp.path()).is_err());
        assert!(!esp.path().join(last).exists());
        assert!(esp.path().join("EFI/systemd/systemd-bootx64.efi").exists());
    }

    #[test]
    fn the_removable_path_is_known_in_any_case() {
        assert!(is_removable(Path::new("EFI/Boot/bootx64.efi")));
        assert!(!is_removable(Path::new("EFI/systemd/systemd-bootx64.efi")));
    }
}
