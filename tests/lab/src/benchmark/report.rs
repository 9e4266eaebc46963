//! Runs → a table for the terminal, `copy.json` for programs, `copy.svg` to look at.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Options;
use super::measure::{Run, median, median_ratio};
use super::methods::Method;
use super::plot;
use super::record::{Ratios, Record};
use super::scaling::{Line, Point};
use super::store::BenchStore;
use crate::say;

/// All runs, by method.
pub(super) type Results = Vec<(Method, Vec<Run>)>;

/// What was measured.
pub(super) struct Report<'a> {
    pub(super) store: &'a BenchStore,
    pub(super) results: Results,
    pub(super) points: Vec<Point>,
    pub(super) line: Option<Line>,
    /// What was checked, and found right.
    pub(super) checks: Vec<String>,
}

impl Report<'_> {
    /// Writes the files into `folder` and prints the table.
    pub(super) fn publish(&self, folder: &Path) -> Result<()> {
        write(&folder.join("copy.json"), &serde_json::to_string_pretty(&self.json())?)?;
        write(&folder.join("copy.svg"), &plot::svg(&self.title(), &self.results))?;
        say!("{}", self.table());
        say!("see {}", folder.display());
        Ok(())
    }

    fn title(&self) -> String {
        let store = self.store;
        let image = fs::metadata(store.image()).map_or(0, |m| m.len());
        format!(
            "{} store paths, {} files, {:.2} GB; squashfs {:.2} GB, zstd, 1 MiB blocks",
            store.registration.len(),
            store.inodes,
            store.registration.total_bytes() as f64 / 1e9,
            image as f64 / 1e9
        )
    }

    fn runs(&self, method: Method) -> &[Run] {
        self.results.iter().find(|(m, _)| *m == method).map_or(&[], |(_, runs)| runs)
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{}\n| method | wall s | CPU s | peak MB | wall / nixvm | CPU / nixvm |\n\
             |---|---|---|---|---|---|\n",
            self.title()
        );
        let ours = self.runs(Method::Ours);
        for (method, runs) in &self.results {
            let m = median(runs);
            let wall = median_ratio(runs, ours, |r| r.wall_s);
            let cpu = median_ratio(runs, ours, |r| r.cpu_s);
            let _infallible = writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.0} | {wall:.2} | {cpu:.2} |",
                method.name(),
                m.wall_s,
                m.cpu_s,
                m.rss_mb
            );
        }
        if let Some(line) = &self.line {
            text.push_str("\n| grows | paths | GB | wall s | CPU s | line's CPU s |\n|---|---|---|---|---|---|\n");
            for p in &self.points {
                let gb = p.bytes as f64 / 1e9;
                let Run { wall_s, cpu_s, .. } = p.run;
                let _infallible = writeln!(
                    text,
                    "| {} | {} | {gb:.2} | {wall_s:.2} | {cpu_s:.2} | {:.2} |",
                    p.grows, p.paths, p.line_cpu_s
                );
            }
            let _infallible = writeln!(
                text,
                "\nCPU s = {:.2} + {:.2} per GB + {:.2} per 1000 paths; R² {:.3}",
                line.seconds, line.seconds_per_gb, line.seconds_per_1000_paths, line.r2
            );
        }
        for check in &self.checks {
            let _infallible = writeln!(text, "checked: {check}");
        }
        text
    }

    /// The ratios of the other methods to the installer's.
    pub(super) fn record(&self, options: &Options) -> Result<Record> {
        let ours = self.runs(Method::Ours);
        // Of the others, dd and unsquashfs are as fast as the disk is, and so say something of the machine.
        let others = self
            .results
            .iter()
            .filter(|(method, _)| [Method::NixCopy, Method::NixosInstall].contains(method));
        let ratios = others.map(|(method, runs)| {
            let wall = median_ratio(runs, ours, |r| r.wall_s);
            let cpu = median_ratio(runs, ours, |r| r.cpu_s);
            (method.name().to_owned(), Ratios { wall, cpu })
        });
        let processors = std::thread::available_parallelism();
        Ok(Record {
            paths: options.paths,
            bytes: options.bytes,
            processors: processors.context("cannot count the processors")?.get(),
            methods: ratios.collect(),
        })
    }

    fn json(&self) -> Value {
        let mut methods = Map::new();
        let ours = self.runs(Method::Ours);
        for (method, runs) in &self.results {
            let Run { wall_s, cpu_s, rss_mb } = median(runs);
            methods.insert(
                method.name().to_owned(),
                json!({
                    "wall_s": wall_s, "cpu_s": cpu_s, "rss_mb": rss_mb, "runs": runs,
                    "wall_ratio": median_ratio(runs, ours, |r| r.wall_s),
                    "cpu_ratio": median_ratio(runs, ours, |r| r.cpu_s),
                }),
            );
        }
        json!({
            "paths": self.store.registration.len(),
            "files": self.store.inodes,
            "nar_bytes": self.store.registration.total_bytes(),
            "methods": methods,
            "scaling": { "points": self.points, "line": self.line },
            "checks": self.checks,
        })
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
