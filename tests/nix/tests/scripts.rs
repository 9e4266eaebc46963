//! The scripts and units of the installed system, as nixpkgs checks and reads them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{have, project, skip};

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
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success(), "{said}");
        }
    }
    Ok(())
}

/// NixOS's switch-to-configuration reads each of these in one section only: the first one where the new system
/// has no such unit, the second one where it has another.
#[test]
fn script_of_the_first_boot_may_switch_to_another_system() -> Result<()> {
    let unit = fs::read_to_string(project().join("nix/first-boot/nixvm-first-boot.service"))?;
    for (section, line) in
        [("[Unit]", "X-StopOnRemoval=false"), ("[Service]", "X-RestartIfChanged=false")]
    {
        let (_, below) = unit.split_once(&format!("{section}\n")).context("no section")?;
        let mut lines = below.lines().take_while(|line| !line.starts_with('['));
        ensure!(lines.any(|found| found == line), "no {line} in {section} of {unit}");
    }
    Ok(())
}
