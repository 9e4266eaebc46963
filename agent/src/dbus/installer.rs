//! The interface `org.nixvm.Installer1`.
//!
//! Its comments are the interface's documentation: they are served, and checked in with the
//! introspection data.

use std::time::Duration;

use nixvm_answers::answers::{Finish, choice};
use nixvm_answers::password::{PasswordHash, Secret};
use tokio::sync::watch;
use zbus::fdo;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{BoxDBusError, Connection, ObjectPath, interface};

use super::caller::Callers;
use super::error::Error;
use super::options::{self, Options};
use super::{disk, text};
use crate::control::request::{InstallerHandle, Request};
use crate::event::Status;
use crate::event::Step;
use crate::event::{Event, Record, VERSION};
use crate::format::clock::{now_utc, uptime_ms};
use crate::machine::Machine;
use crate::plan::{Plan, Problem};

/// Properties that change without a signal.
pub(super) const UNSIGNALLED: &[&str] = &["Snapshot"];

/// How far behind the installer what is shown may be when an answer is given.
const BEHIND: Duration = Duration::from_secs(5);

/// The object: answers from the status, hands requests on.
pub(super) struct Installer {
    published: watch::Receiver<Status>,
    shown: watch::Receiver<Status>,
    handle: InstallerHandle,
    callers: Callers,
}

impl Installer {
    pub(super) fn new(
        published: watch::Receiver<Status>,
        shown: watch::Receiver<Status>,
        handle: InstallerHandle,
        callers: Callers,
    ) -> Self {
        Self { published, shown, handle, callers }
    }

    fn machine(&self, say: impl Fn(&Machine) -> String) -> String {
        self.shown.borrow().machine.as_ref().map(say).unwrap_or_default()
    }

    fn error(&self, part: impl Fn(&Problem) -> &String) -> String {
        self.shown.borrow().error.as_ref().map(|error| text(part(error))).unwrap_or_default()
    }

    fn planned(&self, say: impl Fn(&Plan) -> String) -> String {
        self.shown.borrow().plan.as_ref().map(say).unwrap_or_default()
    }

    /// Asks, and answers when what came of it can be read here.
    async fn ask(&self, request: Request) -> Result<(), BoxDBusError> {
        let answer = self.handle.ask(request).await;
        let sequence = self.published.borrow().sequence;
        let mut shown = self.shown.clone();
        let caught_up = shown.wait_for(|status| status.sequence >= sequence);
        let _as_far_as_it_came = tokio::time::timeout(BEHIND, caught_up).await;
        Ok(answer.map_err(Error::from)?)
    }
}

#[interface(name = "org.nixvm.Installer1")]
impl Installer {
    /// Install to this disk. What is on it has to be confirmed separately. The plan is there when this
    /// returns, unless something has to be found out first: State is preflight then. Where udev
    /// does not answer that takes up to a minute: use a timeout of at least 90 seconds. No options are known.
    /// Errors: NoSuchDisk, IneligibleDisk, WrongState.
    async fn select_disk(
        &self,
        disk: ObjectPath<'_>,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        options::none(&options)?;
        let name = {
            let status = self.shown.borrow();
            let found = status.disks.iter().find(|one| disk::path_of(&one.name) == disk);
            found.map(|one| one.name.clone())
        };
        let none = || Error::NoSuchDisk(format!("no disk is attached as {disk}"));
        let disk = name.ok_or_else(none)?;
        self.ask(Request::Select { disk }).await
    }

    /// Use these answers, in the form of an answers file, with precedence over all other sources. They
    /// replace those of earlier calls and of the screen. Options: `merge` (b), to keep the earlier ones
    /// for the keys that these leave out. Errors: InvalidAnswers, with a line for each mistake;
    /// WrongState.
    async fn set_answers(
        &self,
        toml: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        let toml = Secret::new(toml);
        self.callers.check(connection, &header).await?;
        let merge = options::merge(&options)?;
        self.ask(Request::Answers { toml, merge }).await
    }

    /// Use this password for the account, given as a crypt(5) hash of a kind that an answers file may
    /// have. It may be called while the system is copied, in place of typing one on the screen. No
    /// options are known. Errors: InvalidAnswers, for a hash that would not log in; WrongState, once
    /// the account has been set up.
    async fn set_password_hash(
        &self,
        hash: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        let hash = Secret::new(hash);
        self.callers.check(connection, &header).await?;
        options::none(&options)?;
        let hash = hash.reveal().parse::<PasswordHash>();
        let hash = hash.map_err(|error| Error::InvalidAnswers(text(&error.to_string())))?;
        self.ask(Request::Password { hash }).await
    }

    /// Do what the plan of this token says: erase the disk and install. It has begun when this
    /// returns. No options are known. Errors: WrongToken, if the plan has changed since; WrongState.
    async fn confirm(
        &self,
        token: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        options::none(&options)?;
        self.ask(Request::Confirm { token }).await
    }

    /// Stop the countdown, or the install. Error WrongState.
    async fn cancel(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        self.ask(Request::Cancel).await
    }

    /// Try again after a failure, a refusal or a cancel. Error WrongState.
    async fn retry(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        self.ask(Request::Retry).await
    }

    /// Leave the installer: "reboot", "poweroff" or "wait". No options are known. Error WrongState,
    /// while it installs.
    async fn finish(
        &self,
        action: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        options::none(&options)?;
        let how = choice::<Finish>(&action).map_err(|error| {
            let hint = error.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            fdo::Error::InvalidArgs(text(&format!("{}{hint}", error.message)))
        })?;
        self.ask(Request::Finish { how }).await
    }

