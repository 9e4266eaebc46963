//! Events → JSON lines on the virtio serial port `org.nixvm.installer.events.0`, where the host opened one.
//!
//! The first line is the first record, however late the port appears. A host that does not read, or
//! that goes away, finds the records where it left them when it is back, up to the publisher's backlog.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, poll};

use crate::event::publisher::Publisher;
use crate::sinks::device::{self, Unwritten};

/// The port's device file, by its name on the host's side.
pub const PATH: &str = "/dev/virtio-ports/org.nixvm.installer.events.0";

/// Writes every event from now on to the port, in a thread of its own.
///
/// # Errors
/// The thread can't be started.
pub fn follow(publisher: &Publisher) -> Result<()> {
    device::start("event-port", publisher.reader(), Unwritten::Keep, opener, |record| {
        serde_json::to_string(record).map(|line| line + "\n").unwrap_or_default()
    })
}

/// Opens the port; waits for udev to make its device file.
fn opener() -> impl FnMut() -> Option<File> {
    // First listen, then look: what appears in between is not missed. libudev's handles have to be
    // made in the thread that uses them.
    let monitor = udev::MonitorBuilder::new()
        .and_then(|builder| builder.match_subsystem("virtio-ports"))
        .and_then(udev::MonitorBuilder::listen);
    move || {
        let Ok(monitor) = &monitor else {
            tracing::warn!("udev can't be followed, so there is no event port");
            return None;
        };
        loop {
            for event in monitor.iter() {
                drop(event);
            }
            if let Some(file) = open(Path::new(PATH)) {
                return Some(file);
            }
            match poll(&mut [PollFd::new(monitor, PollFlags::IN)], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!("there is no event port: cannot wait for udev: {error}");
                    return None;
                }
            }
        }
    }
}

/// The kernel lets one program have the port; that may be an agent that has not quite ended.
fn open(path: &Path) -> Option<File> {
    loop {
        match OpenOptions::new().write(true).open(path) {
            Ok(file) => return Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                tracing::warn!("another program has opened {}", path.display());
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            Err(error) => {
                tracing::debug!("no {}: {error}", path.display());
                return None;
            }
        }
    }
}
