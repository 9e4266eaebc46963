//! Whose word is enough to begin without a question.

use super::*;

const ANY: &str = "erase = 'any'\ndisk = 'serial=serial-vda'\n";
const ALL: &str = "erase = 'any'\ndisk = 'serial=serial-vda'\ncountdown = 0\n";

/// On a virtual machine, and on a physical one.
fn decisions(sources: &[(Source, &str)]) -> [Decision; 2] {
    let world = World::new([data("vda")]).answering_from(sources);
    [world.decide(), world.on(Hypervisor::None).decide()]
}

#[test]
fn what_every_machine_believes_begins_by_itself() {
    for source in [Source::Request, Source::CommandLine, Source::Iso] {
        for decision in decisions(&[(source.clone(), ALL)]) {
            let plan = goes(&decision).unwrap_or_else(|| panic!("{source}: {decision:?}"));
            assert_eq!(plan.warnings, [""; 0], "{source}");
        }
    }
}

#[test]
fn what_only_a_virtual_machine_believes_is_asked_once_on_a_physical_one() {
    for source in [volume(), Source::FirmwareConfig, Source::Guestinfo, Source::Credential] {
        let [virtual_machine, physical] = decisions(&[(source.clone(), ALL)]);
        assert!(goes(&virtual_machine).unwrap().warnings.is_empty(), "{source}");
        let plan = asks(&physical).unwrap_or_else(|| panic!("{source}: {physical:?}"));
        let asked = "on a physical machine, that is asked once.";
        let expected = ["erase = \"any\"", "disk = \"serial=serial-vda\"", "countdown = 0"]
            .map(|answer| format!("{answer} comes from {source}: {asked}"));
        assert_eq!(plan.warnings, expected);
        // Once: the confirmation is enough.
        let mut world = World::new([data("vda")]).answering_from(&[(source, ALL)]);
        world.machine.hypervisor = Hypervisor::None;
        world.choices.confirmed = Some(plan.token());
        assert!(matches!(world.decide(), Decision::Go { confirmed: true, .. }));
    }
}

/// What the ISO and a volume say → the answers that are asked about on a physical machine.
#[test]
fn a_volume_is_asked_about_where_it_takes_more_than_the_iso_gives() {
    let strict = "erase = 'confirm'\ncountdown = 60\ndisk = 'serial=serial-vda'\n";
    let cases: [(&str, &str, &[&str]); 7] = [
        (ALL, ALL, &[]),
        (ALL, "countdown = 30", &[]),
        (ALL, "erase = 'any'", &[]),
        (ANY, "countdown = 9", &["countdown"]),
        (ANY, "disk = 'only'", &["disk"]),
        (strict, "erase = 'any'\ncountdown = 60", &["erase"]),
        (strict, "erase = 'any'\ncountdown = 10", &["erase", "countdown"]),
    ];
    for (iso, stick, expected) in cases {
        let [_, physical] = decisions(&[(Source::Iso, iso), (volume(), stick)]);
        let asked = asks(&physical).map(|plan| plan.warnings.clone()).unwrap_or_default();
        let keys: Vec<_> = asked.iter().filter_map(|text| text.split(" = ").next()).collect();
        assert_eq!(keys, expected, "{iso} {stick}");
        assert_eq!(goes(&physical).is_some(), expected.is_empty(), "{iso} {stick}");
    }
    // A volume that makes it stricter is obeyed everywhere.
    for decision in decisions(&[(Source::Iso, ALL), (volume(), "erase = 'confirm'")]) {
        assert!(asks(&decision).is_some());
    }
}

#[test]
fn a_server_takes_no_question_away_on_any_machine() {
    for decision in decisions(&[(server(), ALL)]) {
        let plan = asks(&decision).unwrap_or_else(|| panic!("{decision:?}"));
        let expected = ["erase = \"any\"", "disk = \"serial=serial-vda\"", "countdown = 0"]
            .map(|answer| format!("{answer} comes from {}: that is asked once.", server()));
        assert_eq!(plan.warnings, expected);
    }
    // Each of the three is enough to ask, where the command line has given the others.
    for (line, said) in [
        ("disk = 'serial=serial-vda'\ncountdown = 0", "erase = 'any'"),
        ("erase = 'any'", "disk = 'serial=serial-vda'"),
        (ANY, "countdown = 0"),
    ] {
        for decision in decisions(&[(Source::CommandLine, line), (server(), said)]) {
            assert_eq!(asks(&decision).unwrap().warnings.len(), 1, "{said}: {decision:?}");
        }
    }
    // Who starts the machine may say that it needs none.
    for decision in decisions(&[(Source::CommandLine, ALL), (server(), "hostname = 'nixvm'")]) {
        assert!(goes(&decision).unwrap().warnings.is_empty());
    }
}

#[test]
fn a_server_may_choose_among_blank_disks_of_a_virtual_machine_unless_the_iso_wants_to_ask() {
    let rule = "disk = 'serial=serial-vda'\ncountdown = 0\nerase = 'blank'\n";
    let world = World::new([blank("vda"), blank("vdb")]);
    let blank = world.clone().answering_from(&[(server(), rule)]);
    let decision = blank.decide();
    assert_eq!(goes(&decision).unwrap().countdown, 0);
    assert!(asks(&blank.on(Hypervisor::None).decide()).is_some());
    for erase in ["blank", "any"] {
        let rule = rule.replace("'blank'", &format!("'{erase}'"));
        let strict = (Source::Iso, "erase = 'confirm'");
        let decision = world.clone().answering_from(&[strict, (server(), &rule)]).decide();
        let plan = asks(&decision).unwrap_or_else(|| panic!("{erase}: {decision:?}"));
        let expected = format!("erase = \"{erase}\" comes from {}", server());
        assert!(plan.warnings[0].starts_with(&expected), "{:?}", plan.warnings);
    }
}

#[test]
fn nothing_is_said_of_a_source_where_the_machine_asks_anyhow() {
    let world = World::new([data("vda")]).answering_from(&[(volume(), "countdown = 0")]);
    for hypervisor in [Hypervisor::Kvm, Hypervisor::None] {
        let decision = world.clone().on(hypervisor).decide();
        assert_eq!(asks(&decision).unwrap().warnings, [""; 0]);
    }
}
