//! The name of a product → a machine that is as close to that product's as QEMU gets.
//!
//! What can be had: the firmware's strings, the kinds of controllers and adapters, the boot order,
//! the memory that a new machine has. What can't: the products' own devices that QEMU has none of
//! (Hyper-V's, VirtualBox's guest device), their firmware, and their CPUID where there is no KVM.

use super::config::{Config, Disk};
use super::hardware::{Bus, Hardware, Medium};
use crate::build::Arch;
use crate::vm::accel::Accelerator;

/// The memory that an install has where a product's default is too little, in MiB.
const ENOUGH_MIB: u32 = 2048;

/// The order in which firmware looks for something to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootOrder {
    /// By its variables alone: what is not in them comes in the order of discovery.
    Variables,
    /// The CD at every start.
    CdFirst,
    /// The disk, then the CD.
    DiskFirst,
}

/// A product on one processor.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The product's name, for the command line.
    pub name: &'static str,
    /// The processor.
    pub arch: Arch,
    /// The memory of a new machine, in MiB.
    pub memory_mib: u32,
    /// The boot order.
    pub order: BootOrder,
    /// What the disk is plugged into.
    pub disk: Bus,
    /// The disk's serial number.
    pub serial: Option<&'static str>,
    /// What the disk calls itself.
    pub model: Option<&'static str>,
    /// The hypervisor that the agent should detect, by its name in the events; `qemu` stands for `kvm` as well.
    pub hypervisor: &'static str,
    /// The line of the hardware file that turns guest tools on.
    pub tools: Option<&'static str>,
    /// The setting that the refusal of a BIOS should name, where the product has a BIOS.
    pub uefi_setting: Option<&'static str>,
    chipset: &'static str,
    adapter: &'static str,
    cd: Medium,
    smbios: &'static [&'static str],
    /// Whether CPUID's hypervisor bit is off: its leaf would name QEMU.
    hidden: bool,
}

const QEMU_TOOLS: &str = "(modulesPath + \"/profiles/qemu-guest.nix\")";

/// QEMU by hand, on which the others are put.
const QEMU: Profile = Profile {
    name: "qemu",
    arch: Arch::X86_64,
    memory_mib: 2048,
    order: BootOrder::Variables,
    disk: Bus::Virtio,
    serial: None,
    model: None,
    hypervisor: "qemu",
    tools: Some(QEMU_TOOLS),
    uefi_setting: Some("OVMF pflash drive"),
    chipset: "q35",
    adapter: "virtio-net-pci",
    cd: Medium::Cd(Bus::Ide),
    smbios: &[],
    hidden: false,
};

const QEMU_ARM: Profile = Profile {
    arch: Arch::Aarch64,
    chipset: "virt",
    cd: Medium::Cd(Bus::Scsi),
    uefi_setting: None,
    ..QEMU
};

