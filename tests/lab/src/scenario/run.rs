//! Scenarios → their results, several machines at a time, in `matrix.md` and `matrix.json`.
//!
//! What passed is not tried again while neither the ISO nor the lab has changed, so a run that was cut
//! off goes on where it was.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Scenario;
use crate::build::{Arch, Lab};
use crate::cache::Key;
use crate::fixture::Fixture;
use crate::say;

/// The result of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// The scenario's name.
    pub name: String,
    /// The machine's architecture.
    pub arch: String,
    /// What was done to the machine.
    pub fault: String,
    /// The expected end.
    pub expected: String,
    /// The actual end: `as expected`, or what went wrong.
    pub got: String,
    /// Whether it ended as expected.
    pub pass: bool,
    /// How long it took.
    pub seconds: f64,
    /// Digest of the ISO and the lab that it was run with.
    pub tried_with: String,
}

/// Runs scenarios and writes their results.
pub struct Runner<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// The machines' architecture.
    pub arch: Arch,
    /// Machines at a time.
    pub jobs: usize,
    /// Where the results are, and below it a folder for each scenario.
    pub folder: PathBuf,
    /// Whether what passed before, with the same ISO and lab, counts.
    pub resume: bool,
}

impl Runner<'_> {
    /// Runs all of `scenarios`, also after one has failed.
    ///
    /// # Errors
    /// The ISO can't be built, or the results can't be written.
    pub fn run(&self, scenarios: &[&Scenario]) -> Result<Vec<ScenarioResult>> {
        let iso = self.lab.iso(self.arch)?;
        crate::vm::accel::best(&self.lab.emulator(self.arch, false)?, self.arch)?;
        let tried_with = tried_with(&iso)?;
        let known = if self.resume { self.known() } else { Vec::new() };
        let mut results = Vec::new();
        let mut queue = VecDeque::new();
        for scenario in scenarios {
            let before = known.iter().find(|one| {
                one.name == scenario.name
                    && one.arch == self.arch.name()
                    && one.pass
                    && one.tried_with == tried_with
            });
            match before {
                Some(outcome) => results.push(outcome.clone()),
                None => queue.push_back(*scenario),
            }
        }
        if !results.is_empty() {
            say!("{} passed before with the same ISO and lab", results.len());
        }
        let total = queue.len();
        let queue = Mutex::new(queue);
        let results = Mutex::new(results);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        // Not `while let`: it would hold the queue while a machine runs.
                        let next = lock(&queue).pop_front();
                        let Some(scenario) = next else { break };
                        let outcome = self.try_one(scenario, &iso, &tried_with);
                        let mut results = lock(&results);
                        results.push(outcome);
                        say!("  ({} of {total} are still to begin)", lock(&queue).len());
                        if let Err(error) = self.write(&results) {
                            say!("error: {error:#}");
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.write(&results)?;
        Ok(results)
    }

    fn try_one(&self, scenario: &Scenario, iso: &Path, tried_with: &str) -> ScenarioResult {
        let started = Instant::now();
        let folder = self.folder.join(self.arch.name()).join(scenario.name);
        let result = Fixture::new(self.lab, self.arch, iso, folder.clone()).and_then(|fixture| {
            let fixture = fixture.shared_by(self.jobs);
            (scenario.run)(&fixture)?;
            fixture.tidy()
        });
        let seconds = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        let (pass, got) = match &result {
            Ok(()) => (true, "as expected".to_owned()),
            Err(error) => (false, format!("{error:#}")),
        };
        if pass {
            say!("ok    {} ({seconds:.0} s)", scenario.name);
        } else {
            say!("FAIL  {} ({seconds:.0} s): {got}; see {}", scenario.name, folder.display());
        }
        ScenarioResult {
            name: scenario.name.to_owned(),
            arch: self.arch.name().to_owned(),
            fault: scenario.fault.to_owned(),
            expected: scenario.expected.to_owned(),
            got,
            pass,
            seconds,
            tried_with: tried_with.to_owned(),
        }
    }

    fn known(&self) -> Vec<ScenarioResult> {
        // What can't be read is tried again.
        fs::read_to_string(self.folder.join("matrix.json"))
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Writes the results; those of other architectures and scenarios stay.
    fn write(&self, results: &[ScenarioResult]) -> Result<()> {
        let mut all = self.known_elsewhere(results);
        all.extend_from_slice(results);
        let order: Vec<_> = super::all().iter().map(|scenario| scenario.name).collect();
        let place = |name: &str| order.iter().position(|one| *one == name);
        all.sort_by_key(|one| (std::cmp::Reverse(one.arch.clone()), place(&one.name)));
        let about = || format!("cannot write the results to {}", self.folder.display());
        fs::create_dir_all(&self.folder).with_context(about)?;
        let json = serde_json::to_string_pretty(&all)? + "\n";
        fs::write(self.folder.join("matrix.json"), json).with_context(about)?;
        fs::write(self.folder.join("matrix.md"), table(&all)).with_context(about)
    }

    fn known_elsewhere(&self, results: &[ScenarioResult]) -> Vec<ScenarioResult> {
        let again = |one: &ScenarioResult| {
            results.iter().any(|new| new.name == one.name && new.arch == one.arch)
        };
        let mut known = self.known();
        known.retain(|one| !again(one));
        known
    }
}

/// The results as a table for people; a dot marks what `cargo xtask test` runs.
fn table(outcomes: &[ScenarioResult]) -> String {
    let mut text = String::from(
        "| scenario | machine | what is done to it | expected | passed | seconds |\n\
         |---|---|---|---|---|---|\n",
    );
    for one in outcomes {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let passed = if one.pass { "yes".to_owned() } else { format!("no: {}", cell(&one.got)) };
        let is_daily = |scenario: &&Scenario| scenario.name == one.name && scenario.daily;
        let mark = if super::all().iter().any(is_daily) { " ●" } else { "" };
        text.push_str(&format!(
            "| {}{mark} | {} | {} | {} | {passed} | {:.0} |\n",
            one.name,
            one.arch,
            cell(&one.fault),
            cell(&one.expected),
            one.seconds
        ));
    }
    text
}

/// Names the ISO and the lab's own program.
fn tried_with(iso: &Path) -> Result<String> {
    let mut key = Key::new("scenario");
    key.add(iso.as_os_str().as_encoded_bytes());
    key.add_path(&std::env::current_exe().context("cannot find this program's file")?)?;
    Ok(key.digest())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_each_and_no_cell_breaks_it() {
        let outcome = ScenarioResult {
            name: "x".into(),
            arch: "x86_64".into(),
            fault: "a|b".into(),
            expected: "c".into(),
            got: "error\nof two lines".into(),
            pass: false,
            seconds: 1.6,
            tried_with: String::new(),
        };
        let text = table(&[outcome.clone(), outcome]);
        assert_eq!(text.lines().count(), 4);
        let row = "| x | x86_64 | a\\|b | c | no: error of two lines | 2 |";
        assert_eq!(text.lines().last(), Some(row));
    }
}
