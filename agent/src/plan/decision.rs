//! Facts → the next thing to do.

use std::path::PathBuf;

use nixvm_answers::answers::Network;
use nixvm_answers::{Problems, Resolved};
use nixvm_manifest::Manifest;

use super::consent::{self, Consent};
use super::{ChosenBy, Plan, Refusal, System, Target, answer, conflict, system};
use crate::disk::eligibility::{self, Ineligible};
use crate::disk::identity::Identity;
use crate::disk::receipt::Receipt;
use crate::disk::{Condition, Device, Disk};
use crate::machine::{Firmware, Machine};
use crate::plan::Configuration;
use crate::plan::{Check, Checked};

/// Where the live system's medium is mounted, on NixOS's ISOs.
const LIVE_MOUNT: &str = "/iso";

/// Everything that a decision depends on.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What the ISO carries.
    pub manifest: &'a Manifest,
    /// What it runs on.
    pub machine: &'a Machine,
    /// What was answered, or all that is wrong with it.
    pub answers: Result<&'a Resolved, &'a Problems>,
    /// What is attached.
    pub disks: &'a [Disk],
    /// Choices made at this machine.
    pub choices: &'a UserChoices,
    /// What was found out about what this decision needs to know.
    pub checked: &'a Checked,
}

/// Choices made at the keyboard or on D-Bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChoices {
    /// The disk that was chosen. It is forgotten when that disk is gone.
    pub disk: Option<Identity>,
    /// The token of the plan that was confirmed.
    pub confirmed: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing, and say why.
    Refuse(Refusal),
    /// Wait for a disk.
    Wait {
        /// What is being waited for, a sentence.
        message: String,
    },
    /// Find this out first.
    Check(Check),
    /// Ask which of these disks is meant.
    Choose {
        /// Kernel names.
        candidates: Vec<String>,
    },
    /// Ask whether this may be done.
    Ask(Box<Plan>),
    /// Do it after the countdown, or at once if it was confirmed.
    Go {
        /// What to do.
        plan: Box<Plan>,
        /// Exactly this plan was confirmed.
        confirmed: bool,
    },
    /// Boot the installed system.
    Installed {
        /// Kernel name of the disk.
        disk: String,
        /// Its receipt.
        receipt: Receipt,
    },
}

