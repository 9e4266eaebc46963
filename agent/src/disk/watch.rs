//! udev's events and the mount table's → the block devices as they are now, again at each change.
//!
//! libudev's handles can't leave their thread, so one thread owns them, waits in `poll`, and sends
//! plain descriptions. It ends when the last receiver is dropped.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

use super::describe::{self, ATTRIBUTES, Mounts, Raw};
use super::{Device, in_use, mounts, sysfs};
use crate::command::Runner;

/// How soon another look is taken, where nothing will say that it is time for one.
const AGAIN: Duration = Duration::from_secs(3);

/// How long losetup may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The block devices at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Every whole block device.
    pub devices: Vec<Device>,
    /// How many events each of them has had, by name: unchanged means that what was read from it may
    /// still be believed.
    pub generations: BTreeMap<String, u64>,
}

/// Makes the thread that follows udev look again.
#[derive(Clone)]
pub struct Rescan {
    wake: Arc<OwnedFd>,
    asked: Arc<AtomicU64>,
    answered: watch::Receiver<u64>,
}

impl Rescan {
    /// Waits until everything that udev has said so far is among what is attached.
    ///
    /// # Errors
    /// udev is no longer followed.
    pub async fn again(&mut self) -> Result<()> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        rustix::io::write(&*self.wake, &1_u64.to_ne_bytes()).context("cannot wake a thread")?;
        let ended = "udev is no longer followed";
        self.answered.wait_for(|answered| *answered >= number).await.context(ended)?;
        Ok(())
    }
}

/// Starts to follow udev; the first value is there when this returns.
///
/// # Errors
/// udev can't be reached.
pub fn start() -> Result<(watch::Receiver<Attached>, Rescan)> {
    let (report, first) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("udev".to_owned())
        .spawn(move || match Watch::new() {
            Ok((mut watch, receiver, rescan)) => {
                let _receiver_gone = report.send(Ok((receiver, rescan)));
                if let Err(error) = watch.run() {
                    tracing::error!("no longer following udev: {error:#}");
                }
            }
            Err(error) => {
                let _receiver_gone = report.send(Err(error));
            }
        })
        .context("cannot start the udev thread")?;
    first.recv().context("the udev thread ended at once")?
}

struct Watch {
    monitor: udev::MonitorSocket,
    mount_table: File,
    sender: watch::Sender<Attached>,
    generations: BTreeMap<String, u64>,
    /// What [`in_use`] last said: of file systems, and of loop devices.
    out_of_sight: [Mounts; 2],
    /// Its end is no event: something of it is not in the mount table, or could not be found out.
    is_to_be_repeated: bool,
    /// Runs losetup, also while the thread of the daemon's waits for the first look.
    runtime: Runtime,
    /// An eventfd, written to when another look is wanted.
    wake: Arc<OwnedFd>,
    asked: Arc<AtomicU64>,
    answered: watch::Sender<u64>,
}

impl Watch {
    fn new() -> Result<(Self, watch::Receiver<Attached>, Rescan)> {
        // First listen, then look: a device that appears in between is seen twice, not never.
        let monitor = udev::MonitorBuilder::new()
            .and_then(|builder| builder.match_subsystem("block"))
            .and_then(udev::MonitorBuilder::listen)
            .context("cannot listen to udev")?;
        let mount_table = File::open(mounts::TABLE).context("cannot read the mount table")?;
        let (sender, receiver) = watch::channel(Attached::default());
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(eventfd(0, flags).context("cannot make an eventfd")?);
        let (asked, answered) = (Arc::default(), watch::Sender::new(0));
        let rescan = Rescan {
            wake: Arc::clone(&wake),
            asked: Arc::clone(&asked),
            answered: answered.subscribe(),
        };
        let generations = BTreeMap::new();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot make a runtime for losetup")?;
        let mut watch = Self {
            monitor,
            mount_table,
            sender,
            generations,
            out_of_sight: <_>::default(),
            is_to_be_repeated: false,
            runtime,
            wake,
            asked,
            answered,
        };
        let first = watch.rescan()?;
        watch.sender.send_replace(first);
        Ok((watch, receiver, rescan))
    }

