//! A description of a virtual machine → a running QEMU with its serial console, its events and its
//! screen.

pub mod accel;
mod command_line;
pub mod config;
pub mod emulator;
pub mod guest_shell;
pub mod hardware;
pub mod profile;
pub mod qmp;
pub mod stream;

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::words::event;
use accel::Accelerator;
use config::Config;
use guest_shell::GuestShell;
use qmp::Qmp;
use stream::Stream;

/// How long QEMU may take to open its sockets.
const START: Duration = Duration::from_secs(30);

/// How long a guest may take for each log after a failure.
const COLLECT: Duration = Duration::from_secs(60);

/// A running virtual machine; it ends when this is dropped.
pub struct Vm {
    child: Child,
    /// QEMU's machine protocol.
    pub qmp: Qmp,
    /// The serial console.
    pub serial: Stream,
    /// The agent's events.
    pub events: Stream,
    /// A root shell in the guest.
    pub shell: GuestShell,
    /// How it is accelerated, which tells how long things take.
    pub accelerator: Accelerator,
    error_log: PathBuf,
    /// Where the logs are, and those of a failure.
    folder: PathBuf,
    name: String,
    /// The machine was killed, or its end was awaited: no failure is left to collect logs for.
    settled: bool,
    _sockets: tempfile::TempDir,
}

impl Vm {
    /// Starts a machine; its logs are `serial-NAME.log`, `shell-NAME.log`, `qemu-NAME.log` in
    /// `folder`, its events go to the end of `events.jsonl`.
    ///
    /// A machine that is dropped while it runs was left by an error: its screen and its logs are
    /// kept.
    ///
    /// # Errors
    /// QEMU does not start.
    pub fn start(config: &Config, name: &str, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        // A Unix socket's path has to be short.
        let sockets = tempfile::Builder::new().prefix("nixvm-").tempdir()?;
        let socket = |name: &str| sockets.path().join(name);
        let error_log = folder.join(format!("qemu-{name}.log"));
        let log = File::create(&error_log)
            .with_context(|| format!("cannot create {}", error_log.display()))?;
        let accelerator = accel::best(&config.emulator, config.arch)?;
        // A machine must not outlive a lab that was killed.
        let mut command = config.emulator.bound_command(config.arch);
        let child = command
            .args(command_line::arguments(config, accelerator, sockets.path()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start QEMU by {}", command.get_program().display()))?;
        let mut starting = Starting(Some(child));
        let connected = (|| {
            let qmp = Qmp::connect(&socket("qmp"))?;
            let open = |what, port: &str, file: &str| {
                Stream::open(what, &socket(port), &folder.join(file))
            };
            let serial = open("the serial console", "serial", &format!("serial-{name}.log"))?;
            let events = open("the event port", "events", "events.jsonl")?;
            let shell = open("the lab's shell", "shell", &format!("shell-{name}.log"))?;
            Ok::<_, anyhow::Error>((qmp, serial, events, GuestShell::new(shell, accelerator)))
        })();
        let (mut qmp, serial, events, shell) = connected.with_context(|| {
            let said = std::fs::read_to_string(&error_log).unwrap_or_default();
            format!("QEMU does not start; it says: {}", said.trim())
        })?;
        // It was started stopped, so that not a byte of the console is missed.
        qmp.execute("cont", json!({}))?;
        let child = starting.0.take().context("QEMU was started")?;
        Ok(Self {
            child,
            qmp,
            serial,
            events,
            shell,
            accelerator,
            error_log,
            folder: folder.to_owned(),
            name: name.to_owned(),
            settled: false,
            _sockets: sockets,
        })
    }

    /// Waits for an event that satisfies `test`, passing over others.
    ///
    /// # Errors
    /// A verdict came first, the machine ended or time ran out.
    pub fn event(
        &mut self,
        what: &str,
        seconds: u64,
        mut test: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let timeout = self.accelerator.time(seconds);
        let found = self.events.wait(what, timeout, |text| {
            let mut end = 0;
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                end += line.len();
                let Ok(event) = serde_json::from_str::<Value>(line.trim()) else { continue };
                if test(&event) {
                    return Some((end, Ok(event)));
                }
                if event["event"] == event::ATTEMPT_ENDED {
                    return Some((end, Err(event)));
                }
            }
            None
        });
        found
            .with_context(|| format!("no event \"{what}\""))?
            .or_else(|verdict| bail!("a verdict came instead of \"{what}\": {verdict}"))
    }

    /// Waits until the agent is in `state`.
    ///
    /// # Errors
    /// As [`Vm::event`].
    pub fn state(&mut self, state: &str, seconds: u64) -> Result<Value> {
        self.event(state, seconds, |event| event["event"] == event::STATE && event["to"] == state)
    }

    /// Waits for the verdict.
    ///
    /// # Errors
    /// As [`Vm::event`].
    pub fn verdict(&mut self, seconds: u64) -> Result<Value> {
        self.event("verdict", seconds, |event| event["event"] == event::ATTEMPT_ENDED)
    }

    /// The verdict, if it comes within `patience`.
    ///
    /// # Errors
    /// The machine ended.
    pub fn verdict_within(&mut self, patience: Duration) -> Result<Option<Value>> {
        self.events.poll("verdict", patience, |text| {
            let mut end = 0;
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                end += line.len();
                let Ok(event) = serde_json::from_str::<Value>(line.trim()) else { continue };
                if event["event"] == event::ATTEMPT_ENDED {
                    return Some((end, event));
                }
            }
            None
        })
    }

