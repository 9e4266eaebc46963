//! A disk and whether it may be installed to → what events, D-Bus and the screen show of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::eligibility::Ineligible;
use crate::disk::{Condition, Disk};

/// A disk as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskView {
    /// The kernel's name, for example `vda`.
    pub name: String,
    /// The device file, for example `/dev/vda`.
    pub device: String,
    /// Device file, size, model and serial number in a line.
    pub summary: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Model, if the disk has one.
    pub model: Option<String>,
    /// Serial number, if the disk has one.
    pub serial: Option<String>,
    /// World Wide Name, if the disk has one.
    pub wwn: Option<String>,
    /// Name in `/dev/disk/by-id`, if the disk has one; of several, the first in alphabetical order.
    pub id: Option<String>,
    /// What its content means.
    #[serde(flatten)]
    pub condition: Condition,
    /// What would be lost, a phrase each.
    pub contents: Vec<String>,
    /// Why it can't be installed to; null if it can.
    pub ineligible: Option<IneligibleView>,
}

/// Why a disk can't be installed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IneligibleView {
    /// The reason, for programs.
    #[serde(flatten)]
    pub reason: Ineligible,
    /// The reason in words.
    pub message: String,
}

impl From<Ineligible> for IneligibleView {
    fn from(reason: Ineligible) -> Self {
        let message = reason.to_string();
        Self { reason, message }
    }
}

impl DiskView {
    /// `disk` with whether it may be installed to.
    pub fn new(disk: &Disk, eligible: Result<(), Ineligible>) -> Self {
        let device = &disk.device;
        let by_id = |link: &std::path::PathBuf| {
            link.strip_prefix("/dev/disk/by-id").ok().map(|id| id.to_string_lossy().into_owned())
        };
        Self {
            name: device.name.clone(),
            device: device.node.display().to_string(),
            summary: disk.summary(),
            size_bytes: device.size_bytes,
            model: device.model.clone(),
            serial: device.serial.clone(),
            wwn: device.wwn.clone(),
            id: device.links.iter().filter_map(by_id).min(),
            condition: disk.condition(),
            contents: disk.contents(),
            ineligible: eligible.err().map(IneligibleView::from),
        }
    }
}
