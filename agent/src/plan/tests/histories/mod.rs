//! Histories of a disk that are made up: installs of ours that are cut off at any write, other people's
//! tools before, between and after them, and damage. None may end with a plan that erases, without a
//! question, anything but zeros and what such an install wrote.
//!
//! The disk is modelled as extents ([`model`]) and is judged by the product's own code from the facts
//! that its prober would gather ([`facts`]). `NIXVM_CASES=1000000` makes as many histories;
//! `NIXVM_SEED=N` runs the Nth alone.

mod facts;
mod install;
mod model;
mod rng;
mod steps;

use model::{Extent, MIB, Model, Owner, What};
use rng::Rng;
use steps::Step;

use super::*;
use crate::disk::{Condition, probe};

/// Histories unless `NIXVM_CASES` says how many.
const CASES: u64 = 20_000;

/// Faults after which no more histories are made.
const REPORTED: usize = 10;

/// Answers, and the machine: an install that begins by itself begins without consent to data.
const WORLDS: [(&str, Hypervisor); 4] = [
    ("", Hypervisor::Qemu),
    ("disk = '/dev/vda'\ncountdown = 0", Hypervisor::Vmware),
    ("erase = 'any'", Hypervisor::Qemu),
    ("", Hypervisor::None),
];

/// Consent to data, but not to an installed system.
const ANY: &str = "erase = 'any'\ndisk = '/dev/vda'";

/// The bytes that have to lie side by side for a sample of `places` to have one of them in any case.
///
/// Each place is somewhere in its equal part of the disk, so that two of them are two parts apart at
/// most.
fn noticeable(size: u64, places: u64) -> u64 {
    size / places * 2 + 2 * MIB
}

/// What is lost that may be of value, and has to be seen: a partition table with partitions, a file
/// system that such a table or the whole disk leads to, what is at either end or at a boundary of a MiB
/// near the beginning, and whatever is as long as [`noticeable`].
///
/// A sample sees no single block in a wide field of zeros.
fn lost(model: &Model, condition: &Condition) -> Option<Extent> {
    // A wiped disk is compared with its fingerprint, a blank one is read at more places.
    let is_blank = *condition == Condition::Blank;
    let (places, dense) = if is_blank { (4096, 4 << 30) } else { (1024, 64 * MIB) };
    let (edge, size) = (probe::EDGE, model.size);
    let devices: Vec<_> = std::iter::once([0, size])
        .chain(model.partitions().iter().map(|part| [part.from, part.to]))
        .collect();
    let is_lost = |extent: &&Extent| {
        let is_found = extent.whole
            && match &extent.what {
                // An empty partition table is nothing, whoever made it.
                What::Primary(gpt) => !gpt.parts.is_empty(),
                // Nothing leads to the one of a disk that was smaller.
                What::Backup(gpt) => !gpt.parts.is_empty() && extent.to == size,
                What::Mbr(parts) => !parts.is_empty(),
                What::FileSystem(found) => devices.iter().any(|[from, to]| {
                    model::superblock(found.kind, *from, *to) == [extent.from, extent.to]
                }),
                _ => false,
            };
        let is_table = matches!(extent.what, What::Pmbr(_) | What::Primary(_) | What::Backup(_));
        let boundary = (extent.from.saturating_sub(4095)).next_multiple_of(MIB);
        extent.owner == Owner::User
            && (is_found
                || !is_table
                    && (extent.from < edge
                        || extent.to > size - edge
                        || boundary < extent.to.min(dense)
                        || extent.to - extent.from >= noticeable(size, places)))
    };
    model.extents.iter().find(is_lost).cloned()
}

/// Whether a firmware could start the complete install of ours that is on the disk.
fn boots(model: &Model) -> bool {
    model.partitions().iter().any(|part| {
        model.file_system(part.from, part.to).is_some_and(|esp| esp.receipt && esp.loader)
    })
}

/// A world for each of [`WORLDS`], and the one for [`ANY`].
struct Judges {
    worlds: Vec<World>,
    any: World,
    judged: u64,
}

