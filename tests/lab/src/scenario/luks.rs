//! A host whose root is in LUKS → asked for a passphrase, installed, and unlocked by it.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::layouts::{has_subvolumes, machine};
use super::secrets::{are_nowhere, look_at_processes};
use super::steps::{
    await_copy, await_countdown, await_installed, await_installed_and_off, call, plan_for,
};
use crate::build::layouts::{LUKS_BTRFS, LUKS_EXT4, Layout};
use crate::console::Console;
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::{Expected, Mounts};
use crate::vm::Vm;
use crate::vm::config::Config;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("luks-ext4")
        .fault(
            "the host has its root on ext4 in LUKS, and no passphrase is given; a mapping has the name that it is to \
             have; a passphrase is typed on the screen, with a mistake first",
        )
        .expected(
            "refuses until the passphrase is typed twice, then until the other mapping is closed, and has written \
             nothing; installs; the passphrase is in no process, journal, log or event; boots with it, and not with \
             another one",
        )
        .run(luks_ext4),
    Scenario::new("luks-ext4-unattended")
        .fault("the same host with the passphrase in a system credential")
        .expected(
            "installs by itself; the passphrase is in no process, journal, log or event; boots with it, and not with \
             another one",
        )
        .run(unattended),
    Scenario::new("luks-ext4-power-cut")
        .fault(
            "the same host with the passphrase in a system credential; the agent is killed in the step system, and \
             then the power is cut there",
        )
        .expected(
            "unattended; the agent that follows has closed the mapping, and the next start asks, since LUKS does not \
             tell whether it was used; boots with the passphrase",
        )
        .run(power_cut),
    Scenario::new("luks-btrfs")
        .fault(
            "the host has btrfs with subvolumes in LUKS, and a swap file in one; the passphrase is in a system \
             credential",
        )
        .expected("installs by itself, and boots with the passphrase, all subvolumes and the swap")
        .run(luks_btrfs),
];

const PASSPHRASE: &str = "correct horse battery";

/// The root is looked at for itself: udev may know no label of a mapping that was made before it ran.
const MOUNTS: Mounts = &[("/boot", "vfat boot disk-main-ESP")];

fn luks_ext4(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = machine(fixture, &LUKS_EXT4)?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "install")?;
    let verdict = vm.verdict(180)?;
    ensure!(verdict["error"]["kind"] == "no-passphrase", "the verdict is {verdict}");
    vm.shell.run(
        "truncate --size=8M /run/other && losetup /dev/loop7 /run/other && \
         dmsetup create crypt --table '0 16384 linear /dev/loop7 0'",
    )?;
    type_passphrase(&mut Console::new(&mut vm, &fixture.folder))?;

    let verdict = vm.verdict(180)?;
    let message = verdict["error"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains("/dev/mapper/crypt is there already"), "the verdict is {verdict}");
    unchanged(&config.disks[0], &before)?;
    vm.shell.run("dmsetup remove crypt && losetup --detach /dev/loop7")?;
    look_at_processes(&mut vm)?;
    call(&mut vm, "Retry")?;
    await_installed(&mut vm)?;
    are_nowhere(&mut vm, &[PASSPHRASE])?;
    vm.shell.run("! ls /run/nixvm/passphrase* /dev/mapper/crypt 2>/dev/null")?;
    vm.kill()?;

    let mut vm = boots(fixture, &config, &["incorrect horse", PASSPHRASE], "ext4")?;
    let found = vm.shell.run("grep -rlF 'correct horse' /var /boot /etc /run || :")?;
    ensure!(found.is_empty(), "the passphrase is in {found}");
    vm.kill()
}

/// Types the passphrase: another one at first the second time.
fn type_passphrase(screen: &mut Console<'_>) -> Result<()> {
    screen.shows("Choose a passphrase for the disk", "01-passphrase")?;
    screen.pause_to_read()?;
    screen.type_text(&format!("{PASSPHRASE}\n{PASSPHRASE}x\n"))?;
    screen.shows("The passphrases don't match", "02-no-match")?;
    screen.type_text(&format!("{PASSPHRASE}\n{PASSPHRASE}\n"))
}

/// Boots the installed disk with these passphrases, typed one after the other: the last one is right.
fn boots(
    fixture: &Fixture<'_>,
    config: &Config,
    passphrases: &[&str],
    file_system: &str,
) -> Result<Vm> {
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
    let found = "for tag in LABEL TYPE; do blkid -p -o value -s $tag /dev/mapper/crypt; done";
    let found = vm.shell.run(found)?;
    ensure!(found == format!("nixos\n{file_system}"), "in LUKS is {found}");
    // The initramfs has no udev, which would make the one a link to the other.
    let is_mapping =
        "[ $(stat -Lc %t:%T $(findmnt -nvo SOURCE /)) = $(stat -Lc %t:%T /dev/mapper/crypt) ]";
    vm.shell.run(is_mapping).context("the root is not in the mapping")?;
    Ok(vm)
}

/// A machine that is given the passphrase.
fn with_credential(fixture: &Fixture<'_>, layout: &Layout) -> Result<Config> {
    let mut config = machine(fixture, layout)?;
    let file = fixture.folder.join("credential");
    std::fs::write(&file, format!("io.systemd.credential:nixvm.passphrase={PASSPHRASE}"))?;
    let credential = format!("type=11,path={}", file.display());
    config.extra.extend(["-smbios".to_owned(), credential]);
    Ok(config)
}

fn unattended(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = with_credential(fixture, &LUKS_EXT4)?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    look_at_processes(&mut vm)?;
    await_installed(&mut vm)?;
    are_nowhere(&mut vm, &[PASSPHRASE])?;
    vm.shell.run("! ls /run/nixvm/passphrase* /dev/mapper/crypt 2>/dev/null")?;
    vm.kill()?;
    boots(fixture, &config, &["incorrect horse", PASSPHRASE], "ext4")?.kill()
}

fn luks_btrfs(fixture: &Fixture<'_>) -> Result<()> {
    let config = with_credential(fixture, &LUKS_BTRFS)?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    let mut vm = boots(fixture, &config, &[PASSPHRASE], "btrfs")?;
    has_subvolumes(&mut vm)?;
    let swap = vm.shell.run("swapon --show=NAME --noheadings")?;
    ensure!(swap == "/swap/swapfile", "the swap is {swap:?}");
    vm.kill()
}

fn power_cut(fixture: &Fixture<'_>) -> Result<()> {
    let config = with_credential(fixture, &LUKS_EXT4)?;
    let mut vm = fixture.start(&config, "cut")?;
    await_copy(&mut vm)?;
    vm.shell.run("[ -e /dev/mapper/crypt ] && systemctl kill --signal=KILL nixvm-agent")?;
    let plan = plan_for(&mut vm, "possibly-installed")?;
    vm.shell.run("! ls /dev/mapper/crypt 2>/dev/null && ! mountpoint /mnt")?;
    ensure!(plan["plan"]["passphrase"] == "credential", "the plan is {plan}");
    vm.confirm()?;
    await_copy(&mut vm)?;
    vm.kill()?;

    let mut vm = fixture.start(&config, "again")?;
    let plan = plan_for(&mut vm, "possibly-installed")?;
    let why = plan["plan"]["target"]["evidence"].to_string();
    ensure!(why.contains("may have been used since"), "it asks because of {why}");
    vm.confirm()?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config, &[PASSPHRASE], "ext4")?.kill()
}
