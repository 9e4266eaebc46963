//! A disk's device file → [`Content`]: what is on it.
//!
//! Only reads. Signatures are libblkid's, by `wipefs --no-act`; the edges, the marker, the partition
//! table's identifier and the receipt are read directly.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::marker::{self, Marker};
use super::receipt::{self, Found};
use super::{Content, Device, Kind, Signature};
use crate::command::Runner;

/// Bytes at each end of a disk that have to be zeros for it to count as blank.
pub const EDGE: u64 = 4 << 20;

/// How long a disk may take to say what is on it: 8 MiB and a few sectors.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Reads what is on `device`. A disk that can't be read, or does not answer, is described as such: it
/// is no error.
///
/// # Errors
/// Cancelled, or `wipefs` can't be started.
pub async fn content(runner: &Runner, device: &Device) -> Result<Content> {
    // A thread that waits for a dead disk is left behind.
    tokio::time::timeout(PATIENCE, answer(runner, device)).await.unwrap_or_else(|_| {
        let unreadable = Some("it does not answer".to_owned());
        Ok(Content { unreadable, ..Content::default() })
    })
}

/// Sectors of 512 bytes that were written to the disk since it is there, by whomever.
///
/// What is written to a mounted file system, or through LVM or RAID, makes udev say nothing.
pub fn sectors_written(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/sys/class/block/{name}/stat")).ok()?;
    written(&text)
}

/// The seventh number in `Documentation/block/stat.rst`, in the kernel's tree.
fn written(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(6)?.parse().ok()
}

async fn answer(runner: &Runner, device: &Device) -> Result<Content> {
    if device.kind != Kind::Disk || device.size_bytes == 0 {
        return Ok(Content::default());
    }
    let reader = device.clone();
    let read = tokio::task::spawn_blocking(move || read(&reader)).await;
    // A reader that panics has met contents that it was not made for: not a disk to write to.
    let mut content = match read.unwrap_or_else(|error| Err(error.into())) {
        Ok(content) => content,
        Err(error) => {
            return Ok(Content { unreadable: Some(format!("{error:#}")), ..Content::default() });
        }
    };
    let listed = runner
        .tool("wipefs")
        .args(["--no-act", "--json", "--output", "TYPE,LABEL,OFFSET"])
        .arg(&device.node)
        .output()
        .await?;
    match listed.success.then(|| signatures(&listed.stdout)) {
        Some(Ok(signatures)) => content.signatures = signatures,
        Some(Err(error)) => content.unreadable = Some(format!("{error:#}")),
        None => content.unreadable = Some(listed.failure("wipefs")),
    }
    Ok(content)
}

fn read(device: &Device) -> Result<Content> {
    let about = || format!("cannot read {}", device.node.display());
    let mut file = File::open(&device.node).with_context(about)?;
    let (head, tail) = edges(&mut file, device.size_bytes).with_context(about)?;
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let marker_place = usize::try_from(marker::OFFSET)?;
    let mut content = Content {
        table_id: gpt_identifier(&head, device.sector_bytes),
        edges_zero: zero(&head) && zero(&tail),
        head_zero: zero(head.get(..marker_place).unwrap_or(&head)),
        digest: digest(&head, &tail, device.size_bytes),
        marker: head.get(marker_place..).and_then(Marker::from_bytes),
        ..Content::default()
    };
    let vfat = device.partitions.iter().filter(|p| p.filesystem.as_deref() == Some("vfat"));
    for partition in vfat {
        match receipt::find(&partition.node)? {
            Found::Nothing => {}
            Found::Loader => content.foreign_loader = true,
            Found::Receipt(receipt) => {
                content.receipt = Some(receipt);
                break;
            }
        }
    }
    Ok(content)
}

/// The digest of a disk's edges, as [`Content::digest`] has it.
///
/// # Errors
/// The disk can't be read.
pub fn current_digest(node: &Path, size_bytes: u64) -> Result<String> {
    let about = || format!("cannot read {}", node.display());
    let mut file = File::open(node).with_context(about)?;
    let (head, tail) = edges(&mut file, size_bytes).with_context(about)?;
    Ok(digest(&head, &tail, size_bytes))
}

/// The identifier of the disk's GPT.
///
/// # Errors
/// The disk can't be read, or has no GPT.
pub fn table_id(node: &Path) -> Result<String> {
    let about = || format!("cannot read the partition table of {}", node.display());
    let mut head = vec![0; 8192];
    File::open(node).and_then(|mut file| file.read_exact(&mut head)).with_context(about)?;
    // The header is in the second sector, whatever a sector's size.
    [512, 4096].into_iter().find_map(|size| gpt_identifier(&head, size)).with_context(about)
}

fn edges(file: &mut File, size_bytes: u64) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let length = EDGE.min(size_bytes);
    let mut read_at = |offset| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        Ok(bytes)
    };
    Ok((read_at(0)?, read_at(size_bytes - length)?))
}

