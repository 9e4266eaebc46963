//! What the installed machines give their account: the desktop with all that it promises, by name,
//! and the small server without it.

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::Tree;
use serde_json::Value;

/// What both have: a package of the system, and the unit that it takes to work, if there is one.
const BOTH: &[(&str, Option<&str>)] = &[
    ("git", None),
    ("zsh", None),
    ("openssh", Some("sshd.service")),
    ("networkmanager", Some("NetworkManager.service")),
];

/// What the desktop has and the small server has not.
const DESKTOP: &[(&str, Option<&str>)] = &[
    ("plasma-workspace", Some("display-manager.service")),
    ("kwin", None),
    ("docker", Some("docker.service")),
    ("tailscale", Some("tailscaled.service")),
    ("1password", None),
    ("1password-cli", None),
    ("firefox", None),
];

fn has(machine: &Value, list: &str, wanted: &str) -> Result<bool> {
    let list = machine[list].as_array().with_context(|| format!("no {list}"))?;
    Ok(list.iter().any(|name| name == wanted))
}

#[test]
fn desktop_and_small_server_have_what_they_promise() -> Result<()> {
    let Some(tree) = Tree::find("desktop and small server have what they promise")? else {
        return Ok(());
    };
    let machines = tree.json("offers")?;
    for (name, machine) in machines.as_object().context("no machines")? {
        let desktop = !name.contains("minimal");
        let rows = BOTH.iter().map(|row| (row, true));
        for ((package, unit), wanted) in rows.chain(DESKTOP.iter().map(|row| (row, desktop))) {
            ensure!(has(machine, "packages", package)? == wanted, "{name}: package {package}");
            if let Some(unit) = unit {
                ensure!(has(machine, "units", unit)? == wanted, "{name}: unit {unit}");
            }
        }
        ensure!(has(machine, "sessions", "plasma-workspace")? == desktop, "{name}: the session");
        ensure!(has(machine, "extraGroups", "docker")? == desktop, "{name}: docker's group");
        // The account's home is home-manager's, and its shell is the system's zsh.
        ensure!(has(machine, "units", "home-manager-ht.service")?, "{name}: home-manager");
        ensure!(machine["shell"] == "/run/current-system/sw/bin/zsh", "{name}: {machine}");
    }
    Ok(())
}
