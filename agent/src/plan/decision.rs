//! Facts → the next thing to do; a plan with all that it is: what it erases, in words, and the seconds
//! that are counted down.

use std::path::PathBuf;

use nixvm_answers::{Problems, Resolved};
use nixvm_manifest::Manifest;

use super::choice::{self, Choice};
use super::consent::{self, Consent};
use super::{
    ChosenBy, PassphraseOrigin, Plan, QUIET, Refusal, System, Target, answer, conflict, encryption,
    network, system,
};
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
    /// No disk came or went for [`QUIET`].
    pub quiet: bool,
    /// Choices made at this machine.
    pub choices: &'a UserChoices,
    /// What was found out about what this decision needs to know.
    pub checked: &'a Checked,
    /// Where a passphrase comes from, or why the one that was given can't be used.
    pub passphrase: Option<Result<PassphraseOrigin, &'a str>>,
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
    let manifest = facts.manifest;
    let is_boot_medium = is_boot_medium(&disk.device);
    let label = manifest.volume_label.as_deref();
    eligibility::check(disk, is_boot_medium, label, manifest.minimum_disk_bytes)
}

fn is_boot_medium(device: &Device) -> bool {
    device.mounts.iter().any(|mount| mount == LIVE_MOUNT)
}

fn resolve(facts: &Facts<'_>) -> Result<Decision, Refusal> {
    let answers = preflight(facts)?;
    let network = network::planned(answers);
    // Before a disk is chosen, which may be asked for over the network.
    if let Some(check) = network::to_set_up(&network, facts.checked) {
        return Ok(Decision::Check(check));
    }
    let server = answers.server.as_ref().map(|server| &server.value);
    let unfetched = match server.map(|server| (server, facts.checked.answers_of(server))) {
        Some((server, None)) => return Ok(Decision::Check(Check::Answers(server.clone()))),
        Some((server, Some(Err(unfetched)))) => Some((server, unfetched)),
        Some((_, Some(Ok(_)))) | None => None,
    };
    let chosen = choice::choose(facts, answers);
    if let Some((server, unfetched)) = unfetched {
        // What is installed can be booted without them.
        return installed_choice(&chosen).ok_or_else(|| {
            let (url, unfetched) = (server.to_string(), unfetched.clone());
            // An adapter that is not there may be why the server can't be reached.
            network::unknown(facts.checked).unwrap_or(Refusal::NoAnswers { url, unfetched })
        });
    }
    let (disk, chosen_by, compared) = match chosen? {
        Choice::Disk { disk, chosen_by, compared } => (disk, chosen_by, compared),
        Choice::Decided(decision) => return Ok(decision),
    };
    let condition = disk.condition();
    let is_virtual = facts.machine.hypervisor.is_virtual();
    let mut loosened = consent::loosened(answers, is_virtual);
    let case = consent::Case {
        is_virtual,
        condition: &condition,
        chosen_by,
        erase: consent::believed_erase(answers, is_virtual),
        is_loosened: !loosened.is_empty(),
    };
    let consent = case.needed();
    let believed = consent::Case { is_loosened: false, erase: answers.erase.value, ..case };
    if believed.needed() == consent {
        loosened.clear();
    }
    if consent == Consent::Boot {
        return Ok(installed(disk));
    }
    conflict::refuse_partition_names(&facts.manifest.layout, disk, facts.disks)?;
    if let Some(check) = network::check(&network, answers, facts)? {
        return Ok(Decision::Check(check));
    }
    if answers.first_boot.is_some() && !facts.manifest.first_boot {
        return Err(Refusal::NoFirstBoot);
    }
    let passphrase = encryption::origin(facts, answers)?;
    let configuration = configuration(answers, disk, facts.disks);
    let system = match system::choose(facts, answers, &configuration)? {
        Ok(system) => system,
        Err(check) => return Ok(Decision::Check(check)),
    };
    let plan = Box::new(Plan {
        passphrase,
        warnings: loosened
            .into_iter()
            .chain(conflict::label_warnings(&facts.manifest.layout, disk, facts.disks))
            .chain(network::warnings(facts.checked))
            .chain(answers.ignored.iter().map(ToString::to_string))
            .collect(),
        ..plan(answers, disk, condition, chosen_by, configuration, system)
    });
    let confirmed = facts.choices.confirmed.as_ref() == Some(&plan.token());
    // A countdown that is long enough needs no wait before it: a disk that comes during it begins
    // the decision anew.
    if let Some(why) = compared
        && consent == Consent::Countdown
        && !(confirmed || facts.quiet || u64::from(plan.countdown) >= QUIET.as_secs())
    {
        let message =
            format!("Waiting {} s for disks that may be still to come: {why}.", QUIET.as_secs());
        return Ok(Decision::Wait { message });
    }
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
    let image_bytes = machine.image_in_memory_bytes;
    let minimum_bytes = manifest.minimum_memory_bytes.saturating_add(image_bytes);
    if machine.memory_bytes < minimum_bytes {
        return Err(Refusal::InsufficientMemory {
            memory_bytes: machine.memory_bytes,
            minimum_bytes,
            image_bytes,
            hypervisor: machine.hypervisor,
        });
    }
    facts.answers.map_err(|problems| Refusal::InvalidAnswers {
        problems: problems.iter().map(ToString::to_string).collect(),
    })
}

/// The decision to boot an installed system, if that is what follows from a choice.
fn installed_choice(chosen: &Result<Choice<'_>, Refusal>) -> Option<Decision> {
    match chosen {
        Ok(Choice::Decided(decision @ Decision::Installed { .. })) => Some(decision.clone()),
        Ok(Choice::Disk { disk, chosen_by, .. })
            if *chosen_by != ChosenBy::User && disk.condition() == Condition::Installed =>
        {
            Some(installed(disk))
        }
        _ => None,
    }
}

pub(super) fn installed(disk: &Disk) -> Decision {
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
    let unfinished = (condition == Condition::Unfinished)
        .then(|| "an unfinished install of this installer".to_owned());
    let erases = unfinished.into_iter().chain(disk.contents()).collect();
    Plan {
        target: Target {
            name: disk.device.name.clone(),
            identity: Identity::of(disk),
            summary: disk.summary(),
            condition,
            erases,
            evidence: disk.evidence(),
            chosen_by,
        },
        system,
        configuration,
        passphrase: None,
        countdown: answers.countdown.value.seconds(),
        finish: answers.finish.value,
        network: network::planned(answers),
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
        proxy: answers.proxy.as_ref().map(|proxy| proxy.value.clone()),
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
