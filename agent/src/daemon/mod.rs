//! `nixvm-agent run`: wires the modules together and stays until the machine restarts.

mod consoles;
mod font;
pub mod lock;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nixvm_manifest::Manifest;

use crate::command::Runner;
use crate::command::log::{self, Log};
use crate::control::account::Account;
use crate::control::passphrase::Passphrase;
use crate::control::request::InstallerHandle;
use crate::dbus::{self, Bus};
use crate::disk::store_image;
use crate::event::Event;
use crate::event::publisher::Publisher;
use crate::install;
use crate::machine::Machine;
use crate::plan::PassphraseOrigin;
use crate::screen::Mode;
use crate::session::{CHECKPOINT, ExitAction, Session, SessionContext};
use crate::sinks::{console, journald, virtio};
use crate::{disk, machine, screen, sources};
use consoles::Consoles;

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
    let machine = machine_of(&manifest)?;
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
        consoles::end_login(console).await;
        screen::start(Mode::PlainLines, context(console.clone()))?;
    }
    if let Some(terminal) = terminal {
        let console = terminal.clone();
        // The screen need not wait: it notices that its size has changed.
        tokio::spawn(async move { font::enlarge(&console).await });
        screen::start(consoles.mode(), context(terminal))?;
    }
    let (attached, rescan) = disk::watch::start()?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).context("cannot tell systemd")?;
    let source_answers = sources::read(&Runner::default(), machine.hypervisor).await;
    let context = SessionContext {
        manifest,
        machine,
        source_answers,
        passphrase: passphrase(),
        attached,
        rescan: Some(rescan),
        requests,
        publisher: publisher.clone(),
        log,
        account,
        shows_password: consoles.can_be_read(),
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

/// The passphrase that the machine was started with.
fn passphrase() -> Option<Result<Passphrase, String>> {
    let read = sources::read_passphrase(Path::new("/"))?;
    Some(read.and_then(|secret| Passphrase::new(secret, PassphraseOrigin::Credential)))
}

/// The machine, with what the ISO's image takes of its memory.
fn machine_of(manifest: &Manifest) -> Result<Machine> {
    let image = manifest.store_mount.as_ref().map(|mount| store_image::find(Path::new("/"), mount));
    let image_in_memory_bytes = match image {
        Some(Ok(image)) if image.in_memory => image.size_bytes,
        Some(Err(error)) => {
            tracing::warn!("cannot find the image of the store: {error:#}");
            0
        }
        _ => 0,
    };
    Ok(Machine { image_in_memory_bytes, ..machine::read()? })
}
