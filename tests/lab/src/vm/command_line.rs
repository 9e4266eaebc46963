//! [`Config`] → QEMU's command line, and parts of it as QEMU's machine protocol takes them.

use std::path::Path;

use super::accel::Accelerator;
use super::config::{Config, Disk, Firmware};
use super::hardware::{Bus, Medium};
use crate::build::{Arch, Kernel, Netboot};

/// The CD drive's place on a bus where places are numbered: 0 is the first disk's.
const CD_SLOT: usize = 1;

/// QEMU's arguments; sockets are made in `sockets`.
pub(super) fn arguments(config: &Config, accelerator: Accelerator, sockets: &Path) -> Vec<String> {
    let mut line = Line::default();
    let hardware = &config.hardware;
    line.add("-machine", hardware.chipset).add("-accel", config.emulator.option(accelerator));
    let hidden = if hardware.hidden { ",-hypervisor" } else { "" };
    line.add("-cpu", &format!("{}{hidden}", processor(config.arch, accelerator)));
    line.add("-smp", &config.processors.to_string());
    line.add("-m", &config.memory_mib.to_string());
    line.add("-display", if config.display { "gtk" } else { "none" });
    line.0.extend(["-nodefaults", "-S"].map(str::to_owned));
    if !config.restart {
        line.0.push("-no-reboot".to_owned());
    }
    if let Firmware::Uefi(variables) = &config.firmware {
        let code = config.emulator.firmware_code(config.arch);
        let code = code.display();
        line.add("-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={code}"));
        let variables = variables.display();
        line.add("-drive", &format!("if=pflash,format=raw,unit=1,file={variables}"));
    }
    for strings in hardware.smbios {
        line.add("-smbios", strings);
    }
    if let Some(screen) = hardware.screen {
        line.device(screen);
    }
    line.device("virtio-rng-pci");
    if hardware.has_ports() {
        for number in 1..=4 {
            line.device(&format!("pcie-root-port,id=port{number},chassis={number},slot={number}"));
        }
    }
    for (driver, id) in controllers(config) {
        line.device(&format!("{driver},id={id}"));
    }
    if config.arch == Arch::Aarch64 {
        // It has no keyboard of its own.
        line.device("usb-kbd,bus=usb.0");
    }
    line.device("virtio-serial-pci");
    line.socket("events", sockets);
    line.device("virtserialport,chardev=events,name=org.nixvm.installer.events.0");
    line.socket("shell", sockets);
    line.device("virtserialport,chardev=shell,name=org.nixvm.lab");
    line.socket("serial", sockets).add("-serial", "chardev:serial");
    line.add("-qmp", &format!("unix:{}/qmp,server=on,wait=off", sockets.display()));
    if config.network {
        let restrict = if config.reaches_host { "off" } else { "on" };
        let (offered, index) = match &config.netboot {
            Some(Netboot { folder, file }) => {
                (format!(",tftp={},bootfile={file}", folder.display()), ",bootindex=0")
            }
            None => (String::new(), ""),
        };
        line.add("-netdev", &format!("user,id=net0,restrict={restrict}{offered}"));
        line.device(&format!("{},netdev=net0{index}", hardware.adapter));
    } else {
        line.add("-nic", "none");
    }
    let index = |number: usize| match config.ordered {
        true => format!(",bootindex={number}"),
        false => String::new(),
    };
    if let Some(cd) = &config.cd {
        let path = cd.display();
        line.add(
            "-blockdev",
            &format!("driver=raw,node-name=cd,read-only=on,file.driver=file,file.filename={path}"),
        );
        let mut node = "cd";
        if let Some(fault) = config.cd_fault {
            node = "cd-fault";
            line.add("-blockdev", &(fault.blockdev(node, "cd") + ",read-only=on"));
        }
        if hardware.cd == Medium::Cd(Bus::Usb) {
            line.device("usb-bot,id=drive,bus=usb.0");
        }
        let position = index(if config.cd_first { 0 } else { 100 });
        line.device(&format!("{},drive={node},id=cdrom{position}", cd_device(hardware.cd)));
    }
    for (number, disk) in config.disks.iter().enumerate() {
        let slot = number + usize::from(number >= CD_SLOT);
        for node in disk.blockdevs() {
            line.add("-blockdev", &node);
        }
        line.device(&format!("{}{}", device(disk, None, slot), index(number + 1)));
    }
    if let Some(answers) = &config.answers {
        line.add("-fw_cfg", &format!("name=opt/org.nixvm/answers,file={}", answers.display()));
    }
    if let Some(Kernel { image, initrd, command_line }) = &config.kernel {
        line.add("-kernel", &image.to_string_lossy());
        line.add("-initrd", &initrd.to_string_lossy());
        line.add("-append", command_line);
    }
    line.0.extend(config.extra.iter().cloned());
    line.0
}

