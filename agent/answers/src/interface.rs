//! Text or table → [`Interface`]: the addresses of a network adapter.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use crate::adapter::{InterfaceName, MacAddress};
use crate::domain::SearchDomain;
use crate::form::{Misplaced, Table, Toml, all, set_text};
use crate::value::{Invalid, quote};

/// A network adapter, and what it is given in place of what DHCP and router advertisements say.
///
/// A family without an address stays automatic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Interface {
    /// The adapter's name, as `ip link` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<InterfaceName>,
    /// The adapter's MAC address. Without it and `name`, the only adapter is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// Addresses, each with the length of its network's prefix: `10.0.2.77/24`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore")]
    pub address: Vec<IpNet>,
    /// The router for everything else, one for IPv4 and one for IPv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore")]
    pub gateway: Vec<IpAddr>,
    /// Name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore")]
    pub dns: Vec<IpAddr>,
    /// Domains in which names without a dot are looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore")]
    pub search: Vec<SearchDomain>,
}

/// The two ways to write a list.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
enum OneOrMore {
    /// A single one.
    One(String),
    /// Several.
    More(Vec<String>),
}

/// An example, in every refusal of something that is none.
pub(crate) const EXAMPLE: &str = "name=enp1s0,address=10.0.2.77/24,gateway=10.0.2.2";

impl Interface {
    /// The names of the parts, as they are written.
    pub const KEYS: [&str; 6] = ["name", "mac", "address", "gateway", "dns", "search"];

    /// Which adapter is meant, in words.
    pub fn adapter(&self) -> String {
        match (&self.name, &self.mac) {
            (Some(name), Some(mac)) => format!("the adapter {name} with the MAC address {mac}"),
            (Some(name), None) => format!("the adapter {name}"),
            (None, Some(mac)) => format!("the adapter with the MAC address {mac}"),
            (None, None) => "the only adapter".to_owned(),
        }
    }
}

impl Table for Interface {
    const PARTS: &'static [&'static str] = &Self::KEYS;
    const CHOICES: &'static [&'static str] = &[];
    const REMEDY: &'static str = "write [[network.interface]], and its parts below";
    const PART: &'static str = "part of an interface";

    /// A list is added to.
    fn set(&mut self, part: &str, text: &str) -> Result<(), Invalid> {
        fn add<T: PartialEq>(list: &mut Vec<T>, text: &str, one: T) -> Result<(), Invalid> {
            if list.contains(&one) {
                return Err(Invalid::new(format!("{} is given twice", quote(text))));
            }
            list.push(one);
            Ok(())
        }
        fn put<T>(place: &mut Option<T>, part: &str, one: T) -> Result<(), Invalid> {
            match place.replace(one) {
                Some(_) => Err(Invalid::new(format!("{part} is given twice"))),
                None => Ok(()),
            }
        }
        match part {
            "name" => put(&mut self.name, part, text.parse()?),
            "mac" => put(&mut self.mac, part, text.parse()?),
            "address" => add(&mut self.address, text, address(text)?),
            "gateway" => add(&mut self.gateway, text, host(text)?),
            "dns" => add(&mut self.dns, text, host(text)?),
            "search" => add(&mut self.search, text, text.parse()?),
            _ => Err(Self::unknown(part)),
        }
    }

    fn set_from_toml(&mut self, part: &str, value: &Toml<'_>) -> Result<(), Vec<Misplaced>> {
        match value.get_ref() {
            DeValue::Array(items) if !["name", "mac"].contains(&part) => {
                let set = items.iter().map(|item| set_text(self, part, item));
                all(set).map(drop).map_err(|mistakes| mistakes.into_iter().flatten().collect())
            }
            _ => set_text(self, part, value),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), Invalid> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                let what = format!("{} is not a part of an interface", quote(part));
                return Err(Invalid::new(what).hint(format!("write it like {EXAMPLE}")));
            };
            self.set(key.trim_end(), value.trim_start())?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.address.is_empty() && self.dns.is_empty() && self.search.is_empty() {
            let nothing = Invalid::new("this interface has neither an address nor a name server");
            return Err(nothing.hint("give it an address, or leave it out: DHCP is the default"));
        }
        for is_family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
            let mut gateways = self.gateway.iter().filter(|gateway| is_family(gateway));
            let (Some(gateway), more) = (gateways.next(), gateways.next()) else { continue };
            if let Some(other) = more {
                return Err(Invalid::new(format!("{gateway} and {other} are both the gateway"))
                    .hint("one for IPv4 and one for IPv6 may be given"));
            }
            let own: Vec<_> = self.address.iter().filter(|own| is_family(&own.addr())).collect();
            reachable(*gateway, &own)?;
        }
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        fn each<T: fmt::Display>(part: &'static str, values: &[T]) -> Vec<(&'static str, String)> {
            values.iter().map(|value| (part, value.to_string())).collect()
        }
        let parts = [
            each("name", self.name.as_slice()),
            each("mac", self.mac.as_slice()),
            each("address", &self.address),
            each("gateway", &self.gateway),
            each("dns", &self.dns),
            each("search", &self.search),
        ];
        parts.concat()
    }
}

