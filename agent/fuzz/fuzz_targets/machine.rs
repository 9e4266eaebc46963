//! Any text, as DMI strings, the device tree, PCI vendors and /proc/meminfo.
//!
//! `cargo +nightly fuzz run machine -- -max_total_time=600` in agent.

#![no_main]

use std::cell::OnceCell;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nixvm_agent::machine::hypervisor::{self, Cpuid};

/// What the agent looks at, but for folders whose existence alone says something.
const FILES: [&str; 10] = [
    "sys/class/dmi/id/product_name",
    "sys/class/dmi/id/sys_vendor",
    "sys/class/dmi/id/board_vendor",
    "sys/class/dmi/id/bios_vendor",
    "sys/class/dmi/id/product_version",
    "sys/firmware/dmi/entries/0-0/raw",
    "proc/device-tree/hypervisor/compatible",
    "sys/hypervisor/properties/features",
    "sys/bus/pci/devices/0/vendor",
    "proc/meminfo",
];

thread_local! {
    static ROOT: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    ROOT.with(|root| {
        let root = root.get_or_init(|| {
            let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            for file in FILES {
                std::fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            }
            root
        });
        look(root.path(), bytes);
    });
});

fn look(root: &Path, bytes: &[u8]) {
    for (file, text) in
        FILES.iter().zip(bytes.split(|byte| *byte == 0).chain(std::iter::repeat(&[][..])))
    {
        std::fs::write(root.join(file), text).unwrap();
    }
    let name = Cpuid(String::from_utf8_lossy(bytes).into_owned());
    for cpuid in [None, Some(&name)] {
        let found = hypervisor::detect(root, cpuid);
        assert!(!found.uefi_setting().is_empty());
        assert!(cpuid.is_none() || found.is_virtual(), "a hypervisor that shows itself is one");
    }
    let _no_memory = nixvm_agent::machine::read_below(root);
}
