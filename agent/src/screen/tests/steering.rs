//! What keys ask for, and above all what they don't.

use std::time::Duration;

use nixvm_answers::answers::Finish;

use super::*;
use crate::event::{Leaving, PasswordOrigin};
use crate::request::{Denied, Request};
use crate::screen::dialog::Dialog;

const PAUSE: Duration = Duration::from_secs(2);

#[track_caller]
fn asked(action: Option<Action>) -> Request {
    match action {
        Some(Action::Ask(request)) => request,
        other => panic!("a request, not {other:?}"),
    }
}

#[test]
fn every_key_stops_the_countdown_and_does_nothing_else() {
    for key in
        [Key::Enter, Key::Char('i'), Key::Char('o'), Key::Escape, Key::Control('c'), Key::Other]
    {
        let mut rig = Rig::consent();
        rig.event(Event::Countdown { seconds_left: 9 });
        assert!(matches!(asked(rig.key(key)), Request::Cancel), "{key:?}");
        assert!(rig.model.dialog.is_none());
    }
}

#[test]
fn a_key_pressed_just_before_the_countdown_stops_it_too() {
    let begin = |key: Option<Key>, pause: u64| {
        let mut rig = Rig::with_disks(vec![disk("vda")]);
        if let Some(key) = key {
            assert!(rig.key(key).is_none());
        }
        rig.pass(Duration::from_millis(pause));
        rig.enter(State::Consent, "The install begins by itself.");
        rig.plan(plan("vda"));
        rig.event(Event::Countdown { seconds_left: 10 })
    };
    assert!(matches!(asked(begin(Some(Key::Char(' ')), 100)), Request::Cancel));
    assert!(begin(Some(Key::Char(' ')), 5_000).is_none(), "long before");
    assert!(begin(None, 100).is_none());
}

#[test]
fn a_command_that_leads_to_a_countdown_does_not_stop_it() {
    let mut rig = Rig::with_disks(vec![disk("vda")]);
    rig.enter(State::Cancelled, "The install was cancelled.");
    assert!(matches!(asked(rig.key(Key::Char('r'))), Request::Retry));
    rig.enter(State::Consent, "The install begins by itself.");
    assert!(rig.event(Event::Countdown { seconds_left: 10 }).is_none());
}

#[test]
fn what_is_confirmed_is_the_plan_that_was_seen() {
    let mut rig = Rig::consent();
    let seen = rig.model.status.token.clone();
    rig.model.drawn();
    rig.status.token = "of another plan".to_owned();
    rig.model.show(rig.status.clone());
    // Not by `Rig::key`, which draws first.
    let request = asked(rig.model.key(Key::Char('i'), 20));
    assert!(matches!(request, Request::Confirm { token } if token == seen));
}

#[test]
fn enter_pressed_again_and_again_installs_nothing() {
    let mut rig = Rig::consent();
    rig.event(Event::Countdown { seconds_left: 9 });
    rig.key(Key::Enter);
    rig.enter(State::Consent, "The countdown was stopped.");
    for _ in 0..5 {
        assert!(rig.key(Key::Enter).is_none());
    }
}

#[test]
fn a_blank_disk_is_confirmed_by_one_key_with_the_token_of_the_plan() {
    let mut rig = Rig::consent();
    let token = rig.status.token.clone();
    assert!(!token.is_empty());
    let request = asked(rig.key(Key::Char('I')));
    assert!(matches!(request, Request::Confirm { token: sent } if sent == token));
}

fn data() -> Rig {
    let mut rig = Rig::with_disks(vec![windows("vda"), disk("vdb")]);
    rig.enter(State::Consent, "Nothing is done until somebody confirms it.");
    rig.plan(plan_for_windows("vda"));
    rig
}

#[test]
fn data_is_erased_only_after_its_disk_was_named() {
    let mut rig = data();
    assert!(rig.key(Key::Char('i')).is_none());
    assert!(rig.key(Key::Enter).is_none(), "nothing was typed");
    rig.type_text("vdb");
    assert!(rig.key(Key::Enter).is_none(), "another disk was typed");
    rig.type_text("vda");
    assert!(matches!(asked(rig.key(Key::Enter)), Request::Confirm { .. }));
    assert!(rig.model.dialog.is_none());
}

