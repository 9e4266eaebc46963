//! `cargo xtask`: command line → tasks of the library.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use glob::Pattern;
use nixvm_answers::size::Size;
use nixvm_lab::build::{Arch, Lab};
use nixvm_lab::scenario::{self, Runner, Scenario};
use nixvm_lab::vm::profile::{self, Profile};
use nixvm_lab::{benchmark, end_to_end, say, screens, setup, suite};

/// Builds the stand-in ISO, installs it in virtual machines, and runs the project's tests.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the stand-in ISO and print where it is.
    Iso {
        /// The machine that it is for.
        #[arg(long, value_enum, default_value_t)]
        arch: Arch,
        /// Do not name the store's image in the manifest: Nix has to copy the system.
        #[arg(long)]
        no_store_image: bool,
    },
    /// Install a virtual machine and boot it: results are in target/vm.
    Vm {
        /// An answers file; without one, the lab answers only the password.
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// The password that the answers file has the hash of; without it, the lab adds its own.
        #[arg(long, requires = "answers")]
        password: Option<String>,
        /// A disk's size, with K, M, G or T; may be given several times.
        #[arg(long = "disk", value_name = "SIZE", default_value = "8G")]
        disks: Vec<Size>,
        /// How the machine starts.
        #[arg(long, value_enum, default_value_t = FirmwareChoice::Uefi)]
        firmware: FirmwareChoice,
        /// Another ISO than the stand-in, for example a real NixOS one.
        #[arg(long, value_name = "PATH")]
        iso: Option<PathBuf>,
        /// The machine.
        #[arg(long, value_enum, default_value_t)]
        arch: Arch,
        /// The product whose machine it resembles; without one, it has whatever tests need.
        #[arg(long, value_name = "NAME", value_parser = profile::names())]
        profile: Option<String>,
        /// Show the screen in a window.
        #[arg(long)]
        display: bool,
        /// Keep the disk images.
        #[arg(long)]
        keep: bool,
    },
    /// Run scenarios on machines: results are in target/vm/matrix.md.
    Matrix {
        /// Only scenarios whose name matches, for example 'power-cut-*'; may be given several times.
        #[arg(long, value_name = "GLOB")]
        only: Vec<Pattern>,
        /// Machines at a time.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// The machines.
        #[arg(long, value_enum, default_value_t)]
        arch: Arch,
        /// Run again what has passed with the same ISO and lab.
        #[arg(long)]
        again: bool,
        /// Only list the scenarios.
        #[arg(long)]
        list: bool,
    },
    /// Take the pictures of the screens anew: .github/screens.
    Screens,
    /// Run the project's tests: format, lints, unit and integration tests, scenarios on machines.
    Test {
        /// Machines at a time.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Measure: results are in target/bench.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// Compare the ways to copy a closure from an ISO to a disk.
    Copy {
        /// Store paths of the generated system.
        #[arg(long, default_value_t = 2300)]
        paths: usize,
        /// Bytes in its files, with K, M, G or T.
        #[arg(long, default_value = "2600M")]
        size: Size,
        /// How often each way is measured.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Measure at one size only.
        #[arg(long)]
        no_scaling: bool,
        /// Keep the ratios in tests/lab/bench-copy.json instead of comparing with those that are there.
        #[arg(long)]
        record: bool,
    },
    /// Compare what copying the system takes in a virtual machine, by the installer and by Nix.
    Install {
        /// How often each is measured.
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// The machine.
        #[arg(long, value_enum, default_value_t)]
        arch: Arch,
    },
}

/// How a machine starts.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FirmwareChoice {
    Uefi,
    /// Refused by the installer.
    Bios,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if let Task::Matrix { only, arch, list: true, .. } = &arguments.task {
        for scenario in chosen(only, *arch) {
            say!("{}: {} -> {}", scenario.name, scenario.fault, scenario.expected);
        }
        return Ok(());
    }
    setup::become_root()?;
    setup::install_packages()?;
    let lab = Lab::open()?;
    match arguments.task {
        Task::Iso { arch, no_store_image: false } => say!("{}", lab.iso(arch)?.display()),
        Task::Iso { arch, no_store_image: true } => {
            say!("{}", lab.iso_without_store_image(arch)?.display());
        }
        Task::Vm { answers, password, disks, firmware, iso, arch, profile, display, keep } => {
            let options = end_to_end::Options {
                arch,
                iso,
                answers,
                password,
                disks: disks.into_iter().map(Size::bytes).collect(),
                bios: firmware == FirmwareChoice::Bios,
                profile: profile.map(|name| product(&name, arch)).transpose()?,
                display,
                keep,
            };
            end_to_end::run(&lab, &options, &lab.project.join("target/vm"))?;
        }
        Task::Matrix { only, jobs, arch, again, list: _ } => {
            let chosen = chosen(&only, arch);
            ensure!(!chosen.is_empty(), "no scenario for {arch} matches; see --list");
            let folder = lab.project.join("target/vm");
            let runner = Runner { lab: &lab, arch, jobs, folder, resume: !again };
            let outcomes = runner.run(&chosen)?;
            let failed = outcomes.iter().filter(|one| !one.pass).count();
            say!("{} scenarios, {failed} failed", outcomes.len());
            ensure!(failed == 0, "{failed} scenarios did not end as expected");
        }
        Task::Screens => screens::take(&lab)?,
        Task::Test { jobs } => {
            setup::install_test_tools()?;
            suite::run(&lab, jobs)?;
        }
        Task::Bench(Bench::Copy { paths, size, rounds, no_scaling, record }) => {
            setup::install_test_tools()?;
            let (bytes, scaling) = (size.bytes(), !no_scaling);
            let options = benchmark::Options { paths, bytes, rounds, scaling, record };
            benchmark::copy(&lab, &options, &lab.project.join("target/bench"))?;
        }
        Task::Bench(Bench::Install { rounds, arch }) => {
            benchmark::install(&lab, arch, rounds, &lab.project.join("target/bench"))?;
        }
    }
    Ok(())
}

fn product(name: &str, arch: Arch) -> Result<&'static Profile> {
    profile::find(name, arch).with_context(|| {
        let all = profile::PROFILES.iter().filter(|one| one.arch == arch);
        let names: Vec<_> = all.map(|one| one.name).collect();
        format!("no profile {name} for {arch}: there are {}", names.join(", "))
    })
}

fn chosen(only: &[Pattern], arch: Arch) -> Vec<&'static Scenario> {
    scenario::all()
        .into_iter()
        .filter(|one| one.archs.contains(&arch))
        .filter(|one| only.is_empty() || only.iter().any(|only| only.matches(one.name)))
        .collect()
}
