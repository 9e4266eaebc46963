//! Which keys stop a countdown, and which countdown does not run.

use std::time::Duration;

use super::*;
use crate::control::request::Request;
use crate::screen::dialog::Dialog;

#[test]
fn every_key_stops_the_countdown_and_does_nothing_else() {
    for key in
        [Key::Enter, Key::Char('i'), Key::Char('o'), Key::Escape, Key::Control('c'), Key::Other]
    {
        let mut fixture = Fixture::counting_down();
        assert!(matches!(asked(fixture.key(key)), Request::Cancel), "{key:?}");
        assert!(fixture.model.dialog.is_none());
    }
}

#[test]
fn a_key_pressed_just_before_the_countdown_stops_it_too() {
    let begin = |key: Option<Key>, pause: u64| {
        let mut fixture = Fixture::with_disks(vec![disk("vda")]);
        if let Some(key) = key {
            assert!(fixture.key(key).is_none());
        }
        fixture.pass(Duration::from_millis(pause));
        fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
        fixture.plan(plan("vda"));
        fixture.event(Event::Countdown { seconds_left: 10 })
    };
    assert!(matches!(asked(begin(Some(Key::Char(' ')), 100)), Request::Cancel));
    assert!(begin(Some(Key::Char(' ')), 5_000).is_none(), "long before");
    assert!(begin(None, 100).is_none());
}

#[test]
fn a_command_that_leads_to_a_countdown_does_not_stop_it() {
    let mut fixture = Fixture::with_disks(vec![disk("vda")]);
    fixture.enter(State::Cancelled, "Installation cancelled. Nothing was written.");
    assert!(matches!(asked(fixture.key(Key::Char('r'))), Request::Retry));
    fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
    assert!(fixture.event(Event::Countdown { seconds_left: 10 }).is_none());
}

#[test]
fn a_choice_that_takes_long_says_so_and_is_not_taken_back_by_what_comes_of_it() {
    let mut fixture = Fixture::with_disks(vec![windows("vda"), disk("vdb")]);
    fixture.enter(State::Cancelled, "Installation cancelled. Nothing was written.");
    fixture.key(Key::Char('d'));
    assert!(matches!(asked(fixture.key(Key::Enter)), Request::Select { .. }));
    assert!(fixture.frame(80, 25).contains("One moment"));
    assert!(!fixture.frame(80, 25).contains("Back"), "it would not take anything back");
    assert!(fixture.key(Key::Enter).is_none(), "asked once");
    fixture.pass(PAUSE);
    fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
    fixture.plan(plan("vda"));
    assert!(fixture.event(Event::Countdown { seconds_left: 10 }).is_none());
}

#[test]
fn a_countdown_that_comes_of_a_choice_on_the_same_page_runs() {
    let mut fixture = data();
    fixture.key(Key::Char('d'));
    fixture.key(Key::Down);
    assert!(matches!(asked(fixture.key(Key::Enter)), Request::Select { disk } if disk == "vdb"));
    fixture.pass(PAUSE);
    fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
    fixture.plan(plan("vdb"));
    assert!(fixture.event(Event::Countdown { seconds_left: 10 }).is_none());
    fixture.model.answered(Ok(()));
    assert!(fixture.model.dialog.is_none());
    assert!(matches!(asked(fixture.key(Key::Escape)), Request::Cancel));
}

#[test]
fn no_countdown_runs_while_a_name_is_typed() {
    let mut fixture = Fixture::awaiting_confirmation();
    fixture.key(Key::Char('h'));
    fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
    let action = fixture.event(Event::Countdown { seconds_left: 10 });
    assert!(matches!(asked(action), Request::Cancel));
    assert!(fixture.event(Event::Countdown { seconds_left: 9 }).is_none(), "asked once");
    assert!(matches!(fixture.model.dialog, Some(Dialog::Name(_))), "what was typed is kept");
}

#[test]
fn no_countdown_runs_behind_a_shell_or_the_log() {
    for key in ['s', 'l'] {
        let mut fixture = Fixture::with_disks(vec![medium()]);
        fixture.enter(State::WaitingForDisk, "No usable disk yet.");
        fixture.key(Key::Char(key));
        fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
        let action = fixture.event(Event::Countdown { seconds_left: 10 });
        assert!(matches!(asked(action), Request::Cancel), "{key}");
    }
}
