//! Store, agent and `iso/`'s plain files → the stand-in ISO.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nixvm_manifest::{Defaults, Manifest, VERSION};

use super::layouts::LAYOUTS;
use super::store::{Store, attribute};
use super::{Arch, Lab};
use crate::cache::{Key, remove};
use crate::command::Chroot;

/// File name of the ISO in its stage's folder.
pub(super) const ISO: &str = "installer.iso";

/// The smallest disk that the stand-in system is offered. It needs a twentieth of a real one.
const MINIMUM_DISK_BYTES: u64 = 1_000_000_000;

/// Files of `iso/` that the live system has, as the NixOS image has them.
const UNIT: &str = "nixvm-agent.service";
const FAILED_UNIT: &str = "nixvm-agent-failed.service";
const POLICY: &str = "org.nixvm.Installer1.conf";
const MENU_ENTRY: &str = "grub-installed-disk.cfg";

/// Outputs of the other stages, of which an ISO is made.
pub(super) struct IsoInputs {
    /// The architecture that it boots on.
    pub(super) arch: Arch,
    /// Root folder where the lab's tools run.
    pub(super) tools: PathBuf,
    /// Extracted packages of `arch`.
    pub(super) packages: PathBuf,
    /// The base folder.
    pub(super) base: PathBuf,
    /// The closure and the flake.
    pub(super) store: Store,
    /// The agent's binary.
    pub(super) agent: PathBuf,
    /// The manifest names the image of the store; otherwise Nix has to copy the system.
    pub(super) names_store_mount: bool,
}

