//! Events → everything outside the process that is not D-Bus: the journal, the virtio serial port, the
//! consoles beside tty1.
//!
//! [`device`] is what the two kinds of character device share, [`text`] is an event as plain lines.

pub mod console;
pub mod device;
pub mod journald;
pub mod text;
pub mod virtio;
