//! The block devices → the disks with their contents and the answers on them, each read only when
//! something was heard of it. Of other volumes than those labelled for answers nothing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use nixvm_answers::{Problems, Resolved, SourceAnswers};

use super::Session;
use super::readings::{Probed, Progress, Readings, Stamp};
use super::state::Phase;
use crate::command::Runner;
use crate::disk::eligibility::{ANSWERS_LABEL, NO_CLOUD_LABEL};
use crate::disk::{Content, Device, Disk, Kind, probe};
use crate::event::{DiskView, Event};
use crate::plan::{self, Facts};
use crate::sources;

/// How long the kernel may take to say what is attached.
const LOOKING: Duration = Duration::from_secs(20);

/// The disks as they were when they were read last.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) disks: Vec<Disk>,
    /// What was read from each device, by kernel name.
    pub(super) probed: BTreeMap<String, Probed>,
    /// Devices as udev describes them, and with the answers volumes that it does not see, by kernel
    /// name; with the event count.
    silent: BTreeMap<String, (u64, Device, Device)>,
    /// What is being read.
    readings: Readings,
    /// The answers on volumes, by device file, with the event count of their disk.
    pub(super) volumes: BTreeMap<PathBuf, (u64, Vec<Result<SourceAnswers, Problems>>)>,
    /// What was published last.
    views: Vec<DiskView>,
    /// Warnings of this attempt that were published: a survey comes again and again.
    pub(super) warned: BTreeSet<String>,
}

impl Inventory {
    /// Makes the next survey read the disks again that could not be read.
    pub(super) fn forget_unreadable(&mut self) {
        self.probed.retain(|_, probed| probed.content.unreadable.is_none());
    }

    /// Waits until a disk has been read that the last survey did not wait for, or has been silent for
    /// so long that it counts as unreadable.
    ///
    /// # Errors
    /// The tools for reading are missing.
    pub(super) async fn changed(&mut self) -> Result<()> {
        let silence = self.readings.next_silence();
        let silent = async {
            match silence {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            probed = self.readings.next() => self.add(probed?),
            () = silent => {}
        }
        Ok(())
    }

    /// Whether [`Inventory::changed`] would not have to wait.
    pub(super) fn has_changed(&self) -> bool {
        self.readings.has_arrivals()
    }

    fn add(&mut self, probed: Probed) {
        self.probed.insert(probed.stamp.device.name.clone(), probed);
    }

    /// Starts to read each device of which nothing is known that is still so.
    fn start_readings(&mut self, stamps: &[Stamp]) {
        for stamp in stamps {
            if self.probed.get(&stamp.device.name).is_none_or(|probed| probed.stamp != *stamp) {
                self.readings.start(stamp.clone());
            }
        }
    }

    /// The disk as it is known.
    fn disk(&self, stamp: &Stamp) -> Disk {
        let mut device = stamp.device.clone();
        let known = self.probed.get(&device.name).filter(|probed| probed.stamp == *stamp);
        if let Some(probed) = known {
            return Disk { device, content: probed.content.clone() };
        }
        let mut content = Content::default();
        match self.readings.progress(&device.name) {
            Some(Progress::Silent) => {
                content.unreadable = Some("it does not answer".to_owned());
            }
            _ => device.unsettled = true,
        }
        Disk { device, content }
    }
}

impl Session {
    /// Reads the disks: waits until udev has handled its queue, and reads those that changed
    /// since. A slow one is not waited for: see [`Inventory::changed`].
    pub(super) async fn survey(&mut self) -> Result<()> {
        // Not in the log: what an install did stands at its end, and this comes again and again.
        let runner = Runner::default();
        if let Err(error) = runner.tool("udevadm").args(["settle", "--timeout=30"]).run().await {
            self.warn_of_missing_disks(&format!("udev does not settle: {error:#}"));
        }
        // What udev said last may still be on its way.
        if let Some(rescan) = &mut self.context.rescan {
            match tokio::time::timeout(LOOKING, rescan.again()).await {
                Ok(looked) => looked?,
                Err(_) => self.warn_of_missing_disks("the kernel does not say what is attached"),
            }
        }
        let attached = self.context.attached.borrow_and_update().clone();
        let stamps: Vec<_> = attached
            .devices
            .iter()
            .map(|device| Stamp {
                generation: attached.generations.get(&device.name).copied().unwrap_or_default(),
                // Before it is read: what is written meanwhile is found the next time.
                written: probe::sectors_written(&device.name),
                device: device.clone(),
            })
            .collect();
        let inventory = &mut self.inventory;
        let is_attached = |name: &str| stamps.iter().any(|stamp| stamp.device.name == name);
        inventory.probed.retain(|name, _| is_attached(name));
        inventory.readings.retain(is_attached);
        inventory.start_readings(&stamps);
        while let Some(end) = inventory.readings.deadline() {
            let Ok(probed) = tokio::time::timeout_at(end, inventory.readings.next()).await else {
                break;
            };
            inventory.add(probed?);
            // It may have changed while it was read.
            inventory.start_readings(&stamps);
        }
        inventory.disks = stamps.iter().map(|stamp| inventory.disk(stamp)).collect();
        self.name_silent(&runner, &attached.generations).await?;
        self.read_volumes(&attached.generations).await?;
        self.publish_disks();
        Ok(())
    }

    fn warn_of_missing_disks(&mut self, why: &str) {
        let message = format!("Some disks may be missing: {}.", why.trim_end_matches('.'));
        if self.inventory.warned.insert(message.clone()) {
            self.context.publisher.publish(Event::Warning { message });
        }
    }

