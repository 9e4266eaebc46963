//! Writes in their order → a disk of extents, each with what it holds and whose it is.
//!
//! What is in no extent is zeros.

use crate::disk::marker::{self, Marker};

/// Bytes of the disk, until it is made larger.
pub(super) const SIZE: u64 = 64 << 30;

/// Bytes of a disk that is larger, once and twice.
pub(super) const LARGER: [u64; 2] = [96 << 30, 128 << 30];

pub(super) const MIB: u64 = 1 << 20;

/// Bytes of a GPT's header and entries, and of the sectors before the primary one.
const GPT: u64 = 33 * 512;

/// Whose an extent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// An install of ours wrote it, and has not ended.
    Ours,
    /// It was there when such an install began with consent.
    Consented,
    /// It may be of value.
    User,
}

/// What an extent holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Marker(Marker),
    /// The MBR that protects a GPT, with its disk signature.
    Pmbr(u32),
    Primary(Gpt),
    Backup(Gpt),
    Mbr(Vec<Part>),
    FileSystem(FileSystem),
    Data,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gpt {
    pub(super) id: String,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) is_esp: bool,
}

/// What a superblock says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileSystem {
    pub(super) kind: &'static str,
    pub(super) label: Option<&'static str>,
    pub(super) uuid: u32,
    pub(super) mounts: u16,
    pub(super) last_mounted: &'static str,
    /// On an ESP: our receipt.
    pub(super) receipt: bool,
    /// On an ESP: a boot loader on the removable path.
    pub(super) loader: bool,
    /// On an ESP: a user's files.
    pub(super) used: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) owner: Owner,
    pub(super) what: What,
    /// All of it is there, as it was written.
    pub(super) whole: bool,
    /// Names the bytes that were written.
    pub(super) id: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Bytes of the disk.
    pub(super) size: u64,
    pub(super) extents: Vec<Extent>,
    /// Something is built on the disk.
    pub(super) held: bool,
    next_id: u32,
}

impl Default for Model {
    fn default() -> Self {
        Self { size: SIZE, extents: Vec::new(), held: false, next_id: 0 }
    }
}

impl Model {
    pub(super) fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Makes a range zeros.
    pub(super) fn zero(&mut self, from: u64, to: u64) {
        let mut kept = Vec::with_capacity(self.extents.len() + 1);
        for extent in self.extents.drain(..) {
            if extent.to <= from || to <= extent.from {
                kept.push(extent);
                continue;
            }
            for (start, end) in [(extent.from, from), (to, extent.to)] {
                if start < end {
                    kept.push(Extent { from: start, to: end, whole: false, ..extent.clone() });
                }
            }
        }
        self.extents = kept;
    }

    pub(super) fn write(&mut self, from: u64, to: u64, owner: Owner, what: What) {
        let to = to.min(self.size);
        if from >= to {
            return;
        }
        self.zero(from, to);
        let id = self.new_id();
        self.extents.push(Extent { from, to, owner, what, whole: true, id });
    }

    /// The extent that begins here, if it is as it was written.
    pub(super) fn whole_at(&self, from: u64) -> Option<&Extent> {
        self.extents.iter().find(|extent| extent.from == from && extent.whole)
    }

    pub(super) fn marker(&self) -> Option<&Marker> {
        match &self.whole_at(marker::OFFSET)?.what {
            What::Marker(marker) => Some(marker),
            _ => None,
        }
    }

    pub(super) fn write_marker(&mut self, marker: Marker) {
        let to = marker::OFFSET + marker::SIZE as u64;
        self.write(marker::OFFSET, to, Owner::Ours, What::Marker(marker));
    }

    /// The GPT at the beginning and at the end, with whether each is valid.
    pub(super) fn tables(&self) -> [Option<(&Gpt, bool)>; 2] {
        let mut found = [None, None];
        for extent in &self.extents {
            match &extent.what {
                // The header is the first sector of one and the last of the other.
                What::Primary(gpt) if extent.from == 512 => found[0] = Some((gpt, extent.whole)),
                What::Backup(gpt) if extent.to == self.size => found[1] = Some((gpt, extent.whole)),
                _ => {}
            }
        }
        found
    }

    pub(super) fn write_primary(&mut self, owner: Owner, gpt: Gpt) {
        self.write(0, 512, owner, What::Pmbr(0));
        self.write(512, 512 + GPT, owner, What::Primary(gpt));
    }

    pub(super) fn write_backup(&mut self, owner: Owner, gpt: Gpt) {
        self.write(self.size - GPT, self.size, owner, What::Backup(gpt));
    }

    /// The partitions that the kernel makes of the tables: with a protective MBR, those of the valid
    /// GPT, the primary first.
    pub(super) fn partitions(&self) -> &[Part] {
        match self.whole_at(0).map(|extent| &extent.what) {
            Some(What::Pmbr(_)) => {
                let valid = self.tables().into_iter().flatten().find(|(_, valid)| *valid);
                valid.map(|(gpt, _)| gpt.parts.as_slice()).unwrap_or_default()
            }
            Some(What::Mbr(parts)) => parts,
            _ => &[],
        }
    }

    /// The file system that is found in a range which begins and ends here.
    pub(super) fn file_system(&self, from: u64, to: u64) -> Option<&FileSystem> {
        self.extents.iter().find_map(|extent| match &extent.what {
            What::FileSystem(found) if extent.whole => {
                let [start, end] = superblock(found.kind, from, to);
                (extent.from == start && extent.to == end).then_some(found)
            }
            _ => None,
        })
    }

    /// Changes what such a superblock says, by whom.
    pub(super) fn change(
        &mut self,
        from: u64,
        to: u64,
        owner: Owner,
        change: impl Fn(&mut FileSystem),
    ) {
        let id = self.new_id();
        for extent in &mut self.extents {
            let What::FileSystem(found) = &mut extent.what else { continue };
            if extent.whole && [extent.from, extent.to] == superblock(found.kind, from, to) {
                change(found);
                (extent.owner, extent.id) = (owner, id);
            }
        }
    }
}

/// Where a file system of this kind has its superblock, in a device that begins and ends here.
pub(super) fn superblock(kind: &str, from: u64, to: u64) -> [u64; 2] {
    match kind {
        "ext4" => [from + 1024, from + 4096],
        "btrfs" => [from + (64 << 10), from + (68 << 10)],
        "LVM2_member" => [from + 512, from + 4096],
        "linux_raid_member" => [to - (64 << 10), to - (60 << 10)],
        _ => [from, from + 4096],
    }
}
