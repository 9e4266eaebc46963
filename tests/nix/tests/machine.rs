//! The machine that is installed: when it is the carried one to the byte, and when it can be built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use nixvm_answers::keymap::Keymap;
use nixvm_nix_tests::{Tree, project};
use serde_json::Value;

/// An output of a derivation, by the derivation's path, or a plain file's path.
type Input = (String, String);

#[test]
fn disk_and_hypervisor_leave_the_system_as_it_is() -> Result<()> {
    let Some(tree) = Tree::find("disk and hypervisor leave the system as it is")? else {
        return Ok(());
    };
    for system in ["x86_64-linux", "aarch64-linux"] {
        let installed = tree.json(&format!("installed.{system}"))?;
        let carried = &installed["carried"];
        let same = installed["same"].as_object().context("no machines")?;
        ensure!(same.len() == 5, "{same:?}");
        for (name, toplevel) in same {
            ensure!(toplevel == carried, "{name} is another system than the carried one");
        }
        // Or else the comparison above would compare nothing.
        for (name, toplevel) in installed["different"].as_object().context("no machines")? {
            ensure!(toplevel != carried, "{name} is the carried system after all");
        }
    }
    Ok(())
}

#[test]
fn host_has_its_identity_as_options_and_as_arguments() -> Result<()> {
    let Some(tree) = Tree::find("a host has its identity")? else { return Ok(()) };
    let found = tree.json("identities")?;
    let host = |host_name: &str, username: &str| {
        serde_json::json!({
            "hostName": host_name,
            "username": username,
            "fullName": "",
            "keymap": "us",
            "locale": "en_US.UTF-8",
            "timeZone": null,
            "proxy": null,
            "diskDevice": "/dev/vda",
        })
    };
    let wanted = serde_json::json!({
        "plain": {
            "seen": "ht@nixvm",
            "host": host("nixvm", "ht"),
            "desktop": true,
            "unfree": true,
        },
        "named": {
            "seen": "ada@web1",
            "host": host("web1", "ada"),
            "desktop": false,
            "unfree": false,
        },
    });
    ensure!(found == wanted, "{found}");
    Ok(())
}

/// nixpkgs' module for Hyper-V is enabled on every hypervisor, and its parameters are for one.
#[test]
fn parameters_for_one_hypervisor_are_not_on_every_command_line() -> Result<()> {
    let Some(tree) = Tree::find("parameters for one hypervisor")? else { return Ok(()) };
    let machines = tree.json("kernelParams")?;
    let machines = machines.as_object().context("no machines")?;
    ensure!(machines.len() == 4, "{machines:?}");
    for (name, parameters) in machines {
        let parameters = parameters.to_string();
        ensure!(parameters.contains("console=tty0"), "{name}: {parameters}");
        for foreign in ["hyperv_fb", "elevator="] {
            ensure!(!parameters.contains(foreign), "{name}: {foreign} is in {parameters}");
        }
    }
    Ok(())
}

