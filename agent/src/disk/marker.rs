//! An install's start → 4096 bytes on the target that say so, until the receipt replaces them.
//!
//! The marker lies in the gap between the GPT's entries and the first partition, where neither
//! `wipefs`, `sgdisk` nor a partition's contents reach, so it survives a power cut at every moment of
//! an install. It names the attempt, the ISO, the partition table, the layout and its ext4 file systems, not
//! the step.
//! It makes the next run start over without a question; see [`super::Disk::condition`]
//! for when it is believed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use nixvm_manifest::LayoutPartition;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Byte offset on the disk: after the GPT entries (24 KiB with sectors of 4 KiB, 32 KiB with 8), before the
/// first partition at 1 MiB.
pub const OFFSET: u64 = 960 << 10;

/// Bytes that the marker takes.
pub const SIZE: usize = 4096;

/// The first line.
const MAGIC: &str = "nixvm unfinished install";

/// Version of the marker's format; raised when an agent of the older one could misunderstand it.
pub const VERSION: u32 = 1;

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// [`VERSION`] of the format.
    pub version: u32,
    /// Names the attempt.
    pub attempt: String,
    /// Which ISO it was.
    pub build_id: String,
    /// The new partition table's identifier, once there is one.
    pub table_id: Option<String>,
    /// [`super::surface::surface_digest`] of the wiped disk, once it is wiped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<String>,
    /// The root file system's UUID, noted together with the table's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_uuid: Option<String>,
    /// The partitions that the install makes; empty: those of nixvm's own layout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layout: Vec<LayoutPartition>,
    /// The UUIDs of ext4 on the other partitions, by their number, noted together with the root's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_uuids: BTreeMap<u32, String>,
}

impl Marker {
    /// The mark of an attempt that makes these partitions, before anything else is known.
    pub fn new(attempt: &str, build_id: &str, layout: &[LayoutPartition]) -> Self {
        let is_own = layout == nixvm_manifest::layout::own();
        Self {
            version: VERSION,
            attempt: attempt.to_owned(),
            build_id: build_id.to_owned(),
            table_id: None,
            surface: None,
            root_uuid: None,
            layout: if is_own { Vec::new() } else { layout.to_vec() },
            other_uuids: BTreeMap::new(),
        }
    }

    /// The partitions that the install makes.
    pub fn partitions(&self) -> Vec<LayoutPartition> {
        if self.layout.is_empty() { nixvm_manifest::layout::own() } else { self.layout.clone() }
    }

