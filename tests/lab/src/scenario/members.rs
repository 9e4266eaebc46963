//! Disks that were part of something: LVM, RAID, LUKS, ZFS, and file systems where ours begin.

use anyhow::{Result, ensure};

use super::Scenario;
use super::steps::{await_countdown, await_installed, await_installed_and_off, boots, boots_as};
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::ROOT_OFFSET;
use crate::vm::config::Disk;
use crate::words::{event, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("volume-group-over-two-disks")
        .fault("an active volume group spans the target and another disk")
        .expected("asked for; installs on the target; the other disk's volume survives")
        .daily()
        .run(volume_group_over_two_disks),
    Scenario::new("former-raid-member")
        .fault("the target is half of a running RAID 1")
        .expected("asked for, then installed")
        .run(|fixture| {
            installs_over(
                fixture,
                "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 \
                 /dev/vda missing && mkfs.ext4 -q /dev/md0",
                "linux_raid_member",
            )
        }),
    Scenario::new("former-luks-volume")
        .fault("the target is an open LUKS volume")
        .expected("asked for, then installed")
        .run(|fixture| {
            installs_over(
                fixture,
                "printf secret | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 \
                 --pbkdf-force-iterations 1000 /dev/vda - && \
                 printf secret | cryptsetup open --key-file - /dev/vda locked && \
                 mkfs.ext4 -q /dev/mapper/locked",
                "crypto_LUKS",
            )
        }),
    Scenario::new("former-zfs-member")
        .fault("the target has the labels of a ZFS pool")
        .expected("asked for, then installed")
        .run(|fixture| installs_over(fixture, &zfs_labels(), "zfs_member")),
    Scenario::new("old-file-systems-at-our-offsets")
        .fault("old file systems begin exactly where the new partitions do; no table tells of them")
        .expected("asked for, then installed; no old file is left")
        .run(|fixture| {
            let script = format!(
                "for start in $((1 << 20)) {ROOT_OFFSET}; do \
                 loop=$(losetup --find --show --offset $start --sizelimit 400MiB /dev/vda) && \
                 mkfs.ext4 -q $loop && mkdir -p /run/old && mount $loop /run/old && \
                 echo old > /run/old/old-file && umount /run/old && losetup -d $loop || exit 1; \
                 done; sync"
            );
            installs_over(fixture, &script, "")
        }),
];

fn volume_group_over_two_disks(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 600\nfinish = 'wait'")?);
    let target = fixture.disk("target")?;
    let other = fixture.disk("other")?;
    config.disks = vec![target.clone(), other.clone()];
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::CHOOSING_DISK, 90)?;
    vm.shell.run(
        "vgcreate -q tank /dev/vda /dev/vdb && \
         lvcreate -q -y -n gone -L 500M tank /dev/vda && \
         lvcreate -q -y -n kept -L 500M tank /dev/vdb && \
         mkfs.ext4 -q -L kept /dev/tank/kept && mkdir /run/kept && mount /dev/tank/kept /run/kept && \
         echo precious > /run/kept/cat && umount /run/kept && sync && udevadm settle",
    )?;
    let before = digest(&other.image)?;
    let (status, said) = vm.call("SelectDisk oa{sv} /org/nixvm/Installer1/disks/vda 0")?;
    ensure!(status == 0, "the disk can't be chosen: {said}");
    vm.shell
        .run("nixvm-agent plan --json | jq --exit-status '.plan.target.condition == \"data\"'")?;
    vm.confirm()?;
    await_installed(&mut vm)?;
    let kept = vm.shell.run(
        "vgchange -q --activate y --activationmode partial tank >/dev/null 2>&1; \
         mount -o ro,noload /dev/tank/kept /run/kept && cat /run/kept/cat && umount /run/kept",
    )?;
    ensure!(kept == "precious", "the other disk's volume says {kept:?}");
    vm.kill()?;
    unchanged(&other, &before)?;
    config.disks = vec![target];
    boots(fixture, &config)
}

/// A script that writes what a pool of one disk has: there are no ZFS tools for Debian's kernel.
///
/// Two labels at each end of the disk, 256 KiB each: at 16 KiB a list of names and values, at 128 KiB
/// the uberblocks, says the ZFS On-Disk Specification. libblkid takes no less for a pool.
fn zfs_labels() -> String {
    const UINT64: u32 = 8;
    const STRING: u32 = 9;
    // Encoded as XDR, by a little-endian machine; version 0, names are unique.
    let mut list = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let mut pair = |name: &str, kind: u32, value: &[u8]| {
        let size = (20 + name.len().next_multiple_of(4) + value.len()) as u32;
        for number in [size, size, name.len() as u32] {
            list.extend(number.to_be_bytes());
        }
        list.extend(name.bytes());
        list.resize(list.len().next_multiple_of(4), 0);
        list.extend([kind.to_be_bytes(), 1_u32.to_be_bytes()].concat());
        list.extend(value);
    };
    pair("version", UINT64, &5000_u64.to_be_bytes());
    pair("name", STRING, b"\0\0\0\x04tank");
    for (name, value) in [("state", 0_u64), ("txg", 4), ("pool_guid", 0x1234), ("guid", 0x5678)] {
        pair(name, UINT64, &value.to_be_bytes());
    }
    list.extend([0; 8]);
    let uberblock = [0x00ba_b10c_u64, 5000, 4].map(u64::to_le_bytes).concat();
    let octal = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>();
    format!(
        "size=$(blockdev --getsize64 /dev/vda); \
         put() {{ printf \"$1\" | dd of=/dev/vda bs=1 seek=$2 conv=notrunc status=none; }}; \
         for label in 0 262144 $((size - 524288)) $((size - 262144)); do \
         put '{}' $((label + 16384)); \
         for block in $(seq 0 3); do put '{}' $((label + 131072 + block * 4096)); done; done; sync",
        octal(&list),
        octal(&uberblock)
    )
}

/// Lets `script` put something on the target, and installs over it once that is confirmed; what is
/// on the disk has to be called by the name of `signature`.
fn installs_over(fixture: &Fixture<'_>, script: &str, signature: &str) -> Result<()> {
    let mut config = fixture.machine()?;
    config.answers = Some(fixture.answers("countdown = 600")?);
    let target: Disk = fixture.disk("target")?;
    config.disks = vec![target.clone()];
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    vm.shell.run(script)?;
    vm.event("the plan for the former member", 90, |event| {
        event["event"] == event::PLAN
            && event["plan"]["target"]["condition"] == "data"
            && event["plan"]["target"]["erases"].to_string().contains(signature)
    })?;
    // RAID marks its array clean a little after the last write.
    vm.shell.run(
        "sync; written() { awk '{ print $7 }' /sys/block/vda/stat; }; \
         until before=$(written); sleep 2; [ \"$before\" = \"$(written)\" ]; do :; done",
    )?;
    let before = digest(&target.image)?;
    vm.shell.run("sleep 5")?;
    unchanged(&target, &before)?;
    vm.confirm()?;
    await_installed_and_off(&mut vm)?;
    let mut vm = boots_as(fixture, &config, &crate::guest_checks::Expected::default())?;
    let (_, old) = vm.shell.try_run("find / -xdev -name old-file")?;
    ensure!(old.is_empty(), "an old file is left: {old}");
    vm.kill()
}
