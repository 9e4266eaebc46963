//! The power goes → what the next start of the ISO makes of the disk.

use anyhow::{Result, ensure};

use super::Scenario;
use super::steps::{
    Next, await_installed, await_installed_and_off, boots, does_not_boot, does_not_boot_by, next,
};
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
    Scenario::new("power-cut-before-receipt")
        .fault(
            "a shell in /mnt delays the handover and the power is cut, with boot entries in NVRAM \
             that lead to the disk's loaders",
        )
        .expected("the disk does not boot by itself, and the next start of the ISO starts over")
        .run(power_cut_before_receipt),
    Scenario::new("power-cut-after-receipt")
        .fault("a disk as a power cut leaves it between the receipt and the loaders")
        .expected("does not boot by itself; the next start of the ISO completes it, and it boots")
        .run(power_cut_after_receipt),
];

/// Makes a boot entry for each program on the ESP but the kernels, by the name that it will have.
const ENTRIES: &str = r#"cd /run/nixvm/esp && find EFI -name '*.efi*' -not -path 'EFI/nixos/*' -o \
    -name '*.EFI*' | sed 's/\.withheld$//' | while read -r file; do
    efibootmgr --quiet --create --disk /dev/vda --part 1 --label "trap $file" \
        --loader "\\$(echo "$file" | tr / '\\')" >&2 && echo "$file"
done"#;

fn power_cut_before_receipt(fixture: &Fixture<'_>) -> Result<()> {
    let config = fixture.machine_with_disk()?;
    let mut vm = fixture.start(&config, "cut")?;
    vm.event("the boot loader", 180, |event| {
        event["event"] == event::STEP_STARTED && event["step"] == "verify"
    })?;
    vm.shell.run("cd /mnt && (sleep 600 > /dev/null 2>&1 &)")?;
    let warning = vm.event("the warning", 120, |event| event["event"] == event::WARNING)?;
    ensure!(warning["message"].to_string().contains("files below /mnt"), "it warns of {warning}");
    let entries = vm.shell.run(ENTRIES)?;
    for loader in ["EFI/BOOT/BOOT", "EFI/systemd/systemd-boot"] {
        ensure!(entries.contains(loader), "there is no {loader}* among {entries}");
    }
    vm.shell.run("test ! -e /run/nixvm/esp/EFI/nixvm/installed && sync")?;
    vm.kill()?;
    does_not_boot(fixture, &config)?;
    does_not_boot_by(fixture, &config)?;

    let mut vm = fixture.start(&config, "again")?;
    await_installed_and_off(&mut vm)?;
    boots(fixture, &config)
}

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

/// Withholds every program on the ESP but the kernels, as the handover does before the receipt.
const WITHHOLD: &str = "mount /dev/vda1 /media && cd /media/EFI && \
    for file in BOOT/* systemd/*; do mv $file $file.withheld && echo $file; done && \
    cd / && umount /media && sync";

fn power_cut_after_receipt(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "cut")?;
    await_installed(&mut vm)?;
    let withheld = vm.shell.run(WITHHOLD)?;
    ensure!(withheld.contains("systemd/systemd-boot"), "only {withheld} is withheld");
    vm.kill()?;
    does_not_boot(fixture, &config)?;

    config.answers = Some(fixture.answers("countdown = 3")?);
    let mut vm = fixture.start(&config, "again")?;
    let verdict = vm.verdict(180)?;
    ensure!(verdict["outcome"] == outcome::ALREADY_INSTALLED, "unexpected end: {verdict}");
    vm.wait_off(60)?;
    boots(fixture, &config)
}
