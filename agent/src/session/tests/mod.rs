//! A session whose disks and answers are given, for tests of what it publishes.

mod arrivals;
mod outcomes;
mod requests;

use nixvm_answers::document;
use nixvm_answers::source::Source;
use tokio::sync::{oneshot, watch};

use super::arrivals::Arrivals;
use super::*;
use crate::control::request::{InstallerHandle, Request, RequestError};
use crate::disk::watch::Attached;
use crate::event::Step;
use crate::install::TargetState;

/// A session that has seen no disk come for long, on a virtual machine, and the handle that sends it requests.
pub(super) fn session() -> (Session, InstallerHandle) {
    let manifest =
        nixvm_manifest::parse(include_str!("../../../manifest/fixtures/manifest.json")).unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let (handle, requests) = InstallerHandle::new();
    let context = SessionContext {
        manifest,
        machine: crate::machine::examples::machine(),
        source_answers: Vec::new(),
        attached: watch::Sender::new(Attached::default()).subscribe(),
        rescan: None,
        requests,
        publisher: Publisher::new(Vec::new()),
        log: Arc::new(Log::open(log.path()).unwrap()),
        account: watch::Sender::new(Account::default()),
        shows_password: true,
        checkpoint_path: log.path().with_extension("checkpoint"),
        install: |_| Box::pin(std::future::pending()),
    };
    let mut session = Session::new(context);
    session.arrivals = Arrivals::long_ago();
    (session, handle)
}

fn fails(step: Step, error: anyhow::Error) -> Result<Installed, Failure> {
    Err(Failure { step, error, disk: TargetState::Unfinished })
}

/// An installer that has a blank disk and these answers, and does nothing yet.
fn asking(answers: &str) -> (Session, (watch::Sender<Attached>, InstallerHandle)) {
    let (mut session, handle) = session();
    let attached = watch::Sender::new(Attached::default());
    session.context.attached = attached.subscribe();
    session.inventory.disks = vec![crate::disk::examples::disk("vda")];
    session.user.answers = Some(document::parse(answers.as_bytes(), Source::Request));
    (session, (attached, handle))
}

/// Asks for something, and returns where the answer arrives.
fn take(session: &mut Session, request: Request) -> oneshot::Receiver<Result<(), RequestError>> {
    let (reply, answer) = oneshot::channel();
    session.handle_request(Message { request, reply });
    answer
}
