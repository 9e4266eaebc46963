//! DMI strings, CPUID, the device tree and PCI vendors → [`Hypervisor`], and where the user of each
//! turns UEFI on or adds memory.
//!
//! Order and tables are those of systemd-detect-virt (`src/basic/virt.c` in systemd), so that the
//! installer, the units of the installed system and the user's own look agree. What it can't tell,
//! PCI vendors of emulated devices do.

mod dmi;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantNames;

/// Who emulates the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Hypervisor {
    /// QEMU with KVM.
    Kvm,
    /// QEMU without acceleration, or with another one than KVM, as UTM uses it.
    Qemu,
    /// VMware Workstation, Fusion or ESXi.
    Vmware,
    /// Oracle VirtualBox.
    Virtualbox,
    /// Parallels Desktop.
    Parallels,
    /// Microsoft Hyper-V.
    HyperV,
    /// Apple's Virtualization framework, as UTM and others use it.
    Apple,
    /// Some other one.
    Other,
    /// None: a physical machine.
    None,
}

impl Hypervisor {
    /// Whether the machine is virtual.
    pub fn is_virtual(self) -> bool {
        self != Self::None
    }

    /// Where this hypervisor's user turns UEFI on.
    ///
    /// The places are those of the products' documentation of 2026; a physical machine's differ.
    pub fn uefi_setting(self) -> &'static str {
        match self {
            Self::Kvm | Self::Qemu => {
                "virt-manager: Overview > Firmware > UEFI (choose it before the first start). \
                 UTM: Settings > QEMU > UEFI Boot. Proxmox: Hardware > BIOS > OVMF. \
                 QEMU: add an OVMF pflash drive."
            }
            Self::Vmware => {
                "VMware: VM Settings > Options > Advanced > Firmware type > UEFI, \
                 or firmware = \"efi\" in the .vmx file."
            }
            Self::Virtualbox => {
                "VirtualBox: Settings > System > Motherboard > Enable EFI, \
                 or VBoxManage modifyvm NAME --firmware efi."
            }
            Self::Parallels => {
                "Parallels: Hardware > Boot Order > Advanced > BIOS > EFI 64-bit, \
                 or prlctl set NAME --bios-type efi64."
            }
            Self::HyperV => "Hyper-V: create the VM as Generation 2, with Secure Boot off.",
            Self::Apple | Self::Other => "Look for firmware, EFI or UEFI in the VM's settings.",
            Self::None => "Look for UEFI, and turn CSM or legacy boot off, in the firmware setup.",
        }
    }

    /// Where this hypervisor's user gives a machine more memory; the source is as for
    /// [`Hypervisor::uefi_setting`].
    pub fn memory_setting(self) -> &'static str {
        match self {
            Self::Kvm | Self::Qemu => {
                "virt-manager: Memory > Current allocation. UTM: Settings > System > Memory. \
                 Proxmox: Hardware > Memory. QEMU: -m 4G."
            }
            Self::Vmware => "VMware: VM Settings > Hardware > Memory.",
            Self::Virtualbox => {
                "VirtualBox: Settings > System > Motherboard > Base Memory, \
                 or VBoxManage modifyvm NAME --memory 4096."
            }
            Self::Parallels => {
                "Parallels: Hardware > CPU & Memory, or prlctl set NAME --memsize 4096."
            }
            Self::HyperV => {
                "Hyper-V: Settings > Memory > RAM, or Set-VMMemory NAME -StartupBytes 4GB."
            }
            Self::Apple | Self::Other => "Look for memory or RAM in the VM's settings.",
            Self::None => "It needs another memory module.",
        }
    }
}

impl fmt::Display for Hypervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "QEMU/KVM",
            Self::Qemu => "QEMU",
            Self::Vmware => "VMware",
            Self::Virtualbox => "VirtualBox",
            Self::Parallels => "Parallels",
            Self::HyperV => "Hyper-V",
            Self::Apple => "Apple Virtualization",
            Self::Other => "an unknown hypervisor",
            Self::None => "a physical machine",
        })
    }
}

/// What the processor says: a hypervisor is there, and the 12 characters that it calls itself by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpuid(pub String);

