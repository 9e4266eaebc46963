//! The session's state machine: its phases with their data, and the events that a change from one
//! to another publishes.
//!
//! ```text
//!                 disks, answers, requests, results of checks
//!                                      │
//!                                      v
//!   Deciding ─────────────────────> decide ──┬─> Preflight (a check runs) ──────┐
//!      ^                               ^     ├─> WaitingForDisk ────────────────┤
//!      │                               │     ├─> ChoosingDisk ──────────────────┤
//!      │                               │     ├─> AwaitingConfirmation <───┐ ────┤
//!      │                               │     │       │ Confirm         Cancel   │
//!      │                               │     │       │                    │     │
//!      │                               │     ├─> Countdown ───────────────┘ ────┤
//!      │                               │     │       │ the end, Confirm, or     │
//!      │                               │     │       v Retry of the same disk   │
//!      │                               │     │   Installing ─┬─> Installed      │
//!      │                               │     │               ├─> Failed         │
//!      │                               │     │               └─> Cancelled      │
//!      │                               │     ├─> Refused ───────────────────────┤
//!      │                               │     └─> AlreadyInstalled ──────────────┤
//!      │                               └── a change of disks, or a result ──────┘
//!      └── SelectDisk, SetAnswers, Retry: in any phase but Installing
//! ```
//!
//! Installed and AlreadyInstalled end in a restart or in switching the machine off.

use std::time::Instant;

use super::shutdown::PendingShutdown;
use crate::disk::identity::Identity;
use crate::event::{Event, Outcome, State};
use crate::plan::{Check, Plan, Problem};

/// What the session is doing.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// A request calls for a new decision. What is published stays that of the phase before until
    /// the decision is made.
    Deciding {
        before: Box<Phase>,
        retry: Option<Identity>,
    },
    /// Something is found out that the decision needs; `None` before the first decision.
    Preflight {
        check: Option<Check>,
        /// What the check is doing, a sentence, where it says so.
        doing: Option<String>,
        retry: Option<Identity>,
    },
    WaitingForDisk {
        message: String,
    },
    /// Kernel names of the disks that can be used.
    ChoosingDisk {
        candidates: Vec<String>,
    },
    Countdown(Countdown),
    /// `interrupted`: a countdown was stopped; otherwise the plan needs a confirmation.
    AwaitingConfirmation {
        plan: Box<Plan>,
        token: String,
        interrupted: bool,
    },
    Installing {
        plan: Box<Plan>,
    },
    /// `seconds` are unknown where an earlier process of the agent ran the attempt.
    Installed {
        message: String,
        shutdown: PendingShutdown,
        seconds: Option<f64>,
    },
    /// `disk` and `seconds` are unknown where an earlier process of the agent ran the attempt.
    Failed {
        disk: Option<Identity>,
        problem: Problem,
        seconds: Option<f64>,
    },
    Cancelled {
        message: String,
        seconds: Option<f64>,
    },
    Refused {
        problem: Problem,
    },
    /// `disk` is a kernel name.
    AlreadyInstalled {
        disk: String,
        hostname: String,
        shutdown: PendingShutdown,
    },
}

/// A countdown that runs.
#[derive(Clone, Debug)]
pub(super) struct Countdown {
    pub(super) plan: Box<Plan>,
    /// The plan's token.
    pub(super) token: String,
    pub(super) end: Instant,
    /// It ended while the screen could not show it, and was extended once.
    pub(super) extended: bool,
}

impl Phase {
    /// The phase that asks for a new decision. `retry`: the disk for which no countdown is needed.
    pub(super) fn decide_anew(self, retry: Option<Identity>) -> Self {
        let before = match self {
            Self::Deciding { before, .. } => before,
            other => Box::new(other),
        };
        Self::Deciding { before, retry }
    }

    pub(super) fn state(&self) -> State {
        match self {
            Self::Deciding { before, .. } => before.state(),
            Self::Preflight { .. } => State::Preflight,
            Self::WaitingForDisk { .. } => State::WaitingForDisk,
            Self::ChoosingDisk { .. } => State::ChoosingDisk,
            Self::Countdown(_) => State::Countdown,
            Self::AwaitingConfirmation { .. } => State::AwaitingConfirmation,
            Self::Installing { .. } => State::Installing,
            Self::Installed { .. } => State::Installed,
            Self::Failed { .. } => State::Failed,
            Self::Cancelled { .. } => State::Cancelled,
            Self::Refused { .. } => State::Refused,
            Self::AlreadyInstalled { .. } => State::AlreadyInstalled,
        }
    }

