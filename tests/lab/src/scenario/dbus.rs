//! Programs that watch and control an install: over D-Bus and by the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Scenario;
use super::steps::{await_copy, await_countdown, await_installed, boots};
use crate::build::Arch;
use crate::fixture::Fixture;
use crate::setup;
use crate::vm::Vm;
use crate::words::{event, key, outcome, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("steered-by-programs")
        .fault(
            "a second disk comes and goes; others than root call methods; a wrong token; the \
                countdown, then the copy is cancelled; a retry: all by D-Bus and the command line",
        )
        .expected("each is followed or refused, every state is seen in order, and it installs")
        .run(steered_by_programs),
    Scenario::new("bus-load")
        .fault("10,000 property reads, and 200 clients that connect and vanish, during the copy")
        .expected("the copy takes no more than a tenth longer, and the journal has every event")
        .only_on(Arch::X86_64)
        .run(bus_load),
];

/// Runs what follows as a user other than root.
const UNPRIVILEGED: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// The installer's object, for busctl.
const OBJECT: &str = "org.nixvm.Installer1 /org/nixvm/Installer1";

/// Every method with what busctl needs to call it.
const METHODS: [&str; 6] = [
    "SelectDisk oa{sv} /org/nixvm/Installer1/disks/vda 0",
    "SetAnswers sa{sv} \"countdown = 0\" 0",
    "Confirm sa{sv} x 0",
    "Cancel",
    "Retry",
    "Finish sa{sv} reboot 0",
];

fn steered_by_programs(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3600\nfinish = 'wait'")?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    let shell = &mut vm.shell;
    // The events' port does not wait for the bus.
    shell.run("until busctl --quiet status org.nixvm.Installer1; do sleep 0.2; done")?;

    let tree = shell.run(&format!("busctl introspect {OBJECT}"))?;
    for member in [".SelectDisk", ".ConsentToken", ".Event", ".GetManagedObjects"] {
        ensure!(tree.contains(member), "{member} is not served: {tree}");
    }
    others_only_read(&mut vm)?;
    let shell = &mut vm.shell;
    exits(shell.try_run("nixvm-agent confirm 0123456789abcdef")?, 7, "a wrong token")?;
    shell.run(
        "busctl monitor --json=short --match=\"type='signal',path='/org/nixvm/Installer1',\
         member='PropertiesChanged'\" > /root/changes & \
         until [ -s /root/changes ]; do sleep 0.1; done",
    )?;

    let second = fixture.disk("second")?;
    vm.plug(&second, 1)?;
    vm.state(state::CHOOSING_DISK, 60)?;
    let disks = vm.shell.run("nixvm-agent disks --json | jq -r '.[].name' | xargs")?;
    ensure!(disks.contains("vda") && disks.contains("vdb"), "the disks are {disks}");
    vm.shell.run("nixvm-agent select vda")?;
    vm.state(state::COUNTDOWN, 60)?;
    vm.unplug("second")?;
    vm.event("the second disk's end", 60, |event| {
        event["event"] == event::DISKS && !event.to_string().contains("\"vdb\"")
    })?;
    vm.shell.run("nixvm-agent cancel")?;
    vm.event("the countdown's stop", 60, |event| {
        event["event"] == event::STATE && event["message"] == "The countdown was stopped."
    })?;

    let watch = "( nixvm-agent watch --json > /root/watch; echo $? > /root/code ) &";
    vm.shell.run(watch)?;
    vm.confirm()?;
    await_copy(&mut vm)?;
    vm.shell.run("nixvm-agent cancel")?;
    let verdict = vm.verdict(60)?;
    ensure!(verdict["outcome"] == outcome::CANCELLED, "it was not cancelled: {verdict}");
    let shell = &mut vm.shell;
    shell.run("until [ -s /root/code ]; do sleep 0.1; done")?;
    let code = shell.run("cat /root/code")?;
    ensure!(code == "4", "watch ended with {code}");
    let last = shell.run("tail -n 1 /root/watch | jq -r .outcome")?;
    ensure!(last == "cancelled", "the last line of watch is of {last}");

    shell.run("nixvm-agent retry")?;
    vm.state(state::COUNTDOWN, 60)?;
    vm.confirm()?;
    await_installed(&mut vm)?;
    states_in_order(&mut vm)?;
    journal_is_complete(&mut vm)?;
    serial_console_is_plain(&vm)?;
    progress_is_honest(&vm)?;
    vm.shell.run("nixvm-agent finish poweroff")?;
    vm.wait_off(60)?;
    boots(fixture, &config)
}

