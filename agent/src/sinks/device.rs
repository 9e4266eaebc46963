//! Records → bytes in a device file, from a thread of its own: the device may block for ever, be
//! hung up, vanish and come back, and nothing but this thread waits for it.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::event::Record;
use crate::event::publisher::Reader;

/// Between two tries of a device that takes nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// What happens to bytes that a device does not take, even after it was opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// They are tried again until it takes them.
    Keep,
    /// They are lost.
    Drop,
}

/// Writes what `form` makes of each record, to what `open` opens, which may wait; None: never.
///
/// # Errors
/// The thread can't be started.
pub fn start<O, F>(
    name: &str,
    mut reader: Reader,
    unwritten: Unwritten,
    open: impl FnOnce() -> O + Send + 'static,
    mut form: F,
) -> Result<()>
where
    O: FnMut() -> Option<File>,
    F: FnMut(&Record) -> String + Send + 'static,
{
    let work = move || {
        let mut open = open();
        // Until it is opened, there is nothing that a reboot could wait for.
        let Some(mut device) = reader.without_ack(&mut open) else { return };
        while let Some(record) = reader.blocking_next() {
            let bytes = form(&record);
            if device.write_all(bytes.as_bytes()).is_ok() {
                continue;
            }
            loop {
                let Some(again) = reader.without_ack(&mut open) else { return };
                device = again;
                let written = device.write_all(bytes.as_bytes());
                if written.is_ok() || unwritten == Unwritten::Drop {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
        }
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .with_context(|| format!("cannot start the thread {name}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{BufRead, BufReader};
    use std::path::PathBuf;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::event::Event;
    use crate::event::publisher::Publisher;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A pipe's file: opening waits for the other end, and writing fails while there is none.
    fn pipe() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        (folder, path)
    }

    fn number(record: &Record) -> String {
        format!("{}\n", record.sequence)
    }

    fn publish(publisher: &Publisher) {
        publisher.publish(Event::Countdown { seconds_left: 0 });
    }

    #[tokio::test]
    async fn who_comes_late_or_comes_back_misses_nothing() {
        let (_folder, path) = pipe();
        let publisher = Publisher::new(Vec::new());
        let device = path.clone();
        let opener = move || move || OpenOptions::new().write(true).open(&device).ok();
        start("test", publisher.reader(), Unwritten::Keep, opener, number).unwrap();
        publish(&publisher);
        publish(&publisher);
        assert!(publisher.drained(PATIENCE).await, "a missing device is not waited for");

        let mut reader = BufReader::new(File::open(&path).unwrap());
        let read = |reader: &mut BufReader<File>| {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line
        };
        assert_eq!([read(&mut reader), read(&mut reader)], ["1\n", "2\n"]);
        assert!(publisher.drained(PATIENCE).await);

        drop(reader);
        publish(&publisher);
        publish(&publisher);
        let mut reader = BufReader::new(File::open(&path).unwrap());
        assert_eq!([read(&mut reader), read(&mut reader)], ["3\n", "4\n"]);
    }

    #[tokio::test]
    async fn a_missing_device_does_not_delay_the_shutdown() {
        let publisher = Publisher::new(Vec::new());
        start("test", publisher.reader(), Unwritten::Keep, || || None, number).unwrap();
        publish(&publisher);
        assert!(publisher.drained(PATIENCE).await);
    }

    #[test]
    fn a_line_that_is_hung_up_is_opened_again() {
        let (_folder, path) = pipe();
        let publisher = Publisher::new(Vec::new());
        let mut devices = ["/dev/full".into(), "/dev/full".into(), path.clone()].into_iter();
        let opener = move || move || OpenOptions::new().write(true).open(devices.next()?).ok();
        start("test", publisher.reader(), Unwritten::Drop, opener, number).unwrap();
        publish(&publisher);
        publish(&publisher);
        publish(&publisher);
        let lines = BufReader::new(File::open(&path).unwrap()).lines().take(2);
        assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), ["2", "3"]);
    }
}
