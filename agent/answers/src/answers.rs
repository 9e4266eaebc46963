//! [`Answers`]: everything that may be said before an install, each of it optional.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use crate::account::{FullName, Username};
use crate::disk::DiskRule;
use crate::hostname::Hostname;
use crate::password::PasswordHash;
use crate::ssh::AuthorizedKey;
use crate::value::{Invalid, quote};

/// What one source says. What it leaves out, the next source may say, and the defaults at last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "nixvm answers", description = "What nixvm is told before it installs.")]
pub struct Answers {
    /// The installed system's host name, without a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// Login name of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<Username>,
    /// Full name of the account's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<FullName>,
    /// The account's password as `mkpasswd` writes it; asked for on the screen if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// Public keys that may log in to the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_authorized_keys: Option<Vec<AuthorizedKey>>,
    /// Which disk to install on; needed if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DiskForms>")]
    pub disk: Option<DiskRule>,
    /// When a disk may be erased without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase: Option<Erase>,
    /// Seconds between showing the plan and the first write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countdown: Option<Countdown>,
    /// What to do after the install.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// Whether the install may, must or must not use the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
}

/// The two ways to write a disk rule.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum DiskForms {
    /// `smallest`, `largest`, `only`, a path below `/dev`, or `KEY=VALUE,…`.
    Short(String),
    /// The parts one by one.
    Table(DiskRule),
}

impl Answers {
    /// The keys, as they are written, in the order in which they are shown.
    pub const KEYS: [&str; 10] = [
        "hostname",
        "username",
        "full-name",
        "password-hash",
        "ssh-authorized-keys",
        "disk",
        "erase",
        "countdown",
        "finish",
        "network",
    ];

    /// These answers, and `other`'s for the keys that these leave out.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            hostname: self.hostname.or(other.hostname),
            username: self.username.or(other.username),
            full_name: self.full_name.or(other.full_name),
            password_hash: self.password_hash.or(other.password_hash),
            ssh_authorized_keys: self.ssh_authorized_keys.or(other.ssh_authorized_keys),
            disk: self.disk.or(other.disk),
            erase: self.erase.or(other.erase),
            countdown: self.countdown.or(other.countdown),
            finish: self.finish.or(other.finish),
            network: self.network.or(other.network),
        }
    }
}

/// Defines the choices of a key, written in kebab-case.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
            Display, EnumString, IntoStaticStr, VariantNames,
        )]
        #[serde(rename_all = "kebab-case")]
        #[strum(serialize_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }
    };
}

choices! {
    /// When a disk may be erased without asking.
    Erase {
        /// Only if there is nothing on it.
        Blank,
        /// Never: always ask.
        Confirm,
        /// Whatever is on it, provided that `disk` selects exactly one.
        Any,
    }
}

choices! {
    /// What to do after the install.
    Finish {
        /// Boot the installed system.
        Reboot,
        /// Switch the machine off.
        Poweroff,
        /// Wait for somebody.
        Wait,
    }
}

choices! {
    /// Whether the install may, must or must not use the network.
    Network {
        /// Use it if it is there.
        Auto,
        /// Do not begin without it.
        Required,
        /// Leave it alone.
        None,
    }
}

/// The choice called `text`.
///
/// # Errors
/// There is none; all of them are named.
pub fn choice<T: FromStr + VariantNames>(text: &str) -> Result<T, Invalid> {
    text.parse().map_err(|_| {
        let all = T::VARIANTS.join("\", \"");
        Invalid::new(format!("{} is not one of the choices", quote(text)))
            .hint(format!("write one of \"{all}\""))
    })
}

/// Seconds to wait before the first write, so that somebody may object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Countdown(u32);

impl Countdown {
    /// Seconds. More is a mistake, and looks like an installer that hangs.
    pub const LONGEST: u32 = 3600;

    /// A countdown of this many seconds.
    ///
    /// # Errors
    /// It is less than 0 or more than [`Self::LONGEST`].
    pub fn from_seconds(seconds: i64) -> Result<Self, Invalid> {
        match u32::try_from(seconds) {
            Ok(seconds @ 0..=Self::LONGEST) => Ok(Self(seconds)),
            _ => Err(Invalid::new(format!("a countdown of {seconds} seconds is out of range"))
                .hint(format!("it may be 0 to {}", Self::LONGEST))),
        }
    }

    /// Seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for Countdown {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let seconds = text.parse().map_err(|_| {
            Invalid::new(format!("{} is not a number of seconds", quote(text)))
                .hint(format!("it may be 0 to {}", Self::LONGEST))
        })?;
        Self::from_seconds(seconds)
    }
}

impl fmt::Display for Countdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

impl JsonSchema for Countdown {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Countdown".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::LONGEST })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_written_alike_everywhere() {
        for (text, erase) in [("blank", Erase::Blank), ("any", Erase::Any)] {
            assert_eq!(choice::<Erase>(text).unwrap(), erase);
            assert_eq!(erase.to_string(), text);
            assert_eq!(serde_json::to_value(erase).unwrap(), text);
        }
        let error = choice::<Finish>("halt").unwrap_err();
        assert_eq!(error.hint.unwrap(), "write one of \"reboot\", \"poweroff\", \"wait\"");
    }

    #[test]
    fn countdowns_have_an_end() {
        assert_eq!("0".parse::<Countdown>().unwrap().seconds(), 0);
        assert_eq!("3600".parse::<Countdown>().unwrap().seconds(), 3600);
        for bad in ["-1", "3601", "", "10s", "99999999999999999999"] {
            assert!(bad.parse::<Countdown>().is_err(), "{bad}");
        }
    }
}
