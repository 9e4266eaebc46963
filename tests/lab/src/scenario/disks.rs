//! Disks that somebody would miss, and disks that change under the installer's hands.

use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::install::{boots, finished};
use super::{BOTH, Scenario};
use crate::bench::{Bench, digest, unchanged};
use crate::vm::Vm;
use crate::vm::config::Fault;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "disk-with-data",
        fault: "the only disk has a file system; nobody says anything, then its token is confirmed",
        expected: "not written to until then; a wrong token is refused; then installed",
        archs: BOTH,
        daily: true,
        run: disk_with_data,
    },
    Scenario {
        name: "rule-by-serial",
        fault: "two blank disks, and a rule that names one by its serial number",
        expected: "installs on that one; the other is not written to",
        archs: BOTH,
        daily: true,
        run: rule_by_serial,
    },
    Scenario {
        name: "earlier-install-attached",
        fault: "another disk carries an earlier install; the menu entry to install is chosen",
        expected: "refused with that disk's name; neither disk is written to",
        archs: BOTH,
        daily: false,
        run: earlier_install_attached,
    },
    Scenario {
        name: "changed-after-consent",
        fault: "a byte of the target changes between consent and the first write",
        expected: "fails before it writes anything",
        archs: BOTH,
        daily: true,
        run: changed_after_consent,
    },
    Scenario {
        name: "rule-and-unreadable-disk",
        fault: "the rule selects the larger disk, which can't be read; the other one holds data",
        expected: "waits and names it; installs on the other one once that is chosen and confirmed",
        archs: BOTH,
        daily: false,
        run: rule_and_unreadable_disk,
    },
    Scenario {
        name: "swapped-after-consent",
        fault: "between consent and the first write, the target is pulled and another one plugged in",
        expected: "fails; neither disk is written to",
        archs: BOTH,
        daily: false,
        run: swapped_after_consent,
    },
];

fn disk_with_data(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 600")?);
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    vm.event("countdown", 90, |event| event["event"] == "countdown")?;
    vm.shell.run(
        "mkfs.ext4 -q -L photos /dev/vda && mkdir /run/photos && mount /dev/vda /run/photos && \
         echo precious > /run/photos/cat && umount /run/photos && sync",
    )?;
    let event = plan_for(&mut vm, "data")?;
    let before = digest(&config.disks[0].image)?;
    let erases = event["plan"]["target"]["erases"].to_string();
    ensure!(erases.contains("photos"), "what is on the disk is not named: {erases}");
    vm.screen("photos", &bench.folder.join("screens/confirmation.png"))?;
    // Time is what this is about: nobody is there to say anything.
    vm.shell.run("sleep 15")?;
    unchanged(&config.disks[0], &before)?;
    let (status, said) = vm.steer("Confirm s 0123456789abcdef")?;
    ensure!(status != 0 && said.contains("token"), "a wrong token is taken: {said}");
    unchanged(&config.disks[0], &before)?;
    vm.confirm()?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn rule_by_serial(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 3\ndisk = 'serial=meant'")?);
    let mut other = bench.disk("other")?;
    other.serial = Some("other".into());
    let mut target = bench.disk("target")?;
    target.serial = Some("meant".into());
    let before = digest(&other.image)?;
    config.disks = vec![other.clone(), target.clone()];
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    unchanged(&other, &before)?;
    config.disks = vec![target];
    boots(bench, &config)
}

fn earlier_install_attached(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    let mut earlier = bench.disk("earlier")?;
    earlier.serial = Some("earlier".into());
    config.disks = vec![earlier.clone()];
    let mut vm = bench.start(&config, "earlier")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;

    let mut blank = bench.disk("blank")?;
    blank.serial = Some("blank".into());
    config.answers = Some(bench.answers("countdown = 3\ndisk = 'serial=blank'")?);
    config.disks = vec![earlier.clone(), blank.clone()];
    config.cd_first = true;
    config.firmware = bench.firmware("second")?;
    let before = [digest(&earlier.image)?, digest(&blank.image)?];
    let mut vm = bench.start(&config, "second")?;
    choose_install(&mut vm)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == "refused", "it was not refused: {verdict}");
    ensure!(verdict["error"]["kind"] == "label-clash", "refused for another reason: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    ensure!(message.contains("/dev/vda"), "the other disk is not named: {message}");
    vm.screen("Detach /dev/vda", &bench.folder.join("screens/label-clash.png"))?;
    vm.kill()?;
    unchanged(&earlier, &before[0])?;
    unchanged(&blank, &before[1])
}

fn changed_after_consent(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 600")?);
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    hold_before_first_write(&mut vm)?;
    vm.shell.run("printf x | dd of=/dev/vda bs=1 seek=2000000 conv=notrunc,fsync status=none")?;
    let before = digest(&config.disks[0].image)?;
    vm.shell.run("touch /run/go")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == "failed", "it did not fail: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    for part in ["/dev/vda", "no longer the disk that was shown", "Nothing was written"] {
        ensure!(message.contains(part), "{part:?} is not in {message:?}");
    }
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn swapped_after_consent(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 600")?);
    let mut vm = bench.start(&config, "install")?;
    vm.state("waiting-for-disk", 90)?;
    let target = bench.disk("target")?;
    let other = bench.disk("other")?;
    let before = digest(&target.image)?;
    vm.plug(&target, 1)?;
    hold_before_first_write(&mut vm)?;
    vm.unplug(&target.id)?;
    vm.plug(&other, 2)?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == "failed", "it did not fail: {verdict}");
    ensure!(verdict["error"]["kind"] == "disk-gone", "it failed otherwise: {verdict}");
    vm.shell.run("touch /run/go")?;
    // Whatever was going on has ended, and what it would have written is written.
    vm.shell.run("udevadm settle; sync")?;
    vm.kill()?;
    unchanged(&target, &before)?;
    unchanged(&other, &before)
}

