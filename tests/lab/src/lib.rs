//! The rehearsal lab: the agent, its unit and its files → a virtual machine that was really installed.
//!
//! Real NixOS binaries come from a cache that is not always in reach, so the lab boots a stand-in: see
//! tests/lab/README.md for what it proves and what it can't.

pub mod benchmark;
pub mod build;
pub mod cache;
pub mod command;
pub mod console;
pub mod end_to_end;
pub mod fixture;
pub mod guest_checks;
pub mod scenario;
pub mod screens;
pub mod setup;
pub mod suite;
pub mod vm;
pub mod words;

/// Prints a line of progress on standard output.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {{
        #[allow(clippy::print_stdout, reason = "the one place where the lab prints")]
        { println!($($argument)*); }
    }};
}
