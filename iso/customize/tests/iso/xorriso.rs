//! Images as the tool makes them that NixOS and the rehearsal lab use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixvm_answers::area;

use crate::desk::Desk;

/// The place for answers, as it is published.
fn empty() -> Vec<u8> {
    area::encode("").expect("it fits")
}

/// What xorriso makes of the folder `tree`; None if there is no xorriso.
fn xorriso(tree: &Path, options: &[&str]) -> Option<PathBuf> {
    let iso = tree.with_extension("iso");
    let made = Command::new("xorriso")
        .args(["-report_about", "SORRY", "-as", "mkisofs"])
        .args(options)
        .arg("-o")
        .args([&iso, tree])
        .output();
    match made {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "xorriso failed: {said}");
            Some(iso)
        }
        Err(_) => {
            crate::desk::skip("there is no xorriso on PATH");
            None
        }
    }
}

/// An image of a tree like that of a live ISO.
fn made(options: &[&str]) -> Option<Desk> {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("nixvm")).unwrap();
    fs::create_dir_all(tree.join("EFI/BOOT/a folder with a rather long name, and a comma"))
        .unwrap();
    for number in 0..100 {
        let name = format!("a-file-with-a-rather-long-name-so-that-the-root-is-long-{number}.txt");
        fs::write(tree.join(name), [number; 3000]).unwrap();
    }
    fs::write(tree.join("EFI/BOOT/BOOTX64.EFI"), [1; 70_000]).unwrap();
    fs::write(tree.join("nixvm/answers.toml"), empty()).unwrap();
    fs::write(tree.join("nixvm/other"), b"x").unwrap();
    fs::write(tree.join("esp.img"), [2; 300_000]).unwrap();
    let iso = xorriso(&tree, options)?;
    Some(Desk::with(&fs::read(iso).unwrap()))
}

/// The place that xorriso itself names for the file, in bytes.
fn place(desk: &Desk) -> usize {
    let report = Command::new("xorriso")
        .args(["-report_about", "SORRY", "-indev"])
        .arg(&desk.iso)
        .args(["-find", "/", "-exec", "report_lba"])
        .output()
        .unwrap();
    let report = String::from_utf8(report.stdout).unwrap();
    let is_area = |line: &&str| line.to_ascii_lowercase().contains("'/nixvm/answers.toml'");
    let line = report.lines().find(is_area).unwrap_or_else(|| panic!("{report}"));
    let sector: usize = line.split(',').nth(1).unwrap().trim().parse().unwrap();
    sector * 2048
}

#[test]
fn images_with_the_options_of_nixos_and_of_the_lab() {
    let nixos = ["-iso-level", "3", "-graft-points", "-full-iso9660-filenames", "-joliet", "-r"];
    let lab = ["-R", "-J", "-V", "LAB"];
    let boot = ["-R", "-J", "-e", "esp.img", "-no-emul-boot", "-boot-load-size", "1"];
    let hybrid = ["-R", "-isohybrid-gpt-basdat", "-e", "esp.img", "-no-emul-boot"];
    let plain = ["-full-iso9660-filenames", "--norock"];
    let all: [&[&str]; 5] = [&nixos, &lab, &boot, &hybrid, &plain];
    for options in all {
        let Some(desk) = made(options) else { return };
        let before = desk.bytes();
        desk.run("customize", &["--hostname", "web"])
            .unwrap_or_else(|error| panic!("{options:?}: {error}"));
        let (after, at) = (desk.bytes(), place(&desk));
        assert!(before[at..at + area::SIZE] == empty(), "{options:?}");
        assert!(after[..at] == before[..at], "{options:?}");
        assert!(after[at + area::SIZE..] == before[at + area::SIZE..], "{options:?}");
        assert_eq!(desk.run("show", &[]).unwrap(), "hostname = \"web\"\n");
        desk.run("reset", &[]).unwrap();
        assert!(desk.bytes() == before, "{options:?}");
    }
}
