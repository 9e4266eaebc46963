//! Why an install is not begun, and what to do about it.

use serde::{Deserialize, Serialize};

use super::{Problem, Unfetched, UnknownInterface, Unreachable};
use crate::format;
use crate::machine::Hypervisor;

/// The kind of [`Refusal::NoPassphrase`]: what a console can do about it is to ask.
pub const NO_PASSPHRASE: &str = "no-passphrase";

/// Why an install is not begun. Each names its remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "refusal")]
pub enum Refusal {
    /// The agent is not root.
    NotRoot,
    /// The machine was booted by a BIOS.
    NotUefi {
        /// Whose settings have to be changed.
        hypervisor: Hypervisor,
    },
    /// The ISO is for another processor.
    WrongArchitecture {
        /// The machine's.
        machine: String,
        /// The ISO's.
        iso: String,
    },
    /// There is too little memory.
    InsufficientMemory {
        /// What there is, in bytes.
        memory_bytes: u64,
        /// What is needed, in bytes.
        minimum_bytes: u64,
        /// How much of that the live system's image takes, in bytes.
        image_bytes: u64,
        /// Whose settings have to be changed.
        hypervisor: Hypervisor,
    },
    /// The answers are wrong: nothing of them is used.
    InvalidAnswers {
        /// All that is wrong with them.
        problems: Vec<String>,
    },
    /// The server that the answers name gave none.
    NoAnswers {
        /// Its URL.
        url: String,
        /// Where it stopped.
        unfetched: Unfetched,
    },
    /// The disk rule fits several disks.
    AmbiguousRule {
        /// The rule and its source, and the disks that it fits.
        message: String,
    },
    /// The chosen disk can't be used.
    IneligibleChoice {
        /// The device file.
        disk: String,
        /// Why not.
        reason: String,
    },
    /// A partition of another disk has a name by which the system is mounted.
    LabelConflict {
        /// The disk that is meant.
        target: String,
        /// The other one.
        other: String,
        /// The partition's name in the GPT.
        label: String,
    },
    /// The system has to be built and that can't be done here.
    CannotBuild {
        /// Why it has to be.
        because: String,
        /// What is missing.
        missing: String,
    },
    /// The answers give an address to an adapter that is not there.
    NoSuchInterface {
        /// Which, and what there is.
        unknown: UnknownInterface,
    },
    /// The answers give addresses, and nothing in the installed system would read them.
    NoNetworkManager,
    /// The answers have a script for the first boot, and nothing in the installed system would run it.
    NoFirstBoot,
    /// The disk is to be encrypted, and there is no passphrase to do it with.
    NoPassphrase {
        /// Why the one that was given can't be used, to follow "the passphrase".
        problem: Option<String>,
        /// The keymap that it would be typed with.
        keymap: String,
        /// That of the installed system, where it is known to be another one.
        other_keymap: Option<String>,
    },
    /// The answers require a network and there is none that works.
    NoNetwork {
        /// Which part of it does not.
        unreachable: Unreachable,
    },
}

