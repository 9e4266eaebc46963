//! The account's secrets while an install runs: typed on a console, set by the answers, or generated.
//!
//! Shared by the screen, the session and the account step, and never part of an event. A file in
//! memory keeps what an agent that crashes would lose, see [`save`](Account::save).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nixvm_answers::password::{PasswordHash, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::command::private_file;
use crate::event::PasswordOrigin;

/// How the account can be logged in to.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The password's hash.
    pub password: Option<PasswordHash>,
    /// Where it comes from.
    pub origin: PasswordOrigin,
    /// The password itself where the installer made it up: to be shown, once, and nowhere but on the
    /// screen and in dialogues.
    pub generated: Option<Secret>,
    /// The first login has to change it.
    pub expired: bool,
    /// Lines for `authorized_keys`.
    pub keys: Vec<String>,
    /// The terminals on which a password is being typed.
    pub typing: BTreeSet<PathBuf>,
}

/// The form of the file: the only place where the secrets are written in clear.
#[derive(Serialize, Deserialize)]
struct Saved {
    password: Option<Zeroizing<String>>,
    origin: PasswordOrigin,
    generated: Option<Zeroizing<String>>,
    expired: bool,
}

impl Account {
    /// Writes the password and where it comes from to a file that root alone may read. Keys and
    /// typing are not kept: the answers are read again, and who typed begins anew.
    ///
    /// The file belongs in a folder in memory: it is gone after a restart of the machine.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let clear = |text: &str| Zeroizing::new(text.to_owned());
        let saved = Saved {
            password: self.password.as_ref().map(|hash| clear(hash.reveal())),
            origin: self.origin,
            generated: self.generated.as_ref().map(|secret| clear(secret.reveal())),
            expired: self.expired,
        };
        let bytes = Zeroizing::new(serde_json::to_vec(&saved)?);
        private_file::write(path, &bytes)
    }

    /// What [`save`](Self::save) wrote; `None` if there is no such file, or it is damaged.
    pub fn load(path: &Path) -> Option<Self> {
        let bytes = Zeroizing::new(std::fs::read(path).ok()?);
        let Saved { password, origin, generated, expired } = serde_json::from_slice(&bytes).ok()?;
        let password = match password {
            Some(hash) => Some(hash.parse().ok()?),
            None => None,
        };
        let generated = generated.map(|text| Secret::new(text.to_string()));
        Some(Self { password, origin, generated, expired, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_generated_password_is_kept_and_root_alone_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account");
        assert!(Account::load(&path).is_none());
        let hash = format!("$6$salt${}.", "a".repeat(85));
        let account = Account {
            password: Some(hash.parse().unwrap()),
            origin: PasswordOrigin::Generated,
            generated: Some(Secret::new("abcd-efgh".to_owned())),
            expired: true,
            ..Account::default()
        };
        for _ in 0..2 {
            account.save(&path).unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        let found = Account::load(&path).unwrap();
        assert_eq!((found.password, found.generated), (account.password, account.generated));
        assert_eq!((found.origin, found.expired), (PasswordOrigin::Generated, true));
        std::fs::write(&path, "{").unwrap();
        assert!(Account::load(&path).is_none());
    }
}
