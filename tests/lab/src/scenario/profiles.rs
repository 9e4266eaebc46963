//! Machines like the products' → whether each is detected, refused with the right hint, and installed.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::await_installed;
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::Expected;
use crate::vm::config::{Config, Firmware};
use crate::vm::profile::{self, Profile};
use crate::words::{error, event, outcome};

const SUITS_ITS_PRODUCT: &str = "detected; by BIOS, the hint names the product's UEFI setting; with \
    too little memory, its memory setting; installed with its guest tools; with the ISO attached, boots \
    the disk";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("profile-qemu")
        .fault("QEMU by hand: virtio disk and adapter, no boot order")
        .expected(SUITS_ITS_PRODUCT)
        .run(|fixture| run(fixture, "qemu")),
    Scenario::new("profile-virt-manager")
        .fault("virt-manager's: 1 GiB, virtio disk, the disk first")
        .expected(SUITS_ITS_PRODUCT)
        .run(|fixture| run(fixture, "virt-manager")),
    Scenario::new("profile-proxmox")
        .fault("Proxmox's: i440fx, virtio-scsi disk, IDE CD, the disk first")
        .expected(SUITS_ITS_PRODUCT)
        .only_on(Arch::X86_64)
        .run(|fixture| run(fixture, "proxmox")),
    Scenario::new("profile-utm")
        .fault("UTM's: always the CD first; on aarch64, a USB CD and a serial number")
        .expected(SUITS_ITS_PRODUCT)
        .run(|fixture| run(fixture, "utm")),
    Scenario::new("profile-parallels")
        .fault("Parallels': its strings, SATA, e1000, the disk first")
        .expected(SUITS_ITS_PRODUCT)
        .run(|fixture| run(fixture, "parallels")),
    Scenario::new("profile-virtualbox")
        .fault("VirtualBox's: its strings, 512 MiB, SATA, e1000, the CD first")
        .expected(SUITS_ITS_PRODUCT)
        .only_on(Arch::X86_64)
        .run(|fixture| run(fixture, "virtualbox")),
    Scenario::new("profile-vmware")
        .fault("VMware's: its strings, no CPUID; pvscsi and vmxnet3, on aarch64 NVMe and e1000e")
        .expected(SUITS_ITS_PRODUCT)
        .run(|fixture| run(fixture, "vmware")),
    Scenario::new("profile-apple-virtualization")
        .fault("Apple's: its strings, the ISO as a read-only USB disk, first in the boot order")
        .expected(SUITS_ITS_PRODUCT)
        .only_on(Arch::Aarch64)
        .run(|fixture| run(fixture, "apple-virtualization")),
    Scenario::new("profile-hyper-v")
        .fault("Hyper-V's strings, 1 GiB, the CD first; no device is Hyper-V's")
        .expected(SUITS_ITS_PRODUCT)
        .only_on(Arch::X86_64)
        .run(|fixture| run(fixture, "hyper-v")),
];

fn run(fixture: &Fixture<'_>, name: &str) -> Result<()> {
    let profile = profile::find(name, fixture.arch).context("no such profile")?;
    let mut config = fixture.machine_with_disk()?;
    profile.apply(&mut config);
    let before = digest(&config.disks[0].image)?;
    if let Some(setting) = profile.uefi_setting {
        let bios = Config { firmware: Firmware::Bios, ..config.clone() };
        refused(fixture, &bios, error::NOT_UEFI, "started in BIOS mode", setting)?;
    }
    if profile.is_small() {
        let memory_mib = profile.memory_mib;
        let small = Config { memory_mib, ..config.clone() };
        refused(
            fixture,
            &small,
            error::INSUFFICIENT_MEMORY,
            "of memory and the install needs",
            MEMORY_SETTING,
        )?;
    }
    unchanged(&config.disks[0], &before)?;

    let mut vm = fixture.start(&config, "install")?;
    let event = vm.event("the machine", 120, |event| event["event"] == event::MACHINE)?;
    let wanted = profile.detected(vm.accelerator);
    ensure!(event["hypervisor"] == wanted, "the hypervisor is not {wanted}: {event}");
    ensure!(event["firmware"] == "uefi", "the firmware is not UEFI: {event}");
    await_installed(&mut vm)?;
    vm.screenshot(&fixture.folder.join("screens/finished.png"))?;
    vm.wait_off(60)?;
    boots_and_has_tools(fixture, config, profile)
}

/// Where the memory of the product whose default is too little is set.
const MEMORY_SETTING: &str = "Settings > System > Motherboard > Base Memory";

/// Fails unless the installer refuses this machine, with the reason on the screen and the setting that
/// helps.
fn refused(
    fixture: &Fixture<'_>,
    config: &Config,
    kind: &str,
    why: &str,
    setting: &str,
) -> Result<()> {
    let mut vm = fixture.start(config, kind)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["outcome"] == outcome::REFUSED, "it was not refused: {verdict}");
    ensure!(verdict["error"]["kind"] == kind, "refused for another reason: {verdict}");
    let hint = verdict["error"]["hint"].as_str().context("no hint")?;
    ensure!(hint.contains(setting), "{setting:?} is not in {hint:?}");
    vm.screen(why, &fixture.folder.join(format!("screens/{kind}.png")))?;
    vm.kill()
}

/// Starts the machine as a restart would, with the ISO still attached, and looks inside.
fn boots_and_has_tools(fixture: &Fixture<'_>, config: Config, profile: &Profile) -> Result<()> {
    let mut config = Config { answers: None, ..config };
    profile.make_bootable(&mut config);
    let mut vm = fixture.start(&config, "boot")?;
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
