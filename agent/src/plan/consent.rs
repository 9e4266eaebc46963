//! The consent table: what a disk carries and how it was chosen → whether a confirmation is required.

use nixvm_answers::answers::Erase;

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

/// Looks the case up.
///
/// On a physical machine a blank disk is asked for as well: there, a disk that looks blank is not
/// known to have been made for this. An unattended install of one needs `erase = "any"` and a rule,
/// as for a disk with data.
pub(super) fn needed(
    is_virtual: bool,
    condition: &Condition,
    chosen_by: ChosenBy,
    erase: Erase,
) -> Consent {
    let unattended = erase == Erase::Any && chosen_by == ChosenBy::Rule;
    match condition {
        Condition::Installed if chosen_by == ChosenBy::User => Consent::Ask,
        Condition::Installed => Consent::Boot,
        Condition::PossiblyInstalled => Consent::Ask,
        Condition::Blank | Condition::Unfinished => {
            if erase != Erase::Confirm && (is_virtual || unattended) {
                Consent::Countdown
            } else {
                Consent::Ask
            }
        }
        Condition::Data | Condition::Unreadable => {
            if unattended && *condition == Condition::Data {
                Consent::Countdown
            } else {
                Consent::Ask
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test for each row of the table in agent/README.md, in its order.
    fn row(condition: &Condition, chosen_by: ChosenBy, erase: Erase) -> (Consent, Consent) {
        (needed(true, condition, chosen_by, erase), needed(false, condition, chosen_by, erase))
    }

    #[test]
    fn the_only_disk_blank_or_unfinished() {
        for condition in [Condition::Blank, Condition::Unfinished] {
            let found = row(&condition, ChosenBy::OnlyOne, Erase::Blank);
            assert_eq!(found, (Consent::Countdown, Consent::Ask));
            let found = row(&condition, ChosenBy::OnlyOne, Erase::Confirm);
            assert_eq!(found, (Consent::Ask, Consent::Ask));
        }
    }

    #[test]
    fn one_of_several_by_rule() {
        let found = row(&Condition::Blank, ChosenBy::Rule, Erase::Blank);
        assert_eq!(found, (Consent::Countdown, Consent::Ask));
    }

    #[test]
    fn data_is_asked_for() {
        for (chosen_by, erase) in [
            (ChosenBy::OnlyOne, Erase::Blank),
            (ChosenBy::OnlyOne, Erase::Any),
            (ChosenBy::Rule, Erase::Blank),
            (ChosenBy::Rule, Erase::Confirm),
            (ChosenBy::User, Erase::Any),
        ] {
            let found = row(&Condition::Data, chosen_by, erase);
            assert_eq!(found, (Consent::Ask, Consent::Ask), "{chosen_by:?} {erase:?}");
        }
        let found = row(&Condition::Data, ChosenBy::Rule, Erase::Any);
        assert_eq!(found, (Consent::Countdown, Consent::Countdown));
    }

    #[test]
    fn a_finished_install_is_booted_unless_it_was_chosen_here() {
        for chosen_by in [ChosenBy::OnlyOne, ChosenBy::Rule] {
            let found = row(&Condition::Installed, chosen_by, Erase::Any);
            assert_eq!(found, (Consent::Boot, Consent::Boot));
        }
        let found = row(&Condition::Installed, ChosenBy::User, Erase::Any);
        assert_eq!(found, (Consent::Ask, Consent::Ask));
    }
}
