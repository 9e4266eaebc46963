//! Disks with data on them, and disks that change or go before the first write; from then on: [`super::faults`].

use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{await_countdown, await_installed_and_off, boots, choose_install, plan_for};
use crate::fixture::{Fixture, digest, unchanged};
use crate::vm::Vm;
use crate::vm::config::IoFault;
use crate::words::{error, event, outcome, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("disk-with-data")
        .fault("the only disk has a file system; no input for a while, then its token is confirmed")
        .expected("not written to until then; a wrong token is refused; then installed")
        .daily()
        .run(disk_with_data),
    Scenario::new("rule-by-serial")
        .fault("two blank disks, and a rule that names one by its serial number")
        .expected("installs on that one; the other is not written to")
        .daily()
        .run(rule_by_serial),
    Scenario::new("earlier-install-attached")
        .fault("another disk carries an earlier install; the menu entry to install is chosen")
        .expected("refused with that disk's name; neither disk is written to")
        .run(earlier_install_attached),
    Scenario::new("changed-after-consent")
        .fault("a byte of the target changes between consent and the first write")
        .expected("fails before it writes anything")
        .daily()
        .run(changed_after_consent),
    Scenario::new("rule-and-unreadable-disk")
        .fault("the rule selects the larger disk, which can't be read; the other one holds data")
        .expected("waits and names it; installs on the other one once that is chosen and confirmed")
        .run(rule_and_unreadable_disk),
    Scenario::new("swapped-after-consent")
        .fault(
            "between consent and the first write, the target is pulled and another one plugged in",
        )
        .expected("fails; neither disk is written to")
        .run(swapped_after_consent),
];

fn disk_with_data(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run(
        "mkfs.ext4 -q -L photos /dev/vda && mkdir /run/photos && mount /dev/vda /run/photos && \
         echo precious > /run/photos/cat && umount /run/photos && sync",
    )?;
    let event = plan_for(&mut vm, "data")?;
    let before = digest(&config.disks[0].image)?;
    let erases = event["plan"]["target"]["erases"].to_string();
    ensure!(erases.contains("photos"), "what is on the disk is not named: {erases}");
    vm.screen("photos", &fixture.folder.join("screens/consent.png"))?;
    // Long enough for a countdown that must not run.
    vm.shell.run("sleep 15")?;
    unchanged(&config.disks[0], &before)?;
    let (status, said) = vm.call("Confirm sa{sv} 0123456789abcdef 0")?;
    ensure!(status != 0 && said.contains("token"), "a wrong token is taken: {said}");
    unchanged(&config.disks[0], &before)?;
    vm.confirm()?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

fn rule_by_serial(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 3\ndisk = 'serial=meant'")?);
    let mut other = fixture.disk("other")?;
    other.serial = Some("other".into());
    let mut target = fixture.disk("target")?;
    target.serial = Some("meant".into());
    let before = digest(&other.image)?;
    config.disks = vec![other.clone(), target.clone()];
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    unchanged(&other, &before)?;
    config.disks = vec![target];
    boots(fixture, &config)
}

fn earlier_install_attached(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let mut earlier = fixture.disk("earlier")?;
    earlier.serial = Some("earlier".into());
    config.disks = vec![earlier.clone()];
    let mut vm = fixture.start(&config, "earlier")?;
    await_installed_and_off(&mut vm)?;

    let mut blank = fixture.disk("blank")?;
    blank.serial = Some("blank".into());
    config.answers = Some(fixture.answers("countdown = 3\ndisk = 'serial=blank'")?);
    config.disks = vec![earlier.clone(), blank.clone()];
    config.cd_first = true;
    config.firmware = fixture.firmware("second")?;
    let before = [digest(&earlier.image)?, digest(&blank.image)?];
    let mut vm = fixture.start(&config, "second")?;
    choose_install(&mut vm)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::REFUSED, "it was not refused: {verdict}");
    ensure!(
        verdict["error"]["kind"] == error::LABEL_CONFLICT,
        "refused for another reason: {verdict}"
    );
    let message = verdict["error"]["message"].as_str().context("no message")?;
    ensure!(message.contains("/dev/vda"), "the other disk is not named: {message}");
    vm.screen("Detach /dev/vda", &fixture.folder.join("screens/label-clash.png"))?;
    vm.kill()?;
    unchanged(&earlier, &before[0])?;
    unchanged(&blank, &before[1])
}

