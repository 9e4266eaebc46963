//! The formats: how each is made.

use super::image::{Image, Part, SIZE, run, text};

/// A kind of disk, and what makes one.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) tools: &'static [&'static str],
    pub(crate) make: fn() -> Image,
}

const fn family(name: &'static str, tools: &'static [&'static str], make: fn() -> Image) -> Family {
    Family { name, tools, make }
}

pub(crate) const FAMILIES: &[Family] = &[
    family("ext2", &["mkfs.ext2"], || filled("mkfs.ext2", &["-q", "-F", "{}"])),
    family("ext3", &["mkfs.ext3"], || filled("mkfs.ext3", &["-q", "-F", "{}"])),
    family("ext4", &["mkfs.ext4"], || filled("mkfs.ext4", &["-q", "-F", "{}"])),
    family("xfs", &["mkfs.xfs"], || filled("mkfs.xfs", &["-q", "-f", "{}"])),
    family("btrfs", &["mkfs.btrfs"], || filled("mkfs.btrfs", &["-q", "-f", "{}"])),
    family("f2fs", &["mkfs.f2fs"], || filled("mkfs.f2fs", &["-q", "-f", "{}"])),
    // Debian 12 has no tool for it.
    family("bcachefs, by hand", &[], || {
        let magic = b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef";
        by_hand(&[(4096 + 24, magic)])
    }),
    family("ntfs", &["mkntfs"], || filled("mkntfs", &["-q", "-F", "-Q", "{}"])),
    family("exfat", &["mkfs.exfat"], || filled("mkfs.exfat", &["{}"])),
    family("vfat", &["mkfs.vfat", "mcopy"], || {
        let image = made("mkfs.vfat", &["-F", "32", "{}"]);
        image.tool("mcopy", &["-i", "{}", "{tree}/data", "::data"]);
        image
    }),
    family("hfsplus, by hand", &[], || by_hand(&[(1024, b"H+\x00\x04")])),
    family("apfs, by hand", &[], || by_hand(&[(32, b"NXSB")])),
    family("zfs, labels by hand", &[], zfs),
    family("lvm", &["pvcreate"], || {
        let image = Image::new();
        let config = "devices { dir=\"/dev\" use_devicesfile=0 } global { use_lvmpolld=0 } activation { udev_sync=0 udev_rules=0 }";
        image.tool_on_device("pvcreate", &["--config", config, "-ff", "--yes", "{}"]);
        image.fill_middle();
        image
    }),
    family("luks1", &["cryptsetup"], || luks("luks1")),
    family("luks2", &["cryptsetup"], || luks("luks2")),
    family("md 0.90, by hand", &[], || {
        by_hand(&[((SIZE & !0xffff) - 0x1_0000, b"\xfc\x4e\x2b\xa9\0\0\0\0\x5a\0\0\0")])
    }),
    family("md 1.0, by hand", &[], || md((SIZE - 8192) & !4095)),
    family("md 1.1, by hand", &[], || md(0)),
    family("md 1.2, by hand", &[], || md(4096)),
    family("bcache", &["make-bcache"], || {
        let image = Image::new();
        image.tool_on_device("make-bcache", &["--bdev", "{}"]);
        image.fill_middle();
        image
    }),
    family("swap", &["mkswap"], || filled("mkswap", &["-q", "{}"])),
    family("iso9660", &["xorriso"], || {
        let made = ["-as", "mkisofs", "-quiet", "-V", "HOLIDAY", "-o", "{}", "{tree}"];
        extended("xorriso", &made)
    }),
    family("udf", &["mkudffs"], || {
        // On a medium with blocks of a hard disk's size.
        filled("mkudffs", &["--blocksize=512", "{}"])
    }),
    family("squashfs", &["mksquashfs"], || {
        extended("mksquashfs", &["{tree}", "{}", "-noappend", "-no-progress", "-quiet"])
    }),
    family("minix", &["mkfs.minix"], || filled("mkfs.minix", &["-3", "{}"])),
    family("VMFS, by hand", &[], || {
        by_hand(&[(1 << 20, b"\x0d\xd0\x01\xc0"), (0x20_0000, b"\x5e\xf1\xab\x2f")])
    }),
    family("BitLocker, by hand", &[], || by_hand(&[(0, b"\xeb\x58\x90-FVE-FS-")])),
    family("GPT with ext4", &["sfdisk", "mkfs.ext4"], || {
        let image = ext4_at(PART, "home");
        image.tool(
            "sh",
            &["-c", "echo 'start=2048, name=home' | sfdisk -q --label gpt --no-reread {}"],
        );
        image
    }),
    family("MBR with ext4", &["sfdisk", "mkfs.ext4"], || {
        let image = ext4_at(PART, "");
        image.tool("sh", &["-c", "echo 'start=2048' | sfdisk -q --label dos --no-reread {}"]);
        image
    }),
    family("MBR with ext4 at 100 MiB", &["sfdisk", "mkfs.ext4"], || {
        let image = ext4_at((100 << 20, 400 << 20, ""), "");
        image.tool(
            "sh",
            &["-c", "echo 'start=204800,size=819200' | sfdisk -q --label dos --no-reread {}"],
        );
        image
    }),
    family("hybrid MBR", &["sgdisk", "mkfs.ext4"], || {
        let image = ext4_at(PART, "home");
        image.tool(
            "sgdisk",
            &["--new=1:2048:1046527", "--change-name=1:home", "--hybrid=1:EE", "{}"],
        );
        image
    }),
    family("nixvm's layout", &["sgdisk", "mkfs.ext4", "mkfs.vfat"], || {
        let image = layout();
        image.fill_middle();
        image
    }),
];

/// nixvm's partitions and file systems, as its layout has them but for their sizes.
pub(crate) fn layout() -> Image {
    let esp: Part = (1 << 20, 64 << 20, "disk-main-ESP");
    let root: Part = (65 << 20, 446 << 20, "disk-main-root");
    let fat = Image::sized(esp.1);
    fat.tool("mkfs.vfat", &["-F", "32", "-n", "boot", "{}"]);
    let ext4 = Image::sized(root.1);
    ext4.tool("mkfs.ext4", &["-q", "-F", "-L", "nixos", "{}"]);
    let image = copy_into(&ext4, copy_into(&fat, Image::new(), esp), root);
    let first = ["--new=1:2048:+64M", "--change-name=1:disk-main-ESP", "--typecode=1:EF00"];
    let second = ["--new=2:133120:1046527", "--change-name=2:disk-main-root", "{}"];
    image.tool("sgdisk", &[first, second].concat());
    image.with_partitions(vec![esp, root])
}

/// A partition from the first MiB to the last.
const PART: Part = (1 << 20, SIZE - (2 << 20), "");

fn made(program: &str, arguments: &[&str]) -> Image {
    let image = Image::new();
    image.tool(program, arguments);
    image
}

fn filled(program: &str, arguments: &[&str]) -> Image {
    let image = made(program, arguments);
    image.fill();
    image
}

/// An image that holds the data already, as large as the others.
fn extended(program: &str, arguments: &[&str]) -> Image {
    let image = made(program, arguments);
    std::fs::File::options().write(true).open(&image.file).unwrap().set_len(SIZE).unwrap();
    image
}

fn by_hand(bytes: &[(u64, &[u8])]) -> Image {
    let image = Image::new();
    for (offset, bytes) in bytes {
        image.write(*offset, bytes);
    }
    image.fill_middle();
    image
}

fn luks(kind: &str) -> Image {
    let image = Image::new();
    let fast = format!("--pbkdf-force-iterations={}", if kind == "luks1" { 1000 } else { 4 });
    let memory: &[&str] =
        if kind == "luks1" { &[] } else { &["--pbkdf-memory=32 --pbkdf-parallel=1"] };
    let script = format!(
        "echo secret | cryptsetup luksFormat --batch-mode --type {kind} {fast} {} {{}} -",
        memory.join(" ")
    );
    image.tool("sh", &["-c", &script]);
    image.fill_middle();
    image
}

/// A superblock of version 1 at this offset: magic, major version, and its own place in sectors.
fn md(offset: u64) -> Image {
    let mut superblock = vec![0; 256];
    superblock[..8].copy_from_slice(b"\xfc\x4e\x2b\xa9\x01\0\0\0");
    superblock[144..152].copy_from_slice(&(offset / 512).to_le_bytes());
    by_hand(&[(offset, &superblock)])
}

/// The uberblocks of the four labels, two at each end.
fn zfs() -> Image {
    let mut uberblock = [0; 1024];
    uberblock[..8].copy_from_slice(&0x00ba_b10c_u64.to_le_bytes());
    let image = Image::new();
    for label in [0, 256 << 10, SIZE - (512 << 10), SIZE - (256 << 10)] {
        for index in 0..128 {
            image.write(label + (128 << 10) + index * 1024, &uberblock);
        }
    }
    image.fill_middle();
    image
}

/// A disk with a filled ext4 in the place of a partition; the table is the caller's.
fn ext4_at(part: Part, name: &'static str) -> Image {
    fill_partition(Image::new(), (part.0, part.1, name))
}

/// Puts a filled ext4 in the place of a partition.
pub(crate) fn fill_partition(image: Image, part: Part) -> Image {
    let inside = Image::sized(part.1);
    inside.tool("mkfs.ext4", &["-q", "-F", "{}"]);
    inside.fill();
    copy_into(&inside, image, part)
}

fn copy_into(inside: &Image, image: Image, part: Part) -> Image {
    let seek = format!("seek={}", part.0 >> 20);
    let (from, to) = (format!("if={}", text(&inside.file)), format!("of={}", text(&image.file)));
    run("dd", &["bs=1M", &seek, "conv=notrunc,sparse", "status=none", &from, &to]);
    let partitions = [image.partitions.clone(), vec![part]].concat();
    image.with_partitions(partitions)
}
