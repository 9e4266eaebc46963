//! Extracted packages → the base folder: `tree/` (a small Debian), `kernel`, `initrd`, `busybox`.
//!
//! The live system is this tree under an overlay, the installed one binds its `/usr`: what is tried in
//! one is there in the other, and the ISO holds it once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Arch, Lab, initramfs, target};
use crate::cache::{Key, remove};
use crate::command::Chroot;

/// What the guests do not need, below the tree.
const TRIMMED: &[&str] = &[
    "boot",
    "dev",
    "home",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr/bin/grub-*",
    "usr/bin/*squashfs*",
    "usr/bin/xorriso*",
    "usr/bin/perl*",
    "usr/bin/mtools",
    // xfsprogs brings it for a program that no test runs; its binfmt.d would need a kernel module.
    "usr/bin/python3*",
    "usr/lib/binfmt.d",
    "usr/lib/python3*",
    "usr/games",
    "usr/include",
    "usr/src",
    "usr/lib/git-core",
    "usr/lib/grub",
    "usr/lib/udev/hwdb.d",
    "usr/lib/*-linux-gnu/gconv",
    "usr/lib/*-linux-gnu/libperl*",
    "usr/lib/*-linux-gnu/perl*",
    "usr/lib/*-linux-gnu/libisofs*",
    "usr/lib/*-linux-gnu/libicudata*",
    "usr/sbin/grub-*",
    "usr/share/awk",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/fish",
    "usr/share/grub",
    "usr/share/i18n",
    "usr/share/icons",
    "usr/share/info",
    "usr/share/initramfs-tools",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl*",
    "usr/share/zsh",
    // Timers and services that only cost a test's time.
    "usr/lib/systemd/system/e2scrub*",
    "usr/lib/systemd/system/*.timer",
    "usr/lib/systemd/system/*.wants/*.timer",
    "etc/systemd/system/*.wants",
    "etc/init.d",
    "etc/cron*",
    "etc/rc?.d",
];

/// Kernel modules of the guests, with whatever these depend on.
const MODULES: &[&str] = &[
    "aes_generic",
    "ahci",
    "algif_skcipher",
    "autofs4",
    "bochs",
    "btrfs",
    "crc32c_generic",
    "dm-crypt",
    "dm-mod",
    "dmi-sysfs",
    "e1000",
    "e1000e",
    "efivarfs",
    "ehci_pci",
    "evdev",
    "ext4",
    "fuse",
    "hid_generic",
    "isofs",
    "loop",
    "mptspi",
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859-1",
    "nls_utf8",
    "nvme",
    "overlay",
    "qemu_fw_cfg",
    "raid1",
    "sd_mod",
    "sg",
    "squashfs",
    "sr_mod",
    "uas",
    "usb-storage",
    "usbhid",
    "vfat",
    "virtio_blk",
    "virtio_console",
    "virtio_gpu",
    "virtio_net",
    "virtio_pci",
    "virtio_rng",
    "virtio_scsi",
    "vmxnet3",
    "xfs",
    "xhci_pci",
    "xts",
];

/// Kernel modules of devices that only x86 machines have.
const X86_MODULES: &[&str] =
    &["ata_generic", "ata_piix", "floppy", "psmouse", "uhci_hcd", "vmw_pvscsi"];

/// Kernel parameters of both systems: they spare an emulated processor work that no test looks at.
const PARAMETERS: &str = "quiet loglevel=4 systemd.show_status=0 lsm=capability audit=0 \
    mitigations=off cryptomgr.notests no_timer_check panic=-1";

/// Builds the base folder for `arch` from its extracted `packages`, with the programs of `tools`.
///
/// # Errors
/// Debian's archive can't be reached, or a tool failed.
pub(super) fn build(lab: &Lab, arch: Arch, tools: &Path, packages: &Path) -> Result<PathBuf> {
    let mut key = Key::new(include_str!("base.rs"));
    key.add(include_bytes!("initramfs.rs"));
    key.add(packages.as_os_str().as_encoded_bytes());
    key.add(TRIMMED.concat().as_bytes()).add(modules(arch).concat().as_bytes());
    key.add(PARAMETERS.as_bytes());
    for folder in ["base", "initramfs", "tree"] {
        key.add_path(&lab.guest(folder))?;
    }
    target::add_key(lab, &mut key)?;
    lab.cache.stage(&format!("base-{arch}"), &key, |out| {
        let tree = out.join("tree");
        lab.commands.run("cp", [Path::new("-a"), packages, &tree])?;
        let kernel = find(&tree.join("boot"), "vmlinuz-")?;
        fs::copy(&kernel, out.join("kernel"))?;
        fs::copy(tree.join("usr/bin/busybox"), out.join("busybox"))?;
        fs::write(
            out.join("kernel-params"),
            format!("{PARAMETERS} console={},115200 console=tty0", arch.serial()),
        )?;
        fs::copy(lab.guest("base/build-toplevel"), out.join("build-toplevel"))?;
        lab.commands.run("cp", [Path::new("-r"), &lab.guest("base/scripts"), out])?;

        let modules = keep_modules(lab, &tree, &modules(arch))?;
        initramfs::build(lab, tools, &tree, &modules, &out.join("initrd"))?;
        trim(lab, &tree)?;
        configure(lab, tools, &tree)?;
        target::add_first_boot(lab, &tree)?;
        lab.commands.run("cp", [Path::new("-r"), &lab.guest("tree/usr"), &tree])?;
        target::write_growth(lab, arch, &out.join("growth"))
    })
}

