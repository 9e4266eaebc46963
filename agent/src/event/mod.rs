//! What happens in an install → one line of JSON for each, the same for every reader.
//!
//! The enum is the contract with whoever watches: D-Bus's `Event` signal, the journal, the virtio
//! serial port and `nixvm-agent watch --json` all carry [`Record`]s. The last record of an attempt is
//! always [`Event::Verdict`]. [`schema`] describes them to programs.

#[cfg(test)]
pub(crate) mod examples;
pub mod publisher;
mod schema;
mod status;
mod step;

use nixvm_answers::answers::Finish;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::Condition;
use crate::machine::Machine;
use crate::plan::{Plan, Problem};

pub use publisher::Publisher;
pub use schema::schema;
pub use status::Status;
pub use step::Step;

/// Version of the format; raised when a reader of the older one could misunderstand a record.
pub const VERSION: u32 = 1;

/// An event, numbered and dated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// [`VERSION`] of the format.
    pub version: u32,
    /// Counts from 1 since the agent started; a gap means that a record was missed.
    pub sequence: u64,
    /// Milliseconds since the machine was started: its clock may be wrong.
    pub uptime_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "event")]
pub enum Event {
    /// The agent runs.
    Started {
        /// Version of the agent.
        agent: String,
        /// Build of the ISO.
        build_id: String,
    },
    /// The facts of the machine are known.
    Machine(Machine),
    /// The screen on tty1 was drawn for the first time.
    ScreenReady {
        /// Since the agent was started.
        seconds: f64,
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
    /// What will be done is decided, up to consent.
    Plan {
        /// All of it.
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
    Installing {
        /// Names the attempt in logs and on the disk.
        attempt: String,
    },
    /// A step begins.
    StepStarted {
        /// Which one.
        step: Step,
    },
    /// Bytes of the system are on the target.
    Progress {
        /// So many.
        bytes_done: u64,
        /// Of so many, known before the first one.
        bytes_total: u64,
    },
    /// A step ended well.
    StepFinished {
        /// Which one.
        step: Step,
        /// How long it took.
        seconds: f64,
    },
    /// All that is known so far, for somebody who was not there: only ever the first record of
    /// `nixvm-agent watch --json`, and what D-Bus's `Snapshot` property says.
    Snapshot(Box<Status>),
    /// Where the account's password comes from.
    Password {
        /// Its origin; the password itself is in no event.
        origin: PasswordOrigin,
    },
    /// Something that the user should know and that stops nothing.
    Warning {
        /// A sentence.
        message: String,
    },
    /// What follows by itself; before the verdict, and again when somebody stops it.
    FinishScheduled(ScheduledFinish),
    /// An attempt ended. Nothing follows unless somebody steers.
    Verdict {
        /// How.
        outcome: Outcome,
        /// What went wrong, unless nothing did.
        error: Option<Problem>,
        /// Since the attempt began; none if none did.
        seconds: Option<f64>,
        /// The agent's resident memory at its highest, in bytes.
        peak_resident_bytes: u64,
    },
}

impl Event {
    /// The name in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Machine(_) => "machine",
            Self::ScreenReady { .. } => "screen-ready",
            Self::Disks { .. } => "disks",
            Self::State { .. } => "state",
            Self::Plan { .. } => "plan",
            Self::Countdown { .. } => "countdown",
            Self::Installing { .. } => "installing",
            Self::StepStarted { .. } => "step-started",
            Self::Progress { .. } => "progress",
            Self::StepFinished { .. } => "step-finished",
            Self::Snapshot(_) => "snapshot",
            Self::Password { .. } => "password",
            Self::Warning { .. } => "warning",
            Self::FinishScheduled(_) => "finish-scheduled",
            Self::Verdict { .. } => "verdict",
        }
    }
}

/// Where the account's password comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordOrigin {
    /// Nobody has said one yet. Nobody does until the account is set up: one is made up.
    #[default]
    Missing,
    /// The answers have its hash.
    Answers,
    /// Somebody typed it.
    Typed,
    /// The installer made it up; it is shown on the screen, once.
    Generated,
}

/// When and how the machine will be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ScheduledFinish {
    /// How.
    pub how: Finish,
    /// When, in milliseconds since the machine was started; none: when somebody says so.
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
    /// No disk can be used; the installer waits for one to be attached.
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

/// A disk as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DiskView {
    /// The kernel's name.
    pub name: String,
    /// Node, size, model and serial number in a line.
    pub summary: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What its content means.
    #[serde(flatten)]
    pub condition: Condition,
    /// What would be lost.
    pub contents: Vec<String>,
    /// Why it can't be used.
    pub ineligible: Option<String>,
}
