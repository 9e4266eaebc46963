//! DMI strings, CPUID, the device tree and PCI vendors → [`Hypervisor`], and where the user of each
//! turns UEFI on or adds memory.
//!
//! Order and tables are those of systemd-detect-virt (`src/basic/virt.c` in systemd), so that the
//! installer, the units of the installed system and the user's own look agree. What it can't tell,
//! PCI vendors of emulated devices do.

use std::fmt;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who emulates the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
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
pub fn detect(root: &Path, cpuid: Option<&Cpuid>) -> Hypervisor {
    let dmi = from_dmi(root);
    // These two also run on top of another one's CPUID, so their own word comes first.
    if let Some(found @ (Hypervisor::Virtualbox | Hypervisor::Parallels)) = dmi {
        return found;
    }
    let named = cpuid.and_then(from_cpuid);
    let pci = || from_pci(root);
    named
        .or(dmi)
        .or_else(|| from_device_tree(root))
        .or_else(pci)
        .or_else(|| cpuid.map(|_| Hypervisor::Other))
        .unwrap_or(Hypervisor::None)
}

/// The DMI strings, in the order in which they are asked.
const DMI_FILES: [&str; 5] =
    ["product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"];

/// Beginnings of DMI strings. Not "Oracle Corporation", which its real servers have as well.
const DMI_VENDORS: [(&str, Hypervisor); 12] = [
    ("KVM", Hypervisor::Kvm),
    ("OpenStack", Hypervisor::Kvm),
    ("KubeVirt", Hypervisor::Kvm),
    ("QEMU", Hypervisor::Qemu),
    ("VMware", Hypervisor::Vmware),
    ("VMW", Hypervisor::Vmware),
    ("innotek GmbH", Hypervisor::Virtualbox),
    ("VirtualBox", Hypervisor::Virtualbox),
    ("Parallels", Hypervisor::Parallels),
    ("Hyper-V", Hypervisor::HyperV),
    ("Apple Virtualization", Hypervisor::Apple),
    ("Xen", Hypervisor::Other),
];

fn from_dmi(root: &Path) -> Option<Hypervisor> {
    DMI_FILES.iter().find_map(|file| {
        let text = read(root, &format!("sys/class/dmi/id/{file}"))?;
        DMI_VENDORS.iter().find(|(start, _)| text.starts_with(start)).map(|(_, found)| *found)
    })
}

fn from_cpuid(cpuid: &Cpuid) -> Option<Hypervisor> {
    match cpuid.0.as_str() {
        "KVMKVMKVM" | "Linux KVM Hv" => Some(Hypervisor::Kvm),
        "TCGTCGTCGTCG" => Some(Hypervisor::Qemu),
        "VMwareVMware" => Some(Hypervisor::Vmware),
        "Microsoft Hv" => Some(Hypervisor::HyperV),
        "Apple VZ" => Some(Hypervisor::Apple),
        _ => None,
    }
}

fn from_device_tree(root: &Path) -> Option<Hypervisor> {
    let tree = "proc/device-tree";
    if let Some(compatible) = read(root, &format!("{tree}/hypervisor/compatible")) {
        return Some(match compatible.trim_end_matches('\0') {
            "linux,kvm" => Hypervisor::Kvm,
            "vmware" => Hypervisor::Vmware,
            _ => Hypervisor::Other,
        });
    }
    // QEMU's `virt` machine has its fw_cfg device in the tree.
    let has_fw_cfg = fs::read_dir(root.join(tree))
        .ok()?
        .any(|entry| entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("fw-cfg")));
    has_fw_cfg.then_some(Hypervisor::Qemu)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Files below the root with their text, and what the processor says.
    type Fixture = (&'static [(&'static str, &'static str)], Option<&'static str>);

    fn detected((files, cpuid): Fixture) -> Hypervisor {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        detect(root.path(), cpuid.map(|name| Cpuid(name.to_owned())).as_ref())
    }

    const PRODUCT: &str = "sys/class/dmi/id/product_name";
    const VENDOR: &str = "sys/class/dmi/id/sys_vendor";

    #[test]
    fn real_machines_are_recognised() {
        use Hypervisor as H;
        let cases: [(&str, Fixture, H); 16] = [
            ("QEMU x86, TCG", (&[(VENDOR, "QEMU\n")], Some("TCGTCGTCGTCG")), H::Qemu),
            ("QEMU x86, KVM", (&[(VENDOR, "QEMU\n")], Some("KVMKVMKVM")), H::Kvm),
            (
                "QEMU arm64",
                (&[(PRODUCT, "KVM Virtual Machine\n"), (VENDOR, "QEMU\n")], None),
                H::Kvm,
            ),
            (
                "QEMU arm64 without DMI",
                (&[("proc/device-tree/fw-cfg@9020000/compatible", "x")], None),
                H::Qemu,
            ),
            (
                "KVM arm64, device tree",
                (&[("proc/device-tree/hypervisor/compatible", "linux,kvm\0")], None),
                H::Kvm,
            ),
            ("UTM", (&[(PRODUCT, "QEMU Virtual Machine"), (VENDOR, "QEMU")], None), H::Qemu),
            (
                "Parallels arm64",
                (
                    &[
                        (PRODUCT, "Parallels ARM Virtual Machine"),
                        (VENDOR, "Parallels International GmbH."),
                    ],
                    None,
                ),
                H::Parallels,
            ),
            (
                "Parallels x86",
                (&[(VENDOR, "Parallels International GmbH.")], Some("KVMKVMKVM")),
                H::Parallels,
            ),
            (
                "VirtualBox",
                (&[(PRODUCT, "VirtualBox"), (VENDOR, "innotek GmbH")], Some("KVMKVMKVM")),
                H::Virtualbox,
            ),
            (
                "VirtualBox arm64",
                (&[("sys/bus/pci/devices/0000:00:01.0/vendor", "0x80ee\n")], None),
                H::Virtualbox,
            ),
            (
                "VMware",
                (&[(PRODUCT, "VMware20,1"), (VENDOR, "VMware, Inc.")], Some("VMwareVMware")),
                H::Vmware,
            ),
            ("Fusion arm64", (&[(PRODUCT, "VMware20,1")], None), H::Vmware),
            (
                "Hyper-V",
                (
                    &[(PRODUCT, "Virtual Machine"), (VENDOR, "Microsoft Corporation")],
                    Some("Microsoft Hv"),
                ),
                H::HyperV,
            ),
            (
                "Apple",
                (
                    &[(PRODUCT, "Apple Virtualization Generic Platform"), (VENDOR, "Apple Inc.")],
                    None,
                ),
                H::Apple,
            ),
            ("unknown", (&[(VENDOR, "Unknown Vendor")], Some("ACRNACRNACRN")), H::Other),
            ("bare metal", (&[(PRODUCT, "ThinkPad X1"), (VENDOR, "LENOVO")], None), H::None),
        ];
        for (name, fixture, expected) in cases {
            assert_eq!(detected(fixture), expected, "{name}");
        }
    }

    #[test]
    fn a_vendor_in_the_middle_of_a_string_does_not_count() {
        assert_eq!(detected((&[(PRODUCT, "Not QEMU")], None)), Hypervisor::None);
        assert_eq!(detected((&[(PRODUCT, "qemu")], None)), Hypervisor::None);
    }

    #[test]
    fn only_a_physical_machine_is_not_virtual() {
        assert!(!Hypervisor::None.is_virtual());
        assert!(Hypervisor::Other.is_virtual());
    }
}
