//! The project's sources → the agent's binary for a guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Arch, Lab, debian};
use crate::command::Chroot;
use crate::setup;

/// What cargo is asked for.
const BUILD: &[&str] =
    &["build", "--release", "--quiet", "--locked", "--package", "nixvm-agent", "--bins"];

/// Rust's name of the foreign target.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Where cargo and the C compilers of the toolchain folder find each other. The folder has no
/// maintainer script's links, so `cc` has to be called by its own name.
const CROSS: &[(&str, &str)] = &[
    ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
    ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "gcc"),
    ("CARGO_TARGET_DIR", "/mnt/target"),
    ("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"),
    ("HOST_CC", "gcc"),
    ("PKG_CONFIG_ALLOW_CROSS", "1"),
    ("PKG_CONFIG_LIBDIR", "/usr/lib/aarch64-linux-gnu/pkgconfig"),
];

/// Compiles the agent for `arch`.
///
/// # Errors
/// Cargo failed, or what the crates are is not there and can't be fetched.
pub(super) fn build(lab: &Lab, arch: Arch) -> Result<PathBuf> {
    match arch {
        Arch::X86_64 => {
            let mut cargo = setup::cargo();
            cargo.current_dir(&lab.project).args(BUILD);
            lab.commands.run_command(&mut cargo)?;
            Ok(lab.project.join("target/release/nixvm-agent"))
        }
        Arch::Aarch64 => cross(lab),
    }
}

/// Compiles in a Debian with a compiler for the other processor: rustup's toolchain may have none,
/// and the library that the agent links is the other processor's too.
fn cross(lab: &Lab) -> Result<PathBuf> {
    let toolchain = debian::toolchain(lab)?;
    // As the user: their cargo configuration may name another registry.
    let mut fetch = setup::cargo();
    fetch.current_dir(&lab.project).args(["fetch", "--locked", "--quiet"]);
    lab.commands.run_command(&mut fetch).context("cannot fetch the crates")?;
    let target = lab.work.join("target-aarch64");
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot make {}", target.display()))?;
    let mut cargo = command(lab, &toolchain, &target)?;
    cargo.args(BUILD).args(["--offline", "--target", TARGET]);
    lab.commands.run_command(&mut cargo).context("cannot compile the agent for aarch64")?;
    Ok(target.join(TARGET).join("release/nixvm-agent"))
}

/// Cargo inside the toolchain folder; of the host it sees the sources and the fetched crates, and
/// writes to neither.
fn command(lab: &Lab, toolchain: &Path, target: &Path) -> Result<Command> {
    let registry = setup::cargo_home()?.join("registry");
    let chroot = Chroot::new(toolchain)
        .show(&lab.project, "/mnt/project")
        .show(&registry, "/root/.cargo/registry")
        .bind(target, "/mnt/target");
    let mut command = chroot.command("sh");
    command.args(["-c", "cd /mnt/project && exec cargo \"$@\"", "cargo"]).envs(CROSS.to_vec());
    Ok(command)
}
