//! Exit codes.

use std::fmt;
use std::process::{ExitCode, Termination};

use crate::event::Outcome;

/// What a script can branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done; of `watch`: the system is installed.
    Done = 0,
    /// Something failed; of `watch`: the install.
    Failed = 1,
    // 2 is clap's: the command line is wrong.
    /// The installer refuses to begin.
    Refused = 3,
    /// It was cancelled.
    Cancelled = 4,
    /// A disk carries a finished install.
    AlreadyInstalled = 5,
    /// There is no installer to talk to.
    Unreachable = 6,
    /// The installer refused the request: it makes no sense now.
    RequestRefused = 7,
    /// This user may not do that.
    PermissionDenied = 8,
}

/// What `--help` says of them.
pub(super) const HELP: &str = "\
Exit codes:
  0  done; of `watch`: the system is installed
  1  something failed; of `watch`: the install
  2  the command line is wrong
  3  `watch`: the installer refuses to begin
  4  `watch`: the install was cancelled
  5  `watch`: a disk carries a finished install
  6  the installer is not running, or can't be reached
  7  the installer refused the request: wrong state, token, disk or answers
  8  permission denied: every user may watch, only root may control

Documentation of the D-Bus interface: busctl introspect \
org.nixvm.Installer1 /org/nixvm/Installer1";

impl From<Outcome> for Code {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Installed => Self::Done,
            Outcome::Failed => Self::Failed,
            Outcome::Refused => Self::Refused,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::AlreadyInstalled => Self::AlreadyInstalled,
        }
    }
}

impl Code {
    /// The code for an error: its [`Failure`]'s, if it is one.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        error.downcast_ref::<Failure>().map_or(Self::Failed, |failure| failure.code)
    }
}

impl Termination for Code {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// An error with a code of its own.
#[derive(Debug)]
pub(super) struct Failure {
    /// The code.
    pub(super) code: Code,
    /// What happened, and what to do.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_every_code() {
        let codes = [
            Code::Done,
            Code::Failed,
            Code::Refused,
            Code::Cancelled,
            Code::AlreadyInstalled,
            Code::Unreachable,
            Code::RequestRefused,
            Code::PermissionDenied,
        ];
        for code in codes {
            assert!(HELP.contains(&format!("\n  {}  ", code as u8)), "{code:?}");
        }
    }

    #[test]
    fn a_failure_keeps_its_code_through_contexts() {
        let error = anyhow::Error::from(Failure::new(Code::RequestRefused, "no")).context("outer");
        assert_eq!(Code::of(&error), Code::RequestRefused);
        assert_eq!(Code::of(&anyhow::anyhow!("other")), Code::Failed);
    }
}
