//! What is built on the chosen disk (LVM, LUKS, RAID, swap) → nothing is.
//!
//! Deactivates, never destroys: a volume group or an array that reaches onto another disk keeps what
//! is there. What is mounted is left alone, and makes the next step fail.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command::Runner;

/// A row of `lsblk`, with what is built on it.
#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    fstype: Option<String>,
    #[serde(default)]
    children: Vec<Row>,
}

#[derive(Deserialize)]
struct Listing {
    blockdevices: Vec<Row>,
}

/// Something to take down.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// `dmsetup remove`.
    Unmap(String),
    /// `mdadm --stop`.
    Stop(String),
    /// `swapoff`.
    SwapOff(String),
}

/// Takes down everything that is built on `disk`; says whether there was anything.
///
/// # Errors
/// Something can't be taken down: it is in use.
pub(super) async fn deactivate(runner: &Runner, disk: &Path) -> Result<bool> {
    let listing = runner
        .tool("lsblk")
        .args(["--json", "--paths", "--output", "NAME,TYPE,FSTYPE"])
        .arg(disk)
        .run()
        .await?;
    let actions = actions(&listing.stdout)?;
    for action in &actions {
        let tool = match action {
            Action::Unmap(node) => runner.tool("dmsetup").args(["remove", "--retry", node]),
            Action::Stop(node) => runner.tool("mdadm").args(["--stop", node]),
            Action::SwapOff(node) => runner.tool("swapoff").arg(node),
        };
        tool.run().await.with_context(|| {
            format!("something on {} can't be taken down: it is in use", disk.display())
        })?;
    }
    Ok(!actions.is_empty())
}

/// What to take down, topmost first, each once.
fn actions(lsblk: &str) -> Result<Vec<Action>> {
    let listing: Listing = serde_json::from_str(lsblk).context("cannot read lsblk's output")?;
    let mut found = Vec::new();
    for row in &listing.blockdevices {
        collect(row, &mut found);
    }
    Ok(found)
}

fn collect(row: &Row, found: &mut Vec<Action>) {
    for child in &row.children {
        collect(child, found);
    }
    let name = row.name.clone();
    let action = match row.kind.as_str() {
        "lvm" | "crypt" | "dm" | "mpath" => Action::Unmap(name),
        kind if kind.starts_with("raid") || kind == "md" || kind == "linear" => Action::Stop(name),
        // Harmless where the swap area is not in use, and lsblk does not say.
        _ if row.fstype.as_deref() == Some("swap") && is_active_swap(&row.name) => {
            Action::SwapOff(name)
        }
        _ => return,
    };
    if !found.contains(&action) {
        found.push(action);
    }
}

fn is_active_swap(node: &str) -> bool {
    std::fs::read_to_string("/proc/swaps")
        .is_ok_and(|text| text.lines().any(|line| line.split_whitespace().next() == Some(node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_is_taken_down_first_and_each_once() {
        let found = actions(include_str!("../../fixtures/lsblk-stack.json")).unwrap();
        let expected = [
            Action::Unmap("/dev/mapper/vg-root".into()),
            Action::Unmap("/dev/mapper/crypt".into()),
            Action::Stop("/dev/md127".into()),
        ];
        assert_eq!(found, expected);
    }
}
