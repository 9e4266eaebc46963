//! What the agent is doing → a file that survives a crash, and how the next process goes on from it.
//!
//! systemd restarts the agent when it crashes. The disk itself says that an installation on it is
//! unfinished; the user's choice of a disk and how the last attempt ended are kept here. The file is
//! in memory: a restart of the machine removes it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Session;
use super::state::Phase;
use crate::disk::identity::Identity;
use crate::event::{Event, Step};
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
    /// The last step that started.
    step: Option<Step>,
    ended: Option<End>,
}

/// An end of an attempt that needs a request to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    Failed(Problem),
    /// With the message that was shown.
    Cancelled(String),
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

    /// An attempt begins.
    pub(super) fn begin(&mut self, chosen: Option<Identity>) {
        let attempts = self.entry.as_ref().filter(|e| e.ended.is_none()).map_or(0, |e| e.attempts);
        self.keep(Some(Entry { chosen, attempts: attempts + 1, step: None, ended: None }));
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

    /// It succeeded: there is nothing to go on from.
    pub(super) fn clear(&mut self) {
        self.keep(None);
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
        let Some(entry) = &self.entry else {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).with_context(about)
                }
                _ => Ok(()),
            };
        };
        let fresh = self.path.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(entry)?).with_context(about)?;
        std::fs::rename(&fresh, &self.path).with_context(about)
    }
}

impl Session {
    /// Goes on from where a crashed process of the agent was.
    pub(super) fn resume(&mut self) {
        let Some(entry) = self.checkpoint.entry.clone() else { return };
        match entry.ended {
            Some(End::Failed(problem)) => {
                self.transition_to(Phase::Failed { disk: None, problem, seconds: None });
                return;
            }
            Some(End::Cancelled(message)) => {
                self.transition_to(Phase::Cancelled { message, seconds: None });
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
                        "If the system on the disk is complete, the next start of the ISO boots it.",
                    Some(_) => "The disk will not boot. You can install to it again.",
                },
                crate::log::PATH
            ),
        };
        self.transition_to(Phase::Failed { disk: None, problem, seconds: None });
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
mod tests {
    use super::super::tests::session;
    use super::*;
    use crate::event::State;
    use crate::event::examples::problem;

    fn checkpoint() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.json");
        (folder, path)
    }

    /// A session after a crash that left this checkpoint.
    fn successor(path: PathBuf) -> Session {
        let (mut session, _handle) = session();
        session.checkpoint = Checkpoint::open(path);
        session.resume();
        session
    }

    fn has_failed(session: &Session) -> bool {
        matches!(session.phase, Phase::Failed { .. })
    }

    #[test]
    fn a_choice_is_remembered_and_the_step_is_named() {
        let (_folder, path) = checkpoint();
        let chosen = Identity::of(&crate::disk::examples::disk("vdb"));
        let mut before = Checkpoint::open(path.clone());
        before.begin(Some(chosen.clone()));
        before.step(Step::System);
        let after = successor(path);
        assert_eq!(after.user.choices.disk, Some(chosen));
        assert!(!has_failed(&after));
        let warnings = after.context.publisher.status().borrow().warnings.clone();
        assert!(warnings[0].contains("Copy the system"), "{warnings:?}");
    }

    #[test]
    fn an_installer_that_keeps_dying_stops_trying() {
        let (_folder, path) = checkpoint();
        for attempt in 1..=ATTEMPTS {
            Checkpoint::open(path.clone()).begin(None);
            let after = successor(path.clone());
            assert_eq!(has_failed(&after), attempt == ATTEMPTS, "{attempt}");
        }
        let mut checkpoint = Checkpoint::open(path.clone());
        checkpoint.failed(problem());
        checkpoint.begin(None);
        assert!(!has_failed(&successor(path)), "an end of its own starts the count anew");
    }

    #[test]
    fn a_failure_stands_until_it_is_retried() {
        let (_folder, path) = checkpoint();
        let mut before = Checkpoint::open(path.clone());
        before.begin(None);
        before.failed(problem());
        let after = successor(path.clone());
        assert!(has_failed(&after));
        let status = after.context.publisher.status().borrow().clone();
        assert_eq!((status.state, status.message), (State::Failed, problem().message));
        before.clear();
        assert!(!path.exists());
        assert!(!has_failed(&successor(path)));
    }

    #[test]
    fn nonsense_is_no_journal() {
        let (_folder, path) = checkpoint();
        std::fs::write(&path, "{\"attempts\": ").unwrap();
        assert!(!has_failed(&successor(path)));
    }
}
