//! The project's sources and Debian's packages → the stand-in ISO.
//!
//! The stages, each cached for its inputs: [`debian`] extracts packages, [`base`] makes the folder
//! that both the live and the installed system are, [`store`] puts it into a Nix store with a system
//! around it, [`agent`] compiles, [`image`] assembles, [`netboot`] takes the ISO apart for machines that
//! have none.

mod agent;
mod base;
mod debian;
mod image;
mod initramfs;
pub(crate) mod layouts;
mod netboot;
mod store;
mod target;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cache::Cache;
use crate::command::CommandLog;
use crate::vm::emulator::Emulator;

/// The processor architecture of an ISO and of the machine that boots it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Arch {
    /// amd64 in Debian's words.
    #[default]
    #[value(name = "x86_64")]
    X86_64,
    /// arm64 in Debian's words.
    #[value(name = "aarch64")]
    Aarch64,
}

impl Arch {
    /// As Nix and the kernel write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian writes it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// Nix's name of the system.
    pub fn nix_system(self) -> String {
        format!("{}-linux", self.name())
    }

    /// The boot loader's file name on the removable path.
    pub fn removable_loader(self) -> &'static str {
        match self {
            Self::X86_64 => "BOOTX64.EFI",
            Self::Aarch64 => "BOOTAA64.EFI",
        }
    }

    /// The first serial port's device name.
    pub fn serial(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Aarch64 => "ttyAMA0",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kernel that QEMU hands to the firmware.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The kernel's image.
    pub image: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
    /// Its command line.
    pub command_line: String,
}

/// What QEMU's own servers of DHCP and TFTP offer.
#[derive(Clone, Debug)]
pub struct Netboot {
    /// The folder that is served.
    pub folder: PathBuf,
    /// The file in it that is started.
    pub file: &'static str,
}

/// Where the lab reads and writes, and what it builds with.
pub struct Lab {
    /// The project's top folder.
    pub project: PathBuf,
    /// Build outputs, `target/lab`.
    pub work: PathBuf,
    /// Runs the build's commands.
    pub commands: CommandLog,
    /// Outputs of the build's stages.
    pub cache: Cache,
}

