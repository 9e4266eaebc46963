//! Text or numbers → the values of keys with a choice or a range: [`Erase`], [`Finish`],
//! [`Network`], [`Countdown`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use crate::value::{Invalid, quote};

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
        /// Leave the machine on, and wait for a command.
        Wait,
    }
}

choices! {
    /// Whether the install may, must or must not use the network.
    Network {
        /// Use it if there is one.
        Auto,
        /// Refuse to begin without it.
        Required,
        /// Do not use it.
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

/// Seconds to wait before the first write, in which a key stops the install.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Countdown(u32);

impl Countdown {
    /// Seconds. A longer one looks like an installer that hangs.
    pub const LONGEST: u32 = 3600;

    /// The countdown of [`Self::LONGEST`] seconds.
    pub(crate) const MAXIMUM: Self = Self(Self::LONGEST);

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
