//! Answers from every source → the plan, and the install.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use clap::Parser;
use nixvm_iso::cli::Arguments;

use super::Scenario;
use super::steps::{await_countdown, await_installed_and_off, boots_as};
use crate::build::Arch;
use crate::fixture::{Fixture, copy, digest, unchanged};
use crate::guest_checks::{Expected, PASSWORD_HASH};
use crate::words::{error, event, key, outcome};

/// A key to log in with. Its private half was not kept.
pub(super) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGElGSSWbgBlWnYzYx3Pu4mL09GP8DhJXnFVz4lxiUHG ada@mac";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("other-identity-offline")
        .fault("answers with another host name, account and full name; no network")
        .expected("built on the disk from what the ISO carries; the system has all three")
        .daily()
        .run(other_identity_offline),
    Scenario::new("broken-answers")
        .fault("an answers file with three mistakes")
        .expected("refused with all three, by line and column; the disk is not written to")
        .daily()
        .run(broken_answers),
    Scenario::new("answers-from-everywhere")
        .fault("kernel command line, labelled drive, fw_cfg and SMBIOS credential, each with answers")
        .expected("each answer with its source, the higher source first; a credential without a key is listed; the \
             machine is switched off")
        .only_on(Arch::X86_64)
        .daily()
        .run(answers_from_everywhere),
    Scenario::new("answers-drive-late")
        .fault("a drive with answers is plugged in during the countdown, 20 s after the start")
        .expected("its answers count, and the countdown begins anew")
        .run(answers_drive_late),
    Scenario::new("customised-iso")
        .fault("an ISO customised with host name, account, SSH key and password; no key is pressed")
        .expected("all four are true; the plan says that they come from the ISO; reset restores it")
        .run(customised_iso),
    Scenario::new("network-required")
        .fault("the answers require a network: there is no adapter; no DHCP; no name server; no way out")
        .expected("refused, by what is missing: link, lease, DNS, HTTPS; the disk is not written to")
        .run(network_required),
];

fn answers_from_everywhere(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.kernel = Some(fixture.lab.kernel(fixture.arch, "nixvm.finish=poweroff")?);
    // fw_cfg: the password's hash, and what the drive says better.
    config.answers = Some(fixture.answers("countdown = 500")?);
    let credential = base64::engine::general_purpose::STANDARD
        .encode(format!("ssh-authorized-keys = ['{KEY}']\ncountdown = 400\nerase = 'confirm'"));
    config.extra = vec![
        "-smbios".into(),
        format!("type=11,value=io.systemd.credential.binary:nixvm.answers={credential}"),
        "-smbios".into(),
        "type=11,value=io.systemd.credential:firstboot.timezone=Europe/Berlin".into(),
        "-smbios".into(),
        "type=11,value=io.systemd.credential:firstboot.locale-messages=de_DE.UTF-8".into(),
    ];
    let mut drive = fixture.disk("answers")?;
    let text = "countdown = 300\nfinish = 'wait'\nerase = 'blank'\n";
    fixture.lab.volume(&drive.image, "NIXVM", "nixvm.toml", text)?;
    drive.serial = Some("answers".into());
    config.disks.push(drive.clone());
    let before = digest(&drive.image)?;

    let mut vm = fixture.start(&config, "install")?;
    // The drive may come after the first plan.
    let event = vm.event("the plan", 120, |event| {
        event["event"] == event::PLAN && event["plan"]["answers"].to_string().contains("/dev/vdb")
    })?;
    let rows = event["plan"]["answers"].as_array().context("a plan without answers")?;
    for (key, value, source) in [
        ("finish", "poweroff", "kernel command line"),
        ("countdown", "300 s", "nixvm.toml on /dev/vdb"),
        ("erase", "blank", "nixvm.toml on /dev/vdb"),
        ("password-hash", "", "QEMU fw_cfg"),
        ("ssh-authorized-keys", "", "system credential"),
        ("timezone", "Europe/Berlin", "system credential firstboot.timezone"),
        ("hostname", "nixvm", "default"),
    ] {
        let row = rows.iter().find(|row| row["key"] == key);
        let row = row.with_context(|| format!("the plan does not say {key}"))?;
        ensure!(row["source"]["text"] == source, "{key} comes from {row}");
        ensure!(row["text"].as_str().is_some_and(|v| v.contains(value)), "{key} is {row}");
    }
    let warnings = event["plan"]["warnings"].to_string();
    let ignored = "Ignored in system credential firstboot.locale-messages: all of it.";
    ensure!(warnings.contains(ignored), "what is ignored is not in {warnings}");
    await_countdown(&mut vm)?;
    vm.screen("kernel command line", &fixture.folder.join("screens/sources.png"))?;
    vm.confirm()?;
    await_installed_and_off(&mut vm)?;
    unchanged(&drive, &before)?;
    config.disks.pop();
    config.kernel = None;
    config.extra.clear();
    let expected = Expected { keys: vec![KEY.into()], ..<_>::default() };
    boots_as(fixture, &config, &expected)?.kill()
}

