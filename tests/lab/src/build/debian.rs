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
    "busybox-static",
    "ca-certificates",
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
    "kmod",
    "libpam-systemd",
    "libudev1",
    "lvm2",
    "mdadm",
    "mount",
    "nix-bin",
    "parted",
    "procps",
    "systemd",
    "systemd-boot-efi",
    "systemd-boot-tools",
    "systemd-sysv",
    "udev",
];

/// What only the lab itself runs, from the x86_64 folder.
const TOOLS: &[&str] = &["cpio", "grub-common", "mtools", "squashfs-tools", "xorriso", "zstd"];

fn packages(arch: Arch) -> Vec<&'static str> {
    let of_arch: &[&str] = match arch {
        Arch::X86_64 => &["linux-image-amd64", "grub-efi-amd64-bin", "grub-pc-bin"],
        Arch::Aarch64 => &["linux-image-arm64", "grub-efi-arm64-bin"],
    };
    [ESSENTIAL, GUEST, TOOLS, of_arch].concat()
}

/// Extracts the packages for `arch`; the x86_64 folder is also where the lab's own tools run.
///
/// # Errors
/// Debian's archive can't be reached, or lacks a package.
pub(super) fn extract(lab: &Lab, arch: Arch) -> Result<PathBuf> {
    let packages = packages(arch).join(",");
    let mut key = Key::new(include_str!("debian.rs"));
    key.add(SUITE.as_bytes()).add(packages.as_bytes());
    let folder = lab.cache.stage(&format!("debian-{arch}"), &key, |out| {
        let root = out.join("root");
        lab.shell
            .run(
                "mmdebstrap",
                [
                    "--quiet",
                    "--variant=extract",
                    "--mode=root",
                    "--aptopt=Apt::Install-Recommends \"false\"",
                    &format!("--architectures={}", arch.debian()),
                    &format!("--include={packages}"),
                    SUITE,
                    &root.to_string_lossy(),
                ],
            )
            .with_context(|| format!("cannot fetch Debian {SUITE}'s packages for {arch}"))
    })?;
    Ok(folder.join("root"))
}
