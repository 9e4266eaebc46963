//! The consent table: what a disk carries, how it was chosen and by whose word → whether a confirmation
//! is required.

use nixvm_answers::answers::Erase;
use nixvm_answers::source::Strength;
use nixvm_answers::{Resolved, Source};

use super::ChosenBy;
use crate::disk::Condition;

/// Whether an install may begin by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// After the countdown, which a key stops.
    Countdown,
    /// Only after a confirmation.
    Ask,
    /// Never by itself: it boots what is there. A choice made here leads to [`Consent::Ask`].
    Boot,
}

/// A case of the table.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    /// The machine is a virtual one.
    pub(super) is_virtual: bool,
    /// What the disk carries.
    pub(super) condition: &'a Condition,
    /// Who meant it.
    pub(super) chosen_by: ChosenBy,
    /// When a disk may be erased without asking.
    pub(super) erase: Erase,
    /// That is so only by the word of sources that do not count on this machine: see [`loosened`].
    pub(super) is_loosened: bool,
}

impl Case<'_> {
    /// Looks the case up.
    ///
    /// On a physical machine a blank disk is asked for as well: there, a disk that looks blank is not
    /// known to have been made for this. An unattended install of one needs `erase = "any"` and a rule,
    /// as for a disk with data.
    pub(super) fn needed(&self) -> Consent {
        let unattended =
            self.erase == Erase::Any && self.chosen_by == ChosenBy::Rule && !self.is_loosened;
        let begins_by_itself = match self.condition {
            Condition::Installed if self.chosen_by != ChosenBy::User => return Consent::Boot,
            Condition::Installed | Condition::PossiblyInstalled | Condition::Unreadable => false,
            Condition::Blank | Condition::Unfinished => {
                self.erase != Erase::Confirm && (self.is_virtual || unattended)
            }
            Condition::Data => unattended,
        };
        if begins_by_itself { Consent::Countdown } else { Consent::Ask }
    }
}

/// When a disk may be erased without asking: the stricter of what all sources say together, and of
/// what those say that count on this machine.
pub(super) fn believed_erase(answers: &Resolved, is_virtual: bool) -> Erase {
    let believed = answers.baselines.of(is_virtual).erase;
    if laxness(answers.erase.value) > laxness(believed) { believed } else { answers.erase.value }
}

fn laxness(erase: Erase) -> u8 {
    match erase {
        Erase::Confirm => 0,
        Erase::Blank => 1,
        Erase::Any => 2,
    }
}

/// Each answer that makes an install less attended than it would be without the sources that do not
/// count on this machine: a sentence that names its source.
///
/// The rule is one of them because `erase = "any"` holds for the disk that it selects.
pub(super) fn loosened(answers: &Resolved, is_virtual: bool) -> Vec<String> {
    let baseline = answers.baselines.of(is_virtual);
    let mut found = Vec::new();
    let mut add = |answer: String, source: &Source| {
        let place = match source.strength() {
            Strength::Nowhere => "",
            Strength::Everywhere | Strength::VirtualMachine => "on a physical machine, ",
        };
        found.push(format!("{answer} comes from {source}: {place}that is asked once."));
    };
    let erase = &answers.erase;
    if laxness(erase.value) > laxness(baseline.erase) {
        add(format!("erase = \"{}\"", erase.value), &erase.source);
    }
    if let Some(rule) = &answers.disk
        && baseline.disk.as_ref() != Some(&rule.value)
    {
        add(format!("disk = \"{}\"", rule.value), &rule.source);
    }
    let countdown = &answers.countdown;
    if countdown.value.seconds() < baseline.countdown.seconds() {
        add(format!("countdown = {}", countdown.value.seconds()), &countdown.source);
    }
    found
}
