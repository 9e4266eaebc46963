//! An image → a copy of it with other answers.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::image::{Access, Image};

/// Bytes copied between two reports of progress.
const STRETCH: u64 = 16 << 20;

/// Copies `image` to the new file `to` with `area` in it, and reports the bytes copied so far.
///
/// The file gets its name when it is complete; before, it is called `NAME.part`.
///
/// # Errors
/// `to` exists already, or can't be written. What was copied so far is removed.
pub fn copy(image: &mut Image, to: &Path, area: &[u8], report: &mut dyn FnMut(u64)) -> Result<()> {
    ensure_free(to)?;
    let part = Part::create(to)?;
    let copied = write(image, &part, report)
        .and_then(|()| Image::open(&part.path, Access::Write)?.write(area));
    copied.with_context(|| format!("cannot write {}", part.path.display()))?;
    part.finish(to)
}

/// Checks that nothing would be overwritten by a new file `to`.
///
/// # Errors
/// There is something of that name.
pub fn ensure_free(to: &Path) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        bail!("{} exists already; remove it, or choose another name", to.display());
    }
    Ok(())
}

fn write(image: &mut Image, part: &Part, report: &mut dyn FnMut(u64)) -> Result<()> {
    let from = image.rewound()?;
    let mut done = 0;
    loop {
        // Between two files the standard library lets the system copy, or share, the blocks.
        let count = std::io::copy(&mut from.take(STRETCH), &mut &part.file)?;
        if count == 0 {
            return Ok(());
        }
        done += count;
        report(done);
    }
}

/// A file that is removed unless it is finished.
struct Part {
    path: PathBuf,
    file: File,
    finished: bool,
}

impl Part {
    fn create(to: &Path) -> Result<Self> {
        let mut path = to.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let file = match File::create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
                "{} is there already, from a copy that was interrupted or still runs; remove it",
                path.display()
            ),
            file => file.with_context(|| format!("cannot create {}", path.display()))?,
        };
        Ok(Self { path, file, finished: false })
    }

    fn finish(mut self, to: &Path) -> Result<()> {
        fs::rename(&self.path, to).with_context(|| format!("cannot name it {}", to.display()))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            let _its_name_says_what_it_is = fs::remove_file(&self.path);
        }
    }
}
