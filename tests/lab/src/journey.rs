//! An ISO → a machine that was installed from it, booted from its own disk, logged in to and looked
//! at from inside. What `cargo xtask vm` does.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::build::{Arch, Lab};
use crate::say;
use crate::vm::Vm;
use crate::vm::config::{self, Config, Disk, Firmware};

/// The password of the account in the lab's own answers.
pub const PASSWORD: &str = "rehearsal";

/// What the lab answers where no answers file is given: [`PASSWORD`], by `openssl passwd -6`.
const ANSWERS: &str = "password-hash = '$6$rehearsal$KvE53SAPxzqTg9vgeGez9G.SWSHYzpMj9lc299CT6sBzcYCeu9rMaHm49HKR2QDS14A38KQRsAt3gbbXwcjjx/'\n";

/// What to install, and on what.
pub struct Options {
    /// The machine.
    pub arch: Arch,
    /// The ISO; None: the stand-in, built if need be.
    pub iso: Option<PathBuf>,
    /// The answers file.
    pub answers: Option<PathBuf>,
    /// The disks' sizes in bytes.
    pub disks: Vec<u64>,
    /// By BIOS, which the installer refuses.
    pub bios: bool,
    /// Show the screen in a window.
    pub display: bool,
    /// Leave disk and variables in place.
    pub keep: bool,
}

