//! The consent table: what a disk carries, how it was chosen and by whose word → whether a confirmation
//! is required.

use nixvm_answers::answers::Erase;
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
    /// That is so only by the word of sources that count on virtual machines alone: see [`loosened`].
    pub(super) is_loosened: bool,
}

impl Case<'_> {
    /// Looks the case up.
    ///
    /// On a physical machine a blank disk is asked for as well: there, a disk that looks blank is not
    /// known to have been made for this. An unattended install of one needs `erase = "any"` and a rule,
    /// as for a disk with data.
    pub(super) fn needed(&self) -> Consent {
        let unattended = self.erase == Erase::Any
            && self.chosen_by == ChosenBy::Rule
            && (self.is_virtual || !self.is_loosened);
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

/// Each answer that makes an install less attended than it would be without the sources of which only
/// a virtual machine takes that: a sentence that names its source.
///
/// The rule is one of them because `erase = "any"` holds for the disk that it selects.
pub(super) fn loosened(answers: &Resolved) -> Vec<String> {
    let baseline = &answers.baseline;
    let mut found = Vec::new();
    let mut add = |answer: String, source: &Source| {
        found.push(format!(
            "{answer} comes from {source}: on a physical machine, that is asked once."
        ));
    };
    let erase = &answers.erase;
    if erase.value == Erase::Any && baseline.erase != Erase::Any {
        add("erase = \"any\"".to_owned(), &erase.source);
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
