//! Machines for unit tests.

use std::fs;

use tempfile::TempDir;

use super::{Firmware, Hypervisor, Machine};

/// A virtual machine that can be installed.
pub(crate) fn machine() -> Machine {
    Machine {
        hypervisor: Hypervisor::Kvm,
        firmware: Firmware::Uefi,
        architecture: "x86_64".to_owned(),
        memory_bytes: 2 << 30,
        image_in_memory_bytes: 0,
        root: true,
    }
}

/// A root folder with these files.
pub(crate) fn root<T: AsRef<[u8]>>(files: &[(&str, T)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, bytes) in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    root
}
