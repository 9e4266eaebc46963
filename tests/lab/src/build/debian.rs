//! Package names → their files, extracted into a root folder.
//!
//! No maintainer script runs, so that a foreign architecture needs no emulation; what the scripts
//! would have done and the guests need is done in [`super::base`].

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Arch, Lab};
use crate::cache::Key;

/// The release: its Nix understands today's flakes and its systemd is nearly NixOS's.
const SUITE: &str = "trixie";

/// What every Debian has; `extract` does not add it by itself.
const ESSENTIAL: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam-runtime",
    "login",
    "login.defs",
    "mawk",
    "ncurses-base",
    "ncurses-bin",
    "passwd",
    "sed",
    "tar",
    "util-linux",
];

/// What the live and the installed system need on top.
const GUEST: &[&str] = &[
    "btrfs-progs",
    "busybox-static",
    "ca-certificates",
    "console-data",
    "cryptsetup-bin",
    "dbus",
    "dbus-daemon",
    "dosfstools",
    "e2fsprogs",
    "efibootmgr",
    "fdisk",
    "gawk",
    "gdisk",
    "git",
    "iproute2",
    "jq",
    "kbd",
    "kmod",
    "libpam-systemd",
    "libudev1",
    "lvm2",
    "mdadm",
    "mount",
    "network-manager",
    "nix-bin",
    "openssh-client",
    "openssh-server",
    "parted",
    "procps",
    "systemd",
    "systemd-boot-efi",
    "systemd-boot-tools",
    "systemd-repart",
    "systemd-sysv",
    "tzdata",
    "udev",
    "xfsprogs",
];

/// What only the lab itself runs, from the x86_64 folder.
const TOOLS: &[&str] =
    &["cpio", "grub-common", "mtools", "sqlite3", "squashfs-tools", "time", "xorriso", "zstd"];

fn packages(arch: Arch) -> Vec<&'static str> {
    let of_arch: &[&str] = match arch {
        Arch::X86_64 => &["linux-image-amd64", "grub-efi-amd64-bin", "grub-pc-bin"],
        Arch::Aarch64 => &["linux-image-arm64", "grub-efi-arm64-bin"],
    };
    [ESSENTIAL, GUEST, TOOLS, of_arch].concat()
}

/// The release whose security suite keeps a current Rust for the browser, with the standard library
/// of other processors. Its C library is older than [`SUITE`]'s, so what it links runs there.
const TOOLCHAIN_SUITE: &str = "bookworm";

/// A compiler for aarch64 that runs on x86_64.
const TOOLCHAIN: &[&str] = &[
    "base-files",
    "cargo-web",
    "coreutils",
    "dash",
    "gcc",
    "gcc-aarch64-linux-gnu",
    "libc6-dev",
    "libc6-dev-arm64-cross",
    "libstd-rust-web-dev:arm64",
    "libudev-dev:arm64",
    "pkg-config",
    "rustc-web",
];

/// Extracts the packages for `arch`; the x86_64 folder is also where the lab's own tools run.
///
/// # Errors
/// Debian's archive can't be reached, or lacks a package.
pub(super) fn extract(lab: &Lab, arch: Arch) -> Result<PathBuf> {
    let stage = format!("debian-{arch}");
    fetch(lab, &stage, SUITE, arch.debian(), &packages(arch).join(","))
}

/// QEMU and the firmware for guests of `arch`, and what makes seed images of NoCloud.
fn emulator_packages(arch: Arch) -> Vec<&'static str> {
    let of_arch: &[&str] = match arch {
        Arch::X86_64 => &["cloud-image-utils", "genisoimage", "ovmf", "qemu-system-x86"],
        Arch::Aarch64 => &["qemu-efi-aarch64", "qemu-system-arm"],
    };
    // What cloud-localds runs, a script of bash's.
    let scripts = [
        "base-files",
        "bash",
        "coreutils",
        "dash",
        "grep",
        "libc-bin",
        "mawk",
        "sed",
        "util-linux",
    ];
    [&scripts, of_arch].concat()
}

/// Extracts QEMU and the firmware for guests of `arch`; with `window`, what shows their screen, too.
///
/// # Errors
/// As [`extract`].
pub(super) fn emulator(lab: &Lab, arch: Arch, window: bool) -> Result<PathBuf> {
    let mut packages = emulator_packages(arch);
    let mut stage = format!("emulator-{arch}");
    if window {
        packages.push("qemu-system-gui");
        stage += "-window";
    }
    fetch(lab, &stage, SUITE, Arch::X86_64.debian(), &packages.join(","))
}

/// Extracts the compiler for aarch64.
///
/// # Errors
/// As [`extract`].
pub(super) fn toolchain(lab: &Lab) -> Result<PathBuf> {
    fetch(lab, "toolchain", TOOLCHAIN_SUITE, "amd64,arm64", &TOOLCHAIN.join(","))
}

/// Extracts packages of these architectures, the first one's by default.
fn fetch(lab: &Lab, stage: &str, suite: &str, archs: &str, packages: &str) -> Result<PathBuf> {
    let mut key = Key::new(include_str!("debian.rs"));
    key.add(suite.as_bytes()).add(packages.as_bytes());
    let folder = lab.cache.stage(stage, &key, |out| {
        let root = out.join("root");
        lab.commands
            .run(
                "mmdebstrap",
                [
                    "--quiet",
                    "--variant=extract",
                    "--mode=root",
                    "--aptopt=Apt::Install-Recommends \"false\"",
                    &format!("--architectures={archs}"),
                    &format!("--include={packages}"),
                    suite,
                    &root.to_string_lossy(),
                ],
            )
            .with_context(|| format!("cannot fetch Debian {suite}'s packages for {archs}"))
    })?;
    Ok(folder.join("root"))
}
