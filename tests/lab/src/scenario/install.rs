//! The way from power-on to a login prompt, and its most common obstacles.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{await_countdown, await_installed_and_off, boots, does_not_boot, fill_target};
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::vm::config::Firmware;
use crate::words::{error, event, outcome, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("install")
        .fault("one blank disk")
        .expected(
            "installs, boots from the disk, takes the login, and passes all checks from inside",
        )
        .daily()
        .run(install),
    Scenario::new("hot-plugged-disk")
        .fault("no disk at first; one is plugged in while the installer waits")
        .expected("installs on it")
        .run(hot_plugged_disk),
    Scenario::new("bios")
        .fault("booted by a BIOS")
        .expected("refused with where to enable UEFI; the disk is not written to")
        .only_on(Arch::X86_64)
        .daily()
        .run(bios),
    Scenario::new("key-stops-countdown")
        .fault("a key is pressed during the countdown")
        .expected("nothing is written without a confirmation")
        .daily()
        .run(key_stops_countdown),
    Scenario::new("full-disk-then-retry")
        .fault("the target is full half-way; then the key to retry")
        .expected("fails, does not boot, is marked unfinished; the retry installs without a reboot")
        .run(full_disk_then_retry),
];

fn install(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

fn hot_plugged_disk(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::WAITING_FOR_DISK, 120)?;
    let disk = fixture.disk("target")?;
    vm.plug(&disk, 1)?;
    await_installed_and_off(&mut vm)?;
    config.disks = vec![disk];
    boots(fixture, &config)
}

fn bios(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.firmware = Firmware::Bios;
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "bios")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::REFUSED, "it was not refused: {verdict}");
    ensure!(verdict["error"]["kind"] == error::NOT_UEFI, "refused for another reason: {verdict}");
    let hint = verdict["error"]["hint"].as_str().context("no hint")?;
    ensure!(hint.contains("Enable EFI/UEFI in VM settings"), "the hint is {hint:?}");
    vm.screen("Enable EFI/UEFI in VM settings", &fixture.folder.join("screens/refused.png"))?;
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn key_stops_countdown(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 30")?);
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.qmp.press(&["spc"])?;
    vm.event("the countdown's stop", 30, |event| {
        event["event"] == event::STATE
            && event["to"] == state::AWAITING_CONFIRMATION
            && event["message"] == "The countdown was stopped."
    })?;
    // Longer than the countdown was.
    vm.shell.run("sleep 32")?;
    vm.screen("Nothing has been written yet", &fixture.folder.join("screens/stopped.png"))?;
    ensure!(!vm.events.text().contains("step-started"), "it was installed all the same");
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn full_disk_then_retry(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    fill_target(&mut vm)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["outcome"] == outcome::FAILED, "it did not fail: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    ensure!(message.contains("No space left"), "the message is {message:?}");
    vm.screen("Installation failed", &fixture.folder.join("screens/failed.png"))?;
    does_not_boot(fixture, &config)?;
    vm.qmp.press(&["r"])?;
    vm.event("the unfinished disk", 60, |event| {
        event["event"] == event::PLAN && event["plan"]["target"]["condition"] == "unfinished"
            || event["event"] == event::ATTEMPT_STARTED
    })?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}
