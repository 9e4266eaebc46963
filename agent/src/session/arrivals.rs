//! The disks of each survey → since when they are the same ones.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::disk::Disk;
use crate::plan::QUIET;

/// The disks that were there at the last survey, and since when.
#[derive(Default)]
pub(super) struct Arrivals {
    /// Name, sequence number and size in bytes of each.
    disks: BTreeSet<(String, Option<u64>, u64)>,
    /// `None` before the first survey.
    since: Option<Instant>,
}

impl Arrivals {
    /// No disk came for long.
    #[cfg(test)]
    pub(super) fn long_ago() -> Self {
        Self { since: Instant::now().checked_sub(QUIET), ..Self::default() }
    }

    /// Takes in what a survey found.
    pub(super) fn note(&mut self, disks: &[Disk]) {
        let identify = |disk: &Disk| {
            let device = &disk.device;
            (device.name.clone(), device.diskseq, device.size_bytes)
        };
        let disks = disks.iter().map(identify).collect();
        if self.since.is_none() || self.disks != disks {
            self.disks = disks;
            self.since = Some(Instant::now());
        }
    }

    /// Whether they are the same ones for [`QUIET`].
    pub(super) fn are_quiet(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= QUIET)
    }

    /// Ready once they are the same ones for [`QUIET`]; never if they are so already.
    pub(super) async fn quiet(&self) {
        match self.since {
            Some(since) if !self.are_quiet() => tokio::time::sleep_until(since + QUIET).await,
            _ => std::future::pending().await,
        }
    }
}
