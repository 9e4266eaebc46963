//! Disks, answers and requests, as they come → decisions carried out, until the machine restarts.
//!
//! One task in a loop: it surveys the disks, decides ([`plan::decide`]) and carries the decision
//! out, until a change makes another decision due. What it is doing is a phase of the state machine
//! that [`state`] draws; every change goes through [`Session::transition_to`], which publishes it.

mod answers;
mod arrivals;
mod attempt;
mod checkpoint;
mod countdown;
#[cfg(test)]
pub(crate) mod examples;
mod keyboard;
mod live_login;
mod readings;
mod requests;
mod scan;
mod shutdown;
mod state;
#[cfg(test)]
mod tests;
mod webhook;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use nixvm_answers::answers::Finish;
use nixvm_answers::ssh::AuthorizedKey;
use nixvm_answers::{Problems, SourceAnswers};
use nixvm_manifest::Manifest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::checks::{self, Progress};
use crate::command::log::Log;
use crate::command::{Runner, Transcript};
use crate::control::account::Account;
use crate::control::passphrase::Passphrase;
use crate::control::request::Message;
use crate::disk::watch::{Attached, Rescan};
use crate::event::Event;
use crate::event::publisher::Publisher;
use crate::install::{self, Attempt, Failure, Installed};
use crate::machine::Machine;
use crate::plan::{self, Check, Checked, Decision, UserChoices};
use arrivals::Arrivals;
use checkpoint::Checkpoint;
pub use checkpoint::PATH as CHECKPOINT;
use requests::{Effect, PendingReply};
use scan::Inventory;
use shutdown::PendingShutdown;
use state::Phase;

/// A disk that could not be read reports nothing when it can be: it is read again this often.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// What happens to the machine when the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitAction {
    /// Restart the machine.
    Reboot,
    /// Switch it off.
    PowerOff,
}

/// Carries a plan out: [`install::run`], or a stand-in in tests.
pub type Install = fn(Attempt) -> Pin<Box<dyn Future<Output = Result<Installed, Failure>> + Send>>;

/// The session's surroundings.
pub struct SessionContext {
    /// What the ISO carries.
    pub manifest: Manifest,
    /// The machine, as it was at the start.
    pub machine: Machine,
    /// The answers of each source but the volumes, or their mistakes.
    pub source_answers: Vec<Result<SourceAnswers, Problems>>,
    /// The passphrase that the machine was started with, or why it can't be used.
    pub passphrase: Option<Result<Passphrase, String>>,
    /// The block devices.
    pub attached: watch::Receiver<Attached>,
    /// Brings `attached` up to date; `None` in tests.
    pub rescan: Option<Rescan>,
    /// Requests from the screen and D-Bus.
    pub requests: mpsc::Receiver<Message>,
    /// Publishes events.
    pub publisher: Publisher,
    /// The installation log.
    pub log: Arc<Log>,
    /// The account's secrets; the screen or a dialogue shows a generated password.
    pub account: watch::Sender<Account>,
    /// A generated password can be read: there is a screen, or a dialogue on another console.
    pub shows_password: bool,
    /// Carries a plan out.
    pub install: Install,
    /// The file that an agent which crashes leaves to the next one: see [`checkpoint`].
    pub checkpoint_path: PathBuf,
}

/// The installer's control loop.
pub struct Session {
    context: SessionContext,
    runner: Runner,
    phase: Phase,
    user: UserInput,
    inventory: Inventory,
    arrivals: Arrivals,
    checks: Checks,
    pending_replies: Vec<PendingReply>,
    checkpoint: Checkpoint,
    /// The keymap that was loaded for the screen, or that could not be.
    keymap: Option<String>,
    /// The keys that were last allowed to log in to the live system, or could not be; None: nothing was
    /// decided yet.
    live_keys: Option<Vec<AuthorizedKey>>,
    /// Tells the webhook how the last attempt ended.
    webhook: Option<JoinHandle<()>>,
}

