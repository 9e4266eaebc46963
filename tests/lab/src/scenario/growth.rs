//! An installed disk that is made larger → a root that is, too, and still an installed disk.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Scenario;
use super::steps::{await_installed_and_off, boots_as, choose_install};
use crate::fixture::Fixture;
use crate::guest_checks::{Expected, ROOT_OFFSET};
use crate::vm::Vm;
use crate::vm::config::Config;
use crate::words::outcome;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("larger-disk-after-install")
    .fault("the disk is made larger while the installed system runs, and again while it is off")
    .expected("the root grows both times, and the installer says that the disk is installed")
    .run(larger_disk_after_install)];

/// Sizes that the disk gets, in bytes.
const WHILE_RUNNING: u64 = 20 << 30;
const WHILE_OFF: u64 = 24 << 30;

fn larger_disk_after_install(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;

    let disk = &config.disks[0];
    let mut vm = boots_as(fixture, &config, &Expected::default())?;
    let result = vm.shell.run("systemctl show --value --property=Result systemd-repart.service")?;
    ensure!(result == "exec-condition", "the partition table of a disk as before: {result}");
    let node = format!("{}-node", disk.id);
    vm.qmp.execute("block_resize", json!({ "node-name": node, "size": WHILE_RUNNING }))?;
    await_root(&mut vm, WHILE_RUNNING)?;
    power_off(vm)?;

    let image = File::options().write(true).open(&disk.image);
    image
        .and_then(|image| image.set_len(WHILE_OFF))
        .with_context(|| format!("cannot make {} larger", disk.image.display()))?;
    let mut vm = boots_as(fixture, &config, &Expected::default())?;
    await_root(&mut vm, WHILE_OFF)?;
    power_off(vm)?;

    let config = Config { cd_first: true, firmware: fixture.firmware("again")?, ..config };
    let mut vm = fixture.start(&config, "again")?;
    choose_install(&mut vm)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::ALREADY_INSTALLED, "unexpected end: {verdict}");
    vm.wait_off(60)
}

/// Waits until the root file system is nearly as large as the disk, and looks at the partition table.
fn await_root(vm: &mut Vm, disk: u64) -> Result<()> {
    // The ESP, and what ext4 needs for itself.
    let least = disk - disk / 20 - ROOT_OFFSET;
    vm.shell
        .run(&format!(
            "for try in $(seq 150); do \
             size=$(findmnt --bytes --noheadings --output SIZE /); \
             [ $size -ge {least} ] && break; sleep 0.2; \
             done; [ $size -ge {least} ] || {{ lsblk --bytes; journalctl --boot --no-pager \
             --unit systemd-repart --unit systemd-growfs-root; false; }}"
        ))
        .context("the root has not grown")?;
    let said = vm.shell.run("sgdisk --verify /dev/vda")?;
    ensure!(said.contains("No problems found"), "the partition table: {said}");
    Ok(())
}

fn power_off(mut vm: Vm) -> Result<()> {
    vm.shell.run("systemctl --no-block poweroff")?;
    vm.wait_off(60)
}
