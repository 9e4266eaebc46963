//! Time, between a question and the rest of what was typed for the one before.

use std::time::{Duration, Instant};

use super::*;
use crate::event::examples;
use crate::plan::examples::plan;
use crate::screen::facts::Facts;

/// A dialogue that is fed with events, keys and time.
struct Fixture {
    dialogue: Dialogue,
    clock: Clock,
}

impl Fixture {
    /// One disk, and a plan for it that has to be confirmed.
    fn awaiting_confirmation() -> Self {
        let clock = Clock { now: Instant::now(), uptime_ms: 100_000 };
        let model = Model::new(clock, "install.log".to_owned(), true, Facts::default());
        let dialogue = Dialogue::new(model, Status::default());
        let mut fixture = Self { dialogue, clock };
        let plan = plan("vda");
        let token = plan.token();
        fixture.event(Event::Disks { disks: vec![examples::disk("vda")] });
        fixture.enter(State::AwaitingConfirmation);
        fixture.event(Event::Plan { plan: Box::new(plan), token });
        assert!(fixture.written().ends_with("\r\n> "));
        fixture
    }

    fn event(&mut self, event: Event) {
        let sequence = self.dialogue.sequence() + 1;
        let status = Status { sequence, ..Status::default() };
        self.dialogue.take(&Record { event, ..snapshot(status) });
    }

    /// Enters a state; returns what is written.
    fn enter(&mut self, to: State) -> String {
        let from = self.dialogue.status.state;
        self.event(Event::State { from, to, message: "A message.".to_owned() });
        self.written()
    }

    /// Presses a key so long after the last one; returns what is written.
    fn key_after(&mut self, milliseconds: u64, key: Key) -> String {
        self.clock.now += Duration::from_millis(milliseconds);
        self.dialogue.key(key, self.clock);
        self.written()
    }

    fn written(&mut self) -> String {
        self.dialogue.present();
        self.dialogue.take_output()
    }

    fn types(&mut self, text: &str) -> String {
        text.chars().map(|sign| self.key_after(100, Key::Char(sign))).collect()
    }
}

#[test]
fn the_rest_of_a_line_is_not_an_answer_to_another_question() {
    let mut fixture = Fixture::awaiting_confirmation();
    assert_eq!(fixture.types("inst"), "inst");
    assert!(fixture.enter(State::ChoosingDisk).ends_with("\r\nDisk name: "));
    assert_eq!(fixture.types("al"), "");
    assert_eq!(fixture.key_after(900, Key::Enter), "", "every key begins the pause anew");
    assert_eq!(fixture.key_after(1100, Key::Char('v')), "v");
    assert_eq!(fixture.types("da"), "da");
}

#[test]
fn the_rest_of_a_password_is_ignored_for_longer_because_it_would_be_echoed() {
    for (pause, written) in [(2900, ""), (3100, "x")] {
        let mut fixture = Fixture::awaiting_confirmation();
        assert!(fixture.enter(State::Installing).ends_with("\r\nPassword: "));
        assert_eq!(fixture.types("hunter2"), "", "it is not echoed");
        assert!(fixture.enter(State::Failed).ends_with("\r\n> "));
        assert_eq!(fixture.key_after(pause, Key::Char('x')), written, "{pause} ms");
    }
}

#[test]
fn whoever_was_not_typing_is_heard_at_once() {
    let mut fixture = Fixture::awaiting_confirmation();
    assert_eq!(fixture.types("help"), "help");
    assert!(fixture.key_after(100, Key::Enter).contains("What happens:"));
    fixture.enter(State::ChoosingDisk);
    assert_eq!(fixture.key_after(100, Key::Char('v')), "v");
}
