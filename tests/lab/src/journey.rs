//! An ISO → a machine that was installed from it, booted from its own disk, logged in to and looked
//! at from inside. What `cargo xtask vm` does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use nixvm_answers::document;
use serde_json::{Map, Value, json};

use crate::bench::Bench;
use crate::build::{Arch, Lab};
use crate::inside::{Expected, PASSWORD_HASH};
use crate::say;
use crate::vm::Vm;
use crate::vm::config::{Config, Firmware};
use crate::vm::profile::Profile;

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
    let bench = Bench::new(lab, options.arch, &iso, folder.to_owned())?;
    let mut summary = Summary::new(folder);
    let result = travel(&bench, options, &mut summary);
    let verdict = match &result {
        Ok(()) => "logged in".to_owned(),
        Err(error) => format!("failed: {error:#}"),
    };
    summary.set("verdict", json!(verdict))?;
    if !options.keep && result.is_ok() {
        bench.tidy()?;
    }
    say!("{} See {}", if result.is_ok() { "Done." } else { "Failed." }, folder.display());
    result
}

fn travel(bench: &Bench<'_>, options: &Options, summary: &mut Summary) -> Result<()> {
    crate::build::link(&bench.iso, &bench.folder.join("installer.iso"))?;
    // Another ISO does not have the lab's shell inside.
    let stand_in = options.iso.is_none();
    let config = machine(bench, options)?;
    summary.set("versions", versions(&config))?;

    let mut phase = Phase::start(summary);
    let mut vm = bench.start(&config, "install")?;
    install(&mut vm, stand_in, &mut phase, &bench.folder)?;
    vm.wait_off(60)?;
    phase.lap("shutdown")?;

    let mut installed = Config { cd: None, answers: None, ..config };
    if let Some(profile) = options.profile {
        profile.make_bootable(&mut installed);
    }
    let mut vm = bench.start(&installed, "boot")?;
    let expected = expected(options)?;
    expected.log_in(&mut vm)?;
    vm.screenshot(&bench.folder.join("screens/4-login.png"))?;
    phase.lap("boot to login")?;
    say!("logged in as {}", expected.username);
    if stand_in {
        expected.check(&mut vm)?;
        phase.lap("checks from inside")?;
    } else {
        say!("this is not the lab's own ISO: the system is not looked at from inside");
    }
    vm.kill()
}

/// Follows an install to its good end, with pictures.
fn install(vm: &mut Vm, stand_in: bool, phase: &mut Phase<'_>, folder: &Path) -> Result<()> {
    phase.summary.set("accelerator", json!(vm.accelerator.to_string()))?;
    let screens = folder.join("screens");
    let ready = vm.event("first screen", 60, |event| event["event"] == "screen-ready")?;
    phase.summary.set("first-screen-seconds", ready["seconds"].clone())?;
    phase.lap("power-on to first screen")?;
    vm.event("countdown", 60, |event| event["event"] == "countdown")?;
    if stand_in {
        vm.screen("Starting in", &screens.join("1-countdown.png"))?;
    } else {
        vm.screenshot(&screens.join("1-countdown.png"))?;
    }
    vm.state("installing", 60)?;
    phase.lap("countdown")?;
    vm.event("copying", 60, |event| event["event"] == "step-started" && event["step"] == "system")?;
    vm.screenshot(&screens.join("2-copying.png"))?;
    let verdict = vm.verdict(120)?;
    vm.screenshot(&screens.join("3-finished.png"))?;
    phase.summary.set("peak-resident-bytes", verdict["peak-resident-bytes"].clone())?;
    ensure!(verdict["outcome"] == "finished", "the install ended so: {verdict}");
    phase.lap("install")?;
    say!("installed; restarting");
    Ok(())
}

fn machine(bench: &Bench<'_>, options: &Options) -> Result<Config> {
    let mut config = bench.machine()?;
    if options.bios {
        config.firmware = Firmware::Bios;
    }
    for (position, size) in options.disks.iter().enumerate() {
        config.disks.push(bench.disk_of(&format!("disk{position}"), *size)?);
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
    let file = bench.folder.join("answers.toml");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    config.answers = Some(file);
    config.display = options.display;
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

/// What the run was made with, as far as it can be told.
fn versions(config: &Config) -> Value {
    let first_line = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    };
    json!({
        "qemu": first_line(config.program(), &["--version"]),
        "firmware": first_line("dpkg-query", &["--show", config.firmware_package()]),
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

/// Times the phases of a journey.
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
