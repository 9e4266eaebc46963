//! Parts of the closure, of several sizes → what each costs, and how far from linear that is.

use std::fs;

use anyhow::{Context, Result};
use nixvm_copy::Registration;
use nixvm_copy::registration::Entry;
use serde::Serialize;

use super::measure::{Bench, Run, median};
use crate::say;

/// How often each size is measured.
const ROUNDS: usize = 3;

/// Parts of a size, from an eighth to all.
const PARTS: [usize; 4] = [8, 4, 2, 1];

/// One size.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    /// What grows in this row of sizes.
    pub(super) grows: &'static str,
    /// Store paths.
    pub(super) paths: usize,
    /// NAR bytes.
    pub(super) bytes: u64,
    /// Medians.
    #[serde(flatten)]
    pub(super) run: Run,
    /// CPU seconds that the straight line through all points says.
    pub(super) line_cpu_s: f64,
}

/// The line: CPU seconds for a number of paths and bytes.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// For nothing.
    pub(super) seconds: f64,
    /// For 10⁹ NAR bytes more.
    pub(super) seconds_per_gb: f64,
    /// For 1000 paths more.
    pub(super) seconds_per_1000_paths: f64,
    /// The part of the differences that the line explains: 1 if all.
    pub(super) r2: f64,
}

/// Measures the installer's copy at four sizes in each of three rows: both grow, only bytes, only
/// paths.
pub(super) fn measure(bench: &Bench) -> Result<(Vec<Point>, Line)> {
    let mut sizes: Vec<(&'static str, Registration)> = Vec::new();
    let mut all: Vec<_> = bench.store.registration.entries().collect();
    for part in PARTS {
        sizes.push(("both", registration(&all[..all.len() / part])));
    }
    all.sort_by_key(|(_, entry)| entry.size);
    let few = all.len() / 8;
    let most: u64 = all[all.len() - few..].iter().map(|(_, entry)| entry.size).sum();
    for part in PARTS {
        sizes.push(("bytes", registration(window(&all, few, most / part as u64))));
    }
    let half = &all[all.len() / 2 - all.len() / 16..];
    let middle: u64 = half[..all.len() / 2].iter().map(|(_, entry)| entry.size).sum();
    for part in PARTS {
        sizes.push(("paths", registration(window(&all, all.len() / 2 / part, middle))));
    }

    let mut runs = vec![Vec::new(); sizes.len()];
    for round in 1..=ROUNDS {
        for ((grows, size), runs) in sizes.iter().zip(&mut runs) {
            fs::write(bench.folder.join("registration"), size.to_text())?;
            let target = bench.target()?;
            runs.push(bench.time(
                &target,
                "/mnt/bin/copy-closure /mnt/bench/nix-store.squashfs /mnt/run/registration \
                 /mnt/target\n\
                 nix-store --store 'local?root=/mnt/target' --load-db < /mnt/run/registration\n\
                 sync -f /mnt/target\n",
            )?);
            let last = runs.last().context("a run was just made")?;
            say!("  scaling {round}, {grows}, {} paths: {:.2} s", size.len(), last.wall_s);
        }
    }
    let mut points: Vec<_> = sizes
        .iter()
        .zip(runs)
        .map(|((grows, size), runs)| Point {
            grows,
            paths: size.len(),
            bytes: size.total_bytes(),
            run: median(&runs),
            line_cpu_s: 0.0,
        })
        .collect();
    let line = fit(&mut points);
    Ok((points, line))
}

/// The paths alone: what they refer to need not be there.
fn registration(part: &[(&nixvm_copy::StorePath, &Entry)]) -> Registration {
    let mut registration = Registration::default();
    for (path, entry) in part {
        let entry = Entry { references: Vec::new(), deriver: None, ..(*entry).clone() };
        registration.insert((*path).clone(), entry);
    }
    registration
}

/// Among the paths, which are in the order of their sizes, `count` neighbours that come closest to
/// `bytes` together.
fn window<'a, T>(all: &'a [(T, &Entry)], count: usize, bytes: u64) -> &'a [(T, &'a Entry)] {
    let sum = |part: &[(T, &Entry)]| part.iter().map(|(_, entry)| entry.size).sum::<u64>();
    all.windows(count.max(1)).min_by_key(|part| sum(part).abs_diff(bytes)).unwrap_or(all)
}

/// The line with the least squares of its errors.
fn fit(points: &mut [Point]) -> Line {
    let row = |p: &Point| [1.0, p.bytes as f64 / 1e9, p.paths as f64 / 1e3];
    // The normal equations, solved by elimination.
    let mut m = [[0.0; 4]; 3];
    for point in points.iter() {
        let x = row(point);
        for (i, equation) in m.iter_mut().enumerate() {
            for (j, value) in x.iter().enumerate() {
                equation[j] += x[i] * value;
            }
            equation[3] += x[i] * point.run.cpu_s;
        }
    }
    for i in 0..3 {
        let pivot = m[i];
        for (k, equation) in m.iter_mut().enumerate() {
            if k != i {
                let factor = equation[i] / pivot[i];
                equation.iter_mut().zip(pivot).for_each(|(value, p)| *value -= factor * p);
            }
        }
    }
    let solution = [0, 1, 2].map(|i| m[i][3] / m[i][i]);
    let mean = points.iter().map(|p| p.run.cpu_s).sum::<f64>() / points.len() as f64;
    let (mut errors, mut spread) = (0.0, 0.0);
    for point in points {
        point.line_cpu_s = row(point).iter().zip(solution).map(|(x, s)| x * s).sum();
        errors += (point.run.cpu_s - point.line_cpu_s).powi(2);
        spread += (point.run.cpu_s - mean).powi(2);
    }
    let [seconds, seconds_per_gb, seconds_per_1000_paths] = solution;
    Line { seconds, seconds_per_gb, seconds_per_1000_paths, r2: 1.0 - errors / spread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_found_again() {
        let mut points: Vec<_> = [(100, 1), (900, 2), (300, 7), (400, 4)]
            .map(|(paths, gb)| Point {
                grows: "both",
                paths,
                bytes: gb * 1_000_000_000,
                run: Run {
                    wall_s: 0.0,
                    cpu_s: 0.5 + 2.0 * gb as f64 + 3.0 * paths as f64 / 1e3,
                    rss_mb: 0.0,
                },
                line_cpu_s: 0.0,
            })
            .into();
        let line = fit(&mut points);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(line.seconds, 0.5) && close(line.seconds_per_gb, 2.0), "{line:?}");
        assert!(close(line.seconds_per_1000_paths, 3.0) && close(line.r2, 1.0), "{line:?}");
        points[0].run.cpu_s += 10.0;
        assert!(fit(&mut points).r2 < 0.9);
    }
}
