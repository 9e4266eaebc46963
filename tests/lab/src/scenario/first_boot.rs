//! A script in the answers → what the installed system does with it, once.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::clones::add_generalize;
use super::steps::{await_countdown, await_installed_and_off};
use crate::fixture::{Fixture, copy};
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("first-boot")
    .fault(
        "answers with a script; on copies of the installed disk it ends well, fails, or the power is cut \
         while it runs",
    )
    .expected(
        "it runs once, with the network, and prints to the journal; a login says that it runs, failed or \
         was interrupted, and nothing once it has ended well",
    )
    .run(first_boot)];

/// Ends with the status that the lab writes to /run/status.
const SCRIPT: &str = "[first-boot]
script = '''
#!/bin/sh
echo run >> $HOME/runs
echo \"$(whoami) runs this; $(systemctl is-active network-online.target) is the network\"
until [ -s /run/status ]; do sleep 0.2; done
exit $(cat /run/status)
'''
";

const FAILED: &str = "The first-boot script failed or was interrupted";
const RUNNING: &str = "The first-boot script is running";

fn first_boot(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers =
        Some(fixture.answers(&format!("countdown = 3\nfinish = 'poweroff'\n{SCRIPT}"))?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    await_installed_and_off(&mut vm)?;
    ensure!(!vm.events.text().contains("/run/status"), "the script is in the events");

    let well = on_copy(fixture, &config, "well")?;
    let mut vm = log_in(fixture, &well, "well-1")?;
    ensure!(vm.serial.text().contains(RUNNING), "the login does not say that the script runs");
    let mode = vm.shell.run("stat -c '%a %U' /var/lib/nixvm/first-boot.started")?;
    ensure!(mode == "700 root", "the script is {mode}");
    let generalize = add_generalize(&mut vm)?;
    let refusal = vm.shell.run(&format!("! {generalize} 2>&1"))?;
    ensure!(refusal.contains("the first-boot script is running"), "a template of it: {refusal}");
    vm.shell.run(
        "echo 0 > /run/status; while [ -e /var/lib/nixvm/first-boot.started ]; do sleep 0.2; done",
    )?;
    let said = journal(&mut vm)?;
    ensure!(said.contains("root runs this; active is the network"), "the journal says {said:?}");
    Expected::default().check(&mut vm)?;
    vm.shell.run("sync")?;
    vm.kill()?;
    let mut vm = log_in(fixture, &well, "well-2")?;
    says_nothing(&vm)?;
    has_run_once(&mut vm)?;
    vm.kill()?;

    let failing = on_copy(fixture, &config, "failing")?;
    let mut vm = log_in(fixture, &failing, "failing-1")?;
    vm.shell.run(
        "echo 3 > /run/status; until systemctl is-failed --quiet nixvm-first-boot; do sleep 0.2; done; sync",
    )?;
    vm.kill()?;
    let mut vm = log_in(fixture, &failing, "failing-2")?;
    ensure!(vm.serial.text().contains(FAILED), "the login does not say that the script failed");
    has_run_once(&mut vm)?;
    vm.kill()?;

    let vm = log_in(fixture, &config, "interrupted-1")?;
    // The lab's disk keeps what the guest's kernel has handed over, and no more.
    vm.kill()?;
    let mut vm = log_in(fixture, &config, "interrupted-2")?;
    ensure!(
        vm.serial.text().contains(FAILED),
        "the login does not say that the script was cut off"
    );
    ensure!(!vm.serial.text().contains(RUNNING), "the script runs again");
    vm.shell.run("rm /var/lib/nixvm/first-boot.started && sync")?;
    vm.kill()?;
    let vm = log_in(fixture, &config, "interrupted-3")?;
    says_nothing(&vm)?;
    vm.kill()
}

/// The machine with a copy of its disk as it is now.
fn on_copy(fixture: &Fixture<'_>, config: &Config, name: &str) -> Result<Config> {
    let mut disk = config.disks[0].clone();
    disk.image = fixture.folder.join(format!("{name}.raw"));
    copy(&config.disks[0].image, &disk.image)?;
    let firmware = fixture.firmware(name)?;
    Ok(Config { disks: vec![disk], firmware, ..config.clone() })
}

/// Boots the disk, waits until the script has begun or is not there, and logs in.
fn log_in(fixture: &Fixture<'_>, config: &Config, name: &str) -> Result<Vm> {
    let config = Config { cd: None, answers: None, ..config.clone() };
    let mut vm = fixture.start(&config, name)?;
    vm.shell.run("while [ -e /var/lib/nixvm/first-boot ]; do sleep 0.2; done")?;
    Expected::default().log_in(&mut vm).with_context(|| format!("at the start {name}"))?;
    Ok(vm)
}

fn says_nothing(vm: &Vm) -> Result<()> {
    let said = vm.serial.text();
    ensure!(!said.contains("first-boot script"), "the login still tells of the script: {said}");
    Ok(())
}

fn has_run_once(vm: &mut Vm) -> Result<()> {
    let runs = vm.shell.run("cat /root/runs")?;
    ensure!(runs == "run", "the script's runs are {runs:?}");
    Ok(())
}

/// What the script has printed since this start.
fn journal(vm: &mut Vm) -> Result<String> {
    vm.shell.run("journalctl --boot --unit nixvm-first-boot --output cat")
}