#[test]
fn a_question_about_another_plan_is_taken_back() {
    let mut rig = data();
    rig.key(Key::Char('i'));
    rig.type_text("vda");
    let mut other = plan_for_windows("vda");
    other.target.erases.push("partition 4: ext4 \"photos\", 5.0 GB".to_owned());
    rig.plan(other);
    assert!(rig.model.dialog.is_none());
    assert!(rig.frame(80, 25).contains("look again"));
    assert!(rig.key(Key::Enter).is_none());
}

#[test]
fn a_disk_is_chosen_by_number_or_arrows_and_enter() {
    let mut rig = Rig::with_disks(vec![disk("vda"), medium(), windows("vdb"), disk("vdc")]);
    rig.enter(State::Choosing, "Several disks can be used.");
    rig.key(Key::Char('9'));
    rig.key(Key::Char('3'));
    rig.key(Key::Down);
    rig.key(Key::Up);
    let request = asked(rig.key(Key::Enter));
    assert!(matches!(request, Request::Select { disk } if disk == "vdb"));
    assert!(rig.key(Key::Enter).is_none(), "it is on its way");
    rig.model.answered(Err(Denied::NoSuchDisk { disk: "vdb".to_owned() }));
    assert!(rig.frame(80, 25).contains("Not done: no disk vdb is attached."));
    rig.key(Key::Escape);
    assert!(matches!(rig.model.dialog, Some(Dialog::Choose(_))), "there is nothing to go back to");
}

#[test]
fn another_disk_can_be_chosen_where_there_is_one() {
    let mut rig = Rig::consent();
    assert!(rig.key(Key::Char('d')).is_none() && rig.model.dialog.is_none());
    rig.event(Event::Disks { disks: vec![disk("vda"), disk("vdb")] });
    rig.key(Key::Char('d'));
    rig.key(Key::Char('2'));
    let request = asked(rig.key(Key::Enter));
    assert!(matches!(request, Request::Select { disk } if disk == "vdb"));
    rig.model.answered(Ok(()));
    assert!(rig.model.dialog.is_none());
}

#[test]
fn a_name_is_checked_here_and_sent_as_an_answer() {
    let mut rig = Rig::consent();
    rig.key(Key::Char('u'));
    rig.key(Key::Control('u'));
    rig.type_text("root");
    assert!(rig.key(Key::Enter).is_none());
    assert!(rig.frame(80, 25).contains("of the system itself"));
    rig.key(Key::Control('u'));
    rig.type_text("ada");
    let request = asked(rig.key(Key::Enter));
    assert!(
        matches!(request, Request::Answers { toml } if toml.reveal() == "username = \"ada\"\n")
    );
    rig.model.answered(Ok(()));
    assert!(rig.model.dialog.is_none());
}

#[test]
fn a_name_that_was_given_is_not_said_to_be_late() {
    for given in [true, false] {
        let mut rig = Rig::consent();
        rig.key(Key::Char('h'));
        if given {
            assert!(matches!(asked(rig.key(Key::Enter)), Request::Answers { .. }));
        }
        rig.enter(State::Preflight, "Looking whether the system can be built.");
        assert!(rig.model.dialog.is_none());
        assert_eq!(rig.frame(80, 25).contains("too late"), !given);
    }
}

#[test]
fn a_choice_that_takes_long_says_so_and_is_not_taken_back_by_what_comes_of_it() {
    let mut rig = Rig::with_disks(vec![windows("vda"), disk("vdb")]);
    rig.enter(State::Cancelled, "The install was cancelled.");
    rig.key(Key::Char('d'));
    assert!(matches!(asked(rig.key(Key::Enter)), Request::Select { .. }));
    assert!(rig.frame(80, 25).contains("One moment"));
    assert!(!rig.frame(80, 25).contains("Back"), "it would not take anything back");
    assert!(rig.key(Key::Enter).is_none(), "asked once");
    rig.pass(PAUSE);
    rig.enter(State::Consent, "The install begins by itself.");
    rig.plan(plan("vda"));
    assert!(rig.event(Event::Countdown { seconds_left: 10 }).is_none());
}

