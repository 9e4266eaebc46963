//! Places on this machine → the two ends of a copy, as the installer finds them: a live system with
//! the closure in a mounted image, and a fresh disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::store::BenchStore;
use crate::command::{Chroot, CommandLog};

/// Nix settings, in place of a configuration file.
pub(super) const NIX_CONFIG: &str = "sandbox = false\nbuild-users-group =\nsubstituters =\n\
    experimental-features = nix-command\n";

/// A mount, taken away when this is dropped.
struct Mounted<'a> {
    commands: &'a CommandLog,
    place: PathBuf,
}

impl<'a> Mounted<'a> {
    fn new(commands: &'a CommandLog, arguments: &[&str], place: PathBuf) -> Result<Self> {
        fs::create_dir_all(&place)?;
        let place_name = place.to_string_lossy();
        commands.run("mount", arguments.iter().copied().chain([&*place_name]))?;
        Ok(Self { commands, place })
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _nothing_else_to_do = self.commands.run("umount", [&self.place]);
    }
}

/// A disk with an empty ext4, mounted.
pub(super) struct Target<'a> {
    mounted: Mounted<'a>,
    /// Removed after it is unmounted.
    _image: tempfile::TempPath,
}

impl<'a> Target<'a> {
    /// Makes one of a sparse file of `bytes` in `folder`.
    ///
    /// The file is a new one each time: a loop device that is not gone yet would be taken again, with
    /// what it still has in memory.
    pub(super) fn fresh(commands: &'a CommandLog, folder: &Path, bytes: u64) -> Result<Self> {
        let image = tempfile::Builder::new()
            .prefix("target-")
            .tempfile_in(folder)
            .with_context(|| format!("cannot make a disk in {}", folder.display()))?;
        image.as_file().set_len(bytes).context("cannot make a disk of that size")?;
        let image = image.into_temp_path();
        let name = image.to_string_lossy();
        // Otherwise the kernel goes on with that while it is measured.
        let eager = "lazy_itable_init=0,lazy_journal_init=0";
        commands.run("mkfs.ext4", ["-q", "-F", "-E", eager, &*name])?;
        let mounted = Mounted::new(commands, &["-o", "loop", &name], folder.join("target"))?;
        drop(name);
        Ok(Self { mounted, _image: image })
    }

    /// Where it is mounted.
    pub(super) fn place(&self) -> &Path {
        &self.mounted.place
    }
}

/// The store of a live system: the image, mounted, and an overlay that can be written to over it.
pub(super) struct Live<'a> {
    store: Mounted<'a>,
    image: Mounted<'a>,
    memory: Mounted<'a>,
}

impl<'a> Live<'a> {
    /// Mounts it below `folder`, and registers what is in it.
    pub(super) fn start(
        commands: &'a CommandLog,
        folder: &Path,
        tools: &Path,
        bench: &BenchStore,
    ) -> Result<Self> {
        let image = bench.image();
        let image = Mounted::new(
            commands,
            &["-t", "squashfs", "-o", "loop,ro", &image.to_string_lossy()],
            folder.join("image"),
        )?;
        let memory = Mounted::new(commands, &["-t", "tmpfs", "tmpfs"], folder.join("memory"))?;
        for name in ["upper", "work", "nix"] {
            fs::create_dir(memory.place.join(name))?;
        }
        let layers = format!(
            "lowerdir={},upperdir={m}/upper,workdir={m}/work",
            image.place.display(),
            m = memory.place.display()
        );
        let overlay = ["-t", "overlay", "-o", &layers, "overlay"];
        let store = Mounted::new(commands, &overlay, folder.join("store"))?;
        let live = Self { store, image, memory };
        let mut command =
            live.enter(Chroot::new(tools).bind(&bench.folder, "/mnt/bench")).command("sh");
        command
            .args(["-ec", "nix-store --load-db < /mnt/bench/registration"])
            .env("NIX_CONFIG", NIX_CONFIG);
        commands.run_command(&mut command)?;
        Ok(live)
    }

    /// Shows this store at `/nix`.
    pub(super) fn enter(&self, chroot: Chroot) -> Chroot {
        chroot.bind(&self.memory.place.join("nix"), "/nix").bind(&self.store.place, "/nix/store")
    }

    /// The image's root folder, read by the kernel.
    pub(super) fn image(&self) -> &Path {
        &self.image.place
    }
}
