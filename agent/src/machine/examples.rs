//! Machines for unit tests.

use super::{Firmware, Hypervisor, Machine};

/// A virtual machine that can be installed.
pub(crate) fn machine() -> Machine {
    Machine {
        hypervisor: Hypervisor::Kvm,
        firmware: Firmware::Uefi,
        architecture: "x86_64".to_owned(),
        memory_bytes: 2 << 30,
        root: true,
    }
}
