//! A disk of which udev knows no file system → the same with the volume of answers that is on it.
//!
//! udev takes over what libblkid is sure of: where there are two formats, as an HFS or Apple partition
//! map beside ISO 9660, it names none. wipefs lists every signature. The label in a FAT's boot sector,
//! which some tools write alone, neither of them takes for one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Result;

use crate::command::Runner;
use crate::disk::eligibility::{ANSWERS_LABEL, NO_CLOUD_LABEL};
use crate::disk::{Device, Kind, Signature, probe};

/// File systems in the order in which they are tried where several have the label.
const PREFERRED: [&str; 4] = ["iso9660", "udf", "vfat", "ext4"];

/// Bytes of a label in a FAT's boot sector.
const FAT_LABEL: usize = 11;

/// Fills in file system and label where udev has no label and the volume is [`ANSWERS_LABEL`] or
/// [`NO_CLOUD_LABEL`], on `device` and its partitions. `signatures` are those of the whole device, if they were read.
///
/// A device that can't be read stays as it is: it is said elsewhere, and a drive may be empty.
///
/// # Errors
/// Cancelled, or `wipefs` can't be started.
pub async fn name_silent(
    runner: &Runner,
    device: &mut Device,
    signatures: &[Signature],
) -> Result<()> {
    if device.size_bytes == 0 || device.kind == Kind::Other {
        return Ok(());
    }
    if device.label.is_none() {
        let listed;
        let signatures = if device.kind == Kind::Disk {
            signatures
        } else {
            listed = list(runner, &device.node).await?;
            &listed
        };
        let known = device.filesystem.as_deref();
        if let Some((kind, label)) = labelled(&device.node, known, signatures).await {
            device.filesystem = Some(kind);
            device.label = Some(label.to_owned());
        }
    }
    for partition in &mut device.partitions {
        if partition.label.is_none() {
            let signatures = list(runner, &partition.node).await?;
            let known = partition.filesystem.as_deref();
            if let Some((kind, label)) = labelled(&partition.node, known, &signatures).await {
                partition.filesystem = Some(kind);
                partition.label = Some(label.to_owned());
            }
        }
    }
    Ok(())
}

/// The signatures on a device; none if it can't be read or does not answer.
async fn list(runner: &Runner, node: &Path) -> Result<Vec<Signature>> {
    let wipefs = runner
        .tool("wipefs")
        .args(["--no-act", "--json", "--output", "TYPE,LABEL,OFFSET"])
        .arg(node)
        .output();
    let Ok(listed) = tokio::time::timeout(probe::PATIENCE, wipefs).await else {
        tracing::warn!("{} does not answer", node.display());
        return Ok(Vec::new());
    };
    let listed = listed?;
    let found = listed.success.then(|| probe::signatures(&listed.stdout));
    Ok(found.and_then(Result::ok).unwrap_or_else(|| {
        tracing::warn!("cannot read {}: {}", node.display(), listed.failure("wipefs"));
        Vec::new()
    }))
}

/// The file system whose label is one of an answers volume, of those on a device, and that label.
async fn labelled(
    node: &Path,
    known: Option<&str>,
    signatures: &[Signature],
) -> Option<(String, &'static str)> {
    for label in [ANSWERS_LABEL, NO_CLOUD_LABEL] {
        let has_it = |one: &&Signature| one.label.as_deref().is_some_and(|text| is(label, text));
        let kinds: Vec<&str> = signatures.iter().filter(has_it).map(|one| &*one.kind).collect();
        let preferred = PREFERRED.into_iter().find(|kind| kinds.contains(kind));
        if let Some(kind) = preferred.or_else(|| kinds.first().copied()) {
            return Some((kind.to_owned(), label));
        }
    }
    let is_fat = known == Some("vfat") || signatures.iter().any(|s| s.kind == "vfat");
    if !is_fat {
        return None;
    }
    let node = node.to_owned();
    // A thread that waits for a dead disk is left behind.
    let read = tokio::task::spawn_blocking(move || boot_sector_label(&node));
    let found = tokio::time::timeout(probe::PATIENCE, read).await.ok()?.ok()??;
    let label = [ANSWERS_LABEL, NO_CLOUD_LABEL].into_iter().find(|label| is(label, &found))?;
    Some(("vfat".to_owned(), label))
}

/// Whether `text` is this label: FAT has only capitals, and pads it with blanks.
fn is(label: &str, text: &str) -> bool {
    text.trim().eq_ignore_ascii_case(label)
}

