//! A description of a virtual machine → a running QEMU with its serial console, its events and its
//! screen.

pub mod accel;
pub mod config;
pub mod qmp;
pub mod shell;
pub mod stream;

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use accel::Accelerator;
use config::Config;
use qmp::Qmp;
use shell::Shell;
use stream::Stream;

/// How long QEMU may take to open its sockets.
const START: Duration = Duration::from_secs(30);

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
    pub shell: Shell,
    /// How it is accelerated, which tells how long things take.
    pub accelerator: Accelerator,
    error_log: PathBuf,
    _sockets: tempfile::TempDir,
}

impl Vm {
    /// Starts a machine; its logs are `serial-NAME.log`, `events-NAME.jsonl` and `qemu-NAME.log` in
    /// `folder`.
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
        let accelerator = accel::best(config.arch)?;
        let child = Command::new(config.program())
            .args(config.arguments(accelerator, sockets.path()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", config.program()))?;
        let mut starting = Starting(Some(child));
        let connected = (|| {
            let qmp = Qmp::connect(&socket("qmp"))?;
            let serial = Stream::open(
                "the serial console",
                &socket("serial"),
                &folder.join(format!("serial-{name}.log")),
            )?;
            let events = Stream::open(
                "the event port",
                &socket("events"),
                &folder.join(format!("events-{name}.jsonl")),
            )?;
            let shell = Stream::open(
                "the lab's shell",
                &socket("shell"),
                &folder.join(format!("shell-{name}.log")),
            )?;
            Ok::<_, anyhow::Error>((qmp, serial, events, Shell::new(shell, accelerator)))
        })();
        let (mut qmp, serial, events, shell) = connected.with_context(|| {
            let said = std::fs::read_to_string(&error_log).unwrap_or_default();
            format!("QEMU does not start; it says: {}", said.trim())
        })?;
        // It was started stopped, so that not a byte of the console is missed.
        qmp.execute("cont", json!({}))?;
        let child = starting.0.take().context("QEMU was started")?;
        Ok(Self { child, qmp, serial, events, shell, accelerator, error_log, _sockets: sockets })
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
                if event["event"] == "verdict" {
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
        self.event(state, seconds, |event| event["event"] == "state" && event["to"] == state)
    }

    /// Waits for the verdict.
    ///
    /// # Errors
    /// As [`Vm::event`].
    pub fn verdict(&mut self, seconds: u64) -> Result<Value> {
        self.event("verdict", seconds, |event| event["event"] == "verdict")
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

    /// Waits until the machine has switched itself off or asked for a restart.
    ///
    /// # Errors
    /// It has not in time.
    pub fn wait_off(&mut self, seconds: u64) -> Result<()> {
        self.serial.wait_end(self.accelerator.time(seconds))?;
        self.child.wait().context("cannot wait for QEMU")?;
        Ok(())
    }

    /// Plugs a disk in while the machine runs; `port` is 1 to 4, for the buses that need one.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn plug(&mut self, disk: &config::Disk, port: u32) -> Result<()> {
        let line = disk.blockdev();
        self.qmp.execute("blockdev-add", config::as_json(&line))?;
        let mut device = config::as_json(&disk.device(Some(&format!("port{port}"))));
        // `-device` names its driver without a key.
        if let Some((driver, _)) = disk.device(None).split_once(',') {
            device["driver"] = driver.into();
        }
        self.qmp.execute("device_add", device)?;
        Ok(())
    }

    /// Pulls a disk out.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn unplug(&mut self, id: &str) -> Result<()> {
        self.qmp.execute("device_del", json!({ "id": id }))?;
        Ok(())
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// QEMU can't be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill QEMU")?;
        self.child.wait().context("cannot wait for QEMU")?;
        Ok(())
    }

    /// What QEMU itself said.
    pub fn qemu_log(&self) -> String {
        std::fs::read_to_string(&self.error_log).unwrap_or_default()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
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
