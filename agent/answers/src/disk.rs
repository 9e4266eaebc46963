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
use crate::form::Table;
use crate::identity::{BY_ID, ById, DevicePath, Model, Serial};
use crate::size::Size;
use crate::value::{Invalid, quote};

/// Which disk to install on.
///
/// An empty rule selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiskRule {
    /// The device node, or any link to it: `/dev/vda`, `/dev/disk/by-path/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<DevicePath>,
    /// A name in `/dev/disk/by-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_id: Option<ById>,
    /// A serial number of the disk, exactly: any that lsblk, udev or the hypervisor shows.
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

/// The two ways to write a disk rule.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum DiskForms {
    /// `smallest`, `largest`, `only`, a path below `/dev`, or `KEY=VALUE,…`.
    Short(String),
    /// The parts one by one.
    Table(DiskRule),
}

impl DiskRule {
    /// The names of the parts, as they are written.
    pub const KEYS: [&str; 7] =
        ["path", "by-id", "serial", "model", "min-size", "max-size", "pick"];

    /// Whether no part is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

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
            _ => Err(<Self as Table>::unknown(key)),
        }
    }
}

impl Table for DiskRule {
    const PARTS: &'static [&'static str] = &Self::KEYS;
    const CHOICES: &'static [&'static str] =
        &["only", "smallest", "largest", "/dev/…", "KEY=VALUE such as serial=X"];
    const REMEDY: &'static str = "write disk = \"smallest\", or serial = \"…\" below [disk]";
    const PART: &'static str = "part of a disk rule";

    fn set(&mut self, part: &str, text: &str) -> Result<(), Invalid> {
        Self::set(self, part, text)
    }

    fn add(&mut self, text: &str) -> Result<(), Invalid> {
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

    fn check(&self) -> Result<(), Invalid> {
        if self.is_empty() {
            return Err(Invalid::new("this disk rule is empty").hint(FORMS));
        }
        match (self.min_size, self.max_size) {
            (Some(least), Some(most)) if least > most => Err(Invalid::new(format!(
                "no disk matches: min-size {least} is more than max-size {most}"
            ))),
            _ => Ok(()),
        }
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        let pick: Option<&'static str> = self.pick.map(Into::into);
        let all = [
            ("path", self.path.as_ref().map(ToString::to_string)),
            ("by-id", self.by_id.as_ref().map(ToString::to_string)),
            ("serial", self.serial.as_ref().map(ToString::to_string)),
            ("model", self.model.as_ref().map(ToString::to_string)),
            ("min-size", self.min_size.as_ref().map(ToString::to_string)),
            ("max-size", self.max_size.as_ref().map(ToString::to_string)),
            ("pick", pick.map(str::to_owned)),
        ];
        all.into_iter().filter_map(|(part, value)| Some((part, value?))).collect()
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
        let parts = self.parts().into_iter().map(|(part, value)| format!("{part}={value}"));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
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
