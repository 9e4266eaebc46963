//! A user who reaches the live system from another machine.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::await_countdown;
use crate::fixture::Fixture;
use crate::words::state;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("live-login")
    .fault("answers with an SSH key for the live system; then answers without")
    .expected("that key alone logs in as root, and stops the countdown; then none does")
    .daily()
    .run(live_login)];

/// A command on the live system by SSH, from itself, with a key.
fn by_ssh(key: &str, command: &str) -> String {
    format!(
        "until (: < /dev/tcp/127.0.0.1/22) 2> /dev/null; do sleep 0.2; done; \
         ssh -i /root/{key} -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
         root@127.0.0.1 nixvm-agent {command}"
    )
}

fn live_login(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    let key = fixture.folder.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"])
        .arg(&key)
        .status()
        .context("cannot start ssh-keygen")?;
    ensure!(made.success(), "ssh-keygen failed");
    let public = fs::read_to_string(key.with_extension("pub"))?;
    let without = "countdown = 3600";
    let with = format!("{without}\nlive-ssh-authorized-keys = [\"{}\"]", public.trim());
    config.answers = Some(fixture.answers(&with)?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    let shell = &mut vm.shell;
    let private = fs::read_to_string(&key)?;
    shell.run(&format!("(umask 077; printf %s '{private}' > /root/key)"))?;
    shell.run("ssh-keygen -q -t ed25519 -N '' -f /root/other")?;
    shell.run("until busctl --quiet status org.nixvm.Installer1; do sleep 0.2; done")?;

    let status = shell.run(&by_ssh("key", "status --json"))?;
    ensure!(status.contains("countdown"), "by SSH, the status is {status}");
    let (code, said) = shell.try_run(&by_ssh("other", "cancel"))?;
    ensure!(code != 0 && said.contains("Permission denied"), "another key: {code}, {said}");

    shell.run(&by_ssh("key", "cancel"))?;
    vm.state(state::AWAITING_CONFIRMATION, 60)?;

    let shell = &mut vm.shell;
    // An answer of a higher source takes the keys away.
    shell.run("echo 'live-ssh-authorized-keys = []' | nixvm-agent set-answers -")?;
    shell.run("while grep -q ssh-ed25519 /root/.ssh/authorized_keys; do sleep 0.2; done")?;
    let (code, said) = shell.try_run(&by_ssh("key", "status"))?;
    ensure!(code != 0 && said.contains("Permission denied"), "a key taken away: {code}, {said}");
    Ok(())
}
