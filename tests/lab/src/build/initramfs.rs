//! Busybox, kernel modules and `guest/initramfs/init` → an initramfs for both systems.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Lab;
use crate::command::Chroot;

/// Modules that have to be there before udev is, in loading order; those they depend on come along.
const EARLY: &[&str] = &[
    "virtio_pci",
    "virtio_gpu",
    "bochs",
    "virtio_blk",
    "virtio_scsi",
    "ahci",
    "ata_piix",
    "nvme",
    "vmw_pvscsi",
    "mptspi",
    "xhci_pci",
    "ehci_pci",
    "uhci_hcd",
    "usb-storage",
    "uas",
    "sd_mod",
    "sr_mod",
    "loop",
    "isofs",
    "squashfs",
    "overlay",
    "crc32c_generic",
    "ext4",
];

/// Modules that the kernel asks for when an installed system's root is mounted.
const ROOTS: &[&str] = &["btrfs", "xfs"];

/// Applets that `init` uses.
const APPLETS: &[&str] =
    &["cat", "cp", "findfs", "mkdir", "modprobe", "mount", "sh", "sleep", "switch_root", "umount"];

/// Writes the initramfs to `out`, with the modules of `tree` that [`EARLY`] and [`ROOTS`] need out of
/// `modules`.
///
/// # Errors
/// A file is missing or a tool failed.
pub(super) fn build(
    lab: &Lab,
    tools: &Path,
    tree: &Path,
    modules: &[PathBuf],
    out: &Path,
) -> Result<()> {
    let root = out.with_extension("tree");
    for folder in [
        "bin", "dev", "etc", "iso", "layer", "medium", "proc", "rw", "sbin", "store", "sys",
        "sysroot",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy(tree.join("usr/bin/busybox"), root.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    // The kernel calls this one by itself.
    symlink("../bin/busybox", root.join("sbin/modprobe"))?;
    fs::copy(lab.guest("initramfs/init"), root.join("init"))?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    // A module that is built into this kernel is not among the files and is skipped by `modprobe -q`.
    fs::write(root.join("etc/modules"), EARLY.join("\n"))?;

    let folder =
        modules.first().and_then(|m| m.iter().nth(3)).context("the guests have no module")?;
    let version = folder.to_string_lossy().into_owned();
    let from = tree.join("usr/lib/modules").join(&version);
    for module in closure(&from, &[EARLY, ROOTS].concat())? {
        let to = root.join("lib/modules").join(&version).join(&module);
        fs::create_dir_all(to.parent().context("a module has a folder")?)?;
        fs::copy(from.join(&module), to)?;
    }
    for list in ["modules.builtin", "modules.order"] {
        fs::copy(from.join(list), root.join("lib/modules").join(&version).join(list))?;
    }
    lab.commands.run("depmod", ["-b", &root.to_string_lossy(), &version])?;

    let name = out.file_name().context("the initramfs has a name")?.to_string_lossy().into_owned();
    let folder = out.parent().context("the initramfs has a folder")?;
    let chroot = Chroot::new(tools).bind(folder, "/mnt/out").bind(&root, "/mnt/tree");
    let pack = format!(
        "cd /mnt/tree && find . | sort | cpio --quiet -o -H newc -R 0:0 | zstd -q -12 > /mnt/out/{name}"
    );
    lab.commands.run_command(chroot.command("sh").args(["-ec", &pack]))?;
    crate::cache::remove(&root)
}

/// The files of `modules` and of what these depend on, out of depmod's `modules.dep`.
fn closure(folder: &Path, modules: &[&str]) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(folder.join("modules.dep"))?;
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((file, needs)) = line.split_once(':') else { continue };
        let stem =
            Path::new(file).file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
        if modules.iter().any(|m| m.replace('_', "-") == stem) {
            files.push(PathBuf::from(file));
            files.extend(needs.split_whitespace().map(PathBuf::from));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}
