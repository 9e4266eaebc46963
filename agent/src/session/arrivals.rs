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
    /// They were the same ones for [`QUIET`] at the last survey. A decision and the wait after it have
    /// to agree on that, however long is between them.
    quiet: bool,
}

impl Arrivals {
    /// No disk came for long.
    #[cfg(test)]
    pub(super) fn long_ago() -> Self {
        Self { since: Instant::now().checked_sub(QUIET), quiet: true, ..Self::default() }
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
        self.quiet = self.since.is_some_and(|since| since.elapsed() >= QUIET);
    }

    /// Whether they were the same ones for [`QUIET`] at the last survey.
    pub(super) fn are_quiet(&self) -> bool {
        self.quiet
    }

    /// Ready once they are the same ones for [`QUIET`]; never if the last survey found that already.
    pub(super) async fn quiet(&self) {
        match self.since {
            Some(since) if !self.quiet => tokio::time::sleep_until(since + QUIET).await,
            _ => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::examples::disk;

    /// The wait that follows a decision would otherwise never end if the time was over between them.
    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_even_if_the_time_was_over_before_it_began() {
        let mut arrivals = Arrivals::default();
        arrivals.note(&[disk("vda")]);
        tokio::time::advance(QUIET).await;
        assert!(!arrivals.are_quiet(), "the decision was made by the last survey");
        arrivals.quiet().await;
        arrivals.note(&[disk("vda")]);
        assert!(arrivals.are_quiet());
        let again = tokio::time::timeout(QUIET * 10, arrivals.quiet()).await;
        assert!(again.is_err(), "it would be decided again and again");
        arrivals.note(&[disk("vda"), disk("vdb")]);
        assert!(!arrivals.are_quiet());
        arrivals.quiet().await;
    }
}
