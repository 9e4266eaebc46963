//! [`RequestError`] → D-Bus errors with names that programs can tell apart.

use zbus::{BoxDBusError, DBusError};

use crate::control::request::RequestError;

/// Why a request was not followed: `org.nixvm.Installer1.Error.*`, each with a sentence.
#[derive(Debug, PartialEq, Eq, DBusError)]
#[zbus(prefix = "org.nixvm.Installer1.Error")]
pub(super) enum Error {
    /// It makes no sense in this state.
    WrongState(String),
    /// No such disk is attached.
    NoSuchDisk(String),
    /// That disk can't be installed to.
    IneligibleDisk(String),
    /// The token is not that of the current plan.
    WrongToken(String),
    /// The answers are wrong.
    InvalidAnswers(String),
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        let kind = match error {
            RequestError::WrongState { .. } => Self::WrongState,
            RequestError::NoSuchDisk { .. } => Self::NoSuchDisk,
            RequestError::Ineligible { .. } => Self::IneligibleDisk,
            RequestError::WrongToken => Self::WrongToken,
            RequestError::InvalidAnswers { .. } => Self::InvalidAnswers,
        };
        kind(super::text(&error.to_string()))
    }
}

impl From<Error> for BoxDBusError {
    fn from(error: Error) -> Self {
        Box::new(error)
    }
}
