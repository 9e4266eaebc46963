//! The mapping of `meta-data` → the host name and SSH keys in it.

use super::reading::Reading;
use super::yaml::{Node, Value};

pub(super) fn read(root: &Node, reading: &mut Reading) {
    let mut hostname = None;
    for (key, value) in reading.entries("meta-data", root) {
        match key {
            "local-hostname" | "local_hostname" => hostname = Some((key, value)),
            "hostname" => hostname = hostname.or(Some((key, value))),
            // It says whether cloud-init has run before, which an installer never has.
            "instance-id" | "instance_id" => {}
            "public-keys" | "public_keys" => public_keys(key, value, reading),
            _ => reading.ignore("", key),
        }
    }
    if let Some((key, value)) = hostname {
        reading.set_hostname(key, value);
    }
}

/// A list, or lists by the keys' names.
fn public_keys(key: &str, value: &Node, reading: &mut Reading) {
    let keys = match &value.value {
        Value::Mapping(_) => {
            let named = reading.entries(key, value);
            named.into_iter().flat_map(|(_, keys)| reading.keys(key, keys)).collect()
        }
        _ => reading.keys(key, value),
    };
    reading.add_keys(keys);
}
