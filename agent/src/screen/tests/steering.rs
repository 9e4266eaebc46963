//! What keys ask for, and above all what they don't.

use nixvm_answers::answers::Finish;

use super::*;
use crate::control::request::{Request, RequestError};
use crate::event::ScheduledFinish;
use crate::screen::dialog::Dialog;

#[test]
fn what_is_confirmed_is_the_plan_that_was_seen() {
    let mut fixture = Fixture::awaiting_confirmation();
    let seen = fixture.model.status.token.clone();
    fixture.model.drawn();
    fixture.status.token = "of another plan".to_owned();
    fixture.model.show(fixture.status.clone());
    // Not by `Fixture::key`, which draws first.
    let request = asked(fixture.model.key(Key::Char('i'), 20));
    assert!(matches!(request, Request::Confirm { token } if token == seen));
}

#[test]
fn enter_pressed_again_and_again_installs_nothing() {
    let mut fixture = Fixture::counting_down();
    fixture.key(Key::Enter);
    fixture.enter(State::AwaitingConfirmation, "The countdown was stopped.");
    for _ in 0..5 {
        assert!(fixture.key(Key::Enter).is_none());
    }
}

#[test]
fn a_blank_disk_is_confirmed_by_one_key_with_the_token_of_the_plan() {
    let mut fixture = Fixture::awaiting_confirmation();
    let token = fixture.status.token.clone();
    assert!(!token.is_empty());
    let request = asked(fixture.key(Key::Char('I')));
    assert!(matches!(request, Request::Confirm { token: sent } if sent == token));
}

#[test]
fn data_is_erased_only_after_its_disk_was_named() {
    let mut fixture = data();
    assert!(fixture.key(Key::Char('i')).is_none());
    assert!(fixture.key(Key::Enter).is_none(), "nothing was typed");
    fixture.type_text("vdb");
    assert!(fixture.key(Key::Enter).is_none(), "another disk was typed");
    fixture.type_text("vda");
    assert!(matches!(asked(fixture.key(Key::Enter)), Request::Confirm { .. }));
    assert!(fixture.model.dialog.is_none());
}

#[test]
fn a_question_about_another_plan_is_taken_back() {
    let mut fixture = data();
    fixture.key(Key::Char('i'));
    fixture.type_text("vda");
    let mut other = plan_for_windows("vda");
    other.target.erases.push("partition 4: ext4 \"photos\", 5 GiB".to_owned());
    fixture.plan(other);
    assert!(fixture.model.dialog.is_none());
    assert!(fixture.frame(80, 25).contains("Check again"));
    assert!(fixture.key(Key::Enter).is_none());
}

#[test]
fn a_disk_is_chosen_by_number_or_arrows_and_enter() {
    let mut fixture = Fixture::with_disks(vec![disk("vda"), medium(), windows("vdb"), disk("vdc")]);
    fixture.enter(State::ChoosingDisk, "Several disks can be used.");
    fixture.key(Key::Char('9'));
    fixture.key(Key::Char('3'));
    fixture.key(Key::Down);
    fixture.key(Key::Up);
    let request = asked(fixture.key(Key::Enter));
    assert!(matches!(request, Request::Select { disk } if disk == "vdb"));
    assert!(fixture.key(Key::Enter).is_none(), "it is on its way");
    fixture.model.answered(Err(RequestError::NoSuchDisk { disk: "vdb".to_owned() }));
    assert!(fixture.frame(80, 25).contains("Not done: no disk vdb is attached."));
    fixture.key(Key::Escape);
    assert!(
        matches!(fixture.model.dialog, Some(Dialog::Choose(_))),
        "there is nothing to go back to"
    );
}

#[test]
fn another_disk_can_be_chosen_where_there_is_one() {
    let mut fixture = Fixture::awaiting_confirmation();
    assert!(fixture.key(Key::Char('d')).is_none() && fixture.model.dialog.is_none());
    fixture.event(Event::Disks { disks: vec![disk("vda"), disk("vdb")] });
    fixture.key(Key::Char('d'));
    fixture.key(Key::Char('2'));
    let request = asked(fixture.key(Key::Enter));
    assert!(matches!(request, Request::Select { disk } if disk == "vdb"));
    fixture.model.answered(Ok(()));
    assert!(fixture.model.dialog.is_none());
}

#[test]
fn a_rule_that_waits_for_a_disk_leaves_the_choice_of_another() {
    let mut fixture = Fixture::with_disks(vec![disk("vda"), medium()]);
    fixture.enter(State::WaitingForDisk, "Waiting for /dev/vdb, which can't be used.");
    fixture.key(Key::Char('d'));
    assert!(matches!(asked(fixture.key(Key::Enter)), Request::Select { disk } if disk == "vda"));
}

#[test]
fn an_install_is_cancelled_by_two_different_keys() {
    let mut fixture = Fixture::installing();
    fixture.key(Key::Escape);
    fixture.pass(PAUSE);
    assert!(fixture.key(Key::Char('c')).is_none());
    assert!(fixture.key(Key::Char('c')).is_none(), "that goes back");
    assert!(fixture.key(Key::Control('c')).is_none());
    assert!(fixture.key(Key::Enter).is_none(), "the safe answer is the default");
    assert!(fixture.key(Key::Char('c')).is_none());
    assert!(matches!(asked(fixture.key(Key::Char('y'))), Request::Cancel));
}

