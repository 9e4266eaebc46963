//! Every Nix file of the project: it parses, binds nothing that it does not use, and is formatted.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{have, project, skip};

/// As their generator writes them: neither formatted nor free of unused names.
const GENERATED: &str = "hardware-configuration.nix";

fn nix_files() -> Result<Vec<PathBuf>> {
    let project = project().canonicalize()?;
    let mut files = Vec::new();
    for pattern in ["*.nix", "iso/**/*.nix", "nix/**/*.nix", "tests/**/*.nix"] {
        let pattern = project.join(pattern);
        for file in glob::glob(&pattern.to_string_lossy())? {
            files.push(file?);
        }
    }
    ensure!(files.iter().any(|file| file.ends_with("flake.nix")), "no flake.nix was found");
    Ok(files)
}

#[test]
fn nix_files_parse_and_use_what_they_bind() -> Result<()> {
    let mut found = Vec::new();
    for file in nix_files()? {
        let text = fs::read_to_string(&file)?;
        let parsed = rnix::Root::parse(&text);
        found.extend(parsed.errors().iter().map(|e| format!("{}: {e}", file.display())));
        if file.ends_with(GENERATED) {
            continue;
        }
        let unused = deadnix::Settings { no_underscore: true, ..Default::default() }
            .find_dead_code(&parsed.syntax());
        found.extend(unused.iter().map(|dead| format!("{}: {dead}", file.display())));
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// As Nix itself sees it: with names that nothing binds, and without what only a newer Nix takes.
#[test]
fn nix_files_parse_with_nix() -> Result<()> {
    if !have(&["nix-instantiate"]) {
        skip("Nix files parse with Nix", "nix-instantiate is not installed");
        return Ok(());
    }
    // Parsing needs no store; where there is none yet, none is made.
    let home = tempfile::tempdir()?;
    let output = Command::new("nix-instantiate")
        .args(["--store", "dummy://", "--parse"])
        .args(nix_files()?)
        .env("HOME", home.path())
        .output()
        .context("cannot start nix-instantiate")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn nix_files_are_formatted() -> Result<()> {
    let mut found = Vec::new();
    for file in nix_files()? {
        if file.ends_with(GENERATED) {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        let formatted = nixfmt_rs::format(&text)
            .map_err(|error| anyhow::anyhow!("{error:?}"))
            .with_context(|| format!("cannot format {}", file.display()))?;
        if formatted != text && std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, &formatted)?;
        } else if formatted != text {
            found.push(file.display().to_string());
        }
    }
    ensure!(
        found.is_empty(),
        "`nix fmt`, or this test with UPDATE_EXPECT=1, changes {}",
        found.join(", ")
    );
    Ok(())
}