/// An address that a machine can have, with its prefix.
fn address(text: &str) -> Result<IpNet, Invalid> {
    let shown = quote(text);
    // Of an address with leading zeros, std alone says that it is ambiguous.
    let parts = text.split_once('/').filter(|(address, _)| address.parse::<IpAddr>().is_ok());
    let Some(Ok(network)) = parts.map(|_| text.parse::<IpNet>()) else {
        let example = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("its prefix is missing: {text}/24, for example"),
            Ok(IpAddr::V6(_)) => format!("its prefix is missing: {text}/64, for example"),
            Err(_) => "write it like 10.0.2.77/24 or fd00::77/64".to_owned(),
        };
        return Err(Invalid::new(format!("{shown} is not an address with a prefix")).hint(example));
    };
    let unusable = |why: &str| Err(Invalid::new(format!("{shown} can't be a machine's: {why}")));
    if network.prefix_len() == 0 {
        return unusable("its prefix has no bits");
    }
    host(&network.addr().to_string())?;
    if let IpNet::V4(network) = network
        && network.prefix_len() < 31
    {
        if network.addr() == network.network() {
            return unusable("it is the network's own address");
        }
        if network.addr() == network.broadcast() {
            return unusable("it is the network's broadcast address");
        }
    }
    Ok(network)
}

/// The address of one machine.
pub(crate) fn host(text: &str) -> Result<IpAddr, Invalid> {
    let address: IpAddr = text.parse().map_err(|_| {
        Invalid::new(format!("{} is not an IP address", quote(text)))
            .hint("write it without a name or a prefix, like 10.0.2.2 or fd00::2")
    })?;
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || is_broadcast {
        return Err(Invalid::new(format!("{address} is not the address of one machine")));
    }
    Ok(address)
}

/// Checks that a machine with these addresses, which are of the gateway's family, can reach it.
fn reachable(gateway: IpAddr, own: &[&IpNet]) -> Result<(), Invalid> {
    if own.is_empty() {
        return Err(Invalid::new(format!("the gateway {gateway} has no address beside it"))
            .hint("give an address of the same family, or leave the gateway to DHCP"));
    }
    if own.iter().any(|own| own.addr() == gateway) {
        return Err(Invalid::new(format!("{gateway} is the machine's address, and its gateway")));
    }
    let is_link_local = matches!(gateway, IpAddr::V6(address) if address.is_unicast_link_local());
    // Hosters give out single addresses; the gateway is a neighbour all the same.
    let is_single = own.iter().any(|own| own.prefix_len() == own.max_prefix_len());
    if is_link_local || is_single || own.iter().any(|own| own.contains(&gateway)) {
        return Ok(());
    }
    let networks: Vec<_> = own.iter().map(|own| own.trunc().to_string()).collect();
    Err(Invalid::new(format!("the gateway {gateway} is outside of {}", networks.join(" and ")))
        .hint("correct it, the address, or the length of the prefix"))
}

