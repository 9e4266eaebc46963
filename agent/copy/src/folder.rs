//! A store path in a folder that the kernel reads → its tree.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::OFlags;

use crate::visit::Visit;

/// Bytes read at once.
const BLOCK: usize = 1 << 20;

/// Reads folders, in one thread.
pub(crate) struct FolderReader {
    block: Vec<u8>,
}

impl FolderReader {
    pub(crate) fn new() -> Self {
        Self { block: vec![0; BLOCK] }
    }

    /// Tells the tree at `path`, under the name `name`. Links are told and not followed.
    ///
    /// # Errors
    /// Part of it can't be read, or is no part of a store; or `visit`'s.
    pub(crate) fn walk(&mut self, path: &Path, name: &[u8], visit: &mut impl Visit) -> Result<()> {
        let about = || format!("cannot read {}", path.display());
        let metadata = fs::symlink_metadata(path).with_context(about)?;
        if metadata.is_symlink() {
            let target = fs::read_link(path).with_context(about)?;
            visit.symlink(name, target.as_os_str().as_bytes())
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            self.file(path, name, executable, metadata.len(), visit)
        } else if metadata.is_dir() {
            visit.directory(name)?;
            for entry in entries(path).with_context(about)? {
                self.walk(&path.join(&entry), entry.as_bytes(), visit)?;
            }
            visit.leave()
        } else {
            bail!("{} is neither a folder nor a file nor a link", path.display())
        }
    }

    fn file(
        &mut self,
        path: &Path,
        name: &[u8],
        executable: bool,
        size: u64,
        visit: &mut impl Visit,
    ) -> Result<()> {
        let about = || format!("cannot read {}", path.display());
        let mut file = File::options()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .with_context(about)?;
        visit.file(name, executable, size)?;
        let mut done = 0;
        loop {
            let length = file.read(&mut self.block).with_context(about)?;
            done += length as u64;
            ensure!(done <= size, "{} grows while it is read", path.display());
            if length == 0 {
                break;
            }
            visit.data(&self.block[..length])?;
        }
        ensure!(done == size, "{} shrinks while it is read", path.display());
        visit.end()
    }
}

/// The names in a folder, in the order of a NAR.
fn entries(path: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names: Vec<_> =
        fs::read_dir(path)?.map(|entry| entry.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort_unstable();
    Ok(names)
}
