//! A mount → the partitions that it rests on, through every mapping in between.
//!
//! A mapping (LUKS, LVM, RAID) is a block device that the kernel says is made of others; btrfs lies on as many
//! as it was given, and mounts without naming one. What leads to no partition in the end is an error.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::mounts::Mount;
use super::sysfs::{self, Number, device_number, list, number_in};

/// A partition, and the disk that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The disk.
    pub disk: Number,
    /// The partition's number in the partition table.
    pub partition: u32,
}

/// What a block device is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MadeOf {
    /// A part of a disk.
    Partition(Place),
    /// Other block devices.
    Devices(Vec<Number>),
    /// Nothing else: a whole disk.
    Nothing,
}

/// The partitions that a mount rests on; never none.
///
/// # Errors
/// It rests on something else as well, a whole disk or memory for example, or the kernel does not tell.
pub fn places(mount: &Mount) -> Result<BTreeSet<Place>> {
    let about = || format!("cannot find what {} is mounted from", mount.path.display());
    places_of(&devices(mount).with_context(about)?, &made_of).with_context(about)
}

/// The one block device that a mount was made of.
///
/// # Errors
/// There are several, or none, or the kernel does not tell.
pub fn device(mount: &Mount) -> Result<Number> {
    let about = || format!("cannot find what {} is mounted from", mount.path.display());
    let found = devices(mount).with_context(about)?;
    ensure!(found.len() == 1, "{} is on {} devices", mount.path.display(), found.len());
    Ok(found[0])
}

/// The block devices that a mount was made of.
fn devices(mount: &Mount) -> Result<Vec<Number>> {
    match mount.number {
        (0, _) if mount.kind == "btrfs" => {
            let source = mount.source.as_ref().context("it names no device")?;
            btrfs_devices(device_number(Path::new(source))?)
        }
        (0, _) => bail!("it is a {}, on no device", mount.kind),
        number => Ok(vec![number]),
    }
}

/// All devices of the mounted btrfs that has this one.
fn btrfs_devices(one: Number) -> Result<Vec<Number>> {
    sysfs::btrfs()?
        .into_iter()
        .find(|devices| devices.contains(&one))
        .with_context(|| format!("no btrfs is mounted from {}:{}", one.0, one.1))
}

/// Follows devices down to partitions.
fn places_of(
    devices: &[Number],
    made_of: &dyn Fn(Number) -> Result<MadeOf>,
) -> Result<BTreeSet<Place>> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left = devices.to_vec();
    while let Some(device) = left.pop() {
        if !seen.insert(device) {
            continue;
        }
        match made_of(device)? {
            MadeOf::Partition(place) => _ = found.insert(place),
            MadeOf::Devices(below) => left.extend(below),
            MadeOf::Nothing => bail!("device {}:{} is no partition", device.0, device.1),
        }
    }
    ensure!(!found.is_empty(), "it is on no partition");
    Ok(found)
}

/// What the kernel says a block device is made of.
fn made_of(device: Number) -> Result<MadeOf> {
    let folder = PathBuf::from(format!("/sys/dev/block/{}:{}", device.0, device.1));
    ensure!(folder.exists(), "device {}:{} is gone", device.0, device.1);
    if let Ok(partition) = fs::read_to_string(folder.join("partition")) {
        let partition = partition.trim().parse().context("a partition has no number")?;
        // The folder of the disk has those of its partitions in it.
        let disk = number_in(&folder.join(".."))?;
        return Ok(MadeOf::Partition(Place { disk, partition }));
    }
    let slaves = folder.join("slaves");
    let below = if slaves.exists() { list(&slaves)? } else { Vec::new() };
    match below.as_slice() {
        [] => Ok(MadeOf::Nothing),
        below => {
            Ok(MadeOf::Devices(below.iter().map(|one| number_in(one)).collect::<Result<_>>()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const DISK: Number = (254, 0);
    const OTHER: Number = (254, 16);

    fn part(disk: Number, partition: u32) -> (Number, MadeOf) {
        ((disk.0, disk.1 + partition), MadeOf::Partition(Place { disk, partition }))
    }

    fn world(mappings: &[(Number, &[Number])]) -> BTreeMap<Number, MadeOf> {
        let partitions = (1..=3).flat_map(|number| [part(DISK, number), part(OTHER, number)]);
        let whole = [DISK, OTHER].map(|disk| (disk, MadeOf::Nothing));
        let mappings = mappings.iter().map(|(one, of)| (*one, MadeOf::Devices(of.to_vec())));
        partitions.chain(whole).chain(mappings).collect()
    }

    fn found(device: Number, mappings: &[(Number, &[Number])]) -> Result<Vec<(Number, u32)>> {
        let world = world(mappings);
        let made_of = |device| world.get(&device).cloned().context("gone");
        let places = places_of(&[device], &made_of)?;
        Ok(places.iter().map(|place| (place.disk, place.partition)).collect())
    }

    #[test]
    fn a_mapping_rests_on_the_partitions_below_it_however_many_are_between() {
        assert_eq!(found((254, 2), &[]).unwrap(), [(DISK, 2)]);
        let crypt = (253, 0);
        let volume = (253, 1);
        let stack: [(Number, &[Number]); 2] = [(crypt, &[(254, 2)]), (volume, &[crypt])];
        assert_eq!(found(volume, &stack).unwrap(), [(DISK, 2)]);
        let wide: [(Number, &[Number]); 2] = [(crypt, &[(254, 2)]), (volume, &[crypt, (254, 18)])];
        assert_eq!(found(volume, &wide).unwrap(), [(DISK, 2), (OTHER, 2)]);
    }

    #[test]
    fn what_does_not_end_in_partitions_alone_is_an_error() {
        let mapping = (253, 0);
        for below in [&[DISK][..], &[(254, 1), OTHER], &[(7, 7)], &[]] {
            assert!(found(mapping, &[(mapping, below)]).is_err(), "{below:?}");
        }
        assert!(found(DISK, &[]).is_err());
        assert!(found(mapping, &[(mapping, &[mapping])]).is_err(), "a loop");
    }

    /// Mappings made at random: the partitions that are found are those that can be reached.
    #[test]
    fn exactly_what_can_be_reached_is_found() {
        let mut state = 1_u32;
        let mut random = |below: u32| {
            // Knuth's multiplier; the higher bits are the better ones.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        for _ in 0..2000 {
            let mut mappings: Vec<(Number, Vec<Number>)> = Vec::new();
            for index in 0..=random(6) {
                let below = (0..=random(2)).map(|_| match random(3) {
                    0 if index > 0 => (253, random(index)),
                    1 => (254, 16 + 1 + random(3)),
                    _ => (254, 1 + random(3)),
                });
                mappings.push(((253, index), below.collect()));
            }
            let mut reached: Vec<BTreeSet<Number>> = Vec::new();
            for (_, below) in &mappings {
                let mut all = BTreeSet::new();
                for one in below {
                    match one {
                        (253, index) => all.extend(reached[*index as usize].clone()),
                        partition => _ = all.insert(*partition),
                    }
                }
                reached.push(all);
            }
            let borrowed: Vec<_> =
                mappings.iter().map(|(one, below)| (*one, below.as_slice())).collect();
            for ((device, _), reached) in mappings.iter().zip(&reached) {
                let expected: Vec<_> = reached
                    .iter()
                    .map(
                        |(_, minor)| {
                            if *minor > 16 { (OTHER, minor - 16) } else { (DISK, *minor) }
                        },
                    )
                    .collect();
                assert_eq!(found(*device, &borrowed).unwrap(), expected, "{mappings:?}");
            }
        }
    }
}
