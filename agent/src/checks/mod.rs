//! Questions that a plan depends on and that take time → their answers, before the first write.
//!
//! [`crate::plan`] is pure: what it needs to know beyond its facts it asks for by a [`Check`], which the
//! session has answered here and hands back among the facts as [`Checked`]. [`Check::Interfaces`] is an
//! action rather than a question: it sets up the live system's network, on which the others depend.

mod answers;
mod build;
pub(crate) mod configuration;
mod derivation;
pub(crate) mod facts;
mod follows;
pub(crate) mod https;
mod interfaces;
mod network;
mod proxy;
mod tls;
pub(crate) mod token;

use nixvm_manifest::Manifest;
use tokio::sync::watch;

use crate::command::Runner;
use crate::machine::Machine;
use crate::plan::{Check, Checked};

/// Tells what a check is doing.
pub struct Progress(watch::Sender<String>);

impl Progress {
    /// It, and where what it tells is heard: a sentence each time.
    pub fn new() -> (Self, watch::Receiver<String>) {
        let (sender, receiver) = watch::channel(String::new());
        (Self(sender), receiver)
    }

    fn say(&self, sentence: String) {
        self.0.send_if_modified(|before| {
            let is_new = *before != sentence;
            *before = sentence;
            is_new
        });
    }
}

/// Answers a check. Whatever goes wrong is part of the answer.
pub async fn answer(
    check: Check,
    runner: Runner,
    manifest: Manifest,
    machine: Machine,
    progress: Progress,
) -> Checked {
    match check {
        Check::Interfaces(wanted) => {
            let applied = interfaces::apply(&runner, &wanted).await;
            Checked { interfaces: Some((wanted, applied)), ..Checked::default() }
        }
        Check::Network(proxy) => {
            let found = network::check(&runner, proxy.as_ref()).await;
            Checked { network: Some((proxy, found)), ..Checked::default() }
        }
        Check::Build(wanted) => build::check(&runner, &manifest, wanted).await,
        Check::Answers(server) => answers::check(&manifest, &machine, server, &progress).await,
    }
}
