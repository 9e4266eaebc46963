//! What the agent is doing → a file that survives a crash, and how the next process goes on from it.
//!
//! systemd restarts the agent when it crashes. The disk itself says that an installation on it is
//! unfinished; the user's choice of a disk, how the last attempt ended, and in a file of its own the
//! password, which the screen may be the only one to know, are kept here. The files are in memory: a
//! restart of the machine removes them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nixvm_answers::answers::Finish;
use serde::{Deserialize, Serialize};

use super::shutdown::PendingShutdown;
use super::state::Phase;
use super::{ExitAction, Session};
use crate::control::account::Account;
use crate::disk::identity::Identity;
use crate::disk::receipt::Receipt;
use crate::event::{Event, PasswordOrigin, Step};
use crate::install;
use crate::plan::Problem;

/// Where the checkpoint is.
pub const PATH: &str = "/run/nixvm/checkpoint.json";

/// Attempts in a row that may end in a crash before no more are made.
const ATTEMPTS: u32 = 3;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Entry {
    /// The disk that the user chose, if one was chosen.
    chosen: Option<Identity>,
    /// Attempts in a row, with this one, that did not reach an end.
    attempts: u32,
    /// Names the attempt, as the receipt does.
    attempt: String,
    /// The last step that started.
    step: Option<Step>,
    ended: Option<End>,
}

/// An end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    Failed(Problem),
    /// With the message that was shown.
    Cancelled(String),
    Installed {
        /// What was shown.
        message: String,
        finish: Finish,
        /// A request has stopped the shutdown.
        stays: bool,
    },
}

/// The file, and its content.
pub(super) struct Checkpoint {
    path: PathBuf,
    entry: Option<Entry>,
}

impl Checkpoint {
    /// Reads the file at `path`; an unreadable one counts as none.
    pub(super) fn open(path: PathBuf) -> Self {
        let entry =
            std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        Self { path, entry }
    }

    /// The attempt that a crash interrupted, until another one begins.
    fn interrupted(&self) -> Option<&Entry> {
        self.entry.as_ref().filter(|entry| entry.ended.is_none())
    }

    /// Whether the next attempt goes on from one that a crash interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted().is_some()
    }

    /// Whether this receipt is of an attempt that a crash interrupted.
    pub(super) fn has_interrupted(&self, receipt: &Receipt) -> bool {
        self.interrupted().is_some_and(|entry| entry.attempt == receipt.attempt)
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, attempt: &str, chosen: Option<Identity>) {
        let attempts = self.interrupted().map_or(0, |entry| entry.attempts) + 1;
        let attempt = attempt.to_owned();
        self.keep(Some(Entry { chosen, attempts, attempt, step: None, ended: None }));
    }

    /// The account is another one than before.
    pub(super) fn account(&self, account: &Account) {
        if let Err(error) = account.save(&self.account_path()) {
            tracing::warn!("{error:#}");
        }
    }

    fn account_path(&self) -> PathBuf {
        self.path.with_extension("account")
    }

    /// A step of it begins.
    pub(super) fn step(&mut self, step: Step) {
        let entry = self.entry.clone().map(|entry| Entry { step: Some(step), ..entry });
        self.keep(entry);
    }

    /// It failed.
    pub(super) fn failed(&mut self, problem: Problem) {
        self.end(End::Failed(problem));
    }

    /// It was cancelled.
    pub(super) fn cancelled(&mut self, message: &str) {
        self.end(End::Cancelled(message.to_owned()));
    }

    /// It succeeded.
    pub(super) fn installed(&mut self, message: &str, finish: Finish) {
        self.end(End::Installed { message: message.to_owned(), finish, stays: false });
    }

    /// The shutdown after a success waits for a request.
    pub(super) fn stays(&mut self) {
        let ended = self.entry.as_ref().and_then(|entry| entry.ended.clone());
        if let Some(End::Installed { message, finish, .. }) = ended {
            self.end(End::Installed { message, finish, stays: true });
        }
    }

    fn end(&mut self, end: End) {
        let entry = self.entry.clone().map(|entry| Entry { ended: Some(end), ..entry });
        self.keep(entry);
    }

    fn keep(&mut self, entry: Option<Entry>) {
        self.entry = entry;
        // The next process would know less without it; an install must not fail for that.
        if let Err(error) = self.write() {
            tracing::warn!("{error:#}");
        }
    }

    fn write(&self) -> Result<()> {
        let about = || format!("cannot write {}", self.path.display());
        let Some(entry) = &self.entry else { return Ok(()) };
        let fresh = self.path.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(entry)?).with_context(about)?;
        std::fs::rename(&fresh, &self.path).with_context(about)
    }
}

