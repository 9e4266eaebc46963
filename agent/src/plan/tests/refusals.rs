//! What is refused, and what has to be found out before a plan is complete.

use super::*;
use crate::plan::{Refusal, System, Unfetched, Unreachable};

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
    assert_eq!(world.decide(), Decision::Check(Check::Network));
    world.checked.network = Some(Err(Unreachable::Lease));
    let problem = refusal(&world).problem();
    assert_eq!(problem.kind, "no-network");
    assert!(problem.message.contains("DHCP"), "{problem:?}");
    world.checked.network = Some(Ok(()));
    assert!(goes(&world.decide()).is_some());
}

/// A world whose command line names a server, and the server.
fn asking(disk: Disk) -> (World, nixvm_answers::server::AnswersServer) {
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
