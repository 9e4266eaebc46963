//! A folder that is laid out like a machine, and the command that makes a template of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::project;

/// As nixpkgs' writeShellApplication runs them.
pub(crate) const BASH: [&str; 3] = ["-euo", "pipefail", "--"];

/// What names a machine: path and content.
pub(crate) const OWN: &[(&str, &str)] = &[
    ("boot/loader/random-seed", "seed"),
    ("etc/docker/key.json", "{}"),
    ("etc/ssh/ssh_host_ed25519_key", "secret"),
    ("etc/ssh/ssh_host_ed25519_key.pub", "public"),
    ("etc/ssh/ssh_host_rsa_key", "secret"),
    ("var/lib/NetworkManager/internal-uuid-eth0.lease", "ADDRESS=10.0.2.15"),
    ("var/lib/NetworkManager/secret_key", "secret"),
    ("var/lib/NetworkManager/seen-bssids", "seen"),
    ("var/lib/NetworkManager/timestamps", "uuid=1"),
    ("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("var/lib/dhcpcd/duid", "00:01"),
    ("var/lib/docker/engine-id", "engine"),
    ("var/lib/nixvm/first-boot.started", "secret"),
    ("var/lib/systemd/credential.secret", "secret"),
    ("var/lib/systemd/random-seed", "seed"),
    ("var/lib/tailscale/tailscaled.state", "{}"),
    ("var/log/journal/0123456789abcdef0123456789abcdef/system.journal", "LPKSHHRH"),
    ("var/log/nixvm/install.log", "serial 1"),
];

/// What is the same on every clone.
pub(crate) const SHARED: &[(&str, &str)] = &[
    ("boot/EFI/nixvm/installed", "{}"),
    ("boot/loader/loader.conf", "timeout 3"),
    ("etc/NIXOS", ""),
    ("etc/NetworkManager/system-connections/any.nmconnection", "[ipv4]\nmethod=manual\n"),
    ("etc/NetworkManager/system-connections/auto.nmconnection", "[ipv4]\nmethod=auto\n"),
    (
        "etc/NetworkManager/system-connections/one.nmconnection",
        "[ethernet]\nmac-address=52:54:00:00:00:01\n[ipv4]\nmethod=manual\n",
    ),
    ("etc/ssh/sshd_config", "Port 22"),
    ("home/ht/.bash_history", "ls"),
    ("var/lib/NetworkManager/NetworkManager.state", "[main]"),
    ("var/lib/docker/image", "layers"),
    ("var/lib/nixos/uid-map", "{}"),
];

pub(crate) const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef\n";

/// The root of an installed machine.
pub(crate) fn machine() -> Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    for (path, text) in OWN.iter().chain(SHARED).chain(&[("etc/machine-id", MACHINE_ID)]) {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        fs::write(file, text)?;
    }
    Ok(root)
}

/// All files below a folder.
pub(crate) fn files(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in glob::glob(&format!("{}/**/*", root.display()))? {
        let entry = entry?;
        if entry.is_file() {
            let name = entry.strip_prefix(root)?.to_string_lossy().into_owned();
            found.insert(name, fs::read_to_string(&entry)?);
        }
    }
    Ok(found)
}

pub(crate) fn command(root: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(BASH).arg(project().join("nix/nixvm-generalize")).arg("--root").arg(root);
    command
}

pub(crate) fn generalize(root: &Path, more: &[&str]) -> Result<Output> {
    command(root).args(more).output().context("cannot start bash")
}

/// That it fails, without having changed anything; what it says.
pub(crate) fn refuse(root: &Path) -> Result<String> {
    let before = files(root)?;
    let output = generalize(root, &[])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(files(root)? == before, "something was changed");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// That it fails and names these paths, and that all that names the machine is gone but for these files.
pub(crate) fn leaves(root: &Path, output: &Output, named: &[&str], wanted: &[&str]) -> Result<()> {
    ensure!(output.status.code() == Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    for path in named {
        ensure!(said.contains(&format!("left {path}: ")), "{path} is not named: {said}");
    }
    let removed = String::from_utf8_lossy(&output.stdout);
    ensure!(named.iter().all(|path| !removed.contains(path)), "{removed}");
    let left = files(root)?;
    let own = OWN.iter().map(|(path, _)| *path).filter(|path| left.contains_key(*path));
    let own: Vec<_> = own.collect();
    ensure!(own == wanted, "{own:?}");
    ensure!(left["etc/machine-id"].is_empty(), "the identifier is there");
    Ok(())
}

pub(crate) fn succeed(output: &Output) -> Result<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{said}{errors}");
    Ok((said, errors))
}
