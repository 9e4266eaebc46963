//! A private bus, an agent's half on it, and clients as root and unprivileged.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use nixvm_agent::control::request::{InstallerHandle, Request, RequestError};
use nixvm_agent::dbus::{self, Bus};
use nixvm_agent::event::publisher::Publisher;
use nixvm_agent::event::{Event, Outcome, State};
use tokio::sync::mpsc;

/// What the reference implementation's system.conf says, in short.
const SYSTEM: &str = r#"<policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>"#;

/// A bus on which everybody may do everything.
const OPEN: &str = r#"<policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>"#;

/// Whether the installer's own policy holds on the bus.
#[derive(Clone, Copy)]
pub(crate) enum Policy {
    Ours,
    None,
}

/// A private bus; it ends when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    config: PathBuf,
    address: String,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// None, with a word on standard error: this machine or this user can't run one.
    pub(crate) fn start(policy: Policy) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return skip("this user is not root, who alone may own the name");
        }
        for tool in ["dbus-daemon", "busctl", "setpriv"] {
            let found = Command::new(tool).arg("--version").output();
            if !found.is_ok_and(|output| output.status.success()) {
                return skip(&format!("there is no {tool}"));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../iso/org.nixvm.Installer1.conf");
        let policy = match policy {
            Policy::Ours => format!("{SYSTEM}\n  <include>{}</include>", ours.display()),
            Policy::None => OPEN.to_owned(),
        };
        let address = format!("unix:path={}/bus", folder.path().display());
        let config = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig>\n  <type>system</type>\n  <listen>{address}</listen>\n  \
             <auth>EXTERNAL</auth>\n  {policy}\n</busconfig>\n"
        );
        fs::write(&config, text).unwrap();
        Some(Self { child: spawn(&config), config, address, _folder: folder })
    }

    pub(crate) fn bus(&self) -> Bus {
        Bus::At(self.address.parse().unwrap())
    }

    /// Ends it at once and starts another in its place.
    pub(crate) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.config);
    }

    /// The CLI as root.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nixvm-agent"));
        command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", &self.address).stdin(Stdio::null());
        command
    }

    /// The CLI as another user.
    pub(crate) fn cli_unprivileged(&self, arguments: &[&str]) -> Command {
        let mut command = self.unprivileged();
        command.arg(readable_program()).args(arguments);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
        command
    }

    /// `busctl` as another user, on the installer's object.
    pub(crate) fn busctl_unprivileged(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = self.unprivileged();
        command.arg("busctl").arg(format!("--address={}", self.address)).arg(verb);
        command.args(["org.nixvm.Installer1", "/org/nixvm/Installer1"]).args(arguments);
        command.output().unwrap()
    }

    /// How many clients are connected.
    pub(crate) fn clients(&self) -> usize {
        let mut command = Command::new("busctl");
        command.arg(format!("--address={}", self.address)).args(["list", "--unique"]);
        let names = command.output().unwrap();
        String::from_utf8(names.stdout).unwrap().lines().filter(|l| l.starts_with(':')).count()
    }

    fn unprivileged(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.stdin(Stdio::null()).current_dir("/");
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(config: &Path) -> Child {
    let mut child = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It prints its address when it listens.
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("unix:"), "{line}");
    child
}

fn skip<T>(why: &str) -> Option<T> {
    // Not by a macro: the test's output is not shown when it passes.
    writeln!(std::io::stderr(), "SKIPPED a test that needs a private bus: {why}").unwrap();
    None
}

/// The program where everybody may run it.
fn readable_program() -> &'static Path {
    static COPY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = COPY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("nixvm-agent");
        // By a program of its own: a test beside this one that starts a process would hand it this
        // file, open for writing, and what is written to can't be run.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_nixvm-agent")).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()));
        (folder, path)
    });
    path
}

/// An agent's half.
pub(crate) struct Agent {
    pub(crate) publisher: Publisher,
    /// What arrived.
    pub(crate) asked: mpsc::UnboundedReceiver<String>,
}

impl Agent {
    /// Serves on `bus`, and follows every request but `Confirm`.
    pub(crate) fn start(bus: Bus) -> Self {
        let publisher = Publisher::new(Vec::new());
        let (handle, mut requests) = InstallerHandle::new();
        dbus::serve(bus, &publisher, handle);
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = requests.recv().await {
                let _test_ended = tell.send(format!("{:?}", message.request));
                let answer = match message.request {
                    Request::Confirm { .. } => Err(RequestError::WrongToken),
                    _ => Ok(()),
                };
                let _client_gone = message.reply.send(answer);
            }
        });
        publisher.publish(Event::AgentStarted {
            agent_version: "0".to_owned(),
            build_id: "test".to_owned(),
        });
        Self { publisher, asked }
    }

    pub(crate) fn state(&self, to: State) {
        let from = self.publisher.status().borrow().state;
        let message = format!("This is {}.", to.name());
        self.publisher.publish(Event::State { from, to, message });
    }

    pub(crate) fn end(&self, to: State, outcome: Outcome) {
        let from = self.publisher.status().borrow().state;
        let state = Event::State { from, to, message: format!("This is {}.", to.name()) };
        let seconds = Some(1.0);
        let verdict = Event::AttemptEnded {
            outcome,
            error: None,
            duration_seconds: seconds,
            peak_resident_bytes: 1 << 20,
        };
        self.publisher.publish_all([state, verdict]);
    }
}

/// Runs a command to its end while the agent's half goes on.
pub(crate) async fn run(mut command: Command) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs `status` until there is an installer.
pub(crate) async fn served(daemon: &Daemon) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while run(daemon.cli(&["status"])).await.0 != 0 {
        assert!(std::time::Instant::now() < deadline, "the name has no owner");
    }
}
