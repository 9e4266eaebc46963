//! A terminal that an interface has, or a shell that was opened on it → the keys that are pressed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::input::{self, Decoder, Key};
use super::shell;
use super::wake::Wake;

/// A terminal that was taken over. Dropping it gives it back.
pub(super) trait Device: AsFd + Sized {
    /// Takes the terminal over.
    fn open(path: &Path) -> io::Result<Self>;

    /// Reads what was typed. A terminal that is gone is an error.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize>;

    /// Another handle on it, for a program that runs on it.
    fn file(&self) -> io::Result<File>;
}

/// A terminal of an interface.
pub(super) struct Console<D> {
    path: PathBuf,
    /// None while a shell has it.
    device: Option<D>,
    shell: Option<Child>,
    decoder: Decoder,
}

impl<D: Device> Console<D> {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// There is none, or it is gone.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let device = Some(D::open(path)?);
        Ok(Self { path: path.to_owned(), device, shell: None, decoder: Decoder::new() })
    }

    /// The terminal, unless a shell has it.
    pub(super) fn device(&mut self) -> Option<&mut D> {
        self.device.as_mut()
    }

    /// Waits so long, or until a key is pressed or `wake` is called; says whether one was pressed.
    ///
    /// # Errors
    /// The kernel can't wait for them.
    pub(super) fn wait(&self, wake: Option<&Wake>, left: Duration) -> io::Result<bool> {
        let timeout =
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut fds: Vec<_> =
            wake.map(|wake| PollFd::new(wake, PollFlags::IN)).into_iter().collect();
        fds.extend(self.device.as_ref().map(|device| PollFd::new(device, PollFlags::IN)));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // A hangup is read as an end.
        Ok(self.device.is_some() && fds.last().is_some_and(|fd| !fd.revents().is_empty()))
    }

    /// The keys that were pressed.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn keys(&mut self) -> io::Result<Vec<Key>> {
        let Some(device) = &mut self.device else { return Ok(Vec::new()) };
        let mut bytes = [0; 256];
        let count = device.read(&mut bytes)?;
        let mut keys = self.decoder.take(&mut bytes[..count]);
        if self.decoder.is_undecided() {
            let mut fds = [PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)];
            if poll(&mut fds, Some(&input::SEQUENCE)).is_ok_and(|ready| ready == 0) {
                keys.push(self.decoder.escape());
            }
        }
        Ok(keys)
    }

    /// Gives the terminal to a shell; says what to show where there can be none.
    pub(super) fn open_shell(&mut self) -> Option<String> {
        let device = self.device.take()?;
        let started = device.file().and_then(|file| {
            drop(device);
            shell::start(file)
        });
        match started {
            Ok(child) => {
                self.shell = Some(child);
                None
            }
            Err(error) => {
                tracing::warn!("no shell can be opened: {error}");
                Some(format!("No shell can be opened: {error}."))
            }
        }
    }

    /// Takes the terminal back when the shell has ended, or none could be started; says whether it was
    /// taken back.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn close_shell(&mut self) -> io::Result<bool> {
        let runs = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if self.device.is_some() || self.shell.as_mut().is_some_and(runs) {
            return Ok(false);
        }
        self.shell = None;
        self.device = Some(D::open(&self.path)?);
        Ok(true)
    }
}

/// Takes turns until one fails; says how.
pub(super) fn take_turns<R>(run: io::Result<R>, turn: fn(&mut R) -> io::Result<()>) -> io::Error {
    match run {
        Ok(mut run) => loop {
            if let Err(error) = turn(&mut run) {
                return error;
            }
        },
        Err(error) => error,
    }
}
