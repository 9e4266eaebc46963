//! What somebody at the keyboard or on D-Bus asks for, and what the installer answers.

use std::fmt;

use nixvm_answers::answers::Finish;
use nixvm_answers::password::{PasswordHash, Secret};
use tokio::sync::{mpsc, oneshot};

/// Something asked for.
#[derive(Debug)]
pub enum Request {
    /// Install to this disk, by kernel name. What is on it is asked for separately.
    Select {
        /// Kernel name.
        disk: String,
    },
    /// Do what the plan of this token says.
    Confirm {
        /// The plan's token.
        token: String,
    },
    /// Stop the countdown, or the install.
    Cancel,
    /// Try again after a failure, a refusal or a cancel.
    Retry,
    /// Leave the installer.
    Finish {
        /// How.
        how: Finish,
    },
    /// Use this password for the account.
    Password {
        /// Its hash.
        hash: PasswordHash,
    },
    /// Use these answers, with precedence over all other sources.
    Answers {
        /// TOML, which may hold the hash of a password.
        toml: Secret,
        /// Keep the answers of earlier requests for the keys that these leave out.
        merge: bool,
    },
}

/// Why a request was not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// It makes no sense in this state.
    WrongState {
        /// What the agent is doing.
        state: &'static str,
    },
    /// No disk of this name is attached.
    NoSuchDisk {
        /// The name.
        disk: String,
    },
    /// That disk can't be installed to.
    Ineligible {
        /// The name.
        disk: String,
        /// Why.
        reason: String,
    },
    /// The token is not that of the plan that is shown.
    WrongToken,
    /// The answers are wrong.
    InvalidAnswers {
        /// All that is wrong with them.
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

/// A request on its way, with where the answer goes.
pub struct Message {
    /// What is asked for.
    pub request: Request,
    /// Takes the answer.
    pub reply: oneshot::Sender<Result<(), RequestError>>,
}

/// The way to the installer.
#[derive(Clone)]
pub struct InstallerHandle {
    sender: mpsc::Sender<Message>,
}

impl InstallerHandle {
    /// A handle, and where its requests arrive.
    pub fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(64);
        (Self { sender }, receiver)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The request was not followed.
    pub async fn ask(&self, request: Request) -> Result<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        let gone = || RequestError::WrongState { state: "ended" };
        self.sender.send(Message { request, reply }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}
