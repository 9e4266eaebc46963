//! A disk → what is on it, in phrases for people.

use super::verdict::{Evidence, position};
use super::{Condition, Disk, Signature};
use crate::format::{self, printable};

/// What would be lost, a phrase for each thing, most telling first.
pub(super) fn phrases(disk: &Disk) -> Vec<String> {
    let (device, content) = (&disk.device, &disk.content);
    let mut found: Vec<String> = Vec::new();
    for partition in &device.partitions {
        let what = partition.filesystem.as_deref().unwrap_or("unknown contents");
        let label = partition.label.as_deref().or(partition.name.as_deref());
        found.push(format!(
            "partition {}: {what}{}, {}",
            partition.number,
            label.map(|l| format!(" \"{l}\"")).unwrap_or_default(),
            format::size(partition.size_bytes),
        ));
    }
    for signature in &content.signatures {
        match &*signature.kind {
            "gpt" | "dos" | "PMBR" if !device.partitions.is_empty() => {}
            "gpt" if content.primary.is_none() && content.backup.is_some() => {
                found.push("backup copy of a GPT partition table".to_owned());
            }
            table @ ("gpt" | "dos" | "PMBR") => found.push(format!("{table} partition table")),
            _ => found.push(signature_phrase(signature)),
        }
    }
    if device.partitions.is_empty() {
        let tables = content.primary.iter().chain(&content.backup);
        found.extend(tables.flat_map(|t| &t.names).map(|name| format!("partition \"{name}\"")));
    }
    for signature in &content.surface_signatures {
        found.push(format!("{} at {}", signature_phrase(signature), position(signature.offset)));
    }
    if !device.holders.is_empty() {
        found.push(format!("in use by {}", device.holders.join(", ")));
    }
    let verdict = disk.verdict();
    let was_read = !content.digest.is_empty();
    if found.is_empty() && was_read && verdict.condition == Condition::Data {
        let says_what = |evidence: &&Evidence| !matches!(evidence, Evidence::Signature);
        let doubt = verdict.evidence.iter().find(says_what);
        let first = content.ends.first_nonzero.map(Evidence::NonzeroAt);
        let phrase = first.as_ref().or(doubt).map(ToString::to_string);
        found.push(phrase.unwrap_or_else(|| "unrecognised data".to_owned()));
    }
    let mut phrases = Vec::with_capacity(found.len());
    for phrase in found.iter().map(|phrase| printable(phrase)) {
        if !phrases.contains(&phrase) {
            phrases.push(phrase);
        }
    }
    phrases
}

fn signature_phrase(signature: &Signature) -> String {
    let label = signature.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
    format!("{}{label}", signature.kind)
}
