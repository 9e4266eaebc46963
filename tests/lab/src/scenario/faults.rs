//! Hardware that fails, programs that die, and machines that are odd.

use anyhow::{Context, Result, ensure};

use super::install::{boots, does_not_boot, finished};
use super::power::{Next, next};
use super::{BOTH, Scenario, X86_64};
use crate::bench::{Bench, digest, unchanged};
use crate::vm::Vm;
use crate::vm::config::{Bus, Config, Fault};

/// A scenario in which a place of the target can't be written.
macro_rules! unwritable {
    ($name:literal, $what:literal, $at:expr) => {
        Scenario {
            name: $name,
            fault: concat!("the target can't be written at ", $what),
            expected: "fails, or never needed that place; finished only if it boots",
            archs: BOTH,
            daily: false,
            run: |bench| medium_fails(bench, true, Some(Fault { write: true, at: $at }), None),
        }
    };
}

/// A scenario in which a place of the ISO can't be read.
macro_rules! unreadable {
    ($name:literal, $percent:literal) => {
        Scenario {
            name: $name,
            fault: concat!("the ISO can't be read at ", $percent, " % of its length"),
            expected: "fails, or never needed that place; finished only if it boots",
            archs: BOTH,
            daily: false,
            run: |bench| {
                let length = bench.iso.metadata()?.len();
                let at = length / 100 * $percent;
                medium_fails(bench, false, None, Some(Fault { write: false, at }))
            },
        }
    };
}

pub(super) const SCENARIOS: &[Scenario] = &[
    unwritable!("unwritable-table", "its first sector", 0),
    unwritable!("unwritable-esp", "a place in the ESP", 1 << 20),
    unwritable!("unwritable-inodes", "the start of the root file system", (513 << 20) + 4096),
    unwritable!("unwritable-data", "a place in the root file system", (513 << 20) + (140 << 20)),
    unwritable!("unwritable-end", "its last sector", (2 << 30) - 512),
    Scenario {
        name: "unreadable-disk",
        fault: "the target's first sector can't be read",
        expected: "not used, and the reason is shown",
        archs: BOTH,
        daily: false,
        run: unreadable_disk,
    },
    unreadable!("unreadable-iso-60", 60),
    unreadable!("unreadable-iso-75", 75),
    unreadable!("unreadable-iso-90", 90),
    Scenario {
        name: "unplugged-in-the-copy",
        fault: "the target is pulled out during the copy and plugged in again",
        expected: "fails with its name; the retry installs",
        archs: BOTH,
        daily: true,
        run: unplugged_in_the_copy,
    },
    Scenario {
        name: "second-disk-in-the-copy",
        fault: "another disk is plugged in during the copy",
        expected: "installs; the other disk is not written to",
        archs: BOTH,
        daily: false,
        run: second_disk_in_the_copy,
    },
    Scenario {
        name: "iso-ejected",
        fault: "the ISO is ejected during the copy",
        expected: "never finished unless it boots",
        archs: BOTH,
        daily: false,
        run: iso_ejected,
    },
    Scenario {
        name: "one-serial-for-two",
        fault: "two disks with one serial number, and a rule that names it",
        expected: "refused; neither is written to",
        archs: BOTH,
        daily: false,
        run: one_serial_for_two,
    },
    Scenario {
        name: "nvme-namespaces",
        fault: "an NVMe drive with two namespaces, one of them by its path in the rule",
        expected: "installs on that one; the other is not written to",
        archs: BOTH,
        daily: false,
        run: nvme_namespaces,
    },
    Scenario {
        name: "sectors-of-4096-bytes",
        fault: "a disk with sectors of 4096 bytes",
        expected: "installs and boots",
        archs: BOTH,
        daily: false,
        run: sectors_of_4096_bytes,
    },
    Scenario {
        name: "floppy-and-stick",
        fault: "a floppy drive and a USB stick beside the disk",
        expected: "installs on the disk; neither of the others is written to",
        archs: X86_64,
        daily: false,
        run: floppy_and_stick,
    },
    Scenario {
        name: "one-gibibyte",
        fault: "1 GiB of memory",
        expected: "installs and boots",
        archs: BOTH,
        daily: false,
        run: one_gibibyte,
    },
    Scenario {
        name: "clock-in-1970",
        fault: "the clock says 1970",
        expected: "installs and boots",
        archs: BOTH,
        daily: false,
        run: clock_in_1970,
    },
    Scenario {
        name: "clock-jumps",
        fault: "the clock jumps a year ahead during the copy, and two back",
        expected: "installs and boots",
        archs: BOTH,
        daily: false,
        run: clock_jumps,
    },
    Scenario {
        name: "bus-restarted",
        fault: "the D-Bus daemon is restarted during the copy",
        expected: "installs; the interface is there again",
        archs: BOTH,
        daily: false,
        run: bus_restarted,
    },
    Scenario {
        name: "agent-killed",
        fault: "the agent is killed during the copy",
        expected: "comes back, says in which step it was, and installs",
        archs: BOTH,
        daily: true,
        run: agent_killed,
    },
    Scenario {
        name: "large-used-disk",
        fault: "a disk of 100 GB with LVM in LUKS on RAID; confirmed",
        expected: "installs and boots",
        archs: BOTH,
        daily: false,
        run: large_used_disk,
    },
];

