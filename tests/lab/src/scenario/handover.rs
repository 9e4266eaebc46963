//! An install that ended well → the installed system, whatever the firmware does next.

use anyhow::{Context, Result, ensure};

use super::disks::{choose_install, plan_for};
use super::install::{boots, finished};
use super::{BOTH, Scenario, X86_64};
use crate::bench::{Bench, digest, unchanged};
use crate::inside::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "iso-stays-first",
        fault: "the ISO stays in the drive, which the firmware tries first; a true restart",
        expected: "ends in the installed system, and so does every later start",
        archs: BOTH,
        daily: true,
        run: iso_stays_first,
    },
    Scenario {
        name: "nvram-erased",
        fault: "the firmware's variables are lost between install and boot",
        expected: "boots, without the ISO and with it first",
        archs: BOTH,
        daily: false,
        run: nvram_erased,
    },
    Scenario {
        name: "nvram-read-only",
        fault: "the firmware's variables can't be written",
        expected: "installs with a warning, and boots",
        archs: X86_64,
        daily: false,
        run: nvram_read_only,
    },
    Scenario {
        name: "installed-is-booted",
        fault: "an installed disk, and the menu entry to install; nobody says anything",
        expected: "the installer hands over to the disk, and does not write to its root",
        archs: BOTH,
        daily: false,
        run: installed_is_booted,
    },
    Scenario {
        name: "reinstall-by-choice",
        fault: "an installed disk, the menu entry to install, the disk chosen and confirmed",
        expected: "installed anew",
        archs: BOTH,
        daily: false,
        run: reinstall_by_choice,
    },
    Scenario {
        name: "finish-wait",
        fault: "finish = \"wait\"; then it is told to switch the machine off",
        expected: "stays until it is told, and leaves a disk that boots",
        archs: BOTH,
        daily: false,
        run: finish_wait,
    },
];

fn iso_stays_first(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    config.cd_first = true;
    config.restart = true;
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    let expected = Expected::default();
    expected.log_in(&mut vm)?;
    vm.screenshot(&bench.folder.join("screens/after-restart.png"))?;
    vm.kill()?;

    let mut vm = bench.start(&config, "later")?;
    let shown = vm.accelerator.time(30);
    vm.serial.expect("Start the installed system", shown).context("no boot menu")?;
    vm.screenshot(&bench.folder.join("screens/menu.png"))?;
    expected.log_in(&mut vm)?;
    vm.screenshot(&bench.folder.join("screens/booted-with-iso.png"))?;
    expected.check(&mut vm)?;
    vm.kill()
}

/// An installed disk in a machine that tries its CD first.
fn installed(bench: &Bench<'_>) -> Result<Config> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    Ok(Config { cd_first: true, firmware: bench.firmware("later")?, ..config })
}

fn nvram_erased(bench: &Bench<'_>) -> Result<()> {
    let config = installed(bench)?;
    let mut vm = bench.start(&config, "with-iso")?;
    Expected::default().log_in(&mut vm)?;
    vm.kill()?;
    let config = Config { firmware: bench.firmware("lost")?, ..config };
    boots(bench, &config)
}

fn nvram_read_only(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    vm.event("countdown", 90, |event| event["event"] == "countdown")?;
    vm.shell.run("mount -o remount,ro /sys/firmware/efi/efivars")?;
    let warning = vm.event("the warning", 180, |event| event["event"] == "warning")?;
    ensure!(warning["message"].to_string().contains("boot order"), "it warns of {warning}");
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn installed_is_booted(bench: &Bench<'_>) -> Result<()> {
    let config = installed(bench)?;
    let mut vm = bench.start(&config, "again")?;
    choose_install(&mut vm)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == "already-installed", "it ended so: {verdict}");
    vm.screen("/dev/vda", &bench.folder.join("screens/already-installed.png"))?;
    vm.wait_off(60)?;
    // BootNext, although the firmware is told to try the CD first.
    let mut vm = bench.start(&config, "booted")?;
    Expected::default().log_in(&mut vm)?;
    vm.kill()
}

fn reinstall_by_choice(bench: &Bench<'_>) -> Result<()> {
    let mut config = installed(bench)?;
    config.answers = Some(bench.answers("finish = 'wait'")?);
    let before = digest(&config.disks[0].image)?;
    let mut vm = bench.start(&config, "again")?;
    choose_install(&mut vm)?;
    vm.verdict(90)?;
    steer(&mut vm, "Cancel")?;
    steer(&mut vm, "SelectDisk o /org/nixvm/Installer1/disks/vda")?;
    plan_for(&mut vm, "installed")?;
    vm.screen("/dev/vda", &bench.folder.join("screens/reinstall.png"))?;
    unchanged(&config.disks[0], &before)?;
    vm.confirm()?;
    finished(&mut vm)?;
    steer(&mut vm, "Finish s poweroff")?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn finish_wait(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 3\nfinish = 'wait'")?);
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    vm.shell.run("sleep 10")?;
    vm.screen("installed", &bench.folder.join("screens/installed.png"))?;
    steer(&mut vm, "Finish s poweroff")?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

/// Asks the agent for something that it has to do.
pub(super) fn steer(vm: &mut Vm, call: &str) -> Result<()> {
    let (status, said) = vm.steer(call)?;
    ensure!(status == 0, "{call} is refused: {said}");
    Ok(())
}