/// The label in the boot sector of a FAT: Microsoft's "FAT32 File System Specification", 1.03, on
/// `BS_VolLab`. It counts only behind the signature of the fields that it belongs to.
fn boot_sector_label(node: &Path) -> Option<String> {
    let mut sector = [0; 512];
    File::open(node).ok()?.read_exact_at(&mut sector, 0).ok()?;
    let at = |signature: usize| {
        let label = sector.get(signature + 5..signature + 5 + FAT_LABEL)?;
        (sector[signature] == 0x29).then(|| String::from_utf8_lossy(label).into_owned())
    };
    // FAT32 has a size of its tables of 16 bits that is zero.
    if sector[22..24] == [0, 0] { at(66) } else { at(38) }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::disk::Partition;

    /// Images as other tools make them, none of whose labels udev reports.
    const HFS: &[u8] = include_bytes!("../../fixtures/volumes/hfs-nopart.iso.gz");
    const HFS_WITH_MAP: &[u8] = include_bytes!("../../fixtures/volumes/hfs-part.iso.gz");
    const UDF_BRIDGE: &[u8] = include_bytes!("../../fixtures/volumes/udf-bridge.iso.gz");

    fn unpacked(image: &[u8], folder: &Path) -> Option<PathBuf> {
        let (packed, path) = (folder.join("image.gz"), folder.join("image"));
        std::fs::write(&packed, image).unwrap();
        let output = Command::new("gzip").args(["-dc"]).arg(&packed).output().ok()?;
        std::fs::write(&path, output.stdout).unwrap();
        Some(path)
    }

    fn has_wipefs() -> bool {
        let found = Command::new("wipefs").arg("--version").output().is_ok();
        if !found {
            use std::io::Write;
            writeln!(std::io::stderr(), "SKIPPED there is no wipefs here").unwrap();
        }
        found
    }

    async fn named(node: &Path, kind: Kind, filesystem: Option<&str>) -> Device {
        let mut device = Device {
            node: node.to_owned(),
            size_bytes: std::fs::metadata(node).unwrap().len(),
            kind,
            filesystem: filesystem.map(str::to_owned),
            ..Device::default()
        };
        let signatures = match kind {
            Kind::Disk => list(&Runner::default(), node).await.unwrap(),
            _ => Vec::new(),
        };
        name_silent(&Runner::default(), &mut device, &signatures).await.unwrap();
        device
    }

    #[tokio::test]
    async fn hybrids_of_hfs_and_udf_are_found_on_drives_and_on_disks() {
        if !has_wipefs() {
            return;
        }
        for (image, kind_of) in [(HFS, "iso9660"), (HFS_WITH_MAP, "iso9660"), (UDF_BRIDGE, "udf")] {
            let folder = tempfile::tempdir().unwrap();
            let path = unpacked(image, folder.path()).unwrap();
            for kind in [Kind::Optical, Kind::Disk] {
                let device = named(&path, kind, None).await;
                assert_eq!(device.label.as_deref(), Some(ANSWERS_LABEL));
                assert_eq!(device.filesystem.as_deref(), Some(kind_of));
            }
            let mut device = Device {
                size_bytes: 1,
                kind: Kind::Disk,
                partitions: vec![Partition { node: path, ..Partition::default() }],
                ..Device::default()
            };
            name_silent(&Runner::default(), &mut device, &[]).await.unwrap();
            assert_eq!(device.partitions[0].label.as_deref(), Some(ANSWERS_LABEL));
            assert_eq!(device.label, None);
        }
    }

    /// A FAT with this label in its boot sector alone.
    fn fat(bits: &str, label: &str, folder: &Path) -> Option<PathBuf> {
        let path = folder.join("fat");
        File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let made = Command::new("mkfs.vfat").args(["-F", bits]).arg(&path).output().ok()?;
        assert!(made.status.success());
        let mut sector = [0; 512];
        File::open(&path).unwrap().read_exact(&mut sector).unwrap();
        let at = if bits == "32" { 71 } else { 43 };
        sector[at..at + FAT_LABEL].copy_from_slice(format!("{label:11}").as_bytes());
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&sector, 0).unwrap();
        Some(path)
    }

    #[tokio::test]
    async fn a_label_in_a_boot_sector_alone_counts() {
        if !has_wipefs() {
            return;
        }
        for bits in ["12", "16", "32"] {
            for (label, expected) in
                [("nixvm", Some(ANSWERS_LABEL)), ("CIDATA", Some(NO_CLOUD_LABEL)), ("OTHER", None)]
            {
                let folder = tempfile::tempdir().unwrap();
                let Some(path) = fat(bits, label, folder.path()) else { return };
                let device = named(&path, Kind::Disk, Some("vfat")).await;
                assert_eq!(device.label.as_deref(), expected, "FAT{bits} {label}");
            }
        }
    }

    #[tokio::test]
    async fn what_udev_named_stays_as_it_is() {
        let mut device = Device {
            node: "/dev/null".into(),
            size_bytes: 1,
            kind: Kind::Optical,
            label: Some("OTHER".into()),
            ..Device::default()
        };
        let before = device.clone();
        name_silent(&Runner::default(), &mut device, &[]).await.unwrap();
        assert_eq!(device, before);
    }
}
