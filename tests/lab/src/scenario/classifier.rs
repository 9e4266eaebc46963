//! Disks that look blank, unfinished or consented to, and are not → asked for, and not written to.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{
    await_countdown, await_installed, await_installed_and_off, boots, call, choose_install,
};
use crate::build::Arch;
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::ROOT_OFFSET;
use crate::vm::Vm;
use crate::vm::config::{Bus, Config, Disk};
use crate::words::{event, outcome, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("old-marker-under-another-table")
        .fault(
            "an unfinished install; then another partition with a file on it, whose primary GPT is \
             lost: marker and backup GPT are left",
        )
        .expected("asked for with what is there; not written to")
        .run(old_marker_under_another_table),
    Scenario::new("damaged-esp")
        .fault("an installed disk whose FAT has a damaged FSInfo sector; erase = \"any\" and a rule")
        .expected("never erased: handed over to, or asked for")
        .run(damaged_esp),
    Scenario::new("lost-head")
        .fault("a whole ext4 begins at 100 MiB, and no table tells of it")
        .expected("asked for, not written to")
        .daily()
        .run(lost_head),
    Scenario::new("answers-volume-on-a-physical-machine")
        .fault("a stick with erase = \"any\", a rule and countdown = 0; the disk holds data")
        .expected("asked once, not written to before; then installed")
        .only_on(Arch::X86_64)
        .run(answers_volume_on_a_physical_machine),
    Scenario::new("larger-disk-comes-late")
        .fault(
            "disk = \"largest\", erase = \"any\", countdown = 0; the larger disk is plugged in when \
             the smaller one has been seen",
        )
        .expected("installs on the larger one; the smaller one is not written to")
        .run(larger_disk_comes_late),
    Scenario::new("receipt-on-a-stick")
        .fault("a memory stick with the receipt of an install, beside a blank disk")
        .expected("installs on the disk; the stick is not written to")
        .run(receipt_on_a_stick),
    Scenario::new("disk-held-by-dm-crypt")
        .fault("something holds the disk, whose ends are zeros: an open plain dm-crypt mapping")
        .expected("asked for, with the mapping; not written to")
        .daily()
        .run(disk_held_by_dm_crypt),
];

/// Waits until the plan for `disk` has to be confirmed, and returns what it would erase.
fn is_asked_for(vm: &mut Vm, disk: &str) -> Result<String> {
    vm.state(state::AWAITING_CONFIRMATION, 120)?;
    let plan = format!(
        "nixvm-agent plan --json | jq --exit-status --raw-output \
         '.plan.target | select(.name == \"{disk}\") | .erases | join(\"; \")'"
    );
    vm.shell.run(&plan).with_context(|| format!("no plan for {disk}"))
}

/// Gives a countdown that must not run the time to run, then compares.
fn stays_unchanged(vm: &mut Vm, disk: &Disk, before: &str) -> Result<()> {
    vm.shell.run("sleep 15")?;
    unchanged(disk, before)
}

fn old_marker_under_another_table(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "cut")?;
    vm.event("the copy", 180, |event| {
        event["event"] == event::STEP_STARTED && event["step"] == "system"
    })?;
    vm.kill()?;

    config.answers = Some(fixture.answers("countdown = 600")?);
    let mut vm = fixture.start(&config, "again")?;
    await_countdown(&mut vm)?;
    // From sector 2048 on: the marker at 960 KiB is before it, and sfdisk leaves it alone.
    vm.shell.run(
        "printf 'label: gpt\\nstart=2048, name=photos\\n' | sfdisk --quiet --wipe always /dev/vda && \
         udevadm settle && mkfs.ext4 -q -F -L photos /dev/vda1 && mkdir -p /run/photos && \
         mount /dev/vda1 /run/photos && echo precious > /run/photos/cat && umount /run/photos && \
         sync",
    )?;
    is_asked_for(&mut vm, "vda")?;
    // What is left of the primary GPT goes; the kernel reads the table again, as after a restart.
    vm.shell.run(
        "dd if=/dev/zero of=/dev/vda bs=1k count=960 conv=notrunc,fsync status=none && \
         blockdev --rereadpt /dev/vda; udevadm trigger --settle /dev/vda; sync",
    )?;
    vm.kill()?;

    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "lost")?;
    let erases = is_asked_for(&mut vm, "vda")?;
    ensure!(erases.contains("photos"), "what is on the disk is not named: {erases:?}");
    stays_unchanged(&mut vm, &config.disks[0], &before)?;
    vm.kill()
}

