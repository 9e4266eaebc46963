//! An ISO → a machine installed from it, booted from its own disk, logged in to and checked from
//! inside: `cargo xtask vm`.
//!
//! Pictures are taken at events, once the screen shows them, never after a fixed time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use nixvm_answers::document;
use serde_json::{Map, Value, json};

use crate::build::{Arch, Lab};
use crate::fixture::Fixture;
use crate::guest_checks::{Expected, PASSWORD_HASH};
use crate::say;
use crate::vm::Vm;
use crate::vm::config::{Config, Firmware};
use crate::vm::profile::Profile;
use crate::words::{event, key, outcome, state};

/// What to install, and on what.
pub struct Options {
    /// The machine.
    pub arch: Arch,
    /// The ISO; None: the stand-in, built if need be.
    pub iso: Option<PathBuf>,
    /// The answers file; None: the lab answers only the password.
    pub answers: Option<PathBuf>,
    /// The password that these answers have the hash of.
    pub password: Option<String>,
    /// The disks' sizes in bytes.
    pub disks: Vec<u64>,
    /// By BIOS, which the installer refuses.
    pub bios: bool,
    /// The product whose machine it resembles.
    pub profile: Option<&'static Profile>,
    /// Show the screen in a window.
    pub display: bool,
    /// Leave disk and variables in place.
    pub keep: bool,
}

/// Installs and boots; the results are in `folder`.
///
/// # Errors
/// Anything on the way to the login failed.
pub fn run(lab: &Lab, options: &Options, folder: &Path) -> Result<()> {
    let iso = match &options.iso {
        Some(iso) => {
            iso.canonicalize().with_context(|| format!("cannot find {}", iso.display()))?
        }
        None => lab.iso(options.arch)?,
    };
    let fixture = Fixture::new(lab, options.arch, &iso, folder.to_owned())?;
    let mut summary = Summary::new(folder);
    let result = install_and_boot(&fixture, options, &mut summary);
    let verdict = match &result {
        Ok(()) => "logged in".to_owned(),
        Err(error) => format!("failed: {error:#}"),
    };
    summary.set("verdict", json!(verdict))?;
    if !options.keep && result.is_ok() {
        fixture.tidy()?;
    }
    say!("{} See {}", if result.is_ok() { "Done." } else { "Failed." }, folder.display());
    result
}

fn install_and_boot(fixture: &Fixture<'_>, options: &Options, summary: &mut Summary) -> Result<()> {
    crate::build::link(&fixture.iso, &fixture.folder.join("installer.iso"))?;
    // Another ISO has no shell for the lab.
    let stand_in = options.iso.is_none();
    let config = machine(fixture, options)?;
    summary.set("versions", versions(&config))?;

    let mut phase = Phase::start(summary);
    let mut vm = fixture.start(&config, "install")?;
    install(&mut vm, stand_in, &mut phase, &fixture.folder)?;
    vm.wait_off(60)?;
    phase.lap("shutdown")?;

    let mut installed = Config { cd: None, answers: None, ..config };
    if let Some(profile) = options.profile {
        profile.make_bootable(&mut installed);
    }
    let mut vm = fixture.start(&installed, "boot")?;
    let expected = expected(options)?;
    expected.log_in(&mut vm)?;
    phase.lap("boot to login")?;
    say!("logged in as {}", expected.username);
    if stand_in && options.password.is_none() {
        log_in_on_screen(&mut vm, &expected).context("cannot log in on tty1")?;
    }
    vm.screenshot(&fixture.folder.join("screens/4-login.png"))?;
    if stand_in {
        expected.check(&mut vm)?;
        phase.lap("checks from inside")?;
    } else {
        say!("this is not the lab's own ISO: the system is not checked from inside");
    }
    vm.kill()
}

/// Follows an install to its successful end, with pictures.
fn install(vm: &mut Vm, stand_in: bool, phase: &mut Phase<'_>, folder: &Path) -> Result<()> {
    phase.summary.set("accelerator", json!(vm.accelerator.to_string()))?;
    let screens = folder.join("screens");
    // Another ISO has no shell through which the lab could read the screen.
    let picture = |vm: &mut Vm, shows: &str, name: &str| match stand_in {
        true => vm.screen(shows, &screens.join(name)),
        false => vm.screenshot(&screens.join(name)),
    };
    let ready = vm.event("first screen", 60, |event| event["event"] == event::SCREEN_READY)?;
    phase.summary.set("first-screen-seconds", ready[key::DURATION_SECONDS].clone())?;
    phase.lap("power-on to first screen")?;
    vm.event("countdown", 60, |event| event["event"] == event::COUNTDOWN)?;
    picture(vm, "Starting in", "1-countdown.png")?;
    vm.state(state::INSTALLING, 60)?;
    phase.lap("countdown")?;
    // A third of the bytes: the bar, the rate and the time left are on the screen by then.
    vm.event("a third of the copy", 120, |event| {
        let bytes = |key| event[key].as_u64().unwrap_or_default();
        event["event"] == event::PROGRESS
            && bytes(key::BYTES_DONE) > 0
            && 3 * bytes(key::BYTES_DONE) >= bytes(key::BYTES_TOTAL)
    })?;
    picture(vm, " copied", "2-copying.png")?;
    let verdict = vm.verdict(120)?;
    phase.summary.set("peak-resident-bytes", verdict[key::PEAK_RESIDENT_BYTES].clone())?;
    ensure!(verdict["outcome"] == outcome::INSTALLED, "the install did not succeed: {verdict}");
    picture(vm, "is installed", "3-installed.png")?;
    phase.lap("install")?;
    say!("installed; restarting");
    Ok(())
}

