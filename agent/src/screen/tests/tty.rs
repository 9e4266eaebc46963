//! The screen's thread on a pseudo-terminal: what arrives there, and keys that are pressed there.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nixvm_answers::password::PasswordHash;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::board::Board;
use crate::event::PasswordOrigin;
use crate::install::Account;
use crate::request::{Desk, Envelope, Request};
use crate::screen::{Ended, Parts, keep_up, plain_lines, start};
use crate::transcript::Log;

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with somebody in front of it.
struct Tty {
    keyboard: File,
    seen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    path: PathBuf,
    /// Without it the terminal would be hung up until the screen has opened it.
    other: Option<OwnedFd>,
    /// Closed with the rest, which ends the thread that reads.
    _end: OwnedFd,
}

impl Tty {
    fn open(columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let (end, ended) = rustix::pipe::pipe().unwrap();
        let size = |value| NonZero::new(value).unwrap();
        let parser = vt100::Parser::new(size(rows), size(columns), 0);
        let seen = Arc::new((Mutex::new(parser), Condvar::new()));
        let tty = Self { keyboard, seen: Arc::clone(&seen), path, other: Some(other), _end: ended };
        tty.resize(columns, rows);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let mut fds =
                    [PollFd::new(&output, PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
                poll(&mut fds, None).unwrap();
                // Both ends of the terminal's cable have to be let go of.
                if !fds[1].revents().is_empty() {
                    return;
                }
                let Ok(count @ 1..) = output.read(&mut bytes) else { return };
                seen.0.lock().unwrap().process(&bytes[..count]);
                seen.1.notify_all();
            }
        });
        tty
    }

    fn resize(&self, columns: u16, rows: u16) {
        let nonzero = |value| NonZero::new(value).unwrap();
        self.seen.0.lock().unwrap().screen_mut().set_size(nonzero(rows), nonzero(columns));
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keyboard, size).unwrap();
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
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
struct Bench {
    tty: Tty,
    board: Board,
    account: watch::Sender<Account>,
    requests: mpsc::Receiver<Envelope>,
    /// Hears when it says that it is there.
    ready: std::sync::mpsc::Receiver<()>,
}

impl Bench {
    fn start(columns: u16, rows: u16) -> Self {
        let tty = Tty::open(columns, rows);
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = Arc::new(Log::open(file.path()).unwrap());
        let (say, ready) = std::sync::mpsc::channel();
        let board = Board::new(vec![Box::new(move |record| {
            if matches!(record.event, Event::ScreenReady { .. }) {
                say.send(()).unwrap();
            }
        })]);
        let account = watch::Sender::new(Account::default());
        let (desk, requests) = Desk::new();
        let parts = Parts {
            board: board.clone(),
            desk,
            account: account.clone(),
            log,
            terminal: tty.path.clone(),
            started: Instant::now(),
        };
        start(parts).unwrap();
        Self { tty, board, account, requests, ready }
    }

    fn enter(&self, to: State) {
        let from = self.board.status().borrow().state;
        self.board.publish(Event::State { from, to, message: "A message.".to_owned() });
    }

    fn consent(&self, plan: Plan) -> String {
        self.board.publish(Event::Machine(testing::machine()));
        self.board.publish(Event::Disks { disks: vec![disk("vda"), windows("vdb")] });
        self.enter(State::Consent);
        let token = plan.token();
        self.board.publish(Event::Plan { plan: Box::new(plan), token: token.clone() });
        token
    }