/// What requests have said so far.
#[derive(Default)]
struct UserInput {
    choices: UserChoices,
    answers: Option<Result<SourceAnswers, Problems>>,
    passphrase: Option<Passphrase>,
    /// A countdown was stopped: nothing starts or ends by itself until a retry.
    paused: bool,
    /// There was a request: the machine is attended.
    attended: bool,
}

/// What was found out for the decision, and what is being found out.
#[derive(Default)]
struct Checks {
    results: Checked,
    running: Option<RunningCheck>,
}

/// A check that is being answered.
struct RunningCheck {
    check: Check,
    work: JoinHandle<Checked>,
    /// What it is doing, a sentence.
    doing: watch::Receiver<String>,
}

impl RunningCheck {
    /// What it is doing; none if it has not said so.
    fn doing(&mut self) -> Option<String> {
        Some(self.doing.borrow_and_update().clone()).filter(|sentence| !sentence.is_empty())
    }
}

impl Session {
    /// A session that has not looked at any disk yet.
    pub fn new(context: SessionContext) -> Self {
        let transcript: Arc<dyn Transcript> = Arc::clone(&context.log) as _;
        Self {
            runner: Runner::new(CancellationToken::new(), Some(transcript)),
            phase: Phase::Preflight { check: None, doing: None, retry: None },
            user: UserInput::default(),
            inventory: Inventory::default(),
            arrivals: Arrivals::default(),
            checks: Checks::default(),
            pending_replies: Vec::new(),
            checkpoint: Checkpoint::open(context.checkpoint_path.clone()),
            keymap: None,
            live_keys: None,
            webhook: None,
            context,
        }
    }

    /// Runs until the machine is to be restarted or switched off.
    ///
    /// # Errors
    /// udev can't be followed any more, or the request channel is closed.
    pub async fn run(mut self) -> Result<ExitAction> {
        self.context.publisher.publish(Event::Machine(self.context.machine.clone()));
        install::clean_up(&self.runner).await;
        self.resume();
        loop {
            self.survey().await?;
            self.arrivals.note(&self.inventory.disks);
            if let Some(exit) = self.step().await? {
                return Ok(exit);
            }
        }
    }

    /// The passphrase for a disk that is encrypted: the one that was typed, or else the one that was given.
    fn passphrase(&self) -> Option<Result<&Passphrase, &str>> {
        let given = || Some(self.context.passphrase.as_ref()?.as_ref().map_err(String::as_str));
        self.user.passphrase.as_ref().map(Ok).or_else(given)
    }

    /// Enters a phase and publishes what that changes.
    fn transition_to(&mut self, next: Phase) {
        let events = next.events_after(&self.phase);
        self.phase = next;
        self.context.publisher.publish_all(events);
    }

