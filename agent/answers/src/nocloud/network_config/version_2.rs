//! `ethernets` of version 2 → its adapters.

use std::net::IpAddr;

use super::super::reading::Reading;
use super::super::yaml::{Node, Value};
use super::Adapter;

/// Ways to write that a route leads everywhere.
const DEFAULT: [&str; 4] = ["default", "0.0.0.0/0", "::/0", "0/0"];

pub(super) fn read<'n>(ethernets: Option<&'n Node>, reading: &mut Reading) -> Vec<Adapter<'n>> {
    let Some(ethernets) = ethernets else { return Vec::new() };
    let entries = reading.entries("ethernets", ethernets);
    let is_only = entries.len() == 1;
    entries.into_iter().map(|(id, node)| adapter(id, node, is_only, reading)).collect()
}

fn adapter<'n>(id: &str, node: &'n Node, is_only: bool, reading: &mut Reading) -> Adapter<'n> {
    let mut adapter = Adapter::new(node);
    let (mut dhcp4, mut dhcp6, mut matched) = (None, None, false);
    for (key, value) in reading.entries("ethernets", node) {
        match key {
            "match" => {
                matched = true;
                select(&mut adapter, value, is_only, reading);
            }
            "addresses" => addresses(&mut adapter, value, reading),
            "gateway4" | "gateway6" => adapter.add("gateway", key, value, reading),
            "routes" => routes(&mut adapter, value, reading),
            "nameservers" => {
                for (key, value) in reading.entries(key, value) {
                    match key {
                        "addresses" => adapter.add("dns", key, value, reading),
                        "search" => adapter.add("search", key, value, reading),
                        _ => reading.ignore("nameservers", key),
                    }
                }
            }
            "dhcp4" => dhcp4 = Some(!value.is_false()),
            "dhcp6" => dhcp6 = Some(!value.is_false()),
            _ => reading.ignore("ethernets", key),
        }
    }
    // Here a family has addresses or DHCP, not both and not neither.
    for (key, dhcp, has_address) in [
        ("dhcp4", dhcp4, adapter.has(IpAddr::is_ipv4)),
        ("dhcp6", dhcp6, adapter.has(IpAddr::is_ipv6)),
    ] {
        if dhcp == Some(has_address) {
            reading.ignore("ethernets", key);
        }
    }
    if !matched {
        adapter.set("name", id, node, reading);
    }
    adapter
}

/// Which adapter is meant: the mapping's key is only a word where this is given.
fn select(adapter: &mut Adapter<'_>, value: &Node, is_only: bool, reading: &mut Reading) {
    let mut wildcard = false;
    for (key, value) in reading.entries("match", value) {
        match key {
            "macaddress" => adapter.add("mac", key, value, reading),
            "name" => match reading.text(key, value) {
                Some(name) if name.contains(['*', '?', '[']) => wildcard = true,
                Some(name) => adapter.set("name", name, value, reading),
                None => {}
            },
            _ => reading.ignore("match", key),
        }
    }
    let is_named = adapter.interface.mac.is_some() || adapter.interface.name.is_some();
    // A pattern for the only adapter fits it, as the images of many clouds have it.
    adapter.unknown = !(is_named || wildcard && is_only);
}

fn addresses(adapter: &mut Adapter<'_>, value: &Node, reading: &mut Reading) {
    for item in reading.items("addresses", value) {
        match &item.value {
            // With options: how long it is preferred, and a label.
            Value::Mapping(_) => {
                for (address, options) in reading.entries("addresses", item) {
                    adapter.set("address", address, item, reading);
                    for (key, _) in reading.entries("addresses", options) {
                        reading.ignore("addresses", key);
                    }
                }
            }
            _ => adapter.add("address", "addresses", item, reading),
        }
    }
}

fn routes(adapter: &mut Adapter<'_>, value: &Node, reading: &mut Reading) {
    for item in reading.items("routes", value) {
        let (mut to, mut via) = (None, None);
        for (key, value) in reading.entries("routes", item) {
            match key {
                "to" => to = reading.text(key, value),
                "via" => via = Some(value),
                _ => reading.ignore("routes", key),
            }
        }
        match (to, via) {
            (Some(to), Some(via)) if DEFAULT.contains(&to) => {
                adapter.add("gateway", "via", via, reading);
            }
            (to, _) => reading.ignore("routes", to.unwrap_or("to")),
        }
    }
}
