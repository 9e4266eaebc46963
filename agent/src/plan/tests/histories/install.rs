//! An install of ours → its writes to a disk, until it is cut off.

use nixvm_manifest::LayoutPartition;

use super::model::{Gpt, MIB, Model, Owner, Part, What};
use super::steps::write_file_system;
use crate::disk::marker::{self, Marker};
use crate::disk::{layout, probe, seal};

/// The name of the partition that another layout than nixvm's own has.
pub(super) const HOME: &str = "disk-main-home";

/// A layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// It has ext4 at /home.
    pub(super) with_home: bool,
    /// Its root is in LUKS.
    pub(super) encrypted: bool,
}

impl Shape {
    pub(super) const ALL: [Self; 4] = [
        Self { with_home: false, encrypted: false },
        Self { with_home: true, encrypted: false },
        Self { with_home: false, encrypted: true },
        Self { with_home: true, encrypted: true },
    ];
}

/// nixvm's own layout, with what the shape has of its own.
fn partitions(shape: Shape) -> Vec<LayoutPartition> {
    let home = LayoutPartition {
        number: 3,
        name: HOME.to_owned(),
        filesystem: "ext4".to_owned(),
        mapping: None,
        label: None,
        mount_points: vec!["/home".into()],
        swap_files: Vec::new(),
    };
    let mut layout = nixvm_manifest::layout::own();
    layout[1].mapping = shape.encrypted.then(|| "crypt".to_owned());
    layout.extend(shape.with_home.then_some(home));
    layout
}

/// The layout's partitions on a disk of this size.
fn layout_parts(size: u64, shape: Shape) -> Vec<Part> {
    let (esp_end, end) = (513 * MIB, size - MIB);
    let root_end = if shape.with_home { 20 << 30 } else { end };
    let mut parts = vec![
        Part { name: layout::ESP.name, from: MIB, to: esp_end, is_esp: true },
        Part { name: layout::ROOT.name, from: esp_end, to: root_end, is_esp: false },
    ];
    if shape.with_home {
        parts.push(Part { name: HOME, from: root_end, to: end, is_esp: false });
    }
    parts
}

/// The writes of an install in their order, until it is cut off.
pub(super) fn install(model: &mut Model, shape: Shape, writes: usize, torn: bool) {
    if model.held {
        return;
    }
    // Whatever is there was consented to, or the property failed before this.
    for extent in &mut model.extents {
        extent.owner = Owner::Consented;
    }
    let old: Vec<_> = model.partitions().to_vec();
    let marker = Marker::new("1", "b", &partitions(shape));
    let mut cut = Cut { left: writes, torn };
    let _cut_off = install_writes(model, &old, shape, marker, &mut cut);
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
    shape: Shape,
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
    let size = model.size;
    cut.zero(model, size - probe::EDGE, size)?;
    cut.zero(model, 0, marker::OFFSET)?;
    marker.surface = Some(super::facts::surface_digest(model));
    write_marker(model, cut, &marker)?;

    let id = format!("ours-{}", model.new_id());
    let made = layout_parts(size, shape);
    for count in 0..=made.len() {
        let parts = made[..count].to_vec();
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
    let make = |model: &mut Model, cut: &mut Cut, kind, part: &Part, label: Option<_>| {
        cut.step(model, |model, _| {
            model.write(part.from + MIB, part.from + 3 * MIB, Owner::Ours, What::Data);
        })?;
        cut.step(model, |model, half| {
            write_file_system(model, kind, part.from, part.to, label, Owner::Ours);
            tear(model, half);
        })
    };
    let (esp, root) = (&made[0], &made[1]);
    make(model, cut, "vfat", esp, Some(layout::ESP.label))?;
    match shape.encrypted {
        true => make(model, cut, "crypto_LUKS", root, None)?,
        false => make(model, cut, "ext4", root, Some(layout::ROOT.label))?,
    }
    if let Some(home) = made.get(2) {
        make(model, cut, "ext4", home, None)?;
    }
    for (part, at) in made[1..].iter().zip([layout::MOUNT_POINT, "/mnt/home"]) {
        cut.step(model, |model, _| {
            model.change(part.from, part.to, Owner::Ours, |found| {
                (found.mounts, found.last_mounted) = (1, at);
            });
        })?;
    }
    cut.step(model, |model, half| {
        model.write(0, 512, Owner::Ours, What::Pmbr(seal::of(&id, size)));
        tear(model, half);
    })?;
    let uuid = model.file_system(root.from, root.to).map(|root| root.uuid.to_string());
    marker.root_uuid = uuid.filter(|_| !shape.encrypted);
    let home = made.get(2).and_then(|home| model.file_system(home.from, home.to));
    marker.other_uuids.extend(home.map(|home| (3, home.uuid.to_string())));
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
