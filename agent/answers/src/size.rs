//! Text such as `64G` → [`Size`] in bytes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::value::{Invalid, quote};

/// A disk's size in bytes, written with a unit.
///
/// As in coreutils: `64G`, `64Gi` and `64GiB` are 64 × 1024³ bytes, `64GB` is 64 × 1000³.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

const PATTERN: &str = "^[0-9]+ ?([KMGTPkmgtp]([Ii]?[Bb]?|[Ii])|[Bb])$";

impl Size {
    /// This many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = |why: &str| {
            Invalid::new(format!("{} is not a size: {why}", quote(text)))
                .hint("write a whole number and a unit, such as \"64G\" (GiB) or \"64GB\"")
        };
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| bad("it has no unit"))?;
        let (number, unit) = text.split_at(end);
        if number.is_empty() {
            return Err(bad("it does not begin with a whole number"));
        }
        let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_uppercase();
        let factor = factor(&unit).ok_or_else(|| bad("the unit is not known"))?;
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| bad("no disk is that large"))
    }
}

/// Bytes in a `unit` in capital letters.
fn factor(unit: &str) -> Option<u64> {
    let (base, power) = match unit {
        "B" => return Some(1),
        _ => match unit.split_at_checked(1)? {
            (prefix, "" | "I" | "IB") => (1024_u64, prefix),
            (prefix, "B") => (1000, prefix),
            _ => return None,
        },
    };
    "KMGTP".find(power).map(|index| base.pow(index as u32 + 1))
}

impl fmt::Display for Size {
    /// The shortest exact form, which `FromStr` reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = ["P", "PB", "T", "TB", "G", "GB", "M", "MB", "K", "KB"]
            .into_iter()
            .filter_map(|unit| factor(unit).map(|factor| (unit, factor)))
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match exact {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "examples": ["64G", "500GB"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_those_of_coreutils() {
        for (text, bytes) in [
            ("64G", 64 << 30),
            ("64 GiB", 64 << 30),
            ("64gi", 64 << 30),
            ("64GB", 64_000_000_000),
            ("1T", 1 << 40),
            ("2P", 2 << 50),
            ("20480M", 20 << 30),
            ("512B", 512),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for bad in ["64", "", "G", "-1G", "1.5T", "64Gb it", "64 G B", "99999999P", "١G", "64GGB"]
        {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn shown_sizes_are_read_back(bytes: u64, shift in 0_u32..64) {
            for bytes in [bytes, bytes >> shift << shift] {
                prop_assert_eq!(Size(bytes).to_string().parse::<Size>().unwrap(), Size(bytes));
            }
        }
    }
}
