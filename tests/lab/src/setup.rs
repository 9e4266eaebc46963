//! A fresh Debian machine with cargo → one on which the lab runs.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::say;

/// Packages that the lab needs, and the program or file that shows that one is there.
const PACKAGES: &[(&str, &str)] = &[
    ("gcc", "/usr/bin/cc"),
    ("git", "/usr/bin/git"),
    ("kmod", "/sbin/depmod"),
    ("libudev-dev", "/usr/share/doc/libudev-dev"),
    ("mmdebstrap", "/usr/bin/mmdebstrap"),
    ("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd"),
    ("pkg-config", "/usr/bin/pkg-config"),
    ("qemu-system-x86", "/usr/bin/qemu-system-x86_64"),
    ("xz-utils", "/usr/bin/xz"),
];

/// Installs what is missing, and says so first.
///
/// # Errors
/// This is no Debian, or apt failed.
pub fn install_packages() -> Result<()> {
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    say!("installing Debian packages: {}", missing.join(" "));
    apt(&["update", "--quiet=2"])?;
    let mut arguments = vec!["install", "--yes", "--quiet=2", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot start apt-get: the lab needs Debian 12 or newer")?;
    if !output.status.success() {
        bail!(
            "`apt-get {}` failed with {}:\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // A conflict may make apt take something away: nobody should have to find that out later.
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.starts_with("Removing ") {
            say!("{line}");
        }
    }
    Ok(())
}

/// A cargo command, as the user who called sudo where that is how root was reached: what it writes
/// into `target/` stays that user's.
pub fn cargo() -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    match std::env::var("SUDO_USER") {
        Ok(user) if rustix::process::geteuid().is_root() => {
            let mut command = Command::new("sudo");
            command.args(["--user", &user, "--preserve-env", "--set-home", "--", &cargo]);
            command
        }
        _ => Command::new(cargo),
    }
}

/// Starts this program again as root, by sudo, unless it is root already.
///
/// # Errors
/// sudo can't be started.
pub fn become_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    say!("the lab mounts and chroots: going on with sudo");
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let status = Command::new("sudo")
        .args(["--preserve-env=PATH,CARGO,CARGO_HOME,RUSTUP_HOME,NIXVM_EVAL_TREE,TERM"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot start sudo: run this as root")?;
    std::process::exit(status.code().unwrap_or(1));
}
