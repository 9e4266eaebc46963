//! Disks that come and go while they are written to, programs that die, and unusual machines.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::secrets::{has_to_be_changed, shown_password};
use super::steps::{
    await_copy, await_countdown, await_installed, await_installed_and_off, boots, call,
    installs_and_boots, plan_for,
};
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::vm::config::Bus;
use crate::words::{error, event, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("unplugged-in-the-copy")
        .fault("the target is pulled out during the copy and plugged in again")
        .expected("fails with its name; the retry installs")
        .daily()
        .run(unplugged_in_the_copy),
    Scenario::new("second-disk-in-the-copy")
        .fault("another disk is plugged in during the copy")
        .expected("installs; the other disk is not written to")
        .run(second_disk_in_the_copy),
    Scenario::new("one-serial-for-two")
        .fault("two disks with one serial number, and a rule that names it")
        .expected("refused; neither is written to")
        .run(one_serial_for_two),
    Scenario::new("nvme-namespaces")
        .fault("an NVMe drive with two namespaces, one of them by its path in the rule")
        .expected("installs on that one; the other is not written to")
        .run(nvme_namespaces),
    Scenario::new("sectors-of-4096-bytes")
        .fault("a disk with sectors of 4096 bytes")
        .expected("installs and boots")
        .run(sectors_of_4096_bytes),
    Scenario::new("floppy-and-stick")
        .fault("a floppy drive and a USB stick beside the disk")
        .expected("installs on the disk; neither of the others is written to")
        .only_on(Arch::X86_64)
        .run(floppy_and_stick),
    Scenario::new("one-gibibyte")
        .fault("1 GiB of memory")
        .expected("installs and boots")
        .run(one_gibibyte),
    Scenario::new("clock-in-1970")
        .fault("the clock says 1970")
        .expected("installs and boots")
        .run(clock_in_1970),
    Scenario::new("clock-jumps")
        .fault("the clock jumps a year ahead during the copy, and two back")
        .expected("installs and boots")
        .run(clock_jumps),
    Scenario::new("bus-restarted")
        .fault("the D-Bus daemon is restarted during the copy")
        .expected("installs; the interface is there again")
        .run(bus_restarted),
    Scenario::new("agent-killed")
        .fault("the agent is killed during the copy")
        .expected("comes back, says in which step it was, and installs")
        .daily()
        .run(agent_killed),
    Scenario::new("agent-killed-after-install")
        .fault("the agent is killed while it shows the password that it generated")
        .expected("comes back, shows it again and waits; the login takes it")
        .run(agent_killed_after_install),
    Scenario::new("agent-fails-always")
        .fault("the agent is killed again and again, as soon as it is there")
        .expected(
            "not started any more; tty1 says so, and how to start it again; nothing is written",
        )
        .run(agent_fails_always),
    Scenario::new("two-agents")
        .fault("a second `nixvm-agent run` during the copy")
        .expected("refused, with the first one's PID; the install goes on and boots")
        .run(two_agents),
    Scenario::new("large-used-disk")
        .fault("a disk of 100 GB with LVM in LUKS on RAID; confirmed")
        .expected("installs and boots")
        .run(large_used_disk),
];

fn unplugged_in_the_copy(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::WAITING_FOR_DISK, 90)?;
    let disk = fixture.disk("target")?;
    vm.plug(&disk, 1)?;
    await_copy(&mut vm)?;
    vm.unplug(&disk.id)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["error"]["kind"] == error::DISK_REMOVED, "unexpected end: {verdict}");
    vm.screen("/dev/vda was removed", &fixture.folder.join("screens/disk-gone.png"))?;
    vm.replug(&disk, 2)?;
    vm.event("the unfinished disk", 60, |event| {
        event["event"] == event::DISKS && event["disks"].to_string().contains("\"unfinished\"")
    })?;
    call(&mut vm, "Retry")?;
    await_installed_and_off(&mut vm)?;
    config.disks = vec![disk];
    boots(fixture, &config)
}

fn second_disk_in_the_copy(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let other = fixture.disk("other")?;
    let before = digest(&other.image)?;
    let mut vm = fixture.start(&config, "install")?;
    await_copy(&mut vm)?;
    vm.plug(&other, 1)?;
    await_installed_and_off(&mut vm)?;
    unchanged(&other, &before)?;
    boots(fixture, &config)
}

fn one_serial_for_two(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 3\ndisk = 'serial=same'")?);
    for id in ["one", "two"] {
        let mut disk = fixture.disk(id)?;
        // Not NVMe: Linux takes two drives of one name for one, and rejects the second.
        disk.serial = Some("same".into());
        config.disks.push(disk);
    }
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "install")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["error"]["kind"] == error::AMBIGUOUS_RULE, "unexpected end: {verdict}");
    vm.kill()?;
    config.disks.iter().try_for_each(|disk| unchanged(disk, &before))
}

/// Linux calls the namespaces nvme0n1 and nvme0n2 in the order in which it comes to know them.
const NAMESPACE_2: &str = "countdown = 3\ndisk = '/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_two_2'";

