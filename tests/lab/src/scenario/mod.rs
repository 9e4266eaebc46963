//! What is tried on booted machines: scenarios → a [`ScenarioResult`] for each.
//!
//! A scenario is a row of the fault matrix: what is done to a machine, and the expected end.
//! `cargo xtask matrix` runs all of them, `cargo xtask test` those marked daily.
//!
//! # Adding a scenario
//!
//! Write its function and its entry in the `SCENARIOS` table of the file that fits its subject; a new
//! file also goes into [`all`]. The function gets a [`Fixture`], from which it makes machines and disks;
//! waiting for a point of an install, and the checks of the installed system, are in `steps`. Then
//! `UPDATE_EXPECT=1 cargo test -p nixvm-lab` adds its row to `tests/lab/README.md`, and
//! `cargo xtask matrix --only NAME` runs it.

mod answers;
mod classifier;
mod clones;
mod dbus;
mod disks;
mod faults;
mod first_boot;
mod four_disks;
mod growth;
mod handover;
mod install;
mod keyboard;
mod layouts;
mod luks;
mod media;
mod members;
mod network;
mod no_medium;
mod nocloud;
mod power;
mod profiles;
mod proxy;
mod remote;
mod run;
mod screen;
mod secrets;
mod serial;
mod server;
pub(crate) mod steps;
#[cfg(test)]
mod table;
mod webhook;

pub use run::{Runner, ScenarioResult};

use anyhow::Result;

use crate::build::Arch;
use crate::fixture::Fixture;

/// One row of the fault matrix.
pub struct Scenario {
    /// Its name: lower-case words with dashes.
    pub name: &'static str,
    /// What is done to the machine.
    pub fault: &'static str,
    /// The expected end.
    pub expected: &'static str,
    /// The architectures that it runs on.
    pub archs: &'static [Arch],
    /// Whether `cargo xtask test` runs it.
    pub daily: bool,
    /// Runs it. Any other end than the expected one is an error.
    pub run: fn(&Fixture<'_>) -> Result<()>,
}

impl Scenario {
    /// A scenario for both architectures that only `cargo xtask matrix` runs.
    #[allow(clippy::new_ret_no_self, reason = "Draft::run completes it to a Scenario")]
    const fn new(name: &'static str) -> Draft {
        Draft { name, fault: "", expected: "", archs: &[Arch::X86_64, Arch::Aarch64], daily: false }
    }
}

/// A scenario without its function: [`Draft::run`] completes it.
struct Draft {
    name: &'static str,
    fault: &'static str,
    expected: &'static str,
    archs: &'static [Arch],
    daily: bool,
}

impl Draft {
    const fn fault(self, fault: &'static str) -> Self {
        Self { fault, ..self }
    }

    const fn expected(self, expected: &'static str) -> Self {
        Self { expected, ..self }
    }

    const fn only_on(self, arch: Arch) -> Self {
        let archs: &'static [Arch] = match arch {
            Arch::X86_64 => &[Arch::X86_64],
            Arch::Aarch64 => &[Arch::Aarch64],
        };
        Self { archs, ..self }
    }

    const fn daily(self) -> Self {
        Self { daily: true, ..self }
    }

    const fn run(self, run: fn(&Fixture<'_>) -> Result<()>) -> Scenario {
        let Self { name, fault, expected, archs, daily } = self;
        Scenario { name, fault, expected, archs, daily, run }
    }
}

/// All scenarios, in the order in which they are run and shown.
pub fn all() -> Vec<&'static Scenario> {
    [
        install::SCENARIOS,
        keyboard::SCENARIOS,
        answers::SCENARIOS,
        network::SCENARIOS,
        proxy::SCENARIOS,
        first_boot::SCENARIOS,
        server::SCENARIOS,
        webhook::SCENARIOS,
        nocloud::SCENARIOS,
        disks::SCENARIOS,
        classifier::SCENARIOS,
        members::SCENARIOS,
        power::SCENARIOS,
        growth::SCENARIOS,
        layouts::SCENARIOS,
        luks::SCENARIOS,
        clones::SCENARIOS,
        handover::SCENARIOS,
        media::SCENARIOS,
        no_medium::SCENARIOS,
        faults::SCENARIOS,
        secrets::SCENARIOS,
        dbus::SCENARIOS,
        profiles::SCENARIOS,
        remote::SCENARIOS,
        screen::SCENARIOS,
        serial::SCENARIOS,
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

    #[test]
    fn every_scenario_says_what_is_done_and_what_is_expected() {
        for scenario in all() {
            assert!(!scenario.fault.is_empty(), "{}", scenario.name);
            assert!(!scenario.expected.is_empty(), "{}", scenario.name);
        }
    }
}
