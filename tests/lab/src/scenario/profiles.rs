//! Machines like the products' → whether each is known for what it is, told what its user can set,
//! and installed.

use anyhow::{Context, Result, ensure};

use super::install::finished;
use super::{AARCH64, BOTH, Scenario, X86_64};
use crate::bench::{Bench, digest, unchanged};
use crate::inside::Expected;
use crate::vm::config::{Config, Firmware};
use crate::vm::profile::{self, Profile};

/// A scenario on a product's machine.
macro_rules! product {
    ($name:literal, $machine:literal, $archs:expr) => {
        Scenario {
            name: concat!("profile-", $name),
            fault: $machine,
            expected: "detected; by BIOS, told where its UEFI setting is; with too little memory, where \
                that is set; installed with its guest tools; with the ISO attached, boots the disk",
            archs: $archs,
            daily: false,
            run: |bench| run(bench, $name),
        }
    };
}

pub(super) const SCENARIOS: &[Scenario] = &[
    product!("qemu", "QEMU by hand: virtio disk and adapter, no boot order", BOTH),
    product!("virt-manager", "virt-manager's: 1 GiB, virtio disk, the disk first", BOTH),
    product!("proxmox", "Proxmox's: i440fx, virtio-scsi disk, IDE CD, the disk first", X86_64),
    product!("utm", "UTM's: always the CD first; on aarch64, a USB CD and a serial number", BOTH),
    product!("parallels", "Parallels': its strings, SATA, e1000, the disk first", BOTH),
    product!("virtualbox", "VirtualBox's: its strings, 512 MiB, SATA, e1000, the CD first", X86_64),
    product!(
        "vmware",
        "VMware's: its strings, no CPUID; pvscsi and vmxnet3, on aarch64 NVMe and e1000e",
        BOTH
    ),
    product!(
        "apple-virtualization",
        "Apple's: its strings, the ISO as a read-only USB disk, first in the boot order",
        AARCH64
    ),
    product!("hyper-v", "Hyper-V's strings, 1 GiB, the CD first; no device is Hyper-V's", X86_64),
];

fn run(bench: &Bench<'_>, name: &str) -> Result<()> {
    let profile = profile::find(name, bench.arch).context("no such profile")?;
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    profile.apply(&mut config);
    let before = digest(&config.disks[0].image)?;
    if let Some(setting) = profile.uefi_setting {
        let bios = Config { firmware: Firmware::Bios, ..config.clone() };
        refused(bench, &bios, "bios", "booted by a BIOS", setting)?;
    }
    if profile.is_small() {
        let memory_mib = profile.memory_mib;
        let small = Config { memory_mib, ..config.clone() };
        refused(bench, &small, "little-memory", "of memory and the install needs", MEMORY_SETTING)?;
    }
    unchanged(&config.disks[0], &before)?;

    let mut vm = bench.start(&config, "install")?;
    let event = vm.event("the machine", 120, |event| event["event"] == "machine")?;
    let wanted = profile.detected(vm.accelerator);
    ensure!(event["hypervisor"] == wanted, "the hypervisor is not {wanted}: {event}");
    ensure!(event["firmware"] == "uefi", "the firmware is not UEFI: {event}");
    finished(&mut vm)?;
    vm.screenshot(&bench.folder.join("screens/installed.png"))?;
    vm.wait_off(60)?;
    boots_and_has_tools(bench, config, profile)
}

/// Where the memory of the product whose default is too little is set.
const MEMORY_SETTING: &str = "Settings > System > Motherboard > Base Memory";

/// Insists that the installer refuses this machine, says why on the screen, and names the setting
/// that helps.
fn refused(bench: &Bench<'_>, config: &Config, kind: &str, why: &str, setting: &str) -> Result<()> {
    let mut vm = bench.start(config, kind)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["outcome"] == "refused", "it was not refused: {verdict}");
    ensure!(verdict["error"]["kind"] == kind, "refused for another reason: {verdict}");
    let hint = verdict["error"]["hint"].as_str().context("no hint")?;
    ensure!(hint.contains(setting), "{setting:?} is not in {hint:?}");
    vm.screen(why, &bench.folder.join(format!("screens/{kind}.png")))?;
    vm.kill()
}

/// Starts the machine as a restart would, with the ISO still attached, and looks inside.
fn boots_and_has_tools(bench: &Bench<'_>, config: Config, profile: &Profile) -> Result<()> {
    let mut config = Config { answers: None, ..config };
    profile.make_bootable(&mut config);
    let mut vm = bench.start(&config, "boot")?;
    let expected = Expected::default();
    expected.log_in(&mut vm)?;
    expected.check(&mut vm)?;
    let hardware = vm.shell.run("cat /etc/nixos/nix/hardware-configuration.nix")?;
    for line in profile::PROFILES.iter().filter_map(|one| one.tools) {
        let wanted = profile.tools == Some(line);
        ensure!(hardware.contains(line) == wanted, "{line:?} is wrong in {hardware}");
    }
    vm.kill()
}
