//! An answers file and options → the answers file with what the options say.

use anyhow::{Result, bail};
use nixvm_answers::account::Username;
use nixvm_answers::answers::{Erase, Finish};
use nixvm_answers::disk::DiskRule;
use nixvm_answers::hostname::Hostname;
use nixvm_answers::password::PasswordHash;
use nixvm_answers::ssh::AuthorizedKey;
use toml_edit::{Array, DocumentMut, value};

/// What the options of a command line say. Each replaces the whole value of its key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `hostname`.
    pub hostname: Option<Hostname>,
    /// `username`.
    pub username: Option<Username>,
    /// `ssh-authorized-keys`; none leaves them alone.
    pub ssh_keys: Vec<AuthorizedKey>,
    /// `password-hash`.
    pub password_hash: Option<PasswordHash>,
    /// `disk`, which has a short form.
    pub disk: Option<DiskRule>,
    /// `erase`.
    pub erase: Option<Erase>,
    /// `finish`.
    pub finish: Option<Finish>,
}

impl Options {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Sets in `text` what `options` say and leaves the rest as it is, comments included.
///
/// # Errors
/// It is not TOML.
pub fn apply(text: &str, options: &Options) -> Result<String> {
    // A byte order mark would be in the middle of the area.
    let text = text.trim_start_matches('\u{feff}');
    if options.is_empty() {
        return Ok(text.to_owned());
    }
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        // The parser's own message shows the line, in which there may be a secret.
        bail!("the answers to begin with are not TOML");
    };
    let mut set = |key: &str, text: Option<&str>| {
        if let Some(text) = text {
            document[key] = value(text);
        }
    };
    set("hostname", options.hostname.as_ref().map(Hostname::as_str));
    set("username", options.username.as_ref().map(Username::as_str));
    set("password-hash", options.password_hash.as_ref().map(PasswordHash::reveal));
    set("disk", options.disk.as_ref().map(DiskRule::to_string).as_deref());
    set("erase", options.erase.map(Into::into));
    set("finish", options.finish.map(Into::into));
    if !options.ssh_keys.is_empty() {
        let keys: Array = options.ssh_keys.iter().map(AuthorizedKey::as_str).collect();
        document["ssh-authorized-keys"] = value(keys);
    }
    Ok(document.to_string())
}
