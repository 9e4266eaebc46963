//! Hosts with other layouts than nixvm's own → installed and booted, or asked about after a power cut.

use anyhow::{Result, ensure};

use super::Scenario;
use super::steps::{await_copy, await_installed_and_off, boots_as, plan_for};
use crate::build::layouts::{BTRFS_SUBVOLUMES, Layout, XFS_WITH_HOME};
use crate::fixture::Fixture;
use crate::guest_checks::{Expected, Mounts};
use crate::vm::Vm;
use crate::vm::config::Config;
use crate::words::{event, outcome};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("xfs-with-home")
        .fault("the host has its root on XFS, swap, and /home on a partition of its own")
        .expected("installs, and boots with all of it")
        .run(xfs_with_home),
    Scenario::new("btrfs-subvolumes")
        .fault("the host has btrfs with subvolumes at /, /home, /nix and /var/log")
        .expected("installs, and boots with all of them")
        .run(btrfs_subvolumes),
    Scenario::new("xfs-with-home-power-cut")
        .fault("the same host as in xfs-with-home; the power is cut in the step partition, and in the step system")
        .expected(
            "the next start begins anew by itself after the first cut, or asks if file systems were there; it asks \
             after the second, since XFS does not tell whether it was used",
        )
        .run(power_cuts),
];

const XFS_MOUNTS: Mounts = &[
    ("/", "xfs nixos disk-main-root"),
    ("/boot", "vfat boot disk-main-ESP"),
    ("/home", "ext4 disk-main-home"),
];

const BTRFS_MOUNTS: Mounts = &[
    ("/", "btrfs nixos disk-main-root"),
    ("/boot", "vfat boot disk-main-ESP"),
    ("/home", "btrfs nixos disk-main-root"),
    ("/nix", "btrfs nixos disk-main-root"),
    ("/var/log", "btrfs nixos disk-main-root"),
];

/// A machine with a blank disk whose ISO installs a host with this layout: a credential of systemd-tmpfiles
/// puts its manifest in place before the installer starts.
pub(super) fn machine(fixture: &Fixture<'_>, layout: &Layout) -> Result<Config> {
    let mut config = fixture.machine_with_disk()?;
    let line = format!("L+ /etc/nixvm/manifest.json - - - - {}.json", layout.name);
    let credential = format!("type=11,value=io.systemd.credential:tmpfiles.extra={line}");
    config.extra.extend(["-smbios".to_owned(), credential]);
    Ok(config)
}

/// Installs such a host and boots it.
fn installed(fixture: &Fixture<'_>, layout: &Layout, mounts: Mounts) -> Result<Vm> {
    let config = machine(fixture, layout)?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    boots_as(fixture, &config, &Expected { mounts, ..Expected::default() })
}

fn xfs_with_home(fixture: &Fixture<'_>) -> Result<()> {
    let mut vm = installed(fixture, &XFS_WITH_HOME, XFS_MOUNTS)?;
    let swap = vm.shell.run("swapon --show=NAME --noheadings")?;
    ensure!(swap == "/dev/vda3", "the swap is {swap:?}");
    vm.kill()
}

fn btrfs_subvolumes(fixture: &Fixture<'_>) -> Result<()> {
    let mut vm = installed(fixture, &BTRFS_SUBVOLUMES, BTRFS_MOUNTS)?;
    has_subvolumes(&mut vm)?;
    vm.kill()
}

/// Insists that the layouts' subvolumes of btrfs are mounted where they belong.
pub(super) fn has_subvolumes(vm: &mut Vm) -> Result<()> {
    for (at, subvolume) in
        [("/", "/root"), ("/home", "/home"), ("/nix", "/nix"), ("/var/log", "/log")]
    {
        let found = vm.shell.run(&format!("findmnt --noheadings --output FSROOT {at}"))?;
        ensure!(found == subvolume, "{at} has the subvolume {found}");
    }
    Ok(())
}

fn power_cuts(fixture: &Fixture<'_>) -> Result<()> {
    let config = machine(fixture, &XFS_WITH_HOME)?;
    let mut vm = fixture.start(&config, "cut")?;
    vm.event("the beginning", 180, |event| {
        event["event"] == event::STEP_STARTED && event["step"] == "partition"
    })?;
    vm.shell.run("until [ -b /dev/vda4 ]; do sleep 0.05; done")?;
    vm.kill()?;

    let mut vm = fixture.start(&config, "again")?;
    let plan = vm.event("the plan", 180, |event| event["event"] == event::PLAN)?;
    let condition = plan["plan"]["target"]["condition"].as_str().unwrap_or_default().to_owned();
    if condition == "possibly-installed" {
        vm.confirm()?;
    } else {
        ensure!(condition == "unfinished", "the disk is {condition}: {plan}");
    }
    await_copy(&mut vm)?;
    vm.kill()?;

    let mut vm = fixture.start(&config, "last")?;
    let plan = plan_for(&mut vm, "possibly-installed")?;
    let target = &plan["plan"]["target"];
    let why = target["evidence"].to_string();
    ensure!(why.contains("may have been used since"), "it asks because of {why}");
    vm.confirm()?;
    let verdict = vm.verdict(240)?;
    ensure!(verdict["outcome"] == outcome::INSTALLED, "unexpected end: {verdict}");
    vm.wait_off(60)?;
    let expected = Expected { mounts: XFS_MOUNTS, ..Expected::default() };
    boots_as(fixture, &config, &expected)?.kill()
}
