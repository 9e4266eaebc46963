//! Busybox, cryptsetup, kernel modules and `guest/initramfs/init` → an initramfs for both systems.

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

/// Modules that open a root in LUKS.
const LUKS: &[&str] = &["aes_generic", "algif_skcipher", "dm-crypt", "ecb", "xts"];

/// What opens it, below the tree.
const CRYPTSETUP: &str = "usr/sbin/cryptsetup";

/// What a library loads by itself, when a thread of its key derivation ends.
const LOADED_LATE: &str = "libgcc_s.so.1";

/// Applets that `init` uses.
const APPLETS: &[&str] = &[
    "cat",
    "cp",
    "findfs",
    "grep",
    "mkdir",
    "modprobe",
    "mount",
    "sed",
    "sh",
    "sleep",
    "stty",
    "switch_root",
    "umount",
];

/// Writes the initramfs to `out`, with the modules of `tree` that [`EARLY`], [`ROOTS`] and [`LUKS`] need out of
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
        "bin", "dev", "etc", "iso", "layer", "medium", "proc", "run", "rw", "sbin", "store", "sys",
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
    add_program(tree, CRYPTSETUP, &root)?;
    fs::copy(lab.guest("initramfs/init"), root.join("init"))?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    // A module that is built into this kernel is not among the files and is skipped by `modprobe -q`.
    fs::write(root.join("etc/modules"), EARLY.join("\n"))?;

    let folder =
        modules.first().and_then(|m| m.iter().nth(3)).context("the guests have no module")?;
    let version = folder.to_string_lossy().into_owned();
    let from = tree.join("usr/lib/modules").join(&version);
    for module in closure(&from, &[EARLY, ROOTS, LUKS].concat())? {
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

/// Copies a program of the tree into `bin`, with its libraries and what loads them.
fn add_program(tree: &Path, program: &str, root: &Path) -> Result<()> {
    let program = tree.join(program);
    let name = program.file_name().context("the program has a name")?;
    fs::copy(&program, root.join("bin").join(name))?;
    let libraries = fs::read_dir(tree.join("usr/lib"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|folder| folder.join("libc.so.6").exists())
        .context("the tree has no C library")?;
    let to = root.join("lib").join(libraries.file_name().context("a folder has a name")?);
    fs::create_dir_all(&to)?;
    let mut left = vec![program, libraries.join(LOADED_LATE)];
    while let Some(file) = left.pop() {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // Names of libraries, and the path of what loads them, are strings among others in the file.
        for text in bytes.split(|byte| *byte == 0).filter_map(|text| str::from_utf8(text).ok()) {
            if text.starts_with("/lib") && text.contains("/ld-linux") {
                let loader = root.join(text.trim_start_matches('/'));
                fs::create_dir_all(loader.parent().context("a loader has a folder")?)?;
                fs::copy(tree.join(text.trim_start_matches('/')), loader)?;
            }
            let is_library = text.contains(".so") && !text.contains('/');
            if is_library && libraries.join(text).is_file() && !to.join(text).exists() {
                fs::copy(libraries.join(text), to.join(text))?;
                left.push(libraries.join(text));
            }
        }
    }
    fs::copy(libraries.join(LOADED_LATE), to.join(LOADED_LATE))?;
    Ok(())
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
