//! The project's sources → the agent's binary for a guest.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{Arch, Lab};
use crate::setup;

/// Compiles the agent for `arch`.
///
/// # Errors
/// Cargo failed.
pub(super) fn build(lab: &Lab, arch: Arch) -> Result<PathBuf> {
    if arch != Arch::X86_64 {
        bail!("the agent can't be compiled for {arch} yet");
    }
    let mut cargo = setup::cargo();
    cargo.current_dir(&lab.project).args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "nixvm-agent",
        "--bins",
    ]);
    lab.shell.run_command(&mut cargo)?;
    Ok(lab.project.join("target/release/nixvm-agent"))
}
