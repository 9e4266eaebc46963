//! This machine → who it is, as JSON for a server of answers; its ISO and DMI for a webhook, too.
//!
//! `dmi` and `network_interfaces` have the shape that Proxmox's automated installer posts
//! (`proxmox-auto-installer/src/sysinfo.rs` in pve-installer), as have the fields of `product` and `iso`
//! that are there, so that what answers for the one by serial number or MAC address can do so for the
//! other. `machine` is nixvm's own: the whole [`Machine`], so that a new field of it is sent as well. The
//! example of it is in `agent/answers/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nixvm_manifest::Manifest;
use serde::Serialize;

use crate::machine::Machine;
use crate::network::adapter;

const DMI: &str = "sys/devices/virtual/dmi/id";

#[derive(Serialize)]
struct Facts<'a> {
    product: Product,
    iso: Iso,
    dmi: Dmi,
    network_interfaces: Vec<Adapter>,
    machine: &'a Machine,
}

#[derive(Serialize)]
struct Product {
    product: &'static str,
    fullname: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Iso {
    /// nixvm's version.
    release: &'static str,
    /// Which ISO of that version.
    isorelease: String,
}

impl Iso {
    /// What the manifest tells.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self { release: env!("CARGO_PKG_VERSION"), isorelease: manifest.build_id.clone() }
    }
}

/// Only what the machine's firmware says.
#[derive(Serialize)]
pub(crate) struct Dmi {
    system: BTreeMap<&'static str, String>,
    baseboard: BTreeMap<&'static str, String>,
    chassis: BTreeMap<&'static str, String>,
}

impl Dmi {
    /// What the files below `root` tell.
    pub(crate) fn read(root: &Path) -> Self {
        Self {
            system: dmi(root, "product", &["name", "serial", "sku", "uuid"]),
            baseboard: dmi(root, "board", &["asset_tag", "name", "serial"]),
            chassis: dmi(root, "chassis", &["asset_tag", "serial", "sku"]),
        }
    }
}

#[derive(Serialize)]
struct Adapter {
    /// The kernel's name.
    link: String,
    /// Its address, in small letters.
    mac: String,
}

impl From<adapter::Adapter> for Adapter {
    fn from(adapter: adapter::Adapter) -> Self {
        Self { link: adapter.name, mac: adapter.mac }
    }
}

/// What the files below `root` tell of `machine`.
pub(super) fn json(root: &Path, manifest: &Manifest, machine: &Machine) -> String {
    let adapters = adapter::read(root).into_iter().filter(|adapter| adapter.is_device);
    let facts = Facts {
        product: Product { product: "nixvm", fullname: "nixvm" },
        iso: Iso::of(manifest),
        dmi: Dmi::read(root),
        network_interfaces: adapters.map(Adapter::from).collect(),
        machine,
    };
    // Plain data: it can always be written as JSON.
    serde_json::to_string(&facts).unwrap_or_default()
}

fn dmi(root: &Path, prefix: &str, names: &[&'static str]) -> BTreeMap<&'static str, String> {
    let read = |name: &'static str| {
        let path = root.join(DMI).join(format!("{prefix}_{name}"));
        // Some firmware has bytes there that are no text.
        let bytes = fs::read(path).ok()?;
        Some((name, String::from_utf8_lossy(&bytes).trim().to_owned()))
    };
    names.iter().copied().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::machine::examples::{machine, root};

    #[test]
    fn dmi_and_adapters_have_the_shape_that_proxmox_posts() {
        let root = root(&[
            ("sys/devices/virtual/dmi/id/product_serial", &b"A1\n"[..]),
            ("sys/devices/virtual/dmi/id/product_uuid", b"6c1f-x\n"),
            ("sys/devices/virtual/dmi/id/board_name", b"\xff board\n"),
            ("sys/class/net/lo/address", b"00:00:00:00:00:00\n"),
            ("sys/class/net/br0/address", b"52:54:00:12:34:57\n"),
            ("sys/class/net/ens4/address", b"52:54:00:12:34:ab\n"),
            ("sys/class/net/ens4/device/vendor", b"0x1af4\n"),
            ("sys/class/net/ens3/address", b"52:54:00:12:34:AB\n"),
            ("sys/class/net/ens3/device/vendor", b"0x1af4\n"),
        ]);
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let manifest = nixvm_manifest::parse(manifest).unwrap();
        let machine = Machine { memory_bytes: 3 << 30, ..machine() };
        let facts = super::json(root.path(), &manifest, &machine);
        let said: Value = serde_json::from_str(&facts).unwrap();
        assert_eq!(said["dmi"]["system"], json!({ "serial": "A1", "uuid": "6c1f-x" }));
        assert_eq!(said["dmi"]["baseboard"], json!({ "name": "\u{fffd} board" }));
        assert_eq!(said["dmi"]["chassis"], json!({}));
        let mac = "52:54:00:12:34:ab";
        let expected = json!([{ "link": "ens3", "mac": mac }, { "link": "ens4", "mac": mac }]);
        assert_eq!(said["network_interfaces"], expected);
        assert_eq!(said["product"]["product"], "nixvm");
        assert_eq!(said["iso"]["isorelease"], manifest.build_id);
        assert_eq!(said["machine"], json!(machine));
    }
}
