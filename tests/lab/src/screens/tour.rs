//! A machine, without a disk at first → every screen that its installer has, one after the other.

use std::fs;

use anyhow::Result;

use super::Recorder;
use super::sizes::Screen;
use super::usage::Usage;
use crate::fixture::Fixture;
use crate::say;
use crate::scenario::steps::{
    choose_install, fill_target, hold_boot_loader, hold_configuration, put_data_on_second,
    release_boot_loader, release_configuration,
};
use crate::vm::Vm;
use crate::vm::accel::{self, Accelerator};
use crate::vm::config::{Config, Firmware};
use crate::words::{event, key, state};

/// Bytes of the disk that is installed to.
const DISK: u64 = 64 << 30;

/// Bytes of the disk with data.
const DATA: u64 = 8 << 30;

/// How long an instruction takes, as a power of two, in nanoseconds: 125 million in a second.
const INSTRUCTION: u32 = 3;

/// No disk at first; a blank one, then one with data beside it; an install that fails, one that is
/// cancelled, and one that succeeds with a password that was typed. Returns the machine.
pub(super) fn install(fixture: &Fixture<'_>, recorder: &Recorder) -> Result<Config> {
    let mut config = machine(fixture)?;
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::WAITING_FOR_DISK, 90)?;
    // A large disk is not filled as fast as the system is copied.
    hold_configuration(&mut vm)?;
    hold_boot_loader(&mut vm)?;
    let mut screen = Screen::new(&mut vm, &fixture.folder)?;
    screen.shows("No usable disk yet", "waiting")?;

    let disk = fixture.disk_of("target", DISK)?;
    screen.become_small()?;
    screen.console.vm.plug(&disk, 1)?;
    countdown(screen.console.vm, u64::MAX)?;
    screen.shows_now("Starting in", "countdown")?;
    screen.become_large()?;
    screen.shows_now("Starting in", "countdown")?;
    screen.console.press(&["x"])?;
    screen.console.vm.state(state::AWAITING_CONFIRMATION, 30)?;
    screen.shows("Press I to install", "held")?;
    dialogs(&mut screen)?;

    let (data, small) = (fixture.disk_of("data", DATA)?, fixture.disk_of("small", 100 << 20)?);
    screen.console.vm.plug(&data, 2)?;
    // One after the other, so that their names are known.
    screen.console.vm.state(state::CHOOSING_DISK, 90)?;
    screen.console.vm.plug(&small, 3)?;
    put_data_on_second(screen.console.vm)?;
    screen.console.shows("ext4 \"photos\"", "back")?;
    screen.console.press(&["down"])?;
    screen.shows("\\x10 2 /dev/vdb", "choosing")?;
    screen.console.press(&["ret"])?;
    screen.shows("Press I to continue", "data")?;
    screen.console.pause_to_read()?;
    screen.console.press(&["i"])?;
    screen.console.type_text("vda\n")?;
    screen.shows("That is not vdb", "erase")?;
    // Two keys that arrive as one would be another one.
    screen.console.press(&["esc"])?;
    screen.console.shows("Press I to continue", "back")?;
    screen.console.press(&["d"])?;
    screen.console.shows("Which disk", "back")?;
    // A countdown that was stopped once does not run again before a retry.
    screen.console.press(&["up", "ret"])?;
    screen.console.shows("Press I to install", "back")?;
    screen.console.pause_to_read()?;
    screen.console.press(&["i"])?;

    fill_target(screen.console.vm)?;
    release_configuration(screen.console.vm)?;
    screen.console.vm.verdict(180)?;
    screen.shows("Installation failed", "failed")?;
    screen.console.press(&["l"])?;
    screen.shows("No space left", "log")?;
    screen.console.press(&["esc"])?;
    for other in [&data.id, &small.id] {
        screen.console.vm.unplug(other)?;
    }
    screen.console.shows("Installation failed", "back")?;
    cancelled(&mut screen)?;
    installed(&mut screen)?;
    recorder.keep(&mut vm, "install")?;
    vm.qmp.press(&["ret"])?;
    vm.wait_off(60)?;
    config.disks = vec![disk];
    Ok(config)
}

fn dialogs(screen: &mut Screen<'_>) -> Result<()> {
    screen.console.pause_to_read()?;
    screen.console.press(&["h", "ctrl-u"])?;
    screen.console.type_text("web_1\n")?;
    screen.shows("is not a host name", "name")?;
    screen.console.press(&["esc"])?;
    screen.console.shows("Press I to install", "back")?;
    screen.console.press(&["k"])?;
    screen.console.type_text("de")?;
    screen.shows("Which keyboard", "keymap")?;
    screen.console.press(&["esc"])?;
    screen.console.shows("Press I to install", "back")?;
    screen.console.press(&["f1"])?;
    screen.shows("What happens", "help")?;
    screen.console.press(&["esc"])?;
    screen.console.shows("Press I to install", "back")
}