    /// Calls a method of the agent's interface as root, given as busctl takes it: name, signature, arguments.
    ///
    /// # Errors
    /// The guest does not answer; what the agent answers is returned, with busctl's exit status.
    pub fn call(&mut self, call: &str) -> Result<(i32, String)> {
        const NAME: &str = "org.nixvm.Installer1";
        // A request may wait until all disks were looked at.
        self.shell.try_run(&format!(
            "busctl --timeout=90 call {NAME} /org/nixvm/Installer1 {NAME} {call}"
        ))
    }

    /// Confirms the plan that the agent shows now, by the command line; again if
    /// it has changed meanwhile.
    ///
    /// # Errors
    /// It is refused, or the guest does not answer.
    pub fn confirm(&mut self) -> Result<()> {
        self.shell
            .run(
                "for try in 1 2 3 4 5; do \
                 now=$(nixvm-agent plan --json | jq --raw-output .token); \
                 [ \"$now\" != \"$token\" ] || break; token=$now; \
                 nixvm-agent confirm \"$token\" && exit 0; \
                 done; exit 1",
            )
            .context("the plan can't be confirmed")?;
        Ok(())
    }

    /// Writes what the screen shows to a PNG file.
    ///
    /// # Errors
    /// The screen can't be had.
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let arguments = json!({ "filename": file.to_string_lossy(), "format": "png" });
        self.qmp.execute("screendump", arguments)?;
        Ok(())
    }

    /// Waits until tty1 shows `text`, and writes what the screen shows to a PNG file.
    ///
    /// # Errors
    /// As [`Vm::await_screen`] and [`Vm::screenshot`].
    pub fn screen(&mut self, text: &str, file: &Path) -> Result<()> {
        self.await_screen(text)?;
        self.screenshot(file)
    }

    /// Waits until tty1 shows `text`, up to half a minute: an event is published a moment before the
    /// screen is drawn.
    ///
    /// # Errors
    /// The text does not appear, or the guest's shell does not answer.
    pub fn await_screen(&mut self, text: &str) -> Result<()> {
        let find = format!("grep -qaF '{}' /dev/vcs1", text.replace('\'', r"'\''"));
        self.shell
            .run(&format!(
                "for try in $(seq 150); do {find} && break; sleep 0.2; done; \
                 {find} || {{ cat /dev/vcs1; false; }}"
            ))
            .with_context(|| format!("the screen does not show {text:?}"))?;
        Ok(())
    }

    /// Waits until the machine has switched itself off or asked for a restart.
    ///
    /// # Errors
    /// It has not in time.
    pub fn wait_off(&mut self, seconds: u64) -> Result<()> {
        self.serial.wait_end(self.accelerator.time(seconds))?;
        self.child.wait().context("cannot wait for QEMU")?;
        self.settled = true;
        Ok(())
    }

    /// Plugs a disk in while the machine runs; `port` is 1 to 4, for the buses that need one.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn plug(&mut self, disk: &config::Disk, port: u32) -> Result<()> {
        for node in disk.blockdevs() {
            self.qmp.execute("blockdev-add", command_line::as_json(&node))?;
        }
        let description = command_line::device(disk, Some(&format!("port{port}")), port as usize);
        let mut device = command_line::as_json(&description);
        // `-device` names its driver without a key.
        if let Some((driver, _)) = description.split_once(',') {
            device["driver"] = driver.into();
        }
        self.qmp.execute("device_add", device)?;
        Ok(())
    }

    /// Plugs in again what was pulled out, into another port.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn replug(&mut self, disk: &config::Disk, port: u32) -> Result<()> {
        for node in disk.blockdevs().iter().rev() {
            let node = command_line::as_json(node);
            self.qmp.execute("blockdev-del", json!({ "node-name": node["node-name"] }))?;
        }
        self.plug(disk, port)
    }

    /// Pulls a disk out, and waits until the guest has let it go.
    ///
    /// # Errors
    /// QEMU refuses, or the guest does not let it go.
    pub fn unplug(&mut self, id: &str) -> Result<()> {
        self.qmp.execute("device_del", json!({ "id": id }))?;
        self.qmp.wait_event("DEVICE_DELETED", |data| data["device"] == id)
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// QEMU can't be killed.
    pub fn kill(mut self) -> Result<()> {
        self.settled = true;
        self.child.kill().context("cannot kill QEMU")?;
        self.child.wait().context("cannot wait for QEMU")?;
        Ok(())
    }

    /// The output of QEMU itself.
    pub fn qemu_log(&self) -> String {
        std::fs::read_to_string(&self.error_log).unwrap_or_default()
    }
}

impl Vm {
    /// Saves screen and logs after a failure. Its own errors are dropped, so that they do not hide it.
    fn collect(&mut self) {
        let name = self.name.clone();
        let _no_screen = self.screenshot(&self.folder.join(format!("failed-{name}.png")));
        self.shell.timeout = COLLECT;
        for (file, command) in [
            ("install", "cat /run/nixvm/install.log"),
            ("journal", "journalctl --boot --no-pager --lines 400"),
        ] {
            // A guest that does not answer one does not answer the other either.
            let Ok((_, text)) = self.shell.try_run(command) else { return };
            let _disk_full =
                std::fs::write(self.folder.join(format!("failed-{name}-{file}.log")), text);
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if !self.settled && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.collect();
        }
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Kills a QEMU that was started and not handed on.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ended_already = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Connects to a socket that QEMU is about to open.
fn connect(socket: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + START;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("cannot reach {}", socket.display()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
