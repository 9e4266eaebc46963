//! The steps of an install, in the order in which they run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumCount, IntoStaticStr};

/// One step of an install.
///
/// The account comes before the boot loader, so that nothing is missing in the system once it could
/// be booted; the loader's removable path is put in place by the last step of all.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumCount,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Step {
    /// Partition, format and mount the target.
    Partition,
    /// Write the configuration to `/etc/nixos`.
    Configure,
    /// Copy the baked system, or build it.
    System,
    /// Make the account usable.
    Account,
    /// Install the boot loader.
    BootLoader,
    /// Check that everything that a boot needs is there.
    Verify,
    /// Write the receipt and the log, unmount, and make the disk bootable.
    Handover,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Partition,
        Self::Configure,
        Self::System,
        Self::Account,
        Self::BootLoader,
        Self::Verify,
        Self::Handover,
    ];

    /// Position among [`Step::ALL`], from 1.
    pub fn index(self) -> usize {
        self as usize + 1
    }

    /// What the step does, as the screen says it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Partition => "Partition and format the disk",
            Self::Configure => "Write the configuration",
            Self::System => "Copy the system",
            Self::Account => "Set up the account",
            Self::BootLoader => "Install the boot loader",
            Self::Verify => "Verify the installation",
            Self::Handover => "Make the disk bootable",
        }
    }

    /// The name in events, logs and errors.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_in_events() {
        for (position, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
            assert_eq!(step.index(), position + 1);
        }
    }
}
