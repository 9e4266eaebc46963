//! `nixvm-agent run`: wires the rooms together and stays until the machine restarts.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::board::Board;
use crate::bus::{self, Bus};
use crate::command::Runner;
use crate::event::Event;
use crate::install::{self, Account};
use crate::installer::{Installer, JOURNAL, Leave, Parts};
use crate::request::Desk;
use crate::transcript::{self, Log};
use crate::{console, disk, journald, machine, port, screen, sources};

/// How long a restart waits for those who carry the last event elsewhere.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the installer.
///
/// # Errors
/// The ISO is broken, or udev can't be reached.
pub async fn run(started: Instant) -> Result<()> {
    let manifest = nixvm_manifest::read(Path::new(nixvm_manifest::PATH))?;
    let log = Arc::new(Log::open(Path::new(transcript::PATH))?);
    let machine = machine::read()?;
    let board = Board::new(Vec::new());
    journald::follow(&board)?;
    port::follow(&board)?;
    console::follow(&board)?;
    board.publish(Event::Started {
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        build_id: manifest.build_id.clone(),
    });
    let (desk, requests) = Desk::new();
    bus::serve(Bus::System, &board, desk.clone());
    let account = tokio::sync::watch::Sender::new(Account::default());
    let terminal = screen::of_stdout();
    let screen = terminal.is_some();
    if let Some(terminal) = terminal {
        let (board, desk) = (board.clone(), desk.clone());
        let (account, log) = (account.clone(), Arc::clone(&log));
        screen::start(screen::Parts { board, desk, account, log, terminal, started })?;
    }
    let (attached, look) = disk::watch::start()?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).context("cannot tell systemd")?;
    let found = sources::read(&Runner::default(), machine.hypervisor).await;
    let journal = JOURNAL.into();
    let parts = Parts {
        manifest,
        machine,
        found,
        attached,
        look: Some(look),
        requests,
        board: board.clone(),
        log,
        account,
        screen,
        journal,
        install: |attempt| Box::pin(install::run(attempt)),
    };
    let leave = Installer::new(parts).run().await?;
    if !board.drained(LAST_WORDS).await {
        tracing::warn!("somebody who should hear how it ended does not listen");
    }
    let runner = Runner::default();
    let verb = match leave {
        Leave::Reboot => "reboot",
        Leave::PowerOff => "poweroff",
    };
    runner.tool("systemctl").arg(verb).run().await?;
    Ok(())
}