    fn run(&mut self) -> Result<()> {
        while !self.sender.is_closed() {
            // The kernel reports a changed mount table as an exceptional condition: proc(5).
            let mut sources = [
                PollFd::new(&self.monitor, PollFlags::IN),
                PollFd::new(&self.mount_table, PollFlags::PRI),
                PollFd::new(&*self.wake, PollFlags::IN),
            ];
            let again = Timespec { tv_sec: AGAIN.as_secs().cast_signed(), tv_nsec: 0 };
            match poll(&mut sources, self.is_to_be_repeated.then_some(&again)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error).context("cannot wait for udev"),
            }
            // First emptied, then counted: who asks in between is heard the next time, not never.
            let _may_be_empty = rustix::io::read(&*self.wake, &mut [0; 8]);
            let asked = self.asked.load(Ordering::SeqCst);
            for event in self.monitor.iter() {
                let disk = parent_name(&event).unwrap_or_else(|| name(&event));
                *self.generations.entry(disk).or_default() += 1;
            }
            let now = self.rescan()?;
            self.sender.send_if_modified(|before| {
                let changed = *before != now;
                *before = now;
                changed
            });
            self.answered.send_replace(asked);
        }
        Ok(())
    }

    /// Looks for what is in use and may not be in the mount table → whether all of it could be found out.
    /// If not, what was known stays.
    fn look_out_of_sight(&mut self) -> bool {
        let runner = Runner::default();
        // A timeout is made inside the runtime.
        let loop_files = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, in_use::loop_files(&runner))
                .await
                .unwrap_or_else(|_| Err(anyhow!("losetup does not answer")))
        });
        let mut is_known = true;
        let found = [in_use::file_systems(), loop_files];
        for (known, found) in self.out_of_sight.iter_mut().zip(found) {
            match found {
                Ok(found) => *known = found,
                Err(error) => {
                    tracing::info!("a disk in use may be offered: {error:#}");
                    is_known = false;
                }
            }
        }
        is_known
    }

    fn rescan(&mut self) -> Result<Attached> {
        let mut enumerator = udev::Enumerator::new().context("cannot enumerate devices")?;
        enumerator.match_subsystem("block")?;
        let raw: Vec<_> = enumerator
            .scan_devices()
            .context("cannot enumerate devices")?
            .filter_map(|device| raw(&device))
            .collect();
        let mounts =
            std::fs::read_to_string(mounts::TABLE).context("cannot read the mount table")?;
        let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
        let mut used = mounts::by_device(&mounts, &swaps, |node| sysfs::device_number(node).ok());
        let is_known = self.look_out_of_sight();
        let added = self.out_of_sight.iter().filter(|found| in_use::add(&mut used, found)).count();
        self.is_to_be_repeated = !is_known || added > 0;
        let devices = describe::devices(&raw, &used);
        Ok(Attached { devices, generations: self.generations.clone() })
    }
}

fn name(device: &udev::Device) -> String {
    device.sysname().to_string_lossy().into_owned()
}

/// The name of the disk that a partition belongs to.
fn parent_name(device: &udev::Device) -> Option<String> {
    let is_partition = device.devtype().is_some_and(|kind| kind == "partition");
    is_partition.then(|| device.parent().map(|parent| name(&parent))).flatten()
}

fn raw(device: &udev::Device) -> Option<Raw> {
    let number = device.devnum()?;
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let attributes = ATTRIBUTES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(device.attribute_value(name)?))))
        .collect();
    let holders = std::fs::read_dir(device.syspath().join("holders"))
        .map(|folder| folder.filter_map(|e| Some(text(&e.ok()?.file_name()))).collect())
        .unwrap_or_default();
    Some(Raw {
        name: name(device),
        parent: parent_name(device),
        number: (rustix::fs::major(number), rustix::fs::minor(number)),
        node: device.devnode()?.to_owned(),
        properties: device.properties().map(|p| (text(p.name()), text(p.value()))).collect(),
        attributes,
        holders,
        // Its event follows.
        unseen: !device.is_initialized(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn everybody_who_asks_for_another_look_gets_one() {
        if udev::MonitorBuilder::new().and_then(udev::MonitorBuilder::listen).is_err() {
            // Not by a macro: the test's output is not shown when it passes.
            writeln!(std::io::stderr(), "SKIPPED udev can't be followed here").unwrap();
            return;
        }
        let (mut attached, rescan) = start().unwrap();
        attached.borrow_and_update();
        let ask = || {
            let mut rescan = rescan.clone();
            async move {
                for _ in 0..500 {
                    rescan.again().await.unwrap();
                }
            }
        };
        let all = futures_util::future::join3(ask(), ask(), ask());
        tokio::time::timeout(std::time::Duration::from_secs(60), all).await.unwrap();
    }
}