/// Decides.
pub fn decide(facts: &Facts<'_>) -> Decision {
    match resolve(facts) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

/// Says of each disk whether it may be installed to.
pub fn eligible(facts: &Facts<'_>, disk: &Disk) -> Result<(), Ineligible> {
    eligibility::check(disk, is_boot_medium(&disk.device), facts.manifest.minimum_disk_bytes)
}

fn is_boot_medium(device: &Device) -> bool {
    device.mounts.iter().any(|mount| mount == LIVE_MOUNT)
}

fn resolve(facts: &Facts<'_>) -> Result<Decision, Refusal> {
    let answers = preflight(facts)?;
    let usable: Vec<&Disk> = facts.disks.iter().filter(|d| eligible(facts, d).is_ok()).collect();
    let (disk, chosen_by) = match choose(facts, answers, &usable)? {
        Choice::Disk(disk, chosen_by) => (disk, chosen_by),
        Choice::Decided(decision) => return Ok(decision),
    };
    let condition = disk.condition();
    let virtual_machine = facts.machine.hypervisor.is_virtual();
    let consent = consent::needed(virtual_machine, &condition, chosen_by, answers.erase.value);
    if consent == Consent::Boot {
        return Ok(installed(disk));
    }
    conflict::refuse_partition_names(disk, facts.disks)?;
    if answers.network.value.policy() == Network::Required {
        match &facts.checked.network {
            None => return Ok(Decision::Check(Check::Network)),
            Some(Err(unreachable)) => {
                return Err(Refusal::NoNetwork { unreachable: unreachable.clone() });
            }
            Some(Ok(())) => {}
        }
    }
    let configuration = configuration(answers, disk, facts.disks);
    let system = match system::choose(facts, answers, &configuration)? {
        Ok(system) => system,
        Err(check) => return Ok(Decision::Check(check)),
    };
    let plan = Box::new(Plan {
        warnings: conflict::label_warnings(disk, facts.disks),
        ..plan(answers, disk, condition, chosen_by, configuration, system)
    });
    let confirmed = facts.choices.confirmed.as_ref() == Some(&plan.token());
    Ok(match consent {
        Consent::Ask if !confirmed => Decision::Ask(plan),
        _ => Decision::Go { plan, confirmed },
    })
}

/// What can be said without looking at a disk.
fn preflight<'a>(facts: &Facts<'a>) -> Result<&'a Resolved, Refusal> {
    let (machine, manifest) = (facts.machine, facts.manifest);
    if !machine.root {
        return Err(Refusal::NotRoot);
    }
    if machine.firmware != Firmware::Uefi {
        return Err(Refusal::NotUefi { hypervisor: machine.hypervisor });
    }
    let iso = manifest.system.split('-').next().unwrap_or_default();
    if iso != machine.architecture {
        let (machine, iso) = (machine.architecture.clone(), iso.to_owned());
        return Err(Refusal::WrongArchitecture { machine, iso });
    }
    if machine.memory_bytes < manifest.minimum_memory_bytes {
        return Err(Refusal::InsufficientMemory {
            memory_bytes: machine.memory_bytes,
            minimum_bytes: manifest.minimum_memory_bytes,
            hypervisor: machine.hypervisor,
        });
    }
    facts.answers.map_err(|problems| Refusal::InvalidAnswers {
        problems: problems.iter().map(ToString::to_string).collect(),
    })
}

enum Choice<'a> {
    Disk(&'a Disk, ChosenBy),
    Decided(Decision),
}

/// Which disk is meant: the one chosen here, else the rule's, else the only one.
fn choose<'a>(
    facts: &Facts<'a>,
    answers: &Resolved,
    usable: &[&'a Disk],
) -> Result<Choice<'a>, Refusal> {
    let wished = facts
        .choices
        .disk
        .as_ref()
        .and_then(|wish| facts.disks.iter().find(|disk| wish.is_device(&disk.device)));
    if let Some(disk) = wished {
        return match eligible(facts, disk) {
            Ok(()) => Ok(Choice::Disk(disk, ChosenBy::User)),
            Err(Ineligible::Unsettled) => {
                Ok(Choice::Decided(wait_for(disk, &Ineligible::Unsettled)))
            }
            Err(reason) => Err(Refusal::IneligibleChoice {
                disk: disk.device.node.display().to_string(),
                reason: reason.to_string(),
            }),
        };
    }
    if let Some(rule) = &answers.disk {
        // What can't be used for the moment is meant all the same: a rule must not select another
        // disk because of that.
        let named: Vec<_> = facts
            .disks
            .iter()
            .filter(|disk| eligible(facts, disk).err().is_none_or(|reason| reason.may_pass()))
            .map(Named::new)
            .collect();
        return match rule.value.select(&named) {
            Ok(named) => Ok(match eligible(facts, named.disk) {
                Ok(()) => Choice::Disk(named.disk, ChosenBy::Rule),
                Err(reason) => Choice::Decided(wait_for(named.disk, &reason)),
            }),
            Err(nixvm_answers::selection::Unselected::Several { .. }) => {
                let several = rule.value.select(&named).err().map(|e| e.to_string());
                Err(Refusal::AmbiguousRule {
                    message: format!("{} (from {})", several.unwrap_or_default(), rule.source),
                })
            }
            Err(none) => Ok(Choice::Decided(Decision::Wait {
                message: format!("Waiting: {none} (from {}).", rule.source),
            })),
        };
    }
    let finished = facts.disks.iter().find(|disk| disk.condition() == Condition::Installed);
    if let Some(disk) = finished {
        return Ok(Choice::Decided(installed(disk)));
    }
    Ok(match usable {
        [] => Choice::Decided(Decision::Wait {
            message:
                "No usable disk yet. Add one in the VM's settings; the installation then starts \
                      by itself."
                    .to_owned(),
        }),
        [only] => Choice::Disk(only, ChosenBy::OnlyOne),
        several => Choice::Decided(Decision::Choose {
            candidates: several.iter().map(|disk| disk.device.name.clone()).collect(),
        }),
    })
}

