//! What a virtual machine has → QEMU's command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::accel::Accelerator;
use crate::build::Arch;

/// The firmware's code for x86_64.
pub const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/// An empty variable store for it.
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// How the machine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// By UEFI, with the variables in this file.
    Uefi(PathBuf),
    /// By a BIOS.
    Bios,
}

/// What a disk is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk, a PCI device.
    Virtio,
    /// virtio-scsi.
    Scsi,
    /// AHCI.
    Sata,
    /// NVMe.
    Nvme,
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
}

/// A virtual machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The processor.
    pub arch: Arch,
    /// Processors.
    pub processors: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// How it starts.
    pub firmware: Firmware,
    /// The CD in the drive.
    pub cd: Option<PathBuf>,
    /// Disks from the start.
    pub disks: Vec<Disk>,
    /// Whether the firmware is told to try the CD before the disks.
    pub cd_first: bool,
    /// A file that the guest sees as an answers file, by fw_cfg.
    pub answers: Option<PathBuf>,
    /// Whether a window shows the screen.
    pub display: bool,
    /// Further arguments.
    pub extra: Vec<String>,
}

impl Config {
    /// A machine with two processors, 2 GiB and nothing in it.
    pub fn new(arch: Arch, firmware: Firmware) -> Self {
        Self {
            arch,
            processors: 2,
            memory_mib: 2048,
            firmware,
            cd: None,
            disks: Vec::new(),
            cd_first: false,
            answers: None,
            display: false,
            extra: Vec::new(),
        }
    }

    /// The emulator's name.
    pub fn program(&self) -> &'static str {
        match self.arch {
            Arch::X86_64 => "qemu-system-x86_64",
            Arch::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// The command line; sockets are made in `sockets`.
    pub fn arguments(&self, accelerator: Accelerator, sockets: &Path) -> Vec<String> {
        let mut line = Line::default();
        // Disks need a port that a device can be plugged into while the machine runs.
        line.add("-machine", "q35").add("-accel", accelerator.option());
        line.add("-cpu", if accelerator == Accelerator::Kvm { "host" } else { "max" });
        line.add("-smp", &self.processors.to_string());
        line.add("-m", &self.memory_mib.to_string());
        line.add("-display", if self.display { "gtk" } else { "none" });
        line.0.extend(["-nodefaults", "-no-reboot", "-S"].map(str::to_owned));
        if let Firmware::Uefi(variables) = &self.firmware {
            line.add(
                "-drive",
                &format!("if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}"),
            );
            line.add(
                "-drive",
                &format!("if=pflash,format=raw,unit=1,file={}", variables.display()),
            );
        }
        line.device("VGA").device("virtio-rng-pci");
        for number in 1..=4 {
            line.device(&format!("pcie-root-port,id=port{number},chassis={number},slot={number}"));
        }
        line.device("virtio-scsi-pci,id=scsi").device("ahci,id=sata");
        line.device("virtio-serial-pci");
        line.socket("events", sockets);
        line.device("virtserialport,chardev=events,name=org.nixvm.events");
        line.socket("shell", sockets);
        line.device("virtserialport,chardev=shell,name=org.nixvm.lab");
        line.socket("serial", sockets).add("-serial", "chardev:serial");
        line.add("-qmp", &format!("unix:{}/qmp,server=on,wait=off", sockets.display()));
        line.add("-netdev", "user,id=net0,restrict=on").device("virtio-net-pci,netdev=net0");
        if let Some(cd) = &self.cd {
            let index = if self.cd_first { 0 } else { 100 };
            line.add(
                "-drive",
                &format!("if=none,id=cd,media=cdrom,readonly=on,format=raw,file={}", cd.display()),
            );
            line.device(&format!("scsi-cd,bus=scsi.0,drive=cd,id=cdrom,bootindex={index}"));
        }
        for (position, disk) in self.disks.iter().enumerate() {
            line.add("-blockdev", &disk.blockdev());
            line.device(&format!("{},bootindex={}", disk.device(None), position + 1));
        }
        if let Some(answers) = &self.answers {
            line.add("-fw_cfg", &format!("name=opt/org.nixvm/answers,file={}", answers.display()));
        }
        line.0.extend(self.extra.iter().cloned());
        line.0
    }
}

impl Disk {
    /// A virtio disk with the image `image`.
    pub fn virtio(id: &str, image: PathBuf) -> Self {
        Self { id: id.to_owned(), image, bus: Bus::Virtio, serial: None }
    }

    pub(super) fn blockdev(&self) -> String {
        // What a killed QEMU has written is in the host's page cache: no need to wait for its disk.
        format!(
            "driver=raw,node-name={0}-node,discard=unmap,cache.no-flush=on,file.driver=file,\
             file.filename={1}",
            self.id,
            self.image.display()
        )
    }

    pub(super) fn device(&self, port: Option<&str>) -> String {
        let (id, drive) = (&self.id, format!("{}-node", self.id));
        let serial = self.serial.as_ref().map(|s| format!(",serial={s}")).unwrap_or_default();
        let port = port.map(|port| format!(",bus={port}")).unwrap_or_default();
        match self.bus {
            Bus::Virtio => format!("virtio-blk-pci,id={id},drive={drive}{port}{serial}"),
            Bus::Scsi => format!("scsi-hd,id={id},bus=scsi.0,drive={drive}{serial}"),
            Bus::Sata => format!("ide-hd,id={id},bus=sata.0,drive={drive}{serial}"),
            Bus::Nvme => {
                let serial = self.serial.clone().unwrap_or_else(|| id.clone());
                format!("nvme,id={id},drive={drive}{port},serial={serial}")
            }
        }
    }
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn add(&mut self, option: &str, value: &str) -> &mut Self {
        self.0.extend([option.to_owned(), value.to_owned()]);
        self
    }

    fn device(&mut self, description: &str) -> &mut Self {
        self.add("-device", description)
    }

    fn socket(&mut self, name: &str, folder: &Path) -> &mut Self {
        self.add(
            "-chardev",
            &format!("socket,id={name},path={}/{name},server=on,wait=off", folder.display()),
        )
    }
}

/// Makes a variable store of a machine's own in `file`.
///
/// # Errors
/// The firmware is not installed, or the file can't be written.
pub fn fresh_variables(arch: Arch, file: &Path) -> Result<()> {
    let template = match arch {
        Arch::X86_64 => OVMF_VARS,
        Arch::Aarch64 => "/usr/share/AAVMF/AAVMF_VARS.fd",
    };
    std::fs::copy(template, file)
        .with_context(|| format!("cannot copy {template} to {}", file.display()))?;
    Ok(())
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

/// A description as QEMU's command line takes it (`key=value,a.b=value`) as QMP takes it.
pub(super) fn as_json(line: &str) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (key, value) in line.split(',').filter_map(|pair| pair.split_once('=')) {
        let value = match value {
            "on" | "true" => true.into(),
            "off" | "false" => false.into(),
            text => text.into(),
        };
        match key.split_once('.') {
            Some((outer, inner)) => {
                let folder = object.entry(outer).or_insert_with(|| serde_json::json!({}));
                folder[inner] = value;
            }
            None => {
                object.insert(key.to_owned(), value);
            }
        }
    }
    object.into()
}