    /// Something happened: a record as JSON, described by `nixvm-agent schema events`. Numbered
    /// without gaps; the last one of an attempt is `attempt-ended`. Ignore events and keys that you do
    /// not know.
    #[zbus(signal)]
    pub(super) async fn event(emitter: &SignalEmitter<'_>, json: &str) -> zbus::Result<()>;

    /// The agent's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// What the installer does: preflight, waiting-for-disk, choosing-disk, countdown,
    /// awaiting-confirmation, installing, installed, failed, refused, cancelled or
    /// already-installed. Treat any other value as unknown, and show Message.
    #[zbus(property)]
    fn state(&self) -> String {
        self.shown.borrow().state.name().to_owned()
    }

    /// Why it is so, or what is awaited, in a sentence.
    #[zbus(property)]
    fn message(&self) -> String {
        text(&self.shown.borrow().message)
    }

    /// The running step of an install, or the last that ran; empty before the first. Steps may be
    /// added: StepIndex and StepCount say how far it is.
    #[zbus(property)]
    fn step(&self) -> String {
        self.shown.borrow().step.map(|step| step.name().to_owned()).unwrap_or_default()
    }

    /// Its position, from 1; 0 before the first.
    #[zbus(property)]
    fn step_index(&self) -> u32 {
        self.shown.borrow().step.map_or(0, |step| count(step.index()))
    }

    /// How many steps there are.
    #[zbus(property(emits_changed_signal = "const"))]
    fn step_count(&self) -> u32 {
        count(Step::ALL.len())
    }

    /// How much of the system is on the disk, from 0 to 1.
    #[zbus(property)]
    fn progress(&self) -> f64 {
        self.shown.borrow().progress()
    }

    /// Bytes copied.
    #[zbus(property)]
    fn bytes_done(&self) -> u64 {
        self.shown.borrow().bytes_done
    }

    /// Bytes to copy in all; 0 before that is known.
    #[zbus(property)]
    fn bytes_total(&self) -> u64 {
        self.shown.borrow().bytes_total
    }

    /// Seconds until the first write, while it counts down; otherwise -1.
    #[zbus(property)]
    fn countdown(&self) -> i32 {
        self.shown.borrow().countdown.map_or(-1, |left| i32::try_from(left).unwrap_or(i32::MAX))
    }

    /// The hypervisor: kvm, qemu, vmware, virtualbox, parallels, hyper-v, apple, other or
    /// none; empty before the machine was looked at.
    #[zbus(property)]
    fn hypervisor(&self) -> String {
        self.machine(|machine| name_of(&machine.hypervisor))
    }

    /// How it was booted: uefi or bios; empty before the machine was looked at.
    #[zbus(property)]
    fn firmware(&self) -> String {
        self.machine(|machine| name_of(&machine.firmware))
    }

    /// Its processor, as the kernel writes it; empty before the machine was looked at.
    #[zbus(property)]
    fn architecture(&self) -> String {
        self.machine(|machine| machine.architecture.clone())
    }

    /// The disk that will be or is being installed to; "/" if there is no plan.
    #[zbus(property)]
    fn target_disk(&self) -> ObjectPath<'static> {
        let status = self.shown.borrow();
        let planned = status.plan.as_ref().map(|plan| disk::path_of(&plan.target.name));
        planned.unwrap_or(ObjectPath::from_static_str_unchecked("/"))
    }

    /// The host name that is planned; empty if there is no plan.
    #[zbus(property)]
    fn hostname(&self) -> String {
        self.planned(|plan| plan.configuration.hostname.clone())
    }

    /// The account that is planned; empty if there is no plan.
    #[zbus(property)]
    fn username(&self) -> String {
        self.planned(|plan| plan.configuration.username.clone())
    }

    /// What to hand to Confirm; empty while there is nothing to confirm.
    #[zbus(property)]
    fn consent_token(&self) -> String {
        self.shown.borrow().token.clone()
    }

    /// What happens once there is nothing left to install: reboot, poweroff or wait; empty while
    /// something is left to install.
    #[zbus(property)]
    fn finish_action(&self) -> String {
        self.shown.borrow().finish.map(|finish| finish.action.to_string()).unwrap_or_default()
    }

    /// When that happens, in milliseconds since the machine was started; -1: not before Finish is
    /// called.
    #[zbus(property)]
    fn finish_at(&self) -> i64 {
        let at = self.shown.borrow().finish.and_then(|finish| finish.at_uptime_ms);
        at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
    }

    /// What went wrong, for programs: step-failed, disk-removed, agent-crashed, or why nothing could
    /// begin; empty if nothing did. Kinds may be added: show the message of one that you do not know.
    #[zbus(property)]
    fn error_kind(&self) -> String {
        self.error(|error| &error.kind)
    }

    /// What happened, to what.
    #[zbus(property)]
    fn error_message(&self) -> String {
        self.error(|error| &error.message)
    }

    /// What to do about it.
    #[zbus(property)]
    fn error_hint(&self) -> String {
        self.error(|error| &error.hint)
    }

    /// All that is known, as a record of the event `snapshot`. Its number is that of the last Event
    /// in it: a client that listens to Event, then reads this, then ignores events up to that number
    /// misses nothing.
    #[zbus(property(emits_changed_signal = "false"))]
    fn snapshot(&self) -> fdo::Result<String> {
        let status = self.shown.borrow().clone();
        let record = Record {
            version: VERSION,
            sequence: status.sequence,
            uptime_ms: uptime_ms(),
            time: now_utc(),
            event: Event::Snapshot(Box::new(status)),
        };
        serde_json::to_string(&record).map_err(|error| fdo::Error::Failed(error.to_string()))
    }
}

/// The name that a choice has in records.
fn name_of(choice: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(choice).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
