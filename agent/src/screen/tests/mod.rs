//! A machine in every state, for tests of what is seen and of what keys do.
//!
//! Pictures of pages are of what an installer's session publishes: see [`replay`]. A [`Fixture`] is for
//! tests of a single thing, in a state that is put together from events.

mod colours;
mod content;
mod countdown;
mod disks;
mod drawing;
mod lines;
mod pty;
mod replay;
mod steering;
mod tty;
mod typing;

use std::time::{Duration, Instant};

use nixvm_answers::Source;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::facts::Facts;
use super::input::Key;
use super::model::{Action, Clock, Model};
use super::{glyph, view};
use crate::control::request::{Request, RequestError};
use crate::event::Status;
use crate::event::Step;
use crate::event::{DiskView, Event, Outcome, State};
use crate::plan::Problem;
use crate::plan::{Answer, Plan};

/// Lines that a page of the log has in these tests.
const PAGE: usize = 20;

/// A model that is fed with events, keys and time.
struct Fixture {
    model: Model,
    status: Status,
}

impl Fixture {
    /// Nothing is known yet.
    fn blank() -> Self {
        let clock = Clock { now: Instant::now(), uptime_ms: 100_000 };
        let facts = Facts {
            release: Some("26.05".to_owned()),
            edition: Some("Plasma 6".to_owned()),
            closure_bytes: Some(1_234_000_000),
            graphical_login: true,
        };
        let model = Model::new(clock, "/run/nixvm/install.log".to_owned(), true, facts);
        Self { model, status: Status::default() }
    }

    /// A machine that was just looked at.
    fn new() -> Self {
        let mut fixture = Self::blank();
        fixture.event(Event::AgentStarted {
            agent_version: "0.1.0".to_owned(),
            build_id: "2026-11-24".to_owned(),
        });
        fixture.event(Event::Machine(crate::machine::examples::machine()));
        fixture
    }

    /// A machine with a disk, in the state that comes before everything else.
    fn with_disks(disks: Vec<DiskView>) -> Self {
        let mut fixture = Self::new();
        fixture.event(Event::Disks { disks });
        fixture
    }

    /// A machine with one blank disk and a plan for it that has to be confirmed.
    fn awaiting_confirmation() -> Self {
        let mut fixture = Self::with_disks(vec![disk("vda"), medium()]);
        fixture.enter(State::AwaitingConfirmation, "Waiting for confirmation.");
        fixture.plan(plan("vda"));
        fixture
    }

    /// A machine with one blank disk and a countdown for it.
    fn counting_down() -> Self {
        let mut fixture = Self::with_disks(vec![disk("vda"), medium()]);
        fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
        fixture.plan(plan("vda"));
        fixture.event(Event::Countdown { seconds_left: 9 });
        fixture
    }

    /// An install that has begun.
    fn installing() -> Self {
        let mut fixture = Self::counting_down();
        fixture.enter(State::Installing, "Install NixOS.");
        fixture.event(Event::AttemptStarted { attempt: "a".to_owned() });
        fixture
    }

    fn event(&mut self, event: Event) -> Option<Action> {
        self.status.apply(&event);
        self.model.show(self.status.clone())
    }

    fn enter(&mut self, to: State, message: &str) -> Option<Action> {
        self.event(Event::State { from: self.status.state, to, message: message.to_owned() })
    }

    fn plan(&mut self, plan: Plan) -> Option<Action> {
        let token = plan.token();
        self.event(Event::Plan { plan: Box::new(plan), token })
    }

    fn steps(&mut self, done: &[(Step, f64)], runs: Step) {
        for (step, seconds) in done {
            self.event(Event::StepStarted { step: *step });
            self.event(Event::StepFinished { step: *step, duration_seconds: *seconds });
        }
        self.event(Event::StepStarted { step: runs });
    }

    fn verdict(&mut self, outcome: Outcome, error: Option<Problem>) {
        self.event(Event::AttemptEnded {
            outcome,
            error,
            duration_seconds: Some(42.0),
            peak_resident_bytes: 12_000_000,
        });
    }

