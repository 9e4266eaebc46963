//! [`Denied`] → D-Bus errors with names that programs can tell apart.

use zbus::{BoxDBusError, DBusError};

use crate::request::Denied;

/// Why a request was not followed: `org.nixvm.Installer1.Error.*`, each with a sentence.
#[derive(Debug, PartialEq, Eq, DBusError)]
#[zbus(prefix = "org.nixvm.Installer1.Error")]
pub(super) enum Error {
    /// It makes no sense in this state.
    NotNow(String),
    /// No such disk is attached.
    NoSuchDisk(String),
    /// That disk can't be installed to.
    IneligibleDisk(String),
    /// The token is not that of the current plan.
    WrongToken(String),
    /// The answers are wrong.
    InvalidAnswers(String),
    /// Nothing is planned.
    NoPlan(String),
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let error = match denied {
            Denied::NotNow { .. } => Self::NotNow,
            Denied::NoSuchDisk { .. } => Self::NoSuchDisk,
            Denied::Ineligible { .. } => Self::IneligibleDisk,
            Denied::WrongToken => Self::WrongToken,
            Denied::InvalidAnswers { .. } => Self::InvalidAnswers,
        };
        error(super::text(&denied.to_string()))
    }
}

impl From<Error> for BoxDBusError {
    fn from(error: Error) -> Self {
        Box::new(error)
    }
}
