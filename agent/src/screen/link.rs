//! An interface's end of the installer: what it shows and asks, for a thread that waits for file
//! descriptors.

use std::sync::mpsc;
use std::time::Instant;

use nixvm_answers::hashing;
use nixvm_answers::password::Secret;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::ScreenContext;
use super::facts::Facts;
use super::model::{Clock, Model};
use super::terminal;
use super::wake::Wake;
use crate::control::account::Account;
use crate::control::request::{Request, RequestError};
use crate::event::Status;
use crate::format::clock::uptime_ms;

/// An answer that has come.
enum Reply {
    Request(Result<(), RequestError>),
    Password(Result<(), String>),
}

/// The installer, as an interface sees it.
pub(super) struct Link {
    pub(super) context: ScreenContext,
    pub(super) wake: Wake,
    pub(super) status: watch::Receiver<Status>,
    account: watch::Receiver<Account>,
    runtime: Handle,
    replies: (mpsc::Sender<Reply>, mpsc::Receiver<Reply>),
    /// Read once, in the interface's own thread.
    facts: Option<Facts>,
    /// It was shown once.
    pub(super) ready: bool,
}

impl Link {
    pub(super) fn new(context: ScreenContext, wake: Wake, runtime: Handle) -> Self {
        let (status, account) = (context.publisher.status(), context.account.subscribe());
        let replies = mpsc::channel();
        Self { context, wake, status, account, runtime, replies, facts: None, ready: false }
    }

    /// A model that has taken nothing in.
    pub(super) fn model(&mut self) -> Model {
        let log_path = self.context.log.path().display().to_string();
        let facts = self.facts.get_or_insert_with(|| Facts::of(&self.context.manifest)).clone();
        Model::new(clock(), log_path, terminal::is_console(&self.context.terminal), facts)
    }

    /// Notes whether a password is being typed on this terminal.
    pub(super) fn set_typing(&self, typing: bool) {
        let terminal = &self.context.terminal;
        self.context.account.send_if_modified(|account| match typing {
            true => account.typing.insert(terminal.clone()),
            false => account.typing.remove(terminal),
        });
    }

    /// Sends a request; the reply wakes the interface up.
    pub(super) fn ask(&self, request: Request) {
        let (handle, wake, reply) =
            (self.context.handle.clone(), self.wake.clone(), self.replies.0.clone());
        self.runtime.spawn(async move {
            let _interface_gone = reply.send(Reply::Request(handle.ask(request).await));
            wake.call();
        });
    }

    /// Hashes a password and asks the installer to use it.
    pub(super) fn use_password(&self, password: Secret) {
        let (handle, wake, reply) =
            (self.context.handle.clone(), self.wake.clone(), self.replies.0.clone());
        self.runtime.spawn(async move {
            let hashed = tokio::task::spawn_blocking(move || hashing::hash(&password)).await;
            let result = match hashed {
                Ok(Ok(hash)) => {
                    handle.ask(Request::Password { hash }).await.map_err(|error| error.to_string())
                }
                Ok(Err(invalid)) => Err(invalid.message),
                Err(_) => Err("it could not be hashed".to_owned()),
            };
            let _interface_gone = reply.send(Reply::Password(result));
            wake.call();
        });
    }

    /// Hands the replies that have come to the model; says whether there were any.
    pub(super) fn take_replies(&self, model: &mut Model) -> bool {
        let mut any = false;
        while let Ok(reply) = self.replies.1.try_recv() {
            any = true;
            match reply {
                Reply::Request(answer) => model.answered(answer),
                Reply::Password(answer) => model.password_answered(answer),
            }
        }
        any
    }

    /// Shows the model the account, if it has changed or `always`; says whether it did.
    pub(super) fn take_account(&mut self, model: &mut Model, always: bool) -> bool {
        let changed = self.account.has_changed().unwrap_or(false) || always;
        if changed {
            let account = self.account.borrow_and_update();
            model.generated.clone_from(&account.generated);
            model.expired = account.expired;
        }
        changed
    }
}

/// The present.
pub(super) fn clock() -> Clock {
    Clock { now: Instant::now(), uptime_ms: uptime_ms() }
}
