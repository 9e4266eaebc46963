//! A byte stream from a VM → a log file, and a text in which one can wait for something.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// Bytes from the end of the stream that an error shows.
const TAIL: usize = 1500;

/// A stream being read.
pub struct Stream {
    writer: UnixStream,
    shared: Arc<Shared>,
    name: &'static str,
    /// Everything before was looked at already.
    seen: usize,
}

struct Shared {
    text: Mutex<Text>,
    arrived: Condvar,
}

#[derive(Default)]
struct Text {
    text: String,
    ended: bool,
}

impl Stream {
    /// Reads from `socket`, where QEMU listens, to the end of `log`.
    ///
    /// # Errors
    /// The socket can't be reached, or the log can't be written.
    pub fn open(name: &'static str, socket: &Path, log: &Path) -> Result<Self> {
        let stream = super::connect(socket)?;
        let writer = stream.try_clone()?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let shared = Arc::new(Shared { text: Mutex::default(), arrived: Condvar::new() });
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut stream = stream;
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).unwrap_or(0);
                let mut text = reader.lock();
                if count == 0 {
                    text.ended = true;
                } else {
                    let _disk_full = file.write_all(&buffer[..count]);
                    text.text.push_str(&String::from_utf8_lossy(&buffer[..count]));
                }
                reader.arrived.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Ok(Self { writer, shared, name, seen: 0 })
    }

    /// Writes to the VM.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.writer
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write to {}", self.name))
    }

    /// Waits until `find` finds something in what arrived since the last find; it returns the end of
    /// what it found, and what it made of it.
    ///
    /// # Errors
    /// The stream ended or time ran out: the error shows the end of what arrived.
    pub fn wait<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        find: impl FnMut(&str) -> Option<(usize, T)>,
    ) -> Result<T> {
        match self.poll(what, timeout, find)? {
            Some(found) => Ok(found),
            None => Err(self.missed("time ran out", what)),
        }
    }

    /// As [`Stream::wait`]; nothing where time runs out.
    ///
    /// # Errors
    /// The stream ended.
    pub fn poll<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut find: impl FnMut(&str) -> Option<(usize, T)>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + timeout;
        let mut text = self.shared.lock();
        loop {
            if let Some((end, found)) = find(&text.text[self.seen..]) {
                self.seen += end;
                return Ok(Some(found));
            }
            if text.ended {
                drop(text);
                return Err(self.missed("the VM ended", what));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            text = self.shared.wait(text, left);
        }
    }

    fn missed(&self, why: &str, what: &str) -> anyhow::Error {
        let name = self.name;
        let text = self.shared.lock();
        anyhow!("{why} while waiting on {name} for {what}; it ends with:\n{}", tail(&text.text))
    }

    /// Waits until one of `needles` arrives; returns which, by position.
    ///
    /// # Errors
    /// As [`Stream::wait`].
    pub fn expect_any(&mut self, needles: &[&str], timeout: Duration) -> Result<usize> {
        self.wait(&needles.join(" or "), timeout, |text| {
            needles
                .iter()
                .enumerate()
                .filter_map(|(which, needle)| Some((text.find(needle)? + needle.len(), which)))
                .min()
        })
    }

    /// Waits until `needle` arrives; returns what came before it.
    ///
    /// # Errors
    /// As [`Stream::wait`].
    pub fn expect(&mut self, needle: &str, timeout: Duration) -> Result<String> {
        self.wait(needle, timeout, |text| {
            let at = text.find(needle)?;
            Some((at + needle.len(), text[..at].to_owned()))
        })
    }

    /// Waits until the stream ends.
    ///
    /// # Errors
    /// It has not in time.
    pub fn wait_end(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut text = self.shared.lock();
        while !text.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the machine does not end; {} ends with:\n{}", self.name, tail(&text.text));
            }
            text = self.shared.wait(text, left);
        }
        Ok(())
    }

    /// Everything that has arrived so far.
    pub fn text(&self) -> String {
        self.shared.lock().text.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, text: MutexGuard<'a, Text>, limit: Duration) -> MutexGuard<'a, Text> {
        match self.arrived.wait_timeout(text, limit) {
            Ok((text, _)) => text,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }
}

fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
