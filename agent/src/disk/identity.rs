//! A disk → what must still be true of it when the first byte is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::Disk;

/// What tells one disk from another, and one state of it from a later one.
///
/// by-id links are missing or collide on virtual disks, so no single field is trusted: all have to
/// match. The digest is part of it because a disk that changed is not the one that was consented to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The device file.
    pub node: PathBuf,
    /// The kernel's serial number of this appearance.
    pub diskseq: Option<u64>,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Where the disk is plugged in.
    pub id_path: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World Wide Name.
    pub wwn: Option<String>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the disk's edges.
    pub digest: String,
}

impl Identity {
    /// The identity of `disk` as it is now.
    pub fn of(disk: &Disk) -> Self {
        let device = &disk.device;
        Self {
            node: device.node.clone(),
            diskseq: device.diskseq,
            number: device.number,
            id_path: device.id_path.clone(),
            serial: device.serial.clone(),
            wwn: device.wwn.clone(),
            size_bytes: device.size_bytes,
            digest: disk.content.digest.clone(),
        }
    }

    /// What differs between this identity and `now`, in words; empty if nothing does.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, before: String, after: String| {
            if before != after {
                found.push(format!("{what} was {before} and is {after}"));
            }
        };
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        compare("the device", format!("{:?}", self.node), format!("{:?}", now.node));
        compare("its sequence number", format!("{:?}", self.diskseq), format!("{:?}", now.diskseq));
        compare("its number", format!("{:?}", self.number), format!("{:?}", now.number));
        compare("its place", or_none(&self.id_path), or_none(&now.id_path));
        compare("its serial number", or_none(&self.serial), or_none(&now.serial));
        compare("its WWN", or_none(&self.wwn), or_none(&now.wwn));
        compare(
            "its size",
            format!("{} bytes", self.size_bytes),
            format!("{} bytes", now.size_bytes),
        );
        if self.digest != now.digest {
            found.push("what is on it has changed".to_owned());
        }
        found
    }

    /// Whether `device` is the same appearance of the same disk, whatever is on it now.
    pub fn is_device(&self, device: &super::Device) -> bool {
        self.node == device.node
            && self.diskseq == device.diskseq
            && self.number == device.number
            && self.size_bytes == device.size_bytes
            && self.serial == device.serial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts() {
        let before = Identity::of(&crate::disk::examples::disk("vda"));
        assert_eq!(before.differences(&before), Vec::<String>::new());
        let changed: [fn(&mut Identity); 8] = [
            |i| i.node = "/dev/vdb".into(),
            |i| i.diskseq = Some(99),
            |i| i.number = (9, 9),
            |i| i.id_path = Some("elsewhere".into()),
            |i| i.serial = None,
            |i| i.wwn = Some("naa.1".into()),
            |i| i.size_bytes += 512,
            |i| i.digest = "other".into(),
        ];
        for change in changed {
            let mut after = before.clone();
            change(&mut after);
            assert_eq!(before.differences(&after).len(), 1);
        }
    }
}
