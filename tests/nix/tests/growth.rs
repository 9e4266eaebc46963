//! An installed machine's root: how it grows with the disk.

use anyhow::{Context, Result, bail, ensure};
use nixvm_nix_tests::Tree;
use serde_json::{Value, json};

/// The types of root partitions in the Discoverable Partitions Specification.
const X86_64: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
const AARCH64: &str = "b921b045-1df0-41c3-af44-4c6f280d3fae";

/// The type that sgdisk calls 8300.
const GENERIC: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

fn grows(machine: &Value) -> bool {
    machine["options"]
        .as_array()
        .is_some_and(|options| options.iter().any(|o| o == "x-systemd.growfs"))
}

#[test]
fn root_grows_with_its_disk_unless_the_host_says_otherwise() -> Result<()> {
    let Some(tree) = Tree::find("the root grows with its disk")? else { return Ok(()) };
    let machines = tree.json("growth")?;
    for (name, guid) in
        [("nixvm-minimal-x86_64", X86_64), ("nixvm-minimal-aarch64", AARCH64), ("generic", GENERIC)]
    {
        let machine = &machines[name];
        // One definition, of the partition that the layout makes: for another, repart would make one.
        ensure!(
            machine["definitions"] == json!({ "50-root": { "Type": guid } }),
            "{name}: {machine}"
        );
        let made = machine["partition"].as_str().context("no type")?;
        ensure!(name == "generic" || made.eq_ignore_ascii_case(guid), "{name}: {machine}");
        ensure!(machine["units"] == json!(["systemd-repart.service"]), "{name}: {machine}");
        let condition = machine["condition"].as_str().context("no condition")?.to_lowercase();
        ensure!(condition.ends_with(&format!("/bin/has-grown {guid}")), "{name}: {machine}");
        ensure!(grows(machine), "{name}: {machine}");
        let rules = machine["rules"].as_str().context("no rules")?;
        let restarts = "/bin/systemctl --no-block restart systemd-repart.service";
        ensure!(rules.contains(restarts) && !rules.contains("@systemctl@"), "{name}: {rules}");
        ensure!(machine["unmet"] == json!([]), "{name}: {machine}");
    }
    let off = &machines["off"];
    ensure!(off["definitions"] == json!({}) && off["units"] == json!([]), "{off}");
    ensure!(!grows(off) && off["condition"].is_null(), "{off}");
    ensure!(!off["rules"].to_string().contains("systemd-repart"), "{off}");
    // Root in the midst of others, btrfs, or in LUKS: repart would grow another partition, or none.
    for (name, grown) in [
        ("xfs-with-home", false),
        ("btrfs-subvolumes", false),
        ("ext4-with-var", true),
        ("luks-ext4", false),
    ] {
        let growth = &tree.json(&format!("layouts.{name}"))?["growth"];
        let wanted = if grown { json!({ "50-root": { "Type": X86_64 } }) } else { json!({}) };
        ensure!(*growth == wanted, "{name}: {growth}");
    }
    Ok(())
}

/// By these it was evaluated before roots grew, too.
#[test]
fn root_of_another_layout_evaluates() -> Result<()> {
    let Some(tree) = Tree::find("a root of another layout evaluates")? else { return Ok(()) };
    let machines = tree.json("growth")?;
    // Without a line in fstab, which would have started systemd-growfs at boot.
    let found = &machines["found"];
    ensure!(found["options"].is_null() && found["unmet"] == json!([]), "{found}");
    ensure!(found["wants"] == json!(["systemd-growfs-root.service"]), "{found}");
    ensure!(found["condition"].is_string() && found["toplevel"].is_string(), "{found}");
    let fixed = &machines["fixed"];
    ensure!(!grows(fixed) && fixed["unmet"] == json!([]), "{fixed}");
    Ok(())
}

#[test]
fn root_that_cannot_grow_is_refused_with_a_way_out() -> Result<()> {
    let Some(tree) = Tree::find("a root that cannot grow is refused")? else { return Ok(()) };
    let machines = tree.json("growth")?;
    for (name, why) in [
        ("unknown", "root, of type 8300"),
        ("part", "root to have size = \"100%\""),
        ("f2fs", "fileSystems.\"/\" has \"f2fs\""),
    ] {
        let unmet = machines[name]["unmet"].as_array().context("no assertions")?;
        let [said] = unmet.as_slice() else { bail!("{name}: {unmet:?}") };
        let said = said.as_str().unwrap_or_default();
        ensure!(said.contains(why) && said.contains("nixvm.grow.enable = false"), "{name}: {said}");
    }
    Ok(())
}