    /// Makes a decision and carries it out. Returns when something changed (`None`), or how to end.
    async fn step(&mut self) -> Result<Option<ExitAction>> {
        match self.phase {
            Phase::Installed { .. } => return self.wait_for_shutdown().await,
            // Only a request leads to another attempt, not a disk that comes.
            Phase::Failed { .. } | Phase::Cancelled { .. } => return self.wait().await,
            _ => {}
        }
        let answers = self.answers();
        self.load_keymap(&answers).await;
        self.allow_live_login(&answers).await;
        match plan::decide(&self.facts(&answers)) {
            Decision::Refuse(refusal) => {
                self.transition_to(Phase::Refused { problem: refusal.problem() });
                self.wait().await
            }
            Decision::Wait { message } => {
                self.transition_to(Phase::WaitingForDisk { message });
                self.wait().await
            }
            Decision::Check(check) => self.check(check).await,
            Decision::Choose { candidates } => {
                self.transition_to(Phase::ChoosingDisk { candidates });
                self.wait().await
            }
            Decision::Ask(plan) => {
                let token = plan.token();
                self.transition_to(Phase::AwaitingConfirmation { plan, token, interrupted: false });
                self.wait().await
            }
            Decision::Go { plan, confirmed } => {
                if confirmed || (!self.user.paused && self.phase.is_retry_of(&plan.target.identity))
                {
                    return self.install(plan, answers.ok()).await;
                }
                if self.user.paused {
                    let token = plan.token();
                    let interrupted = true;
                    self.transition_to(Phase::AwaitingConfirmation { plan, token, interrupted });
                    return self.wait().await;
                }
                self.count_down(plan, answers.ok()).await
            }
            Decision::Installed { disk, receipt } => {
                let finish = answers.map_or(Finish::Wait, |answers| answers.finish.value);
                if self.checkpoint.has_interrupted(&receipt) {
                    return self.end_interrupted(&disk, &receipt, finish).await;
                }
                let shutdown = match &self.phase {
                    Phase::AlreadyInstalled { shutdown, .. } => *shutdown,
                    _ => self.shutdown_before_boot(finish),
                };
                let hostname = receipt.hostname;
                self.transition_to(Phase::AlreadyInstalled {
                    disk: disk.clone(),
                    hostname,
                    shutdown,
                });
                let exit = self.wait().await?;
                if exit == Some(ExitAction::Reboot) {
                    self.boot_installed(&disk).await;
                }
                Ok(exit)
            }
        }
    }

    /// Runs a check until it has a result or something changes. A check that is still needed after
    /// a change goes on where it was.
    async fn check(&mut self, check: Check) -> Result<Option<ExitAction>> {
        let mut running = match self.checks.running.take() {
            Some(running) if running.check == check => running,
            other => {
                if let Some(RunningCheck { work, .. }) = other {
                    work.abort();
                }
                let (manifest, runner) = (self.context.manifest.clone(), self.runner.clone());
                let machine = self.context.machine.clone();
                let (progress, doing) = Progress::new();
                self.checks.results.interfaces_changing |= matches!(check, Check::Interfaces(_));
                let answer = checks::answer(check.clone(), runner, manifest, machine, progress);
                let work = tokio::spawn(answer);
                RunningCheck { check, work, doing }
            }
        };
        loop {
            let (check, doing) = (Some(running.check.clone()), running.doing());
            let retry = self.phase.retry();
            self.transition_to(Phase::Preflight { check, doing, retry });
            tokio::select! {
                found = &mut running.work => {
                    self.checks.results.add(found?);
                    return Ok(None);
                }
                Ok(()) = running.doing.changed() => {}
                exit = self.wait() => {
                    self.checks.running = Some(running);
                    return exit;
                }
            }
        }
    }

    /// Waits for a change of the disks or an end of their changes, for a request that changes
    /// something, or for a scheduled shutdown.
    async fn wait(&mut self) -> Result<Option<ExitAction>> {
        self.send_replies(None);
        loop {
            let (shutdown, unreadable) = (self.phase.shutdown(), self.awaits_unreadable());
            let waiting = matches!(self.phase, Phase::WaitingForDisk { .. });
            tokio::select! {
                exit = PendingShutdown::elapsed(shutdown) => return Ok(exit),
                () = tokio::time::sleep(READ_AGAIN), if unreadable => {
                    self.inventory.forget_unreadable();
                    return Ok(None);
                }
                () = self.arrivals.quiet(), if waiting => return Ok(None),
                changed = self.context.attached.changed() => {
                    changed?;
                    return Ok(None);
                }
                changed = self.inventory.changed() => {
                    changed?;
                    return Ok(None);
                }
                message = self.context.requests.recv() => {
                    let Some(message) = message else { anyhow::bail!("request channel closed") };
                    self.user.attended = true;
                    match self.handle_request(message) {
                        Effect::None => {}
                        Effect::Changed => return Ok(None),
                        Effect::Exit(exit) => return Ok(Some(exit)),
                    }
                }
            }
        }
    }
}