fn processor(arch: Arch, accelerator: Accelerator) -> &'static str {
    match (accelerator, arch) {
        (Accelerator::Kvm, _) => "host",
        (Accelerator::Tcg(_), Arch::X86_64) => "max",
        // A newer one has more to translate, pointer authentication above all.
        (Accelerator::Tcg(_), Arch::Aarch64) => "cortex-a57",
    }
}

/// Drivers and names of the controllers that are there or needed.
fn controllers(config: &Config) -> Vec<(&'static str, &'static str)> {
    let keyboard = (config.arch == Arch::Aarch64).then_some(Bus::Usb);
    let cd = config.cd.is_some().then_some(config.hardware.cd.bus());
    let disks = config.disks.iter().map(|disk| disk.bus);
    let mut found = Vec::new();
    for bus in config.hardware.spare.iter().copied().chain(keyboard).chain(cd).chain(disks) {
        if let Some(controller) = bus.controller()
            && !found.contains(&controller)
        {
            found.push(controller);
        }
    }
    found
}

fn cd_device(medium: Medium) -> String {
    match medium {
        Medium::Cd(Bus::Sata) => format!("ide-cd,bus=sata.{CD_SLOT}"),
        Medium::Cd(Bus::Ide) => format!("ide-cd,bus=ide.{CD_SLOT}"),
        Medium::Cd(Bus::Usb) => "scsi-cd,bus=drive.0".to_owned(),
        Medium::Cd(_) => "scsi-cd,bus=scsi.0".to_owned(),
        Medium::Stick => "usb-storage,bus=usb.0,removable=off".to_owned(),
    }
}

/// The description of a disk; `slot` is its place on a bus where places are numbered.
pub(super) fn device(disk: &Disk, port: Option<&str>, slot: usize) -> String {
    let id = &disk.id;
    let drive = format!("{id}-{}", if disk.fault.is_some() { "fault" } else { "node" });
    // An NVMe drive has to have a serial number.
    let serial = disk.serial.as_ref().or((disk.bus == Bus::Nvme).then_some(id));
    let mut options = serial.map(|serial| format!(",serial={serial}")).unwrap_or_default();
    if let Some(bytes) = disk.sector_bytes {
        options += &format!(",logical_block_size={bytes},physical_block_size={bytes}");
    }
    if let Some(model) = &disk.model {
        options += &format!(",model={model}");
    }
    let port = port.map(|port| format!(",bus={port}")).unwrap_or_default();
    match disk.bus {
        Bus::Virtio => format!("virtio-blk-pci,id={id},drive={drive}{port}{options}"),
        Bus::Scsi => format!("scsi-hd,id={id},bus=scsi.0,drive={drive}{options}"),
        Bus::Pvscsi => format!("scsi-hd,id={id},bus=pvscsi.0,drive={drive}{options}"),
        Bus::Sata => format!("ide-hd,id={id},bus=sata.{slot},drive={drive}{options}"),
        Bus::Ide => format!("ide-hd,id={id},bus=ide.{slot},drive={drive}{options}"),
        Bus::Nvme => format!("nvme,id={id},drive={drive}{port}{options}"),
        Bus::Usb => {
            format!("usb-storage,id={id},bus=usb.0,drive={drive},removable=on{options}")
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
