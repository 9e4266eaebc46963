//! The consent table of agent/README.md: every case, then a test for each row, in its order.

use nixvm_answers::answers::Erase;

use super::*;
use crate::disk::Condition;
use crate::plan::consent::{Case, Consent};
use crate::plan::{ChosenBy, Refusal};

/// Every case of the table, the first row that fits it. The last four columns: on a virtual machine, by
/// sources that it believes and by those that it does not; on a physical machine, the same two.
const TABLE: &str = "
    blank               rule      any      go    go    go    ask
    unfinished          rule      any      go    go    go    ask
    data                rule      any      go    ask   go    ask
    blank               *         confirm  ask   ask   ask   ask
    unfinished          *         confirm  ask   ask   ask   ask
    blank               *         *        go    go    ask   ask
    unfinished          *         *        go    go    ask   ask
    data                *         *        ask   ask   ask   ask
    installed           user      *        ask   ask   ask   ask
    installed           *         *        boot  boot  boot  boot
    possibly-installed  *         *        ask   ask   ask   ask
    unreadable          *         *        ask   ask   ask   ask
";

#[test]
fn every_case_is_as_the_table_has_it() {
    let rows: Vec<Vec<_>> =
        TABLE.trim().lines().map(|line| line.split_whitespace().collect()).collect();
    let conditions = [
        Condition::Blank,
        Condition::Unfinished,
        Condition::Installed,
        Condition::PossiblyInstalled,
        Condition::Data,
        Condition::Unreadable,
    ];
    let choices =
        [(ChosenBy::OnlyOne, "only-one"), (ChosenBy::Rule, "rule"), (ChosenBy::User, "user")];
    let mut used = vec![false; rows.len()];
    for condition in &conditions {
        for (chosen_by, by) in choices {
            for erase in [Erase::Blank, Erase::Confirm, Erase::Any] {
                let names = [condition.name(), by, erase.into()];
                let fits = |row: &Vec<&str>| {
                    row.iter().zip(names).all(|(cell, name)| *cell == "*" || *cell == name)
                };
                let row = rows.iter().position(fits).unwrap_or_else(|| panic!("{names:?}"));
                used[row] = true;
                let machines = [(true, false), (true, true), (false, false), (false, true)];
                for ((is_virtual, is_loosened), expected) in
                    machines.into_iter().zip(&rows[row][3..])
                {
                    let case = Case { is_virtual, condition, chosen_by, erase, is_loosened };
                    let found = match case.needed() {
                        Consent::Countdown => "go",
                        Consent::Ask => "ask",
                        Consent::Boot => "boot",
                    };
                    assert_eq!(found, *expected, "{case:?}");
                }
            }
        }
    }
    assert!(used.iter().all(|used| *used), "a row of the table fits nothing");
}

const RULE: &str = "disk = 'serial=serial-vdb'";
const RULE_AND_ANY: &str = "erase = 'any'\ndisk = 'serial=serial-vdb'";

#[test]
fn the_only_disk_blank_or_unfinished_goes_on_a_vm_and_asks_on_a_physical_machine() {
    for disk in [blank("vda"), unfinished("vda")] {
        let world = World::new([disk]);
        let decision = world.decide();
        assert_eq!(goes(&decision).unwrap().target.chosen_by, ChosenBy::OnlyOne);
        let decision = world.on(Hypervisor::None).decide();
        assert_eq!(asks(&decision).unwrap().target.name, "vda");
    }
}

#[test]
fn one_of_several_that_a_rule_selects_goes_as_if_it_were_alone() {
    let world = World::new([blank("vda"), blank("vdb"), data("vdc")]).answering(RULE);
    assert_eq!(goes(&world.decide()).unwrap().target.name, "vdb");
    assert_eq!(asks(&world.on(Hypervisor::None).decide()).unwrap().target.name, "vdb");
}

#[test]
fn several_without_a_rule_are_asked_for() {
    for other in [blank("vdb"), data("vdb")] {
        for hypervisor in [Hypervisor::Kvm, Hypervisor::None] {
            let world = World::new([blank("vda"), other.clone()]).on(hypervisor);
            let candidates = vec!["vda".to_owned(), "vdb".to_owned()];
            assert_eq!(world.decide(), Decision::Choose { candidates });
        }
    }
    let world = World::new([blank("vda"), blank("vdb")]).choosing("vdb");
    assert_eq!(goes(&world.decide()).unwrap().target.chosen_by, ChosenBy::User);
}

#[test]
fn a_disk_with_data_is_asked_for_and_named_unless_a_rule_and_erase_any_select_it() {
    let decision = World::new([data("vda")]).decide();
    let plan = asks(&decision).unwrap();
    assert_eq!(plan.target.erases, ["partition 1: ext4 \"photos\", 10 GiB"]);
    assert!(asks(&World::new([data("vda")]).answering("erase = 'any'").decide()).is_some());
    assert!(asks(&World::new([data("vdb")]).answering(RULE).decide()).is_some());
    for hypervisor in [Hypervisor::Kvm, Hypervisor::None] {
        let world = World::new([blank("vda"), data("vdb")]).answering(RULE_AND_ANY);
        assert_eq!(goes(&world.on(hypervisor).decide()).unwrap().target.name, "vdb");
    }
}

