//! Events → plain lines on the consoles beside tty1: serial ports and the like.
//!
//! They share the console with the kernel and with a getty, as the kernel's own messages do: each
//! line begins with [`NAME`], ends in CR LF whatever the terminal's mode is, and has no control
//! sequences.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{OFlags, fcntl_setfl};

use crate::event::publisher::Publisher;
use crate::sinks::device::{self, Unwritten};
use crate::sinks::text::Renderer;

/// The consoles that `console=` on the kernel's command line chose, a word each.
const ACTIVE: &str = "/sys/class/tty/console/active";

/// What a line begins with.
const NAME: &str = "nixvm: ";

/// The consoles beside tty1, by their device files.
pub fn beside_screen() -> Vec<PathBuf> {
    let active = std::fs::read_to_string(ACTIVE).unwrap_or_default();
    consoles(&active).map(|name| Path::new("/dev").join(name)).collect()
}

/// Writes every event from now on to one terminal, in a thread of its own.
///
/// # Errors
/// The thread can't be started.
pub fn follow(publisher: &Publisher, path: PathBuf) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut lines = Renderer::default();
    let opener = move || {
        move || {
            open(&path)
                .inspect_err(|error| {
                    tracing::warn!("cannot write events to {}: {error}", path.display())
                })
                .ok()
        }
    };
    // What a hung-up line did not take is no loss: the journal has it.
    device::start(&name, publisher.reader(), Unwritten::Drop, opener, move |record| {
        lines.of(record).iter().map(|line| format!("{NAME}{line}\r\n")).collect()
    })
}

/// The consoles that are not virtual terminals.
fn consoles(active: &str) -> impl Iterator<Item = &str> {
    active.split_whitespace().filter(|name| {
        let number = name.strip_prefix("tty");
        !number.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn open(path: &Path) -> std::io::Result<File> {
    // Opening must not wait for a modem's carrier, nor make it this process's terminal; writing may
    // wait.
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new().write(true).custom_flags(flags.cast_signed()).open(path)?;
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::time::Duration;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;
    use crate::event::examples;

    #[test]
    fn virtual_terminals_are_the_screens() {
        let found: Vec<_> = consoles("tty0 ttyS0 tty1 hvc0 ttyAMA0 tty\n").collect();
        assert_eq!(found, ["ttyS0", "hvc0", "ttyAMA0"]);
    }

    /// A terminal and the file of its other end.
    fn terminal() -> (File, PathBuf) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        (File::from(ours), path.into())
    }

    #[tokio::test]
    async fn lines_arrive_whole_and_nothing_waits_for_a_console_that_is_not_read() {
        let (ours, path) = terminal();
        let publisher = Publisher::new(Vec::new());
        follow(&publisher, path).unwrap();
        // Many times what a terminal holds: its thread is stuck, the install is not.
        for _ in 0..500 {
            publisher.publish_all(examples::install());
        }
        assert!(!publisher.drained(Duration::ZERO).await);
        let reader = tokio::task::spawn_blocking(move || {
            let mut last = String::new();
            for line in BufReader::new(ours).split(b'\n').take(1000) {
                last = String::from_utf8(line.unwrap()).unwrap();
                assert!(last.starts_with(NAME) && last.ends_with('\r'), "{last:?}");
                let text = last.trim_end_matches('\r');
                assert!(!text.contains(char::is_control), "{last:?}");
            }
            last
        });
        reader.await.unwrap();
    }
}
