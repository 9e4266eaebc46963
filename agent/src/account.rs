//! The account's secrets while an install runs: typed on the screen, set by the answers, or generated.
//!
//! Shared by the screen, the session and the account step, and never part of an event.

use nixvm_answers::password::{PasswordHash, Secret};

use crate::event::PasswordOrigin;

/// How the account can be logged in to.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The password's hash.
    pub password: Option<PasswordHash>,
    /// Where it comes from.
    pub origin: PasswordOrigin,
    /// The password itself where the installer made it up: to be shown, once, and nowhere but on the
    /// screen.
    pub generated: Option<Secret>,
    /// The first login has to change it.
    pub expired: bool,
    /// Lines for `authorized_keys`.
    pub keys: Vec<String>,
    /// A password is being typed.
    pub typing: bool,
}
