//! Text or table → [`DiskRule`]: which disk is meant.
//!
//! A rule has filters, all of which a disk has to pass, and says what to pick from those that do.
//! What it selects from a set of disks is in [`crate::selection`].

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::answers::choice;
use crate::fields::unknown;
use crate::identity::{BY_ID, ById, DevicePath, Model, Serial};
use crate::size::Size;
use crate::value::{Invalid, quote};

/// Which disk to install on.
///
/// A rule that says nothing selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiskRule {
    /// The device node, or any link to it: `/dev/vda`, `/dev/disk/by-path/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<DevicePath>,
    /// A name in `/dev/disk/by-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_id: Option<ById>,
    /// The disk's serial number, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// The disk's model, with `*` and `?`; case does not matter, and a blank is like `_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// The disk is at least as large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<Size>,
    /// The disk is at most as large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<Size>,
    /// What to pick from the disks that pass all of the above; `only` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<Pick>,
}

/// What to pick from several disks that pass the filters.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    JsonSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Pick {
    /// There must be exactly one.
    Only,
    /// The smallest; two of that size are an error.
    Smallest,
    /// The largest; two of that size are an error.
    Largest,
}

/// What a short form may be, in every refusal of one.
const FORMS: &str = "write \"only\", \"smallest\", \"largest\", a path below /dev, \
    or KEY=VALUE such as \"serial=…\"";

impl DiskRule {
    /// The names of the parts, as they are written.
    pub const KEYS: [&str; 7] =
        ["path", "by-id", "serial", "model", "min-size", "max-size", "pick"];

    /// Sets the part called `key` from `text`.
    ///
    /// # Errors
    /// There is no such part, it has been set already, or the value is refused.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), Invalid> {
        fn put<T: FromStr<Err = Invalid>>(
            place: &mut Option<T>,
            key: &str,
            text: &str,
        ) -> Result<(), Invalid> {
            if place.replace(text.parse()?).is_some() {
                return Err(Invalid::new(format!("{key} is given twice")));
            }
            Ok(())
        }
        match key {
            "path" => put(&mut self.path, key, text),
            "by-id" => put(&mut self.by_id, key, text),
            "serial" => put(&mut self.serial, key, text),
            "model" => put(&mut self.model, key, text),
            "min-size" => put(&mut self.min_size, key, text),
            "max-size" => put(&mut self.max_size, key, text),
            "pick" => {
                let pick = choice::<Pick>(text)?;
                if self.pick.replace(pick).is_some() {
                    return Err(Invalid::new("pick is given twice"));
                }
                Ok(())
            }
            _ => Err(Self::unknown(key)),
        }
    }

    /// Says that no part is called `key`.
    pub(crate) fn unknown(key: &str) -> Invalid {
        unknown("part of a disk rule", "", key, &Self::KEYS)
    }

    /// Sets the parts of a short form.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn add(&mut self, text: &str) -> Result<(), Invalid> {
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                Some((key, value)) => self.set(key.trim_end(), value.trim_start())?,
                None if Pick::VARIANTS.contains(&part) => self.set("pick", part)?,
                None if part.starts_with(BY_ID) => self.set("by-id", part)?,
                None if part.starts_with('/') => self.set("path", part)?,
                None if part.is_empty() => {}
                None => {
                    let error = Invalid::new(format!("{} is not a disk rule", quote(part)));
                    return Err(error.hint(FORMS));
                }
            }
        }
        Ok(())
    }

    /// Whether no part is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the parts against each other.
    ///
    /// # Errors
    /// The rule says nothing, or could never match.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if self.is_empty() {
            return Err(Invalid::new("this disk rule says nothing").hint(FORMS));
        }
        match (self.min_size, self.max_size) {
            (Some(least), Some(most)) if least > most => Err(Invalid::new(format!(
                "no disk matches: min-size {least} is more than max-size {most}"
            ))),
            _ => Ok(()),
        }
    }
}

/// The short form: `smallest`, `/dev/vda`, or `serial=X,min-size=20G,largest`.
///
/// A value with a comma in it can only be written in a table.
impl FromStr for DiskRule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut rule = Self::default();
        rule.add(text)?;
        rule.check().map(|()| rule)
    }
}

/// The short form.
impl fmt::Display for DiskRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        let mut part = |key: &str, value: Option<&dyn fmt::Display>| {
            let Some(value) = value else { return Ok(()) };
            write!(f, "{between}{key}={value}")?;
            between = ",";
            Ok(())
        };
        part("path", self.path.as_ref().map(|v| v as _))?;
        part("by-id", self.by_id.as_ref().map(|v| v as _))?;
        part("serial", self.serial.as_ref().map(|v| v as _))?;
        part("model", self.model.as_ref().map(|v| v as _))?;
        part("min-size", self.min_size.as_ref().map(|v| v as _))?;
        part("max-size", self.max_size.as_ref().map(|v| v as _))?;
        let pick: Option<&'static str> = self.pick.map(Into::into);
        part("pick", pick.as_ref().map(|v| v as _))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> DiskRule {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn short_forms() {
        assert_eq!(rule("smallest").pick, Some(Pick::Smallest));
        assert_eq!(rule("/dev/vda").path.unwrap().as_str(), "/dev/vda");
        assert_eq!(rule("/dev/disk/by-id/ata-X").by_id.unwrap().as_str(), "ata-X");
        assert_eq!(rule("by-id=ata-X").to_string(), "by-id=ata-X");
        let long = rule("serial=A B, model=Samsung*, min-size=20G, max-size=1T, largest");
        let shown = "serial=A B,model=Samsung*,min-size=20G,max-size=1T,pick=largest";
        assert_eq!(long.to_string(), shown);
        assert_eq!(rule(shown), long);
    }

    #[test]
    fn rules_that_say_nothing_or_contradict_themselves_are_refused() {
        for bad in [
            "",
            ",",
            "serial=",
            "model=",
            "by-id=",
            "path=",
            "min-size=2G,max-size=1G",
            "smallest,largest",
            "serial=A,serial=B",
            "biggest",
            "size=2G",
            "/dev/../etc/passwd",
            "/dev/",
            "/dev",
            "/etc/passwd",
            "vda",
            "by-id=../x",
            "model=[",
            "min-size=20",
        ] {
            assert!(bad.parse::<DiskRule>().is_err(), "{bad}");
        }
    }
}
