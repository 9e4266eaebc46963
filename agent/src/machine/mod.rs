//! /proc, /sys and the processor → [`Machine`]: what the installer runs on.
//!
//! Everything is read below a root folder that tests replace; what no file tells (CPUID, the user) is
//! passed in by [`read`].
//!
//! # Adding a hypervisor
//!
//! 1. A variant of [`Hypervisor`] in `hypervisor.rs`; the compiler then names what is missing: its
//!    name, where UEFI is enabled, where memory is set.
//! 2. What it is detected by: its DMI vendor in `dmi.rs`, or its CPUID, device tree or PCI vendor.
//! 3. A real machine's strings in the table of the test `real_machines_are_recognised`.
//! 4. Its name in the documentation of the D-Bus property `Hypervisor`, in `dbus/installer.rs`.
//! 5. A machine as close to it as QEMU gets in `tests/lab/src/vm/profile.rs`, and its row in
//!    `tests/lab/src/scenario/profiles.rs`.
//! 6. Drivers and guest tools of the installed system, in `nix/vm.nix` and `nix/guest-tools.nix`.
//! 7. Its section in `iso/README.md`, with what was emulated and what was not.

pub mod display;
#[cfg(test)]
pub(crate) mod examples;
pub mod hypervisor;

use std::path::Path;

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use hypervisor::Hypervisor;

/// What the installer runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Who emulates it.
    pub hypervisor: Hypervisor,
    /// How it was booted.
    pub firmware: Firmware,
    /// The processor's architecture, as Nix and the kernel write it.
    pub architecture: String,
    /// Usable memory in bytes.
    pub memory_bytes: u64,
    /// What the live system's image takes of it, in bytes: booted from the network, or copied to memory.
    pub image_in_memory_bytes: u64,
    /// The agent runs as root.
    pub root: bool,
}

/// How the machine was booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// By UEFI.
    Uefi,
    /// By a BIOS, or by UEFI's emulation of one.
    Bios,
}

impl std::fmt::Display for Firmware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uefi => "UEFI",
            Self::Bios => "BIOS",
        })
    }
}

/// Reads the facts of the running machine.
///
/// # Errors
/// `/proc/meminfo` can't be read.
pub fn read() -> Result<Machine> {
    let root = Path::new("/");
    Ok(Machine {
        hypervisor: hypervisor::detect(root, hypervisor::cpuid().as_ref()),
        root: rustix::process::geteuid().is_root(),
        ..read_below(root)?
    })
}

/// Reads what files below `root` tell.
///
/// # Errors
/// `proc/meminfo` can't be read.
pub fn read_below(root: &Path) -> Result<Machine> {
    let memory = std::fs::read_to_string(root.join("proc/meminfo"))
        .context("cannot read /proc/meminfo")
        .and_then(|text| memory_bytes(&text))?;
    let uefi = root.join("sys/firmware/efi").is_dir();
    Ok(Machine {
        hypervisor: hypervisor::detect(root, None),
        firmware: if uefi { Firmware::Uefi } else { Firmware::Bios },
        architecture: std::env::consts::ARCH.to_owned(),
        memory_bytes: memory,
        // The manifest says where the image is.
        image_in_memory_bytes: 0,
        root: false,
    })
}

/// `MemTotal` of proc(5)'s `/proc/meminfo`, whose unit is 1024 bytes.
fn memory_bytes(meminfo: &str) -> Result<u64> {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kib| kib.saturating_mul(1024))
        .context("/proc/meminfo has no MemTotal")
}

/// This process's resident memory at its highest, in bytes: `VmHWM` of proc(5).
pub fn peak_resident_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let rest = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        })
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_below_a_root() {
        let root = tempfile::tempdir().unwrap();
        assert!(read_below(root.path()).is_err());
        std::fs::create_dir_all(root.path().join("proc")).unwrap();
        std::fs::write(root.path().join("proc/meminfo"), "MemTotal:        2030516 kB\n").unwrap();
        let bios = read_below(root.path()).unwrap();
        assert_eq!((bios.firmware, bios.memory_bytes), (Firmware::Bios, 2_030_516 * 1024));
        std::fs::create_dir_all(root.path().join("sys/firmware/efi")).unwrap();
        assert_eq!(read_below(root.path()).unwrap().firmware, Firmware::Uefi);
    }
}
