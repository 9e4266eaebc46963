//! The command that makes a machine a template, on folders that are laid out like one: what goes, and what
//! stays.

mod links;
mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use machine::{
    BASH, MACHINE_ID, OWN, SHARED, command, files, generalize, machine, refuse, succeed,
};
use nixvm_nix_tests::{Tree, have, project, skip};

#[test]
fn template_has_nothing_of_its_own_and_all_that_its_clones_share() -> Result<()> {
    let root = machine()?;
    let before = files(root.path())?;
    // As NixOS configures them.
    let keys =
        ["--host-key", "/etc/ssh/ssh_host_rsa_key", "--host-key", "/etc/ssh/ssh_host_ed25519_key"];
    let (said, _) = succeed(&generalize(root.path(), &[&keys[..], &["--dry-run"]].concat())?)?;
    ensure!(files(root.path())? == before, "a dry run changes something");
    let (done, warnings) = succeed(&generalize(root.path(), &keys)?)?;
    ensure!(done == said.replace("would have ", ""), "it says {said} and does {done}");

    let mut wanted: BTreeMap<_, _> =
        SHARED.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    wanted.insert("etc/machine-id".to_owned(), String::new());
    let after = files(root.path())?;
    ensure!(after == wanted, "{after:#?}");
    // The folder's ESP is a folder.
    let [esp, address] = warnings.lines().collect::<Vec<_>>()[..] else {
        bail!("two warnings are not {warnings}")
    };
    ensure!(esp.contains("/boot is not mounted"), "{esp}");
    ensure!(address.contains("any.nmconnection"), "clones would share a fixed address: {address}");

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
    refuse(root.path())?;
    Ok(())
}

/// Least of all the machine that it was started on: `--dry-run` is for the case that it does not refuse.
#[test]
fn root_that_is_this_system_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("link");
    symlink("/", &link)?;
    let link = link.to_str().context("an odd name")?;
    for wrong in [
        &["--root"][..],
        &["--root", ""],
        &["--root", "/"],
        &["--root", "//"],
        &["--root", "/tmp/.."],
        &["--root", link],
        &["--rot"],
    ] {
        let script = project().join("nix/nixvm-generalize");
        let output =
            Command::new("bash").args(BASH).arg(script).arg("--dry-run").args(wrong).output()?;
        ensure!(output.status.code() == Some(2), "{wrong:?}: {output:?}");
    }
    Ok(())
}

#[test]
fn configured_paths_are_looked_at_too() -> Result<()> {
    let root = machine()?;
    for (path, text) in
        [("efi/loader/random-seed", "seed"), ("keys/a key", "secret"), ("keys/a key.pub", "public")]
    {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        fs::write(file, text)?;
    }
    let more = ["--esp", "/efi", "--host-key", "/keys/a key"];
    let (_, warnings) = succeed(&generalize(root.path(), &more)?)?;
    ensure!(warnings.contains("/efi is not mounted"), "{warnings}");
    let left = files(root.path())?;
    ensure!(left.keys().all(|path| !path.starts_with("keys/")), "{left:?}");
    ensure!(!left.contains_key("efi/loader/random-seed"), "{left:?}");
    Ok(())
}

#[test]
fn configured_paths_are_those_of_the_system() -> Result<()> {
    let Some(tree) = Tree::find("configured paths are those of the system")? else {
        return Ok(());
    };
    let text = tree.json("generalize")?;
    let first = text.as_str().and_then(|text| text.lines().next()).context("no text")?;
    let wanted = "set -- --esp /efi --host-key '/keys/a key' \"$@\"";
    ensure!(first == wanted, "{first}");
    Ok(())
}

/// It may have secrets in it, and each clone would run it.
#[test]
fn script_that_has_not_run_is_refused() -> Result<()> {
    let root = machine()?;
    fs::write(root.path().join("var/lib/nixvm/first-boot"), "#!/bin/sh\n")?;
    let said = refuse(root.path())?;
    ensure!(said.contains("has not run yet"), "{said}");
    Ok(())
}

/// It stops the network, and with it who reads.
#[test]
fn output_that_nobody_takes_does_not_stop_it() -> Result<()> {
    let root = machine()?;
    let full = || fs::File::options().write(true).open("/dev/full");
    let status = command(root.path()).stdout(full()?).stderr(full()?).status()?;
    ensure!(status.success(), "{status}");
    let left = files(root.path())?;
    ensure!(OWN.iter().all(|(path, _)| !left.contains_key(*path)), "{left:?}");
    Ok(())
}
