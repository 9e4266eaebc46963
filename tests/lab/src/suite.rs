//! The project's sources → the report of `cargo xtask test`, a line for each suite.

use std::io::{BufRead, BufReader};
use std::iter;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::build::{Arch, Lab};
use crate::scenario::{self, Runner};
use crate::{say, setup};

/// A suite's summary where it passes.
type Summary = String;

/// Runs all suites, also after one has failed.
///
/// # Errors
/// At least one failed.
pub fn run(lab: &Lab, jobs: usize) -> Result<()> {
    type Suite<'a> = (&'a str, Box<dyn Fn() -> Result<Summary> + 'a>);
    let suites: [Suite<'_>; 4] = [
        ("format", Box::new(|| format(lab))),
        ("lints", Box::new(|| lints(lab))),
        ("tests", Box::new(|| tests(lab))),
        ("scenarios", Box::new(|| scenarios(lab, jobs))),
    ];
    let mut lines = Vec::new();
    let mut failed = 0;
    for (name, suite) in suites {
        say!("== {name}");
        let started = Instant::now();
        let result = suite();
        let seconds = started.elapsed().as_secs();
        let line = match result {
            Ok(said) => format!("ok    {name}: {said} ({seconds} s)"),
            Err(error) => {
                failed += 1;
                format!("FAIL  {name}: {error:#} ({seconds} s)")
            }
        };
        say!("{line}");
        lines.push(line);
    }
    say!("==");
    for line in lines {
        say!("{line}");
    }
    ensure!(failed == 0, "{failed} suites failed");
    Ok(())
}

fn format(lab: &Lab) -> Result<Summary> {
    succeed(lab, &["fmt", "--all", "--check"])?;
    Ok("as rustfmt formats it".to_owned())
}

fn lints(lab: &Lab) -> Result<Summary> {
    let arguments =
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    succeed(lab, &arguments)?;
    Ok("clippy has none".to_owned())
}

fn succeed(lab: &Lab, arguments: &[&str]) -> Result<()> {
    let mut cargo = setup::cargo();
    let status = cargo
        .args(arguments)
        .current_dir(&lab.project)
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(())
}

/// Unit and integration tests. They run as this process's user, root: some mount and chroot.
fn tests(lab: &Lab) -> Result<Summary> {
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast"];
    // Compiled as the user, who owns target/; run as root, which some tests need.
    let mut build = arguments.to_vec();
    build.push("--no-run");
    build.push("--quiet");
    succeed(lab, &build)?;
    // For the tests that look for it as for any other tool; the host's, where there is one, comes after it.
    let programs = lab.work.join("bin");
    for arch in [Arch::X86_64, Arch::Aarch64] {
        lab.emulator(arch, false)?.write_program(arch, &programs)?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(iter::once(programs).chain(std::env::split_paths(&path)))
        .context("the lab's folder can't be in PATH")?;
    let mut child = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(arguments)
        .current_dir(&lab.project)
        .env("RUST_BACKTRACE", "1")
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let errors = child.stderr.take().context("cargo has an output")?;
    let other = std::thread::spawn(move || count(BufReader::new(errors)));
    let output = child.stdout.take().context("cargo has an output")?;
    let mut counts = count(BufReader::new(output));
    if let Ok(more) = other.join() {
        counts.add(&more);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let Counts { passed, failed, ignored, skipped } = counts;
    let said = format!("{passed} passed, {failed} failed, {} skipped", ignored + skipped);
    if !status.success() {
        bail!("{said}");
    }
    Ok(said)
}

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
    skipped: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.skipped += other.skipped;
    }
}

/// Counts the results that the test programs print, and shows every line that is not a success.
fn count(output: impl BufRead) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().map_while(Result::ok) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let number = |what: &str| -> u64 {
                let mut words = rest.split([' ', ';', '.']).filter(|word| !word.is_empty());
                let mut before = "";
                words
                    .find_map(|word| {
                        let found = (word == what).then(|| before.parse().unwrap_or_default());
                        before = word;
                        found
                    })
                    .unwrap_or_default()
            };
            counts.passed += number("passed");
            counts.failed += number("failed");
            counts.ignored += number("ignored");
        } else if line.starts_with("SKIPPED ") {
            counts.skipped += 1;
            say!("{line}");
        } else if !is_routine(&line) {
            say!("{line}");
        }
    }
    counts
}

fn is_routine(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || line.starts_with("running ")
        || line.starts_with("Running ")
        || line.starts_with("Doc-tests ")
        || line.starts_with("Finished ")
        || (line.starts_with("test ") && line.ends_with(" ok"))
}

fn scenarios(lab: &Lab, jobs: usize) -> Result<Summary> {
    let arch = Arch::X86_64;
    let daily: Vec<_> = scenario::all()
        .into_iter()
        .filter(|scenario| scenario.daily && scenario.archs.contains(&arch))
        .collect();
    let folder = lab.project.join("target/vm/test");
    let runner = Runner { lab, arch, jobs, folder, resume: false };
    let outcomes = runner.run(&daily)?;
    let failed: Vec<_> =
        outcomes.iter().filter(|one| !one.pass).map(|one| one.name.as_str()).collect();
    ensure!(
        failed.is_empty(),
        "{} of {} failed: {}",
        failed.len(),
        outcomes.len(),
        failed.join(", ")
    );
    Ok(format!("{} passed on booted machines", outcomes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_and_skips_are_not_passed_over() {
        let said = "running 2 tests\ntest a ... ok\n\nSKIPPED b: no such thing\n\
            test result: ok. 12 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; \
            finished in 0.00s\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n";
        let counts = count(said.as_bytes());
        assert_eq!((counts.passed, counts.failed), (15, 1));
        assert_eq!((counts.ignored, counts.skipped), (3, 1));
    }
}
