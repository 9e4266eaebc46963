//! `network-config` → the addresses in it, of adapters of Ethernet.
//!
//! Version 1 is a list of adapters and name servers, version 2 a mapping as netplan's. An adapter that
//! is left to DHCP gives no answer, since that is the default.

mod version_1;
mod version_2;

use std::net::IpAddr;

use super::reading::Reading;
use super::yaml::{Node, Value};
use crate::form::Table;
use crate::interface::Interface;
use crate::network::NetworkSettings;
use crate::value::Invalid;

pub(super) fn read(root: &Node, reading: &mut Reading) {
    let (mut version, mut config, mut ethernets, mut nested) = (None, None, None, None);
    for (key, value) in reading.entries("network-config", root) {
        match key {
            "version" => version = reading.text(key, value).map(|text| (text, value)),
            "config" => config = Some(value),
            "ethernets" => ethernets = Some(value),
            "network" => nested = Some(value),
            _ => reading.ignore("", key),
        }
    }
    let adapters = match (version, nested) {
        // As in netplan's own files.
        (None, Some(nested)) if matches!(nested.value, Value::Mapping(_)) => {
            return read(nested, reading);
        }
        (Some(("1", _)), _) => version_1::read(config, reading),
        (Some(("2", _)), _) => version_2::read(ethernets, reading),
        // cloud-init's word for: leave the network alone.
        (None, _) if config.is_some_and(is_disabled) => return reading.ignore("", "config"),
        (Some((_, node)), _) => {
            let what = Invalid::new("this version of network-config is not known");
            return reading.refuse(node, what.hint("there are 1 and 2"));
        }
        (None, _) => {
            let what = Invalid::new("network-config has no version");
            return reading.refuse(root, what.hint("write version: 2 above ethernets"));
        }
    };
    let interfaces = adapters.into_iter().filter_map(|adapter| adapter.finish(reading)).collect();
    let settings = NetworkSettings { policy: None, interfaces };
    if settings.interfaces.is_empty() {
        return;
    }
    match settings.check() {
        Ok(()) => reading.answers.network = Some(settings),
        Err(what) => reading.refuse(root, what),
    }
}

fn is_disabled(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, .. } if text == "disabled")
}

/// What was read of an adapter so far.
struct Adapter<'n> {
    node: &'n Node,
    interface: Interface,
    /// It can't be told apart by name or MAC address.
    unknown: bool,
}

impl<'n> Adapter<'n> {
    fn new(node: &'n Node) -> Self {
        Self { node, interface: Interface::default(), unknown: false }
    }

    /// Sets a part of the interface from `text`, which is at `node`.
    fn set(&mut self, part: &str, text: &str, node: &Node, reading: &mut Reading) {
        if let Err(what) = self.interface.set(part, text) {
            reading.refuse(node, what);
        }
    }

    /// Adds the items of a list, or one alone, to a part of the interface.
    fn add(&mut self, part: &str, key: &str, value: &Node, reading: &mut Reading) {
        for (text, node) in reading.texts(key, value) {
            self.set(part, text, node, reading);
        }
    }

    fn has(&self, is_family: fn(&IpAddr) -> bool) -> bool {
        self.interface.address.iter().any(|own| is_family(&own.addr()))
    }

    /// The interface, if it says more than that DHCP is to be used.
    fn finish(self, reading: &mut Reading) -> Option<Interface> {
        let Interface { address, gateway, dns, search, .. } = &self.interface;
        if address.is_empty() && gateway.is_empty() && dns.is_empty() && search.is_empty() {
            return None;
        }
        if self.unknown {
            let what = Invalid::new("this adapter has neither a name nor a MAC address");
            reading.refuse(self.node, what.hint("write match: {macaddress: ...} below it"));
            return None;
        }
        // What is wrong with its parts has been said, and may be all that is wrong with the whole.
        if reading.wrong.is_empty()
            && let Err(what) = self.interface.check()
        {
            reading.refuse(self.node, what);
        }
        Some(self.interface)
    }
}

#[cfg(test)]
mod tests;
