//! A session whose disks and answers are given, for tests of what it publishes.

mod arrivals;
mod outcomes;
mod requests;

use nixvm_answers::document;
use nixvm_answers::source::Source;
use tokio::sync::{oneshot, watch};

use super::arrivals::Arrivals;
use super::examples::{Running, session};
use super::*;
use crate::control::request::{InstallerHandle, Request, RequestError};
use crate::disk::watch::Attached;
use crate::event::Step;
use crate::install::TargetState;

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