fn damaged_esp(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let mut target = fixture.disk("target")?;
    target.serial = Some("meant".into());
    config.disks = vec![target.clone()];
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;

    // The FSInfo sector follows the boot sector of the first partition.
    overwrite(&target.image, (1 << 20) + 512, &[0xff; 512])?;
    let root = root_digest(fixture, &target)?;
    config.cd_first = true;
    config.firmware = fixture.firmware("again")?;
    let answers = "countdown = 0\nerase = 'any'\ndisk = 'serial=meant'\nfinish = 'wait'";
    config.answers = Some(fixture.answers(answers)?);
    let mut vm = fixture.start(&config, "again")?;
    // The menu finds the receipt as GRUB reads FAT, without the FSInfo sector.
    choose_install(&mut vm)?;
    let mut begun = false;
    vm.event("the decision", 120, |event| {
        begun |= event["event"] == event::ATTEMPT_STARTED;
        let asks = event["event"] == event::STATE && event["to"] == state::AWAITING_CONFIRMATION;
        let boots = event["event"] == event::ATTEMPT_ENDED
            && event["outcome"] == outcome::ALREADY_INSTALLED;
        begun || asks || boots
    })?;
    ensure!(!begun, "an install begins");
    vm.shell.run("sleep 15")?;
    vm.kill()?;
    ensure!(root_digest(fixture, &target)? == root, "the installed system was written to");
    Ok(())
}

/// A digest of all but the ESP, which a handover may complete.
fn root_digest(fixture: &Fixture<'_>, disk: &Disk) -> Result<String> {
    const ESP: std::ops::Range<u64> = 1 << 20..ROOT_OFFSET;
    let copy = fixture.folder.join("root.raw");
    crate::fixture::copy(&disk.image, &copy)?;
    let image = OpenOptions::new().write(true).open(&copy)?;
    for at in ESP.step_by(1 << 20) {
        image.write_all_at(&vec![0; 1 << 20], at)?;
    }
    digest(&copy)
}

fn lost_head(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    let image = fixture.folder.join("photos.raw");
    let status = std::process::Command::new("sh")
        .args(["-ec", "truncate -s 512M \"$0\" && mkfs.ext4 -q -F -L photos \"$0\""])
        .arg(&image)
        .status()
        .context("cannot start mkfs.ext4")?;
    ensure!(status.success(), "mkfs.ext4 failed");
    let bytes = std::fs::read(&image)?;
    let target = OpenOptions::new().write(true).open(&config.disks[0].image)?;
    for (number, piece) in bytes.chunks(4096).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            target.write_all_at(piece, (100 << 20) + number as u64 * 4096)?;
        }
    }
    let before = digest(&config.disks[0].image)?;
    config.answers = Some(fixture.answers("countdown = 3")?);
    let mut vm = fixture.start(&config, "install")?;
    let erases = is_asked_for(&mut vm, "vda")?;
    ensure!(!erases.is_empty(), "nothing is said of what is on the disk");
    vm.screenshot(&fixture.folder.join("screens/lost-head.png"))?;
    stays_unchanged(&mut vm, &config.disks[0], &before)?;
    vm.kill()
}

fn answers_volume_on_a_physical_machine(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = physical(fixture)?;
    let mut target = fixture.disk("target")?;
    target.bus = Bus::Sata;
    target.serial = Some("meant".into());
    let photos = fixture.folder.join("photos.raw");
    fixture.lab.volume(&photos, "PHOTOS", "cat", "precious")?;
    overwrite(&target.image, 0, &std::fs::read(&photos)?)?;
    let before = digest(&target.image)?;
    let mut stick = fixture.disk("stick")?;
    stick.bus = Bus::Usb;
    let answers = "erase = 'any'\ncountdown = 0\ndisk = 'serial=meant'\n";
    let password = format!("password-hash = '{}'\n", crate::guest_checks::PASSWORD_HASH);
    fixture.lab.volume(&stick.image, "NIXVM", "nixvm.toml", &(answers.to_owned() + &password))?;
    config.disks = vec![target.clone(), stick];
    let mut vm = fixture.start(&config, "install")?;
    let erases = is_asked_for(&mut vm, "sda")?;
    ensure!(erases.contains("PHOTOS"), "what is on the disk is not named: {erases:?}");
    vm.screenshot(&fixture.folder.join("screens/asked-once.png"))?;
    stays_unchanged(&mut vm, &target, &before)?;
    vm.confirm()?;
    await_installed(&mut vm)?;
    vm.kill()
}

