//! The scripts of the installed system.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{have, project, skip};

/// As nixpkgs' writeShellApplication runs them.
const BASH: [&str; 3] = ["-euo", "pipefail", "--"];

/// What names a machine: path and content.
const OWN: &[(&str, &str)] = &[
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
    ("var/lib/systemd/credential.secret", "secret"),
    ("var/lib/systemd/random-seed", "seed"),
    ("var/lib/tailscale/tailscaled.state", "{}"),
    ("var/log/journal/0123456789abcdef0123456789abcdef/system.journal", "LPKSHHRH"),
    ("var/log/nixvm/install.log", "serial 1"),
];

/// What is the same on every clone.
const SHARED: &[(&str, &str)] = &[
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

const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef\n";

/// The root of an installed machine.
fn machine() -> Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    for (path, text) in OWN.iter().chain(SHARED).chain(&[("etc/machine-id", MACHINE_ID)]) {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        fs::write(file, text)?;
    }
    Ok(root)
}

/// All files below a folder.
fn files(root: &Path) -> Result<BTreeMap<String, String>> {
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

fn generalize(root: &Path, more: &[&str]) -> Result<Output> {
    let script = project().join("nix/nixvm-generalize");
    let mut command = Command::new("bash");
    command.args(BASH).arg(script).arg("--root").arg(root).args(more);
    command.output().context("cannot start bash")
}

fn succeed(output: &Output) -> Result<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{said}{errors}");
    Ok((said, errors))
}

#[test]
fn template_has_nothing_of_its_own_and_all_that_its_clones_share() -> Result<()> {
    let root = machine()?;
    let before = files(root.path())?;
    let (said, _) = succeed(&generalize(root.path(), &["--dry-run"])?)?;
    ensure!(files(root.path())? == before, "a dry run changes something");
    let (done, warnings) = succeed(&generalize(root.path(), &[])?)?;
    ensure!(done == said, "it says {said} and does {done}");

    let mut wanted: BTreeMap<_, _> =
        SHARED.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    wanted.insert("etc/machine-id".to_owned(), String::new());
    let after = files(root.path())?;
    ensure!(after == wanted, "{after:#?}");
    ensure!(
        warnings.lines().count() == 1 && warnings.contains("any.nmconnection"),
        "a fixed address that clones would share: {warnings}"
    );

    let (again, _) = succeed(&generalize(root.path(), &[])?)?;
    ensure!(!again.contains("removed") && !again.contains("emptied"), "{again}");
    Ok(())
}

/// Where D-Bus has no identifier of its own, as on NixOS, the link stays.
#[test]
fn link_to_the_identifier_stays() -> Result<()> {
    let root = machine()?;
    let link = root.path().join("var/lib/dbus/machine-id");
    fs::remove_file(&link)?;
    symlink("/etc/machine-id", &link)?;
    succeed(&generalize(root.path(), &[])?)?;
    ensure!(link.is_symlink(), "it is gone");
    Ok(())
}

#[test]
fn clone_gets_an_identifier_of_its_own_from_systemd() -> Result<()> {
    if !have(&["systemd-machine-id-setup"]) {
        skip("a clone gets an identifier", "systemd-machine-id-setup is not installed");
        return Ok(());
    }
    let root = machine()?;
    succeed(&generalize(root.path(), &[])?)?;
    let setup = Command::new("systemd-machine-id-setup").arg("--root").arg(root.path()).output()?;
    succeed(&setup)?;
    let id = fs::read_to_string(root.path().join("etc/machine-id"))?;
    ensure!(id.len() == 33 && id != MACHINE_ID, "{id:?}");
    Ok(())
}

#[test]
fn system_that_is_not_nixos_is_left_alone() -> Result<()> {
    let root = machine()?;
    fs::remove_file(root.path().join("etc/NIXOS"))?;
    let before = files(root.path())?;
    let output = generalize(root.path(), &[])?;
    ensure!(!output.status.success(), "it went on");
    ensure!(files(root.path())? == before, "something was removed");
    // Least of all the machine that it was started on.
    for wrong in [&["--root"][..], &["--root", "/"], &["--rot"]] {
        let script = project().join("nix/nixvm-generalize");
        let output = Command::new("bash").args(BASH).arg(script).args(wrong).output()?;
        ensure!(output.status.code() == Some(2), "{wrong:?}: {output:?}");
    }
    Ok(())
}

/// nixpkgs builds them only then.
#[test]
fn scripts_are_clean_for_shellcheck() -> Result<()> {
    if !have(&["shellcheck"]) {
        skip("scripts are clean for ShellCheck", "shellcheck is not installed");
        return Ok(());
    }
    // Debian's shell runs the first one in the lab.
    for (name, shells) in [("has-grown", &["bash", "sh"][..]), ("nixvm-generalize", &["bash"])] {
        for shell in shells {
            let script = project().join("nix").join(name);
            let output =
                Command::new("shellcheck").args(["--shell", shell]).arg(script).output()?;
            succeed(&output)?;
        }
    }
    Ok(())
}
