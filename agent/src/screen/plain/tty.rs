//! A terminal's device file → bytes that were typed, and text without a control sequence.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::termios::{self, ControlModes, OptionalActions, QueueSelector, Termios};

use crate::screen::console::Device;

/// A terminal that was taken over; it is given back when this is dropped.
pub(super) struct Tty {
    file: File,
    before: Termios,
    /// The last byte was a carriage return: a line feed after it is the same key.
    returned: bool,
}

impl Tty {
    /// Writes text; its line ends are CR LF already.
    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())
    }
}

impl Device for Tty {
    /// Takes the terminal over: it neither echoes nor edits nor interprets anything.
    ///
    /// What was typed before is thrown away: it was meant for something else.
    fn open(path: &Path) -> io::Result<Self> {
        // A serial port must not wait for a modem's carrier.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        fcntl_setfl(&file, OFlags::empty())?;
        let before = termios::tcgetattr(&file)?;
        let mut raw = before.clone();
        raw.make_raw();
        raw.control_modes.insert(ControlModes::CLOCAL);
        termios::tcsetattr(&file, OptionalActions::Now, &raw)?;
        termios::tcflush(&file, QueueSelector::IFlush)?;
        Ok(Self { file, before, returned: false })
    }

    /// Reads what was typed; the end of a line is a carriage return, whatever the terminal sends.
    ///
    /// # Errors
    /// The terminal is gone.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = match self.file.read(bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => count,
        };
        let mut kept = 0;
        for at in 0..count {
            let byte = bytes[at];
            let same_key = byte == b'\n' && self.returned;
            self.returned = byte == b'\r';
            if !same_key {
                bytes[kept] = byte;
                kept += 1;
            }
        }
        Ok(kept)
    }

    fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // It may be gone; then there is nothing to give back.
        let _gone = termios::tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}