    /// The bytes on the disk: magic, JSON and the JSON's SHA-256, a line each, padded with zeros.
    ///
    /// # Errors
    /// It does not fit: see [`Self::check_room`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_string(self)?;
        let mut bytes = format!("{MAGIC}\n{json}\n{}\n", digest(json.as_bytes())).into_bytes();
        anyhow::ensure!(bytes.len() <= SIZE, "the marker is too long: {} bytes", bytes.len());
        bytes.resize(SIZE, 0);
        Ok(bytes)
    }

    /// Insists that what is noted later will fit as well.
    ///
    /// # Errors
    /// The layout has too many or too long names and mount points.
    pub fn check_room(&self) -> Result<()> {
        let uuid = || "0".repeat(36);
        let numbers = self.layout.iter().map(|partition| partition.number);
        let full = Self {
            table_id: Some(uuid()),
            surface: Some("0".repeat(64)),
            root_uuid: Some(uuid()),
            other_uuids: numbers.map(|number| (number, uuid())).collect(),
            ..self.clone()
        };
        full.to_bytes().map(|_| ()).context("the layout has too many places or too long names")
    }

    /// Reads a marker; None where there is none, a torn or damaged one, or one of another version: its
    /// bytes then are data like any other.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = bytes.split(|byte| *byte == 0).next()?;
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let json = lines.next()?;
        if lines.next()? != digest(json.as_bytes()) {
            return None;
        }
        serde_json::from_str(json).ok().filter(|marker: &Self| marker.version == VERSION)
    }

    /// Reads the marker of an open disk.
    ///
    /// # Errors
    /// The disk can't be read there.
    pub fn read(disk: &mut File) -> std::io::Result<Option<Self>> {
        let mut bytes = vec![0; SIZE];
        disk.seek(SeekFrom::Start(OFFSET))?;
        disk.read_exact(&mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Writes the marker to an open disk and waits until it is there.
    ///
    /// # Errors
    /// The disk can't be written.
    pub fn write(&self, disk: &mut File) -> Result<()> {
        write_block(disk, &self.to_bytes()?).context("cannot write the unfinished-install marker")
    }
}

/// Takes the marker away and waits until it is gone.
///
/// # Errors
/// The disk can't be written.
pub fn erase(disk: &mut File) -> Result<()> {
    write_block(disk, &[0; SIZE]).context("cannot remove the unfinished-install marker")
}

fn write_block(disk: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    disk.seek(SeekFrom::Start(OFFSET))?;
    disk.write_all(bytes)?;
    disk.sync_data()
}

fn digest(bytes: &[u8]) -> String {
    crate::format::hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Marker {
        Marker {
            table_id: Some("ABC".into()),
            surface: Some("0".repeat(64)),
            root_uuid: Some("0".repeat(36)),
            ..Marker::new("1", "x", &nixvm_manifest::layout::own())
        }
    }

    #[test]
    fn survives_the_way_to_the_disk_and_back() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(2 << 20).unwrap();
        assert_eq!(Marker::read(&mut file).unwrap(), None);
        example().write(&mut file).unwrap();
        assert_eq!(Marker::read(&mut file).unwrap(), Some(example()));
        erase(&mut file).unwrap();
        assert_eq!(Marker::read(&mut file).unwrap(), None);
    }

    #[test]
    fn the_partitions_are_noted_where_they_are_not_nixvms_own_and_fit_with_all_that_is_noted_later()
    {
        let own = nixvm_manifest::layout::own();
        assert!(!String::from_utf8(example().to_bytes().unwrap()).unwrap().contains("layout"));
        assert_eq!(example().partitions(), own);

        let others = (3..=8).map(|number| LayoutPartition {
            number,
            name: format!("disk-main-{}", "x".repeat(26)),
            filesystem: "btrfs".into(),
            mapping: Some(format!("crypt{number}")),
            label: Some("y".repeat(64)),
            mount_points: vec![format!("/{}", "z".repeat(60)).into()],
            swap_files: Vec::new(),
        });
        let layout: Vec<_> = own.into_iter().chain(others).collect();
        let marker = Marker {
            other_uuids: (1..=8).map(|number| (number, "0".repeat(36))).collect(),
            layout: layout.clone(),
            ..example()
        };
        assert_eq!(marker.partitions(), layout);
        assert_eq!(Marker::from_bytes(&marker.to_bytes().unwrap()), Some(marker));
        let mut first = Marker::new("1", "x", &layout);
        first.check_room().unwrap();
        // It fits by itself alone.
        while first.to_bytes().is_ok_and(|_| first.check_room().is_ok()) {
            first.layout[7].mount_points.push("/a/place/more".into());
        }
        let error = first.check_room().unwrap_err();
        assert!(first.to_bytes().is_ok(), "{error:#}");
        assert!(format!("{error:#}").contains("too many places"), "{error:#}");
    }

    #[test]
    fn one_of_another_version_is_none() {
        let later = Marker { version: VERSION + 1, ..example() }.to_bytes().unwrap();
        assert_eq!(Marker::from_bytes(&later), None);
    }

    #[test]
    fn a_damaged_one_is_none() {
        let bytes = example().to_bytes().unwrap();
        assert_eq!(bytes.len(), SIZE);
        let written = bytes.iter().position(|b| *b == 0).unwrap();
        for place in 0..written {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            // The very last line end is all that may change without being noticed.
            assert!(Marker::from_bytes(&damaged).is_none() || place + 1 == written, "{place}");
        }
        assert_eq!(Marker::from_bytes(&bytes[..100]), None);
    }
}
