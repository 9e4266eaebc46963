//! An image → a copy of it with other answers.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nixvm_answers::area;

use crate::image::{Access, Image};

/// Bytes copied between two reports of progress.
const STRETCH: u64 = 16 << 20;

/// Copies `image` to the new file `to` with the answers `text` in it, and reports the bytes copied
/// so far.
///
/// The file gets its name when it is complete; before, it is called `NAME.part`.
///
/// # Errors
/// `to` exists already, or can't be written; the answers are too long. What was copied so far is
/// removed.
pub fn copy(image: &mut Image, to: &Path, text: &str, report: &mut dyn FnMut(u64)) -> Result<()> {
    area::encode(text)?;
    ensure_free(to)?;
    let part = Part::create(to)?;
    let copied = write(image, &part, report)
        .and_then(|()| Image::open(&part.path, Access::Write)?.put(text));
    copied.with_context(|| format!("cannot write {}", part.path.display()))?;
    part.finish(to)
}

/// Writes the new file `to`, which gets its name when it is complete.
///
/// # Errors
/// `to` exists already, or can't be written.
pub fn create(to: &Path, bytes: &[u8]) -> Result<()> {
    ensure!(
        to != "-",
        "an image cannot be written to standard output; give the name of a new file"
    );
    ensure_free(to)?;
    let part = Part::create(to)?;
    (&part.file)
        .write_all(bytes)
        .with_context(|| format!("cannot write {}", part.path.display()))?;
    part.finish(to)
}

/// Checks that `to` is not the ISO `from` itself, and that [`copy`] would overwrite nothing.
///
/// # Errors
/// It is no name for a new file; the message says why.
pub fn ensure_new(from: &Path, to: &Path) -> Result<()> {
    ensure!(to != "-", "an ISO cannot be written to standard output; give the name of a new file");
    if let (Ok(from), Ok(same)) = (from.canonicalize(), to.canonicalize()) {
        let name = to.display();
        ensure!(from != same, "{name} is the ISO itself; without --output it is changed in place");
        ensure!(!same.is_dir(), "{name} is a folder; give the name of a new file in it");
    }
    ensure_free(to)
}

fn ensure_free(to: &Path) -> Result<()> {
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
        // The name may have been taken during the copy, and a renaming would replace that file.
        ensure_free(to)?;
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