fn nvme_namespaces(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers(NAMESPACE_2)?);
    let (first, second) = (fixture.disk("first")?, fixture.disk("second")?);
    let before = digest(&first.image)?;
    config.extra = vec!["-device".into(), "nvme,id=nvme0,serial=two".into()];
    for (number, disk) in [(1, &first), (2, &second)] {
        for node in disk.blockdevs() {
            config.extra.extend(["-blockdev".into(), node]);
        }
        let id = &disk.id;
        config.extra.extend([
            "-device".into(),
            format!("nvme-ns,bus=nvme0,drive={id}-node,nsid={number},bootindex={number}"),
        ]);
    }
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    unchanged(&first, &before)?;
    // Firmware does not start from a second namespace: the disk is the same in another slot.
    config.extra.clear();
    config.disks = vec![second];
    boots(fixture, &config)
}

fn sectors_of_4096_bytes(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.disks[0].sector_bytes = Some(4096);
    installs_and_boots(fixture, &config)
}

fn floppy_and_stick(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let mut stick = fixture.disk("stick")?;
    stick.bus = Bus::Usb;
    let floppy = fixture.disk_of("floppy", 1_474_560)?;
    let before = [digest(&stick.image)?, digest(&floppy.image)?];
    config.disks = vec![fixture.disk("target")?, stick.clone()];
    config.extra = vec![
        "-blockdev".into(),
        floppy.blockdevs().remove(0),
        "-device".into(),
        "isa-fdc,id=fdc".into(),
        "-device".into(),
        "floppy,bus=fdc.0,drive=floppy-node".into(),
    ];
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    unchanged(&stick, &before[0])?;
    unchanged(&floppy, &before[1])?;
    boots(fixture, &config)
}

fn one_gibibyte(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.memory_mib = 1024;
    installs_and_boots(fixture, &config)
}

fn clock_in_1970(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.extra = vec!["-rtc".into(), "base=1970-01-01T00:00:00".into()];
    installs_and_boots(fixture, &config)
}

fn clock_jumps(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_copy(&mut vm)?;
    vm.shell.run("date --set '+1 year'; sleep 2; date --set '-2 years'")?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

fn bus_restarted(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_copy(&mut vm)?;
    vm.shell.run("systemctl restart dbus.service")?;
    await_installed(&mut vm)?;
    vm.shell.run(
        "for try in $(seq 100); do \
         busctl get-property org.nixvm.Installer1 /org/nixvm/Installer1 org.nixvm.Installer1 State \
         | grep -q '\"installed\"' && exit 0; sleep 0.2; done; exit 1",
    )?;
    call(&mut vm, "Finish sa{sv} poweroff 0")?;
    vm.wait_off(60)?;
    boots(fixture, &config)
}

fn agent_killed(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_copy(&mut vm)?;
    vm.shell.run("pkill --signal KILL --exact nixvm-agent")?;
    let warning = vm.event("the warning", 90, |event| event["event"] == event::WARNING)?;
    let message = warning["message"].as_str().context("no message")?;
    ensure!(message.contains("Copy the system"), "it says {message:?}");
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

fn agent_killed_after_install(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers_without_password("countdown = 3\nfinish = 'poweroff'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_installed(&mut vm)?;
    let password = shown_password(&mut vm)?;
    // What the killed one has drawn goes as well.
    vm.shell.run("pkill --signal KILL --exact nixvm-agent && printf '\\033[2J' > /dev/tty1")?;
    await_installed(&mut vm)?;
    let again = shown_password(&mut vm)?;
    ensure!(again == password, "it shows {again} after {password}");
    vm.screenshot(&fixture.folder.join("screens/password-again.png"))?;
    let status: serde_json::Value =
        serde_json::from_str(&vm.shell.run("nixvm-agent status --json")?)?;
    ensure!(status["state"] == state::INSTALLED, "the state is {status}");
    let finish = &status["finish"];
    let waits = finish["action"] == "poweroff" && finish["at_uptime_ms"].is_null();
    ensure!(waits, "it does not wait: {status}");
    call(&mut vm, "Finish sa{sv} poweroff 0")?;
    vm.wait_off(60)?;
    has_to_be_changed(fixture, &config, &password)
}

fn agent_fails_always(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run(
        "until systemctl is-failed --quiet nixvm-agent; do \
         pkill --signal KILL --exact nixvm-agent; sleep 0.2; done",
    )?;
    vm.screen("is not started again", &fixture.folder.join("screens/failed.png"))?;
    vm.shell.run("systemctl reset-failed nixvm-agent && systemctl start --no-block nixvm-agent")?;
    await_countdown(&mut vm)?;
    vm.screen("Starting in", &fixture.folder.join("screens/again.png"))?;
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn two_agents(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "install")?;
    await_copy(&mut vm)?;
    let first = vm.shell.run("systemctl show --property MainPID --value nixvm-agent")?;
    let (status, said) = vm.shell.try_run("timeout 20 nixvm-agent run 2>&1")?;
    ensure!(status == 1 && said.contains(&format!("PID {first}:")), "{status}: {said}");
    vm.shell.run("findmnt /mnt && test -e /dev/nixvm-target")?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

fn large_used_disk(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    config.disks = vec![fixture.disk_of("target", 100_000_000_000)?];
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run(
        "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none \
         /dev/vda missing && \
         printf secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 \
         --pbkdf-force-iterations 1000 /dev/md0 - && \
         printf secret | cryptsetup open --key-file - /dev/md0 locked && \
         vgcreate -q tank /dev/mapper/locked && lvcreate -q -y -n data -L 50G tank && \
         mkfs.ext4 -q /dev/tank/data && sync",
    )?;
    plan_for(&mut vm, "data")?;
    vm.confirm()?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}