/// Asks the processor; None where no hypervisor shows itself, or the processor is no x86.
pub fn cpuid() -> Option<Cpuid> {
    #[cfg(target_arch = "x86_64")]
    {
        let cpuid = raw_cpuid::CpuId::new();
        if !cpuid.get_feature_info()?.has_hypervisor() {
            return None;
        }
        // Leaf 0x40000000: EBX, ECX, EDX hold the name.
        let leaf = raw_cpuid::native_cpuid::cpuid_count(0x4000_0000, 0);
        let bytes: Vec<u8> =
            [leaf.ebx, leaf.ecx, leaf.edx].into_iter().flat_map(u32::to_le_bytes).collect();
        let name = String::from_utf8_lossy(&bytes);
        Some(Cpuid(name.trim_matches(['\0', ' ']).to_owned()))
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// Detects the hypervisor from files below `root` and what the processor says.
///
/// The order is that of systemd's `detect_vm()`; what it does not know, PCI vendors may tell.
pub fn detect(root: &Path, cpuid: Option<&Cpuid>) -> Hypervisor {
    let dmi = dmi::read(root);
    // These also run on top of another one's CPUID, so their own word comes first.
    if let Some(dmi::Dmi { named, first: true }) = dmi {
        return named;
    }
    let dmi = dmi.map(|dmi| dmi.named);
    let xen = root.join("proc/xen").exists();
    if xen && !is_xen_dom0(root) {
        return Hypervisor::Other;
    }
    let named = cpuid.and_then(from_cpuid);
    // QEMU calls itself Hyper-V where it offers Hyper-V's interfaces.
    let hyper_v = named == Some(Hypervisor::HyperV);
    let named = named.filter(|_| !hyper_v);
    if xen {
        let outer = named.or_else(|| cpuid.map(|_| Hypervisor::Other));
        return outer.unwrap_or(Hypervisor::None);
    }
    let sysfs = || root.join("sys/hypervisor/type").exists().then_some(Hypervisor::Other);
    let is_known = |found: &Hypervisor| *found != Hypervisor::Other;
    let other = dmi.or_else(sysfs).or_else(|| from_device_tree(root)).filter(|h| !is_known(h));
    named
        .or_else(|| dmi.filter(is_known))
        .or_else(|| from_device_tree(root).filter(is_known))
        .or_else(|| hyper_v.then_some(Hypervisor::HyperV))
        .or_else(|| from_pci(root))
        .or(other)
        .or_else(|| cpuid.map(|_| Hypervisor::Other))
        .unwrap_or(Hypervisor::None)
}

/// Whether this is the domain of Xen that owns the hardware.
fn is_xen_dom0(root: &Path) -> bool {
    // XENFEAT_dom0 of Xen's public/features.h.
    let features = read(root, "sys/hypervisor/properties/features");
    if let Some(Ok(features)) = features.map(|text| u64::from_str_radix(&text, 16)) {
        return features & 1 << 11 != 0;
    }
    let capabilities = read(root, "proc/xen/capabilities").unwrap_or_default();
    capabilities.split(',').any(|capability| capability.trim() == "control_d")
}

fn from_cpuid(cpuid: &Cpuid) -> Option<Hypervisor> {
    match cpuid.0.as_str() {
        "KVMKVMKVM" | "Linux KVM Hv" => Some(Hypervisor::Kvm),
        "TCGTCGTCGTCG" => Some(Hypervisor::Qemu),
        "VMwareVMware" => Some(Hypervisor::Vmware),
        "Microsoft Hv" => Some(Hypervisor::HyperV),
        "Apple VZ" => Some(Hypervisor::Apple),
        // Xen, bhyve, QNX, ACRN and Lockheed Martin's: known, without settings of their own here.
        "XenVMMXenVMM" | "bhyve bhyve" | "QNXQVMBSQG" | "ACRNACRNACRN" | "SRESRESRESRE" => {
            Some(Hypervisor::Other)
        }
        _ => None,
    }
}

fn from_device_tree(root: &Path) -> Option<Hypervisor> {
    let tree = "proc/device-tree";
    if let Some(compatible) = read(root, &format!("{tree}/hypervisor/compatible")) {
        return Some(match compatible.trim_end_matches('\0') {
            "linux,kvm" => Hypervisor::Kvm,
            vmware if vmware.contains("vmware") => Hypervisor::Vmware,
            _ => Hypervisor::Other,
        });
    }
    // QEMU's `virt` machine has its fw_cfg device in the tree.
    let has_fw_cfg = fs::read_dir(root.join(tree))
        .ok()?
        .any(|entry| entry.is_ok_and(|e| e.file_name().to_string_lossy().contains("fw-cfg")));
    if has_fw_cfg {
        return Some(Hypervisor::Qemu);
    }
    // The kernel's binding for machines that have no hardware: crosvm, Cloud Hypervisor and others.
    let generic = read(root, &format!("{tree}/compatible"))?;
    generic.split('\0').any(|name| name == "linux,dummy-virt").then_some(Hypervisor::Other)
}

/// Vendors whose PCI devices exist only in their own machines, for VirtualBox on arm64 above all,
/// which has no DMI that says so.
fn from_pci(root: &Path) -> Option<Hypervisor> {
    let mut vendors: Vec<_> = fs::read_dir(root.join("sys/bus/pci/devices"))
        .ok()?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("vendor")).ok())
        .collect();
    vendors.sort();
    vendors.iter().find_map(|vendor| match vendor.trim() {
        "0x80ee" => Some(Hypervisor::Virtualbox),
        "0x1ab8" => Some(Hypervisor::Parallels),
        "0x15ad" => Some(Hypervisor::Vmware),
        _ => None,
    })
}

fn read(root: &Path, file: &str) -> Option<String> {
    fs::read_to_string(root.join(file)).ok().map(|text| text.trim().to_owned())
}
