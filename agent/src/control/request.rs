//! Requests from the screen and D-Bus to the session, and their replies.

use std::fmt;

use nixvm_answers::answers::Finish;
use nixvm_answers::password::{PasswordHash, Secret};
use tokio::sync::{mpsc, oneshot};

use super::passphrase::Passphrase;

/// A request.
#[derive(Debug)]
pub enum Request {
    /// Install to this disk. Erasing what is on it is confirmed separately.
    Select {
        /// Kernel name.
        disk: String,
    },
    /// Carry out the plan of this token.
    Confirm {
        /// The plan's token.
        token: String,
    },
    /// Stop the countdown, the install, or a scheduled shutdown.
    Cancel,
    /// Try again after a failure, a refusal or a cancel.
    Retry,
    /// Restart the machine, switch it off, or cancel a scheduled shutdown.
    Finish {
        /// `Wait` cancels.
        how: Finish,
    },
    /// Use this password for the account.
    Password {
        /// Its hash.
        hash: PasswordHash,
    },
    /// Encrypt the disk with this passphrase.
    Passphrase {
        /// The passphrase.
        passphrase: Passphrase,
    },
    /// Use these answers, with precedence over all other sources.
    Answers {
        /// TOML, which may hold the hash of a password.
        toml: Secret,
        /// Keep the answers of earlier requests for the keys that these leave out.
        merge: bool,
    },
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// It does not apply in this state.
    WrongState {
        /// The state, as events name it.
        state: &'static str,
    },
    /// No disk of this name is attached.
    NoSuchDisk {
        /// The name.
        disk: String,
    },
    /// The disk can't be installed to.
    Ineligible {
        /// The name.
        disk: String,
        /// Why.
        reason: String,
    },
    /// The token is not that of the current plan.
    WrongToken,
    /// The answers are wrong.
    InvalidAnswers {
        /// A line for each mistake.
        problems: String,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongState { state } => write!(f, "this can't be done in the state {state}"),
            Self::NoSuchDisk { disk } => write!(f, "no disk {disk} is attached"),
            Self::Ineligible { disk, reason } => {
                write!(f, "{disk} can't be installed to: {reason}")
            }
            Self::WrongToken => {
                f.write_str("the token is not that of the current plan: look at the plan again")
            }
            Self::InvalidAnswers { problems } => write!(f, "the answers are wrong: {problems}"),
        }
    }
}

impl std::error::Error for RequestError {}

/// A request with the channel for its reply.
pub struct Message {
    /// The request.
    pub request: Request,
    /// Takes the reply, when the effect is published.
    pub reply: oneshot::Sender<Result<(), RequestError>>,
}

/// Sends requests to the session.
#[derive(Clone)]
pub struct InstallerHandle {
    sender: mpsc::Sender<Message>,
}

impl InstallerHandle {
    /// A handle, and the receiving end.
    pub fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(64);
        (Self { sender }, receiver)
    }

    /// Sends a request and waits for the reply.
    ///
    /// # Errors
    /// The request was refused, or the session has ended.
    pub async fn ask(&self, request: Request) -> Result<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        let gone = || RequestError::WrongState { state: "ended" };
        self.sender.send(Message { request, reply }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}
