//! Validators against the programs that use what they let through.
//!
//! A value that the installer takes and its consumer refuses locks its owner out; one that it refuses
//! and the consumer takes is an install that fails for nothing.

mod crypt;
mod grub;
mod sshd;

use std::io::Write;

/// Says that a test could not be run, and why. Not by a macro: the output of a test that passes is
/// not shown.
fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED {why}").unwrap();
}