fn digest(head: &[u8], tail: &[u8], size_bytes: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(size_bytes.to_le_bytes());
    hash.update(head);
    hash.update(tail);
    crate::format::hex(&hash.finalize())
}

/// The disk's GUID out of a GPT header (UEFI specification, table "GPT Header": offset 56).
pub fn gpt_identifier(head: &[u8], sector_bytes: u32) -> Option<String> {
    let header = head.get(usize::try_from(sector_bytes).ok()?..)?;
    if header.get(..8)? != b"EFI PART" {
        return None;
    }
    let guid: [u8; 16] = header.get(56..72)?.try_into().ok()?;
    Some(uuid::Uuid::from_bytes_le(guid).to_string())
}

/// What `wipefs --no-act --json` says.
///
/// # Errors
/// It is in another form.
pub fn signatures(json: &str) -> Result<Vec<Signature>> {
    #[derive(Deserialize)]
    struct Listing {
        signatures: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "type")]
        kind: String,
        label: Option<String>,
        offset: String,
    }
    // wipefs prints nothing at all where it finds nothing.
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let listing: Listing = serde_json::from_str(json).context("cannot read wipefs's output")?;
    let offset = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16);
    listing
        .signatures
        .into_iter()
        .map(|row| {
            let offset = offset(&row.offset).context("cannot read an offset of wipefs's")?;
            Ok(Signature { kind: row.kind, label: row.label.filter(|l| !l.is_empty()), offset })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::disk::{Condition, Disk};

    #[test]
    fn the_seventh_number_is_what_was_written() {
        let stat = "    1092     0  81234  155  17  3  4160  60  0  156  230  0  0  0  0  3  14\n";
        assert_eq!(written(stat), Some(4160));
        assert_eq!(written(""), None);
    }

    fn example(version: u32) -> Marker {
        Marker { version, attempt: "a".into(), build_id: "b".into(), table_id: None, surface: None }
    }

    fn device_of(file: &Path, size_bytes: u64) -> Device {
        Device {
            kind: Kind::Disk,
            node: file.to_owned(),
            size_bytes,
            sector_bytes: 512,
            ..Device::default()
        }
    }

    fn content_of(fill: impl FnOnce(&mut File)) -> Content {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 << 20).unwrap();
        fill(file.as_file_mut());
        read(&device_of(file.path(), 64 << 20)).unwrap()
    }

    #[test]
    fn zeros_are_seen_and_so_is_a_single_bit_at_each_end() {
        let blank = content_of(|_| {});
        assert!(blank.edges_zero && blank.head_zero);
        for offset in [0, EDGE - 1, (64 << 20) - EDGE, (64 << 20) - 1] {
            let content = content_of(|file| {
                file.seek(SeekFrom::Start(offset)).unwrap();
                file.write_all(&[1]).unwrap();
            });
            assert!(!content.edges_zero, "{offset}");
            assert_ne!(content.digest, blank.digest, "{offset}");
        }
    }

    #[test]
    fn a_marker_on_a_wiped_disk_leaves_its_head_zero() {
        let marker = example(marker::VERSION);
        let content = content_of(|file| marker.write(file).unwrap());
        assert_eq!(content.marker, Some(marker));
        assert!(content.head_zero && !content.edges_zero);
    }

    #[test]
    fn a_marker_of_another_version_makes_a_disk_neither_blank_nor_unfinished() {
        for (version, expected) in [
            (marker::VERSION, Condition::Unfinished),
            (marker::VERSION + 1, Condition::Data),
            (0, Condition::Data),
        ] {
            let content = content_of(|file| example(version).write(file).unwrap());
            let disk = Disk { device: Device { kind: Kind::Disk, ..Device::default() }, content };
            assert_eq!(disk.condition(), expected, "version {version}");
        }
    }

    #[test]
    fn the_table_is_known_by_its_guid() {
        let content = content_of(|file| {
            file.seek(SeekFrom::Start(512)).unwrap();
            file.write_all(b"EFI PART").unwrap();
            file.seek(SeekFrom::Start(512 + 56)).unwrap();
            file.write_all(&[0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 1, 2, 3, 4, 5, 6, 7, 8])
                .unwrap();
        });
        assert_eq!(content.table_id.as_deref(), Some("00112233-4455-6677-0102-030405060708"));
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_read_is_said_to_be_so() {
        let device = device_of(Path::new("/nonexistent"), 64 << 20);
        let content = content(&Runner::default(), &device).await.unwrap();
        assert!(content.unreadable.unwrap().starts_with("cannot read /nonexistent: No such file"));
    }

    #[test]
    fn wipefs_listing_is_read() {
        let found = signatures(include_str!("../../fixtures/wipefs-gpt.json")).unwrap();
        let kinds: Vec<_> = found.iter().map(|s| (s.kind.as_str(), s.offset)).collect();
        assert_eq!(kinds, [("gpt", 0x200), ("gpt", 0x3fffe00), ("PMBR", 0x1fe)]);
        assert_eq!(signatures("").unwrap(), []);
        assert!(signatures("{").is_err());
    }
}
