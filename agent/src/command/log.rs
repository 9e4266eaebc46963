//! Lines that commands and steps say → the install's log file, and its last lines for the screen.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::command::Transcript;
use crate::format::clock::uptime_ms;
use crate::format::printable;

/// Where the log is while the installer runs.
pub const PATH: &str = "/run/nixvm/install.log";

/// Lines that the screen can ask for.
const TAIL: usize = 200;

/// The log of everything that was run.
pub struct Log {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    tail: VecDeque<String>,
}

impl Log {
    /// Opens the log at `path`, readable by root alone, and goes on where it ended.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot open the log {}", path.display()))?;
        let inner = Mutex::new(Inner { file, tail: VecDeque::with_capacity(TAIL) });
        Ok(Self { path: path.to_owned(), inner })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last lines, at most `count`.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = inner.tail.len().saturating_sub(count);
        inner.tail.iter().skip(skip).cloned().collect()
    }

    /// The lines in the last `bytes` of the file; the ones in memory if it can't be read.
    pub fn read(&self, bytes: u64) -> Vec<String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
            let mut text = Vec::new();
            file.take(bytes).read_to_end(&mut text)?;
            Ok(text)
        };
        match read() {
            Ok(text) => String::from_utf8_lossy(&text).lines().map(printable).collect(),
            Err(_) => self.tail(TAIL),
        }
    }
}

impl Transcript for Log {
    fn line(&self, line: &str) {
        let uptime = uptime_ms();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that can't be written, because memory is full say, must not stop the install.
        let _lost = writeln!(inner.file, "[{}.{:03}] {line}", uptime / 1000, uptime % 1000);
        if inner.tail.len() == TAIL {
            inner.tail.pop_front();
        }
        inner.tail.push_back(printable(line));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn lines_are_kept_in_the_file_and_the_last_for_the_screen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::open(&path).unwrap();
        for number in 0..=TAIL {
            log.line(&format!("line {number}\x1b[2J"));
        }
        assert_eq!(log.tail(1), [format!("line {TAIL}[2J")]);
        assert_eq!(log.tail(1000).len(), TAIL);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), TAIL + 1);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read = log.read(1 << 20);
        assert_eq!(read.len(), TAIL + 1);
        assert!(read[TAIL].ends_with(&format!("] line {TAIL}[2J")));
        assert_eq!(log.read(10), [format!("e {TAIL}[2J")]);
        assert_eq!(Log::open(&path).unwrap().tail(1), Vec::<String>::new());
    }
}