/// The short form: `name=eth0,address=10.0.2.77/24,gateway=10.0.2.2`. A list repeats its part.
impl FromStr for Interface {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut interface = Self::default();
        interface.add(text)?;
        interface.check().map(|()| interface)
    }
}

/// The short form.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> =
            self.parts().iter().map(|(part, value)| format!("{part}={value}")).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::tests::assert_refused;

    #[test]
    fn what_is_written_is_shown() {
        for text in [
            "address=10.0.2.77/24",
            "dns=1.1.1.1",
            "name=eth0,address=10.0.2.77/24,gateway=10.0.2.2,dns=10.0.2.3,search=example.org",
            "mac=52:54:00:12:34:56,address=10.0.2.77/24,address=fd00::77/64,gateway=10.0.2.2,\
             gateway=fe80::1,dns=fd00::3,dns=10.0.2.3,search=a.org,search=b.org",
            // As some hosters have it.
            "address=203.0.113.7/32,gateway=172.31.1.1",
            "address=10.0.0.0/31,gateway=10.0.0.1",
        ] {
            assert_eq!(text.parse::<Interface>().unwrap().to_string(), text);
        }
        let text = "mac=52-54-00-AB-CD-EF, address=10.0.2.77/24";
        let shown = text.parse::<Interface>().unwrap().to_string();
        assert_eq!(shown, "mac=52:54:00:ab:cd:ef,address=10.0.2.77/24");
    }

    #[test]
    fn an_address_that_no_machine_can_have_is_refused() {
        assert_refused::<Interface>(&[
            ("address=10.0.2.77", "its prefix is missing: 10.0.2.77/24"),
            ("address=fd00::1", "its prefix is missing: fd00::1/64"),
            ("address=10.0.2.77/33", "is not an address with a prefix"),
            ("address=10.0.2.256/24", "is not an address with a prefix"),
            ("address=010.0.2.5/24", "is not an address with a prefix"),
            ("address=10.0.2.77/255.255.255.0", "is not an address with a prefix"),
            ("address=10.0.2.77/0", "its prefix has no bits"),
            ("address=10.0.2.0/24", "the network's own address"),
            ("address=10.0.2.255/24", "the network's broadcast address"),
            ("address=224.0.0.1/4", "not the address of one machine"),
            ("address=ff02::1/64", "not the address of one machine"),
            ("address=0.0.0.0/8", "not the address of one machine"),
            ("dns=dns.google", "is not an IP address"),
            ("dns=::", "not the address of one machine"),
        ]);
    }

    #[test]
    fn a_gateway_that_is_out_of_reach_is_refused_with_the_reason() {
        assert_refused::<Interface>(&[
            ("address=10.0.2.77/24,gateway=10.0.3.1", "10.0.3.1 is outside of 10.0.2.0/24"),
            ("address=10.0.2.77/24,gateway=fd00::1", "no address beside it"),
            ("dns=10.0.2.3,gateway=10.0.2.2", "no address beside it"),
            ("address=10.0.2.77/24,gateway=10.0.2.77", "is the machine's address"),
            ("address=10.0.2.77/24,gateway=10.0.2.1,gateway=10.0.2.2", "are both the gateway"),
        ]);
    }

    #[test]
    fn what_says_nothing_or_the_same_twice_is_refused() {
        assert_refused::<Interface>(&[
            ("", "neither an address"),
            ("name=eth0", "neither an address"),
            ("name=eth0,name=eth1,address=10.0.2.77/24", "name is given twice"),
            ("address=10.0.2.77/24,address=10.0.2.77/24", "is given twice"),
            ("eth0", "is not a part of an interface"),
            ("adress=10.0.2.77/24", "did you mean \"address\"?"),
            ("mac=52:54:00:12:34,address=10.0.2.77/24", "is not a MAC address"),
        ]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_what_is_taken_comes_back(
            text in "((name|mac|address|gateway|dns|search|[a-z]{1,4})=[0-9a-f.:/x-]{0,18},?){0,4}",
        ) {
            if let Ok(interface) = text.parse::<Interface>() {
                prop_assert_eq!(interface.to_string().parse::<Interface>().unwrap(), interface);
            }
        }
    }
}
