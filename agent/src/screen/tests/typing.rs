//! What is typed: names, keymaps, and passwords.

use std::time::Duration;

use super::*;
use crate::control::request::Request;
use crate::event::PasswordOrigin;
use crate::plan::{PassphraseOrigin, Refusal};
use crate::screen::dialog::Dialog;

#[test]
fn a_keymap_is_chosen_by_a_part_of_its_name_and_asked_for_once() {
    let mut fixture = Fixture::awaiting_confirmation();
    assert!(fixture.key(Key::Char('K')).is_none());
    fixture.type_text("latin1-nodead");
    let request = asked(fixture.key(Key::Enter));
    let Request::Answers { toml, merge: true } = request else { panic!("{request:?}") };
    assert_eq!(toml.reveal(), "keymap = \"de-latin1-nodeadkeys\"\n");
    assert!(fixture.key(Key::Enter).is_none(), "it is on its way");
    fixture.model.answered(Ok(()));
    assert!(fixture.model.dialog.is_none());
}

#[test]
fn letters_that_no_keymap_has_choose_none() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.key(Key::Char('k'));
    // Neither is a command while a name is typed.
    fixture.type_text("oil");
    assert!(fixture.key(Key::Enter).is_none());
    assert!(fixture.frame(80, 25).contains("! No keymap has that in its name."));
    fixture.key(Key::Escape);
    assert!(fixture.model.dialog.is_none());
}

#[test]
fn a_name_is_checked_here_and_sent_as_an_answer() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.key(Key::Char('u'));
    fixture.key(Key::Control('u'));
    fixture.type_text("root");
    assert!(fixture.key(Key::Enter).is_none());
    assert!(fixture.frame(80, 25).contains("of the system itself"));
    fixture.key(Key::Control('u'));
    fixture.type_text("ada");
    let request = asked(fixture.key(Key::Enter));
    assert!(
        matches!(request, Request::Answers { toml, merge: true } if toml.reveal() == "username = \"ada\"\n")
    );
    fixture.model.answered(Ok(()));
    assert!(fixture.model.dialog.is_none());
}

#[test]
fn a_name_that_was_given_is_not_said_to_be_late() {
    for given in [true, false] {
        let mut fixture = Fixture::awaiting_confirmation();
        fixture.key(Key::Char('h'));
        if given {
            assert!(matches!(asked(fixture.key(Key::Enter)), Request::Answers { .. }));
        }
        fixture.enter(State::Preflight, "Looking whether the system can be built.");
        assert!(fixture.model.dialog.is_none());
        assert_eq!(fixture.frame(80, 25).contains("too late"), !given);
    }
}

#[test]
fn the_password_is_asked_for_once_while_the_system_is_copied() {
    let mut fixture = Fixture::installing();
    assert!(matches!(fixture.model.dialog, Some(Dialog::Password(_))));
    assert!(!fixture.model.is_typing_password(), "typing has not begun");
    fixture.type_text("horse");
    assert!(fixture.model.is_typing_password());
    fixture.key(Key::Enter);
    fixture.type_text("house");
    assert!(fixture.key(Key::Enter).is_none());
    assert!(fixture.frame(80, 25).contains("The passwords don't match"));
    for _ in 0..2 {
        fixture.type_text("horse");
        fixture.pass(PAUSE);
        let Some(Action::UsePassword(password)) = fixture.key(Key::Enter) else { continue };
        assert_eq!(password.reveal(), "horse");
    }
    assert!(fixture.model.is_typing_password(), "it is on its way");
    fixture.model.password_answered(Ok(()));
    fixture.event(Event::Password { origin: PasswordOrigin::Typed });
    assert!(fixture.model.dialog.is_none() && !fixture.model.is_typing_password());
}

#[test]
fn whoever_walks_away_from_a_password_is_not_waited_for() {
    let mut fixture = Fixture::installing();
    fixture.type_text("ho");
    fixture.pass(Duration::from_secs(61));
    assert!(!fixture.model.is_typing_password());
    fixture.event(Event::Password { origin: PasswordOrigin::Generated });
    assert!(fixture.model.dialog.is_none());
    assert!(fixture.frame(80, 25).contains("A password was generated."));
}

#[test]
fn an_answered_password_is_not_asked_for() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.plan(with_password_answered(plan("vda")));
    fixture.enter(State::Installing, "Install NixOS.");
    assert!(fixture.model.dialog.is_none());
    fixture.pass(PAUSE);
    assert!(fixture.key(Key::Char('p')).is_none() && fixture.model.dialog.is_none());
}

