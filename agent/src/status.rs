//! Events → [`Status`], what is known at a moment: what D-Bus's properties and the screen show.
//!
//! A fold and nothing else: whoever has all events has the status.

use crate::event::{DiskView, Event, Outcome, Problem, State};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::step::Step;

/// What is known at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
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
    pub steps_done: Vec<(Step, f64)>,
    /// Bytes on the target.
    pub bytes_done: u64,
    /// Bytes that there will be.
    pub bytes_total: u64,
    /// Warnings of this attempt.
    pub warnings: Vec<String>,
    /// How the last attempt ended.
    pub outcome: Option<Outcome>,
    /// What went wrong.
    pub problem: Option<Problem>,
}

impl Status {
    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started { build_id, .. } => self.build_id.clone_from(build_id),
            Event::Machine(machine) => self.machine = Some(machine.clone()),
            Event::ScreenReady { .. } => {}
            Event::Disks { disks } => self.disks.clone_from(disks),
            Event::State { to, message, .. } => {
                self.state = *to;
                self.message.clone_from(message);
                self.countdown = None;
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
            Event::Installing { .. } => {
                self.step = None;
                self.steps_done.clear();
                self.bytes_done = 0;
                self.bytes_total = 0;
                self.warnings.clear();
                self.outcome = None;
                self.problem = None;
            }
            Event::StepStarted { step } => self.step = Some(*step),
            Event::Progress { bytes_done, bytes_total } => {
                self.bytes_done = *bytes_done;
                self.bytes_total = *bytes_total;
            }
            Event::StepFinished { step, seconds } => self.steps_done.push((*step, *seconds)),
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::Verdict { outcome, error, .. } => {
                self.outcome = Some(*outcome);
                self.problem.clone_from(error);
            }
        }
    }

    /// How much of the copy is done, from 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.outcome == Some(Outcome::Finished) {
            return 1.0;
        }
        if self.bytes_total == 0 {
            return 0.0;
        }
        self.bytes_done as f64 / self.bytes_total as f64
    }
}
