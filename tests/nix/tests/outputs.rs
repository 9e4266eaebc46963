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

/// Outputs of x86_64 that the documentation names.
const PROMISED: &[&str] = &[
    "apps.x86_64-linux.default",
    "apps.x86_64-linux.install",
    "apps.x86_64-linux.vm",
    "devShells.x86_64-linux.default",
    "formatter.x86_64-linux",
    "nixosConfigurations.installer-minimal-x86_64",
    "nixosConfigurations.installer-x86_64",
    "nixosConfigurations.nixvm-minimal-x86_64",
    "nixosConfigurations.nixvm-x86_64",
    "packages.x86_64-linux.default",
    "packages.x86_64-linux.iso",
    "packages.x86_64-linux.iso-minimal",
    "packages.x86_64-linux.kexec",
    "packages.x86_64-linux.netboot",
    "packages.x86_64-linux.nixvm-agent",
    "packages.x86_64-linux.nixvm-iso",
];

/// Scenarios of `tests/*.nix`, which all systems have but for the one on BIOS.
const SCENARIOS: &[&str] = &[
    "bios-refused",
    "custom-identity",
    "hot-plugged-disk",
    "install",
    "iso-left-attached",
    "static-address",
    "usb-stick",
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
        for name in SCENARIOS {
            let wanted = system == "x86_64-linux" || *name != "bios-refused";
            let found = rows.get(format!("checks.{system}.vm-{name}")).is_some();
            ensure!(found == wanted, "{system}: scenario {name}");
        }
    }
    Ok(())
}

/// What other flakes build on.
#[test]
fn library_modules_and_template_are_there() -> Result<()> {
    let Some(tree) = Tree::find("library, modules and template are there")? else {
        return Ok(());
    };
    let (target, warnings) = tree.json_and_warnings("targetModule")?;
    check(&serde_json::json!({ "target": target["toplevel"] }), &warnings)?;
    let wanted = serde_json::json!({
        "toplevel": target["toplevel"],
        "hostName": "web1",
        "description": "Ada Lovelace",
        "disk": "/dev/sda",
        "desktop": false,
        "unfree": false,
    });
    ensure!(target == wanted, "{target}");
    let names = tree.json("names")?;
    let wanted = serde_json::json!({
        "lib": ["mkHost", "mkInstaller"],
        "nixosModules": ["first-boot", "generalize", "grow", "installer", "target"],
        "templates": ["default"],
    });
    ensure!(names == wanted, "{names}");
    let darwin = tree.json("darwin")?;
    ensure!(darwin.get("packages.aarch64-darwin.nixvm-iso").is_some(), "{darwin}");
    Ok(())
}

#[test]
fn check_of_the_agent_tests_every_crate_it_is_made_of() -> Result<()> {
    let Some(tree) = Tree::find("the agent's check tests every crate")? else { return Ok(()) };
    let flags = tree.json("agentTestFlags")?;
    let mut wanted = Vec::new();
    for manifest in glob::glob(&project().join("agent/**/Cargo.toml").to_string_lossy())? {
        let text = std::fs::read_to_string(manifest?)?;
        let name = text.lines().find_map(|line| line.strip_prefix("name = "));
        let name = name.context("a crate has no name")?.trim_matches('"').to_owned();
        if !name.contains("fuzz") {
            wanted.push(format!("--package={name}"));
        }
    }
    let flags: Vec<String> = serde_json::from_value(flags)?;
    ensure!(wanted.iter().all(|flag| flags.contains(flag)), "{wanted:?} are not all in {flags:?}");
    ensure!(flags.len() >= 4 && flags.len() == wanted.len(), "{flags:?}");
    Ok(())
}

/// Its image has the sources of all that its flake is locked to: the live system finds them there
/// when it has no network.
#[test]
fn template_evaluates_and_its_image_has_its_inputs() -> Result<()> {
    let Some(tree) = Tree::find("the template evaluates")? else { return Ok(()) };
    let (template, warnings) = tree.json_and_warnings("template")?;
    check(&serde_json::json!({ "template": template["drvPath"] }), &warnings)?;
    let store = template["store"].as_array().context("no store")?;
    for input in ["/project", "/tree/nixpkgs", "/tree/disko", "/tree/home-manager"] {
        ensure!(store.iter().any(|path| path == input), "{input} is not in {store:?}");
    }
    Ok(())
}

/// Nix would rewrite a lock that does not fit the inputs, with the newest revisions of that day.
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

/// cargo reads every member's manifest, and the crates read each other's files: the filtered source
/// has to hold them all, for the tests as well.
#[test]
fn packages_compile_from_their_filtered_sources() -> Result<()> {
    let Some(tree) = Tree::find("packages compile from their filtered sources")? else {
        return Ok(());
    };
    for package in ["nixvm-agent", "nixvm-iso"] {
        let package = tree.json(&format!(
            "let p = flake.packages.x86_64-linux.{package}; in \
             {{ src = \"${{p.src}}\"; inherit (p) postPatch buildAndTestSubdir; }}"
        ))?;
        let text = |name: &str| package[name].as_str().context("no text");
        let work = tempfile::tempdir()?;
        let source = work.path().join("source");
        run(Command::new("cp")
            .args(["--recursive", "--no-preserve=mode"])
            .arg(tree.outside(Path::new(text("src")?)))
            .arg(&source))?;
        run(Command::new("bash").args(["-euc", text("postPatch")?]).current_dir(&source))?;
        run(Command::new("cargo")
            .args(["check", "--tests", "--offline", "--locked"])
            .env("CARGO_TARGET_DIR", project().canonicalize()?.join("target/nix-sources"))
            .current_dir(source.join(text("buildAndTestSubdir")?)))?;
        ensure!(!source.join("tests/lab/src/build").exists(), "the lab is part of the source");
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed:\n{said}");
    Ok(())
}
