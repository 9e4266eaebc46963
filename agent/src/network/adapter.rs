//! /sys/class/net → [`Adapter`]s, and which of them an [`Interface`] means.

use std::fmt;
use std::fs;
use std::path::Path;

use nixvm_answers::interface::Interface;

/// An adapter of Ethernet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adapter {
    name: String,
    mac: String,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.mac)
    }
}

/// The kernel's number for Ethernet, `ARPHRD_ETHER`.
const ETHERNET: &str = "1";

/// The adapters below `root`, by name. Interfaces without a device, such as bridges, and wireless
/// ones are left out.
pub(crate) fn read(root: &Path) -> Vec<Adapter> {
    let entries = fs::read_dir(root.join("sys/class/net")).into_iter().flatten().flatten();
    let mut adapters: Vec<_> = entries
        .filter_map(|entry| {
            let folder = entry.path();
            let text = |file: &str| fs::read_to_string(folder.join(file)).ok();
            let is_wired = folder.join("device").exists()
                && !folder.join("wireless").exists()
                && text("type")?.trim() == ETHERNET;
            let name = entry.file_name().into_string().ok()?;
            is_wired.then(|| Some(Adapter { name, mac: text("address")?.trim().to_lowercase() }))?
        })
        .collect();
    adapters.sort_by(|a, b| a.name.cmp(&b.name));
    adapters
}

/// The first of the interfaces that does not mean exactly one of the adapters.
pub(crate) fn unmatched<'i>(
    interfaces: &'i [Interface],
    adapters: &[Adapter],
) -> Option<&'i Interface> {
    interfaces.iter().find(|interface| {
        let is_meant = |adapter: &&Adapter| {
            interface.name.as_ref().is_none_or(|name| adapter.name == name.as_str())
                && interface.mac.as_ref().is_none_or(|mac| adapter.mac == mac.to_string())
        };
        adapters.iter().filter(is_meant).count() != 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(adapters: &[(&str, &[(&str, &str)])]) -> Vec<Adapter> {
        let root = tempfile::tempdir().unwrap();
        for (name, files) in adapters {
            let folder = root.path().join("sys/class/net").join(name);
            fs::create_dir_all(&folder).unwrap();
            for (file, text) in *files {
                match *file {
                    "device" | "wireless" => fs::create_dir(folder.join(file)).unwrap(),
                    _ => fs::write(folder.join(file), text).unwrap(),
                }
            }
        }
        read(root.path())
    }

    fn wired(mac: &str) -> [(&str, &str); 3] {
        [("device", ""), ("type", "1\n"), ("address", mac)]
    }

    #[test]
    fn adapters_are_those_with_a_device_and_a_cable() {
        let wireless = [&wired("52:54:00:00:00:03\n")[..], &[("wireless", "")]].concat();
        let found = machine(&[
            ("lo", &[("type", "772\n"), ("address", "00:00:00:00:00:00\n")]),
            ("docker0", &[("type", "1\n"), ("address", "52:54:00:00:00:02\n")]),
            ("eth1", &wired("52:54:00:00:00:01\n")),
            ("wlan0", &wireless),
            ("eth0", &wired("52:54:00:00:00:00\n")),
        ]);
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["eth0 (52:54:00:00:00:00)", "eth1 (52:54:00:00:00:01)"]);
        assert!(read(Path::new("/no/such/root")).is_empty());
    }

    #[test]
    fn an_interface_has_to_mean_exactly_one_adapter() {
        let (a, b) = (wired("52:54:00:00:00:0a"), wired("52:54:00:00:00:0b"));
        let one = machine(&[("eth0", &a)]);
        let two = machine(&[("eth0", &a), ("eth1", &b)]);
        let check = |text: &str, adapters: &[Adapter]| {
            let interfaces: Vec<_> = text.split(' ').map(|one| one.parse().unwrap()).collect();
            unmatched(&interfaces, adapters).map(Interface::adapter)
        };
        let said = |said: &str| Some(said.to_owned());
        for text in ["name=eth0,dns=1.1.1.1", "mac=52:54:00:00:00:0A,dns=1.1.1.1", "dns=1.1.1.1"] {
            assert_eq!(check(text, &one), None, "{text}");
        }
        for adapters in [&[][..], &two] {
            assert_eq!(check("dns=1.1.1.1", adapters), said("the only adapter"));
        }
        let second = "name=eth0,dns=1.1.1.1 name=eth2,dns=1.1.1.1";
        assert_eq!(check(second, &two), said("the adapter eth2"));
        let both = "name=eth0,mac=52:54:00:00:00:0b,dns=1.1.1.1";
        let none = said("the adapter eth0 with the MAC address 52:54:00:00:00:0b");
        assert_eq!(check(both, &two), none);
    }
}
