//! The `nixvm-iso` program: arguments → standard output and exit status.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use nixvm_iso::cli::{Arguments, run};

fn main() -> ExitCode {
    match run(Arguments::parse()).and_then(|said| print(&said)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nowhere_to_say_it = writeln!(stderr(), "nixvm-iso: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(said: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(said.as_bytes()).and_then(|()| out.flush()) {
        // The reader has closed its end: `nixvm-iso show ISO | head -1`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("it is done, but standard output cannot be written"),
    }
}
