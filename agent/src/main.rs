//! The `nixvm-agent` program: only wires.

use std::time::Instant;

use clap::Parser;
use nixvm_agent::cli::{self, Arguments, Code};

fn main() -> Code {
    let started = Instant::now();
    cli::run(Arguments::parse(), started)
}
