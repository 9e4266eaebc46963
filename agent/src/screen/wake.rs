//! Changes elsewhere → a readable file descriptor, so that one thread can wait for them and for keys.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// Wakes the screen's thread up.
#[derive(Clone)]
pub(super) struct Wake(Arc<OwnedFd>);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Wakes it up, or keeps it from falling asleep.
    pub(super) fn call(&self) {
        // It fails only when it was called very often and not heard: then it is awake.
        let _full = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Forgets the calls so far.
    pub(super) fn heard(&self) {
        let _none = rustix::io::read(&*self.0, &mut [0; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