/// Waits until the copy has begun.
fn copying(vm: &mut Vm) -> Result<()> {
    vm.event("the copy", 180, |event| {
        event["event"] == "step-started" && event["step"] == "system"
    })?;
    Ok(())
}

/// A machine with a broken medium: it may fail, and it may not need the broken place. What it must
/// not do is to say that it has finished when the disk does not boot.
fn medium_fails(
    bench: &Bench<'_>,
    same_machine: bool,
    target: Option<Fault>,
    cd: Option<Fault>,
) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    config.disks[0].fault = target;
    config.cd_fault = cd;
    let mut vm = bench.start(&config, "install")?;
    let verdict = match next(&mut vm, if same_machine { 180 } else { 60 }) {
        Ok(Next::Verdict(verdict)) => verdict,
        Ok(Next::Installed) => return Ok(()),
        // A live system whose own files can't be read may not come as far as that.
        Err(_) if !same_machine => {
            vm.kill()?;
            config.cd_fault = None;
            return does_not_boot(bench, &config);
        }
        Err(error) => return Err(error),
    };
    vm.screenshot(&bench.folder.join("screens/verdict.png"))?;
    if verdict["outcome"] == "installed" {
        vm.wait_off(60)?;
        return boots(bench, &config);
    }
    ensure!(verdict["outcome"] == "failed", "it ended so: {verdict}");
    let message = verdict["error"]["message"].as_str().context("no message")?;
    ensure!(message.len() > 40, "the message says nothing: {message:?}");
    vm.kill()?;
    config.disks[0].fault = None;
    does_not_boot(bench, &config)
}

fn unreadable_disk(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    config.disks[0].fault = Some(Fault { write: false, at: 0 });
    let before = digest(&config.disks[0].image)?;
    let mut vm = bench.start(&config, "install")?;
    vm.event("the reason", 90, |event| {
        event["event"] == "disks" && event.to_string().contains("cannot be read")
    })?;
    vm.screen("cannot be read", &bench.folder.join("screens/unreadable.png"))?;
    ensure!(!vm.events.text().contains("\"event\":\"plan\""), "it is planned to use it");
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn unplugged_in_the_copy(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    let mut vm = bench.start(&config, "install")?;
    vm.state("waiting-for-disk", 90)?;
    let disk = bench.disk("target")?;
    vm.plug(&disk, 1)?;
    copying(&mut vm)?;
    vm.unplug(&disk.id)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["error"]["kind"] == "disk-gone", "it ended so: {verdict}");
    vm.screen("/dev/vda was removed", &bench.folder.join("screens/disk-gone.png"))?;
    vm.replug(&disk, 2)?;
    vm.event("the unfinished disk", 60, |event| {
        event["event"] == "disks" && event["disks"].to_string().contains("\"unfinished\"")
    })?;
    super::handover::steer(&mut vm, "Retry")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    config.disks = vec![disk];
    boots(bench, &config)
}

fn second_disk_in_the_copy(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let other = bench.disk("other")?;
    let before = digest(&other.image)?;
    let mut vm = bench.start(&config, "install")?;
    copying(&mut vm)?;
    vm.plug(&other, 1)?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    unchanged(&other, &before)?;
    boots(bench, &config)
}

fn iso_ejected(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    copying(&mut vm)?;
    vm.qmp.execute("eject", serde_json::json!({ "id": "cdrom", "force": true }))?;
    match next(&mut vm, 180) {
        Ok(Next::Verdict(verdict)) if verdict["outcome"] == "installed" => {
            vm.kill()?;
            boots(bench, &config)
        }
        // Its own programs are gone: whether it can still say so is luck.
        _ => {
            vm.kill()?;
            does_not_boot(bench, &config)
        }
    }
}

