//! Questions that a plan depends on and that take time → their answers, before the first write.
//!
//! [`crate::plan`] is pure: what it needs to know beyond its facts it asks for by a [`Check`], which the
//! installer has answered here and hands back among the facts as [`Checked`].

mod build;
mod derivation;
mod network;

use nixvm_answers::answers::Network;
use nixvm_manifest::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::Runner;
use crate::configuration::Configuration;

pub(crate) use build::nix;
pub use build::{FEATURES, OFFLINE};
pub use network::Unreachable;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Does the network work?
    Network,
    /// Can this system be built here?
    Build(Wanted),
}

/// A system that the ISO does not carry built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who the machine will be.
    pub configuration: Configuration,
    /// Whether the network may be used.
    pub network: Network,
}

/// A system that can be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Buildable {
    /// Store path of its derivation.
    pub derivation: String,
    /// Store path that the system will have.
    pub toplevel: String,
    /// Derivations to be built here.
    pub builds: usize,
    /// Store paths to be downloaded.
    pub downloads: usize,
    /// It takes the network.
    pub online: bool,
}

/// What is known so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Whether the network works.
    pub network: Option<Result<(), Unreachable>>,
    /// The system that was asked about last, and whether it can be built; if not, what is missing.
    pub build: Option<(Wanted, Result<Buildable, String>)>,
}

impl Checked {
    /// Takes in what another check found out.
    pub fn add(&mut self, other: Self) {
        self.network = other.network.or(self.network.take());
        self.build = other.build.or(self.build.take());
    }
}

impl Check {
    /// What is being found out, a sentence.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Network => "Checking the network.",
            Self::Build(_) => "Checking that the system can be built before anything is erased.",
        }
    }

    /// Finds out. Whatever goes wrong is part of the answer.
    pub async fn answer(self, runner: Runner, manifest: Manifest) -> Checked {
        match self {
            Self::Network => {
                let network = Some(network::check(&runner).await);
                Checked { network, ..Checked::default() }
            }
            Self::Build(wanted) => build::check(&runner, &manifest, wanted).await,
        }
    }
}
