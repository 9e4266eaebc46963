//! `config` of version 1 → its adapters.

use super::super::reading::Reading;
use super::super::yaml::Node;
use super::Adapter;
use crate::interface::host;
use crate::value::Invalid;

pub(super) fn read<'n>(config: Option<&'n Node>, reading: &mut Reading) -> Vec<Adapter<'n>> {
    let Some(config) = config else { return Vec::new() };
    let (mut adapters, mut name_servers) = (Vec::new(), Vec::new());
    for item in reading.items("config", config) {
        let entries = reading.entries("config", item);
        let kind = entries.iter().find(|(key, _)| *key == "type");
        match kind.and_then(|(key, value)| reading.text(key, value)) {
            Some("physical") => adapters.push(physical(item, entries, reading)),
            Some("nameserver") => name_servers.extend(entries),
            Some(other) => reading.ignore("config", other),
            None => reading.refuse(item, Invalid::new("an entry of config has no type")),
        }
    }
    let (mut dns, mut search) = (Vec::new(), Vec::new());
    for (key, value) in name_servers {
        match key {
            "type" => {}
            "address" => dns.extend(each(key, value, reading, host)),
            "search" => search.extend(each(key, value, reading, str::parse)),
            _ => reading.ignore("nameserver", key),
        }
    }
    // They are for every adapter but those left to DHCP, which has name servers of its own.
    for Adapter { interface, .. } in &mut adapters {
        if !interface.address.is_empty() {
            add_new(&mut interface.dns, &dns);
            add_new(&mut interface.search, &search);
        }
    }
    adapters
}

/// The values of a list, or of one alone; what is wrong with the others is refused.
fn each<T>(
    key: &str,
    value: &Node,
    reading: &mut Reading,
    parse: fn(&str) -> Result<T, Invalid>,
) -> Vec<T> {
    let mut values = Vec::new();
    for (text, node) in reading.texts(key, value) {
        match parse(text) {
            Ok(value) => values.push(value),
            Err(what) => reading.refuse(node, what),
        }
    }
    values
}

/// Adds those that are not in the list.
fn add_new<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
}

fn physical<'n>(
    node: &'n Node,
    entries: Vec<(&str, &'n Node)>,
    reading: &mut Reading,
) -> Adapter<'n> {
    let mut adapter = Adapter::new(node);
    let mut name = None;
    for (key, value) in entries {
        match key {
            "type" => {}
            "name" => name = Some(value),
            "mac_address" => adapter.add("mac", key, value, reading),
            "subnets" => {
                for item in reading.items("subnets", value) {
                    subnet(&mut adapter, item, reading);
                }
            }
            _ => reading.ignore("config", key),
        }
    }
    // Beside a MAC address, it is the name that the adapter would be given.
    match name {
        _ if adapter.interface.mac.is_some() => {}
        Some(name) => adapter.add("name", "name", name, reading),
        None => adapter.unknown = true,
    }
    adapter
}

fn subnet(adapter: &mut Adapter<'_>, node: &Node, reading: &mut Reading) {
    let (mut kind, mut address, mut netmask, mut rest) = (None, None, None, Vec::new());
    for (key, value) in reading.entries("subnets", node) {
        match key {
            "type" => kind = reading.text(key, value),
            "address" => address = reading.text(key, value).map(|text| (text, value)),
            "netmask" => netmask = reading.text(key, value),
            _ => rest.push((key, value)),
        }
    }
    match kind {
        Some("static" | "static6") => {}
        Some("dhcp" | "dhcp4" | "dhcp6" | "ipv6_slaac" | "ipv6_dhcpv6-stateless") => {}
        other => return reading.ignore("subnets", other.unwrap_or("type")),
    }
    if let Some((text, value)) = address {
        match (text.contains('/'), netmask) {
            (false, Some(mask)) => match prefix(mask) {
                Some(prefix) => {
                    adapter.set("address", &format!("{text}/{prefix}"), value, reading);
                }
                None => reading.refuse(value, Invalid::new("its netmask is none")),
            },
            _ => adapter.set("address", text, value, reading),
        }
    }
    for (key, value) in rest {
        match key {
            "gateway" => adapter.add("gateway", key, value, reading),
            "dns_nameservers" => adapter.add("dns", key, value, reading),
            "dns_search" => adapter.add("search", key, value, reading),
            "control" if matches!(reading.text(key, value), Some("auto")) => {}
            _ => reading.ignore("subnets", key),
        }
    }
}

/// The length of the prefix that a netmask stands for: `255.255.255.0`, or the length itself.
fn prefix(netmask: &str) -> Option<u8> {
    match netmask.parse::<u8>() {
        Ok(length) => Some(length),
        Err(_) => ipnet::ip_mask_to_prefix(netmask.parse().ok()?).ok(),
    }
}