    /// Whether a disk that could not be read may be the one that is waited for.
    pub(super) fn awaits_unreadable(&self) -> bool {
        let unreadable = |probed: &Probed| probed.content.unreadable.is_some();
        matches!(self.phase, Phase::WaitingForDisk { .. })
            && self.inventory.probed.values().any(unreadable)
    }

    /// Fills in the answers volumes that udev does not see.
    async fn name_silent(
        &mut self,
        runner: &Runner,
        generations: &BTreeMap<String, u64>,
    ) -> Result<()> {
        let mut known = std::mem::take(&mut self.inventory.silent);
        for disk in &mut self.inventory.disks {
            let generation = generations.get(&disk.device.name).copied().unwrap_or_default();
            // What does not answer is read when it does.
            if disk.device.unsettled || disk.content.unreadable.is_some() {
                continue;
            }
            let before = disk.device.clone();
            match known.remove(&before.name) {
                Some((then, as_was, named)) if then == generation && as_was == before => {
                    disk.device = named;
                }
                _ => {
                    let signatures = &disk.content.signatures;
                    sources::name_silent(runner, &mut disk.device, signatures).await?;
                }
            }
            let named = disk.device.clone();
            self.inventory.silent.insert(before.name.clone(), (generation, before, named));
        }
        Ok(())
    }

    /// Reads answers volumes that have come, and forgets those that are gone.
    async fn read_volumes(&mut self, generations: &BTreeMap<String, u64>) -> Result<()> {
        let mut volumes = BTreeMap::new();
        let reads_no_cloud = sources::reads_no_cloud();
        for disk in &self.inventory.disks {
            let generation = generations.get(&disk.device.name).copied().unwrap_or_default();
            let no_clouds = match reads_no_cloud {
                true => labelled(&disk.device, NO_CLOUD_LABEL),
                false => Vec::new(),
            };
            let volumes_on_it = labelled(&disk.device, ANSWERS_LABEL)
                .into_iter()
                .map(|(node, filesystem)| (node, filesystem, false))
                .chain(no_clouds.into_iter().map(|(node, fs)| (node, fs, true)));
            for (node, filesystem, is_no_cloud) in volumes_on_it {
                let said = match self.inventory.volumes.remove(&node) {
                    Some((then, said)) if then == generation => said,
                    _ => {
                        let volume = node.clone();
                        let read = tokio::task::spawn_blocking(move || match is_no_cloud {
                            true => sources::read_no_cloud(&volume, &filesystem),
                            false => vec![sources::read_volume(&volume, &filesystem)],
                        });
                        match tokio::time::timeout(probe::PATIENCE, read).await {
                            Ok(said) => said?,
                            Err(_) if is_no_cloud => vec![Err(sources::silent_no_cloud(&node))],
                            Err(_) => vec![Err(sources::silent_volume(&node))],
                        }
                    }
                };
                volumes.insert(node, (generation, said));
            }
        }
        self.inventory.volumes = volumes;
        Ok(())
    }

    pub(super) fn publish_disks(&mut self) {
        let answers = self.answers();
        let facts = self.facts(&answers);
        let disks: Vec<_> = self
            .inventory
            .disks
            .iter()
            // Devices made of other devices (RAID, LVM) can't be selected.
            .filter(|disk| disk.device.kind != Kind::Other)
            .map(|disk| DiskView::new(disk, plan::eligible(&facts, disk)))
            .collect();
        if self.inventory.views != disks {
            self.inventory.views.clone_from(&disks);
            self.context.publisher.publish(Event::Disks { disks });
        }
    }

    pub(super) fn facts<'a>(&'a self, answers: &'a Result<Resolved, Problems>) -> Facts<'a> {
        Facts {
            manifest: &self.context.manifest,
            machine: &self.context.machine,
            answers: answers.as_ref(),
            disks: &self.inventory.disks,
            quiet: self.arrivals.are_quiet(),
            choices: &self.user.choices,
            checked: &self.checks.results,
            passphrase: self.passphrase().map(|found| found.map(|one| one.origin)),
        }
    }
}

/// The file systems on a device that have this label, in capital or small letters, with their type.
///
/// A file system on the whole device goes for what it is: a FAT's boot sector can look like a
/// partition table that has the same FAT in it once more.
fn labelled(device: &Device, wanted: &str) -> Vec<(PathBuf, String)> {
    let volume = |node: &PathBuf, label: &Option<String>, filesystem: &Option<String>| {
        let ours = label.as_ref().is_some_and(|l| l.eq_ignore_ascii_case(wanted));
        Some((node.clone(), filesystem.clone()?)).filter(|_| ours)
    };
    if let Some(whole) = volume(&device.node, &device.label, &device.filesystem) {
        return vec![whole];
    }
    device.partitions.iter().filter_map(|p| volume(&p.node, &p.label, &p.filesystem)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Partition;

    #[test]
    fn a_volume_is_one_even_if_its_boot_sector_looks_like_a_partition_table() {
        let (label, filesystem) = (Some("nixvm".to_owned()), Some("vfat".to_owned()));
        let node = PathBuf::from("/dev/sdb1");
        let partition = Partition { node, label, filesystem, ..Partition::default() };
        let mut stick = Device { node: "/dev/sdb".into(), ..Device::default() };
        stick.partitions = vec![partition.clone(), Partition::default()];
        assert_eq!(labelled(&stick, ANSWERS_LABEL), [("/dev/sdb1".into(), "vfat".to_owned())]);
        (stick.label, stick.filesystem) = (partition.label, partition.filesystem);
        assert_eq!(labelled(&stick, ANSWERS_LABEL), [("/dev/sdb".into(), "vfat".to_owned())]);
    }
}
