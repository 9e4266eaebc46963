//! Validators against the programs that use what they let through.
//!
//! A value that the installer takes and its consumer refuses locks its owner out; one that it refuses
//! and the consumer takes is an install that fails for nothing.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod crypt;
mod grub;
mod sshd;

use std::io::Write;

/// Says that a test could not be run, and why. Not by a macro: the output of a test that passes is
/// not shown.
fn skipped(why: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED {why}").unwrap();
}
