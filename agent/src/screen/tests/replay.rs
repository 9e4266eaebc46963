//! An installer's session, and the screen's model that its records are replayed into.
//!
//! What a page shows of the installer is then what the installer itself publishes, and a key does what
//! it does on a machine. Given are the machine, its disks and the answers; what an attempt publishes was
//! recorded on a booted machine ([`crate::session::examples`]). The clock stands still but for the times
//! in that recording and for [`Fixture::pass`].

use std::collections::VecDeque;

use nixvm_answers::hashing;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::disk::Disk;
use crate::event::Record;
use crate::session::SessionContext;
use crate::session::examples::{self, Running};

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Replay {
    pub(super) fixture: Fixture,
    running: Running,
    /// What is still to come of the recorded attempt, whose times count.
    attempt: VecDeque<Record>,
    /// When in the recording it is, in milliseconds.
    at: u64,
    /// How long the recorded attempt took, in seconds.
    took: Option<f64>,
    // Last: the session's task ends with it.
    runtime: Runtime,
}

impl Replay {
    /// A session on a machine with these disks that installs them as `recording` has it.
    pub(super) fn of(
        disks: Vec<Disk>,
        recording: &str,
        change: impl FnOnce(&mut SessionContext),
    ) -> Self {
        let mut manifest = None;
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let guard = runtime.enter();
        let running = Running::start(disks, |context| {
            context.install = match recording {
                examples::FAILED => |attempt| Box::pin(examples::fails(attempt)),
                _ => |attempt| Box::pin(examples::installs(attempt)),
            };
            // As on an ISO with a desktop.
            context.manifest.graphical_login = true;
            change(context);
            manifest = Some(context.manifest.clone());
            // As the daemon and a session that reads the machine itself do.
            context.publisher.publish(Event::AgentStarted {
                agent_version: "0.1.0".to_owned(),
                build_id: context.manifest.build_id.clone(),
            });
            context.publisher.publish(Event::Machine(context.machine.clone()));
        });
        drop(guard);
        let attempt: VecDeque<_> = examples::records(recording).into();
        let took = match &attempt.back().unwrap().event {
            Event::AttemptEnded { duration_seconds, .. } => *duration_seconds,
            other => panic!("the recording ends with {other:?}"),
        };
        let mut fixture = Fixture::blank();
        let total = attempt.iter().find_map(|record| match record.event {
            Event::Progress { bytes_total, .. } => Some(bytes_total),
            _ => None,
        });
        fixture.model.facts = Facts { closure_bytes: total, ..Facts::of(&manifest.unwrap()) };
        let mut replay = Self { fixture, running, attempt, at: 0, took, runtime };
        replay.until(|status| status.machine.is_some());
        replay
    }

    /// Takes records in until the status is such.
    #[track_caller]
    pub(super) fn until(&mut self, find: impl Fn(&Status) -> bool) {
        while !find(&self.fixture.status) {
            let records = &mut self.running.records;
            let next = async { tokio::time::timeout(PATIENCE, records.recv()).await };
            let record = self.runtime.block_on(next).expect("it comes").unwrap();
            self.take(record);
        }
        let account = self.running.account.borrow();
        self.fixture.model.generated.clone_from(&account.generated);
        self.fixture.model.expired = account.expired;
        drop(account);
        self.fixture.model.log = self.running.log.tail(PAGE);
    }

    fn take(&mut self, record: Record) {
        let Record { uptime_ms, mut event, .. } = record;
        if self.attempt.front().is_some_and(|next| is_same(&next.event, &event)) {
            let next = self.attempt.pop_front().unwrap();
            self.fixture.pass(Duration::from_millis(next.uptime_ms - self.at));
            self.at = next.uptime_ms;
        }
        // Times are those of the recording, and a countdown has just begun.
        match &mut event {
            Event::Countdown { seconds_left } if self.fixture.status.countdown.is_none() => {
                *seconds_left = self.fixture.status.plan.as_ref().unwrap().countdown;
            }
            Event::FinishScheduled(finish) => {
                let now = self.fixture.model.clock.uptime_ms;
                let left = |at: u64| at.saturating_sub(uptime_ms).div_ceil(1000) * 1000;
                finish.at_uptime_ms = finish.at_uptime_ms.map(|at| now + left(at));
            }
            Event::AttemptEnded { duration_seconds: Some(seconds), .. } => {
                *seconds = self.took.unwrap();
            }
            _ => {}
        }
        let action = self.fixture.event(event);
        self.act(action);
    }

    /// Presses a key, and has the installer do what it asks for.
    pub(super) fn key(&mut self, key: Key) {
        let action = self.fixture.key(key);
        self.act(action);
    }

    pub(super) fn type_text(&mut self, text: &str) {
        self.fixture.type_text(text);
    }

    fn act(&mut self, action: Option<Action>) {
        let request = match action {
            None => return,
            Some(Action::UsePassword(password)) => {
                let answer =
                    self.ask(Request::Password { hash: hashing::hash(&password).unwrap() });
                return self.fixture.model.password_answered(answer.map_err(|e| e.to_string()));
            }
            Some(Action::Ask(request)) => request,
            Some(other) => panic!("no request: {other:?}"),
        };
        let answer = self.ask(request);
        self.fixture.model.answered(answer);
    }

    fn ask(&self, request: Request) -> Result<(), RequestError> {
        let asked = self.running.handle.ask(request);
        let answer = async { tokio::time::timeout(PATIENCE, asked).await };
        self.runtime.block_on(answer).expect("it answers")
    }
}

/// Whether an event is the recorded one; the password's origin is this attempt's own.
fn is_same(recorded: &Event, event: &Event) -> bool {
    matches!((recorded, event), (Event::Password { .. }, Event::Password { .. }))
        || recorded == event
}
