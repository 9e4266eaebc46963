//! A process that installs → the only one, as long as it lives.
//!
//! Two installers would take down each other's mounts and udev rule. The kernel's lock on a file ends
//! with the process that holds it, however that ends: there is no stale lock to be removed by hand.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The file that is locked; its text is the PID of the process that holds the lock.
pub const PATH: &str = "/run/nixvm/lock";

/// The lock; dropping it releases it. Programs that this process starts do not inherit it.
#[must_use]
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Takes the lock, or fails at once.
///
/// # Errors
/// Another process holds it, which the error names; or the file can't be written.
pub fn acquire(path: &Path) -> Result<Lock> {
    let about = || format!("cannot lock {}", path.display());
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(about)?;
    }
    // Not truncated: the text is that of the process that may hold it.
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(about)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).with_context(about)?;
            bail!(
                "another installer is running, with PID {}: `nixvm-agent watch` follows it",
                holder.trim()
            );
        }
        Err(error) => return Err(error).with_context(about),
    }
    file.set_len(0).with_context(about)?;
    writeln!(file, "{}", std::process::id()).with_context(about)?;
    Ok(Lock(file))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_second_is_refused_and_a_child_of_the_first_does_not_hold_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/lock");
        let first = acquire(&path).unwrap();
        // It lives until its input ends.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let error = acquire(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("PID {}:", std::process::id())), "{error}");
        drop(first);
        // A program that another test is starting right now has the file until it runs.
        let deadline = Instant::now() + Duration::from_secs(20);
        let again = loop {
            match acquire(&path) {
                Err(_) if Instant::now() < deadline => std::thread::yield_now(),
                again => break again,
            }
        };
        drop(child.stdin.take());
        child.wait().unwrap();
        let _lock = again.unwrap();
    }
}