impl Lab {
    /// The lab of the project that this binary was compiled from.
    ///
    /// # Errors
    /// Its folders can't be made.
    pub fn open() -> Result<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let work = project.join("target/lab");
        Ok(Self {
            commands: CommandLog::new(work.join("commands.log"))?,
            cache: Cache::new(work.join("cache")),
            project,
            work,
        })
    }

    /// A file or folder that the lab puts into the guests.
    fn guest(&self, name: &str) -> PathBuf {
        self.project.join("tests/lab/guest").join(name)
    }

    /// The live system's kernel, to be started without a boot menu, where a test has something to say
    /// on its command line.
    ///
    /// # Errors
    /// A stage failed.
    pub fn kernel(&self, arch: Arch, more: &str) -> Result<Kernel> {
        let tools = self.tools()?;
        let packages = debian::extract(self, arch)?;
        let base = base::build(self, arch, &tools, &packages)?;
        Ok(Kernel {
            image: base.join("kernel"),
            initrd: base.join("initrd"),
            command_line: format!("{} {more}", image::command_line(arch, &base)?),
        })
    }

    /// Makes a FAT volume in `image` that holds one file.
    ///
    /// # Errors
    /// A tool failed.
    pub fn volume(&self, image: &Path, label: &str, name: &str, text: &str) -> Result<()> {
        let tools = self.tools()?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        std::fs::write(folder.path().join("file"), text)?;
        let script = format!(
            "cd /mnt/out && truncate -s 2M image && mformat -i image -v {label} -N 0 :: && \
             mcopy -i image file ::{name}"
        );
        let chroot = crate::command::Chroot::new(&tools).bind(folder.path(), "/mnt/out");
        self.commands.run_command(chroot.command("sh").args(["-ec", &script]))?;
        std::fs::copy(folder.path().join("image"), image)
            .with_context(|| format!("cannot make the volume {}", image.display()))?;
        Ok(())
    }

    /// Runs `script`, by Debian's tools for NoCloud's seed images, in a folder of the host.
    ///
    /// # Errors
    /// It failed.
    pub fn seed(&self, folder: &Path, script: &str) -> Result<()> {
        let root = debian::emulator(self, Arch::X86_64, false)?;
        let chroot = crate::command::Chroot::new(&root).bind(folder, "/mnt/seed");
        let script = format!("cd /mnt/seed && {script}");
        self.commands.run_command(chroot.command("sh").args(["-ec", &script]))
    }

    /// Makes an ext4 in `image`, which is there, with the files of a folder.
    ///
    /// # Errors
    /// A tool failed.
    pub fn ext4(&self, image: &Path, label: &str, files: &Path) -> Result<()> {
        let folder = image.parent().context("the image is in a folder")?;
        let name = image.file_name().context("the image has a name")?.to_string_lossy();
        let chroot = crate::command::Chroot::new(&self.tools()?)
            .bind(folder, "/mnt/out")
            .show(files, "/mnt/files");
        let script = format!("mkfs.ext4 -q -L {label} -d /mnt/files '/mnt/out/{name}'");
        self.commands.run_command(chroot.command("sh").args(["-ec", &script]))?;
        Ok(())
    }

    /// The root folder in which the lab's tools run: Debian's Nix, squashfs-tools and others.
    ///
    /// # Errors
    /// Debian's archive can't be reached.
    pub fn tools(&self) -> Result<PathBuf> {
        debian::extract(self, Arch::X86_64)
    }

    /// QEMU and firmware for guests of `arch`; with `window`, also what shows their screen.
    ///
    /// # Errors
    /// Debian's archive can't be reached.
    pub fn emulator(&self, arch: Arch, window: bool) -> Result<Emulator> {
        Ok(Emulator::new(debian::emulator(self, arch, window)?))
    }

    /// Builds the stand-in ISO for `arch`, or finds it built.
    ///
    /// # Errors
    /// A stage failed.
    pub fn iso(&self, arch: Arch) -> Result<PathBuf> {
        self.iso_with(arch, true)
    }

    /// The same, with a manifest that does not name the image of the store: Nix copies the system.
    ///
    /// # Errors
    /// A stage failed.
    pub fn iso_without_store_image(&self, arch: Arch) -> Result<PathBuf> {
        self.iso_with(arch, false)
    }

    /// Makes the folder that a machine is booted from over the network, or finds it made.
    ///
    /// # Errors
    /// A stage failed.
    pub fn netboot(&self, arch: Arch) -> Result<Netboot> {
        let tools = self.tools()?;
        let packages = debian::extract(self, arch)?;
        let base = base::build(self, arch, &tools, &packages)?;
        let folder = netboot::build(self, arch, &tools, &base, &self.iso(arch)?)?;
        Ok(Netboot { folder, file: netboot::SCRIPT })
    }

    fn iso_with(&self, arch: Arch, names_store_mount: bool) -> Result<PathBuf> {
        let tools = self.tools()?;
        let packages = debian::extract(self, arch)?;
        let base = base::build(self, arch, &tools, &packages)?;
        let store = store::build(self, arch, &tools, &base)?;
        let agent = agent::build(self, arch)?;
        let parts =
            image::IsoInputs { arch, tools, packages, base, store, agent, names_store_mount };
        image::build(self, &parts)
    }
}

/// Gives `file` a second name, or a copy where that is not possible.
///
/// # Errors
/// It can't be copied either.
pub fn link(file: &Path, name: &Path) -> Result<()> {
    if std::fs::hard_link(file, name).is_err() {
        std::fs::copy(file, name)
            .with_context(|| format!("cannot copy {} to {}", file.display(), name.display()))?;
    }
    Ok(())
}
