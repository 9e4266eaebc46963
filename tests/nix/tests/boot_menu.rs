//! `iso/insert-grub-entry`: the installed system's entry becomes the boot menu's first, and the
//! installer's is there a second time, in plain lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::{have, project, skip};

/// A menu in the shape of nixpkgs' own.
const MENU: &str = "set timeout=3\nsearch --set=root --file /EFI/nixos-installer-image\n    \
                    menuentry 'Install NixOS' --class installer {\n      linux /boot/bzImage\n    }\n\
                    submenu \"Options\" {\n  menuentry 'Copy to RAM' {\n    linux /boot/bzImage\n  }\n}\n";

/// The tools, or a word that they are missing.
fn ready(test: &str) -> bool {
    let tools = ["grub-script-check", "mcopy", "mdel", "mkfs.vfat", "mmd"];
    let ready = have(&tools);
    if !ready {
        skip(test, &format!("{} are not all installed", tools.join(", ")));
    }
    ready
}

fn insert(source: &Path, result: &Path) -> Result<Output> {
    let iso = project().join("iso");
    Command::new("bash")
        .arg(iso.join("insert-grub-entry"))
        .arg(iso.join("grub-installed-disk.cfg"))
        .args([source, result])
        .output()
        .context("cannot start bash")
}

fn run(program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?} failed: {said}");
    Ok(output.stdout)
}

/// A folder as an ISO has it, and the FAT image of the same menu that El Torito names.
fn image(work: &Path) -> Result<(PathBuf, PathBuf)> {
    let folder = work.join("EFI");
    fs::create_dir_all(folder.join("boot"))?;
    let menu = folder.join("boot/grub.cfg");
    fs::write(&menu, MENU)?;
    let fat = work.join("efi.img");
    fs::File::create(&fat)?.set_len(4 << 20)?;
    let fat_name = fat.to_str().context("an odd name")?;
    run("mkfs.vfat", &["-n", "EFIBOOT", fat_name])?;
    run("mmd", &["-i", fat_name, "::/EFI", "::/EFI/boot"])?;
    run("mcopy", &["-i", fat_name, menu.to_str().context("an odd name")?, "::/EFI/boot/grub.cfg"])?;
    Ok((folder, fat))
}

#[test]
fn entry_comes_first_in_both_copies_of_the_menu() -> Result<()> {
    if !ready("the boot menu's entry comes first") {
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let (folder, fat) = image(work.path())?;
    let fragment = fs::read_to_string(project().join("iso/grub-installed-disk.cfg"))?;
    let (before, after) = MENU.split_at(MENU.find("    menuentry").context("no entry")?);
    let (entry, rest) = after.split_at(after.find("submenu").context("no submenu")?);
    let plain = entry
        .replace("NixOS' ", "NixOS in plain lines' ")
        .replace("bzImage\n", "bzImage nixvm.ui=plain\n");
    ensure!(plain.len() > entry.len() + "nixvm.ui=plain".len(), "nothing was replaced");
    let wanted = format!("{before}{fragment}{entry}{plain}{rest}");

    let output = insert(&folder, &work.path().join("out"))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(fs::read_to_string(work.path().join("out/boot/grub.cfg"))? == wanted, "the folder");

    let out = work.path().join("out.img");
    let output = insert(&fat, &out)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out_name = out.to_str().context("an odd name")?;
    let written = run("mtype", &["-i", out_name, "::/EFI/BOOT/grub.cfg"])?;
    ensure!(String::from_utf8(written)? == wanted, "the FAT image");

    // The ISO has to be reproducible.
    let again = work.path().join("again.img");
    insert(&fat, &again)?;
    ensure!(fs::read(&out)? == fs::read(&again)?, "a second run gives other bytes");
    Ok(())
}

#[test]
fn menu_without_an_entry_is_an_error() -> Result<()> {
    if !ready("a boot menu without an entry is an error") {
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let (folder, _) = image(work.path())?;
    fs::write(folder.join("boot/grub.cfg"), "set timeout=3\n")?;
    ensure!(!insert(&folder, &work.path().join("out"))?.status.success(), "no entry");
    fs::remove_file(folder.join("boot/grub.cfg"))?;
    ensure!(!insert(&folder, &work.path().join("out2"))?.status.success(), "no menu");
    Ok(())
}
