//! The system's boot loader → on the ESP, but for what firmware would start.
//!
//! `nixos-install` puts loader, kernels and entries in place in an order that is its own, and from
//! some moment on the disk boots. That moment must not come before the receipt: a system that boots
//! while its disk is still marked unfinished would be used, and erased by the next start of the ISO.
//! So the loader's folders are covered by a RAM disk while it runs, and what it wrote there reaches
//! the ESP in the last step. Programs that a host puts elsewhere, a memory test say, are withheld on
//! the ESP as soon as they are there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{Attempt, loaders};
use crate::disk::layout;

/// Folders below the ESP that hold loaders.
const FOLDERS: [&str; 2] = ["EFI/BOOT", "EFI/systemd"];

/// What the boot loader's installation wrote, kept from the ESP until the end.
pub(super) struct Withheld {
    /// Paths below the ESP, and contents.
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
}

/// Runs the step.
///
/// # Errors
/// The boot loader can't be installed.
pub(super) async fn run(attempt: &Attempt, toplevel: &Path) -> Result<Withheld> {
    let esp = Path::new(layout::MOUNT_POINT).join(layout::ESP_MOUNT);
    let mut covers = Vec::new();
    for folder in FOLDERS {
        covers.push(Cover::over(esp.join(folder))?);
    }
    attempt
        .runner
        .tool("nixos-install")
        .args(["--root", layout::MOUNT_POINT, "--system"])
        .arg(toplevel)
        .args(["--no-root-passwd", "--no-channel-copy", "--max-jobs", "0"])
        // Nothing may be fetched: what is not there now is not needed.
        .args(["--option", "substituters", ""])
        .run()
        .await
        .context("nixos-install failed")?;
    let mut files = Vec::new();
    for cover in &covers {
        cover.collect(&esp, &mut files)?;
    }
    for cover in covers {
        cover.uncover()?;
    }
    loaders::withhold(&esp)?;
    // It ends well where the boot loader's own installation failed.
    ensure!(
        files.iter().any(|(path, _)| loaders::is_removable(path)),
        "nixos-install ended well, but installed no boot loader; its output is in the log"
    );
    Ok(Withheld { files })
}

/// A RAM disk over a folder, taken away when dropped.
struct Cover(PathBuf);

impl Cover {
    /// Takes it away now: what is written to the folder from now on has to reach the ESP.
    fn uncover(self) -> Result<()> {
        let cover = std::mem::ManuallyDrop::new(self);
        unmount(&cover.0, UnmountFlags::empty())
            .with_context(|| format!("{} is used by something", cover.0.display()))
    }
}

impl Cover {
    fn over(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", &folder, "tmpfs", flags, c"mode=700,size=64m")
            .with_context(|| format!("cannot cover {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn collect(&self, esp: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
        for file in loaders::files(&self.0)? {
            let path = self.0.join(file);
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push((path.strip_prefix(esp)?.to_owned(), bytes));
        }
        Ok(())
    }
}

impl Drop for Cover {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0, UnmountFlags::empty()) {
            tracing::warn!("cannot uncover {}: {error}", self.0.display());
        }
    }
}
