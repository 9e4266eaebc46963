//! The partitions of a disk → what its EFI system partition says of an install.

use super::receipt::{self, Found};
use super::{Content, Esp, Partition, layout};

/// Partition types of an EFI system partition: in a GPT, and in an MBR.
const TYPES: [&str; 2] = ["c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef"];

/// Looks for a receipt on every partition that may be an EFI system partition: by its file system, its
/// name or its type. A damaged file system leaves udev without a word on it.
pub(super) fn look(partitions: &[Partition], content: &mut Content) {
    for partition in partitions.iter().filter(|partition| may_be_esp(partition)) {
        match receipt::find(&partition.node) {
            Ok(Found::Receipt(receipt)) => {
                content.receipt = Some(receipt);
                return;
            }
            Ok(found) => {
                content.foreign_loader |= found == Found::Loader;
                let esp = match found {
                    Found::Unformatted => Esp::Unformatted,
                    Found::Foreign(name) => Esp::Used(name),
                    _ => Esp::Empty,
                };
                if content.esp == Esp::Absent {
                    content.esp = esp;
                }
            }
            Err(error) => content.esp = Esp::Unreadable(format!("{error:#}")),
        }
    }
}

fn may_be_esp(partition: &Partition) -> bool {
    partition.filesystem.as_deref() == Some("vfat")
        || partition.name.as_deref() == Some(layout::ESP.name)
        || partition
            .type_id
            .as_ref()
            .is_some_and(|id| TYPES.iter().any(|t| id.eq_ignore_ascii_case(t)))
}