/// /etc/nixos as the agent leaves it: the image's sources with the machine's own files.
#[test]
fn installed_sources_build_the_carried_system() -> Result<()> {
    let Some(tree) = Tree::find("installed sources build the carried system")? else {
        return Ok(());
    };
    let facts = tree.json(
        "{ source = \"${(image \"x86_64\").flake}\"; \
         carried = flake.nixosConfigurations.nixvm-x86_64.config.system.build.toplevel.drvPath; }",
    )?;
    let source = tree.outside(facts["source"].as_str().context("no source")?.as_ref());
    let (folder, inside) = tree.folder()?;
    copy(&source, folder.path())?;
    let host = folder.path().join("nix");
    let hardware = project().join("tests/nix/hosts/x86_64/virt-manager/hardware-configuration.nix");
    fs::copy(hardware, host.join("hardware-configuration.nix"))?;
    fs::write(host.join("disk-device.nix"), "\"/dev/disk/by-id/virtio-1\"\n")?;
    let machines = tree.json(&format!("etcNixos {}", inside.display()))?;
    // nixos-rebuild without an attribute takes that of the host's name.
    for attribute in ["nixvm", "nixvm-x86_64"] {
        ensure!(machines[attribute] == facts["carried"], "{attribute} differs");
    }
    ensure!(machines["nixvm-minimal-x86_64"] != facts["carried"], "minimal is the desktop");

    // Under another name the same attribute is what the agent builds.
    let identity = r#"{
        hostname = "web1"; username = "ada"; fullName = "Ada \"A\" Lovelace";
        keymap = "de-latin1"; locale = "de_DE.UTF-8";
    }"#;
    fs::write(host.join("host.nix"), identity)?;
    let machines =
        tree.json(&format!("let renamed = etcNixos {}; in renamed", inside.display()))?;
    ensure!(machines["nixvm-x86_64"] != facts["carried"], "the answers change nothing");
    ensure!(machines["web1"] == machines["nixvm-x86_64"], "web1 is another machine");
    ensure!(machines.get("nixvm").is_none(), "the old name is still there");
    Ok(())
}

const NAMES: &str = r#"hostname = "web1"; username = "ada"; fullName = "Ada Lovelace";"#;
const PROXY: &str = r#"proxy = "http://10.0.2.2:3128";"#;
const PLACE: &str = r#"keymap = "de-latin1"; locale = "de_DE.UTF-8"; timeZone = "Europe/Berlin";"#;

/// Some of the derivations that have a machine's names in them.
const RENAMED: &[&str] =
    &["activation-script", "etc", "home-manager-generation", "users-groups.json"];

#[test]
fn machine_of_other_answers_builds_from_what_the_image_carries() -> Result<()> {
    let Some(tree) = Tree::find("a machine of other answers builds from what the image carries")?
    else {
        return Ok(());
    };
    for (desktop, arguments, most) in [
        // Text, links and lists. Were it more, it would be a package that takes its time.
        (true, NAMES.to_owned(), 40),
        (true, format!("{NAMES} {PLACE} {PROXY}"), 60),
        (true, PROXY.to_owned(), 40),
        (false, PROXY.to_owned(), 40),
        (false, NAMES.to_owned(), 40),
        // Each unit names the locales, of which the carried server has few.
        (false, PLACE.to_owned(), 120),
    ] {
        let facts = tree.json(&format!("rebuilt \"x86_64-linux\" {desktop} {{ {arguments} }}"))?;
        let path = |name: &str| facts[name].as_str().context("no path");
        let (before, after) =
            (requisites(&tree, path("carried")?)?, requisites(&tree, path("rebuilt")?)?);
        let to_build = derivations(&tree, after.difference(&before))?;
        let counterparts = derivations(&tree, before.difference(&after))?;
        let count = to_build.len();
        ensure!(count < most, "{count} derivations change with {arguments}");
        let names: BTreeSet<_> =
            to_build.values().filter_map(|derivation| derivation["name"].as_str()).collect();
        // The account, /etc and the home, or else the comparison below would compare something else.
        for wanted in RENAMED.iter().filter(|_| arguments.contains(NAMES)) {
            ensure!(names.contains(wanted), "{wanted} does not change with the names: {names:?}");
        }

        let kit: BTreeSet<String> =
            serde_json::from_value(facts["kit"].clone()).context("no kit")?;
        let carried: BTreeSet<Input> = derivations(&tree, kit.iter())?
            .values()
            .flat_map(inputs)
            .chain(kit.iter().map(|path| (path.clone(), "out".to_owned())))
            .collect();
        let needed: BTreeSet<Input> = to_build
            .values()
            .flat_map(inputs)
            .filter(|(path, _)| !to_build.contains_key(path))
            .collect();
        // A path that stands in a text of the carried system is in its closure.
        let texts: String = counterparts
            .values()
            .filter_map(|derivation| derivation["env"]["text"].as_str())
            .collect();
        let missing: Vec<_> = needed.difference(&carried).collect();
        let outputs = derivations(&tree, missing.iter().map(|(path, _)| path))?;
        for (path, output) in missing {
            let place = match outputs.get(path) {
                Some(derivation) => derivation["outputs"][output]["path"].as_str(),
                None => Some(path.as_str()),
            };
            ensure!(
                place.is_some_and(|place| texts.contains(place)),
                "a build with {arguments} needs {path}, which the image does not carry"
            );
        }
    }
    Ok(())
}

