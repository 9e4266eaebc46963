//! Events → [`Status`], what is known at a moment: what D-Bus's properties and the screen show.
//!
//! A fold and nothing else: whoever has all events has the status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Step;
use crate::event::{
    DiskView, Event, Outcome, PasswordOrigin, Record, ScheduledFinish, State, Webhook,
};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::plan::Problem;

/// What is known at a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Number of the last record taken in; a record that carries a status has it itself.
    #[serde(skip)]
    pub sequence: u64,
    /// Version of the agent.
    pub agent_version: String,
    /// Build of the ISO.
    pub build_id: String,
    /// What the agent is doing.
    pub state: State,
    /// Why, or what is awaited.
    pub message: String,
    /// The machine, once it was looked at.
    pub machine: Option<Machine>,
    /// Disks that are attached.
    pub disks: Vec<DiskView>,
    /// What is proposed, or what the last attempt carries out.
    pub plan: Option<Plan>,
    /// What to hand to `Confirm`; empty while there is nothing to confirm.
    pub token: String,
    /// Seconds until the first write, while it counts.
    pub countdown: Option<u32>,
    /// The running step, or the last that ran.
    pub step: Option<Step>,
    /// Steps that ended well, with their seconds.
    #[serde(with = "steps")]
    #[schemars(with = "Vec<steps::Done>")]
    pub steps_done: Vec<(Step, f64)>,
    /// Bytes copied.
    pub bytes_done: u64,
    /// Bytes to copy in all; 0 before that is known.
    pub bytes_total: u64,
    /// Where the account's password comes from.
    pub password: PasswordOrigin,
    /// Warnings of this attempt.
    pub warnings: Vec<String>,
    /// What happens once there is nothing left to install.
    pub finish: Option<ScheduledFinish>,
    /// Whether the webhook was told how the last attempt ended, if the answers have one.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// How the last attempt ended.
    pub outcome: Option<Outcome>,
    /// What went wrong.
    pub error: Option<Problem>,
    /// How long the last attempt took, once it has ended.
    pub duration_seconds: Option<f64>,
    /// The agent's resident memory at its highest, in bytes, when the last attempt had ended.
    pub peak_resident_bytes: u64,
}

impl Status {
    /// Takes a record in.
    pub fn take(&mut self, record: &Record) {
        self.apply(&record.event);
        self.sequence = record.sequence;
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::AgentStarted { agent_version, build_id } => {
                // A new agent knows nothing of what an earlier one did.
                *self = Self {
                    agent_version: agent_version.clone(),
                    build_id: build_id.clone(),
                    ..Self::default()
                };
            }
            Event::Snapshot(status) => self.clone_from(status),
            Event::Machine(machine) => self.machine = Some(machine.clone()),
            Event::ScreenReady { .. } => {}
            Event::Disks { disks } => self.disks.clone_from(disks),
            Event::State { to, message, .. } => {
                let before = std::mem::replace(&mut self.state, *to);
                self.message.clone_from(message);
                self.countdown = None;
                self.finish = None;
                // What went wrong before is not what is going on now; a verdict follows if it is.
                self.forget_outcome();
                if !to.can_confirm() {
                    self.token.clear();
                }
                if to.has_attempt() {
                    return;
                }
                self.forget_steps();
                // A countdown that was stopped is for the same plan. Any other plan follows as an
                // event of its own.
                if !(before.can_confirm() && to.can_confirm()) {
                    self.plan = None;
                    self.token.clear();
                }
            }
            Event::Plan { plan, token } => {
                self.plan = Some(Plan::clone(plan));
                self.token.clone_from(token);
            }
            Event::Countdown { seconds_left } => self.countdown = Some(*seconds_left),
            Event::AttemptStarted { .. } => {
                self.forget_steps();
                self.warnings.clear();
                self.webhook = None;
                self.forget_outcome();
            }
            Event::StepStarted { step } => self.step = Some(*step),
            Event::Progress { bytes_done, bytes_total } => {
                self.bytes_done = *bytes_done;
                self.bytes_total = *bytes_total;
            }
            Event::StepFinished { step, duration_seconds } => {
                self.steps_done.push((*step, *duration_seconds));
            }
            Event::Password { origin } => self.password = *origin,
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::FinishScheduled(finish) => self.finish = Some(*finish),
            Event::Webhook(webhook) => self.webhook = Some(webhook.clone()),
            Event::AttemptEnded { outcome, error, duration_seconds, peak_resident_bytes } => {
                self.outcome = Some(*outcome);
                self.error.clone_from(error);
                self.duration_seconds = *duration_seconds;
                self.peak_resident_bytes = *peak_resident_bytes;
            }
        }
    }

    /// The end of the last attempt, unless something else has begun since.
    pub fn attempt_ended(&self) -> Option<Event> {
        Some(Event::AttemptEnded {
            outcome: self.outcome?,
            error: self.error.clone(),
            duration_seconds: self.duration_seconds,
            peak_resident_bytes: self.peak_resident_bytes,
        })
    }

    fn forget_steps(&mut self) {
        self.step = None;
        self.steps_done.clear();
        self.bytes_done = 0;
        self.bytes_total = 0;
    }

    fn forget_outcome(&mut self) {
        self.outcome = None;
        self.error = None;
        self.duration_seconds = None;
        self.peak_resident_bytes = 0;
    }

    /// How much of the copy is done, from 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.outcome == Some(Outcome::Installed) {
            return 1.0;
        }
        if self.bytes_total == 0 {
            return 0.0;
        }
        (self.bytes_done as f64 / self.bytes_total as f64).min(1.0)
    }
}

