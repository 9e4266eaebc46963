//! Steps that several scenarios share: waiting for a point of an install, and looking at the result.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::fixture::{Fixture, copy};
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;
use crate::words::{event, outcome};

/// Leaves the target room for the configuration, and not for the system, once it is mounted.
pub(crate) fn fill_target(vm: &mut Vm) -> Result<()> {
    vm.event("the mounted target", 90, |event| {
        event["event"] == event::STEP_FINISHED && event["step"] == "partition"
    })?;
    // What is kept for root counts too: root copies.
    vm.shell.run("fallocate -l $(( $(stat -f -c '%f * %S' /mnt) - 20000000 )) /mnt/full")?;
    Ok(())
}

/// Puts partitions with file systems on the second disk while the installer runs.
pub(crate) fn put_data_on_second(vm: &mut Vm) -> Result<()> {
    vm.shell.run(
        "sgdisk -n 1:0:+100M -t 1:ef00 -c 1:EFI -n 2:0:0 -c 2:'home of Ada' /dev/vdb && \
         udevadm settle && mkfs.vfat -n SYSTEM /dev/vdb1 && mkfs.ext4 -q -L photos /dev/vdb2 && sync",
    )?;
    Ok(())
}

/// Keeps an install from ending before something was typed: until [`release_boot_loader`].
pub(crate) fn hold_boot_loader(vm: &mut Vm) -> Result<()> {
    hold(vm, "nixos-install")
}

/// Lets it go on.
pub(crate) fn release_boot_loader(vm: &mut Vm) -> Result<()> {
    release(vm, "nixos-install")
}

/// Keeps an install from copying the system: until [`release_configuration`].
pub(crate) fn hold_configuration(vm: &mut Vm) -> Result<()> {
    hold(vm, "nixos-generate-config")
}

/// Lets it go on.
pub(crate) fn release_configuration(vm: &mut Vm) -> Result<()> {
    release(vm, "nixos-generate-config")
}

/// Puts a program before the one called `tool` that waits for [`release`].
fn hold(vm: &mut Vm, tool: &str) -> Result<()> {
    vm.shell.run(&format!(
        "real=$(command -v {tool}) && mkdir -p /usr/local/bin && \
         printf '%s\\n' '#!/bin/sh' 'until [ -e /run/go-{tool} ]; do sleep 0.1; done' \
         \"exec $real \\\"\\$@\\\"\" > /usr/local/bin/{tool} && \
         chmod 755 /usr/local/bin/{tool}"
    ))?;
    Ok(())
}

fn release(vm: &mut Vm, tool: &str) -> Result<()> {
    vm.shell.run(&format!("touch /run/go-{tool}"))?;
    Ok(())
}

/// Gives the live system, which has no DHCP client in the lab, an address and a way out.
pub(super) fn bring_up_network(vm: &mut Vm) -> Result<()> {
    // The adapter's driver may be on its way; udev gives it another name.
    vm.shell.run(
        "until ls /sys/class/net | grep -qv '^lo$'; do sleep 0.2; done; udevadm settle && \
         card=$(ls /sys/class/net | grep -v '^lo$') && ip link set $card up && \
         ip address add 10.0.2.15/24 dev $card && ip route add default via 10.0.2.2",
    )?;
    Ok(())
}

/// Waits until the countdown to the install has begun.
pub(super) fn await_countdown(vm: &mut Vm) -> Result<()> {
    vm.event("the countdown", 90, |event| event["event"] == event::COUNTDOWN)?;
    Ok(())
}

/// Waits for the verdict of an install that succeeds.
pub(super) fn await_installed(vm: &mut Vm) -> Result<()> {
    let verdict = vm.verdict(180)?;
    ensure!(verdict["outcome"] == outcome::INSTALLED, "the install did not succeed: {verdict}");
    Ok(())
}

/// Waits until an install has succeeded and the machine is off.
pub(super) fn await_installed_and_off(vm: &mut Vm) -> Result<()> {
    await_installed(vm)?;
    vm.wait_off(60)
}

