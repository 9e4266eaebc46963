//! A modelled disk → what udev, the kernel and the prober say of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use super::model::{LARGER, MIB, Model, Part, SIZE, What};
use crate::disk::ext4::Ext4Use;
use crate::disk::receipt::{Loader, Receipt};
use crate::disk::surface::{self, Surface, WHOLE_ENDS};
use crate::disk::table::Table;
use crate::disk::{Content, Disk, Ends, Esp, Partition, Signature, layout, marker, probe};

/// Where a disk of some size is read.
struct Places {
    size: u64,
    /// The sample's places, in the order of their offsets.
    sample: Vec<u64>,
    /// As many places as the fingerprint of a wiped surface has, as evenly spread.
    fingerprint: Vec<u64>,
}

static PLACES: LazyLock<Vec<Places>> = LazyLock::new(|| {
    let of = |size| {
        let mut sample = surface::places(size);
        sample.sort_unstable();
        let step = (size - 65 * MIB) / 1024 / MIB * MIB;
        let rest = (0..1024).map(|at| 64 * MIB + at * step);
        let fingerprint = (1..64).map(|at| at * MIB).chain(rest).collect();
        Places { size, sample, fingerprint }
    };
    [SIZE].into_iter().chain(LARGER).map(of).collect()
});

fn places_of(size: u64) -> &'static Places {
    PLACES.iter().find(|places| places.size == size).unwrap()
}

/// Those of `places` at which 4 KiB have a part of a range in them.
fn places_in(places: &[u64], from: u64, to: u64) -> (usize, usize) {
    let first = places.partition_point(|place| place + surface::BLOCK as u64 <= from);
    let end = places.partition_point(|place| *place < to);
    (first, end)
}

/// What [`surface::surface_digest`] would say: the same for the same bytes.
pub(super) fn surface_digest(model: &Model) -> String {
    let size = model.size;
    let fingerprint = &places_of(size).fingerprint;
    let mut seen: Vec<_> = model
        .extents
        .iter()
        .map(|extent| {
            let edges = [[MIB, probe::EDGE], [size - probe::EDGE, size - MIB]];
            let in_edge = edges.map(|[from, to]| extent.from < to && from < extent.to);
            (places_in(fingerprint, extent.from, extent.to), in_edge, extent.id)
        })
        .filter(|((first, end), in_edge, _)| first < end || in_edge.contains(&true))
        .collect();
    seen.sort_unstable();
    hash(&(size, seen))
}

