//! The power goes → what the next start of the ISO makes of the disk.

use anyhow::{Result, ensure};

use super::Scenario;
use super::steps::{Next, boots, next};
use crate::fixture::Fixture;
use crate::words::{event, outcome};

const STARTS_OVER_OR_BOOTS: &str =
    "the next start of the ISO starts over by itself, or the whole system boots";

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("power-cut-partition")
        .fault("the power is cut in the step partition")
        .expected(STARTS_OVER_OR_BOOTS)
        .run(|fixture| power_cut(fixture, "partition")),
    Scenario::new("power-cut-configure")
        .fault("the power is cut in the step configure")
        .expected(STARTS_OVER_OR_BOOTS)
        .run(|fixture| power_cut(fixture, "configure")),
    Scenario::new("power-cut-system")
        .fault("the power is cut in the step system")
        .expected(STARTS_OVER_OR_BOOTS)
        .daily()
        .run(|fixture| power_cut(fixture, "system")),
    Scenario::new("power-cut-account")
        .fault("the power is cut in the step account")
        .expected(STARTS_OVER_OR_BOOTS)
        .run(|fixture| power_cut(fixture, "account")),
    Scenario::new("power-cut-boot-loader")
        .fault("the power is cut in the step boot-loader")
        .expected(STARTS_OVER_OR_BOOTS)
        .run(|fixture| power_cut(fixture, "boot-loader")),
    Scenario::new("power-cut-verify")
        .fault("the power is cut in the step verify")
        .expected(STARTS_OVER_OR_BOOTS)
        .run(|fixture| power_cut(fixture, "verify")),
    Scenario::new("power-cut-handover")
        .fault("the power is cut in the step handover")
        .expected(STARTS_OVER_OR_BOOTS)
        .daily()
        .run(|fixture| power_cut(fixture, "handover")),
];

fn power_cut(fixture: &Fixture<'_>, step: &str) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "cut")?;
    vm.event(step, 180, |event| event["event"] == event::STEP_STARTED && event["step"] == step)?;
    vm.kill()?;

    let mut vm = fixture.start(&config, "again")?;
    match next(&mut vm, 180)? {
        Next::Installed => vm.kill()?,
        Next::Verdict(verdict) => {
            // The power may have gone between the receipt and the loader.
            let whole = step == "handover" && verdict["outcome"] == outcome::ALREADY_INSTALLED;
            ensure!(whole || verdict["outcome"] == outcome::INSTALLED, "unexpected end: {verdict}");
            vm.wait_off(60)?;
        }
    }
    boots(fixture, &config)
}
