//! What happens in an install → one line of JSON for each, the same for every reader.
//!
//! D-Bus's `Event` signal, the journal, the virtio serial port and `nixvm-agent watch --json` all
//! carry [`Record`]s. The last record of an attempt is always [`Event::AttemptEnded`]; only the delivery
//! of that end to a webhook follows it. [`schema`] describes them to programs.
//!
//! Keys are in snake_case, names of events, states, outcomes, steps and kinds in kebab-case. Readers
//! have to accept more than they know: within one [`VERSION`], events, keys, states, outcomes, steps
//! and kinds may be added. An unknown event or key is to be ignored; an unknown state, step or kind is
//! to be treated as unknown and its `message` shown; an unknown outcome is not a success.

mod disk;
#[cfg(test)]
pub(crate) mod examples;
pub mod publisher;
mod schema;
mod status;
mod step;
mod webhook;

use nixvm_answers::answers::Finish;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::machine::Machine;
use crate::plan::{Plan, Problem};

pub use disk::{DiskView, IneligibleView};
pub use publisher::Publisher;
pub use schema::schema;
pub use status::Status;
pub use step::Step;
pub use webhook::{Delivery, Webhook};

/// Version of the format; raised when a reader of the older one could misunderstand a record.
pub const VERSION: u32 = 1;

/// An event, numbered and dated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// [`VERSION`] of the format.
    pub version: u32,
    /// Counts from 1 since the agent started; a gap means that a record was missed.
    pub sequence: u64,
    /// Milliseconds since the machine was started: its clock may be wrong.
    pub uptime_ms: u64,
    /// The time of day in RFC 3339's form, in UTC. The machine's clock may be wrong: order by
    /// `sequence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[strum(serialize_all = "kebab-case")]
pub enum Event {
    /// The agent was started.
    AgentStarted {
        /// Version of the agent.
        agent_version: String,
        /// Build of the ISO.
        build_id: String,
    },
    /// The facts of the machine are known.
    Machine(Machine),
    /// The screen on tty1 was drawn for the first time.
    ScreenReady {
        /// Since the agent was started.
        duration_seconds: f64,
    },
    /// The disks that are attached, with what is to be said of each; again at each change.
    Disks {
        /// By kernel name.
        disks: Vec<DiskView>,
    },
    /// The state changed.
    State {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Why, or what is awaited, in a sentence.
        message: String,
    },
    /// What will be done is decided; it may have to be confirmed.
    Plan {
        /// The plan.
        plan: Box<Plan>,
        /// What to hand to `Confirm`.
        token: String,
    },
    /// The countdown goes on.
    Countdown {
        /// Until the first write.
        seconds_left: u32,
    },
    /// An attempt to install begins.
    AttemptStarted {
        /// Names the attempt in logs and on the disk.
        attempt: String,
    },
    /// A step begins.
    StepStarted {
        /// The step.
        step: Step,
    },
    /// Bytes of the system are on the target.
    Progress {
        /// Bytes copied.
        bytes_done: u64,
        /// Bytes to copy in all, known before the first one is.
        bytes_total: u64,
    },
    /// A step ended well.
    StepFinished {
        /// The step.
        step: Step,
        /// How long it took.
        duration_seconds: f64,
    },
    /// All that is known so far: the first record of `nixvm-agent watch --json`, and the value of
    /// D-Bus's property `Snapshot`.
    Snapshot(Box<Status>),
    /// Where the account's password comes from.
    Password {
        /// Its origin; the password itself is in no event.
        origin: PasswordOrigin,
    },
    /// Something worth knowing that stops nothing.
    Warning {
        /// A sentence.
        message: String,
    },
    /// What happens afterwards, and when: before the attempt's end, and again when it is stopped.
    FinishScheduled(ScheduledFinish),
    /// How far the delivery to the answers' webhook is, after the event of the attempt's end. A restart
    /// that is due waits for it.
    Webhook(Webhook),
    /// An attempt ended, or none could begin.
    AttemptEnded {
        /// How it ended.
        outcome: Outcome,
        /// What went wrong, if anything did.
        error: Option<Problem>,
        /// Since the attempt began; null if none did.
        duration_seconds: Option<f64>,
        /// The agent's resident memory at its highest, in bytes.
        peak_resident_bytes: u64,
    },
}

impl Event {
    /// The name in records.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// Where the account's password comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordOrigin {
    /// None is given yet; if none is by the time the account is set up, one is generated.
    #[default]
    Missing,
    /// The answers have its hash.
    Answers,
    /// It was typed on the screen.
    Typed,
    /// The installer generated it, and shows it on the screen.
    Generated,
}

/// What happens once there is nothing left to install, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledFinish {
    /// What happens.
    pub action: Finish,
    /// In milliseconds since the machine was started; null: only on request.
    pub at_uptime_ms: Option<u64>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The system is installed and the disk boots it.
    Installed,
    /// A step failed; the disk does not boot and is marked unfinished.
    Failed,
    /// It was not begun: the machine or the answers have to change first.
    Refused,
    /// It was stopped on request.
    Cancelled,
    /// The disk carries a complete installation already.
    AlreadyInstalled,
}

/// What the agent is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The machine is checked.
    #[default]
    Preflight,
    /// No disk can be used yet, or the one that is meant is not there, or others may be still to come: the
    /// installer waits for disks.
    WaitingForDisk,
    /// Several disks can be used; one has to be selected.
    ChoosingDisk,
    /// The plan is carried out when the countdown ends.
    Countdown,
    /// The plan is carried out once it is confirmed.
    AwaitingConfirmation,
    /// The plan is carried out.
    Installing,
    /// The system is installed.
    Installed,
    /// An attempt failed.
    Failed,
    /// This machine, or what was asked for, can't be installed.
    Refused,
    /// An attempt was stopped on request.
    Cancelled,
    /// A disk carries a complete installation.
    AlreadyInstalled,
}

impl Outcome {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::AlreadyInstalled => "already-installed",
        }
    }
}

impl State {
    /// Whether an attempt, or what there was instead of one, has ended: a verdict says how.
    pub fn is_end(self) -> bool {
        match self {
            Self::Preflight
            | Self::WaitingForDisk
            | Self::ChoosingDisk
            | Self::Countdown
            | Self::AwaitingConfirmation
            | Self::Installing => false,
            Self::Installed
            | Self::Failed
            | Self::Refused
            | Self::Cancelled
            | Self::AlreadyInstalled => true,
        }
    }

    /// Whether a plan is shown that can be confirmed.
    pub fn can_confirm(self) -> bool {
        matches!(self, Self::Countdown | Self::AwaitingConfirmation)
    }

    /// Whether an attempt runs or has ended: its plan and its steps still matter.
    pub fn has_attempt(self) -> bool {
        matches!(self, Self::Installing | Self::Installed | Self::Failed | Self::Cancelled)
    }

    /// The name on D-Bus and in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::WaitingForDisk => "waiting-for-disk",
            Self::ChoosingDisk => "choosing-disk",
            Self::Countdown => "countdown",
            Self::AwaitingConfirmation => "awaiting-confirmation",
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::AlreadyInstalled => "already-installed",
        }
    }
}