fn wait_for(disk: &Disk, reason: &Ineligible) -> Decision {
    let message =
        format!("Waiting for {}, which is not usable: {reason}.", disk.device.node.display());
    Decision::Wait { message }
}

fn installed(disk: &Disk) -> Decision {
    Decision::Installed {
        disk: disk.device.name.clone(),
        receipt: disk.content.receipt.clone().unwrap_or_default(),
    }
}

fn plan(
    answers: &Resolved,
    disk: &Disk,
    condition: Condition,
    chosen_by: ChosenBy,
    configuration: Configuration,
    system: System,
) -> Plan {
    let erases = match condition {
        Condition::Blank => Vec::new(),
        Condition::Unfinished => vec!["an unfinished install of this installer".to_owned()],
        _ => disk.contents(),
    };
    Plan {
        target: Target {
            name: disk.device.name.clone(),
            identity: Identity::of(disk),
            summary: disk.summary(),
            condition,
            erases,
            chosen_by,
        },
        system,
        configuration,
        countdown: answers.countdown.value.seconds(),
        finish: answers.finish.value,
        network: answers.network.value.policy(),
        answers: answer::list(answers),
        warnings: Vec::new(),
    }
}

fn configuration(answers: &Resolved, disk: &Disk, disks: &[Disk]) -> Configuration {
    let full_name = answers.full_name.as_ref().map(|name| name.value.to_string());
    let text = |name: &str| name.to_owned();
    Configuration {
        hostname: answers.hostname.value.to_string(),
        username: answers.username.value.to_string(),
        full_name: full_name.unwrap_or_default(),
        keymap: answers.keymap.as_ref().map(|keymap| text(keymap.value.as_str())),
        locale: answers.locale.as_ref().map(|locale| text(locale.value.as_str())),
        timezone: answers.timezone.as_ref().map(|timezone| text(timezone.value.as_str())),
        disk_device: stable_name(&disk.device, disks),
    }
}

/// The disk's name that is most likely to mean the same disk later: by its own identity, else by its
/// place. What another disk is called as well, as a namespace of the same NVMe drive may be, means
/// neither.
fn stable_name(device: &Device, disks: &[Disk]) -> PathBuf {
    let others = || disks.iter().map(|d| &d.device).filter(|other| other.name != device.name);
    let is_own = |link: &&PathBuf| !others().any(|other| other.links.contains(link));
    let found = |prefix: &str| {
        device.links.iter().filter(|link| link.starts_with(prefix)).filter(is_own).min()
    };
    found("/dev/disk/by-id").or_else(|| found("/dev/disk/by-path")).unwrap_or(&device.node).clone()
}

/// A disk with the texts that a rule looks at.
struct Named<'a> {
    disk: &'a Disk,
    node: String,
    links: Vec<String>,
}

impl<'a> Named<'a> {
    fn new(disk: &'a Disk) -> Self {
        let text = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
        Self {
            disk,
            node: text(&disk.device.node),
            links: disk.device.links.iter().map(text).collect(),
        }
    }
}

impl nixvm_answers::selection::Disk for Named<'_> {
    fn node(&self) -> &str {
        &self.node
    }

    fn links(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(String::as_str)
    }

    fn serial(&self) -> Option<&str> {
        self.disk.device.serial.as_deref()
    }

    fn model(&self) -> Option<&str> {
        self.disk.device.model.as_deref()
    }

    fn size(&self) -> u64 {
        self.disk.device.size_bytes
    }
}