fn exits((code, said): (i32, String), expected: i32, what: &str) -> Result<()> {
    ensure!(code == expected, "{what} ended with {code}: {said}");
    Ok(())
}

/// Every user can read, only root can call methods.
fn others_only_read(vm: &mut Vm) -> Result<()> {
    for method in METHODS {
        let call = format!("{UNPRIVILEGED} busctl call {OBJECT} org.nixvm.Installer1 {method}");
        let (code, said) = vm.shell.try_run(&call)?;
        let denied = code != 0 && said.to_lowercase().contains("access denied");
        ensure!(denied, "{method} by another user ended with {code}: {said}");
    }
    let read = format!("{UNPRIVILEGED} busctl get-property {OBJECT} org.nixvm.Installer1 State");
    let state = vm.shell.run(&read)?;
    ensure!(state == "s \"countdown\"", "another user reads the state {state}");
    vm.shell.run(&format!("{UNPRIVILEGED} nixvm-agent status"))?;
    exits(
        vm.shell.try_run(&format!("{UNPRIVILEGED} nixvm-agent cancel"))?,
        8,
        "another user's cancel",
    )
}

/// Every value of the state, as seen by a client that watches the property. On a busy machine, a
/// disk that is read for longer than a decision waits makes the installer wait for it in between.
fn states_in_order(vm: &mut Vm) -> Result<()> {
    let seen = vm.shell.run(&format!(
        "jq -r '.payload.data[1].State.data // empty' /root/changes | grep -vx {} | xargs",
        state::WAITING_FOR_DISK
    ))?;
    let expected = "choosing-disk countdown awaiting-confirmation installing cancelled countdown \
                    installing installed";
    ensure!(seen == expected, "the states were: {seen}");
    Ok(())
}

/// The journal has every record from the first to the last, once.
fn journal_is_complete(vm: &mut Vm) -> Result<()> {
    let numbers = "journalctl --sync; journalctl --boot --unit nixvm-agent --output json \
        | jq -r '.NIXVM_SEQUENCE // empty' > /root/numbers; \
        seq $(wc -l < /root/numbers) | diff -q - /root/numbers >&2 && wc -l < /root/numbers";
    let count: u64 = vm.shell.run(numbers)?.parse().context("the journal's numbers")?;
    let last = vm.shell.run("nixvm-agent status --json | jq .sequence")?;
    ensure!(count.to_string() == last, "the journal has {count} records of {last}");
    Ok(())
}

/// The serial console has a whole line for each step, among the output of its shell.
fn serial_console_is_plain(vm: &Vm) -> Result<()> {
    let text = vm.serial.text();
    for step in 1..=7 {
        let start = format!("nixvm: [{step}/7] ");
        let (_, rest) = text.rsplit_once(&start).with_context(|| format!("no line {start}"))?;
        let line = rest.split_once('\n').map(|(line, _)| line).unwrap_or_default();
        // The agent returns to the first column itself: it can't know whether the terminal does.
        let line = line.trim_end_matches('\r');
        let plain = !line.is_empty() && line.chars().all(|c| c.is_ascii() && !c.is_control());
        ensure!(plain, "the line of step {step} is {line:?}");
    }
    Ok(())
}

