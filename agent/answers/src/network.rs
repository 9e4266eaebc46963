//! Text or table → [`NetworkSettings`].

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;
use strum::VariantNames;

use crate::answers::{Network, choice};
use crate::form::Table;
use crate::value::Invalid;

/// How the install uses the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkSettings {
    /// Whether the install may, must or must not use the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Network>,
}

/// The two ways to write the network's settings.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum NetworkForms {
    /// The policy alone.
    Short(Network),
    /// The settings one by one.
    Table(NetworkSettings),
}

impl NetworkSettings {
    /// The policy; [`Network::Auto`] unless given.
    pub fn policy(&self) -> Network {
        self.policy.unwrap_or(Network::Auto)
    }
}

impl Table for NetworkSettings {
    const PARTS: &'static [&'static str] = &["policy"];
    const CHOICES: &'static [&'static str] = Network::VARIANTS;
    const REMEDY: &'static str = "write network = \"none\", or policy = \"none\" below [network]";
    const PART: &'static str = "setting of the network";

    fn set(&mut self, part: &str, text: &str) -> Result<(), Invalid> {
        match part {
            "policy" if self.policy.is_some() => Err(Invalid::new("policy is given twice")),
            "policy" => {
                self.policy = Some(choice(text)?);
                Ok(())
            }
            _ => Err(Self::unknown(part)),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), Invalid> {
        self.set("policy", text)
    }

    fn check(&self) -> Result<(), Invalid> {
        // An empty table would silently replace what a source of lower precedence says.
        match self.policy {
            Some(_) => Ok(()),
            None => Err(Invalid::new("these network settings are empty").hint(Self::REMEDY)),
        }
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        self.policy.iter().map(|policy| ("policy", policy.to_string())).collect()
    }
}

impl From<Network> for NetworkSettings {
    fn from(policy: Network) -> Self {
        Self { policy: Some(policy) }
    }
}

/// The short form, which is the policy.
impl FromStr for NetworkSettings {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choice::<Network>(text).map(Self::from)
    }
}

impl fmt::Display for NetworkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy().fmt(f)
    }
}
