//! `users` and `user` of a cloud-config → the one account that nixvm makes.

use super::cloud_config::{hash, plain};
use super::reading::Reading;
use super::yaml::{Node, Value};
use crate::account::FullName;
use crate::value::Invalid;

/// Which account it is, and what is said of it.
pub(super) enum Account<'n> {
    /// None is named: it is the ISO's.
    Unnamed,
    /// cloud-init's default account, named or described by `user`.
    Default(Description<'n>),
    /// An entry of `users`.
    Listed(Description<'n>),
}

/// A name alone, or a mapping.
pub(super) struct Description<'n> {
    node: &'n Node,
    name: &'n str,
}

impl Account<'_> {
    /// Whether top-level keys mean it.
    pub(super) fn is_default(&self) -> bool {
        !matches!(self, Self::Listed(_))
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        match self {
            Self::Unnamed => false,
            Self::Default(description) | Self::Listed(description) => description.name == name,
        }
    }
}

/// The first account that cloud-init would make for a person; the others are listed as ignored.
///
/// Without `users` that is the default account. In `users`, the word `default` stands for it; it
/// is a person's here only if `user` names it, since the ISO has no account of an image's maker.
pub(super) fn choose<'n>(
    users: Option<&'n Node>,
    user: Option<&'n Node>,
    reading: &mut Reading,
) -> Account<'n> {
    let mut default = user.and_then(|user| describe("user", user, reading));
    let Some(users) = users else {
        return default.map_or(Account::Unnamed, Account::Default);
    };
    let mut chosen = Account::Unnamed;
    for item in reading.items("users", users) {
        let is_default = matches!(&item.value, Value::Scalar { text, .. } if text == "default");
        let candidate = match is_default {
            true => default.take().map(Account::Default),
            false => describe("users", item, reading).map(Account::Listed),
        };
        let Some(candidate) = candidate else { continue };
        match (&chosen, &candidate) {
            (Account::Unnamed, _) => chosen = candidate,
            (_, Account::Default(other) | Account::Listed(other)) => {
                reading.ignore("users", other.name);
            }
            (_, Account::Unnamed) => {}
        }
    }
    if default.is_some() {
        // Without the word `default`, cloud-init does not make it either.
        reading.ignore("", "user");
    }
    chosen
}

/// An entry of `users`, unless it is root's or a service's.
fn describe<'n>(key: &str, node: &'n Node, reading: &mut Reading) -> Option<Description<'n>> {
    let Value::Mapping(_) = node.value else {
        let name = reading.text(key, node)?;
        return Some(Description { node, name });
    };
    let (mut name, mut service) = (None, false);
    for (key, value) in reading.entries(key, node) {
        match key {
            "name" => name = reading.text(key, value),
            "system" => service = !value.is_false(),
            _ => {}
        }
    }
    match name {
        Some(name) if name == "root" || service => {
            reading.ignore(key, name);
            None
        }
        Some(name) => Some(Description { node, name }),
        None => {
            reading.refuse(node, Invalid::new(format!("an entry of {key} has no name")));
            None
        }
    }
}

/// Reads what is said of the account.
pub(super) fn read(account: &Account<'_>, reading: &mut Reading) {
    let (key, description) = match account {
        Account::Unnamed => return,
        Account::Default(description) => ("user", description),
        Account::Listed(description) => ("users", description),
    };
    match description.name.parse() {
        Ok(name) => reading.answers.username = Some(name),
        Err(what) => reading.refuse(description.node, what),
    }
    if !matches!(description.node.value, Value::Mapping(_)) {
        return;
    }
    let (mut on_creation, mut always) = (None, None);
    // What `entries` says of the mapping itself was said when its name was read.
    let before = reading.wrong.len();
    let entries = reading.entries(key, description.node);
    reading.wrong.truncate(before);
    for (name, value) in entries {
        // cloud-init takes both spellings here.
        match name.replace('-', "_").as_str() {
            "name" | "system" => {}
            "gecos" => full_name(value, reading),
            "passwd" => on_creation = hash(name, value, reading),
            "hashed_passwd" => always = hash(name, value, reading),
            "plain_text_passwd" => reading.refuse(value, plain(name)),
            "ssh_authorized_keys" => {
                let keys = reading.keys(name, value);
                reading.add_keys(keys);
            }
            "lock_passwd" if value.is_false() => {}
            _ => reading.ignore(key, name),
        }
    }
    reading.answers.password_hash = always.or(on_creation);
}

/// The name in a comment field of passwd(5), before its first comma.
fn full_name(node: &Node, reading: &mut Reading) {
    let Some(text) = reading.text("gecos", node) else { return };
    let name = text.split(',').next().unwrap_or_default().trim();
    if name.is_empty() {
        return;
    }
    match name.parse::<FullName>() {
        Ok(name) => reading.answers.full_name = Some(name),
        Err(what) => reading.refuse(node, what),
    }
}
