//! Disks that came just now, and those that may be still to come.

use super::*;
use crate::plan::{ChosenBy, QUIET};

fn at_once(rule: &str) -> String {
    format!("erase = 'any'\ncountdown = 0\n{rule}")
}

#[test]
fn what_depends_on_the_other_disks_waits_until_none_comes() {
    for (rule, expected) in [
        ("", "no rule says which one is meant"),
        ("disk = 'only'", "the rule pick=only (from kernel command line) compares all of them"),
        ("disk = 'largest'", "the rule pick=largest "),
        ("disk = 'smallest'", "the rule pick=smallest "),
        ("disk = 'min-size=1G'", "the rule min-size=1G "),
    ] {
        let mut world = World::new([blank("vda")]).answering(&at_once(rule));
        world.quiet = false;
        let decision = world.decide();
        let message = waits(&decision).unwrap_or_else(|| panic!("{rule}: {decision:?}"));
        assert!(message.starts_with("Waiting 5 s for disks"), "{message}");
        assert!(message.contains(expected), "{message}");
        world.quiet = true;
        assert!(goes(&world.decide()).is_some(), "{rule}");
    }
}

#[test]
fn what_names_its_disk_waits_for_no_other() {
    for rule in ["/dev/vda", "serial=serial-vda"] {
        let toml = at_once(&format!("disk = '{rule}'"));
        let mut world = World::new([blank("vda")]).answering(&toml);
        world.quiet = false;
        assert_eq!(goes(&world.decide()).unwrap().target.chosen_by, ChosenBy::Rule);
    }
}

#[test]
fn a_countdown_that_is_as_long_is_the_wait() {
    for seconds in 0..=QUIET.as_secs() + 1 {
        let toml = format!("countdown = {seconds}\ndisk = 'largest'");
        let mut world = World::new([blank("vda")]).answering(&toml);
        world.quiet = false;
        assert_eq!(goes(&world.decide()).is_some(), seconds >= QUIET.as_secs(), "{seconds}");
    }
}

#[test]
fn a_question_is_asked_and_an_installed_disk_named_at_once() {
    let mut world = World::new([data("vda")]).answering("countdown = 0");
    world.quiet = false;
    let decision = world.decide();
    world.choices.confirmed = Some(asks(&decision).unwrap().token());
    assert!(matches!(world.decide(), Decision::Go { confirmed: true, .. }));
    let mut world = World::new([installed("vda")]).answering("countdown = 0");
    world.quiet = false;
    assert!(matches!(world.decide(), Decision::Installed { .. }));
}

#[test]
fn a_disk_that_is_still_being_checked_keeps_another_from_being_the_only_one() {
    let mut slow = blank("sda");
    slow.device.unsettled = true;
    let world = World::new([blank("vda"), slow.clone()]);
    assert_eq!(
        waits(&world.decide()),
        Some("Waiting for /dev/sda, which is not usable: still being checked.")
    );
    // It can never be meant: no need to wait for it.
    slow.device.removable = true;
    assert!(goes(&World::new([blank("vda"), slow]).decide()).is_some());
}