/// A machine that shows no sign of a hypervisor, and has no channel of one.
fn physical(fixture: &Fixture<'_>) -> Result<Config> {
    let mut config = fixture.machine()?;
    config.answers = None;
    config.hardware.hidden = true;
    config.hardware.smbios = &[
        "type=1,manufacturer=Dell Inc.,product=OptiPlex 7010,version=01",
        "type=2,manufacturer=Dell Inc.",
    ];
    let bios = fixture.folder.join("bios.bin");
    std::fs::write(&bios, bios_information()).context("cannot write the BIOS information")?;
    config.extra.extend(["-smbios".to_owned(), format!("file={}", bios.display())]);
    Ok(config)
}

/// The SMBIOS structure of type 0 of a physical machine: QEMU's own says that it is virtual.
///
/// DMTF DSP0134, 7.1: 24 bytes, then the strings that it counts from 1.
fn bios_information() -> Vec<u8> {
    let mut bytes = vec![0, 24, 0, 0, 1, 2, 0, 0, 3, 0];
    // UEFI, and in the last byte nothing of a virtual machine, which would be bit 4.
    bytes.extend([0; 8]);
    bytes.extend([0, 1 << 3, 1, 0, 0xff, 0xff]);
    bytes.extend(b"Dell Inc.\x001.0\x0001/02/2024\x00\x00");
    bytes
}

fn larger_disk_comes_late(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    let answers = "countdown = 0\nerase = 'any'\ndisk = 'largest'";
    config.answers = Some(fixture.answers(answers)?);
    let small = fixture.disk("small")?;
    let photos = fixture.folder.join("photos.raw");
    fixture.lab.volume(&photos, "PHOTOS", "cat", "precious")?;
    overwrite(&small.image, 0, &std::fs::read(&photos)?)?;
    let before = digest(&small.image)?;
    let large = fixture.disk_of("large", 4 << 30)?;
    config.disks = vec![small.clone()];
    let mut vm = fixture.start(&config, "install")?;
    vm.event("the smaller disk", 90, |event| {
        event["event"] == event::DISKS && event.to_string().contains("vda")
    })?;
    vm.plug(&large, 1)?;
    await_installed_and_off(&mut vm)?;
    unchanged(&small, &before)?;
    config.disks = vec![large];
    boots(fixture, &config)
}

fn receipt_on_a_stick(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 600\nfinish = 'wait'")?);
    let target = fixture.disk("target")?;
    let mut stick = fixture.disk("stick")?;
    stick.bus = Bus::Usb;
    config.disks = vec![target.clone(), stick.clone()];
    let mut vm = fixture.start(&config, "prepare")?;
    vm.shell.run(
        "until [ -b /dev/sda ]; do sleep 1; done; \
         printf 'label: gpt\\nsize=200M, type=uefi\\n' | sfdisk --quiet /dev/sda && udevadm settle && \
         mkfs.vfat -F 32 /dev/sda1 >/dev/null && mkdir /run/esp && mount /dev/sda1 /run/esp && \
         mkdir -p /run/esp/EFI/nixvm && \
         printf '{\"version\":1,\"hostname\":\"old\",\"attempt\":\"1\"}' > /run/esp/EFI/nixvm/installed && \
         umount /run/esp && sync",
    )?;
    vm.kill()?;

    config.answers = Some(fixture.answers("countdown = 3")?);
    config.firmware = fixture.firmware("install")?;
    let before = digest(&stick.image)?;
    let mut vm = fixture.start(&config, "install")?;
    await_installed_and_off(&mut vm)?;
    unchanged(&stick, &before)?;
    config.disks = vec![target];
    boots(fixture, &config)
}

fn disk_held_by_dm_crypt(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run(
        "printf secret | cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 256 \
         --key-file - /dev/vda swap && udevadm settle",
    )?;
    let erases = is_asked_for(&mut vm, "vda")?;
    ensure!(erases.contains("dm-"), "the mapping is not named: {erases:?}");
    let before = digest(&config.disks[0].image)?;
    stays_unchanged(&mut vm, &config.disks[0], &before)?;
    vm.shell.run("cryptsetup close swap && udevadm settle")?;
    vm.event("the countdown", 90, |event| event["event"] == event::COUNTDOWN)?;
    call(&mut vm, "Cancel")?;
    vm.kill()
}

fn overwrite(image: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .open(image)
        .and_then(|file| file.write_all_at(bytes, at))
        .with_context(|| format!("cannot write {}", image.display()))
}
