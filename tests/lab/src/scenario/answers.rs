//! Answers from wherever a machine has them → what becomes of the install.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use clap::Parser;
use nixvm_iso::cli::Arguments;

use super::install::{boots_as, finished};
use super::{BOTH, Scenario, X86_64};
use crate::bench::{Bench, copy, digest, unchanged};
use crate::inside::{Expected, PASSWORD_HASH};

/// A key to log in with; nobody has its other half.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGElGSSWbgBlWnYzYx3Pu4mL09GP8DhJXnFVz4lxiUHG ada@mac";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "other-identity-offline",
        fault: "answers with another host name, account and full name; no network",
        expected: "built on the disk from what the ISO carries; the system has all three",
        archs: BOTH,
        daily: true,
        run: other_identity_offline,
    },
    Scenario {
        name: "broken-answers",
        fault: "an answers file with three mistakes",
        expected: "refused with all three, by line and column; the disk is not written to",
        archs: BOTH,
        daily: true,
        run: broken_answers,
    },
    Scenario {
        name: "answers-from-everywhere",
        fault: "kernel command line, labelled drive, fw_cfg and SMBIOS credential, each with answers",
        expected: "each answer with its source, the higher source first; the machine is switched off",
        archs: X86_64,
        daily: true,
        run: answers_from_everywhere,
    },
    Scenario {
        name: "answers-drive-late",
        fault: "a drive with answers is plugged in during the countdown, 20 s after the start",
        expected: "its answers count, and the countdown begins anew",
        archs: BOTH,
        daily: false,
        run: answers_drive_late,
    },
    Scenario {
        name: "customised-iso",
        fault: "an ISO customised with host name, account, SSH key and password; nobody presses a key",
        expected: "all four are true; the plan says that they come from the ISO; reset restores it",
        archs: BOTH,
        daily: true,
        run: customised_iso,
    },
    Scenario {
        name: "network-required",
        fault: "the answers require a network: there is no adapter; no DHCP; no name server; no way out",
        expected: "refused, by what is missing: link, lease, DNS, HTTPS; the disk is not written to",
        archs: BOTH,
        daily: false,
        run: network_required,
    },
];

fn answers_from_everywhere(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    config.kernel = Some(bench.lab.kernel(bench.arch, "nixvm.finish=poweroff")?);
    // fw_cfg: the password's hash, and what the drive says better.
    config.answers = Some(bench.answers("countdown = 500")?);
    let credential = base64::engine::general_purpose::STANDARD
        .encode(format!("ssh-authorized-keys = ['{KEY}']\ncountdown = 400\nerase = 'confirm'"));
    config.extra = vec![
        "-smbios".into(),
        format!("type=11,value=io.systemd.credential.binary:nixvm.answers={credential}"),
    ];
    let mut drive = bench.disk("answers")?;
    let text = "countdown = 300\nfinish = 'wait'\nerase = 'blank'\n";
    bench.lab.volume(&drive.image, "NIXVM", "nixvm.toml", text)?;
    drive.serial = Some("answers".into());
    config.disks.push(drive.clone());
    let before = digest(&drive.image)?;

    let mut vm = bench.start(&config, "install")?;
    // The drive may come after the first plan.
    let event = vm.event("the plan", 120, |event| {
        event["event"] == "plan" && event["plan"]["answers"].to_string().contains("/dev/vdb")
    })?;
    let rows = event["plan"]["answers"].as_array().context("a plan without answers")?;
    for (key, value, source) in [
        ("finish", "poweroff", "kernel command line"),
        ("countdown", "300 s", "nixvm.toml on /dev/vdb"),
        ("erase", "blank", "nixvm.toml on /dev/vdb"),
        ("password-hash", "", "QEMU fw_cfg"),
        ("ssh-authorized-keys", "", "system credential"),
        ("hostname", "nixvm", "default"),
    ] {
        let row = rows.iter().find(|row| row["key"] == key);
        let row = row.with_context(|| format!("the plan does not say {key}"))?;
        ensure!(row["source"]["text"] == source, "{key} comes from {row}");
        ensure!(row["text"].as_str().is_some_and(|v| v.contains(value)), "{key} is {row}");
    }
    vm.event("countdown", 30, |event| event["event"] == "countdown")?;
    vm.screen("kernel command line", &bench.folder.join("screens/sources.png"))?;
    vm.confirm()?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    unchanged(&drive, &before)?;
    config.disks.pop();
    config.kernel = None;
    config.extra.clear();
    let expected = Expected { keys: vec![KEY.into()], ..<_>::default() };
    boots_as(bench, &config, &expected)?.kill()
}

fn answers_drive_late(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 600")?);
    config.disks = vec![bench.disk("target")?];
    let drive = bench.disk("answers")?;
    let text = "countdown = 4\nssh-authorized-keys = []\n";
    bench.lab.volume(&drive.image, "nixvm", "NIXVM.TOML", text)?;
    let mut vm = bench.start(&config, "install")?;
    vm.event("countdown", 90, |event| event["event"] == "countdown")?;
    vm.shell.run("sleep 20")?;
    vm.plug(&drive, 1)?;
    let event = vm.event("the new plan", 60, |event| {
        event["event"] == "plan" && event["plan"]["countdown"] == 4
    })?;
    ensure!(event["plan"]["answers"].to_string().contains("nixvm.toml on /dev/vdb"), "{event}");
    vm.event("the new countdown", 30, |event| {
        event["event"] == "countdown" && event["seconds_left"] == 4
    })?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots_as(bench, &config, &Expected::default())?.kill()
}