    fn pass(&mut self, time: Duration) {
        self.model.clock.now += time;
        self.model.clock.uptime_ms += time.as_millis() as u64;
    }

    /// Presses a key at what stands on the screen.
    fn key(&mut self, key: Key) -> Option<Action> {
        self.model.drawn();
        self.model.key(key, PAGE)
    }

    fn type_text(&mut self, text: &str) {
        for sign in text.chars() {
            assert!(self.key(Key::Char(sign)).is_none());
        }
    }

    /// The frame as text, with the cursor and what stands on the loud colour under it.
    fn frame(&self, width: u16, height: u16) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = view::draw(&self.model, &mut buffer);
        let mut text = String::new();
        let mut loud = Vec::new();
        for row in buffer.content.chunks(width.into()) {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            assert!(line.chars().all(glyph::is_shown), "the font lacks a sign of {line:?}");
            text += line.trim_end();
            text.push('\n');
            let erased = row.iter().filter(|cell| cell.bg == Color::Red);
            let erased: String = erased.map(|cell| cell.symbol()).collect();
            loud.extend((!erased.is_empty()).then(|| format!("loud: {}", erased.trim())));
        }
        colours::say_nothing_alone(&buffer, cursor);
        text += &"-".repeat(width.into());
        text.push('\n');
        if let Some(position) = cursor {
            text += &format!("cursor: column {}, line {}\n", position.x, position.y);
        }
        for line in loud {
            text += &line;
            text.push('\n');
        }
        text
    }
}

/// A blank disk of 20 GiB.
fn disk(name: &str) -> DiskView {
    disks::view(&disks::blank(name))
}

/// A disk with Windows on it.
fn windows(name: &str) -> DiskView {
    disks::view(&disks::windows(name))
}

/// The medium that was booted.
fn medium() -> DiskView {
    disks::view(&disks::medium())
}

/// A plan for a blank disk, with some answers.
fn plan(name: &str) -> Plan {
    let answer = |key: &str, value: &str, source: Source| Answer {
        key: key.to_owned(),
        value: value.into(),
        text: value.to_owned(),
        source: (&source).into(),
    };
    let volume = Source::Volume { device: "/dev/sdb1".to_owned() };
    let mut plan = crate::plan::examples::plan(name);
    plan.target.summary = disk(name).summary;
    plan.configuration.hostname = "web".to_owned();
    plan.answers = vec![
        answer("hostname", "web", Source::Iso),
        answer("username", "ht", Source::Default),
        answer("ssh-authorized-keys", "ssh-ed25519 ada@mac", volume),
        answer("erase", "blank", Source::Default),
    ];
    plan
}

/// A plan that erases Windows.
fn plan_for_windows(name: &str) -> Plan {
    let disk = windows(name);
    let mut plan = plan(name);
    plan.target.identity.size_bytes = disk.size_bytes;
    plan.target.summary = disk.summary;
    plan.target.condition = disk.condition;
    plan.target.erases = disk.contents;
    plan
}

fn with_password_answered(mut plan: Plan) -> Plan {
    plan.answers.push(Answer {
        key: "password-hash".to_owned(),
        value: serde_json::Value::Null,
        text: "(not shown)".to_owned(),
        source: (&Source::CommandLine).into(),
    });
    plan
}

/// Longer than a key that was meant for an earlier page can come late.
const PAUSE: Duration = Duration::from_secs(2);

#[track_caller]
fn asked(action: Option<Action>) -> Request {
    match action {
        Some(Action::Ask(request)) => request,
        other => panic!("a request, not {other:?}"),
    }
}

fn data() -> Fixture {
    let mut fixture = Fixture::with_disks(vec![windows("vda"), disk("vdb")]);
    fixture.enter(State::AwaitingConfirmation, "Waiting for confirmation.");
    fixture.plan(plan_for_windows("vda"));
    fixture
}
