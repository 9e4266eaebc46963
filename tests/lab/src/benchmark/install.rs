//! Two ISOs, one whose store's image the installer reads and one where Nix has to copy → what the step
//! takes in a virtual machine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::build::{Arch, Lab};
use crate::fixture::Fixture;
use crate::say;
use crate::words::{event, key};

/// Installs with each in turn, up to the end of the copy.
///
/// # Errors
/// A machine does not come so far.
pub fn install(lab: &Lab, arch: Arch, rounds: usize, folder: &Path) -> Result<()> {
    ensure!(rounds > 0, "nothing is measured in no round");
    let isos = [("nixvm", lab.iso(arch)?), ("nix copy", lab.iso_without_store_image(arch)?)];
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for ((name, iso), seconds) in isos.iter().zip(&mut seconds) {
            let fixture = Fixture::new(lab, arch, iso, folder.join("work"))?;
            let step = system_step(&fixture, *name == "nix copy")
                .with_context(|| format!("{name} in round {round}"))?;
            say!("  {round}, {name}: {step:.2} s");
            seconds.push(step);
            fixture.tidy()?;
        }
    }
    let mut ratios: Vec<f64> =
        seconds[1].iter().zip(&seconds[0]).map(|(other, ours)| other / ours).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let text = json!({ "nixvm_s": seconds[0], "nix_copy_s": seconds[1], "ratio": ratio });
    let file = folder.join("install.json");
    fs::write(&file, serde_json::to_string_pretty(&text)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    say!("the system step takes nix copy {ratio:.2} times as long; see {}", file.display());
    Ok(())
}

/// Seconds that the step took, as the agent says. `warned`: it has to warn that Nix copies.
fn system_step(fixture: &Fixture<'_>, warned: bool) -> Result<f64> {
    let mut config = fixture.machine()?;
    config.disks.push(fixture.disk("disk0")?);
    let mut vm = fixture.start(&config, "install")?;
    vm.event("first screen", 60, |event| event["event"] == event::SCREEN_READY)?;
    let is_step =
        |event: &serde_json::Value, kind: &str| event["event"] == kind && event["step"] == "system";
    vm.event("copying", 180, |event| is_step(event, event::STEP_STARTED))?;
    let mut warnings = 0;
    let end = vm.event("copied", 180, |event| {
        warnings += usize::from(event["event"] == event::WARNING);
        is_step(event, event::STEP_FINISHED)
    })?;
    ensure!((warnings > 0) == warned, "the installer copied in the other way");
    let seconds =
        end[key::DURATION_SECONDS].as_f64().context("a step that ended says how long it took")?;
    vm.kill()?;
    Ok(seconds)
}
