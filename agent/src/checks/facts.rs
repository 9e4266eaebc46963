//! This machine → who it is, as JSON for a server of answers.
//!
//! `dmi` and `network_interfaces` have the shape that Proxmox's automated installer posts
//! (`proxmox-auto-installer/src/sysinfo.rs` in pve-installer), as have the fields of `product` and `iso`
//! that are there, so that what answers for the one by serial number or MAC address can do so for the
//! other. `machine` is nixvm's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nixvm_manifest::Manifest;
use serde::Serialize;

use crate::machine::{self, Machine};

const DMI: &str = "sys/devices/virtual/dmi/id";

const ADAPTERS: &str = "sys/class/net";

#[derive(Serialize)]
struct Facts {
    product: Product,
    iso: Iso,
    dmi: Dmi,
    network_interfaces: Vec<Adapter>,
    /// Nothing where the kernel does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<Machine>,
}

#[derive(Serialize)]
struct Product {
    product: &'static str,
    fullname: &'static str,
}

#[derive(Serialize)]
struct Iso {
    /// nixvm's version.
    release: &'static str,
    /// Which ISO of that version.
    isorelease: String,
}

/// Only what the machine's firmware says.
#[derive(Serialize)]
struct Dmi {
    system: BTreeMap<&'static str, String>,
    baseboard: BTreeMap<&'static str, String>,
    chassis: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Adapter {
    /// The kernel's name.
    link: String,
    /// Its address, in small letters.
    mac: String,
}

/// What the files below `root` tell.
pub(super) fn json(root: &Path, manifest: &Manifest) -> String {
    let facts = Facts {
        product: Product { product: "nixvm", fullname: "nixvm" },
        iso: Iso { release: env!("CARGO_PKG_VERSION"), isorelease: manifest.build_id.clone() },
        dmi: Dmi {
            system: dmi(root, "product", &["name", "serial", "sku", "uuid"]),
            baseboard: dmi(root, "board", &["asset_tag", "name", "serial"]),
            chassis: dmi(root, "chassis", &["asset_tag", "serial", "sku"]),
        },
        network_interfaces: adapters(root),
        machine: machine::read().ok(),
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

/// The adapters with hardware, virtual or not, by name.
fn adapters(root: &Path) -> Vec<Adapter> {
    let mut found: Vec<_> = fs::read_dir(root.join(ADAPTERS))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("device").exists())
        .filter_map(|entry| {
            let mac = fs::read_to_string(entry.path().join("address")).ok()?;
            Some(Adapter {
                link: entry.file_name().into_string().ok()?,
                mac: mac.trim().to_owned(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.link.cmp(&b.link));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn dmi_and_adapters_have_the_shape_that_proxmox_posts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("sys/devices/virtual/dmi/id/product_serial", b"A1\n");
        write("sys/devices/virtual/dmi/id/product_uuid", b"6c1f-x\n");
        write("sys/devices/virtual/dmi/id/board_name", b"\xff board\n");
        write("sys/class/net/lo/address", b"00:00:00:00:00:00\n");
        for name in ["ens4", "ens3"] {
            write(&format!("sys/class/net/{name}/address"), b"52:54:00:12:34:56\n");
            write(&format!("sys/class/net/{name}/device/vendor"), b"0x1af4\n");
        }
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let manifest = nixvm_manifest::parse(manifest).unwrap();
        let said: Value = serde_json::from_str(&json(root.path(), &manifest)).unwrap();
        assert_eq!(said["dmi"]["system"], json!({ "serial": "A1", "uuid": "6c1f-x" }));
        assert_eq!(said["dmi"]["baseboard"], json!({ "name": "\u{fffd} board" }));
        assert_eq!(said["dmi"]["chassis"], json!({}));
        let mac = "52:54:00:12:34:56";
        let expected = json!([{ "link": "ens3", "mac": mac }, { "link": "ens4", "mac": mac }]);
        assert_eq!(said["network_interfaces"], expected);
        assert_eq!(said["product"]["product"], "nixvm");
        assert_eq!(said["iso"]["isorelease"], manifest.build_id);
        assert!(said["machine"]["memory_bytes"].is_u64(), "{said}");
    }
}