impl Session {
    /// Goes on from where a crashed process of the agent was.
    pub(super) fn resume(&mut self) {
        let Some(entry) = self.checkpoint.entry.clone() else { return };
        self.restore_account();
        match entry.ended {
            Some(End::Failed(problem)) => {
                self.transition_to(Phase::Failed { disk: None, problem, seconds: None });
                return;
            }
            Some(End::Cancelled(message)) => {
                self.transition_to(Phase::Cancelled { message, seconds: None });
                return;
            }
            Some(End::Installed { message, finish, stays }) => {
                let shutdown = match stays {
                    true => PendingShutdown::new(finish, None),
                    false => self.shutdown_after_install(finish),
                };
                self.transition_to(Phase::Installed { message, shutdown, seconds: None });
                return;
            }
            None => {}
        }
        let during = entry.step.map_or("before its first step", Step::title);
        self.context.publisher.publish(Event::Warning {
            message: format!("The installer crashed ({during}) and restarted."),
        });
        if entry.attempts < ATTEMPTS {
            self.user.choices.disk = entry.chosen;
            return;
        }
        let problem = Problem {
            kind: "agent-crashed".to_owned(),
            step: entry.step.map(|step| step.to_string()),
            message: format!("The installer crashed {ATTEMPTS} times, the last time at: {during}."),
            hint: format!(
                "{} Look at the log, {}, and at `journalctl -u nixvm-agent`, then retry.",
                match entry.step {
                    // An earlier one of these attempts may have come further.
                    None | Some(Step::Partition) => "What was on the disk may be erased.",
                    Some(Step::Handover) =>
                        "If the system on the disk is complete, the next start of the installer boots it.",
                    Some(_) => "The disk will not boot. You can install to it again.",
                },
                crate::command::log::PATH
            ),
        };
        self.transition_to(Phase::Failed { disk: None, problem, seconds: None });
    }

    /// Brings back the password that was typed or generated, to be set or shown again.
    fn restore_account(&self) {
        let Some(saved) = Account::load(&self.checkpoint.account_path()) else { return };
        let origin = saved.origin;
        // That of the answers comes with them.
        if matches!(origin, PasswordOrigin::Typed | PasswordOrigin::Generated) {
            self.context.account.send_replace(saved);
            self.context.publisher.publish(Event::Password { origin });
        }
    }

    /// Ends an attempt that a crash interrupted after its receipt was written. `disk`: kernel name.
    pub(super) async fn end_interrupted(
        &mut self,
        disk: &str,
        receipt: &Receipt,
        finish: Finish,
    ) -> Result<Option<ExitAction>> {
        self.boot_installed(disk).await;
        self.enter_installed(format!("{} is installed on /dev/{disk}.", receipt.hostname), finish);
        self.wait_for_shutdown().await
    }

    fn enter_installed(&mut self, message: String, finish: Finish) {
        self.checkpoint.installed(&message, finish);
        let shutdown = self.shutdown_after_install(finish);
        self.transition_to(Phase::Installed { message, shutdown, seconds: None });
    }

    /// Hands the machine over to a disk that was installed earlier. `disk`: kernel name.
    pub(super) async fn boot_installed(&self, disk: &str) {
        let mut disks = self.inventory.disks.iter();
        let Some(disk) = disks.find(|one| one.device.name == disk) else { return };
        if let Err(error) = install::boot_installed(&self.runner, disk).await {
            let message = format!("{error:#}; the disk boots where the firmware tries it.");
            self.context.publisher.publish(Event::Warning { message });
        }
    }
}

#[cfg(test)]
mod tests;
