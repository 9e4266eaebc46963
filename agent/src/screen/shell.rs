//! A root shell on the screen's own terminal, until it is left.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command};

/// Starts the shell on `terminal`, which must have been given back before.
///
/// It gets a session of its own with the terminal as its controlling one: Ctrl+C is its, and ends
/// nothing else. When it ends, the kernel hangs the terminal up.
///
/// Not by [`crate::command`], which captures what a program says: this one is interactive.
///
/// # Errors
/// It can't be started.
pub(super) fn start(mut terminal: File) -> io::Result<Child> {
    let home = if Path::new("/root").is_dir() { "/root" } else { "/" };
    write!(
        terminal,
        "A root shell of the live system. `exit` goes back to the installer.\r\n\r\n"
    )?;
    Command::new("setsid")
        .args(["--ctty", "--wait", "bash", "--login"])
        .current_dir(home)
        .env("HOME", home)
        .stdin(terminal.try_clone()?)
        .stdout(terminal.try_clone()?)
        .stderr(terminal)
        .spawn()
}
