//! Disks, answers and requests, as they come → decisions carried out, until the machine restarts.
//!
//! One task that waits for one thing at a time. It surveys, decides (`plan`), and either asks,
//! counts down, installs or leaves; anything that changes what was decided on makes it decide anew.

mod attempt;
mod checkpoint;
mod countdown;
mod requests;
mod scan;
mod shutdown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use nixvm_answers::answers::Finish;
use nixvm_answers::{Problems, SourceAnswers};
use nixvm_manifest::Manifest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::checks;
use crate::command::{Runner, Transcript};
use crate::disk::Disk;
use crate::disk::identity::Identity;
use crate::disk::receipt::Receipt;
use crate::disk::watch::{Attached, Rescan};
use crate::event::publisher::Publisher;
use crate::event::{Event, Outcome, ScheduledFinish, State};
use crate::install::{self, Attempt, Failure};
use crate::log::Log;
use crate::machine::Machine;
use crate::plan::Problem;
use crate::plan::{self, Decision, Plan, UserChoices};
use crate::plan::{Check, Checked};
use crate::request::Message;
use checkpoint::Checkpoint;
pub use checkpoint::PATH as CHECKPOINT;
use countdown::Countdown;
use requests::Followed;
use scan::Probed;
use shutdown::PendingShutdown;

/// A disk that could not be read says nothing when it can be: it is tried as often as this.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// How the installer was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitAction {
    /// Restart the machine.
    Reboot,
    /// Switch it off.
    PowerOff,
}

/// Carries a plan out: [`install::run`], but for tests of what is told of it.
pub type Install = fn(Attempt) -> Pin<Box<dyn Future<Output = Result<Receipt, Failure>> + Send>>;

/// What the installer works with.
pub struct SessionContext {
    /// What the ISO carries.
    pub manifest: Manifest,
    /// What it runs on.
    pub machine: Machine,
    /// What the sources of answers said.
    pub found: Vec<Result<SourceAnswers, Problems>>,
    /// The block devices.
    pub attached: watch::Receiver<Attached>,
    /// Makes it be what udev has said so far.
    pub rescan: Option<Rescan>,
    /// Where requests arrive.
    pub requests: mpsc::Receiver<Message>,
    /// Where events go.
    pub publisher: Publisher,
    /// The install's log.
    pub log: Arc<Log>,
    /// The account's secrets, which the screen shows where they were made up.
    pub account: watch::Sender<Account>,
    /// There is a screen that shows them.
    pub screen: bool,
    /// Carries a plan out.
    pub install: Install,
    /// Where [`checkpoint`] keeps what an installer that dies leaves to the next one.
    pub checkpoint: PathBuf,
}

/// The task's state.
pub struct Session {
    context: SessionContext,
    runner: Runner,
    choices: UserChoices,
    requested: Option<Result<SourceAnswers, Problems>>,
    probed: BTreeMap<String, Probed>,
    disks: Vec<Disk>,
    /// What answers volumes say, by device file, with the event count of their disk.
    volumes: BTreeMap<PathBuf, (u64, Result<SourceAnswers, Problems>)>,
    /// Somebody stopped a countdown: nothing begins by itself until they say so.
    paused: bool,
    /// Somebody asked for something: they are there.
    attended: bool,
    /// What was asked for and is not answered yet.
    followed: Vec<Followed>,
    /// When the machine is left by itself, once nothing is left to install.
    leaving: Option<PendingShutdown>,
    countdown: Option<Countdown>,
    /// An attempt ended and nobody has asked for another one yet.
    ended: bool,
    /// Somebody asked to try again: no second countdown for the disk that was being installed.
    retry: Option<Identity>,
    /// What was said to be the end of it, without an attempt.
    concluded: Option<(State, String)>,
    checkpoint: Checkpoint,
    /// What was found out for the decision.
    checked: Checked,
    /// What is being found out.
    checking: Option<(Check, JoinHandle<Checked>)>,
}

impl Session {
    /// An installer that has not looked at anything yet.
    pub fn new(context: SessionContext) -> Self {
        let transcript: Arc<dyn Transcript> = Arc::clone(&context.log) as _;
        Self {
            runner: Runner::new(CancellationToken::new(), Some(transcript)),
            choices: UserChoices::default(),
            requested: None,
            probed: BTreeMap::new(),
            disks: Vec::new(),
            volumes: BTreeMap::new(),
            paused: false,
            attended: false,
            followed: Vec::new(),
            leaving: None,
            countdown: None,
            ended: false,
            retry: None,
            concluded: None,
            checkpoint: Checkpoint::open(context.checkpoint.clone()),
            checked: Checked::default(),
            checking: None,
            context,
        }
    }

    /// Works until somebody or something ends it.
    ///
    /// # Errors
    /// udev can't be followed any more.
    pub async fn run(mut self) -> Result<ExitAction> {
        self.context.publisher.publish(Event::Machine(self.context.machine.clone()));
        install::clean_up(&self.runner).await;
        self.take_over();
        loop {
            self.survey().await?;
            if let Some(leave) = self.act().await? {
                return Ok(leave);
            }
        }
    }

