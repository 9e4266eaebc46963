//! The names on a volume that is labelled as one of ours and has no answers file → what is on it, and
//! what to do.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use super::volume::FILE;
use crate::disk::eligibility::ANSWERS_LABEL;
use crate::format::printable;

/// Names of files that are looked at where the one that is wanted is missing.
pub(super) const MOST_NAMES: usize = 1000;

/// Names that a message shows.
const SHOWN_NAMES: usize = 6;

/// What to say of a volume whose root folder has these names and no [`FILE`].
pub(super) fn explain(root: &OwnedFd, device: &Path, mut names: Vec<String>) -> anyhow::Error {
    names.sort();
    let begins = |name: &String| name.to_ascii_lowercase().starts_with("nixvm");
    // What is most like it comes first.
    names.sort_by_key(|name| !begins(name));
    let shown: Vec<_> = names.iter().take(SHOWN_NAMES).map(|name| printable(name)).collect();
    let more = if names.len() > SHOWN_NAMES { ", …" } else { "" };
    let has = match shown.as_slice() {
        [] => "it is empty".to_owned(),
        shown => format!("it has: {}{more}", shown.join(", ")),
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let holds = |name: &&String| {
        openat(root, name.as_str(), flags | OFlags::DIRECTORY, Mode::empty())
            .is_ok_and(|folder| openat(&folder, FILE, flags, Mode::empty()).is_ok())
    };
    let remedy = if let Some(folder) = names.iter().find(holds) {
        format!("Move {FILE} out of the folder {}", printable(folder))
    } else {
        match names.first().filter(|name| begins(name)) {
            Some(name) if name.eq_ignore_ascii_case("nixvm.tom") => {
                format!(
                    "{} was cut off: make the ISO with Joliet or Rock Ridge names",
                    printable(name)
                )
            }
            Some(name) => format!("Rename {} to {FILE}", printable(name)),
            None => format!("Put {FILE} into its root folder"),
        }
    };
    anyhow::anyhow!(
        "the volume {ANSWERS_LABEL} on {} has no {FILE}; {has}. {remedy}",
        device.display()
    )
}