    /// Why it is so, or what is awaited, in a sentence.
    fn message(&self) -> String {
        match self {
            Self::Deciding { before, .. } => before.message(),
            Self::Preflight { check, doing, .. } => {
                let sentence = || check.as_ref().map(Check::sentence);
                doing.clone().or_else(sentence).unwrap_or_default()
            }
            Self::WaitingForDisk { message }
            | Self::Installed { message, .. }
            | Self::Cancelled { message, .. } => message.clone(),
            Self::ChoosingDisk { candidates } => {
                format!("Several disks can be used: {}.", candidates.join(", "))
            }
            Self::Countdown(_) => "The installation starts when the countdown ends.".to_owned(),
            Self::AwaitingConfirmation { interrupted: true, .. } => {
                "The countdown was stopped.".to_owned()
            }
            Self::AwaitingConfirmation { .. } => "Waiting for confirmation.".to_owned(),
            Self::Installing { plan } => plan.sentence(),
            Self::Failed { problem, .. } | Self::Refused { problem } => problem.message.clone(),
            // A receipt of another version does not say more.
            Self::AlreadyInstalled { disk, hostname, .. } if hostname.is_empty() => {
                format!("NixOS is already installed on {disk}.")
            }
            Self::AlreadyInstalled { disk, hostname, .. } => {
                format!("NixOS is already installed on {disk}, as {hostname}.")
            }
        }
    }

    /// The plan that can be confirmed, with its token.
    fn proposal(&self) -> Option<(&Plan, &str)> {
        match self {
            Self::Deciding { before, .. } => before.proposal(),
            Self::Countdown(Countdown { plan, token, .. })
            | Self::AwaitingConfirmation { plan, token, .. } => Some((&**plan, token)),
            _ => None,
        }
    }

    /// The token of the plan that can be confirmed.
    pub(super) fn token(&self) -> Option<&str> {
        self.proposal().map(|(_, token)| token)
    }

    /// Whether a retry was asked for of an attempt that failed on this disk.
    pub(super) fn is_retry_of(&self, disk: &Identity) -> bool {
        let (Self::Deciding { retry, .. } | Self::Preflight { retry, .. }) = self else {
            return false;
        };
        let retry = retry.as_ref();
        retry.is_some_and(|failed| failed.node == disk.node && failed.diskseq == disk.diskseq)
    }

    /// The retry that was asked for, for the next phase if that is still preflight.
    pub(super) fn retry(&self) -> Option<Identity> {
        match self {
            Self::Deciding { retry, .. } | Self::Preflight { retry, .. } => retry.clone(),
            _ => None,
        }
    }

    pub(super) fn shutdown(&self) -> Option<PendingShutdown> {
        match self {
            Self::Installed { shutdown, .. } | Self::AlreadyInstalled { shutdown, .. } => {
                Some(*shutdown)
            }
            _ => None,
        }
    }

    pub(super) fn with_shutdown(mut self, new: PendingShutdown) -> Self {
        if let Self::Installed { shutdown, .. } | Self::AlreadyInstalled { shutdown, .. } =
            &mut self
        {
            *shutdown = new;
        }
        self
    }

    /// How an attempt, or what there was instead of one, ended.
    fn verdict(&self) -> Option<Event> {
        let (outcome, error, seconds) = match self {
            Self::Installed { seconds, .. } => (Outcome::Installed, None, *seconds),
            Self::Failed { problem, seconds, .. } => (Outcome::Failed, Some(problem), *seconds),
            Self::Cancelled { seconds, .. } => (Outcome::Cancelled, None, *seconds),
            Self::Refused { problem } => (Outcome::Refused, Some(problem), None),
            Self::AlreadyInstalled { .. } => (Outcome::AlreadyInstalled, None, None),
            _ => return None,
        };
        let peak_resident_bytes = crate::machine::peak_resident_bytes();
        Some(Event::AttemptEnded {
            outcome,
            error: error.cloned(),
            duration_seconds: seconds,
            peak_resident_bytes,
        })
    }

