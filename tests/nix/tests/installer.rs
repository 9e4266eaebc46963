//! The live system: what it starts, what it reads, and the script that writes to a disk.

use std::fs;

use anyhow::{Context, Result, ensure};
use nixvm_answers::{area, document, source::Source};
use nixvm_manifest as manifest;
use nixvm_nix_tests::{Tree, project, text};

const SYSTEMS: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

#[test]
fn live_system_runs_the_plain_unit_and_reads_a_manifest_that_the_agent_takes() -> Result<()> {
    let Some(tree) = Tree::find("the live system")? else { return Ok(()) };
    let plain = fs::read_to_string(project().join("iso/nixvm-agent.service"))?;
    for system in SYSTEMS {
        let live = tree.json(&format!("live.{system}"))?;
        same_unit(&plain, text(&live, "unit")?)?;
        let failed = text(&live, "failedUnit")?;
        let program = failed.lines().find_map(|line| line.strip_prefix("ExecStart=/nix/store/"));
        ensure!(program.is_some_and(|path| path.ends_with("/bin/cat")), "{failed}");
        ensure!(live["wantedBy"] == serde_json::json!(["multi-user.target"]), "not started");
        for getty in ["getty@tty1", "autovt@tty1"] {
            ensure!(live["gettys"][getty] == false, "{getty} has tty1 as well");
        }
        let on_the_bus = live["busPackages"].to_string();
        ensure!(on_the_bus.contains("nixvm-agent"), "no bus policy in {on_the_bus}");
        ensure!(live["sshd"] == serde_json::json!([]), "sshd is started without keys");

        let manifest = manifest::parse(text(&live, "manifest")?)?;
        let architecture = system.trim_end_matches("-linux");
        ensure!(manifest.system == system, "{manifest:?}");
        ensure!(manifest.flake_attribute == format!("nixvm-{architecture}"), "{manifest:?}");
        let toplevel = manifest.toplevel.as_deref();
        ensure!(toplevel == Some(text(&live, "toplevel")?.as_ref()), "{manifest:?}");
        let store = manifest.store_mount.as_deref();
        ensure!(store == Some("/nix/.ro-store".as_ref()), "{manifest:?}");
        ensure!(text(&live, "volumeID")?.len() <= 32, "the volume label is too long");
        let name = format!("nixvm-desktop-{}-{architecture}", env!("CARGO_PKG_VERSION"));
        ensure!(text(&live, "imageName")? == name, "the image is not named {name}");
        let consoles = live["kernelParams"].as_array().context("no parameters")?;
        let last = consoles.iter().rfind(|one| one.to_string().contains("console="));
        ensure!(last == Some(&"console=tty0".into()), "the screen is not the main console");
    }
    Ok(())
}

/// Booted from the network, the same installer has the same system in its store, and an answers file at
/// the same place.
#[test]
fn what_is_booted_from_the_network_is_the_isos_live_system() -> Result<()> {
    let Some(tree) = Tree::find("what is booted from the network")? else { return Ok(()) };
    let plain = fs::read_to_string(project().join("iso/nixvm-agent.service"))?;
    for (system, kernel) in SYSTEMS.into_iter().zip(["bzImage", "Image"]) {
        let all = tree.json(&format!("netboot.{system}"))?;
        let netboot = &all["netboot"];
        // The tools may be other builds: nixpkgs' two minimal profiles are not the same.
        same_unit(&plain, text(netboot, "unit")?)?;
        for what in ["store", "mounts", "lvm", "arrays", "sshd"] {
            ensure!(all["iso"][what] == netboot[what], "{system}: another {what}: {all}");
        }
        let [iso, found] = [&all["iso"], netboot].map(|one| text(one, "manifest"));
        let found = manifest::parse(found?)?;
        ensure!(manifest::parse(iso?)? == found, "{system}: {found:?}");
        let mount = found.store_mount.as_deref().context("no mount of the store")?;
        let kind = &netboot["mounts"][mount.to_string_lossy().as_ref()];
        ensure!(kind == "squashfs", "{system}: {} is {kind}", mount.display());
        let stored = all["storeContents"].to_string();
        let toplevel = found.toplevel.context("no system")?;
        ensure!(stored.contains(&*toplevel.to_string_lossy()), "{system}: the store lacks it");

        let wanted = serde_json::json!([kernel, "initrd", "netboot.ipxe"]);
        ensure!(all["files"] == wanted, "{system}: {}", all["files"]);
        let script = text(&all, "script")?;
        let init = format!("init={}", text(&all, "init")?);
        for word in [format!("kernel {kernel} "), init, "\ninitrd initrd\n".into()] {
            ensure!(script.contains(&word), "{system}: no {word} in {script}");
        }
        for parameter in all["kernelParams"].as_array().context("no parameters")? {
            let parameter = parameter.as_str().context("no text")?;
            ensure!(script.contains(parameter), "{system}: no {parameter} in {script}");
        }
        for file in ["bzImage", "initrd.gz", "kexec-boot"] {
            ensure!(all["kexec"][file].is_string(), "{system}: kexec lacks {file}");
        }
        let place = area::PATH.join("/");
        let rule = format!("L+ /iso/{place} - - - - {}", text(&all, "answersFile")?);
        let rules = all["tmpfiles"].as_array().context("no rules")?;
        ensure!(rules.contains(&rule.as_str().into()), "{system}: no {rule} in {rules:?}");
    }
    Ok(())
}