/// Pairs of steps and seconds ↔ objects with names.
mod steps {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::event::Step;

    /// A step that ended well.
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Done {
        /// The step.
        step: Step,
        /// How long it took.
        duration_seconds: f64,
    }

    pub(super) fn serialize<S: Serializer>(
        done: &[(Step, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            done.iter().map(|&(step, duration_seconds)| Done { step, duration_seconds }),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(Step, f64)>, D::Error> {
        let done = Vec::<Done>::deserialize(deserializer)?;
        Ok(done.into_iter().map(|done| (done.step, done.duration_seconds)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::event::VERSION;
    use crate::event::examples;

    fn record(sequence: u64, event: Event) -> Record {
        Record { version: VERSION, sequence, uptime_ms: 0, time: None, event }
    }

    proptest! {
        /// Whatever happens in whatever order.
        #[test]
        fn who_joins_late_knows_the_same(
            events in prop::collection::vec(select(examples::install()), 0..40),
            joins in 0_usize..40,
        ) {
            let mut early = Status::default();
            let mut late = Status::default();
            for (number, event) in (0_u64..).zip(&events) {
                if number == joins as u64 {
                    let snapshot = record(number, Event::Snapshot(Box::new(early.clone())));
                    let json = serde_json::to_string(&snapshot).unwrap();
                    late.take(&serde_json::from_str(&json).unwrap());
                }
                early.take(&record(number + 1, event.clone()));
                late.take(&record(number + 1, event.clone()));
                prop_assert!((0.0..=1.0).contains(&early.progress()));
            }
            if joins < events.len() {
                prop_assert_eq!(early, late);
            }
        }
    }

    /// Whatever came before, a state shows nothing of a plan or an attempt that is not its own.
    #[test]
    fn each_state_shows_its_own_plan_and_steps_only() {
        let mut full = Status::default();
        examples::install().iter().for_each(|event| full.apply(event));
        let plan = crate::plan::examples::plan("vda");
        full.apply(&Event::Plan { token: plan.token(), plan: Box::new(plan) });
        full.countdown = Some(3);
        let enter = |from: State, to: State| {
            let mut status = Status { state: from, ..full.clone() };
            status.apply(&Event::State { from, to, message: "m".to_owned() });
            status
        };
        for to in [
            State::Preflight,
            State::WaitingForDisk,
            State::ChoosingDisk,
            State::Countdown,
            State::AwaitingConfirmation,
            State::Refused,
            State::AlreadyInstalled,
        ] {
            let status = enter(State::Failed, to);
            assert_eq!((&status.plan, &*status.token), (&None, ""), "{to:?}");
            assert_eq!((status.step, status.steps_done.len()), (None, 0), "{to:?}");
            assert_eq!((status.bytes_done, status.bytes_total), (0, 0), "{to:?}");
            assert_eq!((status.countdown, status.finish), (None, None), "{to:?}");
        }
        for to in [State::Installing, State::Installed, State::Failed, State::Cancelled] {
            let status = enter(State::Installing, to);
            assert!(status.plan.is_some() && status.step.is_some(), "{to:?}");
            assert_eq!((&*status.token, status.countdown, status.finish), ("", None, None));
        }
        let status = enter(State::Countdown, State::AwaitingConfirmation);
        assert_eq!((&status.plan, &status.token), (&full.plan, &full.token));
        assert_eq!(status.countdown, None);
        // What the issue was: a refusal that comes after a plan.
        assert_eq!(enter(State::Countdown, State::Refused).plan, None);
    }

    #[test]
    fn an_error_is_gone_when_something_else_goes_on() {
        let mut status = Status::default();
        examples::records().for_each(|record| status.take(&record));
        assert!(status.error.is_some() && status.attempt_ended().is_some());
        let message = "m".to_owned();
        status.apply(&Event::State { from: State::Failed, to: State::Countdown, message });
        assert_eq!((status.error.clone(), status.attempt_ended()), (None, None));
    }
}
