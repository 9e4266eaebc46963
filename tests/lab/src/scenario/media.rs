//! Media that fail: places of the target or the ISO with I/O errors, and an ISO that is ejected.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{Next, await_copy, boots, does_not_boot, next};
use crate::fixture::{DISK, Fixture, digest, unchanged};
use crate::guest_checks::ROOT_OFFSET;
use crate::vm::config::IoFault;
use crate::words::{event, outcome};

const NEVER_A_FALSE_END: &str =
    "fails, or never needed that place; reported as installed only if it boots";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("unwritable-table")
        .fault("the target can't be written at its first sector")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| target_fails(fixture, 0)),
    Scenario::new("unwritable-esp")
        .fault("the target can't be written at a place in the ESP")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| target_fails(fixture, 1 << 20)),
    Scenario::new("unwritable-inodes")
        .fault("the target can't be written at the start of the root file system")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| target_fails(fixture, ROOT_OFFSET + 4096)),
    Scenario::new("unwritable-data")
        .fault("the target can't be written at a place in the root file system")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| target_fails(fixture, ROOT_OFFSET + (140 << 20))),
    Scenario::new("unwritable-end")
        .fault("the target can't be written at its last sector")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| target_fails(fixture, DISK - 512)),
    Scenario::new("unreadable-disk")
        .fault("the target's first sector can't be read")
        .expected("not used, and the reason is shown")
        .run(unreadable_disk),
    Scenario::new("unreadable-iso-60")
        .fault("the ISO can't be read at 60 % of its length")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| iso_fails(fixture, 60)),
    Scenario::new("unreadable-iso-75")
        .fault("the ISO can't be read at 75 % of its length")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| iso_fails(fixture, 75)),
    Scenario::new("unreadable-iso-90")
        .fault("the ISO can't be read at 90 % of its length")
        .expected(NEVER_A_FALSE_END)
        .run(|fixture| iso_fails(fixture, 90)),
    Scenario::new("iso-ejected")
        .fault("the ISO is ejected during the copy")
        .expected("never finished unless it boots")
        .run(iso_ejected),
];

fn target_fails(fixture: &Fixture<'_>, at: u64) -> Result<()> {
    medium_fails(fixture, true, Some(IoFault { write: true, at }), None)
}

fn iso_fails(fixture: &Fixture<'_>, percent: u64) -> Result<()> {
    let at = fixture.iso.metadata()?.len() / 100 * percent;
    medium_fails(fixture, false, None, Some(IoFault { write: false, at }))
}

/// A machine with a broken medium: it may fail, and it may not need the broken place. What it must
/// not do is to say that it has finished when the disk does not boot.
fn medium_fails(
    fixture: &Fixture<'_>,
    same_machine: bool,
    target: Option<IoFault>,
    cd: Option<IoFault>,
) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.disks[0].fault = target;
    config.cd_fault = cd;
    let mut vm = fixture.start(&config, "install")?;
    let verdict = match next(&mut vm, if same_machine { 180 } else { 60 }) {
        Ok(Next::Verdict(verdict)) => verdict,
        Ok(Next::Installed) => return Ok(()),
        // A live system whose own files can't be read may not come as far as that.
        Err(_) if !same_machine => {
            vm.kill()?;
            config.cd_fault = None;
            return does_not_boot(fixture, &config);
        }
        Err(error) => return Err(error),
    };
    vm.screenshot(&fixture.folder.join("screens/verdict.png"))?;
    if verdict["outcome"] == outcome::INSTALLED {
        vm.wait_off(60)?;
        return boots(fixture, &config);
    }
    ensure!(verdict["outcome"] == outcome::FAILED, "unexpected end: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    ensure!(message.len() > 40, "the message says nothing: {message:?}");
    vm.kill()?;
    config.disks[0].fault = None;
    does_not_boot(fixture, &config)
}

fn unreadable_disk(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.disks[0].fault = Some(IoFault { write: false, at: 0 });
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "install")?;
    vm.event("the reason", 90, |event| {
        event["event"] == event::DISKS && event.to_string().contains("\"reason\":\"unreadable\"")
    })?;
    vm.screen("cannot read /dev/vda", &fixture.folder.join("screens/unreadable.png"))?;
    // The kernel has said more of it; not over the screen.
    vm.shell
        .run("dmesg | grep -q 'I/O error, dev vda' && ! grep -qa 'I/O error, dev' /dev/vcs1")?;
    ensure!(!vm.events.text().contains("\"event\":\"plan\""), "it is planned to use it");
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn iso_ejected(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_copy(&mut vm)?;
    vm.qmp.execute("eject", serde_json::json!({ "id": "cdrom", "force": true }))?;
    match next(&mut vm, 180) {
        Ok(Next::Verdict(verdict)) if verdict["outcome"] == outcome::INSTALLED => {
            vm.kill()?;
            boots(fixture, &config)
        }
        // Its own programs are gone: whether it can still say so is luck.
        _ => {
            vm.kill()?;
            does_not_boot(fixture, &config)
        }
    }
}
