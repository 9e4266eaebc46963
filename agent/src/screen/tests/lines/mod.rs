//! The dialogue on a pseudo-terminal: what arrives there, byte by byte, and lines that are typed there.

mod answering;
mod passwords;
mod progress;

use std::sync::{Arc, Condvar, Mutex};

use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;
use tokio::sync::{mpsc, watch};

use super::pty::Pty;
use super::*;
use crate::command::log::Log;
use crate::control::account::Account;
use crate::control::request::{InstallerHandle, Message, Request, RequestError};
use crate::event::publisher::Publisher;
use crate::event::{PasswordOrigin, ScheduledFinish};
use crate::screen::{Mode, ScreenContext, start};

const MANIFEST: &str = include_str!("../../../../manifest/fixtures/manifest.json");

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A serial console: what is typed on it, and every byte that arrived.
struct Serial {
    pty: Pty,
    seen: Arc<(Mutex<Vec<u8>>, Condvar)>,
    /// Everything before was looked at.
    from: usize,
}

impl Serial {
    fn open() -> Self {
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&seen);
        let pty = Pty::open(move |bytes| {
            shared.0.lock().unwrap().extend(bytes);
            shared.1.notify_all();
        });
        Self { pty, seen, from: 0 }
    }

    fn types(&mut self, text: &str) {
        self.pty.types(text);
    }

    /// Waits until `text` arrives after what was waited for before; returns what came before it.
    #[track_caller]
    fn shows(&mut self, text: &str) -> String {
        let (seen, condition) = &*self.seen;
        let deadline = Instant::now() + PATIENCE;
        let mut seen = seen.lock().unwrap();
        loop {
            let new = String::from_utf8_lossy(&seen[self.from..]).into_owned();
            if let Some(at) = new.find(text) {
                self.from += at + text.len();
                return new[..at].to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {text:?} in:\n{new}");
            seen = condition.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Everything that arrived. No control character but the line's end and the eraser of a character
    /// is in it.
    #[track_caller]
    fn everything(&self) -> String {
        let text = String::from_utf8(self.seen.0.lock().unwrap().clone()).unwrap();
        let odd = |c: char| c.is_control() && !"\r\n\x08".contains(c);
        assert!(!text.contains(odd), "{text:?}");
        for (at, _) in text.match_indices('\n') {
            assert_eq!(text.as_bytes()[at - 1], b'\r', "a terminal would go on below: {text:?}");
        }
        text
    }
}

/// The installer's side of one dialogue or several.
struct Installer {
    publisher: Publisher,
    account: watch::Sender<Account>,
    handle: InstallerHandle,
    requests: mpsc::Receiver<Message>,
}

impl Installer {
    fn new() -> Self {
        let (handle, requests) = InstallerHandle::new();
        let publisher = Publisher::new(Vec::new());
        publisher.publish(Event::AgentStarted {
            agent_version: "0.1.0".to_owned(),
            build_id: "2026-11-24".to_owned(),
        });
        publisher.publish(Event::Machine(crate::machine::examples::machine()));
        Self { publisher, account: watch::Sender::new(Account::default()), handle, requests }
    }

    /// A console on which it is used.
    fn console(&self) -> Serial {
        let serial = Serial::open();
        let file = tempfile::NamedTempFile::new().unwrap();
        let context = ScreenContext {
            publisher: self.publisher.clone(),
            handle: self.handle.clone(),
            account: self.account.clone(),
            log: Arc::new(Log::open(file.path()).unwrap()),
            manifest: nixvm_manifest::parse(MANIFEST).unwrap(),
            terminal: serial.pty.path.clone(),
            started: Instant::now(),
        };
        start(Mode::PlainLines, context).unwrap();
        serial
    }

    fn enter(&self, to: State, message: &str) {
        let from = self.publisher.status().borrow().state;
        self.publisher.publish(Event::State { from, to, message: message.to_owned() });
    }

    fn plan(&self, to: State, plan: Plan) -> String {
        let from = self.publisher.status().borrow().state;
        let token = plan.token();
        let message = "Waiting for confirmation.".to_owned();
        let plan = Event::Plan { plan: Box::new(plan), token: token.clone() };
        self.publisher.publish_all([Event::State { from, to, message }, plan]);
        token
    }

    /// Asks whether a blank disk is to be installed to.
    fn asks(&self, plan: Plan) {
        self.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
        self.plan(State::AwaitingConfirmation, plan);
    }

    fn chooses(&self) {
        let disks = vec![disk("vda"), windows("vdb"), medium()];
        self.publisher.publish(Event::Disks { disks });
        self.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb.");
    }

    fn installs(&self) {
        self.enter(State::Installing, "Install NixOS.");
        self.publisher.publish(Event::AttemptStarted { attempt: "a".to_owned() });
        self.publisher.publish(Event::StepStarted { step: Step::Partition });
    }

    fn ends(&self, action: Finish) {
        let from = self.publisher.status().borrow().state;
        let message = "web is installed on /dev/vdb.".to_owned();
        self.publisher.publish_all([
            Event::State { from, to: State::Installed, message },
            Event::FinishScheduled(ScheduledFinish { action, at_uptime_ms: None }),
        ]);
    }

    /// The next request, and where its reply goes.
    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.unwrap().unwrap()
    }

    /// The next request, which gets this reply.
    async fn request(&mut self, answer: Result<(), RequestError>) -> Request {
        let Message { request, reply } = self.next().await;
        reply.send(answer).unwrap();
        request
    }
}
