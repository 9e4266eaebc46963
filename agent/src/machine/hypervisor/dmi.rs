//! DMI's strings and SMBIOS's table → whether the machine is a virtual one, and whose.

use std::fs;
use std::path::Path;

use super::Hypervisor;

/// What DMI says.
#[derive(Clone, Copy)]
pub(super) struct Dmi {
    pub(super) named: Hypervisor,
    /// It counts for more than CPUID.
    pub(super) first: bool,
}

/// The DMI strings, in the order in which they are asked.
pub(super) const FILES: [&str; 5] =
    ["product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"];

/// Beginnings of DMI strings, and whether they count for more than CPUID.
///
/// systemd's table without "Oracle Corporation", which Oracle's real servers have as well: an
/// installer that takes one for a virtual machine would erase its disk without asking. See
/// [`is_virtualbox_board`].
const VENDORS: [(&str, Hypervisor, bool); 16] = [
    ("KVM", Hypervisor::Kvm, false),
    ("OpenStack", Hypervisor::Kvm, false),
    ("KubeVirt", Hypervisor::Kvm, false),
    (AMAZON, Hypervisor::Kvm, true),
    ("QEMU", Hypervisor::Qemu, false),
    ("VMware", Hypervisor::Vmware, false),
    ("VMW", Hypervisor::Vmware, false),
    ("innotek GmbH", Hypervisor::Virtualbox, true),
    ("VirtualBox", Hypervisor::Virtualbox, true),
    ("Xen", Hypervisor::Other, true),
    ("Bochs", Hypervisor::Other, false),
    ("Parallels", Hypervisor::Parallels, true),
    ("BHYVE", Hypervisor::Other, false),
    ("Hyper-V", Hypervisor::HyperV, false),
    ("Apple Virtualization", Hypervisor::Apple, false),
    ("Google Compute Engine", Hypervisor::Kvm, true),
];

/// DMI vendor of Amazon's machines, the physical ones too.
const AMAZON: &str = "Amazon EC2";

/// Reads what DMI says below `root`; none if that is nothing of a virtual machine.
pub(super) fn read(root: &Path) -> Option<Dmi> {
    let found = FILES.iter().find_map(|file| {
        let said = text(root, file)?;
        VENDORS.iter().find(|(start, ..)| said.starts_with(start))
    });
    let bit = smbios_vm_bit(root);
    if found.is_none() && is_virtualbox_board(root) {
        return Some(Dmi { named: Hypervisor::Virtualbox, first: true });
    }
    match found {
        Some((AMAZON, ..)) if !bit.unwrap_or_else(|| !is_metal(root)) => None,
        Some((_, named, first)) => Some(Dmi { named: *named, first: *first }),
        None => (bit == Some(true)).then_some(Dmi { named: Hypervisor::Other, first: false }),
    }
}

/// Whether Oracle made the board of a machine that it did not make: a VirtualBox that shows its host's
/// DMI strings.
fn is_virtualbox_board(root: &Path) -> bool {
    let vendor_of = |what| text(root, &format!("{what}_vendor")).unwrap_or_default();
    let makers = ["Oracle", "Sun Microsystems"];
    vendor_of("board").starts_with("Oracle Corporation")
        && !makers.iter().any(|maker| vendor_of("sys").starts_with(maker))
}

/// Whether an instance of Amazon's is a physical machine, by its type: `m5.metal`, `c7g.metal-48xl`.
fn is_metal(root: &Path) -> bool {
    let kind = text(root, "product_name").unwrap_or_default();
    let after = kind.split_once(".metal").map(|(_, after)| after);
    after.is_some_and(|after| after.is_empty() || after.starts_with('-'))
}

/// Whether the firmware says that the machine is virtual: bit 4 of the second byte of the BIOS
/// characteristics extension (SMBIOS specification, DSP0134, section 7.1.2.2). None if it has none.
fn smbios_vm_bit(root: &Path) -> Option<bool> {
    let table = fs::read(root.join("sys/firmware/dmi/entries/0-0/raw")).ok()?;
    let long_enough = table.get(1).is_some_and(|length| *length >= 20);
    table.get(19).filter(|_| long_enough).map(|byte| byte & 1 << 4 != 0)
}

fn text(root: &Path, file: &str) -> Option<String> {
    super::read(root, &format!("sys/class/dmi/id/{file}"))
}
