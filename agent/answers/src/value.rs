//! What the values have in common: a checked text, and why one is refused.

use std::fmt;

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Invalid {
    /// Without a remedy of its own: the message says it.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Adds what to write instead.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Invalid {}

/// Quotes `text` for a message: one line, printable, of bounded length.
///
/// Answers come from outside; without this a terminal would obey the control characters in them.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 48;
    let shown: String = text.chars().take(LONGEST).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

/// Octets of two hexadecimal digits each, with `separator` between them or nothing.
pub(crate) fn octets<const N: usize>(text: &str, separator: Option<u8>) -> Option<[u8; N]> {
    let pairs: Vec<_> = match separator {
        Some(separator) => text.as_bytes().split(|byte| *byte == separator).collect(),
        None => text.as_bytes().chunks(2).collect(),
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let octet = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    let octets: Option<Vec<_>> = pairs.into_iter().map(octet).collect();
    octets?.try_into().ok()
}

/// Defines a text that only its `FromStr` makes, and that shows and serialises as itself.
macro_rules! checked_text {
    ($(#[$meta:meta])* $name:ident, pattern: $pattern:expr, check: $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text, which has passed the check.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::value::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<(), $crate::value::Invalid> = $check;
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
                String::deserialize(given)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}
pub(crate) use checked_text;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Each text is refused with a message in which the other one is.
    #[track_caller]
    pub(crate) fn assert_refused<T>(cases: &[(&str, &str)])
    where
        T: std::str::FromStr<Err = Invalid> + fmt::Debug,
    {
        for (text, says) in cases {
            let error = text.parse::<T>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn octets_have_two_digits_and_are_as_many_as_wanted() {
        assert_eq!(octets("00:aF:9c", Some(b':')), Some([0, 0xaf, 0x9c]));
        assert_eq!(octets("00aF9c", None), Some([0, 0xaf, 0x9c]));
        for bad in ["", "00:af", "00:af:9c:01", "00:af:9", "00:af:+9", "00:af:9g", "00-af-9c"] {
            assert_eq!(octets::<3>(bad, Some(b':')), None, "{bad}");
        }
        for bad in ["", "00af", "00af9", "00af9c01", "+0af9c", "00:af:9c", "éé"] {
            assert_eq!(octets::<3>(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn quoted_text_is_short_and_harmless() {
        assert_eq!(quote("a\u{1b}[2J\n"), r#""a\u{1b}[2J\n""#);
        assert_eq!(quote(&"x".repeat(500)).chars().count(), 51);
    }
}
