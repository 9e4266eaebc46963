//! The way from power-on to a login prompt, and the first things that can be in that way.

use anyhow::{Context, Result, ensure};

use super::{BOTH, Scenario, X86_64};
use crate::bench::{Bench, copy, digest, unchanged};
use crate::inside::Expected;
use crate::vm::Vm;
use crate::vm::config::{Config, Firmware};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "install",
        fault: "one blank disk",
        expected: "installs, boots from the disk, takes the login, and is right inside",
        archs: BOTH,
        daily: true,
        run: install,
    },
    Scenario {
        name: "hot-plugged-disk",
        fault: "no disk at first; one is plugged in while the installer waits",
        expected: "installs on it",
        archs: BOTH,
        daily: true,
        run: hot_plugged_disk,
    },
    Scenario {
        name: "bios",
        fault: "booted by a BIOS",
        expected: "refused with where to enable UEFI; the disk is not written to",
        archs: X86_64,
        daily: true,
        run: bios,
    },
    Scenario {
        name: "key-stops-countdown",
        fault: "a key is pressed during the countdown",
        expected: "nothing is written until somebody confirms it",
        archs: BOTH,
        daily: true,
        run: key_stops_countdown,
    },
    Scenario {
        name: "full-disk-then-retry",
        fault: "the target is full half-way; then the key to retry",
        expected: "fails, does not boot, is marked unfinished; the retry installs without a reboot",
        archs: BOTH,
        daily: true,
        run: full_disk_then_retry,
    },
];

fn install(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn hot_plugged_disk(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    let mut vm = bench.start(&config, "install")?;
    vm.state("waiting-for-disk", 120)?;
    let disk = bench.disk("target")?;
    vm.plug(&disk, 1)?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    config.disks = vec![disk];
    boots(bench, &config)
}

fn bios(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.firmware = Firmware::Bios;
    config.disks = vec![bench.disk("target")?];
    let before = digest(&config.disks[0].image)?;
    let mut vm = bench.start(&config, "bios")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == "refused", "it was not refused: {verdict}");
    ensure!(verdict["error"]["kind"] == "bios", "refused for another reason: {verdict}");
    let hint = verdict["error"]["hint"].as_str().context("no hint")?;
    ensure!(hint.contains("Enable EFI/UEFI in VM settings"), "the hint is {hint:?}");
    vm.screen("Enable EFI/UEFI in VM settings", &bench.folder.join("screens/refused.png"))?;
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn key_stops_countdown(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 30")?);
    config.disks = vec![bench.disk("target")?];
    let before = digest(&config.disks[0].image)?;
    let mut vm = bench.start(&config, "install")?;
    vm.event("countdown", 90, |event| event["event"] == "countdown")?;
    vm.qmp.press(&["spc"])?;
    vm.event("the countdown's stop", 30, |event| {
        event["event"] == "state"
            && event["to"] == "consent"
            && event["message"] == "The countdown was stopped."
    })?;
    // Time is what this is about: longer than the countdown was.
    vm.shell.run("sleep 32")?;
    vm.screen("Nothing has been written yet", &bench.folder.join("screens/stopped.png"))?;
    ensure!(!vm.events.text().contains("step-started"), "it was installed all the same");
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn full_disk_then_retry(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    fill_target(&mut vm)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["outcome"] == "failed", "it did not fail: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    ensure!(message.contains("No space left"), "the message is {message:?}");
    vm.screen("Installation failed", &bench.folder.join("screens/failed.png"))?;
    does_not_boot(bench, &config)?;
    vm.qmp.press(&["r"])?;
    vm.event("the unfinished disk", 60, |event| {
        event["event"] == "plan" && event["plan"]["target"]["condition"] == "unfinished"
            || event["event"] == "installing"
    })?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

/// Leaves the target room for the configuration, and not for the system, once it is mounted.
pub(super) fn fill_target(vm: &mut Vm) -> Result<()> {
    vm.event("the mounted target", 90, |event| {
        event["event"] == "step-finished" && event["step"] == "partition"
    })?;
    vm.shell.run("fallocate -l $(( $(stat -f -c '%a * %S' /mnt) - 20000000 )) /mnt/full")?;
    Ok(())
}

/// Waits for the good end of an install.
pub(super) fn finished(vm: &mut Vm) -> Result<()> {
    let verdict = vm.verdict(180)?;
    ensure!(verdict["outcome"] == "finished", "the install ended so: {verdict}");
    Ok(())
}

/// Boots the first disk in a fresh machine without the ISO, and looks at it from inside.
pub(super) fn boots(bench: &Bench<'_>, config: &Config) -> Result<()> {
    boots_as(bench, config, &Expected::default())?.kill()
}

/// The same, for another machine than the usual one; it still runs.
pub(super) fn boots_as(bench: &Bench<'_>, config: &Config, expected: &Expected) -> Result<Vm> {
    let config = Config { cd: None, answers: None, ..config.clone() };
    let mut vm = bench.start(&config, "boot")?;
    expected.log_in(&mut vm)?;
    expected.check(&mut vm)?;
    Ok(vm)
}

/// Insists that firmware finds nothing to start on a copy of the first disk, as it is now.
pub(super) fn does_not_boot(bench: &Bench<'_>, config: &Config) -> Result<()> {
    let mut disk = config.disks[0].clone();
    disk.image = bench.folder.join("copy.raw");
    copy(&config.disks[0].image, &disk.image)?;
    let alone = Config {
        disks: vec![disk],
        cd: None,
        answers: None,
        firmware: bench.firmware("copy")?,
        ..config.clone()
    };
    let mut vm = bench.start(&alone, "unbootable")?;
    let ends = ["BdsDxe: No bootable option or device was found", "Shell>", "login: ", "Welcome"];
    let which = vm.serial.expect_any(&ends, vm.accelerator.time(60))?;
    ensure!(which < 2, "a half install boots");
    vm.kill()
}