fn customised_iso(bench: &Bench<'_>) -> Result<()> {
    let iso = bench.folder.join("customised.raw");
    copy(&bench.iso, &iso)?;
    let before = digest(&iso)?;
    let key = bench.folder.join("key.pub");
    std::fs::write(&key, format!("{KEY}\n"))?;
    // Long enough to look at the screen.
    let answers = bench.folder.join("customised.toml");
    std::fs::write(&answers, "countdown = 60\n")?;
    let nixvm_iso = |arguments: &[&std::ffi::OsStr]| -> Result<String> {
        let words = [std::ffi::OsStr::new("nixvm-iso")];
        nixvm_iso::cli::run(Arguments::try_parse_from(words.iter().chain(arguments))?)
    };
    nixvm_iso(&[
        "customize".as_ref(),
        iso.as_ref(),
        "--hostname=web".as_ref(),
        "--username=ada".as_ref(),
        "--ssh-key".as_ref(),
        key.as_ref(),
        "--password-hash".as_ref(),
        PASSWORD_HASH.as_ref(),
        "--answers".as_ref(),
        answers.as_ref(),
    ])?;

    let mut config = bench.machine()?;
    config.cd = Some(iso.clone());
    config.answers = None;
    config.network = false;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    let event = vm.event("the plan", 120, |event| event["event"] == "plan")?;
    let rows = event["plan"]["answers"].as_array().context("a plan without answers")?;
    for key in ["hostname", "username", "password-hash", "ssh-authorized-keys"] {
        let row = rows.iter().find(|row| row["key"] == key);
        ensure!(row.is_some_and(|row| row["source"]["kind"] == "iso"), "{key} is {row:?}");
    }
    vm.event("countdown", 60, |event| event["event"] == "countdown")?;
    vm.screen("from this ISO", &bench.folder.join("screens/from-the-iso.png"))?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    let expected = Expected {
        hostname: "web".into(),
        username: "ada".into(),
        keys: vec![KEY.into()],
        ..<_>::default()
    };
    boots_as(bench, &config, &expected)?.kill()?;

    nixvm_iso(&["reset".as_ref(), iso.as_ref()])?;
    ensure!(digest(&iso)? == before, "after a reset, the ISO is not the original");
    Ok(())
}

fn network_required(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 3\nnetwork = 'required'")?);
    config.disks = vec![bench.disk("target")?];
    let before = digest(&config.disks[0].image)?;
    // The lab's ISO has nobody who asks for a lease; QEMU's router offers a way out by IPv6, and no
    // name server.
    // Its driver may be on its way, and its name about to change.
    let up = "until ip link set $(ls /sys/class/net | grep -v '^lo$') up; do sleep 0.2; done";
    let without_ipv6 = format!("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && {up}");
    let with_name = format!("echo '10.0.2.9 cache.nixos.org' >> /etc/hosts && {up}");
    for (name, script, says) in [
        ("no-link", None, "no network adapter has a link"),
        ("no-lease", Some(&*without_ipv6), "DHCP"),
        ("no-dns", Some(up), "DNS does not resolve"),
        ("no-https", Some(&*with_name), "does not answer over HTTPS"),
    ] {
        config.network = script.is_some();
        let mut vm = bench.start(&config, name)?;
        if let Some(script) = script {
            vm.shell.run(script)?;
        }
        let verdict = vm.verdict(180)?;
        ensure!(verdict["error"]["kind"] == "no-network", "it ended so: {verdict}");
        let message = verdict["error"]["message"].as_str().context("no message")?;
        ensure!(message.contains(says), "{says:?} is not in {message:?}");
        vm.kill()?;
    }
    unchanged(&config.disks[0], &before)
}

fn other_identity_offline(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.network = false;
    config.answers = Some(bench.answers(
        "countdown = 3\nhostname = 'web'\nusername = 'ada'\nfull-name = 'Ada Lovelace'",
    )?);
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    let event = vm.event("the plan", 120, |event| event["event"] == "plan")?;
    let system = &event["plan"]["system"];
    ensure!(system["from"] == "build", "it is not to be built: {system}");
    ensure!(system["online"] == false, "it is to be downloaded: {system}");
    finished(&mut vm)?;
    vm.wait_off(60)?;
    let expected = Expected { hostname: "web".into(), username: "ada".into(), ..<_>::default() };
    let mut vm = boots_as(bench, &config, &expected)?;
    let account = vm.shell.run("getent passwd ada")?;
    ensure!(account.contains("Ada Lovelace"), "the full name is missing: {account}");
    vm.kill()
}

fn broken_answers(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("hostnme = 'web'\nerase = 'all'\ncountdown = 'soon'")?);
    config.disks = vec![bench.disk("target")?];
    let before = digest(&config.disks[0].image)?;
    let mut vm = bench.start(&config, "install")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == "refused", "it was not refused: {verdict}");
    ensure!(verdict["error"]["kind"] == "invalid-answers", "refused for another reason: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    for part in ["hostnme", "hostname", "\"all\"", "countdown", "line 2", "line 3", "line 4"] {
        ensure!(message.contains(part), "{part:?} is not in {message:?}");
    }
    vm.screen("hostnme", &bench.folder.join("screens/broken-answers.png"))?;
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}
