//! Text or table → [`NetworkSettings`].

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;
use toml::de::DeValue;

use crate::answers::{Network, choice};
use crate::form::{Misplaced, Table, Toml, all, set_text, table_from_toml};
use crate::interface::{EXAMPLE, Interface};
use crate::value::Invalid;

/// How the install uses the network, and the addresses of the machine in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkSettings {
    /// Whether the install may, must or must not use the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Network>,
    /// Adapters that are not left to DHCP, in the installer and in the installed system.
    #[serde(rename = "interface", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<InterfaceForms>")]
    pub interfaces: Vec<Interface>,
}

/// The two ways to write the network's settings.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum NetworkForms {
    /// The policy alone.
    Policy(Network),
    /// Interfaces in their short form, and a policy, with blanks between them.
    Short(#[schemars(regex(pattern = "="))] String),
    /// The settings one by one.
    Table(NetworkSettings),
}

/// The two ways to write an interface.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum InterfaceForms {
    /// `name=enp1s0,address=10.0.2.77/24,gateway=10.0.2.2`.
    Short(#[schemars(regex(pattern = "="))] String),
    /// The parts one by one.
    Table(Interface),
}

impl NetworkSettings {
    /// The policy; [`Network::Auto`] unless given.
    pub fn policy(&self) -> Network {
        self.policy.unwrap_or(Network::Auto)
    }
}

impl Table for NetworkSettings {
    const PARTS: &'static [&'static str] = &["policy", "interface"];
    const CHOICES: &'static [&'static str] =
        &["auto", "required", "none", "KEY=VALUE,… such as address=10.0.2.77/24"];
    const REMEDY: &'static str = "write network = \"none\", or policy = \"none\" below [network]";
    const PART: &'static str = "setting of the network";

    fn set(&mut self, part: &str, text: &str) -> Result<(), Invalid> {
        match part {
            "policy" if self.policy.is_some() => Err(Invalid::new("policy is given twice")),
            "policy" => {
                self.policy = Some(choice(text)?);
                Ok(())
            }
            "interface" => {
                self.interfaces.push(text.parse()?);
                Ok(())
            }
            _ => Err(Self::unknown(part)),
        }
    }

    fn set_from_toml(&mut self, part: &str, value: &Toml<'_>) -> Result<(), Vec<Misplaced>> {
        match (part, value.get_ref()) {
            ("interface", DeValue::Array(items)) => {
                let found = all(items.iter().map(|item| table_from_toml(part, item)));
                let found = found.map_err(|mistakes| mistakes.into_iter().flatten().collect());
                found.map(|found: Vec<_>| self.interfaces.extend(found))
            }
            ("interface", _) => {
                table_from_toml(part, value).map(|interface| self.interfaces.push(interface))
            }
            _ => set_text(self, part, value),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), Invalid> {
        for word in text.split_whitespace() {
            match word.contains('=') {
                true => self.set("interface", word)?,
                false => self.set("policy", word)?,
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Invalid> {
        // An empty table would silently replace what a source of lower precedence says.
        if self.policy.is_none() && self.interfaces.is_empty() {
            return Err(Invalid::new("these network settings are empty").hint(Self::REMEDY));
        }
        for (index, one) in self.interfaces.iter().enumerate() {
            for other in &self.interfaces[..index] {
                apart(one, other)?;
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        let policy = self.policy.iter().map(|policy| ("policy", policy.to_string()));
        policy.chain(self.interfaces.iter().map(|one| ("interface", one.to_string()))).collect()
    }
}

/// Checks that two interfaces are different adapters with different addresses.
fn apart(one: &Interface, other: &Interface) -> Result<(), Invalid> {
    let is_unnamed = |one: &Interface| one.name.is_none() && one.mac.is_none();
    if is_unnamed(one) || is_unnamed(other) {
        return Err(Invalid::new("one of several interfaces has neither a name nor a MAC address")
            .hint("give it a name or a mac"));
    }
    let twice = |what: String| Err(Invalid::new(format!("two interfaces have {what}")));
    match (&one.name, &one.mac) {
        (Some(name), _) if other.name.as_ref() == Some(name) => twice(format!("the name {name}")),
        (_, Some(mac)) if other.mac.as_ref() == Some(mac) => {
            twice(format!("the MAC address {mac}"))
        }
        _ => match one
            .address
            .iter()
            .find(|own| other.address.iter().any(|o| o.addr() == own.addr()))
        {
            Some(address) => twice(format!("the address {}", address.addr())),
            None => Ok(()),
        },
    }
}

impl From<Network> for NetworkSettings {
    fn from(policy: Network) -> Self {
        Self { policy: Some(policy), ..Self::default() }
    }
}

/// The short form: the policy, interfaces, or both with blanks between them.
impl FromStr for NetworkSettings {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut settings = Self::default();
        match text.contains('=') {
            true => settings.add(text)?,
            false => settings.policy = Some(choice(text).map_err(or_an_interface)?),
        }
        settings.check().map(|()| settings)
    }
}

/// Names what else than a policy it may be.
fn or_an_interface(error: Invalid) -> Invalid {
    let hint = error.hint.map(|hint| format!("{hint}, or an interface like {EXAMPLE}"));
    Invalid { hint, ..error }
}

/// The short form.
impl fmt::Display for NetworkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.policy {
            None if !self.interfaces.is_empty() => None,
            _ => Some(self.policy().to_string()),
        };
        let interfaces = self.interfaces.iter().map(ToString::to_string);
        f.write_str(&policy.into_iter().chain(interfaces).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantNames;

    use super::*;
    use crate::value::tests::assert_refused;

    #[test]
    fn every_policy_is_among_the_choices() {
        assert!(NetworkSettings::CHOICES.starts_with(Network::VARIANTS));
    }

    #[test]
    fn the_short_form_has_a_policy_or_interfaces_or_both() {
        for text in [
            "required",
            "address=10.0.2.77/24",
            "required name=a,address=10.0.2.77/24 name=b,dns=10.0.2.3",
        ] {
            assert_eq!(text.parse::<NetworkSettings>().unwrap().to_string(), text);
        }
        for text in ["", "maybe", "required none address=10.0.2.77/24", "none,auto"] {
            assert!(text.parse::<NetworkSettings>().is_err(), "{text}");
        }
    }

    #[test]
    fn interfaces_are_different_adapters_with_different_addresses() {
        assert_refused::<NetworkSettings>(&[
            ("name=a,dns=1.1.1.1 name=a,dns=1.1.1.1", "two interfaces have the name a"),
            (
                "mac=52:54:00:12:34:56,dns=1.1.1.1 mac=52-54-00-12-34-56,dns=1.1.1.1",
                "two interfaces have the MAC address 52:54:00:12:34:56",
            ),
            ("name=a,dns=1.1.1.1 dns=1.1.1.1", "neither a name nor a MAC address"),
            (
                "name=a,address=10.0.2.7/24 name=b,address=10.0.2.7/16",
                "two interfaces have the address 10.0.2.7",
            ),
        ]);
    }
}
