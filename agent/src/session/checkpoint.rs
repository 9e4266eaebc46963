//! What the installer was doing → a file that survives it, and what that means for the one that
//! comes after it.
//!
//! systemd starts the agent again when it dies. The disk says by itself that an install on it was
//! not finished; what only somebody's choice said, and how the last attempt ended, is in here. The
//! file is in memory: a restart of the machine begins anew.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Session;
use crate::disk::identity::Identity;
use crate::event::Step;
use crate::event::{Event, Outcome, State};
use crate::install;
use crate::plan::Problem;

/// Where the checkpoint is.
pub const PATH: &str = "/run/nixvm/checkpoint.json";

/// Attempts that may end by the installer's own death before it stops trying.
const ATTEMPTS: u32 = 3;

/// What the installer was doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Entry {
    /// The disk that somebody chose, where somebody did.
    chosen: Option<Identity>,
    /// Attempts in a row that did not come to an end of their own.
    attempts: u32,
    /// The step that was begun last.
    step: Option<Step>,
    /// How the attempt ended, if it did.
    ended: Option<End>,
}

/// An end that somebody has to deal with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct End {
    state: State,
    message: String,
    outcome: Outcome,
    problem: Option<Problem>,
}

/// The file, and what it says.
pub(super) struct Checkpoint {
    path: PathBuf,
    entry: Option<Entry>,
}

impl Checkpoint {
    /// Reads the file at `path`; one that can't be read says nothing.
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

    /// It ended, and not well.
    pub(super) fn end(
        &mut self,
        state: State,
        message: &str,
        outcome: Outcome,
        problem: Option<Problem>,
    ) {
        let end = End { state, message: message.to_owned(), outcome, problem };
        let entry = self.entry.clone().map(|entry| Entry { ended: Some(end), ..entry });
        self.keep(entry);
    }

    /// Nothing of it matters any more.
    pub(super) fn clear(&mut self) {
        self.keep(None);
    }

    fn keep(&mut self, entry: Option<Entry>) {
        self.entry = entry;
        // Without it, a successor would know less; an install must not fail for that.
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
    /// Takes up what an installer that died has left: says so, and goes on as it would have.
    pub(super) fn take_over(&mut self) {
        let Some(entry) = self.checkpoint.entry.clone() else { return };
        if let Some(End { state, message, outcome, problem }) = entry.ended {
            self.ended = true;
            self.end(state, &message, None, outcome, problem, None);
            return;
        }
        let during = entry.step.map_or("before its first step", Step::title);
        self.context.publisher.publish(Event::Warning {
            message: format!("The session itself ended unexpectedly ({during}) and was restarted."),
        });
        if entry.attempts < ATTEMPTS {
            self.choices.disk = entry.chosen;
            return;
        }
        let problem = Problem {
            kind: "agent-crashed".to_owned(),
            message: format!(
                "The session itself ended unexpectedly, {ATTEMPTS} times, the last time at: {during}."
            ),
            hint: format!(
                "{} Look at the log, {}, and at `journalctl -u nixvm-agent`, then retry.",
                match entry.step {
                    // An earlier one of these attempts may have come further.
                    None | Some(Step::Partition) => "What was on the disk may be erased.",
                    Some(Step::Handover) =>
                        "If the system on the disk is complete, the next start of the ISO boots it.",
                    Some(_) => "The disk does not boot and may be installed to again.",
                },
                crate::log::PATH
            ),
            step: entry.step.map(|step| step.to_string()),
        };
        self.ended = true;
        let message = problem.message.clone();
        self.end(State::Failed, &message, None, Outcome::Failed, Some(problem), None);
    }

    /// Hands the machine over to a disk that was installed earlier.
    pub(super) async fn boot_installed(&self, disk: &str) {
        let Some(disk) = self.disks.iter().find(|one| one.device.name == disk) else { return };
        if let Err(error) = install::boot_installed(&self.runner, disk).await {
            let message = format!("{error:#}; the disk boots where the firmware tries it.");
            self.context.publisher.publish(Event::Warning { message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn checkpoint() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.json");
        (folder, path)
    }

    /// An installer that comes after one that left this checkpoint.
    fn successor(path: PathBuf) -> Session {
        let (mut session, _desk) = testing::session();
        session.checkpoint = Checkpoint::open(path);
        session.take_over();
        session
    }

    #[test]
    fn what_somebody_chose_is_remembered_and_the_step_is_said() {
        let (_folder, path) = checkpoint();
        let chosen = Identity::of(&testing::disk("vdb"));
        let mut before = Checkpoint::open(path.clone());
        before.begin(Some(chosen.clone()));
        before.step(Step::System);
        let after = successor(path);
        assert_eq!(after.choices.disk, Some(chosen));
        assert!(!after.ended);
        let warnings = after.context.publisher.status().borrow().warnings.clone();
        assert!(warnings[0].contains("Copy the system"), "{warnings:?}");
    }

    #[test]
    fn an_installer_that_keeps_dying_stops_trying() {
        let (_folder, path) = checkpoint();
        for attempt in 1..=ATTEMPTS {
            Checkpoint::open(path.clone()).begin(None);
            let after = successor(path.clone());
            assert_eq!(after.ended, attempt == ATTEMPTS, "{attempt}");
        }
        let mut checkpoint = Checkpoint::open(path.clone());
        checkpoint.end(State::Failed, "m", Outcome::Failed, None);
        checkpoint.begin(None);
        assert!(!successor(path).ended, "an end of its own starts the count anew");
    }

    #[test]
    fn a_failure_that_nobody_has_dealt_with_is_still_one() {
        let (_folder, path) = checkpoint();
        let mut before = Checkpoint::open(path.clone());
        before.begin(None);
        before.end(State::Failed, "It failed.", Outcome::Failed, None);
        let after = successor(path.clone());
        assert!(after.ended);
        let status = after.context.publisher.status().borrow().clone();
        assert_eq!((status.state, &*status.message), (State::Failed, "It failed."));
        before.clear();
        assert!(!path.exists());
        assert!(!successor(path).ended);
    }

    #[test]
    fn nonsense_is_no_journal() {
        let (_folder, path) = checkpoint();
        std::fs::write(&path, "{\"attempts\": ").unwrap();
        assert!(!successor(path).ended);
    }
}
