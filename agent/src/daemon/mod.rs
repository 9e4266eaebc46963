//! `nixvm-agent run`: wires the modules together and stays until the machine restarts.

pub mod lock;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::command::Runner;
use crate::command::log::{self, Log};
use crate::control::account::Account;
use crate::control::request::InstallerHandle;
use crate::dbus::{self, Bus};
use crate::event::Event;
use crate::event::publisher::Publisher;
use crate::install;
use crate::screen::Interface;
use crate::session::{CHECKPOINT, ExitAction, Session, SessionContext};
use crate::sinks::{console, journald, virtio};
use crate::{disk, machine, screen, sources};

/// How long a shutdown waits for the event sinks.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the installer.
///
/// # Errors
/// Another installer runs, the ISO is broken, or udev can't be reached.
pub async fn run(started: Instant) -> Result<()> {
    // Before anything that another installer could be disturbed by.
    let _lock = lock::acquire(Path::new(lock::PATH))?;
    let manifest = nixvm_manifest::read(Path::new(nixvm_manifest::PATH))?;
    let log = Arc::new(Log::open(Path::new(log::PATH))?);
    let machine = machine::read()?;
    let terminal = screen::of_stdout();
    let consoles = Consoles::find(terminal.is_some()).await;
    let publisher = Publisher::new(Vec::new());
    journald::follow(&publisher)?;
    virtio::follow(&publisher)?;
    for console in consoles.lines() {
        console::follow(&publisher, console.clone())?;
    }
    publisher.publish(Event::AgentStarted {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        build_id: manifest.build_id.clone(),
    });
    let (handle, requests) = InstallerHandle::new();
    dbus::serve(Bus::System, &publisher, handle.clone());
    let account = tokio::sync::watch::Sender::new(Account::default());
    let context = |terminal| screen::ScreenContext {
        publisher: publisher.clone(),
        handle: handle.clone(),
        account: account.clone(),
        log: Arc::clone(&log),
        manifest: manifest.clone(),
        terminal,
        started,
    };
    for console in consoles.dialogues() {
        consoles.take(console).await;
        screen::start(Interface::Dialogue, context(console.clone()))?;
    }
    let shows_password = consoles.can_be_read(terminal.is_some());
    if let Some(terminal) = terminal {
        screen::start(consoles.interface(), context(terminal))?;
    }
    let (attached, rescan) = disk::watch::start()?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).context("cannot tell systemd")?;
    let source_answers = sources::read(&Runner::default(), machine.hypervisor).await;
    let context = SessionContext {
        manifest,
        machine,
        source_answers,
        attached,
        rescan: Some(rescan),
        requests,
        publisher: publisher.clone(),
        log,
        account,
        shows_password,
        checkpoint_path: CHECKPOINT.into(),
        install: |attempt| Box::pin(install::run(attempt)),
    };
    let exit = Session::new(context).run().await?;
    if !publisher.drained(FLUSH_TIMEOUT).await {
        tracing::warn!("event sinks did not drain before shutdown");
    }
    let runner = Runner::default();
    let verb = match exit {
        ExitAction::Reboot => "reboot",
        ExitAction::PowerOff => "poweroff",
    };
    runner.tool("systemctl").arg(verb).run().await?;
    Ok(())
}

/// How long drivers may take to find a display after udev has heard of it.
const SETTLE: &str = "--timeout=15";

/// The consoles beside tty1, and how the installer is used.
struct Consoles {
    beside: Vec<PathBuf>,
    /// Something can be seen on tty1.
    has_display: bool,
    /// Plain lines were asked for.
    plain: bool,
}

impl Consoles {
    /// Looks for them; `attended`: the installer was started on a terminal.
    async fn find(attended: bool) -> Self {
        let mut has_display = machine::display::is_there();
        if attended && !has_display {
            // Its driver may still be on its way.
            let settled = Runner::default().tool("udevadm").args(["settle", SETTLE]).run().await;
            if let Err(error) = settled {
                tracing::warn!("drivers may still look for a display: {error:#}");
            }
            has_display = machine::display::is_there();
        }
        let plain = attended && sources::wants_dialogue();
        // Without a terminal of its own it is a program that another one runs: it takes no console.
        let has_display = has_display || !attended;
        Self { beside: console::beside_screen(), has_display, plain }
    }

    /// Those that are used, and not only written to.
    fn dialogues(&self) -> &[PathBuf] {
        if self.plain || !self.has_display { &self.beside } else { &[] }
    }

    /// Those that are only written to.
    fn lines(&self) -> &[PathBuf] {
        if self.dialogues().is_empty() { &self.beside } else { &[] }
    }

    /// What is shown on tty1. Where nothing can be seen yet, a display may come.
    fn interface(&self) -> Interface {
        if self.plain { Interface::Dialogue } else { Interface::Screen }
    }

    /// Whether somebody can read what is shown on tty1 or in a dialogue.
    fn can_be_read(&self, has_terminal: bool) -> bool {
        has_terminal && self.has_display || !self.dialogues().is_empty()
    }

    /// Ends the login on a console, which would take half of what is typed.
    async fn take(&self, console: &Path) {
        let name = console.file_name().unwrap_or_default().to_string_lossy();
        let login = format!("serial-getty@{name}.service");
        let stopped = Runner::default().tool("systemctl").args(["stop", &login]).run().await;
        if let Err(error) = stopped {
            tracing::warn!("the login on {} may still run: {error:#}", console.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_is_held_where_it_is_asked_for_or_nothing_else_can_be_seen() {
        let serial = || vec![PathBuf::from("/dev/ttyS0")];
        for (has_display, plain, dialogues, interface, read) in [
            (true, false, false, Interface::Screen, true),
            (true, true, true, Interface::Dialogue, true),
            (false, false, true, Interface::Screen, true),
            (false, true, true, Interface::Dialogue, true),
        ] {
            let consoles = Consoles { beside: serial(), has_display, plain };
            assert_eq!(!consoles.dialogues().is_empty(), dialogues, "{has_display} {plain}");
            assert_eq!(consoles.lines().is_empty(), dialogues, "{has_display} {plain}");
            assert_eq!(consoles.interface(), interface, "{has_display} {plain}");
            assert_eq!(consoles.can_be_read(true), read, "{has_display} {plain}");
        }
        let alone = Consoles { beside: Vec::new(), has_display: false, plain: false };
        assert!(!alone.can_be_read(true), "nobody can read anything");
    }
}