fn hash(what: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

pub(super) fn disk(model: &Model) -> Disk {
    let mut disk = crate::disk::examples::disk("vda");
    let (device, content) = (&mut disk.device, &mut disk.content);
    *content = Content::default();
    device.size_bytes = model.size;
    device.holders = if model.held { vec!["dm-0".into()] } else { Vec::new() };
    let parts = model.partitions();
    let numbers = 1..;
    device.partitions =
        parts.iter().zip(numbers).map(|(part, number)| partition(model, part, number)).collect();
    let whole = model.file_system(0, model.size);
    device.filesystem = whole.map(|found| found.kind.to_owned());
    device.label = whole.and_then(|found| found.label).map(str::to_owned);

    let [primary, backup] = model.tables().map(|found| {
        found.map(|(gpt, valid)| {
            let names = gpt.parts.iter().filter(|_| valid).map(|part| part.name.to_owned());
            Table { id: gpt.id.clone(), valid, names: names.collect() }
        })
    });
    let mbr = model.whole_at(0).map(|extent| &extent.what);
    content.mbr_partitions = if let Some(What::Mbr(parts)) = mbr { parts.len() } else { 0 };
    let signature = |kind: &str| Signature { kind: kind.to_owned(), label: None, offset: 512 };
    content.signatures.extend(
        [&primary, &backup].into_iter().flatten().filter(|t| t.valid).map(|_| signature("gpt")),
    );
    match mbr {
        Some(What::Pmbr(signed)) => {
            content.seal = Some(*signed);
            content.signatures.push(signature("PMBR"));
        }
        Some(What::Mbr(_)) => content.signatures.push(signature("dos")),
        _ => {}
    }
    content.signatures.extend(whole.map(|found| signature(found.kind)));
    content.table_id = primary.as_ref().map(|table| table.id.clone());
    (content.primary, content.backup) = (primary, backup);
    content.marker = model.marker().cloned();
    let fingerprint = content.marker.as_ref().is_some_and(|marker| marker.surface.is_some());
    content.surface_digest = fingerprint.then(|| surface_digest(model));
    edges(model, content);
    esp(model, parts, content);
    superblocks(model, parts, content);
    if device.partitions.is_empty()
        && device.filesystem.is_none()
        && content.signatures.is_empty()
        && content.primary.is_none()
        && content.backup.is_none()
    {
        look_deeper(model, content);
    }
    disk
}

fn superblocks(model: &Model, parts: &[Part], content: &mut Content) {
    let ours = content
        .marker
        .as_ref()
        .map_or_else(nixvm_manifest::layout::own, marker::Marker::partitions);
    for ours in &ours[1..] {
        let Some(part) = parts.iter().find(|part| part.name == ours.name) else { continue };
        let found = model.file_system(part.from, part.to).filter(|found| found.kind == "ext4");
        let found = found.map(|found| Ext4Use {
            uuid: found.uuid.to_string(),
            mounts: found.mounts,
            last_mounted: found.last_mounted.to_owned(),
            checked: false,
        });
        match found {
            found if ours.name == layout::ROOT.name => content.root = found,
            Some(found) => _ = content.others.insert(ours.number, found),
            None => {}
        }
    }
}

fn partition(model: &Model, part: &Part, number: u32) -> Partition {
    let found = model.file_system(part.from, part.to);
    Partition {
        number,
        node: format!("/dev/vda{number}").into(),
        size_bytes: part.to - part.from,
        name: Some(part.name).filter(|name| !name.is_empty()).map(str::to_owned),
        type_id: part.is_esp.then(|| "c12a7328-f81f-11d2-ba4b-00a0c93ec93b".to_owned()),
        filesystem: found.map(|found| found.kind.to_owned()),
        label: found.and_then(|found| found.label).map(str::to_owned),
    }
}

/// The first offset in a range that is not zero, apart from a marker's.
fn first_nonzero(model: &Model, from: u64, to: u64) -> Option<u64> {
    let others = model.extents.iter().filter(|extent| {
        !(extent.whole && extent.from == marker::OFFSET && matches!(extent.what, What::Marker(_)))
    });
    others.filter(|extent| extent.from < to && from < extent.to).map(|e| e.from.max(from)).min()
}

fn edges(model: &Model, content: &mut Content) {
    let (edge, size) = (probe::EDGE, model.size);
    let first = first_nonzero(model, 0, edge).or_else(|| first_nonzero(model, size - edge, size));
    content.edges_zero = first.is_none() && content.marker.is_none();
    content.head_zero = first_nonzero(model, 0, marker::OFFSET).is_none();
    content.ends = Ends { bytes: edge, first_nonzero: first };
    let seen: Vec<_> = model
        .extents
        .iter()
        .filter(|extent| extent.from < edge || extent.to > size - edge)
        .map(|extent| (extent.from, extent.to, extent.id))
        .collect();
    content.digest = hash(&(size, seen));
}

/// The rest of both ends, and the sample.
fn look_deeper(model: &Model, content: &mut Content) {
    let size = model.size;
    let places = &places_of(size).sample;
    if content.ends.first_nonzero.is_none() {
        let first = first_nonzero(model, 0, WHOLE_ENDS)
            .or_else(|| first_nonzero(model, size - WHOLE_ENDS, size));
        content.ends = Ends { bytes: WHOLE_ENDS, first_nonzero: first };
    }
    let ranges = model.extents.iter().map(|extent| places_in(places, extent.from, extent.to));
    let hit: Vec<_> = ranges.filter(|(first, end)| first < end).collect();
    content.surface = Some(Surface {
        places: places.len(),
        read: places.len(),
        nonzero: hit.iter().map(|(first, end)| end - first).sum(),
        first_nonzero: hit.iter().map(|(first, _)| places[*first]).min(),
    });
}

fn esp(model: &Model, parts: &[Part], content: &mut Content) {
    for part in parts {
        let found = model.file_system(part.from, part.to).filter(|found| found.kind == "vfat");
        if !part.is_esp && part.name != layout::ESP.name && found.is_none() {
            continue;
        }
        let is_zero = !model.extents.iter().any(|e| e.from < part.from + 4096 && part.from < e.to);
        match found {
            Some(found) if found.receipt => {
                let loader = if found.loader { Loader::InPlace } else { Loader::Withheld };
                content.receipt = Some(Receipt { loader, ..Receipt::default() });
                return;
            }
            Some(found) => {
                content.foreign_loader |= found.loader;
                if content.esp == Esp::Absent {
                    content.esp = if found.used { Esp::Used("photos".into()) } else { Esp::Empty };
                }
            }
            None if is_zero => {
                if content.esp == Esp::Absent {
                    content.esp = Esp::Unformatted;
                }
            }
            None => content.esp = Esp::Unreadable("damaged".into()),
        }
    }
}
