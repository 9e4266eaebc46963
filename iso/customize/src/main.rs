//! The `nixvm-iso` program: only wires.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = nixvm_iso::cli::run(nixvm_iso::cli::Arguments::parse(), &mut out);
    match result.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nowhere_to_say_it = writeln!(std::io::stderr(), "nixvm-iso: {error:#}");
            ExitCode::FAILURE
        }
    }
}