/// systemd compares the condition with the whole parameter, so each word for false has its own.
#[test]
fn installer_is_off_by_each_of_systemds_words_for_false() -> Result<()> {
    let Some(tree) = Tree::find("the installer is off by each word for false")? else {
        return Ok(());
    };
    let live = tree.json("live.x86_64-linux")?;
    for word in ["0", "no", "n", "false", "f", "off"] {
        let condition = format!("nixvm.installer={word}");
        for (name, prefix) in [("unit", "!"), ("login", "|")] {
            let line = format!("ConditionKernelCommandLine={prefix}{condition}");
            let found = text(&live, name)?.lines().filter(|found| **found == line).count();
            ensure!(found == 1, "the {name} has {found} lines {line}");
        }
    }
    for name in ["unit", "login"] {
        let all = text(&live, name)?.matches("ConditionKernelCommandLine=").count();
        ensure!(all == 6, "the {name} has {all} conditions");
    }
    let issue = text(&live, "issue")?;
    ensure!(issue.contains("unless") && issue.contains("nixvm.installer=no"), "{issue}");
    Ok(())
}

/// Whatever is assembled from disks is written to, or holds them.
#[test]
fn live_system_leaves_what_is_on_the_disks_alone() -> Result<()> {
    let Some(tree) = Tree::find("the live system leaves the disks alone")? else { return Ok(()) };
    for system in SYSTEMS {
        let live = tree.json(&format!("live.{system}"))?;
        for (what, done) in live["assembling"].as_object().context("no answer")? {
            ensure!(done == false, "{system}: {what} are assembled");
        }
        let lvm = text(&live, "lvmConfiguration")?;
        ensure!(lvm.contains("auto_activation_volume_list = []"), "{system}: {lvm}");
        let parameters = live["kernelParams"].as_array().context("no parameters")?;
        for wanted in ["noresume", "systemd.gpt_auto=0"] {
            ensure!(parameters.iter().any(|found| found == wanted), "{system}: no {wanted}");
        }
    }
    Ok(())
}

/// The same lines in the same order, but for the program's place and the tools'.
fn same_unit(plain: &str, evaluated: &str) -> Result<()> {
    let mut evaluated: Vec<_> = evaluated.lines().collect();
    let added = evaluated.iter().position(|line| line.starts_with("Environment=PATH=/nix/store/"));
    evaluated.remove(added.context("the unit sets no PATH")?);
    let plain: Vec<_> = plain.lines().collect();
    ensure!(plain.len() == evaluated.len(), "the unit has other lines than iso/'s");
    for (plain, evaluated) in plain.iter().zip(evaluated) {
        let place = evaluated.strip_prefix("ExecStart=/nix/store/");
        let program = place.and_then(|rest| rest.split_once("/bin/")).map(|(_, program)| program);
        match plain.strip_prefix("ExecStart=/usr/bin/") {
            Some(wanted) => ensure!(program == Some(wanted), "{evaluated}"),
            None => ensure!(*plain == evaluated, "{evaluated}"),
        }
    }
    Ok(())
}

