//! The mapping of a cloud-config → the answers in it.

use super::account::{self, Account};
use super::reading::Reading;
use super::yaml::{Node, Value};
use crate::keymap::Keymap;
use crate::password::PasswordHash;
use crate::value::Invalid;

pub(super) fn read(root: &Node, reading: &mut Reading) {
    let (mut hostname, mut fqdn) = (None, None);
    let (mut users, mut user, mut password, mut chpasswd) = (None, None, None, None);
    let mut keys = Vec::new();
    for (key, value) in reading.entries("cloud-config", root) {
        match key {
            "hostname" => hostname = Some(value),
            "fqdn" => fqdn = Some(value),
            "users" => users = Some(value),
            "user" => user = Some(value),
            "password" => password = Some(value),
            "chpasswd" => chpasswd = Some(value),
            "ssh_authorized_keys" | "ssh-authorized-keys" => keys.extend(reading.keys(key, value)),
            "timezone" => reading.answers.timezone = reading.value(key, value),
            "locale" => locale(value, reading),
            "keyboard" => keyboard(value, reading),
            _ => reading.ignore("", key),
        }
    }
    // As in cloud-init, the host name counts, and the full one only without it.
    match (hostname, fqdn) {
        (Some(hostname), _) => reading.set_hostname("hostname", hostname),
        (None, Some(fqdn)) => reading.set_hostname("fqdn", fqdn),
        (None, None) => {}
    }
    let account = account::choose(users, user, reading);
    account::read(&account, reading);
    reading.add_keys(keys);
    if let Some(password) = password {
        top_level_password(password, &account, reading);
    }
    if let Some(chpasswd) = chpasswd {
        change_passwords(chpasswd, &account, reading);
    }
}

/// The name of a locale in glibc, where `utf8` is `UTF-8`; `false` leaves the image's.
fn locale(node: &Node, reading: &mut Reading) {
    if node.is_false() {
        return;
    }
    let Some(text) = reading.text("locale", node) else { return };
    match text.replace(".utf8", ".UTF-8").replace(".utf-8", ".UTF-8").parse() {
        Ok(locale) => reading.answers.locale = Some(locale),
        Err(what) => reading.refuse(node, what),
    }
}

/// XKB's layout and variant, if there is a keymap of the console for them.
fn keyboard(node: &Node, reading: &mut Reading) {
    let (mut layout, mut variant) = (None, "");
    for (key, value) in reading.entries("keyboard", node) {
        match key {
            "layout" => layout = reading.text("keyboard.layout", value),
            "variant" => variant = reading.text("keyboard.variant", value).unwrap_or_default(),
            _ => reading.ignore("keyboard", key),
        }
    }
    match layout.map(|layout| Keymap::of_layout(layout, variant)) {
        Some(Some(keymap)) => reading.answers.keymap = Some(keymap),
        Some(None) => reading.ignore("keyboard", "layout"),
        None => {}
    }
}

/// `password` is that of the default account.
fn top_level_password(node: &Node, account: &Account<'_>, reading: &mut Reading) {
    let Some(hash) = hash("password", node, reading) else { return };
    match account.is_default() {
        true => set_password(hash, reading),
        false => reading.ignore("", "password"),
    }
}

/// Passwords by account, as lines `NAME:PASSWORD` or as mappings.
fn change_passwords(node: &Node, account: &Account<'_>, reading: &mut Reading) {
    for (key, value) in reading.entries("chpasswd", node) {
        match key {
            // That the first login has to change it is no answer; that it has not is what holds.
            "expire" if value.is_false() => {}
            "list" => match &value.value {
                Value::Sequence(items) => {
                    for item in items {
                        change_listed(item, account, reading);
                    }
                }
                _ => change_listed(value, account, reading),
            },
            "users" => {
                for item in reading.items("chpasswd.users", value) {
                    change_user(item, account, reading);
                }
            }
            _ => reading.ignore("chpasswd", key),
        }
    }
}

fn change_listed(node: &Node, account: &Account<'_>, reading: &mut Reading) {
    let Some(text) = reading.text("chpasswd.list", node) else { return };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(':') {
            Some((name, password)) => change(node, name, password, account, reading),
            None => reading.refuse(node, Invalid::new("a line of it has to be NAME:HASH")),
        }
    }
}

fn change_user(node: &Node, account: &Account<'_>, reading: &mut Reading) {
    let (mut name, mut password, mut random) = (None, None, false);
    for (key, value) in reading.entries("chpasswd.users", node) {
        match key {
            "name" => name = reading.text(key, value),
            "password" => password = reading.text(key, value),
            "type" => random = reading.text(key, value) == Some("RANDOM"),
            _ => reading.ignore("chpasswd.users", key),
        }
    }
    let Some(name) = name else { return };
    match password {
        _ if random => reading.ignore("chpasswd.users", name),
        Some(password) => change(node, name, password, account, reading),
        None => {}
    }
}

fn change(node: &Node, name: &str, text: &str, account: &Account<'_>, reading: &mut Reading) {
    // root has no password here, and a random one is made for an account without one anyway.
    if name == "root" || ["R", "RANDOM"].contains(&text) {
        reading.ignore("chpasswd", name);
    } else if !text.starts_with('$') {
        reading.refuse(node, plain("chpasswd"));
    } else if account.is_called(name) {
        match text.parse() {
            Ok(hash) => set_password(hash, reading),
            Err(what) => reading.refuse(node, what),
        }
    } else {
        reading.ignore("chpasswd", name);
    }
}

/// A password's hash; what does not begin like one is a password.
pub(super) fn hash(name: &str, node: &Node, reading: &mut Reading) -> Option<PasswordHash> {
    match reading.text(name, node)? {
        // shadow(5)'s locks: no password is given.
        "!" | "!!" | "*" => reading.ignore("", name),
        text if text.starts_with('$') => return reading.value(name, node),
        _ => reading.refuse(node, plain(name)),
    }
    None
}

fn set_password(hash: PasswordHash, reading: &mut Reading) {
    reading.answers.password_hash.get_or_insert(hash);
}

/// Why a password in plain text is refused.
pub(super) fn plain(name: &str) -> Invalid {
    Invalid::new(format!("{name} is a password in plain text, which is never taken")).hint(
        "give hashed_passwd in the entry of `users`, with what `mkpasswd -m yescrypt` prints in \
         'single quotes'",
    )
}
