//! Passwords → where they are, and where they are not.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{await_countdown, await_installed};
use crate::fixture::Fixture;
use crate::guest_checks::PASSWORD_HASH;
use crate::vm::Vm;
use crate::vm::config::Config;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("secrets-stay-secret")
        .fault(
            "answers with a password's hash, and a script with a secret in it; processes, journal, log \
             and events are searched",
        )
        .expected("both are in none of them, nor in the log on the target")
        .daily()
        .run(secrets_stay_secret),
    Scenario::new("password-generated")
        .fault("answers without a password, and none is typed")
        .expected(
            "one is shown on the screen and nowhere else, and the first login has to change it",
        )
        .daily()
        .run(password_generated),
];

/// Everything in the live system that is written down while it installs.
const WRITTEN: &str = "journalctl --boot --no-pager --output=export; cat /run/nixvm/*.log; \
    cat /run/nixvm/*.json 2>/dev/null; dmesg";

/// What the script for the first boot has in it.
const IN_SCRIPT: &str = "s3cret-in-the-script";

fn secrets_stay_secret(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    let script = format!("[first-boot]\nscript = \"#!/bin/sh\\n: {IN_SCRIPT}\"");
    config.answers = Some(fixture.answers(&format!("countdown = 3\nfinish = 'wait'\n{script}"))?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    look_at_processes(&mut vm)?;
    await_installed(&mut vm)?;
    // What tells this hash from others.
    let hash = PASSWORD_HASH.rsplit('$').next().context("the hash has parts")?;
    are_nowhere(&mut vm, &[hash, IN_SCRIPT])?;
    vm.kill()?;

    let mut vm = fixture.start(&Config { cd: None, answers: None, ..config }, "boot")?;
    vm.serial.expect("nixvm login: ", vm.accelerator.time(60))?;
    vm.shell.run("while ls /var/lib/nixvm/first-boot* > /dev/null 2>&1; do sleep 0.2; done")?;
    for secret in [hash, IN_SCRIPT] {
        let (_, files) =
            vm.shell.try_run(&format!("grep -rlF '{secret}' /var /boot /etc/nixos"))?;
        ensure!(files.is_empty(), "{secret} is in {files}");
    }
    vm.shell.run(&format!("grep -qF '{hash}' /etc/shadow"))?;
    vm.kill()
}

/// Begins to write down all command lines and environments of all processes, again and again.
pub(super) fn look_at_processes(vm: &mut Vm) -> Result<()> {
    vm.shell.run(
        "(while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done \
          > /dev/shm/seen) & echo $! > /run/looking",
    )?;
    Ok(())
}

/// Insists that none of these was in a process since [`look_at_processes`], or is in anything that the live
/// system has written down.
pub(super) fn are_nowhere(vm: &mut Vm, secrets: &[&str]) -> Result<()> {
    vm.shell.run("kill $(cat /run/looking)")?;
    let looked = vm.shell.run("tr '\\0' '\\n' < /dev/shm/seen | grep -c nixos-enter")?;
    ensure!(looked != "0", "the processes were not looked at");
    for secret in secrets {
        for (what, command) in
            [("processes", "cat /dev/shm/seen".to_owned()), ("journal and log", WRITTEN.to_owned())]
        {
            let (_, count) = vm.shell.try_run(&format!("({command}) | grep -acF '{secret}'"))?;
            ensure!(count == "0", "{secret} is in the {what}, {count} times");
        }
        ensure!(!vm.events.text().contains(secret), "{secret} is in the events");
    }
    Ok(())
}

fn password_generated(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers_without_password("countdown = 3\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_installed(&mut vm)?;
    let password = shown_password(&mut vm)?;
    vm.screenshot(&fixture.folder.join("screens/password.png"))?;
    for (what, command) in [("journal and log", WRITTEN), ("serial console", "cat /dev/vcs2")] {
        let (_, count) = vm.shell.try_run(&format!("({command}) | grep -acF '{password}'"))?;
        ensure!(count == "0", "the password is in the {what}, {count} times");
    }
    ensure!(!vm.events.text().contains(&password), "the password is in the events");
    ensure!(!vm.serial.text().contains(&password), "the password is on the serial console");
    vm.kill()?;
    has_to_be_changed(fixture, &config, &password)
}

/// Boots the installed disk and logs in with a generated password, which has to be changed then.
pub(super) fn has_to_be_changed(
    fixture: &Fixture<'_>,
    config: &Config,
    password: &str,
) -> Result<()> {
    let alone = Config { cd: None, answers: None, ..config.clone() };
    let mut vm = fixture.start(&alone, "boot")?;
    vm.serial.expect("nixvm login: ", vm.accelerator.time(60))?;
    vm.serial.send("ht\n")?;
    vm.serial.expect("Password: ", vm.accelerator.time(20))?;
    vm.serial.send(&format!("{password}\n"))?;
    let asked = ["required to change your password", "$ ", "incorrect"];
    let which = vm.serial.expect_any(&asked, vm.accelerator.time(20))?;
    ensure!(which == 0, "the login says {:?} first", asked[which]);
    vm.kill()
}

/// Reads the generated password off the screen: four groups of four letters.
pub(super) fn shown_password(vm: &mut Vm) -> Result<String> {
    let find = "grep -aoE '\\b[a-z]{4}-[a-z]{4}-[a-z]{4}-[a-z]{4}\\b' /dev/vcs1 | head -n 1";
    // The screen is drawn a moment after the event.
    let found = vm.shell.run(&format!(
        "for try in $(seq 100); do found=$({find}); [ -n \"$found\" ] && break; sleep 0.1; done; \
         echo $found"
    ))?;
    ensure!(!found.is_empty(), "no password is on the screen");
    Ok(found)
}
