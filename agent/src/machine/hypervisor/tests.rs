//! Machines → the hypervisor that is recognised.

use std::fs;

use super::dmi::FILES;
use super::*;

/// Files below the root with their text, and what the processor says.
type Fixture = (&'static [(&'static str, &'static str)], Option<&'static str>);

fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn detected((files, cpuid): Fixture) -> Hypervisor {
    let root = written(files);
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
        ("QEMU arm64", (&[(PRODUCT, "KVM Virtual Machine\n"), (VENDOR, "QEMU\n")], None), H::Kvm),
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
            (&[(PRODUCT, "Apple Virtualization Generic Platform"), (VENDOR, "Apple Inc.")], None),
            H::Apple,
        ),
        ("unknown", (&[(VENDOR, "Unknown Vendor")], Some("ACRNACRNACRN")), H::Other),
        ("bare metal", (&[(PRODUCT, "ThinkPad X1"), (VENDOR, "LENOVO")], None), H::None),
    ];
    for (name, fixture, expected) in cases {
        assert_eq!(detected(fixture), expected, "{name}");
    }
}

/// systemd's tables, and what the installer calls each: its own names tell where a setting is, so
/// that only virtual or physical has to be the same.
#[test]
fn virtual_and_physical_are_told_as_systemd_tells_them() {
    let dmi = [
        "KVM",
        "OpenStack Nova",
        "KubeVirt",
        "Amazon EC2",
        "QEMU",
        "VMware, Inc.",
        "VMW71.00V",
        "innotek GmbH",
        "VirtualBox",
        "Xen",
        "Bochs",
        "Parallels Software",
        "BHYVE",
        "Hyper-V UEFI Release v4.1",
        "Apple Virtualization Generic Platform",
        "Google Compute Engine",
    ];
    for text in dmi {
        for file in FILES {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("sys/class/dmi/id").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
            assert!(detect(root.path(), None).is_virtual(), "{text} in {file}");
        }
    }
    for name in [
        "XenVMMXenVMM",
        "KVMKVMKVM",
        "Linux KVM Hv",
        "TCGTCGTCGTCG",
        "VMwareVMware",
        "Microsoft Hv",
        "bhyve bhyve",
        "QNXQVMBSQG",
        "ACRNACRNACRN",
        "SRESRESRESRE",
        "Apple VZ",
        // None of its table, and the processor's bit is set all the same.
        "VBoxVBoxVBox",
        "CloudHypervi",
        "AlibabaCloud",
        "EVMMEVMMEVMM",
        "",
    ] {
        let root = written(&[(PRODUCT, "ThinkPad X1"), (VENDOR, "LENOVO")]);
        let found = detect(root.path(), Some(&Cpuid(name.to_owned())));
        assert!(found.is_virtual(), "{name}");
    }
    for (vendor, product) in [
        ("Oracle Corporation", "ORACLE SERVER X9-2L"),
        ("Microsoft Corporation", "Surface Laptop"),
        ("Apple Inc.", "MacBookPro18,1"),
        ("Alibaba", "Alibaba Bare Metal"),
        ("Google", "Google Pixelbook"),
        ("HPE", "ProLiant DL380 Gen10"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sys/class/dmi/id");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("sys_vendor"), vendor).unwrap();
        fs::write(folder.join("product_name"), product).unwrap();
        assert_eq!(detect(root.path(), None), Hypervisor::None, "{vendor}");
    }
}

#[test]
fn clouds_and_their_physical_machines_are_told_apart() {
    use Hypervisor as H;
    let cases: [(&str, Fixture, H); 14] = [
        (
            "EC2 Nitro",
            (&[(PRODUCT, "m5.large"), (VENDOR, "Amazon EC2")], Some("KVMKVMKVM")),
            H::Kvm,
        ),
        ("EC2 Graviton", (&[(PRODUCT, "t4g.micro"), (VENDOR, "Amazon EC2")], None), H::Kvm),
        ("EC2 metal", (&[(PRODUCT, "m5.metal"), (VENDOR, "Amazon EC2")], None), H::None),
        ("EC2 metal-48xl", (&[(PRODUCT, "c7g.metal-48xl"), (VENDOR, "Amazon EC2")], None), H::None),
        ("EC2 Xen", (&[(VENDOR, "Xen"), (PRODUCT, "HVM domU")], Some("XenVMMXenVMM")), H::Other),
        (
            "Google",
            (&[(PRODUCT, "Google Compute Engine"), (VENDOR, "Google")], Some("KVMKVMKVM")),
            H::Kvm,
        ),
        (
            "Alibaba",
            (&[(PRODUCT, "Alibaba Cloud ECS"), (VENDOR, "Alibaba Cloud")], Some("KVMKVMKVM")),
            H::Kvm,
        ),
        (
            "Cloud Hypervisor",
            (&[(PRODUCT, "cloud-hypervisor"), (VENDOR, "Cloud Hypervisor")], Some("KVMKVMKVM")),
            H::Kvm,
        ),
        (
            "VirtualBox with its host's DMI",
            (
                &[
                    (PRODUCT, "ThinkPad X1"),
                    (VENDOR, "LENOVO"),
                    ("sys/bus/pci/devices/0000:00:02.0/vendor", "0x80ee\n"),
                ],
                Some("VBoxVBoxVBox"),
            ),
            H::Virtualbox,
        ),
        (
            "VirtualBox with its own board",
            (&[("sys/class/dmi/id/board_vendor", "Oracle Corporation"), (VENDOR, "LENOVO")], None),
            H::Virtualbox,
        ),
        (
            "a server of Oracle's",
            (
                &[
                    ("sys/class/dmi/id/board_vendor", "Oracle Corporation"),
                    (VENDOR, "Oracle Corporation"),
                ],
                None,
            ),
            H::None,
        ),
        ("QEMU with Hyper-V's interfaces", (&[(VENDOR, "QEMU")], Some("Microsoft Hv")), H::Qemu),
        (
            "Xen's dom0",
            (&[("proc/xen/capabilities", "control_d\n"), (VENDOR, "HPE")], Some("XenVMMXenVMM")),
            H::Other,
        ),
        (
            "arm64 without DMI",
            (&[("proc/device-tree/compatible", "linux,dummy-virt\0")], None),
            H::Other,
        ),
    ];
    for (name, fixture, expected) in cases {
        assert_eq!(detected(fixture), expected, "{name}");
    }
}

#[test]
fn the_firmwares_own_bit_counts_where_nothing_else_is_known() {
    let with = |vendor: &'static str, byte: u8| {
        let root = written(&[(VENDOR, "")]);
        fs::write(root.path().join(VENDOR), vendor).unwrap();
        let path = root.path().join("sys/firmware/dmi/entries/0-0/raw");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut table = vec![0_u8; 24];
        (table[1], table[19]) = (24, byte);
        fs::write(path, table).unwrap();
        detect(root.path(), None)
    };
    assert_eq!(with("Unknown", 1 << 4), Hypervisor::Other);
    assert_eq!(with("Unknown", !(1 << 4)), Hypervisor::None);
    assert_eq!(with("Amazon EC2", 1 << 4), Hypervisor::Kvm);
    assert_eq!(with("Amazon EC2", 0), Hypervisor::None);
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
