//! The power goes → what the next start of the ISO makes of the disk.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::install::boots;
use super::{BOTH, Scenario};
use crate::bench::Bench;
use crate::vm::Vm;

/// A scenario that cuts the power in one step.
macro_rules! cut {
    ($name:literal, $step:literal, $daily:literal) => {
        Scenario {
            name: $name,
            fault: concat!("the power goes in the step ", $step),
            expected: "the next start of the ISO starts over by itself, or the whole system boots",
            archs: BOTH,
            daily: $daily,
            run: |bench| power_cut(bench, $step),
        }
    };
}

pub(super) const SCENARIOS: &[Scenario] = &[
    cut!("power-cut-partition", "partition", false),
    cut!("power-cut-configure", "configure", false),
    cut!("power-cut-system", "system", true),
    cut!("power-cut-account", "account", false),
    cut!("power-cut-boot-loader", "boot-loader", false),
    cut!("power-cut-verify", "verify", false),
    cut!("power-cut-handover", "handover", true),
];

fn power_cut(bench: &Bench<'_>, step: &str) -> Result<()> {
    let mut config = bench.machine()?;
    config.disks = vec![bench.disk("target")?];
    let mut vm = bench.start(&config, "cut")?;
    vm.event(step, 180, |event| event["event"] == "step-started" && event["step"] == step)?;
    vm.kill()?;

    let mut vm = bench.start(&config, "again")?;
    match next(&mut vm, 180)? {
        Next::Installed => vm.kill()?,
        Next::Verdict(verdict) => {
            // The power may have gone between the receipt and the loader.
            let whole = step == "handover" && verdict["outcome"] == "already-installed";
            ensure!(whole || verdict["outcome"] == "installed", "it ended so: {verdict}");
            vm.wait_off(60)?;
        }
    }
    boots(bench, &config)
}

/// What becomes of a machine that is left alone.
pub(super) enum Next {
    /// It shows the installed system's login prompt.
    Installed,
    /// The installer came to a verdict.
    Verdict(Value),
}

/// Waits until an installer has come to a verdict or an installed system asks for a login.
pub(super) fn next(vm: &mut Vm, seconds: u64) -> Result<Next> {
    let deadline = Instant::now() + vm.accelerator.time(seconds);
    let tick = Duration::from_millis(500);
    while Instant::now() < deadline {
        if vm.serial.text().contains("nixvm login: ") {
            return Ok(Next::Installed);
        }
        if let Some(verdict) = vm.verdict_within(tick)? {
            return Ok(Next::Verdict(verdict));
        }
    }
    bail!("neither an installer's verdict nor a login prompt came");
}
