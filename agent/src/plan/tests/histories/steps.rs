//! Something that happens to a disk → its writes.

use super::install::{self, Shape};
use super::model::{FileSystem, Gpt, LARGER, MIB, Model, Owner, Part, SIZE, What};
use super::rng::Rng;
use crate::disk::layout;

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// An install of ours that is cut off after so many of its writes; the last one may be torn.
    Install { shape: Shape, writes: usize, torn: bool },
    /// A user's partitioning tool.
    Partition { gpt: bool, count: u64, keeps_old: bool },
    /// mkfs and the like, on the whole disk or on a partition, with data of so many bytes after it.
    Format { kind: &'static str, partition: Option<usize>, data: u64 },
    /// Data of so many bytes at an offset within a file system that a user made.
    Fill { at: u64, bytes: u64 },
    /// Zeros over a range: dd, or a wipe.
    Zero { from: u64, bytes: u64 },
    /// Zeros over so many bytes at the end of the disk.
    ZeroEnd { bytes: u64 },
    /// The primary GPT is written again as the backup has it.
    RestoreTable,
    /// The hypervisor makes the disk larger, by zeros at its end; or it is copied to a larger disk that
    /// was in use.
    Enlarge { used: bool },
    /// A tool writes the backup GPT to the end of the disk, and gives the last partition and its file
    /// system what there is before it: growpart, sfdisk, systemd-repart. Some of them discard what is
    /// before the first partition.
    Grow { discards: bool },
    /// One of our file systems is mounted and used by a user.
    Use { home: bool, at: &'static str },
    /// A user makes one of our file systems anew, as ours is made, mounts it at our mount point and uses
    /// it.
    Remake { home: bool },
    /// A boot loader is put on the ESP by a user.
    AddLoader,
    /// Files are put on the ESP by a user.
    UseEsp,
    /// Device mapper or md takes the disk, or lets it go.
    Hold,
    /// A bit flips in one of the extents.
    Damage { extent: usize },
}

pub(super) const KINDS: [&str; 9] = [
    "ext4",
    "xfs",
    "btrfs",
    "vfat",
    "ntfs",
    "crypto_LUKS",
    "LVM2_member",
    "linux_raid_member",
    "swap",
];

/// Kinds of which the last bytes written lie anywhere.
const ENDS: [u64; 6] = [512, 64 << 10, MIB, 4 * MIB, 64 * MIB, 1 << 30];

impl Step {
    pub(super) fn any(rng: &mut Rng) -> Self {
        let bytes = rng.pick(&ENDS);
        match rng.below(26) {
            0..6 => Self::Install {
                shape: rng.pick(&Shape::ALL),
                writes: rng.below(38) as usize,
                torn: rng.below(3) == 0,
            },
            6..8 => Self::Partition {
                gpt: rng.below(3) > 0,
                count: rng.below(4),
                keeps_old: rng.below(2) == 0,
            },
            8..11 => Self::Format {
                kind: rng.pick(&KINDS),
                partition: (rng.below(4) > 0).then(|| rng.below(3) as usize),
                data: rng.pick(&[MIB, 16 * MIB, 256 * MIB, 2 << 30]),
            },
            11 => Self::Fill { at: rng.below(SIZE / MIB) * MIB + rng.below(2) * 8192, bytes },
            12 => Self::Zero { from: 0, bytes },
            13 => Self::ZeroEnd { bytes },
            14 => {
                let from = rng.pick(&[MIB, 512 * MIB, 513 * MIB, 1 << 30]);
                Self::Zero { from: if rng.below(2) == 0 { from } else { rng.below(SIZE) }, bytes }
            }
            15 => Self::RestoreTable,
            16 => Self::Use {
                home: rng.below(2) == 0,
                at: rng.pick(&["/mnt", "/mnt/home", "/", "/home"]),
            },
            17 => Self::AddLoader,
            18 => Self::Hold,
            19 => Self::Remake { home: rng.below(2) == 0 },
            20 | 21 => Self::Enlarge { used: rng.below(3) == 0 },
            22 | 23 => Self::Grow { discards: rng.below(2) == 0 },
            24 => Self::UseEsp,
            _ => Self::Damage { extent: rng.below(64) as usize },
        }
    }

    pub(super) fn apply(&self, model: &mut Model) {
        match self {
            Self::Install { shape, writes, torn } => {
                install::install(model, *shape, *writes, *torn);
            }
            Self::Partition { gpt, count, keeps_old } => partition(model, *gpt, *count, *keeps_old),
            Self::Format { kind, partition, data } => format(model, kind, *partition, *data),
            Self::Fill { at, bytes } => {
                // A user writes where a user has a file system.
                let owned = model.extents.iter().any(|extent| {
                    extent.owner == Owner::User && matches!(extent.what, What::FileSystem(_))
                });
                if owned && *at > 64 * MIB {
                    model.write(*at, at + bytes, Owner::User, What::Data);
                }
            }
            Self::Zero { from, bytes } => model.zero(*from, from + bytes),
            Self::ZeroEnd { bytes } => model.zero(model.size - bytes, model.size),
            Self::RestoreTable => restore_table(model),
            Self::Enlarge { used } => enlarge(model, *used),
            Self::Grow { discards } => grow(model, *discards),
            Self::Use { home, at } => use_ours(model, *home, at),
            Self::Remake { home } => {
                if let Some(part) = own_partition(model, *home) {
                    let (label, at) = match home {
                        true => (None, "/mnt/home"),
                        false => (Some(layout::ROOT.label), layout::MOUNT_POINT),
                    };
                    write_file_system(model, "ext4", part.from, part.to, label, Owner::User);
                    use_ours(model, *home, at);
                }
            }
            Self::AddLoader => change_esp(model, |found| found.loader = true),
            Self::UseEsp => change_esp(model, |found| found.used = true),
            Self::Hold => model.held = !model.held,
            Self::Damage { extent } => {
                let id = model.new_id();
                if let Some(extent) = model.extents.get_mut(*extent) {
                    (extent.whole, extent.id) = (false, id);
                }
            }
        }
    }
}

fn own_partitions(model: &Model) -> Vec<Part> {
    let parts = model.partitions().iter();
    parts.filter(|part| layout::is_partition_name(part.name)).cloned().collect()
}

/// The one for /home, or for /.
fn own_partition(model: &Model, home: bool) -> Option<Part> {
    let name = if home { install::HOME } else { layout::ROOT.name };
    model.partitions().iter().find(|part| part.name == name).cloned()
}

fn change_esp(model: &mut Model, change: impl Fn(&mut FileSystem)) {
    if let Some(esp) = own_partitions(model).into_iter().find(|part| part.is_esp) {
        model.change(esp.from, esp.to, Owner::User, change);
    }
}

/// Writes a superblock.
pub(super) fn write_file_system(
    model: &mut Model,
    kind: &'static str,
    from: u64,
    to: u64,
    label: Option<&'static str>,
    owner: Owner,
) {
    let [start, end] = super::model::superblock(kind, from, to);
    let uuid = model.new_id();
    let found = FileSystem {
        kind,
        label,
        uuid,
        mounts: 0,
        last_mounted: "",
        receipt: false,
        loader: false,
        used: false,
    };
    model.write(start, end, owner, What::FileSystem(found));
}

fn partition(model: &mut Model, gpt: bool, count: u64, keeps_old: bool) {
    let size = model.size;
    let width = (size - 2 * MIB) / count.max(1);
    let parts: Vec<_> = (0..count)
        .map(|index| {
            let from = MIB + index * width / MIB * MIB;
            // The second one has no name.
            let name = ["home of Ada", "", "swap"][usize::try_from(index).unwrap()];
            Part { name, from, to: from + width / MIB * MIB, is_esp: index == 2 }
        })
        .collect();
    if !keeps_old {
        model.zero(0, 2 * MIB);
        model.zero(size - MIB, size);
    }
    if gpt {
        let gpt = Gpt { id: format!("a user's-{}", model.new_id()), parts };
        model.write_primary(Owner::User, gpt.clone());
        model.write_backup(Owner::User, gpt);
    } else {
        model.write(0, 512, Owner::User, What::Mbr(parts));
    }
}

fn format(model: &mut Model, kind: &'static str, partition: Option<usize>, data: u64) {
    let (from, to) = match partition {
        None => (0, model.size),
        Some(index) => match model.partitions().get(index) {
            Some(part) => (part.from, part.to),
            None => return,
        },
    };
    // What another format left is wiped, as mkfs does.
    model.zero(from, from + (128 << 10));
    write_file_system(model, kind, from, to, Some("photos"), Owner::User);
    model.write(from + 8 * MIB, from + 10 * MIB, Owner::User, What::Data);
    let place = (from + 100 * MIB).min(to - MIB);
    model.write(place, (place + data).min(to), Owner::User, What::Data);
}

fn restore_table(model: &mut Model) {
    let [_, backup] = model.tables();
    let Some((gpt, true)) = backup else { return };
    let gpt = gpt.clone();
    let owner = model
        .extents
        .iter()
        .find(|extent| matches!(extent.what, What::Backup(_)) && extent.to == model.size)
        .map_or(Owner::User, |extent| extent.owner);
    model.write_primary(owner, gpt);
}

fn enlarge(model: &mut Model, used: bool) {
    let Some(larger) = LARGER.into_iter().find(|larger| *larger > model.size) else { return };
    let place = model.size + (1 << 30);
    model.size = larger;
    if used {
        model.write(place, larger - (1 << 30), Owner::User, What::Data);
    }
}

fn grow(model: &mut Model, discards: bool) {
    let Some(What::Pmbr(seal)) = model.whole_at(0).map(|extent| extent.what.clone()) else {
        return;
    };
    let [Some((gpt, true)), _] = model.tables() else { return };
    let mut gpt = gpt.clone();
    let end = model.size - MIB;
    // Less than a MiB more is nothing to these tools.
    let Some(last) = gpt.parts.last_mut().filter(|last| last.to + MIB < end) else { return };
    last.to = end;
    if discards {
        model.zero(512 * 34, gpt.parts[0].from);
    }
    let owner = model.whole_at(512).map_or(Owner::User, |extent| extent.owner);
    model.write_backup(owner, gpt.clone());
    model.write_primary(owner, gpt);
    // The MBR's disk signature stays.
    model.write(0, 512, owner, What::Pmbr(seal));
}

fn use_ours(model: &mut Model, home: bool, at: &'static str) {
    let Some(part) = own_partition(model, home) else { return };
    if model.file_system(part.from, part.to).is_none_or(|found| found.kind != "ext4") {
        return;
    }
    model.change(part.from, part.to, Owner::User, |found| {
        (found.mounts, found.last_mounted) = (found.mounts + 1, at);
    });
    let place = part.from + (5 << 30);
    model.write(place, place + 256 * MIB, Owner::User, What::Data);
}
