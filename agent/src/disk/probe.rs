//! A disk's device file → [`Content`]: what is on it.
//!
//! Only reads. Signatures are libblkid's, by `wipefs --no-act`; the edges, the marker, the partition
//! tables and the receipt are read directly. Where all that finds nothing, more of both ends and a
//! sample of the surface between them is read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::marker::{self, Marker};
use super::surface::{self, is_zero};
use super::{
    Content, Device, Kind, Partition, Signature, ends, esp, ext4, layout, seal, signature, table,
};
use crate::command::Runner;
use crate::format::printable;

/// Bytes at each end of a disk that are always read, and that the digest covers.
pub const EDGE: u64 = 4 << 20;

/// Places with data whose format is looked for.
const RECOGNISED: usize = 64;

/// A disk that takes longer to say what is on it, 128 MiB and some thousand blocks at most, does not
/// answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Reads what is on `device`. A disk that can't be read is described as such: it is no error.
///
/// A disk that does not answer may make this wait for ever: see [`PATIENCE`].
///
/// # Errors
/// Cancelled, or `wipefs` can't be started.
pub async fn content(runner: &Runner, device: &Device) -> Result<Content> {
    if device.kind != Kind::Disk || device.size_bytes == 0 {
        return Ok(Content::default());
    }
    let unreadable =
        |why: String| Ok(Content { unreadable: Some(printable(&why)), ..Content::default() });
    let mut content = match in_thread(device, read).await {
        Ok(content) => content,
        Err(error) => return unreadable(format!("{error:#}")),
    };
    let listed = runner
        .tool("wipefs")
        .args(["--no-act", "--json", "--output", "TYPE,LABEL,OFFSET"])
        .arg(&device.node)
        .output()
        .await?;
    match listed.success.then(|| signatures(&listed.stdout)) {
        Some(Ok(signatures)) => content.signatures = signatures,
        Some(Err(error)) => return unreadable(format!("{error:#}")),
        None => return unreadable(listed.failure("wipefs")),
    }
    if looks_empty(device, &content) {
        let so_far = content.clone();
        match in_thread(device, move |device| look_deeper(device, so_far)).await {
            Ok(deeper) => content = deeper,
            Err(error) => return unreadable(format!("{error:#}")),
        }
    }
    Ok(content)
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

/// Reads in a thread that may be waited for.
async fn in_thread(
    device: &Device,
    read: impl FnOnce(&Device) -> Result<Content> + Send + 'static,
) -> Result<Content> {
    let device = device.clone();
    // A reader that panics has met contents that it was not made for: not a disk to write to.
    tokio::task::spawn_blocking(move || read(&device)).await.unwrap_or_else(|e| Err(e.into()))
}

/// Whether nothing says yet that there is something on the disk: then its surface has to.
fn looks_empty(device: &Device, content: &Content) -> bool {
    device.partitions.is_empty()
        && device.filesystem.is_none()
        && content.signatures.is_empty()
        && content.primary.is_none()
        && content.backup.is_none()
}

fn read(device: &Device) -> Result<Content> {
    let about = || format!("cannot read {}", device.node.display());
    let mut file = File::open(&device.node).with_context(about)?;
    let size = device.size_bytes;
    let (head, tail) = edges(&mut file, size).with_context(about)?;
    let marker_place = usize::try_from(marker::OFFSET)?;
    let marker = head.get(marker_place..).and_then(Marker::from_bytes);
    let fingerprint = marker.as_ref().is_some_and(|marker| marker.surface.is_some());
    let surface_digest =
        if fingerprint { Some(surface::digest(&file, size).with_context(about)?) } else { None };
    let mut content = Content {
        table_id: gpt_identifier(&head, device.sector_bytes),
        primary: table::primary(&head),
        backup: table::backup(&tail, size),
        seal: seal::read(&head),
        mbr_partitions: table::mbr_partitions(&head),
        edges_zero: is_zero(&head) && is_zero(&tail),
        head_zero: is_zero(head.get(..marker_place).unwrap_or(&head)),
        ends: ends::of_edges(&head, &tail, size, marker.is_some()),
        surface_digest,
        digest: digest(&head, &tail, size),
        marker,
        ..Content::default()
    };
    drop((head, tail));
    esp::look(&device.partitions, &mut content);
    superblocks(&device.partitions, &mut content)?;
    Ok(content)
}

/// Reads what ext4 says of itself, on the partitions that an install of ours can have made it on.
fn superblocks(partitions: &[Partition], content: &mut Content) -> Result<()> {
    let ours = content.marker.as_ref().map(Marker::partitions);
    let ours = ours.unwrap_or_else(nixvm_manifest::layout::own);
    let root = layout::root_of(&ours).map(|root| root.number);
    for ours in ours.iter().filter(|ours| ours.number != layout::ESP.number) {
        let is_it = |found: &&Partition| found.name.as_ref() == Some(&ours.name);
        let Some(partition) = partitions.iter().find(is_it) else { continue };
        let about = || format!("cannot read {}", partition.node.display());
        let found = ext4::read(&partition.node).with_context(about)?;
        if Some(ours.number) == root {
            content.root = found;
        } else if let Some(found) = found {
            content.others.insert(ours.number, found);
        }
    }
    Ok(())
}

/// Reads the rest of both ends and the surface between them.
fn look_deeper(device: &Device, mut content: Content) -> Result<Content> {
    let about = || format!("cannot read {}", device.node.display());
    let file = File::open(&device.node).with_context(about)?;
    let size = device.size_bytes;
    if content.ends.first_nonzero.is_none() {
        content.ends = ends::read_rest(&file, size).with_context(about)?;
    }
    let mut found: Vec<_> = content.ends.first_nonzero.into_iter().collect();
    let surface = surface::sample(&file, size, |offset| found.push(offset)).with_context(about)?;
    content.surface = Some(surface);
    found.sort_unstable();
    for offset in found.into_iter().take(RECOGNISED) {
        let signature = signature::find(&file, size, offset).with_context(about)?;
        content.surface_signatures.extend(signature);
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

/// The identifier of the GPT that `head`, a disk's first bytes, have for sectors of this size.
pub fn gpt_identifier(head: &[u8], sector_bytes: u32) -> Option<String> {
    table::identifier(head.get(usize::try_from(sector_bytes).ok()?..)?)
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
            let label = row.label.map(|label| printable(&label)).filter(|label| !label.is_empty());
            Ok(Signature { kind: printable(&row.kind), label, offset })
        })
        .collect()
}

#[cfg(test)]
mod tests;