/// The one entry of `folder` whose name starts with `prefix`.
fn find(folder: &Path, prefix: &str) -> Result<PathBuf> {
    fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)))
        .with_context(|| format!("no {prefix}* in {}", folder.display()))
}

fn modules(arch: Arch) -> Vec<&'static str> {
    match arch {
        Arch::X86_64 => [MODULES, X86_MODULES].concat(),
        Arch::Aarch64 => MODULES.to_vec(),
    }
}

/// Leaves only these modules and what they depend on in the tree, decompressed: returns their paths
/// below the tree.
fn keep_modules(lab: &Lab, tree: &Path, modules: &[&str]) -> Result<Vec<PathBuf>> {
    let all = find(&tree.join("usr/lib/modules"), "")?;
    let version = all.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tree_text = tree.to_string_lossy().into_owned();
    lab.commands.run("depmod", ["-b", &tree_text, &version])?;
    let tree_path =
        tree.canonicalize().with_context(|| format!("cannot find {}", tree.display()))?;
    let no_configuration = tempfile::tempdir().context("cannot make an empty folder")?;
    let no_configuration = no_configuration.path();
    let mut kept = Vec::new();
    for module in modules {
        let mut command = std::process::Command::new("modprobe");
        command.args(["-d", &tree_text, "-S", &version, "--show-depends", module]);
        // Options and aliases are the guest's business: the host's would change what is printed.
        command.arg("--config").arg(no_configuration).env_remove("MODPROBE_OPTIONS");
        for line in lab.commands.output(&mut command)?.lines() {
            let Some(file) = module_file(line) else { continue };
            let file = Path::new(file)
                .canonicalize()
                .with_context(|| format!("cannot find the file of `{line}` for {module}"))?;
            let below = file
                .strip_prefix(&tree_path)
                .with_context(|| format!("{} is not in {}", file.display(), tree_path.display()))?;
            kept.push(below.to_owned());
        }
    }
    kept.sort();
    kept.dedup();

    let fresh = tree.join("usr/lib/modules.kept");
    let mut decompressed = Vec::new();
    for module in kept {
        let inside = module.strip_prefix("usr/lib/modules")?;
        let to = fresh.join(inside);
        fs::create_dir_all(to.parent().context("a module has a folder")?)?;
        fs::copy(tree.join(&module), &to)?;
        if to.extension().is_some_and(|e| e == "xz") {
            lab.commands.run("xz", [Path::new("-d"), &to])?;
        }
        decompressed.push(module.with_extension(""));
    }
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        fs::copy(all.join(list), fresh.join(&version).join(list))?;
    }
    remove(&tree.join("usr/lib/modules"))?;
    fs::rename(&fresh, tree.join("usr/lib/modules"))?;
    lab.commands.run("depmod", ["-b", &tree_text, &version])?;
    Ok(decompressed)
}

/// The file in a line of `modprobe --show-depends`: `insmod FILE [OPTION...]`. Other lines (`builtin
/// NAME`, `install COMMAND`) have none.
///
/// Options come from the kernel's command line as well as from modprobe's configuration, and a file's
/// path may have spaces in it.
fn module_file(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("insmod ")?;
    let mut ends = rest.match_indices(' ').map(|(at, _)| at).chain([rest.len()]);
    ends.find(|end| {
        let file = &rest[..*end];
        [".ko", ".ko.gz", ".ko.xz", ".ko.zst"].iter().any(|kind| file.ends_with(kind))
    })
    .map(|end| &rest[..end])
}

fn trim(lab: &Lab, tree: &Path) -> Result<()> {
    let script = format!("cd \"$0\" && rm -rf {}", TRIMMED.join(" "));
    lab.commands.run("sh", ["-c", &script, &tree.to_string_lossy()])
}

