//! A script → what it took: wall time, CPU time and memory, of all its processes and threads.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::disk::{Live, NIX_CONFIG, Target};
use super::store::BenchStore;
use crate::command::{Chroot, CommandLog};

/// One run, or the medians of several.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Run {
    /// Seconds.
    pub(super) wall_s: f64,
    /// Seconds in user and kernel mode.
    pub(super) cpu_s: f64,
    /// The largest process at its largest, in 10⁶ bytes.
    pub(super) rss_mb: f64,
}

/// Runs scripts among the lab's tools.
pub(super) struct Bench<'a> {
    pub(super) commands: &'a CommandLog,
    pub(super) tools: &'a Path,
    /// Holds the copier.
    pub(super) programs: &'a Path,
    pub(super) store: &'a BenchStore,
    pub(super) live: Live<'a>,
    /// For what is made on the way.
    pub(super) folder: &'a Path,
}

impl Bench<'_> {
    /// A target to copy to.
    pub(super) fn target(&self) -> Result<Target<'_>> {
        let bytes = 2 * self.store.registration.total_bytes() + (1 << 30);
        Target::fresh(self.commands, self.folder, bytes)
    }

    /// Runs `script` with cold caches.
    ///
    /// GNU time asks the kernel by wait4: children that were waited for are counted, with all their
    /// threads. What the kernel does in threads of its own is not, for no method.
    pub(super) fn time(&self, target: &Target, script: &str) -> Result<Run> {
        self.commands.run("sync", [""; 0])?;
        fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop the caches")?;
        fs::write(self.folder.join("script"), script)?;
        let arguments = "-o /mnt/run/time -f '%e %U %S %M' sh -e /mnt/run/script";
        self.run(target, &format!("/usr/bin/time {arguments}"))?;
        let text = fs::read_to_string(self.folder.join("time"))?;
        let numbers: Vec<f64> =
            text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(numbers.len() == 4, "GNU time said {text:?}");
        Ok(Run {
            wall_s: numbers[0],
            cpu_s: numbers[1] + numbers[2],
            rss_mb: numbers[3] * 1024.0 / 1e6,
        })
    }

    /// Runs a shell command there; returns what it printed, trimmed.
    pub(super) fn run(&self, target: &Target, script: &str) -> Result<String> {
        let chroot = Chroot::new(self.tools)
            .bind(&self.store.folder, "/mnt/bench")
            .bind(self.programs, "/mnt/bin")
            .bind(self.folder, "/mnt/run")
            .bind(target.place(), "/mnt/target");
        let mut command = self.live.enter(chroot).command("sh");
        command.args(["-ec", script]).env("NIX_CONFIG", NIX_CONFIG);
        Ok(self.commands.output(&mut command)?.trim().to_owned())
    }
}

/// The median of each number.
pub(super) fn median(runs: &[Run]) -> Run {
    let of = |number: fn(&Run) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(number).collect();
        all.sort_by(f64::total_cmp);
        match all.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => all[n / 2],
            n => (all[n / 2 - 1] + all[n / 2]) / 2.0,
        }
    };
    Run { wall_s: of(|r| r.wall_s), cpu_s: of(|r| r.cpu_s), rss_mb: of(|r| r.rss_mb) }
}

/// The median of the ratios of runs that were made in the same round.
pub(super) fn median_ratio(runs: &[Run], others: &[Run], number: fn(&Run) -> f64) -> f64 {
    let ratios: Vec<Run> = runs
        .iter()
        .zip(others)
        .map(|(a, b)| Run { wall_s: number(a) / number(b), cpu_s: 0.0, rss_mb: 0.0 })
        .collect();
    median(&ratios).wall_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_each_number_alone_and_ratios_of_each_round() {
        let run = |wall_s, cpu_s| Run { wall_s, cpu_s, rss_mb: 1.0 };
        let runs = [run(3.0, 1.0), run(1.0, 3.0), run(2.0, 2.0)];
        assert_eq!(median(&runs), run(2.0, 2.0));
        assert_eq!(median(&runs[..2]), run(2.0, 2.0));
        let others = [run(3.0, 1.0), run(2.0, 1.0), run(1.0, 1.0)];
        assert!((median_ratio(&runs, &others, |r| r.wall_s) - 1.0).abs() < 1e-9);
    }
}