fn rule_and_unreadable_disk(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    let answers = "countdown = 3\ndisk = 'largest'\nerase = 'any'";
    config.answers = Some(bench.answers(answers)?);
    let other = bench.disk("other")?;
    let volume = bench.folder.join("photos.raw");
    bench.lab.volume(&volume, "PHOTOS", "cat", "precious")?;
    let image = std::fs::OpenOptions::new().write(true).open(&other.image)?;
    image.write_all_at(&std::fs::read(&volume)?, 0).context("the other disk can't be written")?;
    let mut meant = bench.disk_of("meant", 4 << 30)?;
    meant.fault = Some(Fault { write: false, at: 0 });
    let before = digest(&other.image)?;
    config.disks = vec![other.clone(), meant];
    let mut vm = bench.start(&config, "install")?;
    vm.event("the wait", 120, |event| {
        event["event"] == "state"
            && event["to"] == "waiting-for-disk"
            && event["message"].as_str().is_some_and(|text| text.contains("/dev/vdb"))
    })?;
    vm.screen("Waiting for /dev/vdb", &bench.folder.join("screens/waiting.png"))?;
    // Time is what this is about: longer than the pause before it is read again.
    vm.shell.run("sleep 40")?;
    unchanged(&other, &before)?;
    ensure!(!vm.events.text().contains("\"event\":\"plan\""), "another disk is planned for");
    vm.shell.run("nixvm-agent select vda")?;
    vm.shell
        .run("nixvm-agent plan --json | jq --exit-status '.plan.target.condition == \"data\"'")?;
    unchanged(&other, &before)?;
    vm.confirm()?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    config.disks.pop();
    boots(bench, &config)
}

/// Waits for the plan for a disk in this condition.
pub(super) fn plan_for(vm: &mut Vm, condition: &str) -> Result<Value> {
    vm.event(&format!("the plan for a disk with {condition}"), 90, |event| {
        event["event"] == "plan" && event["plan"]["target"]["condition"] == condition
    })
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

/// Chooses the boot menu's second entry, where the first one is the installed system.
pub(super) fn choose_install(vm: &mut Vm) -> Result<()> {
    let shown = vm.accelerator.time(20);
    vm.serial.expect("Start the installed system", shown).context("no boot menu")?;
    vm.qmp.press(&["down", "ret"])
}
