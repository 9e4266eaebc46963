//! Files of the flake's target module (`nix/`) → the same in the stand-in's base folder, so that what is
//! shipped is what is tried.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::base::{link, write};
use super::{Arch, Lab};
use crate::cache::Key;

/// The units of `nix/first-boot/`.
const FIRST_BOOT_UNITS: [&str; 2] = ["nixvm-first-boot.path", "nixvm-first-boot.service"];

/// What a login's shell runs there.
const LOGIN: &str = "login.sh";

/// What `nix/grow.nix` is made of.
const GROWTH: [&str; 2] = ["has-grown", "grow.rules"];

/// Adds the files to what the base folder depends on.
///
/// # Errors
/// One can't be read.
pub(super) fn add_key(lab: &Lab, key: &mut Key) -> Result<()> {
    key.add(include_bytes!("target.rs"));
    let nix = lab.project.join("nix");
    for file in GROWTH {
        key.add_path(&nix.join(file))?;
    }
    key.add_path(&nix.join("first-boot"))?;
    Ok(())
}

/// Adds what runs a script at the first boot to `tree`.
///
/// # Errors
/// A file can't be read or written.
pub(super) fn add_first_boot(lab: &Lab, tree: &Path) -> Result<()> {
    let read = |name: &str| read(lab, &format!("first-boot/{name}"));
    let units = "usr/lib/systemd/system";
    for name in FIRST_BOOT_UNITS {
        write(tree, &format!("{units}/{name}"), &read(name)?)?;
    }
    let [path, _] = FIRST_BOOT_UNITS;
    let wants = format!("{units}/multi-user.target.wants");
    fs::create_dir_all(tree.join(&wants))?;
    link(tree, &format!("../{path}"), &format!("{wants}/{path}"))?;
    write(tree, "etc/profile", &read(LOGIN)?)
}

/// Writes what makes the root grow with its disk, below `out` as it is to be below the installed root:
/// NixOS's by `nix/grow.nix`, with Debian's paths.
///
/// # Errors
/// A file can't be read or written.
pub(super) fn write_growth(lab: &Lab, arch: Arch, out: &Path) -> Result<()> {
    let [condition, rules] = GROWTH;
    // As `root` in repart.d(5); the stand-in of disko's script has the same.
    let root = match arch {
        Arch::X86_64 => "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        Arch::Aarch64 => "b921b045-1df0-41c3-af44-4c6f280d3fae",
    };
    let program = format!("etc/nixvm/{condition}");
    write(out, &program, &read(lab, condition)?)?;
    let drop_in = format!("[Service]\nExecCondition=/bin/sh /{program} {root}\n");
    write(out, "etc/systemd/system/systemd-repart.service.d/has-grown.conf", &drop_in)?;
    write(out, "etc/repart.d/50-root.conf", &format!("[Partition]\nType={root}\n"))?;
    let rules = read(lab, rules)?.replace("@systemctl@", "/usr/bin/systemctl");
    write(out, "etc/udev/rules.d/90-grow.rules", &rules)
}

fn read(lab: &Lab, name: &str) -> Result<String> {
    let path = lab.project.join("nix").join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
