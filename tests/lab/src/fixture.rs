//! A scenario → a folder of its own, with its machines and disks.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::build::{Arch, Lab};
use crate::guest_checks::PASSWORD_HASH;
use crate::vm::Vm;
use crate::vm::config::{self, Config, Disk, Firmware};
use crate::vm::emulator::Emulator;

/// A disk that the stand-in system fits on with room to spare.
pub const DISK: u64 = 2 << 30;

/// The folder, ISO and machines of one scenario.
pub struct Fixture<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// The machines' architecture.
    pub arch: Arch,
    /// What the machines run on.
    emulator: Emulator,
    /// The ISO.
    pub iso: PathBuf,
    /// Logs, screens, disks.
    pub folder: PathBuf,
}

impl<'a> Fixture<'a> {
    /// Makes `folder` anew.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(lab: &'a Lab, arch: Arch, iso: &Path, folder: PathBuf) -> Result<Self> {
        crate::cache::remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let emulator = lab.emulator(arch, false)?;
        Ok(Self { lab, arch, emulator, iso: iso.to_owned(), folder })
    }

    /// Its machines run beside those of others: `machines` at a time.
    pub fn shared_by(self, machines: usize) -> Self {
        Self { emulator: self.emulator.shared_by(machines), ..self }
    }

    /// A machine with empty firmware variables, the ISO in its drive, no disk, and answers with
    /// the lab's password and a short countdown.
    ///
    /// # Errors
    /// The variables or the answers can't be written.
    pub fn machine(&self) -> Result<Config> {
        let mut config = Config::new(self.emulator.clone(), self.arch, self.firmware("efivars")?);
        config.cd = Some(self.iso.clone());
        config.answers = Some(self.answers("countdown = 3")?);
        Ok(config)
    }

    /// [`Fixture::machine`] with one blank disk, `target`.
    ///
    /// # Errors
    /// As [`Fixture::machine`] and [`Fixture::disk`].
    pub fn machine_with_disk(&self) -> Result<Config> {
        Ok(Config { disks: vec![self.disk("target")?], ..self.machine()? })
    }

    /// UEFI with empty variables, in `NAME.fd`.
    ///
    /// # Errors
    /// The variables can't be written.
    pub fn firmware(&self, name: &str) -> Result<Firmware> {
        let variables = self.folder.join(format!("{name}.fd"));
        self.emulator.fresh_variables(self.arch, &variables)?;
        Ok(Firmware::Uefi(variables))
    }

    /// An answers file: the lab's password, and `more`.
    ///
    /// # Errors
    /// It can't be written.
    pub fn answers(&self, more: &str) -> Result<PathBuf> {
        self.answers_without_password(&format!("password-hash = '{PASSWORD_HASH}'\n{more}"))
    }

    /// An answers file with `answers` alone, so that the screen asks for a password.
    ///
    /// # Errors
    /// It can't be written.
    pub fn answers_without_password(&self, answers: &str) -> Result<PathBuf> {
        // Each call's own: a machine may have been given the last one.
        let files = (1..).map(|number| self.folder.join(format!("answers-{number}.toml")));
        let file = files.into_iter().find(|file| !file.exists()).context("there are too many")?;
        fs::write(&file, format!("{answers}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// A blank virtio disk of the usual size.
    ///
    /// # Errors
    /// Its image can't be made.
    pub fn disk(&self, id: &str) -> Result<Disk> {
        self.disk_of(id, DISK)
    }

    /// A blank virtio disk of `bytes` bytes.
    ///
    /// # Errors
    /// Its image can't be made.
    pub fn disk_of(&self, id: &str, bytes: u64) -> Result<Disk> {
        let image = self.folder.join(format!("{id}.raw"));
        config::fresh_disk(&image, bytes)?;
        Ok(Disk::virtio(id, image))
    }

    /// Starts a machine.
    ///
    /// # Errors
    /// As [`Vm::start`].
    pub fn start(&self, config: &Config, name: &str) -> Result<Vm> {
        Vm::start(config, name, &self.folder)
    }

    /// Removes disk images and firmware variables, which are only of use after a failure.
    ///
    /// # Errors
    /// One can't be removed.
    pub fn tidy(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "raw" || kind == "fd") {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Copies a disk image as it is at this moment, holes included.
///
/// # Errors
/// cp failed.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = std::process::Command::new("cp")
        .args(["--sparse=always", "--reflink=auto", "--"])
        .args([from, to])
        .status()
        .context("cannot start cp")?;
    ensure!(status.success(), "cannot copy {} to {}", from.display(), to.display());
    Ok(())
}

/// Fails unless a disk image has the digest `before`.
///
/// # Errors
/// It does, or the image can't be read.
pub fn unchanged(disk: &Disk, before: &str) -> Result<()> {
    let now = digest(&disk.image)?;
    ensure!(now == before, "{} was written to", disk.id);
    Ok(())
}

/// A digest of an image's contents; holes and written zeros count alike.
///
/// # Errors
/// It can't be read.
pub fn digest(image: &Path) -> Result<String> {
    const CHUNK: u64 = 64 << 10;
    let about = || format!("cannot read {}", image.display());
    let file = File::open(image).with_context(about)?;
    let mut hash = Sha256::new();
    hash.update(file.metadata().with_context(about)?.len().to_le_bytes());
    let mut chunk = vec![0; CHUNK as usize];
    let mut at = 0;
    loop {
        // The next byte that is not in a hole.
        at = match seek(&file, SeekFrom::Data(at)) {
            Ok(data) => data / CHUNK * CHUNK,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error).with_context(about),
        };
        let count = read_some(&file, &mut chunk, at).with_context(about)?;
        if chunk[..count].iter().any(|byte| *byte != 0) {
            hash.update(at.to_le_bytes());
            hash.update(&chunk[..count]);
        }
        at += CHUNK;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads until the buffer is full or the file ends.
fn read_some(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read_at(&mut buffer[count..], at + count as u64)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_holes_and_everything_else_counts() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(10 << 20).unwrap();
        let blank = digest(image.path()).unwrap();
        image.as_file().write_all_at(&[0; 4096], 5 << 20).unwrap();
        assert_eq!(digest(image.path()).unwrap(), blank);
        image.as_file().write_all_at(&[1], (10 << 20) - 1).unwrap();
        let last = digest(image.path()).unwrap();
        assert_ne!(last, blank);
        image.as_file().write_all_at(&[1], 0).unwrap();
        image.as_file().write_all_at(&[0], (10 << 20) - 1).unwrap();
        assert!(![blank, last].contains(&digest(image.path()).unwrap()));
    }
}