fn answers_drive_late(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let drive = fixture.disk("answers")?;
    let text = "countdown = 4\nssh-authorized-keys = []\n";
    fixture.lab.volume(&drive.image, "nixvm", "NIXVM.TOML", text)?;
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run("sleep 20")?;
    vm.plug(&drive, 1)?;
    let event = vm.event("the new plan", 60, |event| {
        event["event"] == event::PLAN && event["plan"]["countdown"] == 4
    })?;
    ensure!(event["plan"]["answers"].to_string().contains("nixvm.toml on /dev/vdb"), "{event}");
    vm.event("the new countdown", 30, |event| {
        event["event"] == event::COUNTDOWN && event[key::SECONDS_LEFT] == 4
    })?;
    await_installed_and_off(&mut vm)?;
    boots_as(fixture, &config, &Expected::default())?.kill()
}

fn customised_iso(fixture: &Fixture<'_>) -> Result<()> {
    let iso = fixture.folder.join("customised.raw");
    copy(&fixture.iso, &iso)?;
    let before = digest(&iso)?;
    let key = fixture.folder.join("key.pub");
    std::fs::write(&key, format!("{KEY}\n"))?;
    // Long enough to look at the screen.
    let answers = fixture.folder.join("customised.toml");
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

    let mut config = fixture.machine_with_disk()?;
    config.cd = Some(iso.clone());
    config.answers = None;
    config.network = false;
    let mut vm = fixture.start(&config, "install")?;
    let event = vm.event("the plan", 120, |event| event["event"] == event::PLAN)?;
    let rows = event["plan"]["answers"].as_array().context("a plan without answers")?;
    for key in ["hostname", "username", "password-hash", "ssh-authorized-keys"] {
        let row = rows.iter().find(|row| row["key"] == key);
        ensure!(row.is_some_and(|row| row["source"]["kind"] == "iso"), "{key} is {row:?}");
    }
    await_countdown(&mut vm)?;
    vm.screen("from this installer", &fixture.folder.join("screens/from-the-iso.png"))?;
    await_installed_and_off(&mut vm)?;
    let expected = Expected {
        hostname: "web".into(),
        username: "ada".into(),
        keys: vec![KEY.into()],
        ..<_>::default()
    };
    boots_as(fixture, &config, &expected)?.kill()?;

    nixvm_iso(&["reset".as_ref(), iso.as_ref()])?;
    ensure!(digest(&iso)? == before, "after a reset, the ISO is not the original");
    Ok(())
}

fn network_required(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nnetwork = 'required'")?);
    let before = digest(&config.disks[0].image)?;
    // The lab's ISO has no DHCP client; QEMU's router offers a way out by IPv6, and no
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
        let mut vm = fixture.start(&config, name)?;
        if let Some(script) = script {
            vm.shell.run(script)?;
        }
        let verdict = vm.verdict(180)?;
        ensure!(verdict["error"]["kind"] == error::NO_NETWORK, "unexpected end: {verdict}");
        let message = verdict["error"]["message"].as_str().context("no message")?;
        ensure!(message.contains(says), "{says:?} is not in {message:?}");
        vm.kill()?;
    }
    unchanged(&config.disks[0], &before)
}

fn other_identity_offline(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.network = false;
    config.answers = Some(fixture.answers(
        "countdown = 3\nhostname = 'web'\nusername = 'ada'\nfull-name = 'Ada Lovelace'",
    )?);
    let mut vm = fixture.start(&config, "install")?;
    let event = vm.event("the plan", 120, |event| event["event"] == event::PLAN)?;
    let system = &event["plan"]["system"];
    ensure!(system["from"] == "build", "it is not to be built: {system}");
    ensure!(system["online"] == false, "it is to be downloaded: {system}");
    await_installed_and_off(&mut vm)?;
    let expected = Expected { hostname: "web".into(), username: "ada".into(), ..<_>::default() };
    let mut vm = boots_as(fixture, &config, &expected)?;
    let account = vm.shell.run("getent passwd ada")?;
    ensure!(account.contains("Ada Lovelace"), "the full name is missing: {account}");
    vm.kill()
}

fn broken_answers(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("hostnme = 'web'\nerase = 'all'\ncountdown = 'soon'")?);
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "install")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["outcome"] == outcome::REFUSED, "it was not refused: {verdict}");
    ensure!(
        verdict["error"]["kind"] == error::INVALID_ANSWERS,
        "refused for another reason: {verdict}"
    );
    let message = verdict["error"]["message"].as_str().context("no message")?;
    for part in ["hostnme", "hostname", "\"all\"", "countdown", "line 2", "line 3", "line 4"] {
        ensure!(message.contains(part), "{part:?} is not in {message:?}");
    }
    vm.screen("hostnme", &fixture.folder.join("screens/broken-answers.png"))?;
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}