#[test]
fn what_is_confirmed_is_what_was_shown() {
    let mut world = World::new([data("vda")]);
    let token = asks(&world.decide()).unwrap().token();
    world.choices.confirmed = Some(token);
    assert!(matches!(world.decide(), Decision::Go { confirmed: true, .. }));
    // Something else is on it now: that has not been consented to.
    world.disks[0].content.digest = "another".into();
    assert!(asks(&world.decide()).is_some());
}

#[test]
fn a_finished_install_is_booted_and_reinstalled_only_by_choice() {
    for toml in ["", "erase = 'any'", "erase = 'any'\ndisk = 'serial=serial-vda'"] {
        let decision = World::new([installed("vda")]).answering(toml).decide();
        assert!(
            matches!(decision, Decision::Installed { ref disk, .. } if disk == "vda"),
            "{toml}"
        );
    }
    // A blank one beside it does not make it the target.
    let decision = World::new([installed("vda"), blank("vdb")]).decide();
    assert!(matches!(decision, Decision::Installed { .. }));
    let decision = World::new([installed("vda")]).choosing("vda").decide();
    assert!(asks(&decision).is_some());
}

#[test]
fn a_finished_install_on_a_disk_that_can_never_be_meant_is_not_what_is_booted() {
    type Change = (&'static str, fn(&mut Disk));
    let never: [Change; 5] = [
        ("removable", |d| d.device.removable = true),
        ("read-only", |d| d.device.read_only = true),
        ("optical", |d| d.device.kind = crate::disk::Kind::Optical),
        ("too small", |d| d.device.size_bytes = 1 << 30),
        ("answers volume", |d| d.device.label = Some("NIXVM".into())),
    ];
    for (what, change) in never {
        let mut stick = installed("sda");
        change(&mut stick);
        let alone = World::new([stick.clone()]).decide();
        assert!(waits(&alone).is_some(), "{what}: {alone:?}");
        // Its partition names are in the way all the same.
        let beside = World::new([blank("vda"), stick.clone()]).decide();
        let refused = matches!(beside, Decision::Refuse(Refusal::LabelConflict { .. }));
        assert!(refused, "{what}: {beside:?}");
        stick.device.partitions.clear();
        let beside = World::new([blank("vda"), stick]).decide();
        assert_eq!(goes(&beside).map(|plan| &*plan.target.name), Some("vda"), "{what}");
    }
    // What can't be used for the moment is a disk like any other.
    let mut disk = installed("vda");
    disk.device.mounts = vec!["/rescue".into()];
    assert!(matches!(World::new([disk]).decide(), Decision::Installed { .. }));
}

#[test]
fn what_is_on_an_unfinished_disk_is_said_too() {
    let world = World::new([unfinished("vda")]);
    let decision = world.decide();
    let erases = &goes(&decision).unwrap().target.erases;
    let rest = world.disks[0].contents();
    assert_eq!(erases[0], "an unfinished install of this installer");
    assert!(erases[1..] == rest && rest.len() == 2, "{erases:?}");
}

#[test]
fn a_blank_disk_is_said_to_be_so_with_what_was_looked_at() {
    let mut plan = goes(&World::new([blank("vda")]).decide()).unwrap().clone();
    plan.target.evidence = vec!["zeros at both ends".into(), "no signature".into()];
    let sentence = plan.sentence();
    assert!(sentence.contains("which is blank (zeros at both ends, no signature);"), "{sentence}");
    // On a slow disk, less is looked at: that makes no other plan.
    let token = plan.token();
    plan.target.evidence.pop();
    assert_eq!(plan.token(), token);
}

#[test]
fn our_layout_without_marker_and_receipt_may_be_a_used_system() {
    assert!(asks(&World::new([with_layout("vda")]).decide()).is_some());
    let mut repartitioned = unfinished("vda");
    repartitioned.content.table_id = Some("another".into());
    assert!(asks(&World::new([repartitioned]).decide()).is_some());
}

#[test]
fn another_disk_with_our_partition_names_is_refused_and_named() {
    for other in [with_layout("vdb"), unfinished("vdb"), installed("vdb")] {
        let world = World::new([blank("vda"), other]).answering("disk = 'serial=serial-vda'");
        let Decision::Refuse(Refusal::LabelConflict { target, other, label }) = world.decide()
        else {
            panic!("{:?}", world.decide());
        };
        assert_eq!((&*target, &*other, &*label), ("/dev/vda", "/dev/vdb", "disk-main-ESP"));
    }
}

/// What another disk carries → whether that refuses, and which warning it makes.
#[test]
fn a_partition_name_of_ours_on_another_disk_refuses_and_a_label_warns() {
    let partition = |name: Option<&str>, label: Option<&str>| {
        let mut disk = data("vdb");
        disk.device.partitions[0].name = name.map(Into::into);
        disk.device.partitions[0].label = label.map(Into::into);
        disk
    };
    let mut whole = blank("vdb");
    whole.device.filesystem = Some("ext4".into());
    whole.device.label = Some("nixos".into());
    let (esp, root) = (crate::disk::layout::ESP.name, crate::disk::layout::ROOT.name);
    let cases = [
        ("our ESP", partition(Some(esp), None), None),
        ("our root", partition(Some(root), None), None),
        ("our root with its label", partition(Some(root), Some("nixos")), None),
        ("NixOS's manual, root", partition(Some("primary"), Some("nixos")), Some("\"nixos\"")),
        ("NixOS's manual, ESP", partition(Some("ESP"), Some("boot")), Some("\"boot\"")),
        ("a label and no name", partition(None, Some("nixos")), Some("\"nixos\"")),
        ("no partition table", whole, Some("\"nixos\"")),
        ("another label", partition(Some("primary"), Some("NIXOS")), Some("")),
        ("a label that is our name", partition(Some("primary"), Some(root)), Some("")),
        ("a name that is our label", partition(Some("nixos"), None), Some("")),
        ("nothing", blank("vdb"), Some("")),
    ];
    for (case, other, expected) in cases {
        let world = World::new([blank("vda"), other]).answering("disk = 'serial=serial-vda'");
        let decision = world.decide();
        let Some(warning) = expected else {
            let refused = matches!(decision, Decision::Refuse(Refusal::LabelConflict { .. }));
            assert!(refused, "{case}: {decision:?}");
            continue;
        };
        let plan = goes(&decision).unwrap_or_else(|| panic!("{case}: {decision:?}"));
        let texts = plan.warnings.join("\n");
        assert_eq!(plan.warnings.len(), usize::from(!warning.is_empty()), "{case}: {texts}");
        assert!(texts.contains(warning), "{case}: {texts}");
        assert_eq!(texts.contains("/dev/vdb"), !warning.is_empty(), "{case}: {texts}");
    }
}

#[test]
fn names_and_labels_of_a_hosts_own_layout_count_on_other_disks_too() {
    let beside = |layout: &str, name: &str, label: &str| {
        let mut other = data("vdb");
        other.device.partitions[0].name = Some(name.into());
        other.device.partitions[0].label = Some(label.into());
        let mut world = World::new([blank("vda"), other]).answering("disk = 'serial=serial-vda'");
        world.manifest.layout.extend(serde_json::from_str::<Vec<_>>(layout).unwrap());
        world.decide()
    };
    let home = r#"[{ "number": 3, "name": "disk-main-home", "filesystem": "xfs",
                     "label": "people", "mount-points": ["/home"] }]"#;
    let Decision::Refuse(Refusal::LabelConflict { label, .. }) = beside(home, "disk-main-home", "")
    else {
        panic!("{:?}", beside(home, "disk-main-home", ""));
    };
    assert_eq!(label, "disk-main-home");
    let warned = beside(home, "primary", "people");
    assert!(goes(&warned).unwrap().warnings[0].contains("\"people\""), "{warned:?}");
    for name in ["disk-main-home", "primary"] {
        let decision = beside("[]", name, "people");
        assert_eq!(goes(&decision).unwrap().warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_can_never_be_meant_is_never_meant() {
    type Change = (&'static str, fn(&mut Disk));
    let changes: [Change; 9] = [
        ("boot medium", |d| d.device.mounts = vec!["/iso".into()]),
        ("answers volume", |d| d.device.label = Some("NIXVM".into())),
        ("read-only", |d| d.device.read_only = true),
        ("removable", |d| d.device.removable = true),
        ("mounted", |d| d.device.mounts = vec!["/home".into()]),
        ("too small", |d| d.device.size_bytes = 1 << 30),
        ("zero-sized", |d| d.device.size_bytes = 0),
        ("not a disk", |d| d.device.kind = crate::disk::Kind::Other),
        ("multipath", |d| d.device.multipath_member = true),
    ];
    for (what, change) in changes {
        let mut disk = blank("vda");
        change(&mut disk);
        let alone = World::new([disk.clone()]).answering("erase = 'any'");
        assert!(matches!(alone.decide(), Decision::Wait { .. }), "{what}");
        let by_rule = alone.answering("erase = 'any'\ndisk = 'serial=serial-vda'");
        assert!(matches!(by_rule.decide(), Decision::Wait { .. }), "{what}");
        let chosen = World::new([disk.clone()]).choosing("vda").decide();
        assert!(matches!(chosen, Decision::Refuse(Refusal::IneligibleChoice { .. })), "{what}");
        let beside = World::new([disk, blank("vdb")]).decide();
        assert_eq!(goes(&beside).unwrap().target.name, "vdb", "{what}");
    }
}
