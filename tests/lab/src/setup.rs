//! A fresh Debian machine with cargo → one on which the lab runs.

use std::fs;
use std::path::{Path, PathBuf};
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
    ("openssh-client", "/usr/bin/ssh"),
    ("openssl", "/usr/bin/openssl"),
    ("pkg-config", "/usr/bin/pkg-config"),
    ("python3", "/usr/bin/python3"),
    ("xz-utils", "/usr/bin/xz"),
];

/// Whether openssh-server is installed.
const SSHD: &str = "/usr/sbin/sshd";

/// Packages that only the tests need.
const TEST_PACKAGES: &[(&str, &str)] = &[
    ("bcache-tools", "/sbin/make-bcache"),
    ("btrfs-progs", "/sbin/mkfs.btrfs"),
    ("cloud-guest-utils", "/usr/bin/growpart"),
    ("cryptsetup-bin", "/sbin/cryptsetup"),
    ("dbus-daemon", "/usr/bin/dbus-daemon"),
    ("dosfstools", "/sbin/mkfs.vfat"),
    ("e2fsprogs", "/sbin/mkfs.ext4"),
    ("exfatprogs", "/sbin/mkfs.exfat"),
    ("f2fs-tools", "/sbin/mkfs.f2fs"),
    ("fdisk", "/sbin/sfdisk"),
    ("gdisk", "/sbin/sgdisk"),
    ("genisoimage", "/usr/bin/genisoimage"),
    ("grub-common", "/usr/bin/grub-script-check"),
    ("grub-pc-bin", "/usr/lib/grub/i386-pc/linux16.mod"),
    ("lvm2", "/sbin/pvcreate"),
    ("mtools", "/usr/bin/mcopy"),
    ("ntfs-3g", "/sbin/mkntfs"),
    ("openssh-server", SSHD),
    ("parted", "/sbin/parted"),
    ("shellcheck", "/usr/bin/shellcheck"),
    ("squashfs-tools", "/usr/bin/mksquashfs"),
    ("udftools", "/sbin/mkudffs"),
    ("xfsprogs", "/sbin/mkfs.xfs"),
    ("xorriso", "/usr/bin/xorriso"),
];

/// Installs what the lab needs and is missing, and says so first. QEMU is not among it: the lab has its
/// own, in a folder ([`crate::vm::emulator`]).
///
/// # Errors
/// This is no Debian, or apt failed.
pub fn install_packages() -> Result<()> {
    install(PACKAGES)
}

/// Installs what the tests need on top.
///
/// # Errors
/// As [`install_packages`], or cargo has neither rustfmt nor clippy and can't get them.
pub fn install_test_tools() -> Result<()> {
    let had_sshd = Path::new(SSHD).exists();
    let policy = (!had_sshd).then(|| ServicePolicy::refuse(Path::new(POLICY))).transpose()?;
    let installed = install(TEST_PACKAGES);
    drop(policy);
    installed?;
    if !had_sshd {
        say!("openssh-server is here for a test: its service was not started, and is turned off");
        // Without systemd there is nothing to turn off.
        let _nothing_to_turn_off = Command::new("systemctl")
            .args(["disable", "--quiet", "ssh.service"])
            .stdin(Stdio::null())
            .output();
    }
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let has = |mut cargo: Command| {
            let output = cargo.args([command, "--version"]).stdin(Stdio::null()).output();
            output.is_ok_and(|output| output.status.success())
        };
        if has(cargo()) {
            continue;
        }
        say!("adding {component} to cargo");
        let mut rustup = Command::new("rustup");
        let added = rustup.args(["component", "add", component]).status();
        if !added.is_ok_and(|status| status.success()) || !has(cargo()) {
            bail!("`cargo {command}` is missing: install {component}, by rustup or from Debian");
        }
    }
    Ok(())
}

/// Whether services may be started: Debian Policy, `invoke-rc.d`'s policy layer.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Keeps packages from starting their services, until it is dropped.
struct ServicePolicy<'a>(Option<&'a Path>);

impl<'a> ServicePolicy<'a> {
    fn refuse(file: &'a Path) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        // The host's own policy stays what it is.
        if file.exists() {
            return Ok(Self(None));
        }
        let about = || format!("cannot write {}", file.display());
        // 101: the action is not allowed.
        fs::write(file, "#!/bin/sh\nexit 101\n").with_context(about)?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).with_context(about)?;
        Ok(Self(Some(file)))
    }
}

impl Drop for ServicePolicy<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.0
            && let Err(error) = fs::remove_file(file)
        {
            say!("cannot remove {}: {error}", file.display());
        }
    }
}

fn install(packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> = packages
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
    // A conflict may make apt remove packages: that must not go unnoticed.
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
    as_user(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
}

/// Where that cargo keeps the crates that it has fetched.
///
/// # Errors
/// The user's shell can't be started.
pub fn cargo_home() -> Result<PathBuf> {
    let mut shell = as_user("sh");
    let script = "printf %s \"${CARGO_HOME:-$HOME/.cargo}\"";
    let output = shell.args(["-c", script]).output().context("cannot start sh")?;
    Ok(String::from_utf8(output.stdout).context("cargo's folder has no name in UTF-8")?.into())
}

fn as_user(program: &str) -> Command {
    match std::env::var("SUDO_USER") {
        Ok(user) if rustix::process::geteuid().is_root() => {
            let mut command = Command::new("sudo");
            command.args(["--user", &user, "--preserve-env", "--set-home", "--", program]);
            command
        }
        _ => Command::new(program),
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