#[test]
fn leaving_is_held_by_any_key_and_done_by_the_right_ones() {
    let mut fixture = Fixture::installing();
    fixture.key(Key::Escape);
    fixture.enter(State::Installed, "web is installed on /dev/vda.");
    let leaving =
        |at| Event::FinishScheduled(ScheduledFinish { action: Finish::Reboot, at_uptime_ms: at });
    fixture.event(leaving(Some(110_000)));
    for key in [Key::Char('x'), Key::Char('o')] {
        // Just after the state has changed even the key to switch off only holds.
        assert!(matches!(asked(fixture.key(key)), Request::Cancel), "{key:?}");
    }
    fixture.event(leaving(None));
    fixture.pass(PAUSE);
    assert!(fixture.key(Key::Char('x')).is_none());
    let request = asked(fixture.key(Key::Enter));
    assert!(matches!(request, Request::Finish { how: Finish::Reboot }));
    let request = asked(fixture.key(Key::Char('o')));
    assert!(matches!(request, Request::Finish { how: Finish::Poweroff }));
}

#[test]
fn an_installed_disk_is_booted_or_installed_anew_by_choice() {
    let mut fixture = Fixture::with_disks(vec![disk("vda"), disk("vdb")]);
    fixture.enter(State::AlreadyInstalled, "NixOS is already installed on vda, as web.");
    let at_uptime_ms = Some(110_000);
    fixture.event(Event::FinishScheduled(ScheduledFinish { action: Finish::Reboot, at_uptime_ms }));
    assert!(matches!(asked(fixture.key(Key::Char('i'))), Request::Cancel), "it waits meanwhile");
    let request = asked(fixture.key(Key::Enter));
    assert!(matches!(request, Request::Select { disk } if disk == "vda"));
    fixture.model.answered(Ok(()));
    fixture.key(Key::Escape);
    let request = asked(fixture.key(Key::Enter));
    assert!(matches!(request, Request::Finish { how: Finish::Reboot }));
}

#[test]
fn what_led_to_a_refusal_can_still_be_changed() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.key(Key::Char('h'));
    fixture.key(Key::Control('u'));
    fixture.type_text("mail");
    assert!(matches!(asked(fixture.key(Key::Enter)), Request::Answers { .. }));
    fixture.enter(State::Preflight, "Checking that the system can be built.");
    let problem = Problem {
        kind: "cannot-build".to_owned(),
        message: "m".to_owned(),
        hint: "h".to_owned(),
        step: None,
    };
    fixture.enter(State::Refused, &problem.message);
    fixture.verdict(Outcome::Refused, Some(problem));
    fixture.pass(PAUSE);
    fixture.key(Key::Char('h'));
    assert!(fixture.frame(80, 25).contains("Host name   mail "), "it begins with what was typed");
    fixture.key(Key::Escape);
    fixture.pass(PAUSE);
    fixture.key(Key::Char('u'));
    let request = asked(fixture.key(Key::Enter));
    assert!(
        matches!(request, Request::Answers { toml, .. } if toml.reveal() == "username = \"ht\"\n")
    );
}

#[test]
fn enter_destroys_nothing_wherever_it_is_pressed() {
    let mut fixtures = vec![Fixture::counting_down(), Fixture::awaiting_confirmation(), data()];
    let mut asks = data();
    asks.key(Key::Char('i'));
    let mut stops = Fixture::installing();
    stops.key(Key::Escape);
    stops.key(Key::Char('c'));
    fixtures.extend([asks, stops]);
    for mut fixture in fixtures {
        fixture.pass(PAUSE);
        let harmless = match fixture.key(Key::Enter) {
            None => true,
            // Of a countdown: it stops.
            Some(Action::Ask(Request::Cancel)) => fixture.status.state == State::Countdown,
            Some(_) => false,
        };
        assert!(harmless, "{:?}", fixture.status.state);
    }
}

#[test]
fn only_what_can_be_done_is_offered() {
    let labels = |fixture: &Fixture| -> Vec<_> {
        fixture.model.commands().iter().map(|command| command.label()).collect()
    };
    let mut fixture = Fixture::counting_down();
    assert_eq!(labels(&fixture), [""; 0]);
    fixture.model.has_shell = false;
    fixture.enter(State::Failed, "m");
    assert_eq!(labels(&fixture), ["Retry", "Log", "Power off", "Help"]);
}

#[test]
fn no_two_commands_of_a_moment_share_a_key() {
    for state in [
        State::Preflight,
        State::WaitingForDisk,
        State::ChoosingDisk,
        State::Countdown,
        State::AwaitingConfirmation,
        State::Installing,
        State::Installed,
        State::Failed,
        State::Refused,
        State::Cancelled,
        State::AlreadyInstalled,
    ] {
        let mut fixture = Fixture::with_disks(vec![disk("vda"), disk("vdb")]);
        fixture.enter(state, "m");
        let mut keys: Vec<_> = fixture.model.commands().iter().map(|c| c.key().1).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "{state:?}");
    }
}
