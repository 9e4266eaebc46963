//! The screen's thread on a pseudo-terminal: what arrives there, and keys that are pressed there.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nixvm_answers::password::PasswordHash;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::{mpsc, watch};

use super::pty::Pty;
use super::*;
use crate::command::log::Log;
use crate::control::account::Account;
use crate::control::request::{InstallerHandle, Message, Request};
use crate::event::PasswordOrigin;
use crate::event::publisher::Publisher;
use crate::screen::{Ended, Mode, ScreenContext, keep_up, plain_lines, start};

const MANIFEST: &str = include_str!("../../../manifest/fixtures/manifest.json");

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal, its keyboard and its display.
struct Tty {
    pty: Pty,
    seen: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

impl Tty {
    fn open(columns: u16, rows: u16) -> Self {
        let parser = vt100::Parser::default();
        let seen = Arc::new((Mutex::new(parser), Condvar::new()));
        let shared = Arc::clone(&seen);
        let pty = Pty::open(move |bytes| {
            shared.0.lock().unwrap().process(bytes);
            shared.1.notify_all();
        });
        let tty = Self { pty, seen };
        tty.resize(columns, rows);
        tty
    }

    fn resize(&self, columns: u16, rows: u16) {
        let nonzero = |value| NonZero::new(value).unwrap();
        self.seen.0.lock().unwrap().screen_mut().set_size(nonzero(rows), nonzero(columns));
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.pty.end, size).unwrap();
    }

    fn press(&mut self, keys: &str) {
        self.pty.types(keys);
    }

    /// Waits until the terminal shows `text`; returns everything that it shows.
    #[track_caller]
    fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contents().contains(text))
    }

    /// Waits for a screen that satisfies `test`; returns everything that it shows.
    #[track_caller]
    fn until(&self, what: &str, test: impl Fn(&vt100::Screen) -> bool) -> String {
        let (parser, condition) = &*self.seen;
        let deadline = Instant::now() + PATIENCE;
        let mut parser = parser.lock().unwrap();
        while !test(parser.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what:?} in:\n{}", parser.screen().contents());
            parser = condition.wait_timeout(parser, left).unwrap().0;
        }
        parser.screen().contents()
    }
}

/// The screen with the installer's side of it.
struct Fixture {
    tty: Tty,
    publisher: Publisher,
    account: watch::Sender<Account>,
    requests: mpsc::Receiver<Message>,
    /// Hears when it says that it is there.
    ready: std::sync::mpsc::Receiver<()>,
}

impl Fixture {
    fn start(columns: u16, rows: u16) -> Self {
        let tty = Tty::open(columns, rows);
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = Arc::new(Log::open(file.path()).unwrap());
        let (say, ready) = std::sync::mpsc::channel();
        let publisher = Publisher::new(vec![Box::new(move |record| {
            if matches!(record.event, Event::ScreenReady { .. }) {
                say.send(()).unwrap();
            }
        })]);
        let account = watch::Sender::new(Account::default());
        let (handle, requests) = InstallerHandle::new();
        let context = ScreenContext {
            publisher: publisher.clone(),
            handle,
            account: account.clone(),
            log,
            manifest: nixvm_manifest::parse(MANIFEST).unwrap(),
            terminal: tty.pty.path.clone(),
            started: Instant::now(),
        };
        start(Mode::FullScreen, context).unwrap();
        Self { tty, publisher, account, requests, ready }
    }

    fn enter(&self, to: State) {
        let from = self.publisher.status().borrow().state;
        self.publisher.publish(Event::State { from, to, message: "A message.".to_owned() });
    }

    fn consent(&self, plan: Plan) -> String {
        self.publisher.publish(Event::Machine(crate::machine::examples::machine()));
        self.publisher.publish(Event::Disks { disks: vec![disk("vda"), windows("vdb")] });
        self.enter(State::Countdown);
        let token = plan.token();
        self.publisher.publish(Event::Plan { plan: Box::new(plan), token: token.clone() });
        token
    }

