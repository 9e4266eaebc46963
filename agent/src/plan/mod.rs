//! Manifest, machine, answers, disks and choices at the keyboard → [`Decision`]: what to do
//! next, with the whole [`Plan`].
//!
//! Pure: nothing outside the arguments is looked at, so every rule of safety is a test of a function.
//! The rules are the consent table of agent/README.md.

mod answer;
mod choice;
mod configuration;
mod conflict;
mod consent;
mod decision;
mod encryption;
#[cfg(test)]
pub(crate) mod examples;
mod network;
mod problem;
mod question;
mod refusal;
mod system;
#[cfg(test)]
mod tests;

use std::time::Duration;

use nixvm_answers::answers::{Finish, Network};
use nixvm_answers::interface::Interface;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::Condition;
use crate::disk::identity::Identity;

pub use answer::{Answer, AnswerSource};
pub use configuration::Configuration;
pub use decision::{Decision, Facts, UserChoices, decide, eligible};
pub use encryption::{INITIAL_KEYMAP, PassphraseOrigin, typed_keymap};
pub use problem::Problem;
pub use question::{
    Applied, Buildable, Check, Checked, Fetched, Unfetched, UnknownInterface, Unreachable, Wanted,
};
pub use refusal::{NO_PASSPHRASE, Refusal};

/// How long no disk may have come or gone before one is taken for the largest, the smallest or the only
/// one: a bus that is slow to start shows its disks a few seconds after the others.
pub const QUIET: Duration = Duration::from_secs(5);

/// Everything that an install will do, known before its first write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The disk.
    pub target: Target,
    /// Where the system comes from.
    pub system: System,
    /// What is written to `/etc/nixos`.
    pub configuration: Configuration,
    /// Where the passphrase comes from with which the disk is encrypted; none where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<PassphraseOrigin>,
    /// Seconds between showing the plan and the first write.
    pub countdown: u32,
    /// What happens at the end.
    pub finish: Finish,
    /// How the network is used.
    pub network: PlannedNetwork,
    /// Each answer with where it comes from; secrets are named, not shown.
    pub answers: Vec<Answer>,
    /// What is worth knowing before it is consented to, and stops nothing.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The disk that will be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The kernel's name.
    pub name: String,
    /// What must still be true at the first write.
    pub identity: Identity,
    /// A line to know the disk by.
    pub summary: String,
    /// What its content means.
    #[serde(flatten)]
    pub condition: Condition,
    /// What is lost, a phrase each.
    pub erases: Vec<String>,
    /// What its condition was concluded from, a phrase each.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Who meant this disk.
    pub chosen_by: ChosenBy,
}

/// Who meant a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenBy {
    /// It is the only one that can be used.
    OnlyOne,
    /// The answers' disk rule.
    Rule,
    /// A user, at the keyboard or on D-Bus.
    User,
}

/// How an install uses the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedNetwork {
    /// Whether it may, must or must not.
    pub policy: Network,
    /// Adapters that are not left to DHCP, here and in the installed system.
    #[serde(default)]
    #[schemars(with = "Vec<network::PlannedInterface>")]
    pub interfaces: Vec<Interface>,
}

/// Where the system comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum System {
    /// The ISO carries it built.
    Copy {
        /// Its store path.
        toplevel: String,
    },
    /// It is built from the flake into the target's store.
    Build {
        /// What that takes.
        #[serde(flatten)]
        buildable: Buildable,
        /// Why the carried one does not do.
        because: String,
    },
}

impl Plan {
    /// What to hand to `Confirm`: it names this plan for this disk as it is now, and no other.
    pub fn token(&self) -> String {
        // How much of a disk was looked at depends on its speed, and changes nothing of the plan.
        let target = Target { evidence: Vec::new(), ..self.target.clone() };
        let plan = Self { target, ..self.clone() };
        // A plan is plain data: it can always be written as JSON.
        let text = serde_json::to_string(&plan).unwrap_or_else(|_| format!("{self:?}"));
        crate::format::hex(&Sha256::digest(text.as_bytes())[..8])
    }

    /// The plan in one sentence.
    pub fn sentence(&self) -> String {
        let [what, loss, rest] = self.sentence_parts();
        format!("{what}{loss}{rest}")
    }

    /// [`Plan::sentence`] in three parts, of which the middle one says what is lost.
    pub fn sentence_parts(&self) -> [String; 3] {
        let Target { erases, evidence, .. } = &self.target;
        let erases = match (erases.as_slice(), evidence.as_slice()) {
            ([], []) => "which is blank".to_owned(),
            ([], evidence) => format!("which is blank ({})", evidence.join(", ")),
            (erases, _) => format!("erasing {}", erases.join("; ")),
        };
        let how = match &self.system {
            System::Copy { .. } => "copied from this installer".to_owned(),
            System::Build { because, buildable: Buildable { online: false, .. } } => {
                format!("built from the flake because {because}")
            }
            System::Build { because, .. } => {
                format!("downloaded and built from the flake because {because}")
            }
        };
        let encrypted = self.passphrase.map_or_else(String::new, |origin| {
            format!(", with the disk encrypted by the passphrase {origin}")
        });
        [
            format!("Install NixOS, {how}{encrypted}, on {}, ", self.target.summary),
            erases,
            format!(
                "; host name {}, account {}.",
                self.configuration.hostname, self.configuration.username
            ),
        ]
    }
}
