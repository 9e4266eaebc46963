//! Devices to read → their contents, each as it arrives.
//!
//! A device is read by one task at a time, however often it is asked for, so that one which never
//! answers costs one thread.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::command::Runner;
use crate::disk::{Content, Device, probe};

/// Devices that are read at once: each takes memory.
const AT_ONCE: usize = 16;

/// How long a decision waits for a device. One that takes longer makes another decision due when it
/// has been read.
const SHORT: Duration = Duration::from_secs(3);

type Read = fn(Device) -> Pin<Box<dyn Future<Output = Result<Content>> + Send>>;

/// What tells whether what was read from a device is still so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// How many events udev had sent.
    pub(super) generation: u64,
    /// Sectors written since the disk appeared: not every write makes udev send something.
    pub(super) written: Option<u64>,
    pub(super) device: Device,
}

/// What was read from a device.
#[derive(Clone)]
pub(super) struct Probed {
    pub(super) stamp: Stamp,
    pub(super) content: Content,
}

/// The devices that are being read.
pub(super) struct Readings {
    /// By kernel name.
    running: BTreeMap<String, Reading>,
    count: u64,
    slots: Arc<Semaphore>,
    sender: mpsc::UnboundedSender<Arrival>,
    receiver: mpsc::UnboundedReceiver<Arrival>,
    read: Read,
}

struct Reading {
    id: u64,
    started: Instant,
    stamp: Stamp,
}

struct Arrival {
    id: u64,
    name: String,
    content: Result<Content>,
}

/// How far the reading of a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Running,
    /// It goes on for longer than [`probe::PATIENCE`].
    Silent,
}

impl Default for Readings {
    fn default() -> Self {
        Self::new(|device| {
            // Not in the log: what an install did stands at its end, and this comes again and again.
            Box::pin(async move { probe::content(&Runner::default(), &device).await })
        })
    }
}

impl Readings {
    fn new(read: Read) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Self { running: BTreeMap::new(), count: 0, slots, sender, receiver, read }
    }

    /// Reads a device, unless the same appearance of it is being read already.
    pub(super) fn start(&mut self, stamp: Stamp) {
        let name = stamp.device.name.clone();
        let is_same = |reading: &Reading| {
            let before = &reading.stamp.device;
            (before.diskseq, before.number) == (stamp.device.diskseq, stamp.device.number)
        };
        if self.running.get(&name).is_some_and(is_same) {
            return;
        }
        self.count += 1;
        let (id, device) = (self.count, stamp.device.clone());
        self.running.insert(name.clone(), Reading { id, started: Instant::now(), stamp });
        let (read, slots, sender) = (self.read, Arc::clone(&self.slots), self.sender.clone());
        tokio::spawn(async move {
            let _slot = slots.acquire().await;
            let content = read(device).await;
            let _session_ended = sender.send(Arrival { id, name, content });
        });
    }

    /// Waits for the next device that has been read. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The tools for reading are missing.
    pub(super) async fn next(&mut self) -> Result<Probed> {
        loop {
            // Never closed: the sender is here.
            let Some(arrival) = self.receiver.recv().await else {
                std::future::pending::<()>().await;
                continue;
            };
            let is_wanted = |reading: &Reading| reading.id == arrival.id;
            if self.running.get(&arrival.name).is_some_and(is_wanted)
                && let Some(reading) = self.running.remove(&arrival.name)
            {
                return Ok(Probed { stamp: reading.stamp, content: arrival.content? });
            }
        }
    }

    /// Whether a device has been read that was not handed out by [`Readings::next`].
    pub(super) fn has_arrivals(&self) -> bool {
        !self.receiver.is_empty()
    }

    /// Until when a decision waits for devices; None if it need not.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let ends = self.running.values().map(|reading| reading.started + SHORT);
        ends.filter(|end| *end > Instant::now()).max()
    }

    /// How far the reading of the device of this name is.
    pub(super) fn progress(&self, name: &str) -> Option<Progress> {
        let elapsed = self.running.get(name)?.started.elapsed();
        Some(if elapsed < probe::PATIENCE { Progress::Running } else { Progress::Silent })
    }

    /// When the next device will have been silent for too long.
    pub(super) fn next_silence(&self) -> Option<Instant> {
        let ends = self.running.values().map(|reading| reading.started + probe::PATIENCE);
        ends.filter(|end| *end > Instant::now()).min()
    }

    /// Forgets devices that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.running.retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static SLOW_READS: AtomicUsize = AtomicUsize::new(0);

    /// `slow` takes 20 s, `dead` for ever, any other no time.
    fn read(device: Device) -> Pin<Box<dyn Future<Output = Result<Content>> + Send>> {
        Box::pin(async move {
            match device.name.as_str() {
                "slow" => {
                    SLOW_READS.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_secs(20)).await;
                }
                "swapped" => tokio::time::sleep(Duration::from_secs(20)).await,
                "dead" => std::future::pending().await,
                _ => {}
            }
            Ok(Content { digest: device.name, ..Content::default() })
        })
    }

    fn stamp(name: &str, diskseq: u64) -> Stamp {
        let (name, diskseq) = (name.to_owned(), Some(diskseq));
        let device = Device { name, diskseq, ..Device::default() };
        Stamp { generation: 0, written: None, device }
    }

    /// Those that are read within the time that a decision waits.
    async fn collect(readings: &mut Readings) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(end) = readings.deadline() {
            match tokio::time::timeout_at(end, readings.next()).await {
                Ok(probed) => names.push(probed.unwrap().content.digest),
                Err(_) => break,
            }
        }
        names
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_disk_holds_up_no_fast_one_and_is_read_once() {
        let mut readings = Readings::new(read);
        let started = Instant::now();
        for name in ["dead", "fast", "slow", "quick"] {
            readings.start(stamp(name, 1));
        }
        assert_eq!(collect(&mut readings).await, ["fast", "quick"]);
        assert_eq!(started.elapsed(), SHORT);
        assert_eq!(readings.progress("slow"), Some(Progress::Running));
        // Asked for again and again: it is not waited for, and it is not read twice.
        for _ in 0..10 {
            readings.start(stamp("slow", 1));
            readings.start(stamp("dead", 1));
            assert!(collect(&mut readings).await.is_empty());
        }
        assert_eq!(started.elapsed(), SHORT);
        assert_eq!(readings.next().await.unwrap().content.digest, "slow");
        assert_eq!(SLOW_READS.load(Ordering::SeqCst), 1);
        assert_eq!(readings.progress("slow"), None);
        tokio::time::sleep_until(readings.next_silence().unwrap()).await;
        assert_eq!(readings.progress("dead"), Some(Progress::Silent));
        assert_eq!(readings.next_silence(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_disk_in_the_place_of_one_that_is_dead_is_read() {
        let mut readings = Readings::new(read);
        readings.start(stamp("swapped", 1));
        readings.start(stamp("swapped", 2));
        let probed = readings.next().await.unwrap();
        assert_eq!(probed.stamp.device.diskseq, Some(2));
        assert!(!readings.has_arrivals());
    }
}
