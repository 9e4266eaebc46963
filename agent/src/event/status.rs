//! Events → [`Status`], what is known at a moment: what D-Bus's properties and the screen show.
//!
//! A fold and nothing else: whoever has all events has the status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Step;
use crate::event::{DiskView, Event, Outcome, PasswordOrigin, Record, ScheduledFinish, State};
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
    /// What will be or is being done.
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
                self.state = *to;
                self.message.clone_from(message);
                self.countdown = None;
                self.finish = None;
                // What went wrong before is not what is going on now; a verdict follows if it is.
                self.forget_outcome();
                if *to != State::Consent {
                    self.token.clear();
                }
                if matches!(to, State::Preflight | State::WaitingForDisk | State::Choosing) {
                    self.plan = None;
                }
            }
            Event::Plan { plan, token } => {
                self.plan = Some(Plan::clone(plan));
                self.token.clone_from(token);
            }
            Event::Countdown { seconds_left } => self.countdown = Some(*seconds_left),
            Event::AttemptStarted { .. } => {
                self.step = None;
                self.steps_done.clear();
                self.bytes_done = 0;
                self.bytes_total = 0;
                self.warnings.clear();
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

    fn forget_outcome(&mut self) {
        self.outcome = None;
        self.error = None;
        self.duration_seconds = None;
        self.peak_resident_bytes = 0;
    }

    /// How much of the copy is done, from 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.outcome == Some(Outcome::Finished) {
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

    #[test]
    fn an_error_is_gone_when_something_else_goes_on() {
        let mut status = Status::default();
        examples::records().for_each(|record| status.take(&record));
        assert!(status.error.is_some() && status.attempt_ended().is_some());
        let message = "m".to_owned();
        status.apply(&Event::State { from: State::Failed, to: State::Consent, message });
        assert_eq!((status.error.clone(), status.attempt_ended()), (None, None));
    }
}
