//! A live system that has no medium, or one that can't be seen → an installed disk that boots.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{
    await_copy, await_installed, await_installed_and_off, boots, hold_configuration,
    release_configuration,
};
use crate::build::Arch;
use crate::fixture::{DISK, Fixture, digest, unchanged};
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;
use crate::words::{event, key, outcome, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("netboot")
        .fault(
            "no ISO: iPXE in the network adapter loads kernel and initrd by TFTP, which the firmware \
             tries first at every start",
        )
        .expected(
            "installed from the image in the initrd, and the restart boots the disk; a later start finds \
             it installed, and boots it",
        )
        // The ROM in QEMU's adapters is for x86.
        .only_on(Arch::X86_64)
        .run(netboot),
    Scenario::new("iso-in-memory")
        .fault("the ISO is copied to memory, and is ejected before the copy to the disk begins")
        .expected("installed, and boots")
        .run(iso_in_memory),
    Scenario::new("iso-as-a-file")
        .fault(
            "the ISO is a file on a larger disk that was mounted in the initrd; erase = \"any\" and the \
             rule `largest`",
        )
        .expected("waits for that disk, which is in use, and does not write to it")
        .run(iso_as_a_file),
];

fn netboot(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.cd = None;
    config.netboot = Some(fixture.lab.netboot(fixture.arch)?);
    config.restart = true;
    let mut vm = fixture.start(&config, "install")?;
    await_image_in_memory(&mut vm)?;
    await_installed(&mut vm)?;
    copied_by_the_agent(&vm)?;
    Expected::default().log_in(&mut vm)?;
    // The installer, booted again, would have started the disk after a while.
    let starts = vm.events.text().matches(&format!("\"{}\"", event::AGENT_STARTED)).count();
    ensure!(starts == 1, "the installer was started {starts} times");
    vm.kill()?;

    let mut vm = fixture.start(&config, "later")?;
    let verdict = vm.verdict(300)?;
    ensure!(verdict["outcome"] == outcome::ALREADY_INSTALLED, "unexpected end: {verdict}");
    let expected = Expected::default();
    expected.log_in(&mut vm)?;
    expected.check(&mut vm)?;
    vm.kill()
}

fn iso_in_memory(fixture: &Fixture<'_>) -> Result<()> {
    let config = Config {
        kernel: Some(fixture.lab.kernel(fixture.arch, "copytoram")?),
        ..fixture.machine_with_disk()?
    };
    let mut vm = fixture.start(&config, "install")?;
    await_image_in_memory(&mut vm)?;
    hold_configuration(&mut vm)?;
    vm.qmp.execute("eject", serde_json::json!({ "id": "cdrom", "force": true }))?;
    vm.shell.run("! dd if=/dev/sr0 of=/dev/null bs=4096 count=1 iflag=direct")?;
    let events = vm.events.text();
    ensure!(!events.contains("\"step\":\"system\""), "the copy began before the medium was gone");
    release_configuration(&mut vm)?;
    await_copy(&mut vm)?;
    await_installed_and_off(&mut vm)?;
    copied_by_the_agent(&vm)?;
    boots(fixture, &Config { kernel: None, ..config })
}

fn iso_as_a_file(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    let isos = fixture.disk_of("isos", DISK * 2)?;
    let folder = fixture.iso.parent().context("the ISO is in a folder")?;
    fixture.lab.ext4(&isos.image, "ISOS", folder)?;
    let name = fixture.iso.file_name().context("the ISO has a name")?.to_string_lossy();
    config.kernel = Some(fixture.lab.kernel(fixture.arch, &format!("findiso={name}"))?);
    config.cd = None;
    config.disks.push(isos);
    config.answers = Some(fixture.answers("countdown = 3\nerase = 'any'\ndisk = 'largest'")?);
    let before = digest(&config.disks[1].image)?;
    let mut vm = fixture.start(&config, "install")?;
    // The rule means that disk, which may be free in a moment as far as the installer knows.
    vm.event("the wait for the disk in use", 300, |event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["event"] == event::STATE
            && event["to"] == state::WAITING_FOR_DISK
            && message.contains("/dev/vdb, which is not usable: in use")
    })?;
    vm.kill()?;
    unchanged(&config.disks[1], &before)
}

/// Waits for the facts of the machine, which have to say how much of its memory the image takes.
fn await_image_in_memory(vm: &mut Vm) -> Result<()> {
    let machine = vm.event("the machine", 300, |event| event["event"] == event::MACHINE)?;
    let bytes = machine[key::IMAGE_IN_MEMORY_BYTES].as_u64();
    ensure!(bytes.is_some_and(|bytes| bytes > 10 << 20), "no image is in memory: {machine}");
    Ok(())
}

/// The image was found: otherwise Nix would have copied the system, with a warning.
fn copied_by_the_agent(vm: &Vm) -> Result<()> {
    let events = vm.events.text();
    ensure!(!events.contains("Nix itself copies"), "Nix copied the system");
    ensure!(events.contains(&format!("\"{}\"", event::PROGRESS)), "no progress was shown");
    Ok(())
}