/// Does what the maintainer scripts would have done and the guests need.
fn configure(lab: &Lab, tools: &Path, tree: &Path) -> Result<()> {
    for folder in [
        "boot", "dev", "home", "iso", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys",
        "tmp",
    ] {
        fs::create_dir_all(tree.join(folder))?;
    }
    for folder in ["nix/store", "nix/.ro-store", "nix/.rw-store"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    for (from, to) in [("passwd.master", "passwd"), ("group.master", "group")] {
        fs::copy(tree.join("usr/share/base-passwd").join(from), tree.join("etc").join(to))?;
    }
    let chroot = Chroot::new(tools).bind(tree, "/mnt");
    lab.commands.run_command(chroot.command("systemd-sysusers").arg("--root=/mnt"))?;
    lab.commands.run_command(chroot.command("pwconv").args(["--root", "/mnt"]))?;

    for kind in ["account", "auth", "password", "session", "session-noninteractive"] {
        let group = kind.split('-').next().unwrap_or(kind);
        let mut rules = match group {
            "password" => "password required pam_unix.so sha512\n".to_owned(),
            _ => format!("{group} required pam_unix.so\n"),
        };
        if kind == "session" {
            rules.push_str("session optional pam_systemd.so\n");
        }
        fs::write(tree.join("etc/pam.d").join(format!("common-{kind}")), rules)?;
    }
    let certificates = "cat \"$0\"/usr/share/ca-certificates/mozilla/*.crt \
        > \"$0\"/etc/ssl/certs/ca-certificates.crt";
    lab.commands.run("sh", ["-c", certificates, &tree.to_string_lossy()])?;

    write(tree, "etc/machine-id", "")?;
    write(tree, "etc/hostname", "lab\n")?;
    write(
        tree,
        "etc/fstab",
        concat!(
            "LABEL=nixos / ext4 defaults 0 0\n",
            "LABEL=boot /boot vfat umask=0077,nofail 0 0\n",
        ),
    )?;
    write(
        tree,
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    )?;
    write(
        tree,
        "etc/nix/nix.conf",
        concat!(
            "sandbox = false\nbuild-users-group =\nsubstituters =\n",
            "experimental-features = nix-command flakes\n",
        ),
    )?;
    // In place of Debian's file of this name, which makes /etc/vconsole.conf a link.
    write(tree, "etc/tmpfiles.d/debian.conf", "d /run/lock 1777 root root -\n")?;
    write(tree, "etc/.updated", "")?;
    write(tree, "var/.updated", "")?;
    // What Debian's alternatives would have made.
    link(tree, "gawk", "usr/bin/awk")?;
    link(tree, "/proc/mounts", "etc/mtab")?;
    remove(&tree.join("var/run"))?;
    link(tree, "/run", "var/run")?;
    link(tree, "multi-user.target", "usr/lib/systemd/system/default.target")?;
    // What its preset would have made; the live system masks it.
    let wants = "usr/lib/systemd/system/getty.target.wants";
    fs::create_dir_all(tree.join(wants))?;
    link(tree, "../getty@.service", &format!("{wants}/getty@tty1.service"))?;
    let wants = "usr/lib/systemd/system/sysinit.target.wants";
    let unit = "systemd-vconsole-setup.service";
    link(tree, &format!("../{unit}"), &format!("{wants}/{unit}"))
}

pub(super) fn write(tree: &Path, file: &str, text: &str) -> Result<()> {
    let path = tree.join(file);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn link(tree: &Path, to: &str, at: &str) -> Result<()> {
    let path = tree.join(at);
    if path.symlink_metadata().is_ok() {
        fs::remove_file(&path)?;
    }
    symlink(to, &path).with_context(|| format!("cannot link {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_the_host_gives_a_module_are_not_part_of_its_path() {
        let file = Some("/tree/lib/modules/6.12/kernel/drivers/md/md-mod.ko.xz");
        let plain = "insmod /tree/lib/modules/6.12/kernel/drivers/md/md-mod.ko.xz ";
        assert_eq!(module_file(plain), file);
        // Debian's mdadm has `options md_mod start_ro=1` in /etc/modprobe.d.
        assert_eq!(module_file(&format!("{plain}start_ro=1")), file);
        assert_eq!(module_file(&format!("{plain}start_ro=1 name=x.ko")), file);
    }

    #[test]
    fn a_module_file_may_be_plain_or_lie_in_a_folder_with_a_space() {
        assert_eq!(module_file("insmod /my tree/loop.ko max_loop=8"), Some("/my tree/loop.ko"));
        assert_eq!(module_file("insmod /tree/ext4.ko.zst"), Some("/tree/ext4.ko.zst"));
        assert_eq!(module_file("builtin crc32c_generic"), None);
        assert_eq!(module_file("install /bin/false"), None);
    }
}
