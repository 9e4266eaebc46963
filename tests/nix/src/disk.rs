//! A folder → a disk of its own: a file there behind a loop device, whose partitions the kernel shows.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What makes one.
pub const TOOLS: &[&str] = &["losetup", "partx", "sgdisk"];

/// Bytes of a new one.
const SIZE: u64 = 4 << 30;

/// A file behind a loop device.
pub struct Disk {
    /// Its bytes.
    pub file: PathBuf,
    /// Its device node.
    pub node: PathBuf,
}

impl Disk {
    /// Whether there can be any.
    pub fn can_be_made() -> bool {
        super::have(TOOLS) && Path::new("/dev/loop-control").exists()
    }

    /// Makes a blank one of 4 GiB with sectors of so many bytes.
    ///
    /// # Errors
    /// There is no file or no loop device for it.
    pub fn make(folder: &Path, name: &str, sector: u32) -> Result<Self> {
        let file = folder.join(name);
        File::create(&file)?.set_len(SIZE)?;
        let sector = sector.to_string();
        let node = say(Command::new("losetup")
            .args(["--find", "--show", "--partscan", "--sector-size", &sector])
            .arg(&file))?;
        Ok(Self { file, node: node.trim().into() })
    }

    /// The device node of a partition.
    pub fn partition(&self, number: u32) -> PathBuf {
        format!("{}p{number}", self.node.display()).into()
    }

    /// Changes the partition table.
    ///
    /// # Errors
    /// sgdisk refuses.
    pub fn sgdisk(&self, arguments: &[&str]) -> Result<()> {
        say(Command::new("sgdisk").args(arguments).arg(&self.node))?;
        say(Command::new("partx").arg("--update").arg(&self.node))?;
        Ok(())
    }

    /// Makes it larger by so many bytes, which are zeros at its end.
    ///
    /// # Errors
    /// The file or the device keeps its size.
    pub fn enlarge(&self, bytes: u64) -> Result<()> {
        let file = File::options().write(true).open(&self.file)?;
        file.set_len(file.metadata()?.len() + bytes)?;
        say(Command::new("losetup").arg("--set-capacity").arg(&self.node))?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The test has its verdict already.
        let _detached = Command::new("losetup").arg("--detach").arg(&self.node).status();
    }
}

/// Runs a command and returns what it prints.
///
/// # Errors
/// It fails; the error has what it says.
pub fn say(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
}