impl Judges {
    fn new() -> Self {
        let world = |toml: &str, hypervisor| World::new([]).answering(toml).on(hypervisor);
        Self {
            worlds: WORLDS.into_iter().map(|(toml, hypervisor)| world(toml, hypervisor)).collect(),
            any: world(ANY, Hypervisor::None),
            judged: 0,
        }
    }

    /// What is wrong with a decision about the disk as it is.
    fn fault(&mut self, model: &Model) -> Option<String> {
        let boots = boots(model);
        let is_in_use = model.held || model.extents.iter().any(|e| e.owner == Owner::User);
        if !boots && !is_in_use {
            return None;
        }
        let disk = facts::disk(model);
        let condition = disk.condition();
        // The other conditions are asked for whatever is on the disk: the consent table's test has
        // them all, and a decision costs a hundred times what this costs.
        self.judged += 1;
        let is_sampled = self.judged.is_multiple_of(256);
        let may_go = matches!(condition, Condition::Blank | Condition::Unfinished);
        if boots && (may_go || condition == Condition::Data || is_sampled) {
            self.any.disks = vec![disk.clone()];
            if goes(&self.any.decide()).is_some() {
                return Some(format!("a system that boots would go, as {}", condition.name()));
            }
        }
        if !(may_go || is_sampled) {
            return None;
        }
        let lost = lost(model, &condition);
        if lost.is_none() && !model.held {
            return None;
        }
        for world in &mut self.worlds {
            world.disks = vec![disk.clone()];
            if goes(&world.decide()).is_some() {
                return Some(format!("as {}, what would go: {lost:?}", condition.name()));
            }
        }
        None
    }

    /// The first fault after one of the steps.
    fn first_fault(&mut self, steps: &[Step]) -> Option<String> {
        let mut model = Model::default();
        steps.iter().find_map(|step| {
            step.apply(&mut model);
            self.fault(&model).map(|fault| format!("{fault}\nof {:?}", model.extents))
        })
    }

    /// Leaves out whatever is not needed for a fault.
    fn shrink(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        let mut index = 0;
        while index < steps.len() {
            let mut fewer = steps.clone();
            fewer.remove(index);
            match self.first_fault(&fewer) {
                Some(_) => steps = fewer,
                None => index += 1,
            }
        }
        steps
    }
}

fn history(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let length = 1 + rng.below(8);
    (0..length).map(|_| Step::any(&mut rng)).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn no_history_ends_with_something_of_value_erased_without_a_question() {
    let seeds = match number("NIXVM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NIXVM_CASES").unwrap_or(CASES),
    };
    let mut judges = Judges::new();
    let mut found = Vec::new();
    for seed in seeds {
        let steps = history(seed);
        if judges.first_fault(&steps).is_some() {
            let steps = judges.shrink(steps);
            let fault = judges.first_fault(&steps).unwrap();
            found.push(format!("history {seed}: {steps:?}\n{fault}"));
            if found.len() == REPORTED {
                break;
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

/// A model in which nothing ever went by itself would pass the test above.
#[test]
fn histories_reach_every_condition_and_installs_that_go_by_themselves() {
    let mut judges = Judges::new();
    let (mut reached, mut gone) = (std::collections::BTreeMap::new(), 0);
    for seed in 0..2000 {
        let mut model = Model::default();
        for step in history(seed) {
            step.apply(&mut model);
            let disk = facts::disk(&model);
            let size = if model.size > model::SIZE { "larger" } else { "as it was" };
            *reached.entry((disk.condition().name(), size)).or_insert(0_u32) += 1;
            judges.worlds[0].disks = vec![disk];
            gone += u32::from(goes(&judges.worlds[0].decide()).is_some());
        }
    }
    for condition in ["blank", "unfinished", "installed", "possibly-installed", "data"] {
        for size in ["as it was", "larger"] {
            let count = reached.get(&(condition, size));
            assert!(count.is_some_and(|count| *count > 20), "{reached:?}");
        }
    }
    assert!(gone > 500, "{gone} of {reached:?}");
}