#[test]
fn disko_script_names_no_disk_but_the_target() -> Result<()> {
    let Some(tree) = Tree::find("disko's script names no disk but the target")? else {
        return Ok(());
    };
    for system in SYSTEMS {
        let live = tree.json(&format!("live.{system}"))?;
        let script = text(&live, "diskoScript")?;
        for (at, _) in script.match_indices("/dev/") {
            let path = &script[at..];
            let fine = ["/dev/nixvm-target", "/dev/null", "/dev/disk/by-path/..-partN exists"];
            ensure!(fine.iter().any(|fine| path.starts_with(fine)), "{}", &path[..60]);
        }
        for wanted in [
            "--new=1:0:+512M",
            "--change-name=\"1:disk-main-ESP\"",
            "--typecode=1:EF00",
            "--new=2:0:-0",
            "--change-name=\"2:disk-main-root\"",
            "mkfs.vfat \\\n          -F 32 -n boot \\\n          \"/dev/nixvm-target-part1\"",
            "mkfs.ext4 \\\n          -L nixos \\\n          \"/dev/nixvm-target-part2\"",
            "mount \"/dev/nixvm-target-part2\" \"/mnt/\"",
            "mount \"/dev/nixvm-target-part1\" \"/mnt/boot\"",
        ] {
            ensure!(script.contains(wanted), "{system}: the script lacks {wanted}");
        }
        // Taking volume groups apart reaches other disks; clearing the target is the agent's.
        for hazard in ["disk-deactivate", "vgremove", "--zap-all", "by-partlabel"] {
            ensure!(!script.contains(hazard), "{system}: the script has {hazard}");
        }
    }
    Ok(())
}

/// A module that changes the ESP.
fn esp(change: &str) -> String {
    format!("disko.devices.disk.main.content.partitions.ESP = {{ {change} }};")
}

/// More than an hour of it.
const COUNTDOWN: &str = "modules = [ { nixvm.installer.defaults.countdown = 4000; } ];";

/// What the install does would not last, or not be seen.
#[test]
fn hosts_that_the_agent_cannot_set_up_are_refused() -> Result<()> {
    let Some(tree) = Tree::find("unfit hosts are refused")? else { return Ok(()) };
    for (module, arguments, why) in [
        ("users.mutableUsers = false;", "", "users.mutableUsers = true"),
        ("networking.hostName = lib.mkForce \"a_b\";", "", "letters, digits and hyphens"),
        ("users.users.ada.isNormalUser = true;", "", "(ada, ht): pass `username`"),
        ("", "username = \"ada\";", "has no account ada; it has ht"),
        ("", "username = \"root\";", "can't set up an account named root"),
        ("", COUNTDOWN, "between 0 and 3600"),
        ("", "answers.disk = x: x;", "TOML value"),
        (
            "boot.loader.systemd-boot.configurationLimit = lib.mkForce 8;",
            "",
            "configurationLimit + 1",
        ),
        (
            "boot.loader.systemd-boot.configurationLimit = lib.mkForce null;",
            "",
            "without one, the ESP fills up",
        ),
        (
            "boot.loader.systemd-boot.configurationLimit = lib.mkForce 0;",
            "",
            "without one, the ESP fills up",
        ),
        (&esp("size = lib.mkForce \"1048576\";"), "", "a size of partition ESP"),
        (&esp("end = \"2G\";"), "", "a size of partition ESP"),
        (&esp("size = lib.mkForce \"390000K\";"), "", "configurationLimit + 1"),
        (&esp("size = lib.mkForce \"255M\";"), "", "an ESP of 256 MiB or more"),
        (
            "boot.loader.efi.canTouchEfiVariables = lib.mkForce true;",
            "",
            "the installer makes the firmware's boot entry",
        ),
    ] {
        let said = tree.refusal(&format!("imageOf {{ {module} }} {{ {arguments} }}"))?;
        ensure!(said.contains(why), "{module} {arguments}: {said}");
    }
    Ok(())
}