/// The bytes of each attempt never decrease, have one total, and reach it once if it succeeds.
fn progress_is_honest(vm: &Vm) -> Result<()> {
    let text = vm.events.text();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no record: {line}")))
        .collect::<Result<_>>()?;
    for attempt in records.split(|record| record["event"] == event::ATTEMPT_STARTED).skip(1) {
        let progress: Vec<(u64, u64)> = attempt
            .iter()
            .filter(|record| record["event"] == event::PROGRESS)
            .filter_map(|one| {
                Some((one[key::BYTES_DONE].as_u64()?, one[key::BYTES_TOTAL].as_u64()?))
            })
            .collect();
        ensure!(progress.is_sorted(), "the bytes go back: {progress:?}");
        let same = progress.windows(2).all(|pair| pair[0].1 == pair[1].1);
        ensure!(same, "the total changes: {progress:?}");
        let whole = progress.iter().filter(|(done, total)| done == total).count();
        let verdict = attempt.iter().find(|record| record["event"] == event::ATTEMPT_ENDED);
        if verdict.is_some_and(|verdict| verdict["outcome"] == outcome::INSTALLED) {
            ensure!(whole == 1, "the total is reached {whole} times: {progress:?}");
        }
    }
    Ok(())
}

fn bus_load(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine_with_disk()?;
    config.answers = Some(fixture.answers("countdown = 3\nfinish = 'wait'")?);
    let load = load_generator(fixture)?;
    config.extra.push("-fw_cfg".to_owned());
    config.extra.push(format!("name=opt/org.nixvm.lab/bus-load,file={}", load.display()));
    let mut vm = fixture.start(&config, "install")?;
    // The first copy fills the caches; what follows is alike but for the load.
    await_installed(&mut vm)?;
    vm.shell.run(
        "cp /sys/firmware/qemu_fw_cfg/by_name/opt/org.nixvm.lab/bus-load/raw /root/bus-load && \
         chmod +x /root/bus-load",
    )?;
    let quiet = copy_again(&mut vm, None)?;
    let loaded = copy_again(&mut vm, Some("/root/bus-load 10000 200 > /root/load 2>&1 &"))?;
    let quiet_again = copy_again(&mut vm, None)?;
    vm.shell.run("until [ -s /root/load ]; do sleep 0.5; done")?;
    let load = vm.shell.run("cat /root/load")?;
    let ratio = loaded / quiet.max(quiet_again);
    let said = format!(
        "copy {quiet:.1} s and {quiet_again:.1} s when quiet, {loaded:.1} s under load: {ratio:.2} \
         ({load})"
    );
    std::fs::write(fixture.folder.join("load.txt"), &said)?;
    let done: Value = serde_json::from_str(&load).with_context(|| load.clone())?;
    ensure!(done["reads"] == 10_000 && done["clients"] == 200, "the load was {load}");
    journal_is_complete(&mut vm)?;
    ensure!(ratio < 1.1, "{said}");
    vm.kill()
}

/// Installs once more on the same disk; returns the seconds that the copy took.
fn copy_again(vm: &mut Vm, meanwhile: Option<&str>) -> Result<f64> {
    vm.shell.run("nixvm-agent select vda")?;
    vm.event("the plan", 60, |event| event["event"] == event::PLAN)?;
    vm.confirm()?;
    await_copy(vm)?;
    if let Some(command) = meanwhile {
        vm.shell.run(command)?;
    }
    let end = vm.event("the copy's end", 180, |event| {
        event["event"] == event::STEP_FINISHED && event["step"] == "system"
    })?;
    await_installed(vm)?;
    end[key::DURATION_SECONDS].as_f64().context("the copy took no time")
}

/// Compiles the program that makes the load.
fn load_generator(fixture: &Fixture<'_>) -> Result<PathBuf> {
    let mut cargo = setup::cargo();
    cargo.current_dir(&fixture.lab.project);
    cargo.args(["build", "--release", "--quiet", "--package", "nixvm-agent"]);
    cargo.args(["--example", "bus-load"]);
    fixture.lab.commands.run_command(&mut cargo)?;
    Ok(fixture.lab.project.join("target/release/examples/bus-load"))
}