    /// Does the next thing. Returns when something changed, or how to leave.
    async fn act(&mut self) -> Result<Option<ExitAction>> {
        if self.ended {
            return self.wait().await;
        }
        let answers = self.answers();
        let decision = plan::decide(&self.facts(&answers));
        if !matches!(decision, Decision::Installed { .. }) {
            self.leaving = None;
        }
        if !matches!(decision, Decision::Go { .. }) {
            // Whoever stopped to think of another disk meets a whole countdown when they come back.
            self.countdown = None;
            if !matches!(decision, Decision::Check(_)) {
                self.retry = None;
            }
        }
        match decision {
            Decision::Refuse(refusal) => {
                let problem = refusal.problem();
                let message = problem.message.clone();
                self.conclude(State::Refused, &message, None, Outcome::Refused, Some(problem));
                self.wait().await
            }
            Decision::Wait { message } => {
                self.enter(State::WaitingForDisk, &message);
                self.wait().await
            }
            Decision::Check(check) => self.check(check).await,
            Decision::Choose { candidates } => {
                let message = format!("Several disks can be used: {}.", candidates.join(", "));
                self.enter(State::Choosing, &message);
                self.wait().await
            }
            Decision::Ask(plan) => {
                self.propose(&plan, "Nothing is done until somebody confirms it.");
                self.wait().await
            }
            Decision::Go { plan, confirmed } => {
                let resolved = answers.ok();
                if confirmed || (!self.paused && self.is_retry_of(&plan)) {
                    return self.install(*plan, resolved).await;
                }
                self.count_down(*plan, resolved).await
            }
            Decision::Installed { disk, receipt } => {
                let message = format!("{disk} carries the system {} already.", receipt.hostname);
                let leaving = self.leaving.is_none().then(|| {
                    self.plan_boot(answers.map_or(Finish::Wait, |answers| answers.finish.value))
                });
                let outcome = Outcome::InstalledAlready;
                self.conclude(State::InstalledAlready, &message, leaving, outcome, None);
                let leave = self.wait().await?;
                if leave == Some(ExitAction::Reboot) {
                    self.boot_installed(&disk).await;
                }
                Ok(leave)
            }
        }
    }

    /// Finds something out, until that is known or something changes. What a change leaves standing
    /// goes on where it was.
    async fn check(&mut self, check: Check) -> Result<Option<ExitAction>> {
        self.enter(State::Preflight, check.sentence());
        let mut work = match self.checking.take() {
            Some((running, work)) if running == check => work,
            other => {
                if let Some((_, work)) = other {
                    work.abort();
                }
                let manifest = self.context.manifest.clone();
                tokio::spawn(checks::answer(check.clone(), self.runner.clone(), manifest))
            }
        };
        tokio::select! {
            found = &mut work => {
                self.checked.add(found?);
                Ok(None)
            }
            leave = self.wait() => {
                self.checking = Some((check, work));
                leave
            }
        }
    }

    fn is_retry_of(&self, plan: &Plan) -> bool {
        self.retry.as_ref().is_some_and(|identity| {
            identity.node == plan.target.identity.node
                && identity.diskseq == plan.target.identity.diskseq
        })
    }

    /// Waits for a disk to come or go, for a request that changes something, or for the time to
    /// leave.
    async fn wait(&mut self) -> Result<Option<ExitAction>> {
        self.answer(false);
        loop {
            let (leaving, unreadable) = (self.leaving, self.awaits_unreadable());
            tokio::select! {
                leave = PendingShutdown::come(leaving) => return Ok(leave),
                () = tokio::time::sleep(READ_AGAIN), if unreadable => {
                    self.forget_unreadable();
                    return Ok(None);
                }
                changed = self.context.attached.changed() => {
                    changed?;
                    return Ok(None);
                }
                message = self.context.requests.recv() => {
                    let Some(message) = message else {
                        anyhow::bail!("nobody can steer the session any more");
                    };
                    self.attended = true;
                    if let Some(leave) = self.take(message) {
                        return Ok(leave);
                    }
                }
            }
        }
    }

    fn state(&self) -> State {
        self.context.publisher.status().borrow().state
    }

    fn enter(&mut self, to: State, message: &str) {
        self.concluded = None;
        self.context.publisher.publish_all(self.change(to, message));
    }

    /// The event that tells of a state, unless that is how it is already.
    fn change(&self, to: State, message: &str) -> Option<Event> {
        let status = self.context.publisher.status();
        let status = status.borrow();
        let is_so = status.state == to && status.message == message;
        let from = status.state;
        (!is_so).then(|| Event::State { from, to, message: message.to_owned() })
    }

    /// Says how it stands: once, until it stands otherwise or somebody asks again.
    fn conclude(
        &mut self,
        to: State,
        message: &str,
        leaving: Option<ScheduledFinish>,
        outcome: Outcome,
        error: Option<Problem>,
    ) {
        let now = Some((to, message.to_owned()));
        if self.concluded != now {
            self.end(to, message, leaving, outcome, error, None);
            self.concluded = now;
        }
    }

    /// Enters a state that is the end of an attempt: nobody sees it without its verdict.
    fn end(
        &self,
        to: State,
        message: &str,
        leaving: Option<ScheduledFinish>,
        outcome: Outcome,
        error: Option<Problem>,
        seconds: Option<f64>,
    ) {
        let peak_resident_bytes = crate::machine::peak_resident_bytes();
        let verdict =
            Event::AttemptEnded { outcome, error, duration_seconds: seconds, peak_resident_bytes };
        self.context.publisher.publish_all(
            self.change(to, message)
                .into_iter()
                .chain(leaving.map(Event::FinishScheduled))
                .chain([verdict]),
        );
    }

    /// Shows what will be done, once that is consented to.
    fn propose(&mut self, plan: &Plan, message: &str) {
        self.concluded = None;
        let token = plan.token();
        let is_shown = self.context.publisher.status().borrow().token == token;
        let shown = (!is_shown).then(|| Event::Plan { plan: Box::new(plan.clone()), token });
        self.context
            .publisher
            .publish_all(self.change(State::Consent, message).into_iter().chain(shown));
    }
}

fn leave(how: Finish) -> Option<ExitAction> {
    match how {
        Finish::Reboot => Some(ExitAction::Reboot),
        Finish::Poweroff => Some(ExitAction::PowerOff),
        Finish::Wait => None,
    }
}