/// The example of nix/README.md, for a host that forces its disk and whose account has a full name.
#[test]
fn another_flakes_host_is_installed_as_it_is() -> Result<()> {
    let Some(tree) = Tree::find("another flake's host is installed as it is")? else {
        return Ok(());
    };
    let text = tree.json(
        r#"manifestOf {
             disko.devices.disk.main.device = lib.mkForce "/dev/sda";
             users.users.ht.description = lib.mkForce "Ada Lovelace";
           } { answers = { finish = "poweroff"; disk.serial = "target"; }; }"#,
    )?;
    let manifest = manifest::parse(text.as_str().context("no text")?)?;
    ensure!(manifest.defaults.hostname == "web1", "{manifest:?}");
    ensure!(manifest.defaults.full_name == "Ada Lovelace", "{manifest:?}");
    ensure!(manifest.defaults.keymap.as_deref() == Some("us"), "{manifest:?}");
    ensure!(manifest.defaults.locale.as_deref() == Some("en_US.UTF-8"), "{manifest:?}");
    ensure!(manifest.defaults.timezone.is_none(), "{manifest:?}");
    ensure!(manifest.defaults.proxy.is_none(), "{manifest:?}");
    ensure!(manifest.flake_attribute == "web1", "{manifest:?}");
    Ok(())
}

#[test]
fn a_hosts_units_for_the_first_boot_are_plain_files_and_its_manifest_tells_of_them() -> Result<()> {
    let Some(tree) = Tree::find("units for the first boot")? else { return Ok(()) };
    let units = tree.json(
        r#"lib.mapAttrs (_: unit: { inherit (unit) text wantedBy; }) (
             lib.filterAttrs (name: _: lib.hasPrefix "nixvm-first-boot." name)
               flake.nixosConfigurations.nixvm-minimal-x86_64.config.systemd.units
           )"#,
    )?;
    let plain = |name: &str| fs::read_to_string(project().join("nix/first-boot").join(name));
    let [path, service] = ["nixvm-first-boot.path", "nixvm-first-boot.service"];
    let wanted = serde_json::json!({
        path: { "text": plain(path)?, "wantedBy": ["multi-user.target"] },
        service: { "text": plain(service)?, "wantedBy": [] },
    });
    ensure!(units == wanted, "{units}");

    for (module, has) in [
        ("{ }", true),
        (
            r#"{
                 systemd.units."nixvm-first-boot.path".enable = lib.mkForce false;
                 services.openssh.enable = lib.mkForce false;
               }"#,
            false,
        ),
    ] {
        let text = tree.json(&format!("manifestOf {module} {{ }}"))?;
        let manifest = manifest::parse(text.as_str().context("no text")?)?;
        ensure!(manifest.first_boot == has, "{manifest:?}");
        ensure!(manifest.ssh_host_key.is_some() == has, "{manifest:?}");
    }
    Ok(())
}

#[test]
fn baked_answers_are_read_by_the_agent() -> Result<()> {
    let Some(tree) = Tree::find("baked answers are read by the agent")? else { return Ok(()) };
    let empty = tree.json("answersArea { }")?;
    let expected = area::encode("")?;
    ensure!(empty.as_str().map(str::as_bytes) == Some(&expected), "the empty area differs");

    let baked = tree.json(
        r#"answersArea {
             hostname = "web1";
             full-name = "Grace \"Amazing\" Höpper\\";
             countdown = 0;
             finish = "poweroff";
             disk = { serial = "a'b"; min-size = "64G"; };
             ssh-authorized-keys = [ ];
             password-hash = null;
           }"#,
    )?;
    let baked = baked.as_str().context("no text")?;
    let text = area::decode(baked.as_bytes())?;
    let given = document::parse(text.as_bytes(), Source::Iso)
        .map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let read = serde_json::to_value(&given.answers)?;
    let wanted = serde_json::json!({
        "hostname": "web1",
        "full-name": "Grace \"Amazing\" Höpper\\",
        "countdown": 0,
        "finish": "poweroff",
        "disk": { "serial": "a'b", "min-size": "64G" },
        "ssh-authorized-keys": [],
    });
    ensure!(read == wanted, "the agent reads {read}");

    let mistake = tree.refusal("imageOf { } { answers.hostnmae = \"web1\"; }")?;
    ensure!(mistake.contains("no answers named hostnmae"), "{mistake}");
    Ok(())
}
