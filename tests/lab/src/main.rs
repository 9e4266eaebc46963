//! `cargo xtask`: only wires.

use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use nixvm_answers::size::Size;
use nixvm_lab::build::{Arch, Lab};
use nixvm_lab::{journey, say, setup};

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
    },
    /// Install a virtual machine and boot it: results are in target/vm.
    Vm {
        /// An answers file; without one, the lab answers only the password.
        #[arg(long)]
        answers: Option<PathBuf>,
        /// A disk's size, with K, M, G or T; may be given several times.
        #[arg(long = "disk", value_name = "SIZE", default_value = "8G")]
        disks: Vec<Size>,
        /// How the machine starts.
        #[arg(long, value_enum, default_value_t = FirmwareChoice::Uefi)]
        firmware: FirmwareChoice,
        /// Another ISO than the stand-in, for example a real NixOS one.
        #[arg(long)]
        iso: Option<PathBuf>,
        /// The machine.
        #[arg(long, value_enum, default_value_t)]
        arch: Arch,
        /// Show the screen in a window.
        #[arg(long)]
        display: bool,
        /// Keep the disk images.
        #[arg(long)]
        keep: bool,
    },
}

/// How a machine starts.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FirmwareChoice {
    Uefi,
    /// Is refused by the installer.
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
    setup::become_root()?;
    setup::install_packages()?;
    let lab = Lab::open()?;
    match arguments.task {
        Task::Iso { arch } => say!("{}", lab.iso(arch)?.display()),
        Task::Vm { answers, disks, firmware, iso, arch, display, keep } => {
            let disks = disks.into_iter().map(Size::bytes).collect();
            let bios = firmware == FirmwareChoice::Bios;
            let options = journey::Options { arch, iso, answers, disks, bios, display, keep };
            journey::run(&lab, &options, &lab.project.join("target/vm"))?;
        }
    }
    Ok(())
}
