//! The target and the other disks → what of theirs could be taken for the target's: a refusal (names of
//! partitions), or a warning (labels of file systems). Which these are, the manifest's layout says.

use nixvm_manifest::LayoutPartition;

use super::Refusal;
use crate::disk::{Device, Disk};

/// Refuses when a partition of another disk has a GPT name by which disko or the installed system
/// would look for one of the target's.
///
/// # Errors
/// The name and both disks.
pub(super) fn refuse_partition_names(
    layout: &[LayoutPartition],
    target: &Disk,
    disks: &[Disk],
) -> Result<(), Refusal> {
    let is_ours = |name: &&str| layout.iter().any(|partition| partition.name == *name);
    for other in others(target, disks) {
        let names = other.partitions.iter().filter_map(|partition| partition.name.as_deref());
        if let Some(label) = names.into_iter().find(is_ours) {
            return Err(Refusal::LabelConflict {
                target: target.device.node.display().to_string(),
                other: other.node.display().to_string(),
                label: label.to_owned(),
            });
        }
    }
    Ok(())
}

/// A warning for each other device with a file system that is labelled as the target's will be.
///
/// That is no reason to refuse: nothing of the layout is found by file-system label, and NixOS's manual
/// gives these very labels to every installation by hand.
pub(super) fn label_warnings(
    layout: &[LayoutPartition],
    target: &Disk,
    disks: &[Disk],
) -> Vec<String> {
    let is_ours = |label: &&String| layout.iter().any(|one| one.label.as_ref() == Some(*label));
    let mut warnings = Vec::new();
    for other in others(target, disks) {
        let partitions = other.partitions.iter().map(|partition| &partition.label);
        let labels = std::iter::once(&other.label).chain(partitions).flatten();
        if let Some(label) = labels.into_iter().find(is_ours) {
            warnings.push(format!(
                "{} has a file system labelled \"{label}\", as {} will have: \
                 /dev/disk/by-label/{label} may lead to either.",
                other.node.display(),
                target.device.node.display(),
            ));
        }
    }
    warnings
}

/// The other devices, but for what is built on the target.
fn others<'a>(target: &'a Disk, disks: &'a [Disk]) -> impl Iterator<Item = &'a Device> {
    disks.iter().map(|disk| &disk.device).filter(|other| {
        other.name != target.device.name && !target.device.holders.contains(&other.name)
    })
}
