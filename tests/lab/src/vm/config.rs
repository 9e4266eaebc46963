//! What a virtual machine has; [`super::command_line`] makes QEMU's command line of it. What one scenario
//! alone needs goes into [`Config::extra`], in that scenario.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::emulator::Emulator;
pub use super::hardware::Bus;
use super::hardware::Hardware;
use crate::build::{Arch, Kernel, Netboot};

/// How the machine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// By UEFI, with the variables in this file.
    Uefi(PathBuf),
    /// By a BIOS.
    Bios,
}

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Names it in QEMU.
    pub id: String,
    /// The raw image.
    pub image: PathBuf,
    /// What it is plugged into.
    pub bus: Bus,
    /// Its serial number.
    pub serial: Option<String>,
    /// What it calls itself, on a bus where QEMU lets it.
    pub model: Option<String>,
    /// Bytes of a sector, where they are not 512.
    pub sector_bytes: Option<u32>,
    /// Where it can't be read or written.
    pub fault: Option<IoFault>,
}

/// A place of a medium that answers with an I/O error, again and again.
#[derive(Clone, Copy, Debug)]
pub struct IoFault {
    /// Whether it can't be written or can't be read.
    pub write: bool,
    /// Byte offset.
    pub at: u64,
}

impl IoFault {
    /// The node that injects it, over `image`.
    pub(super) fn blockdev(self, name: &str, image: &str) -> String {
        format!(
            "driver=blkdebug,node-name={name},image={image},inject-error.0.event=none,\
             inject-error.0.iotype={},inject-error.0.errno=5,inject-error.0.sector={}",
            if self.write { "write" } else { "read" },
            self.at / 512
        )
    }
}

/// A virtual machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it runs on.
    pub emulator: Emulator,
    /// The processor.
    pub arch: Arch,
    /// Processors.
    pub processors: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// What it is built of.
    pub hardware: Hardware,
    /// How it starts.
    pub firmware: Firmware,
    /// The CD in the drive.
    pub cd: Option<PathBuf>,
    /// Where that CD can't be read.
    pub cd_fault: Option<IoFault>,
    /// Disks from the start.
    pub disks: Vec<Disk>,
    /// Whether the firmware's boot order has the CD before the disks.
    pub cd_first: bool,
    /// Whether QEMU hands the firmware a boot order; without one, its variables alone count.
    pub ordered: bool,
    /// A file that the guest sees as an answers file, by fw_cfg.
    pub answers: Option<PathBuf>,
    /// Whether there is a network adapter, on a network that leads nowhere.
    pub network: bool,
    /// Whether that network leads to the host, at 10.0.2.2, and to whatever the host reaches.
    pub reaches_host: bool,
    /// The kernel that the firmware starts, in place of a boot menu's.
    pub kernel: Option<Kernel>,
    /// What the firmware is offered over the network, which it then tries before everything else.
    pub netboot: Option<Netboot>,
    /// Whether a window shows the screen.
    pub display: bool,
    /// Whether a restart is one, and not the machine's end.
    pub restart: bool,
    /// Further arguments.
    pub extra: Vec<String>,
}

impl Config {
    /// A machine with two processors, 2 GiB and nothing in it.
    pub fn new(emulator: Emulator, arch: Arch, firmware: Firmware) -> Self {
        Self {
            emulator,
            arch,
            processors: 2,
            memory_mib: 2048,
            hardware: Hardware::plain(arch),
            firmware,
            cd: None,
            cd_fault: None,
            disks: Vec::new(),
            cd_first: false,
            ordered: true,
            answers: None,
            network: true,
            reaches_host: false,
            kernel: None,
            netboot: None,
            display: false,
            restart: false,
            extra: Vec::new(),
        }
    }

    /// Gives the screen 80 columns and 25 lines instead of 160 and 50; on x86_64 only.
    pub fn shrink_screen(&mut self) {
        self.resize_screen(640, 400);
    }

    /// Gives the screen another number of dots than 1280x800; on x86_64 only.
    pub fn resize_screen(&mut self, width: u32, height: u32) {
        for setting in [format!("xres={width}"), format!("yres={height}")] {
            self.extra.extend(["-global".to_owned(), format!("VGA.{setting}")]);
        }
    }

    /// The Debian package that the firmware is in.
    pub fn firmware_package(&self) -> &'static str {
        match (self.arch, &self.firmware) {
            (Arch::X86_64, Firmware::Bios) => "seabios",
            (Arch::X86_64, Firmware::Uefi(_)) => "ovmf",
            (Arch::Aarch64, _) => "qemu-efi-aarch64",
        }
    }
}

impl Disk {
    /// A virtio disk with the image `image`.
    pub fn virtio(id: &str, image: PathBuf) -> Self {
        let id = id.to_owned();
        Self {
            id,
            image,
            bus: Bus::Virtio,
            serial: None,
            model: None,
            sector_bytes: None,
            fault: None,
        }
    }

    /// The block nodes; the last one is the disk's.
    pub fn blockdevs(&self) -> Vec<String> {
        let (id, image) = (&self.id, self.image.display());
        // What a killed QEMU has written is in the host's page cache: no need to wait for its disk.
        let mut nodes = vec![format!(
            "driver=raw,node-name={id}-node,discard=unmap,cache.no-flush=on,file.driver=file,\
             file.filename={image}"
        )];
        let fault = |fault: IoFault| fault.blockdev(&format!("{id}-fault"), &format!("{id}-node"));
        nodes.extend(self.fault.map(fault));
        nodes
    }
}

/// Makes a sparse disk image.
///
/// # Errors
/// The file can't be written.
pub fn fresh_disk(file: &Path, bytes: u64) -> Result<()> {
    std::fs::File::create(file)
        .and_then(|image| image.set_len(bytes))
        .with_context(|| format!("cannot make the disk image {}", file.display()))
}