fn changed_after_consent(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let mut vm = fixture.start(&config, "install")?;
    hold_before_first_write(&mut vm)?;
    vm.shell.run("printf x | dd of=/dev/vda bs=1 seek=2000000 conv=notrunc,fsync status=none")?;
    let before = digest(&config.disks[0].image)?;
    vm.shell.run("touch /run/go")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::FAILED, "it did not fail: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    for part in ["/dev/vda", "no longer the disk that was shown", "Nothing was written"] {
        ensure!(message.contains(part), "{part:?} is not in {message:?}");
    }
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn swapped_after_consent(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::WAITING_FOR_DISK, 90)?;
    let target = fixture.disk("target")?;
    let other = fixture.disk("other")?;
    let before = digest(&target.image)?;
    vm.plug(&target, 1)?;
    hold_before_first_write(&mut vm)?;
    vm.unplug(&target.id)?;
    vm.plug(&other, 2)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::FAILED, "it did not fail: {verdict}");
    ensure!(verdict["error"]["kind"] == error::DISK_REMOVED, "it failed otherwise: {verdict}");
    vm.shell.run("touch /run/go")?;
    // Whatever was going on has ended, and what it would have written is written.
    vm.shell.run("udevadm settle; sync")?;
    vm.kill()?;
    unchanged(&target, &before)?;
    unchanged(&other, &before)
}

fn rule_and_unreadable_disk(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let answers = "countdown = 3\ndisk = 'largest'\nerase = 'any'";
    config.answers = Some(fixture.answers(answers)?);
    let other = fixture.disk("other")?;
    let volume = fixture.folder.join("photos.raw");
    fixture.lab.volume(&volume, "PHOTOS", "cat", "precious")?;
    let image = std::fs::OpenOptions::new().write(true).open(&other.image)?;
    image.write_all_at(&std::fs::read(&volume)?, 0).context("the other disk can't be written")?;
    let mut meant = fixture.disk_of("meant", 4 << 30)?;
    meant.fault = Some(IoFault { write: false, at: 0 });
    let before = digest(&other.image)?;
    config.disks = vec![other.clone(), meant];
    let mut vm = fixture.start(&config, "install")?;
    vm.event("the wait", 120, |event| {
        event["event"] == event::STATE
            && event["to"] == state::WAITING_FOR_DISK
            && event["message"].as_str().is_some_and(|text| text.contains("/dev/vdb"))
    })?;
    vm.screen("Waiting for /dev/vdb", &fixture.folder.join("screens/waiting.png"))?;
    // Longer than the pause before it is read again.
    vm.shell.run("sleep 40")?;
    unchanged(&other, &before)?;
    ensure!(!vm.events.text().contains("\"event\":\"plan\""), "another disk is planned for");
    vm.shell.run("nixvm-agent select vda")?;
    vm.shell
        .run("nixvm-agent plan --json | jq --exit-status '.plan.target.condition == \"data\"'")?;
    unchanged(&other, &before)?;
    vm.confirm()?;
    await_installed_and_off(&mut vm)?;
    config.disks.pop();
    boots(fixture, &config)
}

/// Confirms the plan that is counted down, and holds the installer after its first look at the disk
/// and before its first write: until `/run/go` is there.
fn hold_before_first_write(vm: &mut Vm) -> Result<()> {
    plan_for(vm, "blank")?;
    vm.shell.run(
        "mkdir -p /usr/local/bin && printf '%s\\n' '#!/bin/sh' 'touch /run/held' \
         'until [ -e /run/go ]; do sleep 0.1; done' 'exec /usr/bin/lsblk \"$@\"' \
         > /usr/local/bin/lsblk && chmod 755 /usr/local/bin/lsblk",
    )?;
    vm.confirm()?;
    vm.shell.run("until [ -e /run/held ]; do sleep 0.1; done")?;
    Ok(())
}
