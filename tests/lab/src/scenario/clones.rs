//! An installed machine that is made a template → clones with names of their own.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::Scenario;
use super::steps::{await_installed_and_off, boots_as};
use crate::fixture::{Fixture, copy};
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("clones")
    .fault("`nixvm-generalize` on the installed machine; then two machines with copies of its disk")
    .expected("each boots, with a machine identifier of its own")
    .run(clones)];

/// The command as NixOS has it, but for the way to its programs.
const GENERALIZE: &str = include_str!("../../../../nix/nixvm-generalize");

/// Writes the command into the machine; what runs it there.
pub(super) fn add_generalize(vm: &mut Vm) -> Result<&'static str> {
    vm.shell.run(&format!("cat > /run/generalize <<'SCRIPT'\n{GENERALIZE}\nSCRIPT"))?;
    Ok("bash -euo pipefail /run/generalize")
}

fn clones(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;

    let mut vm = boots_as(fixture, &config, &Expected::default())?;
    let mut identifiers = BTreeSet::from([machine_id(&mut vm)?]);
    vm.shell.run("ssh-keygen -A && bootctl --graceful random-seed && sync")?;
    let generalize = add_generalize(&mut vm)?;
    // As over Tailscale's SSH: it stops the service that it is started in, and its output has no reader then.
    vm.shell.run(&format!("systemd-run --quiet --unit=tailscaled sh -c '{generalize} | cat'"))?;
    vm.wait_off(60)?;

    for name in ["first", "second"] {
        let mut disk = config.disks[0].clone();
        disk.image = fixture.folder.join(format!("{name}.raw"));
        copy(&config.disks[0].image, &disk.image)?;
        let firmware = fixture.firmware(name)?;
        let clone =
            Config { disks: vec![disk], firmware, cd: None, answers: None, ..config.clone() };
        let mut vm = fixture.start(&clone, name)?;
        Expected::default().log_in(&mut vm)?;
        let left = vm.shell.run("ls -d /etc/ssh/ssh_host_* /var/log/nixvm 2>/dev/null || :")?;
        ensure!(left.is_empty(), "{name} has what the template had: {left}");
        ensure!(identifiers.insert(machine_id(&mut vm)?), "{name} is one of {identifiers:?}");
        vm.kill()?;
    }
    Ok(())
}

/// The identifier that a machine keeps.
fn machine_id(vm: &mut Vm) -> Result<String> {
    let id = vm.shell.run("cat /etc/machine-id")?;
    let is_on_disk = vm.shell.run("findmnt --noheadings /etc/machine-id || :")?.is_empty();
    ensure!(id.len() == 32 && is_on_disk, "the machine identifier is {id:?}");
    Ok(id)
}
