//! Seed images of cloud-init's NoCloud, by Debian's tools → the plan, and the install.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use nixvm_iso::cli::Arguments;

use super::Scenario;
use super::answers::KEY;
use super::steps::{await_countdown, await_installed_and_off, boots_as};
use crate::build::Arch;
use crate::fixture::{Fixture, copy, digest, unchanged};
use crate::guest_checks::{Expected, PASSWORD_HASH};
use crate::vm::config::Disk;
use crate::words::{error, event};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("nocloud")
        .fault("a seed image by cloud-localds with the identity, and a volume by `nixvm-iso volume`")
        .expected("each answer with its source; what is ignored is listed; the system has all")
        .run(no_cloud),
    Scenario::new("nocloud-refused")
        .fault("a seed image by genisoimage with a plain password; then the same with nixvm.nocloud=no")
        .expected("refused by line, and the disk is not written to; then the image is ignored")
        .only_on(Arch::X86_64)
        .run(no_cloud_refused),
];

/// Makes a disk image by `script`, which is run in a folder with these files, as `seed.raw`.
fn seed(fixture: &Fixture<'_>, script: &str, files: &[(&str, &str)]) -> Result<Disk> {
    let folder = fixture.folder.join("seed");
    std::fs::create_dir_all(&folder).context("cannot make a folder for the seed image")?;
    for (name, text) in files {
        std::fs::write(folder.join(name), text)?;
    }
    fixture.lab.seed(&folder, script).context("cannot make the seed image")?;
    let image = fixture.folder.join("seed.raw");
    copy(&folder.join("image"), &image)?;
    let mut disk = Disk::virtio("seed", image);
    disk.serial = Some("seed".into());
    Ok(disk)
}

fn no_cloud(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.network = false;
    config.answers = None;
    let answers = fixture.folder.join("volume.toml");
    std::fs::write(&answers, "countdown = 20\nfinish = 'poweroff'\n")?;
    let image = fixture.folder.join("answers.raw");
    let words = ["nixvm-iso".as_ref(), "volume".as_ref(), answers.as_os_str(), "-o".as_ref()];
    let words = words.into_iter().chain([image.as_os_str()]);
    nixvm_iso::cli::run(Arguments::try_parse_from(words)?)?;
    let user_data = format!(
        "#cloud-config\nusers:\n  - default\n  - name: ada\n    gecos: Ada Lovelace\n    \
         lock_passwd: false\n    hashed_passwd: {PASSWORD_HASH}\n    ssh_authorized_keys:\n      \
         - {KEY}\ntimezone: Europe/Berlin\npackages: [vim]\n"
    );
    let meta_data = "instance-id: web-1\nlocal-hostname: web.example.org\n";
    let drive = seed(
        fixture,
        "cloud-localds image user-data meta-data",
        &[("user-data", &user_data), ("meta-data", meta_data)],
    )?;
    config.disks.push(drive.clone());
    config.disks.push(Disk::virtio("answers", image));
    let before = digest(&drive.image)?;
    let mut vm = fixture.start(&config, "install")?;
    let event = vm.event("the plan", 120, |event| {
        let answers = event["plan"]["answers"].to_string();
        event["event"] == event::PLAN
            && answers.contains("/dev/vdb")
            && answers.contains("/dev/vdc")
    })?;
    let rows = event["plan"]["answers"].as_array().context("a plan without answers")?;
    for (key, source) in [
        ("hostname", "meta-data on /dev/vdb"),
        ("username", "user-data on /dev/vdb"),
        ("full-name", "user-data on /dev/vdb"),
        ("password-hash", "user-data on /dev/vdb"),
        ("ssh-authorized-keys", "user-data on /dev/vdb"),
        ("timezone", "user-data on /dev/vdb"),
        ("countdown", "nixvm.toml on /dev/vdc"),
        ("finish", "nixvm.toml on /dev/vdc"),
    ] {
        let row = rows.iter().find(|row| row["key"] == key);
        let row = row.with_context(|| format!("the plan does not say {key}"))?;
        ensure!(row["source"]["text"] == source, "{key} comes from {row}");
    }
    let ignored = event["plan"]["warnings"].to_string();
    ensure!(
        ignored.contains("Ignored in user-data on /dev/vdb: packages."),
        "what is ignored is not in {ignored}"
    );
    await_countdown(&mut vm)?;
    vm.screen("Ignored in user-data", &fixture.folder.join("screens/nocloud.png"))?;
    await_installed_and_off(&mut vm)?;
    unchanged(&drive, &before)?;
    config.disks.truncate(1);
    let expected = Expected {
        hostname: "web".into(),
        username: "ada".into(),
        keys: vec![KEY.into()],
        ..<_>::default()
    };
    let mut vm = boots_as(fixture, &config, &expected)?;
    vm.shell.run("readlink /etc/localtime | grep 'zoneinfo/Europe/Berlin$'")?;
    vm.kill()
}

fn no_cloud_refused(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let user_data = "#cloud-config\nhostname: web\npassword: hunter2\nchpasswd: {expire: False}\n";
    let drive = seed(
        fixture,
        "genisoimage -quiet -output image -volid cidata -rational-rock -joliet user-data meta-data",
        &[("user-data", user_data), ("meta-data", "instance-id: web-1\n")],
    )?;
    config.disks.push(drive);
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "refused")?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["error"]["kind"] == error::INVALID_ANSWERS, "unexpected end: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    for part in ["user-data on /dev/vdb, line 3", "plain text", "mkpasswd"] {
        ensure!(message.contains(part), "{part:?} is not in {message:?}");
    }
    ensure!(!verdict.to_string().contains("hunter2"), "the password is in {verdict}");
    vm.kill()?;
    config.kernel = Some(fixture.lab.kernel(fixture.arch, "nixvm.nocloud=no")?);
    let mut vm = fixture.start(&config, "ignored")?;
    let event = vm.event("the plan", 120, |event| event["event"] == event::PLAN)?;
    ensure!(event["plan"]["configuration"]["hostname"] == "nixvm", "it is not ignored: {event}");
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}
