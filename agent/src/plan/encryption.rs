//! The layout, and what is known of a passphrase → where it comes from, for a disk that is encrypted.

use std::fmt;

use nixvm_answers::{Resolved, Source};
use nixvm_manifest::layout::mappings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Facts, Refusal};

/// Where the passphrase of an encrypted disk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PassphraseOrigin {
    /// It was typed on a console.
    Typed,
    /// The system credential `nixvm.passphrase` has it.
    Credential,
}

impl fmt::Display for PassphraseOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Typed => "typed on the console",
            Self::Credential => "from the system credential nixvm.passphrase",
        })
    }
}

/// Where the passphrase comes from; none where nothing is encrypted.
///
/// # Errors
/// It is missing, or the one that was given can't be used.
pub(super) fn origin(
    facts: &Facts<'_>,
    answers: &Resolved,
) -> Result<Option<PassphraseOrigin>, Refusal> {
    if mappings(&facts.manifest.layout).is_empty() {
        return Ok(None);
    }
    let missing = |problem: Option<&str>| {
        let typed_with = typed_keymap(answers).to_owned();
        let installed = answers.keymap.as_ref().map(|keymap| keymap.value.as_str().to_owned());
        Refusal::NoPassphrase {
            problem: problem.map(str::to_owned),
            other_keymap: installed.filter(|installed| *installed != typed_with),
            keymap: typed_with,
        }
    };
    match facts.passphrase {
        Some(Ok(origin)) => Ok(Some(origin)),
        Some(Err(problem)) => Err(missing(Some(problem))),
        None => Err(missing(None)),
    }
}

/// The keymap that the live system starts with.
pub const INITIAL_KEYMAP: &str = "us";

/// The keymap to type with in the live system. That of the installed system by default is not an answer:
/// another host's may be anything.
pub fn typed_keymap(answers: &Resolved) -> &str {
    let keymap = answers.keymap.as_ref().filter(|keymap| keymap.source != Source::Default);
    keymap.map_or(INITIAL_KEYMAP, |keymap| keymap.value.as_str())
}
