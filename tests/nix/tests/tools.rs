//! The programs that the agent starts are on its PATH, in the unit of the real live system.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{Tree, project};

/// Which package of `iso/tools.nix` has which program.
const PACKAGES: &[(&str, &[&str])] = &[
    ("coreutils", &["cp"]),
    ("cryptsetup", &["cryptsetup"]),
    ("dosfstools", &["mkfs.vfat"]),
    ("e2fsprogs", &["mkfs.ext4"]),
    ("efibootmgr", &["efibootmgr"]),
    ("gawk", &["awk"]),
    ("git", &["git"]),
    ("gptfdisk", &["sgdisk"]),
    ("iproute2", &["ip"]),
    ("jq", &["jq"]),
    ("kbd", &["loadkeys", "setfont"]),
    ("kmod", &["modprobe"]),
    ("lvm2", &["dmsetup"]),
    ("mdadm", &["mdadm"]),
    ("networkmanager", &["nmcli"]),
    ("nix", &["nix", "nix-env", "nix-store"]),
    ("nixos-install-tools", &["nixos-enter", "nixos-generate-config", "nixos-install"]),
    ("openssh", &["ssh-keygen"]),
    ("open-vm-tools", &["vmware-rpctool"]),
    ("parted", &["partprobe"]),
    ("systemd", &["systemctl", "udevadm"]),
    ("util-linux", &["blkid", "losetup", "lsblk", "mount", "swapoff", "umount", "wipefs"]),
];

/// What the agent's sources start: `.tool("NAME")`, and the names in its lists of tools.
fn started() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let pattern = project().join("agent/src/**/*.rs");
    for file in glob::glob(&pattern.to_string_lossy())? {
        let text = fs::read_to_string(file?)?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(code.split(".tool(\"").skip(1).filter_map(name));
        for list in ["const TOOL: &str =", "const TOOLS: &[&str] ="] {
            let Some((_, list)) = code.split_once(list) else { continue };
            let list = list.split(';').next().unwrap_or_default();
            found.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    Ok(found)
}

fn name(after: &str) -> Option<String> {
    after.split_once('"').map(|(name, _)| name.to_owned())
}

#[test]
fn programs_that_the_agent_starts_are_on_its_path() -> Result<()> {
    let started = started()?;
    ensure!(started.contains("nixos-install") && started.contains("sgdisk"), "{started:?}");
    let mut packages = BTreeSet::new();
    for program in &started {
        let package = PACKAGES.iter().find(|(_, programs)| programs.contains(&program.as_str()));
        let (package, _) = package.with_context(|| {
            format!("which package has {program}? It belongs into iso/tools.nix, and in here")
        })?;
        packages.insert(*package);
    }
    let Some(tree) = Tree::find("programs are on the agent's PATH")? else { return Ok(()) };
    for system in ["x86_64-linux", "aarch64-linux"] {
        let live = tree.json(&format!("live.{system}"))?;
        let unit = live["unit"].as_str().context("no unit")?;
        let path = unit.lines().find_map(|line| line.strip_prefix("Environment=PATH="));
        let folders: Vec<_> = path.context("the unit sets no PATH")?.split(':').collect();
        for package in &packages {
            // /nix/store/HASH-NAME-VERSION
            let is_of = |folder: &&str| {
                let rest = folder.get(44..).and_then(|name| name.strip_prefix(package));
                rest.is_some_and(|rest| rest.starts_with("-headless-") || version(rest))
            };
            ensure!(folders.iter().any(is_of), "{system}: {package} is not on {folders:?}");
        }
    }
    Ok(())
}

fn version(after_name: &str) -> bool {
    after_name.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
