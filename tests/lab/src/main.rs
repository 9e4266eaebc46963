//! `cargo xtask`: only wires.

use anyhow::Result;
use clap::{Parser, Subcommand};
use nixvm_lab::build::{Arch, Lab};
use nixvm_lab::{say, setup};

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
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    setup::become_root()?;
    setup::install_packages()?;
    let lab = Lab::open()?;
    match arguments.task {
        Task::Iso { arch } => say!("{}", lab.iso(arch)?.display()),
    }
    Ok(())
}
