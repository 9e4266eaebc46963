//! Everything that is tried on booted machines: scenarios → what became of each.
//!
//! A scenario is a row of the fault matrix: what is done to a machine, and how that has to end. All of
//! them are `cargo xtask matrix`; those marked daily are what `cargo xtask test` runs.

mod answers;
mod bus;
mod disks;
mod faults;
mod handover;
mod install;
mod members;
mod power;
mod profiles;
mod run;
mod screen;
mod secrets;

pub use run::{Outcome, Runner};

use anyhow::Result;

use crate::bench::Bench;
use crate::build::Arch;

/// What is tried.
pub struct Scenario {
    /// Its name, in words with dashes.
    pub name: &'static str,
    /// What is done to the machine.
    pub fault: &'static str,
    /// How it has to end.
    pub expected: &'static str,
    /// The architectures that it is tried on.
    pub archs: &'static [Arch],
    /// Whether `cargo xtask test` runs it.
    pub daily: bool,
    /// Tries it. An error is any other end than the expected one.
    pub run: fn(&Bench<'_>) -> Result<()>,
}

/// Scenarios that need nothing of an x86 machine.
const BOTH: &[Arch] = &[Arch::X86_64, Arch::Aarch64];
const X86_64: &[Arch] = &[Arch::X86_64];
const AARCH64: &[Arch] = &[Arch::Aarch64];

/// All scenarios, in the order in which they are run and shown.
pub fn all() -> Vec<&'static Scenario> {
    [
        install::SCENARIOS,
        answers::SCENARIOS,
        disks::SCENARIOS,
        members::SCENARIOS,
        power::SCENARIOS,
        handover::SCENARIOS,
        faults::SCENARIOS,
        secrets::SCENARIOS,
        bus::SCENARIOS,
        profiles::SCENARIOS,
        screen::SCENARIOS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_typed() {
        let names: BTreeSet<_> = all().iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().len());
        for name in names {
            let typed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(typed), "{name}");
        }
    }
}