/// Assembles the ISO.
///
/// # Errors
/// A file is missing or a tool failed.
pub(super) fn build(lab: &Lab, parts: &IsoInputs) -> Result<PathBuf> {
    let IsoInputs { arch, tools, packages, base, store, agent, names_store_mount } = parts;
    let arch = *arch;
    let mut key = Key::new(include_str!("image.rs"));
    key.add(store.folder().as_os_str().as_encoded_bytes());
    key.add_path(agent)?;
    key.add(include_bytes!("layouts.rs"));
    key.add_path(&lab.guest("live"))?;
    for name in [UNIT, FAILED_UNIT, POLICY, MENU_ENTRY] {
        key.add_path(&lab.project.join("iso").join(name))?;
    }
    let empty_area = nixvm_answers::area::encode("")?;
    key.add(&empty_area);
    let stage = match names_store_mount {
        true => format!("iso-{arch}"),
        false => format!("iso-{arch}-no-store-image"),
    };
    let folder = lab.cache.stage(&stage, &key, |out| {
        let image = out.join("image");
        fs::create_dir_all(image.join("boot/grub"))?;
        let layer = out.join("layer");
        live_layer(lab, parts, &layer)?;
        let chroot = || {
            Chroot::new(tools)
                .bind(out, "/mnt/out")
                .bind(store.folder(), "/mnt/store")
                .bind(&packages.join("usr/lib/grub"), "/mnt/grub")
        };
        let run =
            |script: &str| lab.commands.run_command(chroot().command("sh").args(["-ec", script]));
        run("nix-store --store 'local?root=/mnt/out/layer' --load-db < /mnt/store/registration")?;
        run(
            "mksquashfs /mnt/out/layer /mnt/out/image/live.squashfs -quiet -no-progress -all-root \
             -b 1048576 -comp zstd -Xcompression-level 3",
        )?;
        // A hard link: the image is only read.
        fs::hard_link(store.image(), image.join("nix-store.squashfs"))?;
        boot_files(lab, arch, base, &image)?;
        // The one place where an ISO's answers can be; nixvm-iso finds it by its name.
        let area =
            nixvm_answers::area::PATH.iter().fold(image.clone(), |path, part| path.join(part));
        let folder = area.parent().context("the answers area is in a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&area, &empty_area)
            .with_context(|| format!("cannot write {}", area.display()))?;
        run(&boot_images(arch))?;
        run(&assemble(arch))?;
        remove(&image)?;
        remove(&layer)
    })?;
    Ok(folder.join(ISO))
}

/// What lies over the base tree in the live system.
fn live_layer(lab: &Lab, parts: &IsoInputs, layer: &Path) -> Result<()> {
    let IsoInputs { arch, store, agent, .. } = parts;
    let name = Path::new(&store.base).file_name().context("the base has a name")?;
    write(layer, "base", &name.to_string_lossy())?;
    write(layer, "etc/hostname", "nixvm-installer\n")?;
    write(layer, "etc/fstab", "")?;
    // As on NixOS's own installer, the consoles beside tty1 have a shell.
    write(
        layer,
        "etc/systemd/system/serial-getty@.service.d/autologin.conf",
        concat!(
            "[Service]\nExecStart=\n",
            "ExecStart=-/usr/sbin/agetty --autologin root --keep-baud 115200 %I vt102\n",
        ),
    )?;
    for unit in ["getty@tty1.service", "autovt@tty1.service"] {
        let at = layer.join("etc/systemd/system").join(unit);
        symlink("/dev/null", &at).with_context(|| format!("cannot mask {}", at.display()))?;
    }

    let iso = lab.project.join("iso");
    copy(agent, &layer.join("usr/bin/nixvm-agent"), 0o755)?;
    for unit in [UNIT, FAILED_UNIT] {
        copy(&iso.join(unit), &layer.join("usr/lib/systemd/system").join(unit), 0o644)?;
    }
    let wants = layer.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    symlink(format!("/usr/lib/systemd/system/{}", UNIT), wants.join(UNIT))?;
    copy(&iso.join(POLICY), &layer.join("usr/share/dbus-1/system.d").join(POLICY), 0o644)?;

    for tool in ["nixos-enter", "nixos-install", "nixos-generate-config"] {
        copy(&lab.guest("live").join(tool), &layer.join("usr/bin").join(tool), 0o755)?;
    }
    let disko = lab.guest("live/disko");
    copy(&disko, &layer.join("etc/nixvm/disko"), 0o755)?;
    copy(&store.registration(), &layer.join("etc/nixvm/registration"), 0o644)?;
    lab.commands.run("cp", [Path::new("-r"), &store.flake(), &layer.join("etc/nixvm/flake")])?;
    let mut manifest = manifest(*arch, store);
    if !parts.names_store_mount {
        manifest.store_mount = None;
    }
    write(layer, "etc/nixvm/manifest.json", &serde_json::to_string_pretty(&manifest)?)?;
    for layout in LAYOUTS {
        let script = format!("etc/nixvm/disko-{}", layout.name);
        copy(&disko, &layer.join(&script), 0o755)?;
        let manifest = Manifest {
            layout: (layout.partitions)(),
            disko_script: Path::new("/").join(&script),
            ..manifest.clone()
        };
        let file = format!("etc/nixvm/{}.json", layout.name);
        write(layer, &file, &serde_json::to_string_pretty(&manifest)?)?;
    }
    Ok(())
}

fn manifest(arch: Arch, store: &Store) -> Manifest {
    Manifest {
        version: VERSION,
        build_id: format!("lab-{}", env!("CARGO_PKG_VERSION")),
        system: arch.nix_system(),
        flake: "/etc/nixvm/flake".into(),
        flake_attribute: attribute(arch),
        host_directory: "nix".into(),
        defaults: Defaults {
            hostname: "nixvm".into(),
            username: "ht".into(),
            full_name: String::new(),
            keymap: Some("us".into()),
            locale: Some("en_US.UTF-8".into()),
            timezone: None,
            proxy: None,
            countdown: 10,
        },
        toplevel: Some(store.toplevel.clone().into()),
        registration: Some("/etc/nixvm/registration".into()),
        store_mount: Some("/nix/.ro-store".into()),
        disko_script: "/etc/nixvm/disko".into(),
        layout: nixvm_manifest::layout::own(),
        minimum_disk_bytes: MINIMUM_DISK_BYTES,
        minimum_memory_bytes: 700_000_000,
        // The stand-in's flake evaluates in next to nothing.
        minimum_build_memory_bytes: 0,
        graphical_login: false,
        network_manager: true,
        first_boot: true,
        ssh_host_key: Some("/etc/ssh/ssh_host_ed25519_key".into()),
        volume_label: Some(label(arch)),
        // The stand-in has no release of NixOS.
        nixos_release: None,
        edition: None,
    }
}

/// Kernel, initramfs and GRUB's menu.
fn boot_files(lab: &Lab, arch: Arch, base: &Path, image: &Path) -> Result<()> {
    let entry = lab.project.join("iso").join(MENU_ENTRY);
    let entry =
        fs::read_to_string(&entry).with_context(|| format!("cannot read {}", entry.display()))?;
    for file in ["kernel", "initrd"] {
        fs::copy(base.join(file), image.join("boot").join(file))?;
    }
    let command_line = command_line(arch, base)?;
    write(
        image,
        "boot/grub/grub.cfg",
        &format!(
            "set timeout=1\n\
         set default=0\n\
         {entry}\n\
         menuentry 'Install NixOS' {{\n  \
           linux /boot/kernel {command_line}\n  \
           initrd /boot/initrd\n\
         }}\n"
        ),
    )?;
    write(
        image,
        "boot/grub/early.cfg",
        &format!(
            "search --no-floppy --set=root --label {}\n\
         set prefix=($root)/boot/grub\n\
         configfile /boot/grub/grub.cfg\n",
            label(arch)
        ),
    )
}

/// The live system's kernel command line.
///
/// # Errors
/// The base folder can't be read.
pub(super) fn command_line(arch: Arch, base: &Path) -> Result<String> {
    let parameters = fs::read_to_string(base.join("kernel-params"))?;
    Ok(format!("live={} {parameters}", label(arch)))
}

/// The volume label, by which the live system finds its medium.
fn label(arch: Arch) -> String {
    format!("NIXVM-{}", arch.name().to_uppercase())
}

/// GRUB's images: a FAT file system with the loader for UEFI, and on x86 El Torito's for BIOS.
fn boot_images(arch: Arch) -> String {
    let modules = "part_gpt part_msdos fat iso9660 ext2 normal configfile search search_label \
        search_fs_file linux echo test chain ls sleep all_video gfxterm";
    let target = match arch {
        Arch::X86_64 => "x86_64-efi",
        Arch::Aarch64 => "arm64-efi",
    };
    let loader = arch.removable_loader();
    let mut script = format!(
        "cd /mnt/out/image/boot/grub
         grub-mkimage -O {target} -d /mnt/grub/{target} -p /boot/grub -c early.cfg -o {loader} {modules}
         truncate -s 4M efi.img
         mformat -i efi.img -N 0 ::
         mmd -i efi.img ::EFI ::EFI/BOOT
         mcopy -i efi.img {loader} ::EFI/BOOT/{loader}
         rm {loader}\n"
    );
    if arch == Arch::X86_64 {
        script.push_str(&format!(
            "grub-mkimage -O i386-pc-eltorito -d /mnt/grub/i386-pc -p /boot/grub -c early.cfg \
             -o bios.img biosdisk {modules}\n"
        ));
    }
    script
}

fn assemble(arch: Arch) -> String {
    let bios = match arch {
        Arch::X86_64 => {
            "-b boot/grub/bios.img -no-emul-boot -boot-load-size 4 -boot-info-table \
             --grub2-boot-info -eltorito-alt-boot"
        }
        Arch::Aarch64 => "",
    };
    format!(
        "cd /mnt/out/image && xorriso -as mkisofs -quiet -R -J -V {} -o ../{ISO} {bios} \
         -e boot/grub/efi.img -no-emul-boot .",
        label(arch)
    )
}

fn write(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}
