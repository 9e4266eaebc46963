//! A host's disk layout: what the agent's manifest and script have of it, and what is refused.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use nixvm_manifest as manifest;
use nixvm_nix_tests::{Tree, text};

/// Where the options of the one disk are.
const MAIN: &str = "disko.devices.disk.main";

/// They would be refused or fail after the disk was erased.
#[test]
fn what_the_agent_cannot_check_or_take_down_is_refused_with_the_reason() -> Result<()> {
    let Some(tree) = Tree::find("foreign layouts are refused")? else { return Ok(()) };
    let partition = |content: &str| format!("{MAIN}.content.partitions.more = {{ {content} }};");
    let made = |format: &str, mount_point: &str, more: &str| {
        partition(&format!(
            "size = \"1G\"; content = {{ type = \"filesystem\"; format = \"{format}\"; \
             mountpoint = {mount_point}; }}; {more}"
        ))
    };
    let file_system = |more: &str| made("ext4", "\"/data\"", more);
    let root = |change: &str| format!("{MAIN}.content.partitions.root.content.{change};");
    let luks =
        |more: &str| partition(&format!("size = \"1G\"; content = {{ type = \"luks\"; {more} }};"));
    let in_luks = |content: &str| luks(&format!("name = \"crypt\"; content = {{ {content} }};"));
    let encrypted = |more: &str, name: &str| {
        luks(&format!(
            "name = \"{name}\"; content.type = \"filesystem\"; content.format = \"ext4\"; \
             content.mountpoint = \"/data\"; {more}"
        ))
    };
    let btrfs = |more: &str| {
        partition(&format!("size = \"1G\"; content = {{ type = \"btrfs\"; {more} }};"))
    };
    let swap = |files: &str, more: &str| {
        btrfs(&format!(
            "subvolumes.\"/swap\" = {{ mountpoint = \"/swap\"; swap = {{ {files}; }}; }}; {more}"
        ))
    };
    let second = "disko.devices.disk.data = { type = \"disk\"; device = \"/dev/vdb\"; };";
    let zfs = "disko.devices.zpool.tank = { }; networking.hostId = \"00000000\";";
    for (module, reasons) in [
        (second.to_owned(), &["exactly one disk"][..]),
        (zfs.to_owned(), &["no ZFS"]),
        ("disko.devices.mdadm.md = { };".to_owned(), &["no RAID"]),
        ("disko.devices.lvm_vg.pool = { };".to_owned(), &["no volume groups"]),
        ("disko.devices.nodev.\"/tmp\".fsType = \"tmpfs\";".to_owned(), &["tmpfs"]),
        (luks("name = \"crypt\"; content = null;"), &["partition more with a file system in LUKS"]),
        (in_luks("type = \"swap\";"), &["partition more with a file system in LUKS"]),
        (
            in_luks("type = \"lvm_pv\"; vg = \"pool\";"),
            &["more with a file system in LUKS", "more without LVM"],
        ),
        (
            in_luks(
                "type = \"luks\"; name = \"inner\"; content = { type = \"filesystem\"; \
                 format = \"ext4\"; mountpoint = \"/data\"; };",
            ),
            &["more with a file system in LUKS", "more with LUKS on the partition itself"],
        ),
        (
            in_luks("type = \"filesystem\"; format = \"exfat\"; mountpoint = \"/data\";"),
            &["partition more with ext4, xfs, btrfs or"],
        ),
        (in_luks("type = \"filesystem\"; format = \"ext4\";"), &["more with a mount point"]),
        (encrypted("", "a/b"), &["partition more with a LUKS name of"]),
        (encrypted("", "-a"), &["partition more with a LUKS name of"]),
        (encrypted("initrdUnlock = false;", "crypt"), &["partition more with initrdUnlock"]),
        (
            encrypted("settings.keyFile = \"/dev/sdb1\";", "crypt"),
            &["more without settings of LUKS but allowDiscards"],
        ),
        (
            encrypted("settings.crypttabExtraOpts = [ \"fido2-device=auto\" ];", "crypt"),
            &["more without settings of LUKS but allowDiscards"],
        ),
        (
            encrypted("additionalKeyFiles = [ \"/tmp/more.key\" ];", "crypt"),
            &["partition more without key files"],
        ),
        (
            encrypted(
                "extraFormatArgs = [ \"--pbkdf argon2id\" \"--header /dev/sdb1\" ];",
                "crypt",
            ),
            &["partition more without arguments of cryptsetup but"],
        ),
        (
            encrypted("extraFormatArgs = [ \"--pbkdf\" \"$(reboot)\" ];", "crypt"),
            &["partition more without arguments of cryptsetup but"],
        ),
        (
            encrypted("extraOpenArgs = [ \"--header=/tmp/header\" ];", "crypt"),
            &["partition more without arguments of cryptsetup but"],
        ),
        (encrypted("preCreateHook = \"true\";", "crypt"), &["partition more without hooks"]),
        (encrypted("content.postMountHook = \"true\";", "crypt"), &["more without hooks"]),
        (encrypted("device = \"/dev/sda2\";", "crypt"), &["more without a device of its own"]),
        (
            encrypted("content.device = \"/dev/mapper/other\";", "crypt"),
            &["partition more without a device of its own"],
        ),
        (
            format!(
                "{MAIN}.content.partitions.again = {{ size = \"1G\"; content = {{ type = \"luks\"; \
                 name = \"crypt\"; content = {{ type = \"filesystem\"; format = \"ext4\"; \
                 mountpoint = \"/again\"; }}; }}; }}; {}",
                encrypted("", "crypt")
            ),
            &["each name of a LUKS device once"],
        ),
        (
            partition("size = \"1G\"; content = { type = \"lvm_pv\"; vg = \"pool\"; };"),
            &["partition more without LVM"],
        ),
        (
            partition("size = \"1G\"; content = { type = \"mdraid\"; name = \"md\"; };"),
            &["partition more without RAID"],
        ),
        (partition("size = \"1G\";"), &["partition more with a file system"]),
        (
            partition("size = \"1G\"; content = { type = \"swap\"; randomEncryption = true; };"),
            &["partition more without randomEncryption"],
        ),
        (file_system("device = \"/dev/sda2\";"), &["partition more without a device of its own"]),
        (
            partition("size = \"1G\"; content = { type = \"swap\"; device = \"/dev/sda2\"; };"),
            &["partition more without a device of its own"],
        ),
        (
            format!("{MAIN}.content.device = \"/dev/sdb\";"),
            &["content without a device of its own"],
        ),
        (format!("{MAIN}.preCreateHook = \"true\";"), &["no hooks on disko.devices.disk.main"]),
        (format!("{MAIN}.content.postCreateHook = \"true\";"), &["no hooks on disko"]),
        (root("postMountHook = \"true\""), &["partition root without hooks"]),
        (file_system("priority = 1;"), &["partition ESP as the first one"]),
        (file_system("start = \"40s\";"), &["partition more without a start"]),
        (
            file_system("uuid = \"809b3a2b-828a-4730-95e1-75b6343e415a\";"),
            &["partition more without a UUID"],
        ),
        (file_system("label = \"mine\";"), &["partition more with the partition label"]),
        (file_system("hybrid = { };"), &["partition more without an entry in the MBR"]),
        (made("ext4", "\"/boot/efi\"", ""), &["none below /boot"]),
        (made("ext4", "null", ""), &["partition more with a mount point"]),
        (made("exfat", "\"/data\"", ""), &["with ext4, xfs, btrfs or"]),
        (root("extraArgs = [ \"-J\" \"device=/dev/vdb1\" ]"), &["on this disk alone"]),
        (file_system("end = \"+10M /dev/sdb\";"), &["partition more with an end that is a size"]),
        (made("ext4", "\"/a$(touch)\"", ""), &["partition more with mount points of letters"]),
        (made("ext4", "\"/a/../b\"", ""), &["without a space, a dot folder"]),
        (root("mountOptions = [ \"noatime;reboot\" ]"), &["partition root with mount options"]),
        (root("extraArgs = [ \"-d\" \"sdb\" ]"), &["with extraArgs of those that are known"]),
        (root("extraArgs = [ \"sdb\" ]"), &["-L WORD"]),
        (
            partition("size = \"1G\"; content = { type = \"swap\"; extraArgs = [ \"sdb\" ]; };"),
            &["with extraArgs of those that are known to write to it alone: -L WORD -p WORD -f"],
        ),
        (
            partition(
                "size = \"1G\"; content = { type = \"btrfs\"; \
                 subvolumes.\"my $(data)\".mountpoint = \"/data\"; };",
            ),
            &["partition more with subvolumes whose names"],
        ),
        (
            swap("\"a/b\".size = \"1M\"", ""),
            &["partition more with swap files of 1M or more, and a name of"],
        ),
        (swap("\"..\".size = \"1M\"", ""), &["partition more with swap files of 1M or more"]),
        (swap("file.size = \"\"", ""), &["partition more with swap files of 1M or more"]),
        (swap("file.size = \"1000K\"", ""), &["partition more with swap files of 1M or more"]),
        (
            swap("a.size = \"1M\"; b = { size = \"1M\"; path = \"a\"; }", ""),
            &["partition more with swap files of 1M or more"],
        ),
        (swap("file.size = \"615M\"", ""), &["partition more with a quarter and 256M more"]),
        (
            btrfs("mountpoint = \"/data\"; swap.file.size = \"1M\";"),
            &["partition more with swap files only in subvolumes that are mounted for them"],
        ),
        (
            swap("file.size = \"1M\"", "mountpoint = \"/data\";"),
            &["partition more with swap files only in subvolumes that are mounted for them"],
        ),
        (
            swap("file.size = \"1M\"", "subvolumes.\"swap/more\" = { };"),
            &["partition more with swap files only in subvolumes that are mounted for them"],
        ),
        (
            btrfs("subvolumes.\"/var\" = { mountpoint = \"/var\"; swap.nix.size = \"1M\"; };"),
            &["partition more with swap files only in subvolumes that are mounted for them"],
        ),
        (
            format!(
                "{MAIN}.content.partitions.\"a $(b)\" = {{ size = \"1G\"; content.type = \"swap\"; }};"
            ),
            &["with a name of at most 26 letters"],
        ),
        (format!("{MAIN}.name = \"other\";"), &["disk.main without a name of its own"]),
        (
            "boot.loader.systemd-boot.enable = lib.mkForce false; \
             boot.loader.grub.device = \"nodev\";"
                .to_owned(),
            &["systemd-boot.enable = true"],
        ),
    ] {
        let said = tree.refusal(&format!("imageOf {{ {module} }} {{ }}"))?;
        for reason in reasons {
            ensure!(said.contains(reason), "{module}: {said}");
        }
    }
    Ok(())
}

