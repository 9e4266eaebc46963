//! The baked system's closure, or what is built from the flake → the target's store and
//! system profile.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Attempt;
use super::closure::{copy, target_store};
use crate::command::nix::nix;
use crate::disk::layout;
use crate::plan::Buildable;
use crate::plan::System;

/// Runs the step; returns the system's store path.
///
/// # Errors
/// The closure can't be copied, or the system not be built.
pub(super) async fn run(attempt: &Attempt) -> Result<PathBuf> {
    let toplevel = match &attempt.plan.system {
        System::Copy { toplevel } => {
            copy(attempt, Path::new(toplevel)).await?;
            toplevel
        }
        System::Build { buildable, .. } => {
            // Nearly all of what will be built is in what the ISO carries.
            if let Some(carried) = &attempt.manifest.toplevel {
                copy(attempt, carried).await?;
            }
            build(attempt, buildable).await?;
            &buildable.toplevel
        }
    };
    let profile = Path::new(layout::MOUNT_POINT).join("nix/var/nix/profiles/system");
    attempt
        .runner
        .tool("nix-env")
        .args(["--store", &target_store(), "--profile"])
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

/// Arguments of `nix` that copy a derivation, and the sources that it is made from, from the live store to
/// another one.
///
/// Sources have no signature. Without this, Nix copies them itself when it builds, and refuses them
/// unless it takes everything from everywhere unsigned.
pub fn transfer_arguments(store: &str, derivation: &str) -> [String; 6] {
    ["copy", "--no-check-sigs", "--derivation", "--to", store, derivation].map(str::to_owned)
}

/// Arguments of `nix` that build a derivation in another store than the live one, which is in memory.
///
/// What the live system has is taken from there. Nix does that for a substituter only, and takes
/// nothing from any where it has no network, unless told so: it would build even its build tools.
pub fn build_arguments(store: &str, derivation: &str) -> [String; 13] {
    [
        "build",
        "--no-link",
        "--print-build-logs",
        "--store",
        store,
        "--eval-store",
        "auto",
        "--extra-substituters",
        "auto?trusted=1",
        "--option",
        "substitute",
        "true",
        &format!("{derivation}^*"),
    ]
    .map(str::to_owned)
}

async fn build(attempt: &Attempt, buildable: &Buildable) -> Result<()> {
    let (store, derivation) = (target_store(), &buildable.derivation);
    let proxy = attempt.plan.configuration.proxy.as_ref();
    let nix = || nix(&attempt.runner, buildable.online, proxy);
    nix()
        .args(transfer_arguments(&store, derivation))
        .run()
        .await
        .context("cannot copy the system's derivation to the disk")?;
    nix()
        .args(build_arguments(&store, derivation))
        .run()
        .await
        .context("cannot build the system")?;
    Ok(())
}
