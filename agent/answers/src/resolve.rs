//! The answers of several sources → [`Resolved`], or the problems of all of them.

use std::fmt;

use serde::Serialize;

use crate::account::{FullName, Username};
use crate::answers::{Countdown, Erase};
use crate::credential;
use crate::disk::DiskRule;
use crate::hostname::Hostname;
use crate::keymap::Keymap;
use crate::keys::Answers;
use crate::locale::Locale;
use crate::problem::{Problem, Problems};
use crate::proxy::Proxy;
use crate::source::{Source, Strength};
use crate::ssh::AuthorizedKey;
use crate::timezone::Timezone;

pub use crate::keys::{Resolved, Row};

/// The answers of one source, all of them checked.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceAnswers {
    /// Where they come from.
    pub source: Source,
    /// The answers.
    pub answers: Answers,
    /// What else is in it that nixvm has no answer for: keys, in the order of the text. Always empty
    /// for answers in nixvm's own format, where an unknown key is a problem.
    pub ignored: Vec<String>,
}

/// What a source says and nixvm has no answer for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The source.
    pub source: Source,
    /// Keys.
    pub keys: Vec<String>,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Enough to see what kind of keys they are, and few lines of a screen.
        const SHOWN: usize = 10;
        let shown = &self.keys[..self.keys.len().min(SHOWN)];
        write!(f, "Ignored in {}: {}", self.source, shown.join(", "))?;
        match self.keys.len() - shown.len() {
            0 => f.write_str("."),
            more => write!(f, ", and {more} more."),
        }
    }
}

/// The defaults that differ from one ISO to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Host name of the system that the ISO carries.
    pub hostname: Hostname,
    /// Login name in the system that the ISO carries.
    pub username: Username,
    /// Full name of that account's owner, if the system has one.
    pub full_name: Option<FullName>,
    /// Keymap of the system that the ISO carries, if its flake can be told another one.
    pub keymap: Option<Keymap>,
    /// Locale of the system that the ISO carries, likewise.
    pub locale: Option<Locale>,
    /// Time zone that is part of the system which the ISO carries; without one, it is the machine's.
    pub timezone: Option<Timezone>,
    /// Proxy of the system that the ISO carries, if it has one.
    pub proxy: Option<Proxy>,
    /// Time before the first write.
    pub countdown: Countdown,
}

/// The answers about consent of those sources alone that count on a kind of machine ([`Strength`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// When a disk may be erased without asking.
    pub erase: Erase,
    /// Time before the first write.
    pub countdown: Countdown,
    /// Which disk to install on.
    pub disk: Option<DiskRule>,
    /// Keys that may log in as root to the live system, where all consent is given.
    pub live_ssh_authorized_keys: Vec<AuthorizedKey>,
}

impl Default for Baseline {
    /// The strictest.
    fn default() -> Self {
        Self {
            erase: Erase::Confirm,
            countdown: Countdown::MAXIMUM,
            disk: None,
            live_ssh_authorized_keys: Vec::new(),
        }
    }
}

/// What decides about consent, for each kind of machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baselines {
    /// Of the sources that count on a virtual machine.
    pub virtual_machine: Baseline,
    /// Of the sources that count on a physical machine.
    pub physical: Baseline,
}

impl Baselines {
    /// The one of such a machine.
    pub fn of(&self, is_virtual: bool) -> &Baseline {
        if is_virtual { &self.virtual_machine } else { &self.physical }
    }
}

/// Merges the sources' answers: the source of the highest precedence decides each key, whole.
///
/// A list or a disk rule is never put together from two sources. The order of `found` does not
/// matter.
///
/// # Errors
/// The problems of all sources together, and two sources of the same rank. One broken source is
/// enough to refuse all: it may be the one that names the disk to spare.
pub fn resolve(
    found: impl IntoIterator<Item = Result<SourceAnswers, Problems>>,
    defaults: Defaults,
) -> Result<Resolved, Problems> {
    let mut problems = Vec::new();
    let mut given = Vec::new();
    for result in found {
        match result {
            Ok(one) => given.push(one),
            Err(found) => problems.extend(found),
        }
    }
    given.sort_by(|a, b| a.source.rank().cmp(&b.source.rank()).then(a.source.cmp(&b.source)));
    for pair in given.windows(2) {
        let one_thing = matches!(pair[0].source, Source::SystemCredential { .. });
        if pair[0].source.rank() == pair[1].source.rank() && !one_thing {
            problems.push(Problem::whole(
                pair[1].source.clone(),
                format!("there are other answers of the same rank: {}", pair[0].source),
                Some("remove all but one of them"),
            ));
        }
    }
    Problems::none_or(problems, ())?;
    leave_out_other_accounts(&mut given, &defaults);
    let mut resolved = Resolved::from_sorted(&given, &defaults);
    given.retain(|one| one.source.strength() != Strength::Nowhere);
    resolved.baselines.virtual_machine = baseline(&given, &defaults);
    given.retain(|one| one.source.strength() == Strength::Everywhere);
    resolved.baselines.physical = baseline(&given, &defaults);
    Ok(resolved)
}

fn baseline(given: &[SourceAnswers], defaults: &Defaults) -> Baseline {
    let resolved = Resolved::from_sorted(given, defaults);
    Baseline {
        erase: resolved.erase.value,
        countdown: resolved.countdown.value,
        disk: resolved.disk.map(|rule| rule.value),
        live_ssh_authorized_keys: resolved.live_ssh_authorized_keys.value,
    }
}

/// A credential that names an account counts for no other one.
fn leave_out_other_accounts(given: &mut [SourceAnswers], defaults: &Defaults) {
    let username = given.iter().find_map(|one| one.answers.username.clone());
    let username = username.unwrap_or_else(|| defaults.username.clone());
    for one in given {
        let Source::SystemCredential { name } = &one.source else { continue };
        if credential::account(name).is_some_and(|account| account != username.as_str()) {
            one.answers = Answers::default();
            one.ignored.push(format!("all of it, since the account is called {username}"));
        }
    }
}

#[cfg(test)]
mod tests;