#[test]
fn what_was_typed_for_a_password_is_no_command() {
    let mut fixture = Fixture::installing();
    fixture.type_text("hop");
    fixture.enter(State::Failed, "A step failed.");
    // The user types on: power off, retry, and so on.
    for sign in ['o', 'r', 's', 'e'] {
        fixture.pass(Duration::from_secs(2));
        assert!(fixture.key(Key::Char(sign)).is_none());
    }
    fixture.pass(Duration::from_secs(3));
    assert!(matches!(asked(fixture.key(Key::Char('r'))), Request::Retry));
}

/// An install that needs a passphrase.
fn without_passphrase() -> Fixture {
    let mut fixture = Fixture::with_disks(vec![disk("vda"), medium()]);
    let refusal =
        Refusal::NoPassphrase { problem: None, keymap: "us".to_owned(), other_keymap: None };
    let problem = refusal.problem();
    fixture.enter(State::Refused, &problem.message);
    fixture.verdict(Outcome::Refused, Some(problem));
    // Whoever typed something else meanwhile has paused.
    fixture.pass(Duration::from_secs(2));
    fixture
}

#[test]
fn a_missing_passphrase_is_asked_for_at_once_and_twice() {
    let mut fixture = without_passphrase();
    let frame = fixture.frame(80, 25);
    for shown in ["Choose a passphrase", "with the keymap us", "The disk can't be recovered"] {
        assert!(frame.contains(shown), "{frame}");
    }
    assert!(fixture.key(Key::Enter).is_none());
    assert!(fixture.frame(80, 25).contains("Type a passphrase, or press Esc."));
    for (first, second, problem) in [
        ("correct horse", "correct house", "The passphrases don't match."),
        ("horse", "horse", "The passphrase has fewer than 8 characters."),
        ("pferde\u{e4}pfel", "pferde\u{e4}pfel", "other signs than ASCII"),
    ] {
        fixture.type_text(first);
        assert!(fixture.key(Key::Enter).is_none());
        fixture.type_text(second);
        assert!(fixture.key(Key::Enter).is_none(), "{first}");
        let frame = fixture.frame(80, 25);
        assert!(frame.contains(problem) && !frame.contains(first), "{frame}");
    }
    fixture.type_text("correct horse");
    fixture.key(Key::Enter);
    fixture.type_text("correct horse");
    assert!(!fixture.frame(80, 25).contains("horse"));
    let request = asked(fixture.key(Key::Enter));
    let Request::Passphrase { passphrase } = request else { panic!("{request:?}") };
    assert_eq!(passphrase.reveal(), "correct horse");
    // Its result is a countdown, which no key was meant to stop.
    let mut plan = plan("vda");
    plan.passphrase = Some(PassphraseOrigin::Typed);
    assert!(fixture.enter(State::Countdown, "").is_none());
    assert!(fixture.plan(plan).is_none());
    assert!(fixture.event(Event::Countdown { seconds_left: 9 }).is_none());
    fixture.model.answered(Ok(()));
    assert!(fixture.model.dialog.is_none());
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("Encryption  with the passphrase typed on the console"), "{frame}");
}

#[test]
fn a_passphrase_that_was_put_off_is_asked_for_by_its_key_and_the_keyboard_can_be_changed_first() {
    let mut fixture = without_passphrase();
    fixture.key(Key::Escape);
    assert!(fixture.model.dialog.is_none());
    assert!(fixture.key(Key::Char('k')).is_none());
    assert!(matches!(fixture.model.dialog, Some(Dialog::Keymap(_))));
    fixture.key(Key::Escape);
    assert!(fixture.key(Key::Char('p')).is_none());
    fixture.type_text("correct");
    // Another disk, another decision: what is typed stays.
    fixture.event(Event::Disks { disks: vec![disk("vda"), disk("vdb")] });
    assert!(matches!(&fixture.model.dialog, Some(Dialog::Password(form)) if form.is_begun()));
    // It came from elsewhere.
    fixture.enter(State::Countdown, "");
    assert!(fixture.model.dialog.is_none());
}

#[test]
fn the_rest_of_a_passphrase_that_is_no_longer_asked_for_is_no_command() {
    let mut fixture = without_passphrase();
    fixture.type_text("corr");
    // It came from another console, and something else is wrong: the state is the same.
    fixture.verdict(Outcome::Refused, Some(Refusal::NoFirstBoot.problem()));
    assert!(fixture.model.dialog.is_none());
    for sign in ['o', 'r', 's', 'e'] {
        fixture.pass(Duration::from_secs(2));
        assert!(fixture.key(Key::Char(sign)).is_none());
        assert!(fixture.model.dialog.is_none());
    }
}
