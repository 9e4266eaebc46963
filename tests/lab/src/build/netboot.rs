//! The stand-in ISO and its kernel → a folder that is served to machines without a medium: kernel, an
//! initrd with the ISO's images in it, and a script for iPXE.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Arch, Lab, image};
use crate::cache::{Key, remove};
use crate::command::Chroot;

/// File name of the script, which is what DHCP offers.
pub(super) const SCRIPT: &str = "netboot.ipxe";

/// Makes the folder.
///
/// # Errors
/// A file is missing or a tool failed.
pub(super) fn build(
    lab: &Lab,
    arch: Arch,
    tools: &Path,
    base: &Path,
    iso: &Path,
) -> Result<PathBuf> {
    let mut key = Key::new(include_str!("netboot.rs"));
    key.add(base.as_os_str().as_encoded_bytes()).add(iso.as_os_str().as_encoded_bytes());
    lab.cache.stage(&format!("netboot-{arch}"), &key, |out| {
        let iso = iso.parent().context("the ISO is in a folder")?;
        let chroot =
            Chroot::new(tools).bind(out, "/mnt/out").bind(base, "/mnt/base").bind(iso, "/mnt/iso");
        // The kernel looks for another archive behind the first where an address divisible by four is.
        let script = format!(
            "cd /mnt/out
             mkdir tree
             for name in live nix-store; do
               xorriso -osirrox on -indev /mnt/iso/{} -extract /$name.squashfs tree/$name.squashfs
             done
             cp /mnt/base/kernel kernel
             cp /mnt/base/initrd initrd
             truncate -s %4 initrd
             cd tree
             find . -type f | sort | cpio --quiet -o -H newc -R 0:0 >> ../initrd",
            image::ISO
        );
        lab.commands.run_command(chroot.command("sh").args(["-ec", &script]))?;
        remove(&out.join("tree"))?;
        let command_line = image::command_line(arch, base)?;
        let script =
            format!("#!ipxe\nkernel kernel initrd=initrd {command_line}\ninitrd initrd\nboot\n");
        fs::write(out.join(SCRIPT), script).context("cannot write the script for iPXE")
    })
}