#[test]
fn a_countdown_that_comes_of_a_choice_on_the_same_page_runs() {
    let mut rig = data();
    rig.key(Key::Char('d'));
    rig.key(Key::Down);
    assert!(matches!(asked(rig.key(Key::Enter)), Request::Select { disk } if disk == "vdb"));
    rig.pass(PAUSE);
    rig.plan(plan("vdb"));
    assert!(rig.event(Event::Countdown { seconds_left: 10 }).is_none());
    rig.model.answered(Ok(()));
    assert!(rig.model.dialog.is_none());
    assert!(matches!(asked(rig.key(Key::Escape)), Request::Cancel));
}

#[test]
fn a_rule_that_waits_for_a_disk_leaves_the_choice_of_another() {
    let mut rig = Rig::with_disks(vec![disk("vda"), medium()]);
    rig.enter(State::WaitingForDisk, "Waiting for /dev/vdb, which can't be used.");
    rig.key(Key::Char('d'));
    assert!(matches!(asked(rig.key(Key::Enter)), Request::Select { disk } if disk == "vda"));
}

#[test]
fn no_countdown_runs_while_somebody_types() {
    let mut rig = Rig::consent();
    rig.key(Key::Char('h'));
    let action = rig.event(Event::Countdown { seconds_left: 10 });
    assert!(matches!(asked(action), Request::Cancel));
    assert!(rig.event(Event::Countdown { seconds_left: 9 }).is_none(), "asked once");
    assert!(matches!(rig.model.dialog, Some(Dialog::Name(_))), "what was typed is kept");
}

#[test]
fn no_countdown_runs_behind_a_shell_or_the_log() {
    for key in ['s', 'l'] {
        let mut rig = Rig::with_disks(vec![medium()]);
        rig.enter(State::WaitingForDisk, "No disk can be used yet.");
        rig.key(Key::Char(key));
        rig.enter(State::Consent, "The install begins by itself.");
        let action = rig.event(Event::Countdown { seconds_left: 10 });
        assert!(matches!(asked(action), Request::Cancel), "{key}");
    }
}

#[test]
fn the_password_is_asked_for_once_while_the_system_is_copied() {
    let mut rig = Rig::installing();
    assert!(matches!(rig.model.dialog, Some(Dialog::Password(_))));
    assert!(!rig.model.is_typing_password(), "nobody has begun");
    rig.type_text("horse");
    assert!(rig.model.is_typing_password());
    rig.key(Key::Enter);
    rig.type_text("house");
    assert!(rig.key(Key::Enter).is_none());
    assert!(rig.frame(80, 25).contains("They differ"));
    for _ in 0..2 {
        rig.type_text("horse");
        rig.pass(PAUSE);
        let Some(Action::UsePassword(password)) = rig.key(Key::Enter) else { continue };
        assert_eq!(password.reveal(), "horse");
    }
    assert!(rig.model.is_typing_password(), "it is on its way");
    rig.model.password_answered(Ok(()));
    rig.event(Event::Password { origin: PasswordOrigin::Typed });
    assert!(rig.model.dialog.is_none() && !rig.model.is_typing_password());
}

#[test]
fn whoever_walks_away_from_a_password_is_not_waited_for() {
    let mut rig = Rig::installing();
    rig.type_text("ho");
    rig.pass(Duration::from_secs(61));
    assert!(!rig.model.is_typing_password());
    rig.event(Event::Password { origin: PasswordOrigin::MadeUp });
    assert!(rig.model.dialog.is_none());
    assert!(rig.frame(80, 25).contains("A password was made up."));
}

#[test]
fn an_answered_password_is_not_asked_for() {
    let mut rig = Rig::consent();
    rig.plan(with_password_answered(plan("vda")));
    rig.enter(State::Installing, "Install NixOS.");
    assert!(rig.model.dialog.is_none());
    rig.pass(PAUSE);
    assert!(rig.key(Key::Char('p')).is_none() && rig.model.dialog.is_none());
}

