//! An installed machine's root: how it grows with the disk.

use anyhow::{Context, Result, ensure};
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
    let said = machines["unknown"]["unmet"].to_string();
    ensure!(said.contains("root, of type 8300"), "{said}");
    Ok(())
}
