//! A host whose root is in LUKS → installed with its passphrase, and unlocked by it.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::layouts::machine;
use super::secrets::{are_nowhere, look_at_processes};
use super::steps::{await_countdown, await_installed};
use crate::build::layouts::LUKS_EXT4;
use crate::fixture::Fixture;
use crate::guest_checks::{Expected, Mounts};
use crate::vm::Vm;
use crate::vm::config::Config;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("luks-ext4-unattended")
    .fault("the host has its root on ext4 in LUKS; the passphrase is in a system credential")
    .expected(
        "installs by itself; the passphrase is in no process, journal, log or event; boots with it, and not with \
         another one",
    )
    .run(unattended)];

const PASSPHRASE: &str = "correct horse battery";

/// udev knows no label of a mapping that was made before it ran.
const MOUNTS: Mounts = &[("/", "ext4"), ("/boot", "vfat boot disk-main-ESP")];

fn unattended(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = with_credential(fixture)?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    look_at_processes(&mut vm)?;
    await_installed(&mut vm)?;
    are_nowhere(&mut vm, &[PASSPHRASE])?;
    vm.shell.run("! ls /run/nixvm/passphrase* /dev/mapper/crypt 2>/dev/null")?;
    vm.kill()?;
    boots(fixture, &config, &["incorrect horse", PASSPHRASE])?.kill()
}

/// A machine that is given the passphrase.
fn with_credential(fixture: &Fixture<'_>) -> Result<Config> {
    let mut config = machine(fixture, &LUKS_EXT4)?;
    let credential = format!("type=11,value=io.systemd.credential:nixvm.passphrase={PASSPHRASE}");
    config.extra.extend(["-smbios".to_owned(), credential]);
    Ok(config)
}

/// Boots the installed disk with these passphrases, typed one after the other: the last one is right.
fn boots(fixture: &Fixture<'_>, config: &Config, passphrases: &[&str]) -> Result<Vm> {
    let config = Config { cd: None, answers: None, ..config.clone() };
    let mut vm = fixture.start(&config, "boot")?;
    for (count, passphrase) in passphrases.iter().enumerate() {
        if count > 0 {
            let patience = vm.accelerator.time(60);
            vm.serial.expect("No key available with this passphrase", patience)?;
        }
        let prompt = vm.serial.expect("Passphrase for /dev/vda2: ", vm.accelerator.time(120));
        prompt.context("the system does not ask for the passphrase")?;
        vm.serial.send(&format!("{passphrase}\n"))?;
    }
    let expected = Expected { mounts: MOUNTS, ..Expected::default() };
    expected.log_in(&mut vm)?;
    expected.check(&mut vm)?;
    let status = vm.shell.run("cryptsetup status crypt")?;
    for line in ["LUKS2", "/dev/vda2"] {
        ensure!(status.contains(line), "the root's mapping is {status}");
    }
    let below = vm.shell.run("lsblk -no KNAME,TYPE /dev/vda2 | xargs")?;
    ensure!(below.ends_with("crypt"), "/dev/vda2 has {below}");
    Ok(vm)
}
