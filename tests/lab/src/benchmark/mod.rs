//! A generated system on an ISO → what each way to copy it to a disk costs, and whether the installer's
//! own leaves the right result: `cargo xtask bench copy`; [`install()`] measures in a machine.
//!
//! All ways are measured in one run and in turn, each onto a fresh ext4, with cold caches, up to the
//! moment when everything is registered and on the disk. Absolute times say something about the
//! machine; ratios say something about the ways.

mod disk;
mod install;
mod measure;
mod methods;
mod plot;
mod record;
mod report;
mod scaling;
mod store;
mod tree;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::build::Lab;
use crate::{say, setup};
pub use install::install;

use disk::{Live, Target};
use measure::Bench;
use methods::Method;
use record::Record;
use report::Report;

/// What to measure.
pub struct Options {
    /// Store paths of the generated system.
    pub paths: usize,
    /// Bytes in its files.
    pub bytes: u64,
    /// How often each way is measured.
    pub rounds: usize,
    /// Also measure how the cost grows.
    pub scaling: bool,
    /// Keep the ratios to Nix's ways, for later runs to be compared with.
    pub record: bool,
}

/// The ratios that were recorded, below the project's folder.
const RECORD: &str = "tests/lab/bench-copy.json";

/// Measures; the results are below `folder`.
///
/// # Errors
/// Something can't be made or mounted, a way to copy fails, the installer's leaves something wrong, or
/// has become slower beside the others than was recorded.
pub fn copy(lab: &Lab, options: &Options, folder: &Path) -> Result<()> {
    ensure!(options.paths >= 16, "a benchmark needs at least 16 paths");
    ensure!(options.rounds > 0, "nothing is measured in no round");
    let tools = lab.tools()?;
    let programs = programs(lab)?;
    let store = store::build(lab, &tools, options.paths, options.bytes)?;
    let work = folder.join("work");
    crate::cache::remove(&work)?;
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let bench = Bench {
        commands: &lab.commands,
        tools: &tools,
        programs: &programs,
        live: Live::start(&lab.commands, &work, &tools, &store)?,
        store: &store,
        folder: &work,
    };

    let mut results: report::Results = Method::ALL.map(|method| (method, Vec::new())).into();
    let mut checks = Vec::new();
    let mut rows = Vec::new();
    for round in 1..=options.rounds {
        for (method, runs) in &mut results {
            let target = bench.target()?;
            let run = bench
                .time(&target, &method.script(&store))
                .with_context(|| format!("{} failed", method.name()))?;
            say!("  {round}, {}: {:.2} s, CPU {:.2} s", method.name(), run.wall_s, run.cpu_s);
            runs.push(run);
            if round == 1 && method.installs() {
                rows.push((*method, verify::rows(&bench, &target)?));
            }
            if round == 1 && *method == Method::Ours {
                checks.extend(check(&bench, &target)?);
            }
        }
    }
    checks.push(compare_rows(&rows)?);
    let mut report = Report { store: &store, results, points: Vec::new(), line: None, checks };
    report.publish(folder)?;
    if options.scaling {
        let (points, line) = scaling::measure(&bench)?;
        (report.points, report.line) = (points, Some(line));
        report.publish(folder)?;
    }
    let measured = report.record(options)?;
    drop(report);
    drop(bench);
    crate::cache::remove(&work)?;
    judge(&measured, &lab.project.join(RECORD), options.record)
}

/// Compares with what was recorded, or records.
fn judge(measured: &Record, file: &Path, record: bool) -> Result<()> {
    if record {
        measured.write(file)?;
        say!("recorded in {}", file.display());
        return Ok(());
    }
    let Some(before) = Record::read(file)? else {
        say!("not compared: there is no {RECORD}");
        return Ok(());
    };
    if !measured.is_like(&before) {
        say!("not compared with {RECORD}: it is of another system or number of processors");
        return Ok(());
    }
    let worse = measured.regressions(&before);
    ensure!(
        worse.is_empty(),
        "the installer's copy has become slower beside others than in {RECORD}, by more than 15 % \
         (`--record` keeps the new ratios):\n{}",
        worse.join("\n")
    );
    say!("no ratio is worse than in {RECORD} by more than 15 %");
    Ok(())
}

/// Compiles the installer's copier as a program of its own.
fn programs(lab: &Lab) -> Result<PathBuf> {
    let mut cargo = setup::cargo();
    cargo.current_dir(&lab.project).args(["build", "--release", "--quiet"]);
    cargo.args(["--package", "nixvm-copy", "--example", "copy-closure"]);
    lab.commands.run_command(&mut cargo)?;
    Ok(lab.project.join("target/release/examples"))
}

/// Looks at what the installer's copy has left.
fn check(bench: &Bench, target: &Target) -> Result<Vec<String>> {
    verify::by_nix(bench, target)?;
    let count = verify::by_file(bench, target)?;
    Ok(vec![
        "nix-store --verify --check-contents finds nothing wrong".to_owned(),
        format!(
            "{count} files, folders and links are the image's in type, mode, owner, time, link \
             target and content, without extended attributes, and nothing else is in the store"
        ),
    ])
}

/// The databases must have the same rows, by whichever way they were written.
fn compare_rows(rows: &[(Method, String)]) -> Result<String> {
    let Some((_, ours)) = rows.iter().find(|(method, _)| *method == Method::Ours) else {
        return Ok("no databases".to_owned());
    };
    for (method, others) in rows {
        let different = ours.lines().zip(others.lines()).find(|(a, b)| a != b);
        ensure!(
            ours == others,
            "the database that {} leaves is another one, for example in {different:?}",
            method.name()
        );
    }
    Ok(format!(
        "the database has the same {} rows as that of every other way, but for registrationTime",
        ours.lines().count()
    ))
}
