//! A successful install → the installed system, in any boot order and with lost firmware variables.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{
    await_countdown, await_installed, await_installed_and_off, boots, call, choose_install,
    plan_for,
};
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::Expected;
use crate::vm::config::Config;
use crate::words::{event, outcome};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("iso-stays-first")
        .fault("the ISO stays in the drive, which the firmware tries first; a true restart")
        .expected("ends in the installed system, and so does every later start")
        .daily()
        .run(iso_stays_first),
    Scenario::new("nvram-erased")
        .fault("the firmware's variables are lost between install and boot")
        .expected("boots, without the ISO and with it first")
        .run(nvram_erased),
    Scenario::new("nvram-read-only")
        .fault("the firmware's variables can't be written")
        .expected("installs with a warning, and boots")
        .only_on(Arch::X86_64)
        .run(nvram_read_only),
    Scenario::new("installed-is-booted")
        .fault("an installed disk, and the menu entry to install; no input")
        .expected("the installer hands over to the disk, and does not write to its root")
        .run(installed_is_booted),
    Scenario::new("reinstall-by-choice")
        .fault("an installed disk, the menu entry to install, the disk chosen and confirmed")
        .expected("installed anew")
        .run(reinstall_by_choice),
    Scenario::new("finish-wait")
        .fault("finish = \"wait\"; then `Finish` with `poweroff`")
        .expected("stays until then, and leaves a disk that boots")
        .run(finish_wait),
];

fn iso_stays_first(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.cd_first = true;
    config.restart = true;
    let mut vm = fixture.start(&config, "install")?;
    await_installed(&mut vm)?;
    let expected = Expected::default();
    expected.log_in(&mut vm)?;
    vm.screenshot(&fixture.folder.join("screens/after-restart.png"))?;
    vm.kill()?;

    let mut vm = fixture.start(&config, "later")?;
    let shown = vm.accelerator.time(30);
    vm.serial.expect("Start the installed system", shown).context("no boot menu")?;
    vm.screenshot(&fixture.folder.join("screens/menu.png"))?;
    expected.log_in(&mut vm)?;
    vm.screenshot(&fixture.folder.join("screens/booted-with-iso.png"))?;
    expected.check(&mut vm)?;
    vm.kill()
}

/// An installed disk in a machine that tries its CD first.
fn installed(fixture: &Fixture<'_>) -> Result<Config> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    Ok(Config { cd_first: true, firmware: fixture.firmware("later")?, ..config })
}

fn nvram_erased(fixture: &Fixture<'_>) -> Result<()> {
    let config = installed(fixture)?;
    let mut vm = fixture.start(&config, "with-iso")?;
    Expected::default().log_in(&mut vm)?;
    vm.kill()?;
    let config = Config { firmware: fixture.firmware("lost")?, ..config };
    boots(fixture, &config)
}

fn nvram_read_only(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run("mount -o remount,ro /sys/firmware/efi/efivars")?;
    let warning = vm.event("the warning", 180, |event| event["event"] == event::WARNING)?;
    ensure!(warning["message"].to_string().contains("boot order"), "it warns of {warning}");
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

fn installed_is_booted(fixture: &Fixture<'_>) -> Result<()> {
    let config = installed(fixture)?;
    let mut vm = fixture.start(&config, "again")?;
    choose_install(&mut vm)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::ALREADY_INSTALLED, "unexpected end: {verdict}");
    vm.screen("/dev/vda", &fixture.folder.join("screens/installed-already.png"))?;
    vm.wait_off(60)?;
    // BootNext, although the firmware's boot order has the CD first.
    let mut vm = fixture.start(&config, "booted")?;
    Expected::default().log_in(&mut vm)?;
    vm.kill()
}

fn reinstall_by_choice(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = installed(fixture)?;
    config.answers = Some(fixture.answers("finish = 'wait'")?);
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "again")?;
    choose_install(&mut vm)?;
    vm.verdict(90)?;
    call(&mut vm, "Cancel")?;
    call(&mut vm, "SelectDisk oa{sv} /org/nixvm/Installer1/disks/vda 0")?;
    plan_for(&mut vm, "installed")?;
    vm.screen("/dev/vda", &fixture.folder.join("screens/reinstall.png"))?;
    unchanged(&config.disks[0], &before)?;
    vm.confirm()?;
    await_installed(&mut vm)?;
    call(&mut vm, "Finish sa{sv} poweroff 0")?;
    vm.wait_off(60)?;
    boots(fixture, &config)
}

fn finish_wait(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_installed(&mut vm)?;
    vm.shell.run("sleep 10")?;
    vm.screen("installed", &fixture.folder.join("screens/finished.png"))?;
    call(&mut vm, "Finish sa{sv} poweroff 0")?;
    vm.wait_off(60)?;
    boots(fixture, &config)
}
