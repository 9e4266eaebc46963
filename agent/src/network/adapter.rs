//! /sys/class/net → [`Adapter`]s, and which of them an [`Interface`] means.

use std::fmt;
use std::fs;
use std::path::Path;

use nixvm_answers::interface::Interface;

/// A network interface of the kernel's other than the loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adapter {
    /// The kernel's name.
    pub(crate) name: String,
    /// Its address, in small letters; empty if it has none.
    pub(crate) mac: String,
    /// It is hardware, virtual or not: bridges and the like are none.
    pub(crate) is_device: bool,
    /// It is hardware for Ethernet, and not wireless.
    pub(crate) is_wired: bool,
    /// It is up, and at the other end there is something.
    pub(crate) has_link: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.mac)
    }
}

/// The kernel's number for Ethernet, `ARPHRD_ETHER`.
const ETHERNET: &str = "1";

/// The adapters below `root`, by name.
pub(crate) fn read(root: &Path) -> Vec<Adapter> {
    let entries = fs::read_dir(root.join("sys/class/net")).into_iter().flatten().flatten();
    let mut adapters: Vec<_> = entries
        .filter_map(|entry| {
            let folder = entry.path();
            let text = |file: &str| {
                let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
                text.trim().to_lowercase()
            };
            let is_device = folder.join("device").exists();
            let is_wireless = folder.join("wireless").exists();
            Some(Adapter {
                name: entry.file_name().into_string().ok().filter(|name| name != "lo")?,
                mac: text("address"),
                is_device,
                is_wired: is_device && !is_wireless && text("type") == ETHERNET,
                has_link: text("carrier") == "1",
            })
        })
        .collect();
    adapters.sort_by(|a, b| a.name.cmp(&b.name));
    adapters
}

/// The adapters below `root` that an [`Interface`] may mean.
pub(crate) fn wired(root: &Path) -> Vec<Adapter> {
    read(root).into_iter().filter(|adapter| adapter.is_wired).collect()
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
    use crate::machine::examples::root;

    /// Files of a wired adapter.
    fn wired_files(name: &str, mac: &str) -> Vec<(String, String)> {
        [("device/vendor", "0x1af4"), ("type", "1\n"), ("address", mac), ("carrier", "0\n")]
            .map(|(file, text)| (format!("sys/class/net/{name}/{file}"), text.to_owned()))
            .to_vec()
    }

    fn machine(files: &[(String, String)]) -> tempfile::TempDir {
        let files: Vec<_> = files.iter().map(|(file, text)| (&**file, &**text)).collect();
        root(&files)
    }

    #[test]
    fn adapters_are_told_apart_and_the_loopback_is_none() {
        let mut files = [
            wired_files("eth1", "52:54:00:00:00:01\n"),
            wired_files("eth0", "52:54:00:AB:cd:00\n"),
            wired_files("wlan0", "52:54:00:00:00:03\n"),
        ]
        .concat();
        for (file, text) in [
            ("lo/type", "772\n"),
            ("lo/carrier", "1\n"),
            ("docker0/type", "1\n"),
            ("docker0/address", "52:54:00:00:00:02\n"),
            ("docker0/carrier", "1\n"),
            ("wlan0/wireless/link", "0\n"),
            ("ib0/device/vendor", "0x15b3\n"),
            ("ib0/type", "32\n"),
        ] {
            files.push((format!("sys/class/net/{file}"), text.to_owned()));
        }
        let root = machine(&files);
        let adapters = read(root.path());
        let shown = |is_one: fn(&Adapter) -> bool| {
            let found = adapters.iter().filter(|adapter| is_one(adapter));
            found.map(|adapter| adapter.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(shown(|_| true), ["docker0", "eth0", "eth1", "ib0", "wlan0"]);
        assert_eq!(shown(|adapter| adapter.is_device), ["eth0", "eth1", "ib0", "wlan0"]);
        assert_eq!(shown(|adapter| adapter.has_link), ["docker0"]);
        let wired: Vec<_> = wired(root.path()).iter().map(ToString::to_string).collect();
        assert_eq!(wired, ["eth0 (52:54:00:ab:cd:00)", "eth1 (52:54:00:00:00:01)"]);
        assert!(read(Path::new("/no/such/root")).is_empty());
    }

    #[test]
    fn an_interface_has_to_mean_exactly_one_adapter() {
        let a = wired_files("eth0", "52:54:00:00:00:0a");
        let b = wired_files("eth1", "52:54:00:00:00:0b");
        let one = wired(machine(&a).path());
        let two = wired(machine(&[a, b].concat()).path());
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
