//! Something that happens to a disk → its writes.

use super::model::{FileSystem, Gpt, MIB, Model, Owner, Part, SIZE, What};
use super::rng::Rng;
use crate::disk::marker::{self, Marker};
use crate::disk::{layout, probe, seal};

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// An install of ours that is cut off after so many of its writes; the last one may be torn.
    Install { writes: usize, torn: bool },
    /// A user's partitioning tool.
    Partition { gpt: bool, count: u64, keeps_old: bool },
    /// mkfs and the like, on the whole disk or on a partition, with data of so many bytes after it.
    Format { kind: &'static str, partition: Option<usize>, data: u64 },
    /// Data of so many bytes at an offset within a file system that a user made.
    Fill { at: u64, bytes: u64 },
    /// Zeros over a range: dd, or a wipe.
    Zero { from: u64, bytes: u64 },
    /// The primary GPT is written again as the backup has it.
    RestoreTable,
    /// Our root file system is mounted and used by a user.
    UseRoot { at: &'static str },
    /// A user makes our root file system anew, as ours is made, mounts it at our mount point and uses
    /// it.
    RemakeRoot,
    /// A boot loader is put on the ESP by a user.
    AddLoader,
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
        match rng.below(21) {
            0..6 => Self::Install { writes: rng.below(32) as usize, torn: rng.below(3) == 0 },
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
            13 => Self::Zero { from: SIZE - bytes, bytes },
            14 => {
                let from = rng.pick(&[MIB, 512 * MIB, 513 * MIB, 1 << 30]);
                Self::Zero { from: if rng.below(2) == 0 { from } else { rng.below(SIZE) }, bytes }
            }
            15 => Self::RestoreTable,
            16 => Self::UseRoot { at: rng.pick(&["/mnt", "/", "/home"]) },
            17 => Self::AddLoader,
            18 => Self::Hold,
            19 => Self::RemakeRoot,
            _ => Self::Damage { extent: rng.below(64) as usize },
        }
    }

    pub(super) fn apply(&self, model: &mut Model) {
        match self {
            Self::Install { writes, torn } => install(model, *writes, *torn),
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
            Self::RestoreTable => restore_table(model),
            Self::UseRoot { at } => use_root(model, at),
            Self::RemakeRoot => {
                if let Some(root) = own_partitions(model).into_iter().find(|part| !part.is_esp) {
                    let label = Some(layout::ROOT.label);
                    write_file_system(model, "ext4", root.from, root.to, label, Owner::User);
                    use_root(model, layout::MOUNT_POINT);
                }
            }
            Self::AddLoader => {
                if let Some(esp) = own_partitions(model).into_iter().find(|part| part.is_esp) {
                    let mark = |found: &mut FileSystem| found.loader = true;
                    model.change(esp.from, esp.to, Owner::User, mark);
                }
            }
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

/// The layout's partitions.
fn layout_parts() -> [Part; 2] {
    let (esp_end, end) = (513 * MIB, SIZE - MIB);
    [
        Part { name: layout::ESP.name, from: MIB, to: esp_end, is_esp: true },
        Part { name: layout::ROOT.name, from: esp_end, to: end, is_esp: false },
    ]
}

/// The writes of an install in their order, until it is cut off.
fn install(model: &mut Model, writes: usize, torn: bool) {
    if model.held {
        return;
    }
    // Whatever is there was consented to, or the property failed before this.
    for extent in &mut model.extents {
        extent.owner = Owner::Consented;
    }
    let old: Vec<_> = model.partitions().to_vec();
    let marker = Marker {
        version: marker::VERSION,
        attempt: "1".into(),
        build_id: "b".into(),
        table_id: None,
        surface: None,
        root_uuid: None,
    };
    let mut cut = Cut { left: writes, torn };
    let _cut_off = install_writes(model, &old, marker, &mut cut);
}

/// Counts the writes.
struct Cut {
    left: usize,
    torn: bool,
}

/// The power is off.
struct Off;

impl Cut {
    fn zero(&mut self, model: &mut Model, from: u64, to: u64) -> Result<(), Off> {
        self.step(model, |model, half| {
            model.zero(from, if half { from + (to - from) / 2 } else { to });
        })
    }

    /// A write, or half of it if it is the last one and is torn.
    fn step(&mut self, model: &mut Model, write: impl FnOnce(&mut Model, bool)) -> Result<(), Off> {
        match self.left {
            0 if self.torn => {
                write(model, true);
                Err(Off)
            }
            0 => Err(Off),
            _ => {
                self.left -= 1;
                write(model, false);
                Ok(())
            }
        }
    }
}

/// Half a write: it is there, and not whole.
fn tear(model: &mut Model, half: bool) {
    if let Some(last) = model.extents.last_mut().filter(|_| half) {
        last.whole = false;
    }
}

fn install_writes(
    model: &mut Model,
    old: &[Part],
    mut marker: Marker,
    cut: &mut Cut,
) -> Result<(), Off> {
    let write_marker = |model: &mut Model, cut: &mut Cut, marker: &Marker| {
        cut.step(model, |model, half| {
            model.write_marker(marker.clone());
            tear(model, half);
        })
    };
    let after_marker = marker::OFFSET + marker::SIZE as u64;
    write_marker(model, cut, &marker)?;
    cut.zero(model, after_marker, probe::EDGE)?;
    for part in old {
        let edge = MIB.min(part.to - part.from);
        cut.zero(model, part.from.max(after_marker), part.from + edge)?;
        cut.zero(model, (part.to - edge).max(after_marker), part.to)?;
    }
    cut.zero(model, SIZE - probe::EDGE, SIZE)?;
    cut.zero(model, 0, marker::OFFSET)?;
    marker.surface = Some(super::facts::surface_digest(model));
    write_marker(model, cut, &marker)?;

    let id = format!("ours-{}", model.new_id());
    let [esp, root] = layout_parts();
    for count in 0..=2 {
        let parts: Vec<_> = layout_parts().into_iter().take(count).collect();
        let gpt = Gpt { id: id.clone(), parts };
        let backup = gpt.clone();
        cut.step(model, |model, half| {
            model.write_backup(Owner::Ours, backup);
            tear(model, half);
        })?;
        cut.step(model, |model, half| {
            model.write_primary(Owner::Ours, gpt);
            tear(model, half);
        })?;
    }
    let make = |model: &mut Model, cut: &mut Cut, kind, part: &Part, label| {
        cut.step(model, |model, _| {
            model.write(part.from + MIB, part.from + 3 * MIB, Owner::Ours, What::Data);
        })?;
        cut.step(model, |model, half| {
            write_file_system(model, kind, part.from, part.to, Some(label), Owner::Ours);
            tear(model, half);
        })
    };
    make(model, cut, "vfat", &esp, layout::ESP.label)?;
    make(model, cut, "ext4", &root, layout::ROOT.label)?;
    cut.step(model, |model, _| {
        model.change(root.from, root.to, Owner::Ours, |found| {
            (found.mounts, found.last_mounted) = (1, layout::MOUNT_POINT);
        });
    })?;
    cut.step(model, |model, half| {
        model.write(0, 512, Owner::Ours, What::Pmbr(seal::of(&id)));
        tear(model, half);
    })?;
    marker.root_uuid = model.file_system(root.from, root.to).map(|root| root.uuid.to_string());
    marker.table_id = Some(id.clone());
    write_marker(model, cut, &marker)?;
    for place in [1 << 30, 3 << 30, 30 << 30] {
        cut.step(model, |model, _| {
            model.write(place, place + (1 << 30), Owner::Ours, What::Data);
        })?;
    }
    // From the receipt on, it is a user's system.
    cut.step(model, |model, half| {
        if !half {
            model.change(esp.from, esp.to, Owner::Ours, |found| found.receipt = true);
            for extent in &mut model.extents {
                extent.owner = Owner::User;
            }
        }
    })?;
    cut.step(model, |model, half| {
        if !half {
            model.change(esp.from, esp.to, Owner::User, |found| found.loader = true);
        }
    })?;
    cut.step(model, |model, half| {
        model.write(0, 512, Owner::User, What::Pmbr(0));
        tear(model, half);
    })?;
    cut.zero(model, marker::OFFSET, after_marker)
}

fn write_file_system(
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
    };
    model.write(start, end, owner, What::FileSystem(found));
}

fn partition(model: &mut Model, gpt: bool, count: u64, keeps_old: bool) {
    let width = (SIZE - 2 * MIB) / count.max(1);
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
        model.zero(SIZE - MIB, SIZE);
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
        None => (0, SIZE),
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
        .find(|extent| matches!(extent.what, What::Backup(_)) && extent.to == SIZE)
        .map_or(Owner::User, |extent| extent.owner);
    model.write_primary(owner, gpt);
}

fn use_root(model: &mut Model, at: &'static str) {
    let Some(root) = own_partitions(model).into_iter().find(|part| !part.is_esp) else { return };
    if model.file_system(root.from, root.to).is_none_or(|found| found.kind != "ext4") {
        return;
    }
    model.change(root.from, root.to, Owner::User, |found| {
        (found.mounts, found.last_mounted) = (found.mounts + 1, at);
    });
    let place = root.from + (5 << 30);
    model.write(place, place + 256 * MIB, Owner::User, What::Data);
}