/// Retries; the password is typed, and the install cancelled.
fn cancelled(screen: &mut Screen<'_>) -> Result<()> {
    screen.console.pause_to_read()?;
    screen.console.press(&["r"])?;
    screen.console.vm.state(state::INSTALLING, 120)?;
    screen.console.shows("Choose a password", "back")?;
    screen.console.pause_to_read()?;
    screen.console.type_text("secret one\nsecr")?;
    progress(screen.console.vm, 10)?;
    screen.shows(" copied", "copying")?;
    screen.console.type_text("et one\n")?;
    screen.console.shows("The password is set", "back")?;
    screen.console.pause_to_read()?;
    screen.console.press(&["c"])?;
    screen.shows("Cancel the install\\?", "cancel")?;
    screen.console.press(&["y"])?;
    screen.console.vm.state(state::CANCELLED, 60)?;
    screen.console.vm.verdict(30)?;
    screen.shows("Retry starts over", "cancelled")?;
    release_boot_loader(screen.console.vm)
}

/// Retries, and leaves the install alone.
fn installed(screen: &mut Screen<'_>) -> Result<()> {
    screen.console.pause_to_read()?;
    screen.console.press(&["r"])?;
    let vm = &mut *screen.console.vm;
    countdown(vm, 9)?;
    let before = Usage::now(vm)?;
    countdown(vm, 2)?;
    say!("countdown: {}", Usage::now(vm)?.since(&before));
    progress(vm, 1)?;
    let before = Usage::now(vm)?;
    progress(vm, 90)?;
    say!("copy: {}", Usage::now(vm)?.since(&before));
    vm.state(state::INSTALLED, 180)?;
    screen.console.pause_to_read()?;
    screen.console.press(&["x"])?;
    screen.shows("Press Enter to restart", "finished")
}

/// The ISO again, in a machine without firmware variables of an earlier start; no password is typed.
pub(super) fn reinstall(
    fixture: &Fixture<'_>,
    mut config: Config,
    recorder: &Recorder,
) -> Result<()> {
    config.firmware = fixture.firmware("lost")?;
    config.cd_first = true;
    let mut vm = fixture.start(&config, "reinstall")?;
    choose_install(&mut vm)?;
    vm.event("the first screen", 90, |event| event["event"] == event::SCREEN_READY)?;
    let mut screen = Screen::new(&mut vm, &fixture.folder)?;
    screen.become_small()?;
    screen.console.vm.state(state::ALREADY_INSTALLED, 90)?;
    screen.console.vm.verdict(30)?;
    screen.shows_now("Starting it in", "installed-already")?;
    screen.console.press(&["x"])?;
    screen.become_large()?;
    screen.shows_now("Press Enter to start", "installed-already")?;
    screen.console.press(&["i"])?;
    screen.shows("Reinstall on which disk", "reinstall")?;
    screen.console.press(&["ret"])?;
    screen.console.shows("Press I to continue", "back")?;
    screen.console.pause_to_read()?;
    screen.console.press(&["i"])?;
    screen.console.type_text("vda\n")?;
    screen.console.vm.state(state::INSTALLED, 240)?;
    screen.shows("Generated password", "generated")?;
    recorder.keep(&mut vm, "reinstall")?;
    vm.kill()
}

/// Started by a BIOS.
pub(super) fn bios(fixture: &Fixture<'_>, recorder: &Recorder) -> Result<()> {
    let mut config = machine(fixture)?;
    config.firmware = Firmware::Bios;
    refused(fixture, &mut config, "bios", "Enable EFI/UEFI", recorder)
}

/// Answers with mistakes.
pub(super) fn wrong_answers(fixture: &Fixture<'_>, recorder: &Recorder) -> Result<()> {
    let mut config = machine(fixture)?;
    let answers = fixture.folder.join("wrong.toml");
    fs::write(&answers, "hostnme = 'web'\nerase = 'all'\ncountdown = 'soon'\n")?;
    config.answers = Some(answers);
    refused(fixture, &mut config, "answers", "hostnme", recorder)
}

fn refused(
    fixture: &Fixture<'_>,
    config: &mut Config,
    name: &str,
    shows: &str,
    recorder: &Recorder,
) -> Result<()> {
    config.disks = vec![fixture.disk_of("refused", DISK)?];
    let mut vm = fixture.start(config, name)?;
    vm.state(state::REFUSED, 90)?;
    Screen::new(&mut vm, &fixture.folder)?.shows(shows, name)?;
    recorder.keep(&mut vm, name)?;
    vm.kill()
}

/// A machine without disks and without answers. Where it is emulated, its clock counts instructions:
/// on a busy host, a countdown would otherwise be over before there is a picture of it.
fn machine(fixture: &Fixture<'_>) -> Result<Config> {
    let mut config = Config { answers: None, ..fixture.machine()? };
    if matches!(accel::best(&config.emulator, config.arch)?, Accelerator::Tcg(..)) {
        config.extra.extend(["-icount".to_owned(), format!("shift={INSTRUCTION}")]);
    }
    Ok(config)
}

/// Waits until so many seconds are left.
fn countdown(vm: &mut Vm, seconds: u64) -> Result<()> {
    vm.event("the countdown", 90, |event| {
        let left = event[key::SECONDS_LEFT].as_u64();
        event["event"] == event::COUNTDOWN && left.is_some_and(|left| left <= seconds)
    })?;
    Ok(())
}

/// Waits until so many percent are copied.
fn progress(vm: &mut Vm, percent: u64) -> Result<()> {
    vm.event("progress of the copy", 120, |event| {
        let bytes = |key| event[key].as_u64().unwrap_or_default();
        event["event"] == event::PROGRESS
            && 100 * bytes(key::BYTES_DONE) >= percent * bytes(key::BYTES_TOTAL)
            && bytes(key::BYTES_DONE) > 0
    })?;
    Ok(())
}
