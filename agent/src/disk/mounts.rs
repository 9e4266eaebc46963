//! The kernel's tables of mounts and swap areas → what is mounted from which device, and where.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::describe::Mounts;
use crate::format::printable;

/// The mount table; proc(5) describes its fields.
pub(super) const TABLE: &str = "/proc/self/mountinfo";

/// A line of the mount table.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount {
    /// Major and minor number of the mounted device; major 0 where a file system has none of its own,
    /// as tmpfs, overlays and btrfs.
    pub number: (u32, u32),
    /// The mount point.
    pub path: PathBuf,
    /// The file system's type.
    pub kind: String,
    /// What was mounted, as the file system names it: a device file, or any word.
    pub source: Option<String>,
}

/// The mounts of this process, in mounting order.
///
/// # Errors
/// The mount table can't be read.
pub fn table() -> Result<Vec<Mount>> {
    table_below(Path::new("/"))
}

/// The same of the table below `root`, which is `/` but for tests.
///
/// # Errors
/// As [`table`].
pub(super) fn table_below(root: &Path) -> Result<Vec<Mount>> {
    let path = root.join(TABLE.trim_start_matches('/'));
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the mount table {}", path.display()))?;
    Ok(parse(&text).collect())
}

fn parse(text: &str) -> impl Iterator<Item = Mount> {
    text.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        let number = fields.get(2)?.split_once(':');
        let number = number.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        // A number that makes no sense is no reason to take the device for unused.
        let number = number.unwrap_or((0, 0));
        let path = unescape(fields.get(4)?).into();
        // Optional fields end at a dash; the type and the source follow.
        let dash = fields.iter().position(|field| *field == "-");
        let after_dash = |count| dash.and_then(|dash| fields.get(dash + count));
        let kind = after_dash(1).map(|kind| (*kind).to_owned()).unwrap_or_default();
        let source = after_dash(2).map(|source| unescape(source));
        Some(Mount { number, path, kind, source })
    })
}

/// Mount points by device number, from the texts of the mount table and of `/proc/swaps`.
/// `device_number` looks up a device file.
pub fn by_device(
    mounts: &str,
    swaps: &str,
    device_number: impl Fn(&Path) -> Option<(u32, u32)>,
) -> Mounts {
    let mut found = Mounts::new();
    for mount in parse(mounts) {
        let number = match mount.number {
            (0, _) => mount.source.and_then(|source| device_number(Path::new(&source))),
            number => Some(number),
        };
        if let Some(number) = number {
            let path = printable(&mount.path.to_string_lossy());
            found.entry(number).or_default().push(path);
        }
    }
    for line in swaps.lines().skip(1) {
        let area = line.split_whitespace().next();
        if let Some(number) = area.and_then(|path| device_number(Path::new(path))) {
            found.entry(number).or_default().push("swap".to_owned());
        }
    }
    found
}

/// proc(5): blanks in a mount point are written in octal.
fn unescape(mount_point: &str) -> String {
    mount_point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:5 / /dev rw shared:2 - devtmpfs udev rw
40 22 0:41 / /data rw shared:9 - btrfs /dev/sdb1 rw
41 22 8:33 / /media/my\\040disk rw - vfat /dev/sdc1 rw
";

    #[test]
    fn mounts_and_swap_are_found_by_number() {
        let number = |node: &Path| match node.to_str() {
            Some("/dev/sdb1") => Some((8, 17)),
            Some("/dev/sdd2") => Some((8, 50)),
            _ => None,
        };
        let swaps = "Filename Type Size Used Priority\n/dev/sdd2 partition 1 0 -2\n";
        let found = by_device(MOUNTS, swaps, number);
        assert_eq!(found[&(254, 1)], ["/"]);
        assert_eq!(found[&(8, 17)], ["/data"]);
        assert_eq!(found[&(8, 33)], ["/media/my disk"]);
        assert_eq!(found[&(8, 50)], ["swap"]);
        assert_eq!(found.len(), 4);
    }
}