fn one_serial_for_two(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 3\ndisk = 'serial=same'")?);
    for id in ["one", "two"] {
        let mut disk = bench.disk(id)?;
        // Not NVMe: Linux takes two drives of one name for one, and rejects the second.
        disk.serial = Some("same".into());
        config.disks.push(disk);
    }
    let before = digest(&config.disks[0].image)?;
    let mut vm = bench.start(&config, "install")?;
    let verdict = vm.verdict(90)?;
    ensure!(verdict["error"]["kind"] == "ambiguous-rule", "it ended so: {verdict}");
    vm.kill()?;
    config.disks.iter().try_for_each(|disk| unchanged(disk, &before))
}

/// Linux calls the namespaces nvme0n1 and nvme0n2 in the order in which it comes to know them.
const NAMESPACE_2: &str = "countdown = 3\ndisk = '/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_two_2'";

fn nvme_namespaces(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers(NAMESPACE_2)?);
    let (first, second) = (bench.disk("first")?, bench.disk("second")?);
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
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    unchanged(&first, &before)?;
    // Firmware does not start from a second namespace: the disk is the same in another slot.
    config.extra.clear();
    config.disks = vec![second];
    boots(bench, &config)
}

fn sectors_of_4096_bytes(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    config.disks[0].sector_bytes = Some(4096);
    plain(bench, &config)
}

fn floppy_and_stick(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    let mut stick = bench.disk("stick")?;
    stick.bus = Bus::Usb;
    let floppy = bench.disk_of("floppy", 1_474_560)?;
    let before = [digest(&stick.image)?, digest(&floppy.image)?];
    config.disks = vec![bench.disk("target")?, stick.clone()];
    config.extra = vec![
        "-blockdev".into(),
        floppy.blockdevs().remove(0),
        "-device".into(),
        "isa-fdc,id=fdc".into(),
        "-device".into(),
        "floppy,bus=fdc.0,drive=floppy-node".into(),
    ];
    let mut vm = bench.start(&config, "install")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    unchanged(&stick, &before[0])?;
    unchanged(&floppy, &before[1])?;
    boots(bench, &config)
}

fn one_gibibyte(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.memory_mib = 1024;
    config.disks = vec![bench.disk("target")?];
    plain(bench, &config)
}

fn clock_in_1970(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.extra = vec!["-rtc".into(), "base=1970-01-01T00:00:00".into()];
    config.disks = vec![bench.disk("target")?];
    plain(bench, &config)
}

fn clock_jumps(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    copying(&mut vm)?;
    vm.shell.run("date --set '+1 year'; sleep 2; date --set '-2 years'")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn bus_restarted(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 3\nfinish = 'wait'")?);
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    copying(&mut vm)?;
    vm.shell.run("systemctl restart dbus.service")?;
    finished(&mut vm)?;
    vm.shell.run(
        "for try in $(seq 100); do \
         busctl get-property org.nixvm.Installer1 /org/nixvm/Installer1 org.nixvm.Installer1 State \
         | grep -q '\"installed\"' && exit 0; sleep 0.2; done; exit 1",
    )?;
    super::handover::steer(&mut vm, "Finish s poweroff")?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn agent_killed(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "install")?;
    copying(&mut vm)?;
    vm.shell.run("pkill --signal KILL --exact nixvm-agent")?;
    let warning = vm.event("the warning", 90, |event| event["event"] == "warning")?;
    let message = warning["message"].as_str().context("no message")?;
    ensure!(message.contains("Copy the system"), "it says {message:?}");
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

fn large_used_disk(bench: &Bench<'_>) -> Result<()> {
    let mut config = bench.machine()?;
    config.answers = Some(bench.answers("countdown = 600")?);
    config.disks = vec![bench.disk_of("target", 100_000_000_000)?];
    let mut vm = bench.start(&config, "install")?;
    vm.event("countdown", 90, |event| event["event"] == "countdown")?;
    vm.shell.run(
        "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none \
         /dev/vda missing && \
         printf secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 \
         --pbkdf-force-iterations 1000 /dev/md0 - && \
         printf secret | cryptsetup open --key-file - /dev/md0 locked && \
         vgcreate -q tank /dev/mapper/locked && lvcreate -q -y -n data -L 50G tank && \
         mkfs.ext4 -q /dev/tank/data && sync",
    )?;
    super::disks::plan_for(&mut vm, "data")?;
    vm.confirm()?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, &config)
}

/// Installs without a hitch.
fn plain(bench: &Bench<'_>, config: &Config) -> Result<()> {
    let mut vm = bench.start(config, "install")?;
    finished(&mut vm)?;
    vm.wait_off(60)?;
    boots(bench, config)
}
