//! Text → what a disk is recognised by: [`DevicePath`], [`ById`], [`Serial`], [`Model`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::value::{Invalid, checked_text, quote};

/// The folder of the links that [`ById`] names.
pub(crate) const BY_ID: &str = "/dev/disk/by-id/";

checked_text! {
    /// A path below `/dev`.
    DevicePath,
    pattern: "^/dev/[^\\x00-\\x20\\x7f]+$",
    check: |text| {
        let odd = |c: char| c.is_control() || c.is_whitespace();
        let named = text.strip_prefix("/dev/").is_some_and(|rest| {
            !rest.contains(odd) && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
        });
        if named {
            return Ok(());
        }
        Err(Invalid::new(format!("{} is not the path of a disk", quote(text)))
            .hint("it is like \"/dev/vda\" or \"/dev/disk/by-path/…\""))
    }
}

checked_text! {
    /// A disk's serial number.
    Serial,
    pattern: "^[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f][^\\x00-\\x1f\\x7f]*$",
    check: |text| {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err(Invalid::new(format!("{} is not a serial number", quote(text))));
        }
        Ok(())
    }
}

/// A name in `/dev/disk/by-id`; the folder may be given with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ById(String);

impl ById {
    /// The name, without the folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ById {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let name = text.strip_prefix(BY_ID).unwrap_or(text);
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
        if matches!(name, "" | "." | "..") || name.contains(odd) {
            return Err(Invalid::new(format!("{} is not a name in /dev/disk/by-id", quote(text)))
                .hint("it is like \"ata-VBOX_HARDDISK_VB1a2b3c4d-5e6f7a8b\""));
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for ById {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern for a disk's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    text: String,
    pattern: glob::Pattern,
}

impl Model {
    /// Whether a disk that calls itself `model` is meant.
    ///
    /// udev writes `VBOX_HARDDISK` where the kernel writes `VBOX HARDDISK   `.
    pub fn matches(&self, model: &str) -> bool {
        let options = glob::MatchOptions {
            case_sensitive: false,
            require_literal_separator: false,
            require_literal_leading_dot: false,
        };
        let model = model.trim();
        !model.is_empty() && self.pattern.matches_with(&underscored(model), options)
    }
}

fn underscored(text: &str) -> String {
    text.replace(' ', "_")
}

impl FromStr for Model {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = |why: &str| Invalid::new(format!("{} is not a model: {why}", quote(text)));
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err(bad("there is nothing to look for"));
        }
        let pattern = glob::Pattern::new(&underscored(text.trim())).map_err(|e| bad(e.msg))?;
        Ok(Self { text: text.to_owned(), pattern })
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl JsonSchema for Model {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Model".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["Samsung SSD*"] })
    }
}

impl JsonSchema for ById {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ById".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(/dev/disk/by-id/)?[^/\\x00-\\x20\\x7f]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_match_as_udev_and_as_the_kernel_write_them() {
        let model: Model = "vbox hard*".parse().unwrap();
        assert!(model.matches("VBOX_HARDDISK") && model.matches("VBOX HARDDISK   "));
        assert!(!model.matches("QEMU HARDDISK") && !model.matches(""));
        assert!(!"*".parse::<Model>().unwrap().matches("  "), "no model is not any model");
    }
}