#[test]
fn other_layouts_of_one_disk_are_told_to_the_agent_and_run_on_the_target_alone() -> Result<()> {
    let Some(tree) = Tree::find("other layouts of one disk")? else { return Ok(()) };
    for (name, wanted, filesystems, gib) in [
        ("xfs-with-home", vec!["/boot", "/", "", "/home"], "vfat xfs swap ext4", 8.0 + 2.25),
        (
            "btrfs-subvolumes",
            vec!["/boot", "/home /var/log /nix / /.swap"],
            "vfat btrfs",
            8.0 + 48.0 / 1024.0,
        ),
        ("ext4-with-var", vec!["/boot", "/nix", "/var", "/"], "vfat ext4 ext4 ext4", 8.0 + 1.5),
        ("luks-ext4", vec!["/boot", "/"], "vfat ext4", 8.0),
        ("luks-btrfs", vec!["/boot", "/data", "/nix / /swap"], "vfat ext4 btrfs", 8.0 + 1.0 + 2.0),
    ] {
        let host = tree.json(&format!("layouts.{name}"))?;
        let manifest = manifest::parse(text(&host, "manifest")?)?;
        let found: Vec<_> = manifest
            .layout
            .iter()
            .map(|partition| {
                let points = partition.mount_points.iter().map(|path| path.to_string_lossy());
                points.collect::<Vec<_>>().join(" ")
            })
            .collect();
        ensure!(found == wanted, "{name}: {found:?}");
        let found: Vec<_> =
            manifest.layout.iter().map(|partition| partition.filesystem.as_str()).collect();
        ensure!(found.join(" ") == filesystems, "{name}: {found:?}");
        #[allow(clippy::cast_precision_loss, reason = "a few gibibytes")]
        let minimum = manifest.minimum_disk_bytes as f64 / f64::from(1 << 30);
        ensure!((minimum - gib).abs() < 0.001, "{name}: {minimum} GiB");

        // What the installed system mounts is what the agent checks, by the names in the manifest.
        let mounts = host["mounts"].as_object().context("no mounts")?;
        let unlocked = host["unlocked"].as_object().context("no LUKS devices")?;
        let mappings = manifest::layout::mappings(&manifest.layout);
        let names: BTreeSet<_> = unlocked.keys().map(String::as_str).collect();
        ensure!(names == mappings.iter().copied().collect(), "{name}: {names:?} for {mappings:?}");
        for partition in &manifest.layout {
            let by_name = format!("/dev/disk/by-partlabel/{}", partition.name);
            let mapped = partition
                .mapping
                .as_ref()
                .map(|mapping| (unlocked[mapping].clone(), format!("/dev/mapper/{mapping}")));
            if let Some((unlocked, _)) = &mapped {
                ensure!(
                    unlocked["device"] == by_name && unlocked["keyFile"].is_null(),
                    "{unlocked}"
                );
            }
            let device = mapped.map_or(by_name, |(_, node)| node);
            for path in &partition.mount_points {
                let mount = &mounts[&*path.to_string_lossy()];
                ensure!(mount["device"] == device, "{name}: {mount}");
                ensure!(mount["fsType"] == partition.filesystem, "{name}: {mount}");
            }
        }

        // What the installed system uses is what the agent expects, and the script makes.
        let used = host["swaps"].as_array().context("no swaps")?;
        let swap_files = manifest.layout.iter().flat_map(|partition| &partition.swap_files);
        for file in swap_files.clone() {
            ensure!(used.iter().any(|one| *one == *file.to_string_lossy()), "{name}: {used:?}");
        }
        let script = text(&host, "diskoScript")?;
        let made = script.matches("mkswapfile --size ").count();
        let of_partitions = filesystems.split(' ').filter(|one| *one == "swap").count();
        ensure!(
            swap_files.count() == made && made + of_partitions == used.len(),
            "{name}: {made} swap files are made, and {used:?} are used"
        );
        for (at, _) in script.match_indices("/dev/") {
            let path = &script[at..];
            let fine = ["/dev/nixvm-target", "/dev/null", "/dev/disk/by-path/..-partN exists"];
            let is_mapping = mappings.iter().any(|one| {
                let rest =
                    path.strip_prefix("/dev/mapper/").and_then(|rest| rest.strip_prefix(one));
                rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            });
            let is_fine = is_mapping || fine.iter().any(|fine| path.starts_with(fine));
            ensure!(is_fine, "{name}: {}", &path[..60]);
        }
        for partition in &manifest.layout {
            let guard = format!("device=/dev/nixvm-target-part{}", partition.number);
            let quoted = guard.replace("device=", "device='") + "'";
            ensure!(script.contains(&guard) || script.contains(&quoted), "{name}: no {guard}");
        }
        // disko's own ways to a passphrase are not taken: the host's file, and a prompt.
        let keys = script.matches("--key-file ").count();
        let agents = script.matches("--key-file /run/nixvm/passphrase").count();
        ensure!(
            keys == agents && (agents > 0) != mappings.is_empty(),
            "{name}: {agents} of {keys}"
        );
        ensure!(!script.contains("<(") && !script.contains("read -r"), "{name}: it asks");
        for mapping in &mappings {
            let guard = format!("/dev/mapper/{mapping} is there already: nothing was written");
            ensure!(script.contains(&guard), "{name}: no {guard}");
        }
        let guards = script.matches("is not on partition ").count();
        ensure!(guards >= 2 * mappings.len(), "{name}: {guards} for {mappings:?}");
        let guards = script.matches("is not a partition of /dev/nixvm-target").count();
        // Some versions of disko use swap as well, others don't.
        let mounted = manifest.layout.iter().filter(|one| !one.mount_points.is_empty()).count();
        let least = manifest.layout.len() + mounted;
        ensure!(guards >= least, "{name}: {guards} guards for {least} commands");
    }
    Ok(())
}

/// The installer's guards are definitions of the same options: what is forced elsewhere leaves them out.
#[test]
fn a_layout_without_room_for_the_installers_guards_is_refused() -> Result<()> {
    let Some(tree) = Tree::find("forced layouts are refused")? else { return Ok(()) };
    let forced = format!(
        "imageOf {{ {MAIN}.content.partitions.root.content = lib.mkForce {{ type = \"filesystem\"; \
         format = \"ext4\"; mountpoint = \"/\"; }}; }} {{ }}"
    );
    let said = tree.refusal(&forced)?;
    ensure!(said.contains("leave no room for the installer's"), "{said}");
    let small = "imageOf { imports = [ ./layouts/xfs-with-home.nix ]; } \
                 { minimumDiskBytes = 1024 * 1024 * 1024; }"
        .replace("./", "/project/tests/nix/");
    let said = tree.refusal(&small)?;
    ensure!(said.contains("minimumDiskBytes has to be more"), "{said}");
    Ok(())
}