impl Refusal {
    /// The refusal for people: what it is, and what to do.
    pub fn problem(&self) -> Problem {
        let (kind, message, hint) = match self {
            Self::NotRoot => (
                "not-root",
                "The installer is not running as root, so it can't write to a disk.".to_owned(),
                "Start it as root: `sudo nixvm-agent run`.".to_owned(),
            ),
            Self::NotUefi { hypervisor } => (
                "not-uefi",
                "This machine started in BIOS mode; NixOS needs UEFI here.".to_owned(),
                format!("Enable EFI/UEFI in VM settings. {}", hypervisor.uefi_setting()),
            ),
            Self::WrongArchitecture { machine, iso } => (
                "wrong-architecture",
                format!("This installer is for {iso} and this machine is {machine}."),
                "Download the one for this machine's architecture.".to_owned(),
            ),
            Self::InsufficientMemory { memory_bytes, minimum_bytes, image_bytes, hypervisor } => (
                "insufficient-memory",
                format!(
                    "This machine has {} of memory and the install needs {}{}.",
                    format::size(*memory_bytes),
                    format::size_needed(*minimum_bytes),
                    of_that(*image_bytes)
                ),
                format!("Shut the machine down and give it more. {}", hypervisor.memory_setting()),
            ),
            Self::InvalidAnswers { problems } => (
                "invalid-answers",
                format!("The answers have errors; none are used:\n{}", problems.join("\n")),
                "Fix them at the source named above, then retry. `nixvm-agent validate FILE` checks a file."
                    .to_owned(),
            ),
            Self::NoAnswers { url, unfetched } => (
                "no-answers",
                format!("The answers can't be fetched from {url}: {unfetched}."),
                unfetched.hint().to_owned(),
            ),
            Self::AmbiguousRule { message } => (
                "ambiguous-rule",
                format!("The disk rule does not say which disk is meant: {message}."),
                "Make the rule more precise, detach a disk, or choose one here.".to_owned(),
            ),
            Self::IneligibleChoice { disk, reason } => (
                "ineligible-disk",
                format!("{disk} can't be installed to: {reason}."),
                "Choose another disk, or attach one.".to_owned(),
            ),
            Self::LabelConflict { target, other, label } => (
                "label-conflict",
                format!(
                    "{target} is the target, but {other} has a partition named \"{label}\", a name by \
                     which the installed system finds its own partitions: with both attached, \
                     it could mount either."
                ),
                format!("Detach {other} from the VM, then try again."),
            ),
            Self::CannotBuild { because, missing } => (
                "cannot-build",
                format!("The system has to be built, since {because}, but that is not possible here: {missing}."),
                "Leave out the answers that make it another system than the carried one, or give the VM \
                 what is missing: memory in its settings, a network adapter that is connected."
                    .to_owned(),
            ),
            Self::NoSuchInterface { unknown: UnknownInterface { wanted, adapters } } => (
                "no-such-interface",
                match adapters.as_slice() {
                    [] => format!("The answers configure {wanted}, and this machine has none."),
                    all => format!(
                        "The answers configure {wanted}, and this machine's network adapters are {}.",
                        all.join(", ")
                    ),
                },
                "Correct `interface` below [network] in the answers, or the VM's network adapters."
                    .to_owned(),
            ),
            Self::NoNetworkManager => (
                "no-network-manager",
                "The answers configure a network adapter, and the system to be installed has no \
                 NetworkManager to read that."
                    .to_owned(),
                "Leave `interface` out of the answers and configure the network in the flake, or \
                 set networking.networkmanager.enable there."
                    .to_owned(),
            ),
            Self::NoFirstBoot => (
                "no-first-boot",
                "The answers have a script for the first boot, and the system to be installed has no \
                 unit that would run it."
                    .to_owned(),
                "Leave `first-boot` out of the answers, or add nixvm's module `first-boot` to the host \
                 and build the installer anew."
                    .to_owned(),
            ),
            Self::NoPassphrase { problem, keymap, other_keymap } => (
                NO_PASSPHRASE,
                match problem {
                    None => "The passphrase is missing: this system's disk is encrypted, and no \
                             passphrase was given."
                        .to_owned(),
                    Some(problem) => format!(
                        "The passphrase is missing: that in the system credential nixvm.passphrase \
                         {problem}."
                    ),
                },
                format!(
                    "Type one on the installer's console, with the keymap {keymap}{}, or start the VM with one in the system \
                     credential nixvm.passphrase.",
                    other_keymap.as_ref().map_or_else(String::new, |other| format!(
                        " (the installed system asks for it with the keymap {other})"
                    ))
                ),
            ),
            Self::NoNetwork { unreachable } => (
                "no-network",
                format!("The answers require a network: {unreachable}."),
                match unreachable {
                    Unreachable::Connection { .. } | Unreachable::Proxy { .. } => {
                        "Check `proxy` in the answers and the proxy's own rules, then retry, or set \
                         network = \"auto\"."
                    }
                    _ => "Connect the VM's network adapter, or set network = \"auto\".",
                }
                .to_owned(),
            ),
        };
        Problem { kind: kind.to_owned(), message, hint, step: None }
    }
}

/// How much of the memory that is needed the live system's image takes, where it takes any.
pub(super) fn of_that(image_bytes: u64) -> String {
    match image_bytes {
        0 => String::new(),
        bytes => format!(", of which {} hold the installer's own image", format::size(bytes)),
    }
}