/// Logs in on tty1 as a user does at the keyboard, and runs a command.
fn log_in_on_screen(vm: &mut Vm, expected: &Expected) -> Result<()> {
    vm.await_screen(&format!("{} login:", expected.hostname))?;
    vm.qmp.type_text(&format!("{}\n", expected.username))?;
    vm.await_screen("Password:")?;
    vm.qmp.type_text(&format!("{}\n", expected.password))?;
    vm.await_screen("$")?;
    vm.qmp.type_text("id\n")?;
    vm.await_screen("uid=1000")
}

fn machine(fixture: &Fixture<'_>, options: &Options) -> Result<Config> {
    let mut config = fixture.machine()?;
    if options.bios {
        config.firmware = Firmware::Bios;
    }
    for (position, size) in options.disks.iter().enumerate() {
        config.disks.push(fixture.disk_of(&format!("disk{position}"), *size)?);
    }
    if let Some(profile) = options.profile {
        profile.apply(&mut config);
        if profile.is_small() {
            say!("{} gives {} MiB, which is too little", profile.name, profile.memory_mib);
        }
    }
    let mut text = match &options.answers {
        Some(file) => fs::read_to_string(file)
            .with_context(|| format!("cannot read the answers file {}", file.display()))?,
        None => String::new(),
    };
    if options.password.is_none() {
        // Before any table of the file's own.
        text.insert_str(0, &format!("password-hash = '{PASSWORD_HASH}'\n"));
    }
    config.answers = Some(fixture.answers_without_password(&text)?);
    if options.display {
        config.emulator = fixture.lab.emulator(options.arch, true)?;
        config.display = true;
    }
    Ok(config)
}

/// What the answers make of the machine.
fn expected(options: &Options) -> Result<Expected> {
    let mut expected = Expected::default();
    if let Some(file) = &options.answers {
        let answers = document::read(file).map_err(|problems| anyhow!("{problems}"))?.answers;
        expected.hostname = answers.hostname.map_or(expected.hostname, |name| name.to_string());
        expected.username = answers.username.map_or(expected.username, |name| name.to_string());
    }
    if let Some(password) = &options.password {
        expected.password.clone_from(password);
    }
    Ok(expected)
}

/// Versions of the programs that took part, where they can be found out.
fn versions(config: &Config) -> Value {
    let first_line = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    };
    let changelog = config.emulator.changelog(config.firmware_package());
    json!({
        "qemu": config.emulator.version(config.arch).ok(),
        "firmware": first_line("gzip", &["-dc", &changelog.to_string_lossy()]),
        "nixvm": env!("CARGO_PKG_VERSION"),
        "rustc": first_line("rustc", &["--version"]),
    })
}

/// `summary.json`, written anew at each change: a run that is cut off leaves what it knew.
struct Summary {
    file: PathBuf,
    values: Map<String, Value>,
}

impl Summary {
    fn new(folder: &Path) -> Self {
        Self { file: folder.join("summary.json"), values: Map::new() }
    }

    fn set(&mut self, key: &str, value: Value) -> Result<()> {
        self.values.insert(key.to_owned(), value);
        let text = serde_json::to_string_pretty(&self.values)? + "\n";
        fs::write(&self.file, text).with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// Times the phases of the run.
struct Phase<'a> {
    summary: &'a mut Summary,
    seconds: Map<String, Value>,
    since: Instant,
}

impl<'a> Phase<'a> {
    fn start(summary: &'a mut Summary) -> Self {
        Self { summary, seconds: Map::new(), since: Instant::now() }
    }

    fn lap(&mut self, phase: &str) -> Result<()> {
        let seconds = (self.since.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        say!("  {phase}: {seconds} s");
        self.since = Instant::now();
        self.seconds.insert(phase.to_owned(), json!(seconds));
        self.summary.set("seconds", Value::Object(self.seconds.clone()))
    }
}
