//! What is refused, and what has to be found out before a plan is complete.

use super::*;
use crate::plan::{Refusal, System, Unfetched, UnknownInterface, Unreachable};

fn refusal(world: &World) -> Refusal {
    match world.decide() {
        Decision::Refuse(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_that_cannot_be_installed_is_refused_before_any_disk_is_looked_at() {
    type Change = (fn(&mut World), &'static str);
    let changes: [Change; 5] = [
        (|w| w.machine.root = false, "not-root"),
        (|w| w.machine.firmware = Firmware::Bios, "not-uefi"),
        (|w| w.machine.architecture = "aarch64".into(), "wrong-architecture"),
        (|w| w.machine.memory_bytes = 1 << 28, "insufficient-memory"),
        (|w| w.answers = resolved(&w.manifest, "hostnme = 'x'"), "invalid-answers"),
    ];
    for (change, kind) in changes {
        for disks in [vec![], vec![blank("vda")], vec![installed("vda")]] {
            let mut world = World::new(disks);
            change(&mut world);
            assert_eq!(refusal(&world).problem().kind, kind);
        }
    }
}

#[test]
fn all_that_is_wrong_with_answers_is_said() {
    let world = World::new([blank("vda")]).answering("hostnme = 'x'\nerase = 'all'\n");
    let Refusal::InvalidAnswers { problems } = refusal(&world) else { panic!() };
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_rule_that_fits_several_is_refused_and_one_that_fits_none_waits() {
    let world = World::new([blank("vda"), blank("vdb")]);
    let rule = "disk = { min-size = '1G' }";
    assert!(matches!(refusal(&world.clone().answering(rule)), Refusal::AmbiguousRule { .. }));
    let waits = world.answering("disk = 'serial=other'").decide();
    assert!(matches!(waits, Decision::Wait { .. }), "{waits:?}");
}

#[test]
fn a_required_network_is_looked_for_before_the_plan_is_complete() {
    let mut world = World::new([blank("vda")]).answering("network = 'required'");
    assert_eq!(world.decide(), Decision::Check(Check::Network(None)));
    world.checked.network = Some((None, Err(Unreachable::Lease)));
    let problem = refusal(&world).problem();
    assert_eq!(problem.kind, "no-network");
    assert!(problem.message.contains("DHCP"), "{problem:?}");
    world.checked.network = Some((None, Ok(())));
    assert!(goes(&world.decide()).is_some());
}

#[test]
fn a_network_that_works_without_the_proxy_is_looked_for_again_with_it() {
    let answers = "network = 'required'\nproxy = 'http://10.0.2.2:3128'";
    let mut world = World::new([blank("vda")]).answering(answers);
    world.checked.network = Some((None, Ok(())));
    let proxy: nixvm_answers::proxy::Proxy = "http://10.0.2.2:3128".parse().unwrap();
    assert_eq!(world.decide(), Decision::Check(Check::Network(Some(proxy.clone()))));
    let error = "it answers 502 Bad Gateway".to_owned();
    let host = "cache.nixos.org".to_owned();
    let found = Err(Unreachable::Proxy { proxy: proxy.to_string(), host, error });
    world.checked.network = Some((Some(proxy.clone()), found));
    let problem = refusal(&world).problem();
    assert!(problem.message.contains("http://10.0.2.2:3128") && problem.hint.contains("`proxy`"));
    world.checked.network = Some((Some(proxy.clone()), Ok(())));
    // The system that the ISO carries has none.
    let Decision::Check(Check::Build(wanted)) = world.decide() else { panic!() };
    assert_eq!(wanted.configuration.proxy, Some(proxy));
}

/// A world whose command line names a server, and the server.
fn asking(disk: Disk) -> (World, nixvm_answers::server::Server) {
    let world = World::new([disk]).answering("answers.url = 'https://a.example/nixvm'");
    let server = world.answers.as_ref().unwrap().server.clone().unwrap().value;
    (world, server)
}

#[test]
fn a_server_is_asked_before_anything_is_decided_and_one_that_fails_is_a_refusal() {
    for disk in [blank("vda"), data("vda"), unfinished("vda"), installed("vda")] {
        let (mut world, server) = asking(disk);
        assert_eq!(world.decide(), Decision::Check(Check::Answers(server.clone())));
        let other = "https://b.example".parse().unwrap();
        world.checked.answers = Some((other, Err(Unfetched::Timeout { seconds: 30 })));
        assert_eq!(world.decide(), Decision::Check(Check::Answers(server)));
    }
    let tls = Unfetched::Tls { error: "it shows another certificate".into() };
    for (unfetched, said) in [
        (Unfetched::Network(Unreachable::Link), "no network adapter has a link."),
        (tls, "TLS fails: it shows another certificate."),
        (Unfetched::Timeout { seconds: 30 }, "the server did not answer within 30 s."),
    ] {
        for disk in [blank("vda"), data("vda"), unfinished("vda")] {
            let (mut world, server) = asking(disk);
            world.checked.answers = Some((server, Err(unfetched.clone())));
            let problem = refusal(&world).problem();
            assert_eq!(problem.kind, "no-answers");
            let url = "The answers can't be fetched from https://a.example/nixvm: ";
            assert_eq!(problem.message, format!("{url}{said}"));
            assert!(!problem.hint.is_empty());
        }
    }
}

#[test]
fn what_is_installed_boots_without_the_server_and_is_not_installed_again() {
    let (mut world, server) = asking(installed("vda"));
    world.checked.answers = Some((server, Err(Unfetched::Network(Unreachable::Lease))));
    assert!(matches!(world.decide(), Decision::Installed { .. }));
    let again = world.choosing("vda");
    assert_eq!(refusal(&again).problem().kind, "no-answers");
}

/// What is in force while interfaces are being set up is not known, even if the answers go back to those
/// before.
#[test]
fn interfaces_whose_set_up_was_broken_off_are_set_up_again() {
    let answers = "network = 'name=eth0,address=10.0.2.77/24'";
    let mut world = World::new([blank("vda")]).answering(answers);
    assert!(goes(&world.decide_checked()).is_some());
    world.checked.interfaces_changing = true;
    assert_eq!(asked(&world), ["name=eth0,address=10.0.2.77/24"]);
    assert!(world.checked.clone().only_lasting().interfaces_changing);
    // Nor is it known that there are none.
    let mut world = World::new([blank("vda")]);
    world.checked.interfaces_changing = true;
    assert!(asked(&world).is_empty());
    assert!(goes(&world.decide_checked()).is_some());
}

/// Otherwise the server's interface would be set up and taken back for ever.
#[test]
fn what_a_server_answered_stays_while_its_interfaces_are_set_up() {
    let (mut world, server) = asking(blank("vda"));
    let fetched = Ok(SourceAnswers {
        source: Source::Url { url: server.to_string() },
        answers: nixvm_answers::Answers::default(),
        ignored: Vec::new(),
    });
    world.checked.answers = Some((server.clone(), Ok(fetched)));
    world.checked.network = Some((None, Ok(())));
    let interfaces = Some((Vec::new(), Ok(Applied::default())));
    world.checked.add(Checked { interfaces, ..Checked::default() });
    assert!(world.checked.answers_of(&server).is_some() && world.checked.network.is_none());
    // One that could not be reached may be by the new interface.
    world.checked.answers = Some((server.clone(), Err(Unfetched::Timeout { seconds: 30 })));
    let interfaces = Some((Vec::new(), Ok(Applied::default())));
    world.checked.add(Checked { interfaces, ..Checked::default() });
    assert!(world.checked.answers_of(&server).is_none());
}

/// A check of these interfaces, and none before it.
fn asked(world: &World) -> Vec<String> {
    match world.decide() {
        Decision::Check(Check::Interfaces(wanted)) => {
            wanted.iter().map(ToString::to_string).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn interfaces_are_set_up_before_a_disk_is_chosen_and_are_in_the_plan() {
    let answers = "network = 'required name=eth0,address=10.0.2.77/24'";
    let world = World::new([blank("vda"), blank("vdb")]).answering(answers);
    assert_eq!(asked(&world), ["name=eth0,address=10.0.2.77/24"]);
    let mut world = World::new([blank("vda")]).answering(answers);
    let decision = world.decide_checked();
    let plan = goes(&decision).unwrap();
    assert_eq!(plan.network.interfaces[0].to_string(), "name=eth0,address=10.0.2.77/24");
    assert!(world.checked.network.is_some(), "a required network is tried with the address");
    // Other answers: the address is taken back.
    let world = world.answering("");
    assert!(asked(&world).is_empty());
}

#[test]
fn an_interface_that_does_not_come_up_is_a_warning() {
    let mut world = World::new([blank("vda")]).answering("network = 'address=10.0.2.77/24'");
    let Decision::Check(Check::Interfaces(wanted)) = world.decide() else { panic!() };
    let warnings = vec!["no cable".to_owned()];
    world.checked.interfaces = Some((wanted, Ok(Applied { warnings })));
    assert_eq!(goes(&world.decide()).unwrap().warnings, ["no cable"]);
}

#[test]
fn an_interface_that_is_not_there_is_refused_but_never_keeps_an_installed_disk_from_booting() {
    let answers = "network = 'name=eth7,address=10.0.2.77/24'";
    let unknown =
        |wanted| Some((wanted, Err(UnknownInterface { wanted: "x".into(), adapters: vec![] })));
    for (disk, refuses) in [(blank("vda"), true), (installed("vda"), false)] {
        let mut world = World::new([disk]).answering(answers);
        let Decision::Check(Check::Interfaces(wanted)) = world.decide() else { panic!() };
        world.checked.interfaces = unknown(wanted);
        match world.decide() {
            Decision::Refuse(refusal) => {
                assert!(refuses);
                assert_eq!(refusal.problem().kind, "no-such-interface");
            }
            other => assert!(!refuses && matches!(other, Decision::Installed { .. }), "{other:?}"),
        }
    }
}

#[test]
fn interfaces_are_refused_where_nothing_would_read_them() {
    let mut world = World::new([blank("vda")]).answering("network = 'address=10.0.2.77/24'");
    world.manifest.network_manager = false;
    let Decision::Refuse(refusal) = world.decide_checked() else { panic!() };
    assert_eq!(refusal.problem().kind, "no-network-manager");
    assert!(goes(&world.answering("network = 'auto'").decide_checked()).is_some());
}

#[test]
fn a_script_is_refused_where_nothing_would_run_it() {
    let answers = "[first-boot]\nscript = '#!/bin/sh'";
    let mut world = World::new([blank("vda")]).answering(answers);
    assert!(goes(&world.decide()).is_some());
    world.manifest.first_boot = false;
    assert_eq!(refusal(&world).problem().kind, "no-first-boot");
    assert!(goes(&world.answering("").decide()).is_some());
}

#[test]
fn without_the_network_addresses_are_for_the_installed_system_alone() {
    let answers = "network = 'none name=eth7,address=10.0.2.77/24'";
    let decision = World::new([blank("vda")]).answering(answers).decide();
    assert_eq!(goes(&decision).unwrap().network.interfaces.len(), 1);
}

#[test]
fn other_answers_than_the_carried_system_has_are_built_only_if_that_is_proven_possible() {
    for toml in ["hostname = 'web'", "username = 'ada'", "full-name = 'Ada'"] {
        let mut world = World::new([blank("vda")]).answering(toml);
        let Decision::Check(Check::Build(wanted)) = world.decide() else { panic!("{toml}") };
        world.checked.build = Some((wanted.clone(), Err("it takes x from the network".into())));
        assert!(matches!(refusal(&world), Refusal::CannotBuild { .. }));
        world.checked.build = Some((wanted, Ok(buildable())));
        let decision = world.decide();
        let plan = goes(&decision).unwrap();
        assert!(matches!(plan.system, System::Build { .. }));
        // An answer to another question is none.
        let decision = world.answering("hostname = 'other'").decide();
        assert!(matches!(decision, Decision::Check(Check::Build(_))));
    }
    let same = World::new([blank("vda")]).answering("hostname = 'nixvm'\nusername = 'ht'");
    let decision = same.decide();
    assert!(matches!(goes(&decision).unwrap().system, System::Copy { .. }));
}

#[test]
fn a_build_is_refused_with_too_little_memory_and_a_copy_is_not() {
    let mut world = World::new([blank("vda")]);
    world.machine.memory_bytes = 1_500_000_000;
    assert!(goes(&world.decide()).is_some());
    let problem = refusal(&world.answering("hostname = 'web'")).problem();
    assert_eq!(problem.kind, "cannot-build");
    assert!(problem.message.contains("1.9 GiB of memory"), "{problem:?}");
}

#[test]
fn an_image_in_memory_is_needed_beside_what_an_install_takes() {
    let with = |image: u64, memory: u64| {
        let mut world = World::new([blank("vda")]);
        world.machine.memory_bytes = memory;
        world.machine.image_in_memory_bytes = image;
        world
    };
    assert!(goes(&with(700_000_000, 1_700_000_000).decide()).is_some());
    let problem = refusal(&with(700_000_000, 1_699_999_999)).problem();
    assert_eq!(problem.kind, "insufficient-memory");
    let expected = "the install needs 1.6 GiB, of which 667 MiB hold the installer's own image.";
    assert!(problem.message.ends_with(expected), "{problem:?}");
    let message = refusal(&with(0, 1 << 29)).problem().message;
    assert!(message.ends_with("the install needs 954 MiB."), "{message}");

    let builds = |memory| with(700_000_000, memory).answering("hostname = 'web'");
    assert!(matches!(builds(2_700_000_000).decide(), Decision::Check(Check::Build(_))));
    let problem = refusal(&builds(2_699_999_999)).problem();
    assert_eq!(problem.kind, "cannot-build");
    assert!(problem.message.contains("of which 667 MiB hold"), "{problem:?}");
}

#[test]
fn an_iso_that_carries_no_system_builds_always() {
    let mut world = World::new([blank("vda")]);
    world.manifest.toplevel = None;
    assert!(matches!(world.decide(), Decision::Check(Check::Build(_))));
}

#[test]
fn the_disk_is_named_by_what_stays_the_same() {
    let named = |links: &[&str]| {
        let mut disk = blank("vda");
        disk.device.links = links.iter().map(std::path::PathBuf::from).collect();
        let decision = World::new([disk]).decide();
        goes(&decision).unwrap().configuration.disk_device.display().to_string()
    };
    assert_eq!(named(&["/dev/disk/by-path/p", "/dev/disk/by-id/b"]), "/dev/disk/by-id/b");
    assert_eq!(named(&["/dev/disk/by-path/p", "/dev/block/254:0"]), "/dev/disk/by-path/p");
    assert_eq!(named(&[]), "/dev/vda");
}

#[test]
fn a_disk_that_is_encrypted_takes_a_passphrase_before_anything_begins() {
    let mut world = World::new([blank("vda")]);
    world.manifest.layout[1].mapping = Some("crypt".to_owned());
    let problem = refusal(&world).problem();
    assert_eq!(problem.kind, crate::plan::NO_PASSPHRASE);
    assert!(problem.message.starts_with("The passphrase is missing: "), "{problem:?}");
    assert!(
        problem.hint.starts_with("Type one on the installer's console, with the keymap us, or "),
        "{problem:?}"
    );

    // What it is typed with now, and what it will be typed with at the start.
    world.manifest.defaults.keymap = Some("de".to_owned());
    let world = world.answering("");
    let hint = refusal(&world).problem().hint;
    assert!(hint.contains("us (the installed system asks for it with the keymap de)"), "{hint}");
    let same = world.clone().answering("keymap = 'de'");
    let hint = refusal(&same).problem().hint;
    assert!(
        hint.starts_with("Type one on the installer's console, with the keymap de, or "),
        "{hint}"
    );

    let mut given = same.clone();
    given.passphrase = Some(Err("has fewer than 8 characters"));
    let message = refusal(&given).problem().message;
    assert!(message.contains("nixvm.passphrase has fewer than 8 characters."), "{message}");
    for origin in [PassphraseOrigin::Typed, PassphraseOrigin::Credential] {
        given.passphrase = Some(Ok(origin));
        let decision = given.decide();
        let plan = goes(&decision).unwrap();
        assert_eq!(plan.passphrase, Some(origin));
        let sentence = plan.sentence();
        assert!(sentence.contains(&format!("encrypted by the passphrase {origin}")), "{sentence}");
    }
    // It gives no leave to erase anything.
    given.disks = vec![installed("vda")];
    assert!(matches!(given.decide(), Decision::Installed { .. }));
    given.disks = vec![data("vda")];
    assert!(matches!(given.decide(), Decision::Ask(_)));
}

#[test]
fn a_passphrase_changes_nothing_where_no_disk_is_encrypted() {
    let mut world = World::new([blank("vda")]);
    for passphrase in [Some(Ok(PassphraseOrigin::Credential)), Some(Err("is no text"))] {
        world.passphrase = passphrase;
        let decision = world.decide();
        let plan = goes(&decision).unwrap();
        assert_eq!(plan.passphrase, None);
        assert!(!plan.sentence().contains("encrypted"), "{}", plan.sentence());
    }
}