/// Boots the first disk in a fresh machine without the ISO, and checks it from inside.
pub(super) fn boots(fixture: &Fixture<'_>, config: &Config) -> Result<()> {
    boots_as(fixture, config, &Expected::default())?.kill()
}

/// The same, for another machine than the usual one; it still runs.
pub(super) fn boots_as(fixture: &Fixture<'_>, config: &Config, expected: &Expected) -> Result<Vm> {
    let config = Config { cd: None, answers: None, ..config.clone() };
    let mut vm = fixture.start(&config, "boot")?;
    expected.log_in(&mut vm)?;
    expected.check(&mut vm)?;
    Ok(vm)
}

/// Fails if firmware finds something to start on a copy of the first disk as it is now.
pub(super) fn does_not_boot(fixture: &Fixture<'_>, config: &Config) -> Result<()> {
    let firmware = fixture.firmware("copy")?;
    does_not_boot_by(fixture, &Config { firmware, ..config.clone() })
}

/// The same, with the machine's own firmware variables.
pub(super) fn does_not_boot_by(fixture: &Fixture<'_>, config: &Config) -> Result<()> {
    let mut disk = config.disks[0].clone();
    disk.image = fixture.folder.join("copy.raw");
    copy(&config.disks[0].image, &disk.image)?;
    let alone = Config { disks: vec![disk], cd: None, answers: None, ..config.clone() };
    let mut vm = fixture.start(&alone, "unbootable")?;
    let ends = ["BdsDxe: No bootable option or device was found", "Shell>", "login: ", "Welcome"];
    let which = vm.serial.expect_any(&ends, vm.accelerator.time(60))?;
    ensure!(which < 2, "a half install boots");
    vm.kill()
}

/// Waits for the plan for a disk in this condition.
pub(super) fn plan_for(vm: &mut Vm, condition: &str) -> Result<Value> {
    vm.event(&format!("the plan for a disk with {condition}"), 90, |event| {
        event["event"] == event::PLAN && event["plan"]["target"]["condition"] == condition
    })
}

/// Chooses the boot menu's second entry, where the first one is the installed system.
pub(crate) fn choose_install(vm: &mut Vm) -> Result<()> {
    let shown = vm.accelerator.time(20);
    vm.serial.expect("Start the installed system", shown).context("no boot menu")?;
    vm.qmp.press(&["down", "ret"])
}

/// Calls a D-Bus method of the agent as root, which has to accept it.
pub(super) fn call(vm: &mut Vm, call: &str) -> Result<()> {
    let (status, said) = vm.call(call)?;
    ensure!(status == 0, "{call} is refused: {said}");
    Ok(())
}

/// Waits until the copy has begun.
pub(super) fn await_copy(vm: &mut Vm) -> Result<()> {
    vm.event("the copy", 180, |event| {
        event["event"] == event::STEP_STARTED && event["step"] == "system"
    })?;
    Ok(())
}

/// An install without interruption: succeeds, powers off and boots.
pub(super) fn installs_and_boots(fixture: &Fixture<'_>, config: &Config) -> Result<()> {
    let mut vm = fixture.start(config, "install")?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, config)
}

/// The end of a start without further input.
pub(super) enum Next {
    /// The machine shows the installed system's login prompt.
    Installed,
    /// The installer reached a verdict.
    Verdict(Value),
}

/// Waits until the installer reaches a verdict or an installed system asks for a login.
pub(super) fn next(vm: &mut Vm, seconds: u64) -> Result<Next> {
    let deadline = Instant::now() + vm.accelerator.time(seconds);
    let tick = Duration::from_millis(500);
    while Instant::now() < deadline {
        if vm.serial.text().contains("nixvm login: ") {
            return Ok(Next::Installed);
        }
        if let Some(verdict) = vm.verdict_within(tick)? {
            return Ok(Next::Verdict(verdict));
        }
    }
    bail!("neither an installer's verdict nor a login prompt came");
}