/// All products, by name and processor.
pub const PROFILES: &[Profile] = &[
    QEMU,
    QEMU_ARM,
    Profile {
        name: "virt-manager",
        memory_mib: 1024,
        order: BootOrder::DiskFirst,
        uefi_setting: Some("virt-manager: Overview > Firmware > UEFI"),
        ..QEMU
    },
    Profile { name: "virt-manager", memory_mib: 1024, order: BootOrder::DiskFirst, ..QEMU_ARM },
    Profile {
        name: "proxmox",
        order: BootOrder::DiskFirst,
        disk: Bus::Scsi,
        chipset: "pc",
        uefi_setting: Some("Proxmox: Hardware > BIOS > OVMF"),
        ..QEMU
    },
    Profile {
        name: "utm",
        memory_mib: 4096,
        order: BootOrder::CdFirst,
        disk: Bus::Ide,
        adapter: "e1000",
        uefi_setting: Some("UTM: Settings > QEMU > UEFI Boot"),
        ..QEMU
    },
    Profile {
        name: "utm",
        memory_mib: 4096,
        order: BootOrder::CdFirst,
        serial: Some("4F2B7E5D9A1C4E3F8B6D"),
        cd: Medium::Cd(Bus::Usb),
        ..QEMU_ARM
    },
    Profile {
        name: "parallels",
        order: BootOrder::DiskFirst,
        disk: Bus::Ide,
        adapter: "e1000",
        smbios: &[
            "type=1,manufacturer=Parallels International GmbH.,product=Parallels Virtual Platform",
        ],
        hypervisor: "parallels",
        tools: Some("hardware.parallels.enable = true;"),
        uefi_setting: Some("prlctl set NAME --bios-type efi64"),
        ..QEMU
    },
    Profile {
        name: "parallels",
        order: BootOrder::DiskFirst,
        disk: Bus::Sata,
        cd: Medium::Cd(Bus::Sata),
        adapter: "e1000",
        smbios: &[
            "type=1,manufacturer=Parallels International GmbH.,product=Parallels ARM Virtual Machine",
        ],
        hypervisor: "parallels",
        tools: Some("hardware.parallels.enable = true;"),
        ..QEMU_ARM
    },
    Profile {
        name: "virtualbox",
        memory_mib: 512,
        order: BootOrder::CdFirst,
        disk: Bus::Ide,
        serial: Some("VB1c2d3e4f-5a6b7c8d"),
        model: Some("VBOX HARDDISK"),
        adapter: "e1000",
        smbios: &[
            "type=0,vendor=innotek GmbH,version=VirtualBox",
            "type=1,manufacturer=innotek GmbH,product=VirtualBox,version=1.2,family=Virtual Machine",
            "type=2,manufacturer=Oracle Corporation,product=VirtualBox,version=1.2",
        ],
        hypervisor: "virtualbox",
        tools: Some("virtualisation.virtualbox.guest.enable = true;"),
        uefi_setting: Some("Settings > System > Motherboard > Enable EFI"),
        ..QEMU
    },
    // OVMF can't read this disk, so it starts the CD; the boot order says nothing then.
    Profile {
        name: "vmware",
        disk: Bus::Pvscsi,
        adapter: "vmxnet3",
        smbios: &[
            "type=1,manufacturer=VMware,, Inc.,product=VMware20,,1",
            "type=2,manufacturer=Intel Corporation,product=440BX Desktop Reference Platform",
        ],
        hypervisor: "vmware",
        tools: None,
        uefi_setting: Some("firmware = \"efi\" in the .vmx file"),
        hidden: true,
        ..QEMU
    },
    Profile {
        name: "vmware",
        order: BootOrder::DiskFirst,
        disk: Bus::Nvme,
        serial: Some("VMware_NVME_0000"),
        cd: Medium::Cd(Bus::Sata),
        adapter: "e1000e",
        smbios: &["type=1,manufacturer=VMware,, Inc.,product=VMware20,,1"],
        hypervisor: "vmware",
        tools: None,
        ..QEMU_ARM
    },
    Profile {
        name: "apple-virtualization",
        memory_mib: 4096,
        order: BootOrder::CdFirst,
        cd: Medium::Stick,
        smbios: &[
            "type=1,manufacturer=Apple Inc.,product=Apple Virtualization Generic Platform,version=1",
        ],
        hypervisor: "apple",
        tools: None,
        ..QEMU_ARM
    },
    // Nothing but the strings is Hyper-V's.
    Profile {
        name: "hyper-v",
        memory_mib: 1024,
        order: BootOrder::CdFirst,
        disk: Bus::Scsi,
        cd: Medium::Cd(Bus::Scsi),
        adapter: "e1000",
        smbios: &[
            "type=0,vendor=Microsoft Corporation,version=Hyper-V UEFI Release v4.1",
            "type=1,manufacturer=Microsoft Corporation,product=Virtual Machine,version=Hyper-V UEFI Release v4.1",
            "type=2,manufacturer=Microsoft Corporation,product=Virtual Machine",
        ],
        hypervisor: "hyper-v",
        tools: Some("virtualisation.hypervGuest.enable = true;"),
        uefi_setting: Some("create the VM as Generation 2"),
        hidden: true,
        ..QEMU
    },
];

/// The profile of a product on a processor, if the product runs on it.
pub fn find(name: &str, arch: Arch) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name && profile.arch == arch)
}

