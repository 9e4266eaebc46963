//! The block devices → the disks with their contents and the answers on them, each read only when
//! something was heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use nixvm_answers::source::Source;
use nixvm_answers::{self as answers, Problems, Resolved, SourceAnswers};

use super::Session;
use super::state::Phase;
use crate::command::Runner;
use crate::disk::eligibility::ANSWERS_LABEL;
use crate::disk::{Content, Device, Disk, Kind, probe};
use crate::event::{DiskView, Event};
use crate::plan::{self, Facts};
use crate::sources;

/// Disks that are read at once.
const AT_ONCE: usize = 8;

/// How long the kernel may take to say what is attached.
const LOOKING: Duration = Duration::from_secs(20);

/// The disks as they were when they were read last.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) disks: Vec<Disk>,
    /// What was read from each device, by kernel name.
    pub(super) probed: BTreeMap<String, Probed>,
    /// The answers on volumes, by device file, with the event count of their disk.
    volumes: BTreeMap<PathBuf, (u64, Result<SourceAnswers, Problems>)>,
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
}

/// What was read from a disk, and what tells whether it is still so.
pub(super) struct Probed {
    /// How many events udev had sent.
    generation: u64,
    /// Sectors written since the disk appeared: not every write makes udev send something.
    written: Option<u64>,
    device: Device,
    content: Content,
}

impl Probed {
    fn disk(&self) -> Disk {
        Disk { device: self.device.clone(), content: self.content.clone() }
    }

    fn is_still(&self, generation: u64, written: Option<u64>, device: &Device) -> bool {
        (self.generation, self.written) == (generation, written) && self.device == *device
    }
}

impl Session {
    /// Reads the disks: waits until udev has handled its queue, and reads those that changed
    /// since.
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
        let mut known = std::mem::take(&mut self.inventory.probed);
        // Not one after the other, as each may be waited for; not all, as each takes memory.
        let probes = attached.devices.into_iter().map(|device| {
            let generation = attached.generations.get(&device.name).copied().unwrap_or_default();
            // Before it is read: what is written meanwhile is found the next time.
            let written = probe::sectors_written(&device.name);
            let before = known.remove(&device.name);
            let runner = &runner;
            async move {
                let content = match before {
                    Some(before) if before.is_still(generation, written, &device) => before.content,
                    _ => probe::content(runner, &device).await?,
                };
                anyhow::Ok(Probed { generation, written, device, content })
            }
        });
        let probed: Vec<_> = stream::iter(probes).buffered(AT_ONCE).try_collect().await?;
        self.inventory.disks = probed.iter().map(Probed::disk).collect();
        self.inventory.probed =
            probed.into_iter().map(|one| (one.device.name.clone(), one)).collect();
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
        let unreadable = |disk: &Disk| disk.content.unreadable.is_some();
        matches!(self.phase, Phase::WaitingForDisk { .. })
            && self.inventory.disks.iter().any(unreadable)
    }

    /// Reads answers volumes that have come, and forgets those that are gone.
    async fn read_volumes(&mut self, generations: &BTreeMap<String, u64>) -> Result<()> {
        let mut volumes = BTreeMap::new();
        for disk in &self.inventory.disks {
            let generation = generations.get(&disk.device.name).copied().unwrap_or_default();
            for (node, filesystem) in answers_volumes(&disk.device) {
                let said = match self.inventory.volumes.remove(&node) {
                    Some((then, said)) if then == generation => said,
                    _ => {
                        let volume = node.clone();
                        let read = tokio::task::spawn_blocking(move || {
                            sources::read_volume(&volume, &filesystem)
                        });
                        match tokio::time::timeout(probe::PATIENCE, read).await {
                            Ok(said) => said?,
                            Err(_) => Err(sources::silent_volume(&node)),
                        }
                    }
                };
                volumes.insert(node, (generation, said));
            }
        }
        self.inventory.volumes = volumes;
        Ok(())
    }

    fn publish_disks(&mut self) {
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

    pub(super) fn answers(&self) -> Result<Resolved, Problems> {
        let volumes = self.inventory.volumes.values().map(|(_, said)| said);
        let found =
            self.context.source_answers.iter().chain(volumes).chain(&self.user.answers).cloned();
        let defaults = self.context.manifest.answer_defaults().map_err(|invalid| {
            Problems::from(answers::Problem::whole(Source::Default, invalid.message, None))
        })?;
        answers::resolve(found, defaults)
    }

    pub(super) fn facts<'a>(&'a self, answers: &'a Result<Resolved, Problems>) -> Facts<'a> {
        Facts {
            manifest: &self.context.manifest,
            machine: &self.context.machine,
            answers: answers.as_ref(),
            disks: &self.inventory.disks,
            choices: &self.user.choices,
            checked: &self.checks.results,
        }
    }
}

/// The file systems on a device that may hold answers, with their type.
///
/// A file system on the whole device goes for what it is: a FAT's boot sector can look like a
/// partition table that has the same FAT in it once more.
fn answers_volumes(device: &Device) -> Vec<(PathBuf, String)> {
    let volume = |node: &PathBuf, label: &Option<String>, filesystem: &Option<String>| {
        let ours = label.as_ref().is_some_and(|l| l.eq_ignore_ascii_case(ANSWERS_LABEL));
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
        assert_eq!(answers_volumes(&stick), [("/dev/sdb1".into(), "vfat".to_owned())]);
        (stick.label, stick.filesystem) = (partition.label, partition.filesystem);
        assert_eq!(answers_volumes(&stick), [("/dev/sdb".into(), "vfat".to_owned())]);
    }
}
