//! The scripts of the installed system, as nixpkgs checks them.

use std::process::Command;

use anyhow::{Result, ensure};
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
