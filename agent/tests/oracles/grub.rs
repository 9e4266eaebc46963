//! What is typed in GRUB's editor → what the kernel gets → the answers in it.
//!
//! A real GRUB is booted in QEMU, by a BIOS. Its kernel is a boot sector of a few bytes that writes
//! the command line to the serial port: GRUB escapes it in the same way for every loader command.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nixvm_answers::command_line;

use crate::skipped;

const GRUB_MODULES: &str = "/usr/lib/grub/i386-pc/linux16.mod";

/// The code of the stand-in, which GRUB enters at 0x200 of the file in real mode, with DS there less
/// 0x200.
const CODE: [u8; 42] = [
    0xfc, // cld
    0x66, 0x8b, 0x36, 0x28, 0x02, // mov esi, [0x228]: cmd_line_ptr, a linear address
    0x66, 0x89, 0xf0, // mov eax, esi
    0x66, 0xc1, 0xe8, 0x04, // shr eax, 4
    0x8e, 0xd8, // mov ds, ax
    0x83, 0xe6, 0x0f, // and si, 15
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x03, // jz end
    0xee, // out dx, al
    0xeb, 0xf8, // jmp next
    0xb0, 0x0a, // end: mov al, '\n'
    0xee, // out dx, al
    0xb0, 0x10, // mov al, 16
    0xe6, 0xf4, // out 0xf4, al: QEMU ends
    0xfa, // cli
    0xf4, // hlt
    0xeb, 0xfd, // jmp to it again
    0x90, 0x90, // nop
];

/// A kernel by the boot protocol of the kernel's `Documentation/arch/x86/boot.rst`.
fn kernel() -> Vec<u8> {
    let mut image = vec![0; 512 * 8];
    image[0x1f1] = 4; // setup_sects
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x200..0x202].copy_from_slice(&[0xeb, 0x6e]); // jmp to 0x270
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&[0x06, 0x02]); // version 2.06
    image[0x211] = 1; // loaded high
    image[0x238..0x23c].copy_from_slice(&2047_u32.to_le_bytes()); // cmdline_size
    image[0x270..0x270 + CODE.len()].copy_from_slice(&CODE);
    image
}

/// Boots GRUB with this menu entry; what its kernel got, or none where a tool is missing.
fn booted(typed: &str) -> Option<String> {
    if !Path::new(GRUB_MODULES).exists() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("boot/grub")).unwrap();
    fs::write(tree.join("kernel"), kernel()).unwrap();
    fs::write(tree.join("boot/grub/grub.cfg"), format!("linux16 /kernel {typed}\nboot\n")).unwrap();
    let (image, serial) = (folder.path().join("image.iso"), folder.path().join("serial"));
    let made = Command::new("grub-mkrescue")
        .args(["-d", "/usr/lib/grub/i386-pc", "-o"])
        .args([&image, &tree])
        .output()
        .ok()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let machine = Command::new("timeout")
        .args(["120", "qemu-system-x86_64", "-M", "pc,accel=tcg", "-m", "64", "-display", "none"])
        .args(["-no-reboot", "-monitor", "none", "-nic", "none"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-cdrom"])
        .arg(&image)
        .arg("-serial")
        .arg(format!("file:{}", serial.display()))
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let code = machine.status.code();
    // timeout's, for a program that is not there.
    if code == Some(127) {
        return None;
    }
    // isa-debug-exit ends QEMU with 2n + 1.
    assert_eq!(code, Some(33), "{}", String::from_utf8_lossy(&machine.stderr));
    Some(fs::read_to_string(serial).unwrap())
}

#[test]
fn what_is_typed_in_grub_arrives() {
    const KEY: &str = include_str!("../../answers/fixtures/ed25519.pub");
    let key = KEY.trim_end();
    let typed = format!(
        r#"ro initrd=\\x41 nixvm.full-name="Ada O'Brien \\ \"B\"" nixvm.ssh-authorized-keys='from="10.0.0.0/8" {key}' nixvm.ssh-authorized-keys='{key}' "nixvm.disk=model=QEMU H*" nixvm.hostname=web nixvm.disk.serial=a\\b"#
    );
    let Some(got) = booted(&typed) else {
        return skipped("GRUB for a BIOS, grub-mkrescue or QEMU is missing here");
    };
    assert!(got.starts_with("BOOT_IMAGE=/kernel ro "), "{got}");
    let answers =
        command_line::parse(&got).unwrap_or_else(|wrong| panic!("{got}\n{wrong}")).answers;
    assert_eq!(answers.full_name.unwrap().as_str(), r#"Ada O'Brien \ "B""#);
    assert_eq!(answers.hostname.unwrap().as_str(), "web");
    let keys = answers.ssh_authorized_keys.unwrap();
    assert_eq!(keys[0].as_str(), format!(r#"from="10.0.0.0/8" {key}"#));
    assert_eq!(keys[1].as_str(), key);
    let disk = answers.disk.unwrap();
    assert_eq!(disk.model.unwrap().to_string(), "QEMU H*");
    assert_eq!(disk.serial.unwrap().as_str(), r"a\b");
}
