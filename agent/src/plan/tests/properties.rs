//! What holds in every world.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::disk::layout;
use crate::disk::{Condition, Kind};
use crate::plan::ChosenBy;

const HYPERVISORS: [Hypervisor; 6] = [
    Hypervisor::Kvm,
    Hypervisor::Vmware,
    Hypervisor::HyperV,
    Hypervisor::Other,
    Hypervisor::None,
    Hypervisor::None,
];

const RULES: [&str; 9] = [
    "",
    "disk = 'only'",
    "disk = 'smallest'",
    "disk = 'largest'",
    "disk = 'serial=same'",
    "disk = 'serial=serial-vdb'",
    "disk = '/dev/vda'",
    "disk = { min-size = '30G' }",
    "disk = { max-size = '1T', model = 'QEMU*' }",
];

fn disk(name: &'static str) -> impl Strategy<Value = Disk> {
    let content =
        select(vec![blank as fn(&str) -> Disk, blank, data, unfinished, installed, with_layout]);
    let trouble = select(vec![0_u8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let size = select(vec![0_u64, 1 << 30, 32 << 30, 64 << 30, 2 << 40]);
    (content, trouble, size, any::<bool>(), any::<bool>()).prop_map(
        move |(content, trouble, size, same_serial, model)| {
            let mut disk = content(name);
            disk.device.size_bytes = size;
            if same_serial {
                disk.device.serial = Some("same".into());
            }
            if model {
                disk.device.model = Some("QEMU HARDDISK".into());
            }
            match trouble {
                1 => disk.device.kind = Kind::Other,
                2 => disk.device.kind = Kind::Optical,
                3 => disk.device.read_only = true,
                4 => disk.device.removable = true,
                5 => disk.device.multipath_member = true,
                6 => disk.device.mounts = vec!["/srv".into()],
                7 => disk.device.mounts = vec!["/iso".into()],
                8 => disk.device.label = Some("nixvm".into()),
                9 => {
                    disk.device.filesystem = Some("iso9660".into());
                    disk.device.label = Some("NIXVM-X86_64".into());
                }
                10 => disk.content.unreadable = Some("EIO".into()),
                _ => {}
            }
            disk
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let disks = [disk("vda").boxed(), disk("vdb").boxed(), disk("sdc").boxed()];
    let disks = (disks, 0..=3_usize).prop_map(|(disks, count)| disks[..count].to_vec());
    let answers = (
        select(RULES.to_vec()),
        select(vec!["", "erase = 'blank'", "erase = 'confirm'", "erase = 'any'"]),
        select(vec![
            "",
            "countdown = 0",
            "hostname = 'web'",
            "network = 'required'",
            "colour = 'red'",
        ]),
    );
    let machine = (select(HYPERVISORS.to_vec()), any::<u8>(), any::<bool>());
    let source =
        select(vec![Source::CommandLine, Source::Iso, volume(), Source::Credential, server()]);
    (disks, (source, answers), machine, 0..6_usize).prop_map(
        |(disks, (source, (rule, erase, other)), (hypervisor, machine, quiet), wish)| {
            let toml = format!("{erase}\n{other}\n{rule}\n");
            let mut world = World::new(disks).answering_from(&[(source, &toml)]);
            world.machine.hypervisor = hypervisor;
            world.quiet = quiet;
            match machine {
                0..10 => world.machine.firmware = Firmware::Bios,
                10..20 => world.machine.memory_bytes = 1 << 20,
                20..25 => world.machine.root = false,
                _ => {}
            }
            if let Some(disk) = world.disks.get(wish) {
                world.choices.disk = Some(crate::disk::identity::Identity::of(disk));
            }
            world
        },
    )
}

/// Whether a disk may be installed to at all: said a second time, in other words than the product's.
fn may_be_used(disk: &Disk, minimum: u64) -> bool {
    let d = &disk.device;
    d.kind == Kind::Disk
        && d.size_bytes >= minimum.max(1)
        && !(d.read_only || d.removable || d.multipath_member)
        && d.mounts.is_empty()
        && d.label.as_ref().is_none_or(|label| !label.to_uppercase().starts_with("NIXVM"))
        && disk.content.unreadable.is_none()
}

fn target<'a>(world: &'a World, plan: &Plan) -> &'a Disk {
    let mut found = world.disks.iter().filter(|disk| disk.device.name == plan.target.name);
    let disk = found.next().unwrap();
    assert!(found.next().is_none());
    disk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_targets_what_must_not_be_written(mut world in world(), confirm in any::<bool>()) {
        let mut decision = world.decide_checked();
        if confirm && let Decision::Ask(plan) = &decision {
            world.choices.confirmed = Some(plan.token());
            decision = world.decide_checked();
        }
        let plan = match &decision {
            Decision::Ask(plan) => {
                prop_assert!(!confirm, "what was confirmed is asked for again");
                plan
            }
            Decision::Go { plan, .. } => plan,
            _ => return Ok(()),
        };
        let disk = target(&world, plan);
        prop_assert!(may_be_used(disk, world.manifest.minimum_disk_bytes));
        prop_assert!(plan.target.identity == crate::disk::identity::Identity::of(disk));
        let mut others = world.disks.iter().filter(|other| other.device.name != disk.device.name);
        let ours = |disk: &Disk| {
            let mut names = disk.device.partitions.iter().filter_map(|p| p.name.as_deref());
            names.any(layout::is_partition_name)
        };
        prop_assert!(!others.any(ours), "another disk has our partition names");
    }

    #[test]
    fn nothing_begins_by_itself_without_the_right_to(mut world in world()) {
        let Decision::Go { plan, confirmed } = world.decide_checked() else { return Ok(()) };
        prop_assert!(!confirmed);
        let disk = target(&world, &plan);
        let answers = world.answers.as_ref().unwrap();
        let any = answers.erase.value == nixvm_answers::answers::Erase::Any;
        let by_rule = plan.target.chosen_by == ChosenBy::Rule;
        let rule = answers.disk.as_ref();
        if !world.machine.hypervisor.is_virtual() {
            let erase = &answers.erase.source;
            let believed = [erase, &rule.unwrap().source]
                .iter()
                .all(|source| source.strength() == nixvm_answers::source::Strength::Everywhere);
            prop_assert!(believed, "by {erase}");
        }
        if let Condition::Data = disk.condition() {
            let nowhere = nixvm_answers::source::Strength::Nowhere;
            let told = [&answers.erase.source, &rule.unwrap().source];
            prop_assert!(told.iter().all(|source| source.strength() != nowhere), "{told:?}");
        }
        if !(world.quiet || plan.countdown >= 5) && plan.target.chosen_by != ChosenBy::User {
            prop_assert!(rule.is_some_and(|rule| !rule.value.is_relative()));
        }
        prop_assert!(answers.erase.value != nixvm_answers::answers::Erase::Confirm);
        match disk.condition() {
            Condition::Blank | Condition::Unfinished => {
                prop_assert!(world.machine.hypervisor.is_virtual() || (any && by_rule));
            }
            Condition::Data => prop_assert!(any && by_rule),
            other => prop_assert!(false, "{other:?} was to be erased"),
        }
        // Which one is meant was said, or there is no other one.
        let usable = world
            .disks
            .iter()
            .filter(|disk| may_be_used(disk, world.manifest.minimum_disk_bytes))
            .count();
        prop_assert!(usable == 1 || plan.target.chosen_by != ChosenBy::OnlyOne);
    }

    #[test]
    fn the_same_world_makes_the_same_decision_whatever_the_order_of_its_disks(world in world()) {
        let decision = world.decide();
        prop_assert_eq!(&decision, &world.decide());
        let mut turned = world.clone();
        turned.disks.reverse();
        let turned = turned.decide();
        match (&decision, &turned) {
            (Decision::Choose { candidates: a }, Decision::Choose { candidates: b }) => {
                let sorted = |names: &[String]| {
                    let mut names = names.to_vec();
                    names.sort();
                    names
                };
                prop_assert_eq!(sorted(a), sorted(b));
            }
            // Which of two other disks is named, or booted, is all that the order may decide.
            (Decision::Refuse(_), Decision::Refuse(_)) => {}
            (Decision::Installed { .. }, Decision::Installed { .. }) => {}
            _ => prop_assert_eq!(&decision, &turned),
        }
    }

    #[test]
    fn every_refusal_has_a_message_and_a_remedy(world in world()) {
        if let Decision::Refuse(refusal) = world.decide() {
            let problem = refusal.problem();
            prop_assert!(!problem.kind.is_empty() && problem.message.ends_with(['.', '"', '\'']) || problem.kind == "invalid-answers", "{:?}", problem);
            prop_assert!(problem.hint.len() > 10);
        }
    }

    #[test]
    fn a_token_is_of_one_plan_only(mut one in world(), mut other in world()) {
        let plan = |world: &mut World| match world.decide_checked() {
            Decision::Go { plan, .. } | Decision::Ask(plan) => Some(plan),
            _ => None,
        };
        if let (Some(a), Some(b)) = (plan(&mut one), plan(&mut other)) {
            prop_assert_eq!(a == b, a.token() == b.token());
        }
    }
}
