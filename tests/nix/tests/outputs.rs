//! The flake evaluates, for both systems, down to the derivations; nothing is built.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{Tree, project};
use serde_json::Value;

/// What the tree's own nixpkgs and home-manager say of themselves: they are of different years.
const OF_THE_TREE: &[&str] = &[
    "fold has been deprecated",
    "mkAliasOptionModuleMD is deprecated",
    "profile: You are using",
    "nixfmt was renamed to nixfmt-classic",
];

/// Outputs of x86_64 that somebody was promised.
const PROMISED: &[&str] = &[
    "apps.x86_64-linux.install",
    "apps.x86_64-linux.vm",
    "devShells.x86_64-linux.default",
    "formatter.x86_64-linux",
    "nixosConfigurations.installer-x86_64",
    "nixosConfigurations.nixvm-x86_64",
    "packages.x86_64-linux.agent",
    "packages.x86_64-linux.default",
    "packages.x86_64-linux.iso",
    "packages.x86_64-linux.iso-minimal",
];

fn machines_evaluate(architecture: &str) -> Result<()> {
    let Some(tree) = Tree::find("machines evaluate")? else { return Ok(()) };
    let expression = format!("outputs.{architecture}-linux.machines");
    let (rows, warnings) = tree.json_and_warnings(&expression)?;
    check(&rows, &warnings)?;
    for name in PROMISED {
        let name = name.replace("x86_64", architecture);
        ensure!(rows.get(&name).is_some(), "there is no output {name}");
    }
    Ok(())
}

fn check(rows: &Value, warnings: &[String]) -> Result<()> {
    let rows = rows.as_object().context("no rows")?;
    for (name, path) in rows {
        let path = path.as_str().unwrap_or_default();
        ensure!(path.starts_with("/nix/store/"), "{name} is {path}");
    }
    let ours: Vec<_> = warnings
        .iter()
        .filter(|warning| !OF_THE_TREE.iter().any(|known| warning.contains(known)))
        .collect();
    ensure!(ours.is_empty(), "the flake evaluates with warnings: {ours:#?}");
    Ok(())
}

#[test]
fn machines_of_x86_64_evaluate() -> Result<()> {
    machines_evaluate("x86_64")
}

#[test]
fn machines_of_aarch64_evaluate() -> Result<()> {
    machines_evaluate("aarch64")
}

#[test]
fn checks_evaluate() -> Result<()> {
    let Some(tree) = Tree::find("checks evaluate")? else { return Ok(()) };
    for system in ["x86_64-linux", "aarch64-linux"] {
        let (rows, warnings) = tree.json_and_warnings(&format!("outputs.{system}.checks"))?;
        check(&rows, &warnings)?;
        let bios = rows.get(format!("checks.{system}.vm-bios-refused"));
        ensure!(bios.is_some() == (system == "x86_64-linux"), "the BIOS scenario is for x86_64");
        ensure!(rows.get(format!("checks.{system}.vm-install")).is_some(), "no install scenario");
    }
    Ok(())
}

#[test]
fn template_evaluates() -> Result<()> {
    let Some(tree) = Tree::find("the template evaluates")? else { return Ok(()) };
    let (path, warnings) = tree.json_and_warnings("{ template = template; }")?;
    check(&path, &warnings)
}

/// A lock that the inputs have outgrown would be rewritten, by whatever is newest that day.
#[test]
fn lock_is_of_these_inputs() -> Result<()> {
    let Some(tree) = Tree::find("the lock is of these inputs")? else { return Ok(()) };
    let (folder, inside) = tree.folder()?;
    for file in ["flake.nix", "flake.lock"] {
        std::fs::copy(project().join(file), folder.path().join(file))?;
    }
    let flake = format!("path:{}", inside.display());
    let output = tree.run([
        "nix",
        "flake",
        "metadata",
        "--json",
        "--offline",
        "--no-update-lock-file",
        &flake,
    ])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the lock does not fit flake.nix:\n{said}");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    for input in ["nixpkgs", "home-manager", "disko"] {
        let node = &metadata["locks"]["nodes"][input];
        ensure!(node["locked"]["narHash"].is_string(), "{input} is not locked");
        let follows = &node["inputs"]["nixpkgs"];
        ensure!(input == "nixpkgs" || follows == &serde_json::json!(["nixpkgs"]), "{follows}");
    }
    Ok(())
}

/// cargo reads every member's manifest, so the filtered source has to hold them all.
#[test]
fn packages_have_a_source_that_cargo_takes() -> Result<()> {
    let Some(tree) = Tree::find("packages have a source that cargo takes")? else { return Ok(()) };
    let package = tree.json(
        "{ src = \"${flake.packages.x86_64-linux.agent.src}\"; \
         inherit (flake.packages.x86_64-linux.agent) postPatch buildAndTestSubdir; }",
    )?;
    let text = |name: &str| package[name].as_str().context("no text");
    let work = tempfile::tempdir()?;
    let source = work.path().join("source");
    let run = |command: &mut Command| -> Result<()> {
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?} failed:\n{said}");
        Ok(())
    };
    run(Command::new("cp")
        .args(["--recursive", "--no-preserve=mode"])
        .arg(tree.outside(Path::new(text("src")?)))
        .arg(&source))?;
    run(Command::new("bash").args(["-euc", text("postPatch")?]).current_dir(&source))?;
    run(Command::new("cargo")
        .args(["tree", "--offline", "--locked"])
        .current_dir(source.join(text("buildAndTestSubdir")?)))?;
    ensure!(!source.join("tests/lab/src/build").exists(), "the lab is part of the agent's source");
    Ok(())
}
