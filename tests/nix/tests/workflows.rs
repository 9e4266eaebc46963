//! The workflows of the public CI, as text: what they pin, and that they run what there is.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use nixvm_nix_tests::project;

/// Workflows and the actions of this repository, each with its text.
fn files() -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for pattern in [".github/workflows/*.yml", ".github/actions/*/action.yml"] {
        for path in glob::glob(&project().join(pattern).to_string_lossy())? {
            let path = path?;
            let text = fs::read_to_string(&path)?;
            files.push((path, text));
        }
    }
    ensure!(files.len() > 5, "only {} files were found", files.len());
    Ok(files)
}

/// The text of each job, with its name.
fn jobs(workflow: &str) -> Vec<(String, String)> {
    let mut jobs: Vec<(String, String)> = Vec::new();
    let lines = workflow.lines().skip_while(|line| *line != "jobs:").skip(1);
    for line in lines {
        let name = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        if let Some(name) = name.filter(|name| !name.starts_with([' ', '#'])) {
            jobs.push((name.to_owned(), String::new()));
        } else if let Some((_, text)) = jobs.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    jobs
}

/// A tag or a branch can be moved to other code.
#[test]
fn actions_of_others_are_pinned_by_commit() -> Result<()> {
    for (path, text) in files()? {
        for line in text.lines() {
            let Some((_, used)) = line.split_once("uses: ") else { continue };
            if used.starts_with("./") {
                let action = project().join(used).join("action.yml");
                ensure!(action.exists(), "{}: there is no {used}", path.display());
                continue;
            }
            let (revision, comment) = used
                .split_once('@')
                .and_then(|(_, revision)| revision.split_once(" # "))
                .with_context(|| format!("{}: {used} names no version", path.display()))?;
            let commit = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
            ensure!(commit && comment.starts_with('v'), "{}: {used}", path.display());
        }
    }
    Ok(())
}

#[test]
fn every_scenario_runs_before_a_change_is_green() -> Result<()> {
    let workflow = fs::read_to_string(project().join(".github/workflows/iso.yml"))?;
    let row = workflow.lines().find_map(|line| line.trim().strip_prefix("scenario: ["));
    let row = row.and_then(|row| row.strip_suffix(']')).context("no list of scenarios")?;
    let mut run: Vec<_> = row.split(", ").map(str::to_owned).collect();
    run.sort();
    let mut there = Vec::new();
    for path in glob::glob(&project().join("tests/*.nix").to_string_lossy())? {
        let name = path?.file_stem().context("no name")?.to_string_lossy().into_owned();
        if !["default", "machines"].contains(&name.as_str()) {
            there.push(name);
        }
    }
    there.sort();
    ensure!(run == there, "the workflow runs {run:?}, and there are {there:?}");
    let jobs = jobs(&workflow);
    let green = jobs.iter().find(|(name, _)| name == "green").context("no job green")?;
    for needed in ["evaluate", "check", "virtual-machine"] {
        ensure!(green.1.contains(needed), "green does not need {needed}");
    }
    Ok(())
}

/// A virtual machine or an image fills a runner's disk, and two builds at once its memory.
#[test]
fn jobs_that_build_make_room_and_build_one_thing_at_a_time() -> Result<()> {
    let action = fs::read_to_string(project().join(".github/actions/nix/action.yml"))?;
    ensure!(action.contains("max-jobs = 1") && action.contains("sudo rm -rf"), "{action}");
    let mut builders = 0;
    for (path, text) in files()? {
        for (name, job) in jobs(&text).iter().filter(|(_, job)| job.contains("nix build")) {
            builders += 1;
            let place = format!("{}: job {name}", path.display());
            ensure!(job.contains("uses: ./.github/actions/nix\n"), "{place} has another Nix");
            ensure!(!job.contains("room: \"false\""), "{place} makes no room");
            let runs_machines = job.contains("vm-");
            ensure!(job.contains("kvm: \"true\"") == runs_machines, "{place}: KVM");
        }
    }
    ensure!(builders >= 4, "only {builders} jobs build");
    Ok(())
}

/// What moves the lock, and what tries the newest nixpkgs, start the ISO from a CD and from a stick.
#[test]
fn newer_nixpkgs_boots_the_iso_as_cd_and_as_stick() -> Result<()> {
    let read = |name: &str| fs::read_to_string(project().join(".github/workflows").join(name));
    for scenario in ["vm-install", "vm-usb-stick"] {
        ensure!(read("newest.yml")?.contains(scenario), "newest.yml lacks {scenario}");
    }
    let lock = read("lock.yml")?;
    let (commit, checks) = (lock.find("git commit"), lock.find("gh workflow run iso.yml"));
    ensure!(commit.is_some() && commit < checks, "lock.yml does not start the checks");
    ensure!(read("iso.yml")?.contains("  workflow_dispatch:"), "they can't be started");
    Ok(())
}
