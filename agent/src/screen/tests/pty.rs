//! A pseudo-terminal: an interface at one end, a test at the other.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A terminal whose keyboard and display are a test's.
pub(super) struct Pty {
    /// The end of keyboard and display.
    pub(super) end: File,
    /// The device file that the interface opens.
    pub(super) path: PathBuf,
    /// Without it the terminal would be hung up until the interface has opened it.
    pub(super) held: Option<OwnedFd>,
    /// Closed with the rest, which ends the thread that reads.
    _open: OwnedFd,
}

impl Pty {
    /// Opens one, and hands what is written on it to `see` in a thread of its own.
    pub(super) fn open(mut see: impl FnMut(&[u8]) + Send + 'static) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let held = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        let end = File::from(master);
        let mut output = end.try_clone().unwrap();
        let (closed, open) = rustix::pipe::pipe().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let mut fds =
                    [PollFd::new(&output, PollFlags::IN), PollFd::new(&closed, PollFlags::IN)];
                poll(&mut fds, None).unwrap();
                // The terminal is hung up only when this copy of its end is closed too.
                if !fds[1].revents().is_empty() {
                    return;
                }
                let Ok(count @ 1..) = output.read(&mut bytes) else { return };
                see(&bytes[..count]);
            }
        });
        Self { end, path, held: Some(held), _open: open }
    }

    /// Types bytes.
    pub(super) fn types(&mut self, keys: &str) {
        self.end.write_all(keys.as_bytes()).unwrap();
    }
}
