//! The interface `org.nixvm.Installer1`.
//!
//! Its comments are the interface's documentation: they are served, and checked in with the
//! introspection data.

use std::time::Duration;

use nixvm_answers::answers::{Finish, choice};
use nixvm_answers::password::Secret;
use tokio::sync::watch;
use zbus::fdo;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{BoxDBusError, Connection, ObjectPath, interface};

use super::caller::Callers;
use super::error::Error;
use super::{disk, text};
use crate::clock::uptime_ms;
use crate::event::Status;
use crate::event::Step;
use crate::event::{Event, Record, VERSION};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::request::{InstallerHandle, Request};

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
    /// The whole plan as JSON: the `plan` of the event of that name. Error NoPlan if nothing is
    /// planned.
    #[zbus(out_args("json"))]
    async fn plan(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, BoxDBusError> {
        self.callers.check(connection, &header).await?;
        let status = self.shown.borrow();
        let none = || Error::NoPlan(format!("nothing is planned: {}", text(&status.message)));
        let plan = status.plan.as_ref().ok_or_else(none)?;
        serde_json::to_string(plan).map_err(|error| fdo::Error::Failed(error.to_string()).into())
    }

    /// Install to this disk. What is on it has to be confirmed separately. The plan is there when this
    /// returns, unless something has to be found out first: State is preflight then. A disk that does
    /// not answer delays it by a minute. Errors: NoSuchDisk, IneligibleDisk, WrongState.
    async fn select_disk(
        &self,
        disk: ObjectPath<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        let name = {
            let status = self.shown.borrow();
            let found = status.disks.iter().find(|one| disk::path_of(&one.name) == disk);
            found.map(|one| one.name.clone())
        };
        let none = || Error::NoSuchDisk(format!("no disk is attached as {disk}"));
        let disk = name.ok_or_else(none)?;
        self.ask(Request::Select { disk }).await
    }

    /// Use these answers, in the form of an answers file, with precedence over all others. Errors:
    /// InvalidAnswers, with a line for each mistake; WrongState.
    async fn set_answers(
        &self,
        toml: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        let toml = Secret::new(toml);
        self.callers.check(connection, &header).await?;
        self.ask(Request::Answers { toml }).await
    }

    /// Do what the plan of this token says: erase the disk and install. It has begun when this
    /// returns. Errors: WrongToken, if the plan has changed since; WrongState.
    async fn confirm(
        &self,
        token: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
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

    /// Leave the installer: "reboot", "poweroff" or "wait". Error WrongState, while it installs.
    async fn finish(
        &self,
        how: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), BoxDBusError> {
        self.callers.check(connection, &header).await?;
        let how = choice::<Finish>(&how).map_err(|error| {
            let hint = error.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            fdo::Error::InvalidArgs(text(&format!("{}{hint}", error.message)))
        })?;
        self.ask(Request::Finish { how }).await
    }

    /// Something happened: a record as JSON, described by `nixvm-agent schema events`. Numbered
    /// without gaps; the last one of an attempt is a verdict.
    #[zbus(signal)]
    pub(super) async fn event(emitter: &SignalEmitter<'_>, json: &str) -> zbus::Result<()>;

    /// The agent's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// What the installer does: preflight, waiting-for-disk, choosing-disk, countdown,
    /// awaiting-confirmation, installing, installed, failed, refused, cancelled or
    /// already-installed.
    #[zbus(property)]
    fn state(&self) -> String {
        self.shown.borrow().state.name().to_owned()
    }

    /// Why it is so, or what is awaited, in a sentence.
    #[zbus(property)]
    fn message(&self) -> String {
        text(&self.shown.borrow().message)
    }

    /// The running step of an install, or the last that ran; empty before the first.
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

    /// The same in bytes.
    #[zbus(property)]
    fn bytes_done(&self) -> u64 {
        self.shown.borrow().bytes_done
    }

    /// Of so many bytes; 0 before that is known.
    #[zbus(property)]
    fn bytes_total(&self) -> u64 {
        self.shown.borrow().bytes_total
    }

    /// Seconds until the first write, while it counts down; otherwise -1.
    #[zbus(property)]
    fn countdown(&self) -> i32 {
        self.shown.borrow().countdown.map_or(-1, |left| i32::try_from(left).unwrap_or(i32::MAX))
    }

    /// Who emulates the machine: kvm, qemu, vmware, virtualbox, parallels, hyper-v, apple, other or
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

    /// The device file of the disk that will be or is being installed to; empty if there is no plan.
    #[zbus(property)]
    fn target(&self) -> String {
        self.planned(|plan| text(&plan.target.identity.node.to_string_lossy()))
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

    /// What follows by itself once there is nothing left to install: reboot, poweroff or wait, and
    /// when, in milliseconds since the machine was started; -1: when somebody says so. The first is
    /// empty while something is left to do.
    #[zbus(property)]
    fn leaving(&self) -> (String, i64) {
        let leaving = self.shown.borrow().leaving;
        leaving.map_or((String::new(), -1), |leaving| {
            let at = leaving.at_uptime_ms.and_then(|at| i64::try_from(at).ok());
            (leaving.how.to_string(), at.unwrap_or(-1))
        })
    }

    /// What went wrong: a name for programs, what happened, and what to do. Empty if nothing did.
    #[zbus(property)]
    fn error(&self) -> (String, String, String) {
        let status = self.shown.borrow();
        let all = status.problem.as_ref();
        all.map(|p| (text(&p.kind), text(&p.message), text(&p.hint))).unwrap_or_default()
    }

    /// All that is known, as a record of the event `snapshot`. Its number is that of the last Event
    /// in it: whoever listens to Event, then reads this, then passes over events up to that number
    /// misses nothing.
    #[zbus(property(emits_changed_signal = "false"))]
    fn snapshot(&self) -> fdo::Result<String> {
        let status = self.shown.borrow().clone();
        let record = Record {
            version: VERSION,
            sequence: status.sequence,
            uptime_ms: uptime_ms(),
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