    /// The next request, which is followed.
    async fn request(&mut self) -> Request {
        let Envelope { request, reply } =
            tokio::time::timeout(PATIENCE, self.requests.recv()).await.unwrap().unwrap();
        reply.send(Ok(())).unwrap();
        request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_appears_and_says_so_once() {
    let bench = Bench::start(80, 25);
    bench.tty.shows("NixOS installer");
    let attributes = tcgetattr(bench.tty.other.as_ref().unwrap()).unwrap();
    assert!(!attributes.local_modes.intersects(LocalModes::ECHO | LocalModes::ISIG));
    bench.consent(plan("vda"));
    bench.tty.shows("which is blank");
    assert_eq!(bench.ready.try_iter().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_is_noticed_and_damage_is_painted_over() {
    let mut bench = Bench::start(80, 25);
    bench.consent(plan("vda"));
    bench.tty.shows("which is blank");
    bench.tty.resize(100, 30);
    let keys = |screen: &vt100::Screen| {
        screen.cell(29, 99).is_some_and(|cell| cell.bgcolor() != vt100::Color::Default)
    };
    bench.tty.until("keys at the bottom", keys);
    // What the kernel writes goes past the screen.
    bench.tty.seen.0.lock().unwrap().process(b"\x1b[10;1H[  1.0] a message of the kernel");
    bench.tty.press("\x0c");
    bench.tty.until("screen without the message", |screen| {
        !screen.contents().contains("a message of the kernel")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_pressed_become_requests() {
    let mut bench = Bench::start(80, 25);
    bench.tty.shows("NixOS installer");
    let token = bench.consent(plan_for_windows("vdb"));
    bench.board.publish(Event::Countdown { seconds_left: 5 });
    bench.tty.shows("begins in 5 s");
    bench.tty.press("\r");
    assert!(matches!(bench.request().await, Request::Cancel));
    bench.enter(State::Consent);
    bench.tty.shows("Press I to install");
    bench.tty.press("i");
    bench.tty.shows("Type vdb and press Enter");
    bench.tty.press("vd\x7fdb\r");
    assert!(matches!(bench.request().await, Request::Confirm { token: sent } if sent == token));
    bench.tty.press("d");
    bench.tty.shows("On which disk");
    bench.tty.press("\x1b[B\r");
    assert!(matches!(bench.request().await, Request::Select { disk } if disk == "vdb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_leaves_as_a_hash_and_the_install_knows_that_it_is_coming() {
    let mut bench = Bench::start(80, 25);
    bench.tty.shows("NixOS installer");
    bench.consent(plan("vda"));
    bench.enter(State::Installing);
    bench.tty.shows("Choose a password");
    bench.tty.press("hunter2");
    let mut account = bench.account.subscribe();
    tokio::time::timeout(PATIENCE, account.wait_for(|a| a.typing)).await.unwrap().unwrap();
    bench.tty.press("\rhunter2\r");
    let Request::Password { hash } = bench.request().await else { panic!("a password is set") };
    assert!(hash.reveal().parse::<PasswordHash>().is_ok() && !hash.reveal().contains("hunter2"));
    bench.board.publish(Event::Password { origin: PasswordOrigin::Typed });
    let contents = bench.tty.shows("The password is set.");
    assert!(!contents.contains("hunter2"));
    tokio::time::timeout(PATIENCE, account.wait_for(|a| !a.typing)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_escape_key_is_told_from_a_sequence() {
    let bench = &mut Bench::start(80, 25);
    bench.tty.shows("NixOS installer");
    bench.consent(plan("vda"));
    bench.enter(State::Installing);
    bench.tty.shows("Choose a password");
    bench.tty.press("\x1b[A");
    bench.tty.press("x");
    bench.tty.shows("*");
    bench.tty.press("\x1b");
    bench.tty.shows("Cancel the install");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_terminal_hurts_nobody() {
    let mut bench = Bench::start(80, 25);
    bench.tty.shows("NixOS installer");
    bench.tty.other = None;
    drop(bench.tty);
    bench.board.publish(Event::Machine(testing::machine()));
    // The thread has ended and let go of its end of the desk.
    let end = tokio::time::timeout(PATIENCE, bench.requests.recv()).await.unwrap();
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
    let board = Board::new(Vec::new());
    let said = |message: &str| Event::Warning { message: message.to_owned() };
    board.publish(said("What was before."));
    plain_lines(&tty.path, &board).unwrap();
    tty.shows("Warning: What was before.");
    board.publish(said("What came after."));
    tty.shows("Warning: What came after.");
}

#[test]
fn a_pseudo_terminal_that_is_gone_may_be_somebody_elses() {
    let gone = PathBuf::from("/dev/pts/7");
    let ended = keep_up(&gone, || std::io::ErrorKind::UnexpectedEof.into());
    assert_eq!(ended, Ended::Terminal);
}
