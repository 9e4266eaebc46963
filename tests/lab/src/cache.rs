//! Name and inputs of a build stage → its output folder, built only when an input changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::say;

/// Outputs of build stages, one folder each: `<stage>-<digest of its inputs>`.
pub struct Cache {
    folder: PathBuf,
}

/// Digest of everything that a stage's output depends on.
pub struct Key(Sha256);

impl Key {
    /// A key that holds the stage's recipe: the source text of its code.
    pub fn new(recipe: &str) -> Self {
        let mut key = Self(Sha256::new());
        key.add(recipe.as_bytes());
        key
    }

    /// Adds a value.
    pub fn add(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a file, or a folder's files with their names and contents.
    ///
    /// # Errors
    /// Something in it can't be read.
    pub fn add_path(&mut self, path: &Path) -> Result<&mut Self> {
        let about = || format!("cannot read {}", path.display());
        if path.is_dir() {
            let mut entries: Vec<_> = fs::read_dir(path)
                .with_context(about)?
                .map(|entry| entry.map(|e| e.path()))
                .collect::<std::io::Result<_>>()
                .with_context(about)?;
            entries.sort();
            for entry in entries {
                self.add(entry.as_os_str().as_encoded_bytes());
                self.add_path(&entry)?;
            }
        } else {
            self.add(&fs::read(path).with_context(about)?);
        }
        Ok(self)
    }

    /// The key in 16 hexadecimal digits.
    pub fn digest(&self) -> String {
        use std::fmt::Write;
        self.0.clone().finalize().iter().take(8).fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    }
}

impl Cache {
    /// A cache in `folder`, which is made when something is built.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the folder of `stage` for `key`; `build` fills an empty one where there is none yet.
    ///
    /// Outputs of the same stage for other inputs are removed. A build that fails leaves nothing
    /// behind that a later one would take for done.
    ///
    /// # Errors
    /// The build's, or the folder can't be made.
    pub fn stage(
        &self,
        stage: &str,
        key: &Key,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let done = self.folder.join(format!("{stage}-{}", key.digest()));
        if done.exists() {
            return Ok(done);
        }
        say!("building {stage}");
        let started = Instant::now();
        let partial = self.folder.join(format!("{stage}.partial"));
        remove(&partial)?;
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot make {}", partial.display()))?;
        build(&partial).with_context(|| format!("cannot build the lab's {stage}"))?;
        self.forget(stage)?;
        fs::rename(&partial, &done).with_context(|| format!("cannot keep {}", done.display()))?;
        say!("built {stage} in {} s", started.elapsed().as_secs());
        Ok(done)
    }

    fn forget(&self, stage: &str) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let old = name.to_str().and_then(|n| n.strip_prefix(stage)?.strip_prefix('-'));
            if old.is_some_and(|digest| digest.len() == 16 && !digest.contains('-')) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Removes a folder tree that may not be there.
///
/// # Errors
/// It can't be removed, for example because something is mounted in it.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_built_once_for_its_inputs_and_again_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let build = |input: &str| {
            let mut built = false;
            let out = cache
                .stage("stage", Key::new("1").add(input.as_bytes()), |out| {
                    built = true;
                    Ok(fs::write(out.join("x"), input)?)
                })
                .unwrap();
            (built, fs::read_to_string(out.join("x")).unwrap())
        };
        assert_eq!(build("a"), (true, "a".into()));
        assert_eq!(build("a"), (false, "a".into()));
        assert_eq!(build("b"), (true, "b".into()));
        assert_eq!(fs::read_dir(folder.path().join("cache")).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_build_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let key = Key::new("1");
        assert!(cache.stage("stage", &key, |_| anyhow::bail!("no")).is_err());
        assert!(cache.stage("stage", &key, |_| Ok(())).is_ok());
    }
}