    /// What a change from `before` to this phase publishes, all at once: no status shows an end
    /// without its verdict.
    pub(super) fn events_after(&self, before: &Self) -> Vec<Event> {
        let (from, to, message) = (before.state(), self.state(), self.message());
        let changed = from != to || before.message() != message;
        // A request that led to the same end as before gets a verdict of its own.
        let entered = changed || matches!(before, Self::Deciding { .. });
        let mut events = Vec::new();
        if changed {
            events.push(Event::State { from, to, message });
        }
        if let Some((plan, token)) = self.proposal()
            && before.token() != Some(token)
        {
            events.push(Event::Plan { plan: Box::new(plan.clone()), token: token.to_owned() });
        }
        if let Some(shutdown) = self.shutdown()
            && (entered || before.shutdown() != Some(shutdown))
        {
            events.push(Event::FinishScheduled(shutdown.event()));
        }
        if entered {
            events.extend(self.verdict());
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use nixvm_answers::answers::Finish;

    use super::*;

    fn names(to: &Phase, from: &Phase) -> Vec<&'static str> {
        to.events_after(from).iter().map(Event::name).collect()
    }

    fn preflight() -> Phase {
        Phase::Preflight { check: None, doing: None, retry: None }
    }

    fn countdown(disk: &str) -> Phase {
        let plan = Box::new(crate::plan::examples::plan(disk));
        let token = plan.token();
        Phase::Countdown(Countdown { plan, token, end: Instant::now(), extended: false })
    }

    fn interrupted(disk: &str) -> Phase {
        let plan = Box::new(crate::plan::examples::plan(disk));
        let token = plan.token();
        Phase::AwaitingConfirmation { plan, token, interrupted: true }
    }

    fn refused() -> Phase {
        Phase::Refused { problem: crate::event::examples::problem() }
    }

    fn already_installed() -> Phase {
        let shutdown = PendingShutdown::new(Finish::Reboot, Some(15));
        Phase::AlreadyInstalled { disk: "vda".to_owned(), hostname: "web".to_owned(), shutdown }
    }

    #[test]
    fn a_plan_is_published_once_for_its_token() {
        assert_eq!(names(&countdown("vda"), &preflight()), ["state", "plan"]);
        assert_eq!(names(&countdown("vda"), &countdown("vda")), [""; 0]);
        assert_eq!(names(&interrupted("vda"), &countdown("vda")), ["state"]);
        assert_eq!(names(&interrupted("vdb"), &interrupted("vda")), ["plan"]);
        assert_eq!(names(&countdown("vda"), &countdown("vda").decide_anew(None)), [""; 0]);
    }

    #[test]
    fn an_end_is_published_once_until_another_decision_is_asked_for() {
        assert_eq!(names(&refused(), &countdown("vda")), ["state", "attempt-ended"]);
        assert_eq!(names(&refused(), &refused()), [""; 0]);
        assert_eq!(names(&refused().decide_anew(None), &refused()), [""; 0]);
        assert_eq!(names(&refused(), &refused().decide_anew(None)), ["attempt-ended"]);
        let end = already_installed();
        assert_eq!(names(&end, &preflight()), ["state", "finish-scheduled", "attempt-ended"]);
        let stays = PendingShutdown::new(Finish::Reboot, None);
        assert_eq!(names(&end.clone().with_shutdown(stays), &end), ["finish-scheduled"]);
    }

    #[test]
    fn an_installed_disk_without_a_known_name_is_named_alone() {
        assert!(already_installed().message().ends_with("installed on vda, as web."));
        let shutdown = PendingShutdown::new(Finish::Reboot, None);
        let (disk, hostname) = ("vda".to_owned(), String::new());
        let unknown = Phase::AlreadyInstalled { disk, hostname, shutdown };
        assert!(unknown.message().ends_with("installed on vda."), "{}", unknown.message());
    }

    #[test]
    fn a_decision_that_is_due_shows_what_was_before() {
        let before = countdown("vda");
        let deciding = before.clone().decide_anew(None).decide_anew(None);
        assert_eq!(deciding.state(), State::Countdown);
        assert_eq!(deciding.token(), before.token());
        assert!(already_installed().decide_anew(None).shutdown().is_none(), "it leaves meanwhile");
    }

    #[test]
    fn a_retry_is_for_the_disk_that_failed_and_ends_with_any_other_phase() {
        let failed = Identity::of(&crate::disk::examples::disk("vda"));
        let other = Identity::of(&crate::disk::examples::disk("vdb"));
        let deciding = preflight().decide_anew(Some(failed.clone()));
        assert!(deciding.is_retry_of(&failed) && !deciding.is_retry_of(&other));
        let (check, retry) = (Some(Check::Network(None)), deciding.retry());
        let checking = Phase::Preflight { check, doing: None, retry };
        assert!(checking.is_retry_of(&failed));
        assert!(!countdown("vda").is_retry_of(&failed) && countdown("vda").retry().is_none());
    }
}
