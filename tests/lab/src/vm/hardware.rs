//! What a virtual machine is built of, beside its disks and its CD.

use crate::build::Arch;

/// What a disk or a CD is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk, a PCI device; for disks only.
    Virtio,
    /// virtio-scsi.
    Scsi,
    /// A SATA controller of its own.
    Sata,
    /// The chipset's own: AHCI on q35, parallel ATA on pc; there is none on virt.
    Ide,
    /// NVMe; for disks only.
    Nvme,
    /// VMware's paravirtual SCSI. OVMF and AAVMF have no driver for it.
    Pvscsi,
    /// USB: a memory stick, or a drive with a CD.
    Usb,
}

/// How the guest sees the ISO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A CD in a drive.
    Cd(Bus),
    /// A USB stick that can't be written to.
    Stick,
}

impl Medium {
    /// What it is plugged into.
    pub(super) fn bus(self) -> Bus {
        match self {
            Self::Cd(bus) => bus,
            Self::Stick => Bus::Usb,
        }
    }
}

impl Bus {
    /// The controller that disks on it need, if that is a device of its own: its driver and its name.
    pub(super) fn controller(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Scsi => Some(("virtio-scsi-pci", "scsi")),
            Self::Sata => Some(("ahci", "sata")),
            Self::Pvscsi => Some(("pvscsi", "pvscsi")),
            Self::Usb => Some(("qemu-xhci", "usb")),
            Self::Virtio | Self::Ide | Self::Nvme => None,
        }
    }
}

/// Chipset and devices, by QEMU's names for them.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// The machine type.
    pub chipset: &'static str,
    /// Whether the processor keeps to itself that a hypervisor is there.
    pub hidden: bool,
    /// The display adapter, if there is one.
    pub screen: Option<&'static str>,
    /// The network adapter.
    pub adapter: &'static str,
    /// How the ISO is seen.
    pub cd: Medium,
    /// Controllers that are there whether or not anything is plugged into them.
    pub spare: &'static [Bus],
    /// SMBIOS strings, as `-smbios` takes them.
    pub smbios: &'static [&'static str],
}

impl Hardware {
    /// The machine that scenarios are tried on unless they are about another one.
    pub fn plain(arch: Arch) -> Self {
        Self {
            // Disks need a port that a device can be plugged into while the machine runs.
            chipset: match arch {
                Arch::X86_64 => "q35",
                Arch::Aarch64 => "virt",
            },
            hidden: false,
            screen: Some(Self::screen(arch)),
            adapter: "virtio-net-pci",
            cd: Medium::Cd(Bus::Scsi),
            spare: &[Bus::Scsi, Bus::Sata, Bus::Usb],
            smbios: &[],
        }
    }

    /// An adapter that the firmware shows its menu on.
    pub(super) fn screen(arch: Arch) -> &'static str {
        match arch {
            Arch::X86_64 => "VGA",
            Arch::Aarch64 => "virtio-gpu-pci",
        }
    }

    /// Whether there are ports that a PCI Express device can be plugged into while the machine runs.
    pub(super) fn has_ports(&self) -> bool {
        self.chipset != "pc"
    }
}
