//! Text → what a network adapter is known by: [`InterfaceName`], [`MacAddress`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::value::{Invalid, checked_text, octets, quote};

checked_text! {
    /// The name of a network interface, as `ip link` shows it.
    ///
    /// As `dev_valid_name()` in the kernel's net/core/dev.c, without the characters that would have to
    /// be escaped somewhere.
    InterfaceName,
    pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$",
    check: check_name
}

/// Bytes of a name, `IFNAMSIZ` without the zero at its end.
const LONGEST: usize = 15;

fn check_name(text: &str) -> Result<(), Invalid> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || text.len() > LONGEST || !text.chars().all(is_part) {
        return Err(Invalid::new(format!("{} is not a network interface's name", quote(text)))
            .hint("`ip link` shows it: enp1s0, for example"));
    }
    if text == "lo" {
        return Err(Invalid::new("\"lo\" is the loopback interface, which leads nowhere"));
    }
    Ok(())
}

/// The MAC address of a network adapter; shown as the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl FromStr for MacAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid::new(format!("{} is not a MAC address", quote(text)))
                .hint("write it like 52:54:00:12:34:56")
        };
        let separator = if text.contains('-') { b'-' } else { b':' };
        let octets: [u8; 6] = octets(text, Some(separator)).ok_or_else(invalid)?;
        // The lowest bit is that of a group (IEEE 802); no adapter has an address of zeros.
        if octets[0] & 1 == 1 || octets == [0; 6] {
            return Err(Invalid::new(format!("{} is no adapter's MAC address", quote(text))));
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for MacAddress {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: Vec<_> = self.0.iter().map(|octet| format!("{octet:02x}")).collect();
        f.write_str(&octets.join(":"))
    }
}

impl JsonSchema for MacAddress {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MacAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$";
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        for good in ["eth0", "enp1s0", "enx525400123456", "eth0.10", "wlp2s0"] {
            assert!(good.parse::<InterfaceName>().is_ok(), "{good}");
        }
        for bad in ["", "lo", "eth 0", "eth/0", "..", "eth:1", "enp1s0f0np0abcdef", "eth0\n", "-a"]
        {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mac_addresses_are_shown_alike_however_they_are_written() {
        for text in ["52:54:00:AB:cd:01", "52-54-00-ab-CD-01"] {
            assert_eq!(text.parse::<MacAddress>().unwrap().to_string(), "52:54:00:ab:cd:01");
        }
        for bad in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:5g",
            "52:54-00:12:34:56",
            "525400123456",
            "52:54:00:12:34:567",
            "52:54:00:12:34:56:78",
            "+2:54:00:12:34:56",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad}");
        }
    }
}
