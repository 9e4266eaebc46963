//! Step 3: the baked system's closure → the target's store and system profile.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Attempt;
use crate::layout;
use crate::plan::System;

/// Runs the step; returns the system's store path.
///
/// # Errors
/// The closure can't be copied.
pub(super) async fn run(attempt: &Attempt) -> Result<PathBuf> {
    let System::Copy { toplevel } = &attempt.plan.system else {
        bail!("building the flake is not possible yet");
    };
    let runner = &attempt.runner;
    let store = format!("local?root={}", layout::MOUNT_POINT);
    runner
        .tool("nix")
        .args(["--extra-experimental-features", "nix-command", "copy", "--no-check-sigs"])
        .args(["--to", &store, toplevel])
        .run()
        .await
        .context("cannot copy the system")?;
    let profile = Path::new(layout::MOUNT_POINT).join("nix/var/nix/profiles/system");
    runner
        .tool("nix-env")
        .args(["--store", &store, "--profile"])
        .arg(&profile)
        .args(["--set", toplevel])
        .run()
        .await
        .context("cannot set the system profile")?;
    // Without it, nixos-enter and switch-to-configuration refuse the target.
    let mark = Path::new(layout::MOUNT_POINT).join("etc/NIXOS");
    std::fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(toplevel.into())
}
