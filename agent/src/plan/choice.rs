//! Choices, answers and disks → the disk that is meant, or what has to happen before one is.

use nixvm_answers::disk::DiskRule;
use nixvm_answers::selection::Unselected;
use nixvm_answers::{Resolved, Sourced};

use super::decision::{Decision, Facts, eligible, installed};
use super::{ChosenBy, Refusal};
use crate::disk::eligibility::Ineligible;
use crate::disk::{Condition, Disk, Kind};

/// What is known of which disk is meant.
pub(super) enum Choice<'a> {
    /// It is known.
    Disk {
        /// The disk.
        disk: &'a Disk,
        /// Who meant it.
        chosen_by: ChosenBy,
        /// Why a disk that comes later might have been meant instead, if that is so.
        compared: Option<String>,
    },
    /// It is not, and this follows.
    Decided(Decision),
}

/// Which disk is meant: the one chosen here, else the rule's, else the only one.
///
/// # Errors
/// The chosen disk can't be used, or the rule fits several.
pub(super) fn choose<'a>(facts: &Facts<'a>, answers: &Resolved) -> Result<Choice<'a>, Refusal> {
    let wish = facts.choices.disk.as_ref();
    let wished = wish.and_then(|wish| facts.disks.iter().find(|disk| wish.is_device(&disk.device)));
    if let Some(disk) = wished {
        return match eligible(facts, disk) {
            Ok(()) => Ok(Choice::Disk { disk, chosen_by: ChosenBy::User, compared: None }),
            Err(Ineligible::Unsettled) => {
                Ok(Choice::Decided(wait_for(disk, &Ineligible::Unsettled)))
            }
            Err(reason) => Err(Refusal::IneligibleChoice {
                disk: disk.device.node.display().to_string(),
                reason: reason.to_string(),
            }),
        };
    }
    match &answers.disk {
        Some(rule) => by_rule(facts, rule),
        None => Ok(without_rule(facts)),
    }
}

fn by_rule<'a>(facts: &Facts<'a>, rule: &Sourced<DiskRule>) -> Result<Choice<'a>, Refusal> {
    // What can't be used for the moment is meant all the same: a rule must not select another
    // disk because of that.
    let named: Vec<_> =
        facts.disks.iter().filter(|disk| may_be_meant(facts, disk)).map(Named::new).collect();
    let Sourced { value: rule, source } = rule;
    match rule.select(&named) {
        Ok(named) => Ok(match eligible(facts, named.disk) {
            Ok(()) => Choice::Disk {
                disk: named.disk,
                chosen_by: ChosenBy::Rule,
                compared: rule
                    .is_relative()
                    .then(|| format!("the rule {rule} (from {source}) compares all of them")),
            },
            Err(reason) => Choice::Decided(wait_for(named.disk, &reason)),
        }),
        Err(several @ Unselected::Several { .. }) => {
            Err(Refusal::AmbiguousRule { message: format!("{several} (from {source})") })
        }
        Err(none) => {
            let unusable = unusable(facts, rule);
            let message = if unusable.is_empty() {
                format!("Waiting: {none} (from {source}).")
            } else {
                let unusable = unusable.join("; ");
                format!("Waiting: the rule means {unusable} ({rule}, from {source}).")
            };
            Ok(Choice::Decided(Decision::Wait { message }))
        }
    }
}

/// The disks that pass the rule's filters and can't be used, each with the reason.
///
/// A rule that names no disk does not mean what is no disk, and one without filters means none of these.
fn unusable(facts: &Facts<'_>, rule: &DiskRule) -> Vec<String> {
    let mut found: Vec<_> = facts
        .disks
        .iter()
        .filter(|disk| rule.names_disk() || rule.has_filters() && disk.device.kind == Kind::Disk)
        .filter(|disk| rule.matches(&Named::new(disk)))
        .filter_map(|disk| {
            let reason = eligible(facts, disk).err()?;
            let node = disk.device.node.display();
            Some(format!("{node}, which can't be used: {reason}"))
        })
        .collect();
    found.sort();
    found
}

fn without_rule<'a>(facts: &Facts<'a>) -> Choice<'a> {
    let mut meant = facts.disks.iter().filter(|disk| may_be_meant(facts, disk));
    if let Some(disk) = meant.find(|disk| disk.condition() == Condition::Installed) {
        return Choice::Decided(installed(disk));
    }
    let usable: Vec<&Disk> = facts.disks.iter().filter(|d| eligible(facts, d).is_ok()).collect();
    if usable.len() > 1 {
        let candidates = usable.iter().map(|disk| disk.device.name.clone()).collect();
        return Choice::Decided(Decision::Choose { candidates });
    }
    // It may turn out to be usable too, or to hold a system that is to be booted.
    let unsettled = |disk: &&Disk| eligible(facts, disk) == Err(Ineligible::Unsettled);
    if let Some(disk) = facts.disks.iter().filter(unsettled).min_by_key(|disk| &disk.device.node) {
        return Choice::Decided(wait_for(disk, &Ineligible::Unsettled));
    }
    match usable.as_slice() {
        [only] => Choice::Disk {
            disk: only,
            chosen_by: ChosenBy::OnlyOne,
            compared: Some("no rule says which one is meant".to_owned()),
        },
        _ => Choice::Decided(Decision::Wait {
            message: "No usable disk yet. Add one in the VM's settings; the installation then \
                      starts by itself."
                .to_owned(),
        }),
    }
}

/// Whether a disk can be used, now or in a moment.
fn may_be_meant(facts: &Facts<'_>, disk: &Disk) -> bool {
    eligible(facts, disk).err().is_none_or(|reason| reason.may_pass())
}

fn wait_for(disk: &Disk, reason: &Ineligible) -> Decision {
    let message =
        format!("Waiting for {}, which is not usable: {reason}.", disk.device.node.display());
    Decision::Wait { message }
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

    fn serials(&self) -> impl Iterator<Item = &str> {
        let device = &self.disk.device;
        device.serial.iter().chain(&device.serials).map(String::as_str)
    }

    fn model(&self) -> Option<&str> {
        self.disk.device.model.as_deref()
    }

    fn size(&self) -> u64 {
        self.disk.device.size_bytes
    }
}