/// Installs and boots; the results are below `folder`.
///
/// # Errors
/// Anything on the way to the login failed.
pub fn run(lab: &Lab, options: &Options, folder: &Path) -> Result<()> {
    crate::cache::remove(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut summary = Summary::new(folder);
    let result = travel(lab, options, folder, &mut summary);
    let verdict = match &result {
        Ok(()) => "logged in".to_owned(),
        Err(error) => format!("failed: {error:#}"),
    };
    summary.set("verdict", json!(verdict))?;
    say!("{verdict}; see {}", folder.display());
    result
}

fn travel(lab: &Lab, options: &Options, folder: &Path, summary: &mut Summary) -> Result<()> {
    let iso = match &options.iso {
        Some(iso) => iso.clone(),
        None => lab.iso(options.arch)?,
    };
    crate::build::link(&iso, &folder.join("installer.iso"))?;
    let config = machine(options, folder, &iso)?;

    let mut phase = Phase::start(summary);
    let mut vm = Vm::start(&config, "install", folder)?;
    if let Err(error) = install(&mut vm, &mut phase, folder) {
        collect_logs(&mut vm, folder);
        return Err(error);
    }
    vm.wait_off(60)?;
    phase.lap("shutdown")?;

    let installed = Config { cd: None, answers: None, ..config };
    let mut vm = Vm::start(&installed, "boot", folder)?;
    log_in(&mut vm, "nixos", PASSWORD)?;
    vm.screenshot(&folder.join("screens/4-login.png"))?;
    phase.lap("boot to login")?;
    say!("logged in");
    check_inside(&mut vm)?;
    phase.lap("checks")?;
    Ok(())
}

/// Follows an install to its good end, with pictures.
fn install(vm: &mut Vm, phase: &mut Phase<'_>, folder: &Path) -> Result<()> {
    phase.summary.set("accelerator", json!(vm.accelerator.to_string()))?;
    let screens = folder.join("screens");
    let ready = vm.event("first screen", 60, |event| event["event"] == "screen-ready")?;
    phase.summary.set("first-screen-seconds", ready["seconds"].clone())?;
    phase.lap("power-on to first screen")?;
    vm.event("countdown", 30, |event| event["event"] == "countdown")?;
    vm.screenshot(&screens.join("1-countdown.png"))?;
    vm.state("installing", 30)?;
    phase.lap("to consent")?;
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

/// Keeps what the guest can tell about a failure; nothing of it must hide the failure itself.
fn collect_logs(vm: &mut Vm, folder: &Path) {
    let _no_screen = vm.screenshot(&folder.join("screens/failed.png"));
    for (file, command) in [
        ("install.log", "cat /run/nixvm/install.log"),
        ("journal.log", "journalctl --boot --no-pager --lines 400"),
    ] {
        if let Ok((_, text)) = vm.shell.try_run(command) {
            let _disk_full = fs::write(folder.join(file), text);
        }
    }
}

fn machine(options: &Options, folder: &Path, iso: &Path) -> Result<Config> {
    let firmware = if options.bios {
        Firmware::Bios
    } else {
        let variables = folder.join("efivars.fd");
        config::fresh_variables(options.arch, &variables)?;
        Firmware::Uefi(variables)
    };
    let answers = match &options.answers {
        Some(file) => file.clone(),
        None => {
            let file = folder.join("answers.toml");
            fs::write(&file, ANSWERS)?;
            file
        }
    };
    let mut config = Config::new(options.arch, firmware);
    for (position, size) in options.disks.iter().enumerate() {
        let image = folder.join(format!("disk{position}.raw"));
        config::fresh_disk(&image, *size)?;
        config.disks.push(Disk::virtio(&format!("disk{position}"), image));
    }
    config.cd = Some(iso.to_owned());
    config.answers = Some(answers);
    config.display = options.display;
    Ok(config)
}

/// Logs in on the serial console.
///
/// # Errors
/// There is no prompt, or the password is not taken.
pub fn log_in(vm: &mut Vm, username: &str, password: &str) -> Result<()> {
    vm.serial.expect("login: ", vm.accelerator.time(60)).context("no login prompt")?;
    vm.serial.send(&format!("{username}\n"))?;
    vm.serial.expect("Password: ", vm.accelerator.time(20))?;
    vm.serial.send(&format!("{password}\n"))?;
    // login(1) throws away what is typed before the shell's prompt.
    let shell = vm.serial.expect_any(&["$ ", "incorrect"], vm.accelerator.time(20))?;
    ensure!(shell == 0, "the account's password is not taken");
    vm.serial.send("echo logged-in-as-$USER\n")?;
    vm.serial.expect(&format!("logged-in-as-{username}"), vm.accelerator.time(20))?;
    Ok(())
}

/// Looks at the installed system from inside.
fn check_inside(vm: &mut Vm) -> Result<()> {
    let expect = |what: &str, found: &str, wanted: &str| -> Result<()> {
        ensure!(found == wanted, "{what} is {found:?} and not {wanted:?}");
        Ok(())
    };
    let shell = &mut vm.shell;
    expect("the host name", &shell.run("hostname")?, "nixvm")?;
    expect("the account", &shell.run("id -un 1000")?, "nixos")?;
    let groups = shell.run("id -nG nixos")?;
    for group in ["wheel", "docker", "networkmanager"] {
        ensure!(groups.split(' ').any(|g| g == group), "nixos is not in {group}: {groups}");
    }
    expect(
        "/",
        &shell.run("findmnt -no FSTYPE,LABEL,PARTLABEL /")?,
        "ext4   nixos disk-main-root",
    )?;
    expect(
        "/boot",
        &shell.run("findmnt -no FSTYPE,LABEL,PARTLABEL /boot")?,
        "vfat   boot  disk-main-ESP",
    )?;
    let size = shell.run("lsblk -bno SIZE $(findmnt -no SOURCE /boot)")?;
    expect("the ESP's size", &size, &(512_u64 << 20).to_string())?;
    expect("root's password", &shell.run("getent shadow root | cut -d: -f2")?, "*")?;
    shell.run("nix-store --verify --check-contents")?;
    let profile = shell.run("readlink -f /nix/var/nix/profiles/system")?;
    expect("the running system", &shell.run("readlink -f /run/current-system")?, &profile)?;
    for file in [
        "flake.nix",
        "flake.lock",
        "nix/host.nix",
        "nix/disk-device.nix",
        "nix/hardware-configuration.nix",
    ] {
        shell.run(&format!("test -s /etc/nixos/{file}"))?;
    }
    expect(
        "git's untracked files",
        &shell.run("git -C /etc/nixos status --porcelain | grep -v ^A || :")?,
        "",
    )?;
    expect("the log's mode", &shell.run("stat -c %a /var/log/nixvm/*.log")?, "600")?;
    shell.run("test -s /boot/EFI/nixvm/installed")?;
    expect(
        "the system",
        &shell.run("systemctl is-system-running --wait || systemctl --failed")?,
        "running",
    )
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
        let text = serde_json::to_string_pretty(&self.values)?;
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
