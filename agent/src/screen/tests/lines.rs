//! The dialogue on a pseudo-terminal: what arrives there, byte by byte, and lines that are typed there.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};

use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::command::log::Log;
use crate::control::account::Account;
use crate::control::request::{InstallerHandle, Message, Request, RequestError};
use crate::event::publisher::Publisher;
use crate::event::{PasswordOrigin, ScheduledFinish};
use crate::screen::{Interface, ScreenContext, start};

const MANIFEST: &str = include_str!("../../../manifest/fixtures/manifest.json");

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A serial console: what is typed on it, and every byte that arrived.
struct Serial {
    keyboard: File,
    seen: Arc<(Mutex<Vec<u8>>, Condvar)>,
    /// Everything before was looked at.
    from: usize,
    path: PathBuf,
    /// Without it the terminal would be hung up until the dialogue has opened it.
    _other: OwnedFd,
    /// Closed with the rest, which ends the thread that reads.
    _end: OwnedFd,
}

impl Serial {
    fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let (end, ended) = rustix::pipe::pipe().unwrap();
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let mut fds =
                    [PollFd::new(&output, PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
                poll(&mut fds, None).unwrap();
                if !fds[1].revents().is_empty() {
                    return;
                }
                let Ok(count @ 1..) = output.read(&mut bytes) else { return };
                shared.0.lock().unwrap().extend(&bytes[..count]);
                shared.1.notify_all();
            }
        });
        Self { keyboard, seen, from: 0, path, _other: other, _end: ended }
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
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
            terminal: serial.path.clone(),
            started: Instant::now(),
        };
        start(Interface::Dialogue, context).unwrap();
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

    /// The next request, which gets this reply.
    async fn request(&mut self, answer: Result<(), RequestError>) -> Request {
        let Message { request, reply } =
            tokio::time::timeout(PATIENCE, self.requests.recv()).await.unwrap().unwrap();
        reply.send(answer).unwrap();
        request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_data_is_installed_to_with_mistakes_on_the_way() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    tty.shows("NixOS installer 2026-11-24\r\n");
    installer.chooses();
    tty.shows("Which disk should NixOS be installed on?\r\n");
    tty.shows("Disk /dev/vdb, 238 GiB, Samsung SSD 980 PRO, serial S5GXNX0T (data: ");
    tty.shows("Disk name: ");
    tty.types("vdz\r\n");
    tty.shows("There is no disk \"vdz\". Nothing was chosen. Type one of: vda, vdb\r\nDisk name: ");
    tty.types("sr0\r");
    tty.shows("/dev/sr0 can't be used: a CD or DVD drive. Nothing was chosen.\r\nDisk name: ");
    // An arrow key is not text.
    tty.types("vda\x7f\x1b[A");
    tty.types("b\r");
    tty.shows("vda\x08 \x08b\r\n");
    assert!(matches!(installer.request(Ok(())).await, Request::Select { disk } if disk == "vdb"));

    let token = installer.plan(State::AwaitingConfirmation, plan_for_windows("vdb"));
    tty.shows("THIS WILL ERASE ALL DATA on /dev/vdb (238 GiB).\r\n");
    tty.shows("ntfs \"Windows\", 233 GiB\r\n");
    tty.shows("Commands: install, disk, host, user, keyboard, password, log");
    tty.shows("\r\n> ");
    tty.types("instal\r");
    tty.shows("\"instal\" can't be done here. Type one of: install, ");
    tty.shows("\r\n> ");
    tty.types("install\r");
    tty.shows("type its name, vdb, then press Enter: ");
    tty.types("vda\r");
    tty.shows("That is not vdb. Nothing was done.\r\n");
    tty.shows("then press Enter: ");
    assert!(installer.requests.try_recv().is_err(), "nothing was asked for");
    tty.types("vdb\r");
    let Message { request, reply } = installer.requests.recv().await.unwrap();
    assert!(matches!(request, Request::Confirm { token: sent } if sent == token));
    installer.installs();
    reply.send(Ok(())).unwrap();
    let between = tty.shows("[1/7] Partition and format the disk\r\n");
    assert!(!between.contains("THIS WILL ERASE"), "it is confirmed already: {between}");
    tty.shows("Choose a password for ht. It is not shown as you type.\r\n");
    tty.shows("Password: ");
    tty.types("hunter2");
    let mut account = installer.account.subscribe();
    let typing = account.wait_for(|account| !account.typing.is_empty());
    tokio::time::timeout(PATIENCE, typing).await.unwrap().unwrap();
    installer.publisher.publish(Event::StepStarted { step: Step::Configure });
    tty.shows("\r\n[2/7] Write the configuration\r\nPassword: ");
    tty.types("\r");
    tty.shows("Repeat it: ");
    tty.types("hunter3\r");
    tty.shows("The passwords don't match.\r\n");
    tty.shows("Password: ");
    tty.types("hunter2\r");
    tty.shows("Repeat it: ");
    tty.types("hunter2\r");
    let Request::Password { hash } = installer.request(Ok(())).await else { panic!("a password") };
    assert!(!hash.reveal().contains("hunter2"));
    installer.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    tty.shows("The password is set.\r\n");
    installer.ends(Finish::Wait);
    tty.shows("web is installed on /dev/vdb.\r\n");
    tty.shows("Password    the one you typed\r\n");
    tty.shows("\r\n> ");
    tty.types("restart\r");
    let how = installer.request(Ok(())).await;
    assert!(matches!(how, Request::Finish { how: Finish::Reboot }));

    let text = tty.everything();
    assert!(!text.contains("hunter"), "a password is on the line: {text}");
    assert_eq!(text.matches("There is no disk").count(), 1, "one error: {text}");
    assert_eq!(text.matches("That is not").count(), 1, "one error: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_the_keyboard_are_changed_and_a_mistake_changes_nothing() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    installer.plan(State::AwaitingConfirmation, plan("vda"));
    tty.shows("\r\n> ");
    tty.types("host\r");
    tty.shows("Host name [web]: ");
    tty.types("web_1\r");
    tty.shows("is not a host name");
    tty.shows("Host name [web]: ");
    tty.types("db\r");
    let Request::Answers { toml, merge: true } = installer.request(Ok(())).await else {
        panic!("answers")
    };
    assert_eq!(toml.reveal(), "hostname = \"db\"\n");
    tty.shows("\r\n> ");
    tty.types("user\r");
    tty.shows("User name [ht]: ");
    tty.types("\r");
    tty.shows("\r\n> ");
    assert!(installer.requests.try_recv().is_err(), "it is kept");
    tty.types("keyboard\r");
    tty.shows("Keymap [us]: ");
    tty.types("latin1-node\r");
    tty.shows("Type the whole name of one of: ");
    tty.shows("Keymap [us]: ");
    tty.types("zzz\r");
    tty.shows("No keymap has that in its name.\r\n");
    tty.shows("Keymap [us]: ");
    tty.types("de\r");
    let refused = RequestError::WrongState { state: "installing" };
    let Request::Answers { toml, .. } = installer.request(Err(refused)).await else {
        panic!("answers")
    };
    assert_eq!(toml.reveal(), "keymap = \"de\"\n");
    tty.shows("this can't be done in the state installing\r\n");
    tty.shows("Keymap [us]: ");
    // Control and C.
    tty.types("d\x03");
    tty.shows("\r\n> ");
    tty.types("install\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Confirm { .. }));
    tty.everything();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_key_stops_a_countdown_and_is_no_command() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    installer.plan(State::Countdown, plan("vda"));
    installer.publisher.publish(Event::Countdown { seconds_left: 10 });
    tty.shows("Starting in 10 s.\r\n");
    tty.types("off\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Cancel));
    installer.enter(State::AwaitingConfirmation, "The countdown was stopped.");
    tty.shows("The countdown was stopped.\r\n");
    tty.shows("\r\n> ");
    assert!(installer.requests.try_recv().is_err(), "the rest is no command");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_is_shown_where_no_screen_is_and_waits() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    installer.plan(State::AwaitingConfirmation, plan("vda"));
    installer.installs();
    tty.shows("Password: ");
    tty.types("\r");
    tty.shows("No password was chosen. Type password to choose one.\r\n");
    installer.account.send_modify(|account| {
        account.generated = Some(Secret::new("abcd-efgh-ijkl-mnop".to_owned()));
        account.origin = PasswordOrigin::Generated;
        account.expired = true;
    });
    installer.publisher.publish(Event::Password { origin: PasswordOrigin::Generated });
    installer.ends(Finish::Reboot);
    tty.shows("write it down:\r\nabcd-efgh-ijkl-mnop\r\n");
    tty.shows("must be changed at first login.\r\n");
    tty.shows("Type restart to restart into the installed system.\r\n");
    tty.types("restart\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Finish { how: Finish::Reboot }));
    tty.everything();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_typed_survives_progress_and_not_another_question() {
    let installer = Installer::new();
    let mut tty = installer.console();
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    installer.plan(State::AwaitingConfirmation, with_password_answered(plan("vda")));
    tty.shows("\r\n> ");
    tty.types("inst");
    tty.shows("inst");
    installer.publisher.publish(Event::Warning { message: "Something odd.".to_owned() });
    tty.shows("\r\nWarning: Something odd.\r\n> inst");
    // Control and L.
    tty.types("\x0c");
    tty.shows("Commands: install, ");
    tty.shows("\r\n> inst");
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda"), disk("vdb")] });
    installer.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb.");
    tty.shows("Disk name: ");
    // The rest of the word, without a pause.
    tty.types("all");
    installer.publisher.publish(Event::Warning { message: "Another thing.".to_owned() });
    tty.shows("Warning: Another thing.\r\nDisk name: ");
    assert!(!tty.everything().ends_with("all"), "it is not taken for a disk's name");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consoles_ask_the_same_and_one_answer_is_enough() {
    let mut installer = Installer::new();
    let (mut one, mut other) = (installer.console(), installer.console());
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    installer.plan(State::AwaitingConfirmation, plan("vda"));
    installer.installs();
    one.shows("Password: ");
    other.shows("Password: ");
    one.types("hunter2");
    let mut account = installer.account.subscribe();
    let typing = account.wait_for(|account| account.typing.len() == 1);
    tokio::time::timeout(PATIENCE, typing).await.unwrap().unwrap();
    one.types("\rhunter2\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Password { .. }));
    installer.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    one.shows("The password is set.\r\n");
    other.shows("The password is set.\r\n");
    other.shows("Commands: cancel, log, help\r\n");
    other.types("cancel\r");
    other.shows("Type yes to cancel it; anything else keeps installing: ");
    other.types("\r");
    other.shows("Commands: ");
    other.types("cancel\r");
    other.shows("keeps installing: ");
    other.types("yes\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Cancel));
    installer.enter(State::Cancelled, "Installation cancelled. The disk will not boot.");
    for tty in [&mut one, &mut other] {
        tty.shows("Installation cancelled. The disk will not boot.\r\n");
        tty.shows("Commands: retry, ");
        tty.everything();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_calls_itself_controls_no_terminal() {
    let installer = Installer::new();
    let mut tty = installer.console();
    let mut hostile = windows("vda");
    hostile.contents = vec!["ext4 \"\x1b]0;owned\x07\u{9b}31m\", 20 GiB".to_owned()];
    hostile.model = Some("\x1b[2J".to_owned());
    let mut plan = plan_for_windows("vda");
    plan.target.erases.clone_from(&hostile.contents);
    installer.publisher.publish(Event::Disks { disks: vec![hostile, windows("vdb")] });
    installer.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb.");
    tty.shows("Disk name: ");
    installer.plan(State::AwaitingConfirmation, plan);
    tty.shows("\r\n> ");
    tty.types("help\r");
    tty.shows("install: Install\r\n");
    tty.types("log\r");
    tty.shows("The log is empty.\r\n");
    assert!(tty.everything().contains("owned"));
}