/// The products' names, each once.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Profile {
    /// Makes a machine this product's, with enough memory for an install.
    pub fn apply(&self, config: &mut Config) {
        config.hardware = Hardware {
            chipset: self.chipset,
            hidden: self.hidden,
            screen: config.hardware.screen,
            adapter: self.adapter,
            cd: self.cd,
            spare: &[],
            smbios: self.smbios,
        };
        config.memory_mib = self.memory_mib.max(if self.is_small() { ENOUGH_MIB } else { 0 });
        config.ordered = self.order != BootOrder::Variables;
        config.cd_first = self.order == BootOrder::CdFirst;
        for disk in &mut config.disks {
            self.attach(disk);
        }
    }

    /// Whether a new machine's memory is below what the installer asks for.
    pub fn is_small(&self) -> bool {
        self.memory_mib < 768
    }

    /// Plugs the disks of an installed machine in where firmware finds them: the product's reads
    /// disks that QEMU's does not.
    pub fn make_bootable(&self, config: &mut Config) {
        for disk in config.disks.iter_mut().filter(|disk| disk.bus == Bus::Pvscsi) {
            disk.bus = Bus::Nvme;
        }
    }

    /// The hypervisor that the agent should detect.
    pub fn detected(&self, accelerator: Accelerator) -> &'static str {
        match (self.hypervisor, accelerator) {
            ("qemu", Accelerator::Kvm) => "kvm",
            (name, _) => name,
        }
    }

    fn attach(&self, disk: &mut Disk) {
        disk.bus = self.disk;
        disk.serial = self.serial.map(str::to_owned);
        disk.model = self.model.map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::vm::Vm;
    use crate::vm::config::{self, Firmware};

    #[test]
    fn every_product_of_the_brief_has_a_machine_of_its_own() {
        let wanted = [
            "apple-virtualization",
            "hyper-v",
            "parallels",
            "proxmox",
            "qemu",
            "utm",
            "virt-manager",
            "virtualbox",
            "vmware",
        ];
        assert_eq!(names(), wanted);
        for (number, one) in PROFILES.iter().enumerate() {
            let first = PROFILES.iter().position(|p| p.name == one.name && p.arch == one.arch);
            assert_eq!(first, Some(number), "{} {} is there twice", one.name, one.arch);
            // A foreign processor has neither a BIOS nor x86's chipsets.
            assert_eq!(one.arch == Arch::Aarch64, one.chipset == "virt", "{}", one.name);
            assert_eq!(one.arch == Arch::Aarch64, one.uefi_setting.is_none(), "{}", one.name);
        }
    }

    #[test]
    fn qemu_builds_every_machine() {
        let folder = tempfile::tempdir().unwrap();
        let fetches = Path::new("/usr/bin/mmdebstrap").exists();
        if !fetches || !rustix::process::geteuid().is_root() {
            crate::say!("SKIPPED QEMU builds every machine: it takes root and mmdebstrap");
            return;
        }
        let lab = crate::build::Lab::open().unwrap();
        let iso = folder.path().join("iso");
        std::fs::write(&iso, [0; 4096]).unwrap();
        for profile in PROFILES {
            let emulator = lab.emulator(profile.arch, false).unwrap();
            emulator.write_program(profile.arch, folder.path()).unwrap();
            let program = folder.path().join(format!("qemu-system-{}", profile.arch));
            let version = std::process::Command::new(program).arg("--version").output().unwrap();
            let version = String::from_utf8(version.stdout).unwrap();
            assert_eq!(version.lines().next().unwrap(), emulator.version(profile.arch).unwrap());
            assert!(version.starts_with("QEMU emulator version "), "{version}");
            let variables = folder.path().join("variables");
            emulator.fresh_variables(profile.arch, &variables).unwrap();
            let firmware = Firmware::Uefi(variables);
            let mut config = Config::new(emulator, profile.arch, firmware);
            let image = folder.path().join("disk");
            config::fresh_disk(&image, 1 << 20).unwrap();
            config.cd = Some(iso.clone());
            config.disks = vec![Disk::virtio("target", image.clone())];
            profile.apply(&mut config);
            let started = Vm::start(&config, profile.name, folder.path());
            started.and_then(Vm::kill).unwrap_or_else(|error| {
                panic!("{} {}: {error:#}", profile.name, profile.arch);
            });
        }
    }
}
