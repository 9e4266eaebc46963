//! Questions that a plan depends on and that take time → their answers, before the first write.
//!
//! [`crate::plan`] is pure: what it needs to know beyond its facts it asks for by a [`Check`], which the
//! session has answered here and hands back among the facts as [`Checked`].

mod build;
pub(crate) mod configuration;
mod derivation;
mod follows;
mod interfaces;
mod network;

use nixvm_manifest::Manifest;

use crate::command::Runner;
use crate::plan::{Check, Checked};

/// Answers a check. Whatever goes wrong is part of the answer.
pub async fn answer(check: Check, runner: Runner, manifest: Manifest) -> Checked {
    match check {
        Check::Interfaces(wanted) => {
            let applied = interfaces::apply(&runner, &wanted).await;
            Checked { interfaces: Some((wanted, applied)), ..Checked::default() }
        }
        Check::Network => {
            let network = Some(network::check(&runner).await);
            Checked { network, ..Checked::default() }
        }
        Check::Build(wanted) => build::check(&runner, &manifest, wanted).await,
    }
}