#[test]
fn what_was_typed_for_a_password_is_no_command() {
    let mut rig = Rig::installing();
    rig.type_text("hop");
    rig.enter(State::Failed, "A step failed.");
    // The user types on: power off, retry, and so on.
    for sign in ['o', 'r', 's', 'e'] {
        rig.pass(Duration::from_millis(200));
        assert!(rig.key(Key::Char(sign)).is_none());
    }
    rig.pass(PAUSE);
    assert!(matches!(asked(rig.key(Key::Char('r'))), Request::Retry));
}

#[test]
fn an_install_is_cancelled_by_two_different_keys() {
    let mut rig = Rig::installing();
    rig.key(Key::Escape);
    rig.pass(PAUSE);
    assert!(rig.key(Key::Char('c')).is_none());
    assert!(rig.key(Key::Char('c')).is_none(), "that goes back");
    assert!(rig.key(Key::Control('c')).is_none());
    assert!(matches!(asked(rig.key(Key::Enter)), Request::Cancel));
}

#[test]
fn leaving_is_held_by_any_key_and_done_by_the_right_ones() {
    let mut rig = Rig::installing();
    rig.key(Key::Escape);
    rig.enter(State::Finished, "web is installed.");
    let leaving = |at| Event::Leaving(Leaving { how: Finish::Reboot, at_uptime_ms: at });
    rig.event(leaving(Some(110_000)));
    for key in [Key::Char('x'), Key::Char('o')] {
        // Just after the state has changed even the key to switch off only holds.
        assert!(matches!(asked(rig.key(key)), Request::Cancel), "{key:?}");
    }
    rig.event(leaving(None));
    rig.pass(PAUSE);
    assert!(rig.key(Key::Char('x')).is_none());
    let request = asked(rig.key(Key::Enter));
    assert!(matches!(request, Request::Finish { how: Finish::Reboot }));
    let request = asked(rig.key(Key::Char('o')));
    assert!(matches!(request, Request::Finish { how: Finish::Poweroff }));
}

#[test]
fn an_installed_disk_is_booted_or_installed_anew_by_choice() {
    let mut rig = Rig::with_disks(vec![disk("vda"), disk("vdb")]);
    rig.enter(State::InstalledAlready, "vda carries the system web already.");
    let at_uptime_ms = Some(110_000);
    rig.event(Event::Leaving(Leaving { how: Finish::Reboot, at_uptime_ms }));
    assert!(matches!(asked(rig.key(Key::Char('i'))), Request::Cancel), "it waits meanwhile");
    let request = asked(rig.key(Key::Enter));
    assert!(matches!(request, Request::Select { disk } if disk == "vda"));
    rig.model.answered(Ok(()));
    rig.key(Key::Escape);
    let request = asked(rig.key(Key::Enter));
    assert!(matches!(request, Request::Finish { how: Finish::Reboot }));
}

#[test]
fn only_what_can_be_done_is_offered() {
    let labels = |rig: &Rig| -> Vec<_> {
        rig.model.commands().iter().map(|command| command.label()).collect()
    };
    let mut rig = Rig::consent();
    rig.event(Event::Countdown { seconds_left: 9 });
    assert_eq!(labels(&rig), [""; 0]);
    rig.model.has_shell = false;
    rig.enter(State::Failed, "m");
    assert_eq!(labels(&rig), ["Retry", "Log", "Power off"]);
}

#[test]
fn no_two_commands_of_a_moment_share_a_key() {
    for state in [
        State::Preflight,
        State::WaitingForDisk,
        State::Consent,
        State::Installing,
        State::Finished,
        State::Failed,
        State::Refused,
        State::Cancelled,
        State::InstalledAlready,
    ] {
        let mut rig = Rig::with_disks(vec![disk("vda"), disk("vdb")]);
        rig.enter(state, "m");
        let mut keys: Vec<_> = rig.model.commands().iter().map(|c| c.key().1).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "{state:?}");
    }
}
