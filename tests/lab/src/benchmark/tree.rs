//! Files of a Debian system → trees that look like store paths.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Files that contents are taken from: real programs, libraries, scripts and texts.
pub(super) struct Pool(Vec<PathBuf>);

/// Numbers that look random and are the same in every run (splitmix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Evenly from 0 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Pool {
    /// All files below `root`'s `usr` and `etc`.
    pub(super) fn new(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for folder in ["etc", "usr"] {
            collect(&root.join(folder), &mut files)?;
        }
        ensure!(!files.is_empty(), "{} has no files", root.display());
        files.sort();
        Ok(Self(files))
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && entry.metadata()?.len() > 0 {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Makes trees, one after another.
pub(super) struct Maker<'a> {
    pub(super) pool: &'a Pool,
    pub(super) numbers: Numbers,
    /// Files so far; marks each of them, so that no two are the same to mksquashfs.
    pub(super) files: u64,
}

impl Maker<'_> {
    /// A store path of about `bytes`, the `number`th: a file alone, a link alone, or a folder.
    pub(super) fn make(&mut self, path: &Path, number: usize, bytes: u64) -> Result<()> {
        match number {
            0 => return self.special(path),
            1 => return self.sparse(path),
            _ => {}
        }
        match number % 24 {
            3 => Ok(symlink("/nix/store/elsewhere/share/doc", path)?),
            5 | 11 | 17 => self.file(path, bytes.max(64), number % 2 == 1).map(drop),
            _ => self.folder(path, bytes),
        }
    }

    fn folder(&mut self, path: &Path, bytes: u64) -> Result<()> {
        fs::create_dir(path)?;
        let places = ["bin", "lib", "share/doc/a", "share/man/man1", "lib/modules/x/y", "etc"];
        let mut left = bytes.max(200);
        let mut count = 0;
        let mut last: Option<PathBuf> = None;
        while left > 0 {
            let place = path.join(places[self.numbers.below(places.len())]);
            fs::create_dir_all(&place)?;
            let name = place.join(format!("file-{count}"));
            match (count % 29, &last) {
                (13, Some(last)) => symlink(last.file_name().unwrap_or_default(), &name)?,
                (23, Some(last)) => fs::hard_link(last, &name)?,
                _ => {
                    left -= self.file(&name, left, place.ends_with("bin"))?;
                    last = Some(name);
                }
            }
            count += 1;
        }
        Ok(())
    }

    /// Copies one file of the pool, at most `limit` bytes of it; returns how many there are.
    fn file(&mut self, path: &Path, limit: u64, executable: bool) -> Result<u64> {
        let from = &self.pool.0[self.numbers.below(self.pool.0.len())];
        self.files += 1;
        let mut content = format!("#!/bin/sh # {}\n", self.files).into_bytes();
        let file =
            fs::File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
        file.take(limit.saturating_sub(content.len() as u64)).read_to_end(&mut content)?;
        content.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        fs::write(path, &content)?;
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(content.len() as u64)
    }

    /// What is rare in a store, and where copiers go wrong.
    fn special(&mut self, path: &Path) -> Result<()> {
        fs::create_dir(path)?;
        let mut deep = path.join("deep");
        for level in 0..60 {
            fs::create_dir(&deep)?;
            self.file(&deep.join("file"), 300, false)?;
            deep.push(format!("level-{level}"));
        }
        let many = path.join("many");
        fs::create_dir(&many)?;
        for number in 0..3000 {
            self.file(&many.join(format!("entry-{number:05}-of-a-large-folder")), 40, false)?;
        }
        fs::write(path.join("n".repeat(255)), "the longest name")?;
        fs::write(path.join("odd \n\"\\ \u{e4} name"), "an odd name")?;
        fs::write(path.join("empty"), "")?;
        fs::create_dir(path.join("empty-folder"))?;
        fs::write(path.join("twice-1"), "the same content")?;
        fs::write(path.join("twice-2"), "the same content")?;
        fs::hard_link(path.join("twice-1"), path.join("linked"))?;
        symlink("t".repeat(1000), path.join("long-link"))?;
        symlink("/nonexistent", path.join("dangling"))?;
        symlink("..", path.join("up"))?;
        Ok(())
    }

    /// A file with a hole of many blocks.
    fn sparse(&mut self, path: &Path) -> Result<()> {
        fs::create_dir(path)?;
        let mut file = fs::File::create(path.join("sparse"))?;
        file.write_all(b"start")?;
        file.write_all_at(b"end", (8 << 20) + 5)?;
        file.set_len((16 << 20) + 7)?;
        Ok(())
    }
}