/// The console, the initrd, SDDM and Plasma have the keyboard, and the time zone is the machine's own.
#[test]
fn keymap_locale_and_time_zone_reach_what_asks_for_them() -> Result<()> {
    let Some(tree) = Tree::find("keymap, locale and time zone reach what asks for them")? else {
        return Ok(());
    };
    let plain = tree.json("place { }")?;
    ensure!(plain["console"] == "us" && plain["initrd"] == "us", "{plain}");
    ensure!(plain["layout"] == "us" && plain["variant"] == "", "{plain}");
    ensure!(plain["locale"] == "en_US.UTF-8", "{plain}");
    // Were it a part of the system, the answer would take a build.
    ensure!(plain["timeZone"].is_null() && plain["localtime"].is_null(), "{plain}");

    let german = tree.json(
        r#"place { keymap = "de-latin1-nodeadkeys"; locale = "de_DE.UTF-8"; timeZone = "Europe/Berlin"; }"#,
    )?;
    for part in ["console", "initrd"] {
        ensure!(german[part] == "de-latin1-nodeadkeys", "{part}: {german}");
    }
    ensure!(german["layout"] == "de" && german["variant"] == "nodeadkeys", "{german}");
    let x11 = german["x11"].as_str().context("no file of systemd-localed")?;
    for option in [r#"Option "XkbLayout" "de""#, r#"Option "XkbVariant" "nodeadkeys""#] {
        ensure!(x11.contains(option), "{x11}");
    }
    ensure!(german["greeter"].as_str().is_some_and(|c| c.contains("--locale1")), "{german}");
    ensure!(german["locale"] == "de_DE.UTF-8", "{german}");
    ensure!(german["localtime"] == "/etc/zoneinfo/Europe/Berlin", "{german}");

    // For an empty option, systemd-localed passes over the whole file.
    let without_variant = tree.json(r#"place { keymap = "de"; }"#)?;
    let x11 = without_variant["x11"].as_str().context("no file of systemd-localed")?;
    ensure!(x11.contains(r#"Option "XkbLayout" "de""#) && !x11.contains(r#""""#), "{x11}");

    let russian = tree.json(r#"place { keymap = "ru"; }"#)?;
    ensure!(russian["layout"] == "ru,us", "{russian}");
    let options = russian["options"].as_str().unwrap_or_default();
    ensure!(options.contains("grp:shifts_toggle"), "nothing leads to Latin letters: {russian}");
    Ok(())
}

/// nix-daemon downloads for every user, and Docker's daemon its images.
#[test]
fn proxy_reaches_the_daemons_and_every_session() -> Result<()> {
    let Some(tree) = Tree::find("a proxy reaches the daemons and every session")? else {
        return Ok(());
    };
    let plain = tree.json("proxied { }")?;
    ensure!(plain["default"].is_null(), "{plain}");
    for place in ["nixDaemon", "docker", "sessions"] {
        ensure!(!plain[place].to_string().contains("proxy"), "{place}: {plain}");
    }
    let proxied = tree.json(&format!("proxied {{ {PROXY} }}"))?;
    ensure!(proxied["default"] == "http://10.0.2.2:3128", "{proxied}");
    for place in ["nixDaemon", "docker", "sessions"] {
        let variables = &proxied[place];
        for name in ["http_proxy", "https_proxy"] {
            ensure!(variables[name] == "http://10.0.2.2:3128", "{place}: {proxied}");
        }
        ensure!(variables["no_proxy"] == "127.0.0.1,localhost", "{place}: {proxied}");
    }
    // A host that decides by itself keeps what it has.
    let own = tree.json(&format!(
        "proxied {{ {PROXY} modules = [ {{ networking.proxy.default = \"http://own:1\"; }} ]; }}"
    ))?;
    ensure!(own["default"] == "http://own:1", "{own}");
    Ok(())
}

/// Each keymap in the table is one that answers may name, and each name has a known layout's form.
#[test]
fn table_of_layouts_has_keymaps_only() -> Result<()> {
    let path = project().join("nix/keyboard-layouts.txt");
    let text = fs::read_to_string(&path)?;
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<_> = line.split_whitespace().collect();
        ensure!(words.len() == 4, "{line}");
        ensure!(nixvm_answers::keymap::names().any(|name| name == words[0]), "{line}");
        ensure!(seen.insert(words[0].to_owned()), "twice: {line}");
        let layouts = words[1].split(',').count();
        ensure!(words[2] == "-" || words[2].split(',').count() <= layouts, "{line}");
    }
    ensure!(seen.len() > 100, "{} rows", seen.len());
    Ok(())
}

/// Keymaps' names that are no layout of XKB.
const NO_LAYOUTS: [&str; 5] = ["cf", "en", "fa", "sg", "uk"];

/// A keymap that is taken for a layout of XKB has that layout in the table, if it is there.
#[test]
fn a_layouts_keymap_has_that_layout() -> Result<()> {
    let text = fs::read_to_string(project().join("nix/keyboard-layouts.txt"))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: BTreeMap<_, _> = lines
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            Some((*words.first()?, (*words.get(1)?, words.get(2)?.trim_matches('-'))))
        })
        .collect();
    // Names of keymaps, too: the shortest are names of layouts, of the same country or of another.
    let short = rows.keys().filter(|name| name.len() == 2 && !NO_LAYOUTS.contains(name));
    let mut found = 0;
    for (layout, variant) in rows.values().copied().chain(short.map(|name| (*name, ""))) {
        let layout = layout.trim_end_matches(",us");
        let variant = variant.trim_end_matches(',');
        let Some(keymap) = Keymap::of_layout(layout, variant) else { continue };
        let Some(row) = rows.get(keymap.as_str()) else { continue };
        let same = row.0.trim_end_matches(",us") == layout && row.1.trim_matches(',') == variant;
        ensure!(same, "{layout} {variant}: {keymap} has {row:?}");
        found += 1;
    }
    ensure!(found > 30, "only {found} layouts");
    Ok(())
}

fn requisites(tree: &Tree, derivation: &str) -> Result<BTreeSet<String>> {
    let output = tree.run(["nix-store", "--query", "--requisites", derivation])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// What `nix derivation show` says of those of the paths that are derivations.
fn derivations<'a>(
    tree: &Tree,
    paths: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, Value>> {
    let paths: Vec<_> = paths.filter(|path| path.ends_with(".drv")).map(String::as_str).collect();
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = tree.run(["nix", "derivation", "show"].into_iter().chain(paths))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn inputs(derivation: &Value) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (path, wanted) in derivation["inputDrvs"].as_object().into_iter().flatten() {
        for output in wanted["outputs"].as_array().into_iter().flatten() {
            inputs.push((path.clone(), output.as_str().unwrap_or_default().to_owned()));
        }
    }
    for source in derivation["inputSrcs"].as_array().into_iter().flatten() {
        inputs.push((source.as_str().unwrap_or_default().to_owned(), String::new()));
    }
    inputs
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&place)?;
            copy(&entry.path(), &place)?;
        } else {
            fs::write(&place, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