    /// The next request, which is followed.
    async fn request(&mut self) -> Request {
        let Message { request, reply } =
            tokio::time::timeout(PATIENCE, self.requests.recv()).await.unwrap().unwrap();
        reply.send(Ok(())).unwrap();
        request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_appears_and_says_so_once() {
    let fixture = Fixture::start(80, 25);
    fixture.tty.shows("NixOS installer");
    let attributes = tcgetattr(fixture.tty.pty.held.as_ref().unwrap()).unwrap();
    assert!(!attributes.local_modes.intersects(LocalModes::ECHO | LocalModes::ISIG));
    fixture.consent(plan("vda"));
    fixture.tty.shows("vda-1, blank");
    assert_eq!(fixture.ready.try_iter().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_is_noticed_and_damage_is_painted_over() {
    let mut fixture = Fixture::start(80, 25);
    fixture.consent(plan("vda"));
    fixture.tty.shows("vda-1, blank");
    fixture.tty.resize(100, 30);
    let keys = |screen: &vt100::Screen| {
        screen.cell(29, 1).is_some_and(|cell| cell.bgcolor() != vt100::Color::Default)
    };
    fixture.tty.until("keys at the bottom", keys);
    // What the kernel writes goes past the screen.
    fixture.tty.seen.0.lock().unwrap().process(b"\x1b[10;1H[  1.0] a message of the kernel");
    fixture.tty.press("\x0c");
    fixture.tty.until("screen without the message", |screen| {
        !screen.contents().contains("a message of the kernel")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_pressed_become_requests() {
    let mut fixture = Fixture::start(80, 25);
    fixture.tty.shows("NixOS installer");
    let token = fixture.consent(plan_for_windows("vdb"));
    fixture.publisher.publish(Event::Countdown { seconds_left: 5 });
    fixture.tty.shows("Starting in  5 s");
    fixture.tty.press("\r");
    assert!(matches!(fixture.request().await, Request::Cancel));
    fixture.enter(State::AwaitingConfirmation);
    fixture.tty.shows("Press I to continue");
    fixture.tty.press("i");
    fixture.tty.shows("type its name, vdb");
    fixture.tty.press("vd\x7fdb\r");
    assert!(matches!(fixture.request().await, Request::Confirm { token: sent } if sent == token));
    fixture.tty.press("d");
    fixture.tty.shows("Which disk should");
    fixture.tty.press("\x1b[B\r");
    assert!(matches!(fixture.request().await, Request::Select { disk } if disk == "vdb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_leaves_as_a_hash_and_the_install_knows_that_it_is_coming() {
    let mut fixture = Fixture::start(80, 25);
    fixture.tty.shows("NixOS installer");
    fixture.consent(plan("vda"));
    fixture.enter(State::Installing);
    fixture.tty.shows("Choose a password");
    fixture.tty.press("hunter2");
    let mut account = fixture.account.subscribe();
    tokio::time::timeout(PATIENCE, account.wait_for(|a| !a.typing.is_empty()))
        .await
        .unwrap()
        .unwrap();
    fixture.tty.press("\rhunter2\r");
    let Request::Password { hash } = fixture.request().await else { panic!("a password is set") };
    assert!(hash.reveal().parse::<PasswordHash>().is_ok() && !hash.reveal().contains("hunter2"));
    fixture.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    let contents = fixture.tty.shows("The password is set.");
    assert!(!contents.contains("hunter2"));
    tokio::time::timeout(PATIENCE, account.wait_for(|a| a.typing.is_empty()))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_escape_key_is_told_from_a_sequence() {
    let fixture = &mut Fixture::start(80, 25);
    fixture.tty.shows("NixOS installer");
    fixture.consent(plan("vda"));
    fixture.enter(State::Installing);
    fixture.tty.shows("Choose a password");
    fixture.tty.press("\x1b[A");
    fixture.tty.press("x");
    fixture.tty.shows("*");
    fixture.tty.press("\x1b");
    fixture.tty.shows("Cancel the install");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_terminal_stops_nothing_else() {
    let mut fixture = Fixture::start(80, 25);
    fixture.tty.shows("NixOS installer");
    fixture.tty.pty.held = None;
    drop(fixture.tty);
    fixture.publisher.publish(Event::Machine(crate::machine::examples::machine()));
    // The thread has ended and let go of its end of the handle.
    let end = tokio::time::timeout(PATIENCE, fixture.requests.recv()).await.unwrap();
    assert!(end.is_none());
}

#[test]
fn a_crash_is_survived_a_few_times() {
    let mut runs = 0;
    let console = PathBuf::from("/dev/tty1");
    let ended = keep_up(&console, || {
        runs += 1;
        panic!("a mistake in the screen, on purpose");
    });
    assert_eq!((ended, runs), (Ended::Panics, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_drawn_is_said() {
    let tty = Tty::open(80, 25);
    let publisher = Publisher::new(Vec::new());
    let said = |message: &str| Event::Warning { message: message.to_owned() };
    publisher.publish(said("What was before."));
    plain_lines(&tty.pty.path, &publisher).unwrap();
    tty.shows("Warning: What was before.");
    publisher.publish(said("What came after."));
    tty.shows("Warning: What came after.");
}

#[test]
fn a_pseudo_terminal_that_is_gone_may_belong_to_another_process() {
    let gone = PathBuf::from("/dev/pts/7");
    let ended = keep_up(&gone, || std::io::ErrorKind::UnexpectedEof.into());
    assert_eq!(ended, Ended::Terminal);
}
