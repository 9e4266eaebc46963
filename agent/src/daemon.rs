//! `nixvm-agent run`: wires the rooms together and stays until the machine restarts.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::board::Board;
use crate::command::Runner;
use crate::event::Event;
use crate::installer::{Installer, Leave, Parts};
use crate::request::Desk;
use crate::transcript::{self, Log};
use crate::{disk, machine, manifest, port, screen, sources};

/// Runs the installer.
///
/// # Errors
/// The ISO is broken, or udev can't be reached.
pub async fn run(started: Instant) -> Result<()> {
    let manifest = manifest::read(Path::new(manifest::PATH))?;
    let log = Arc::new(Log::open(Path::new(transcript::PATH))?);
    let machine = machine::read()?;
    let board = Board::new(vec![Box::new(|record| {
        let line = serde_json::to_string(record).unwrap_or_default();
        tracing::info!(target: "event", "{line}");
    })]);
    port::follow(&board);
    board.publish(Event::Started {
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        build_id: manifest.build_id.clone(),
    });
    let (desk, requests) = Desk::new();
    if std::io::stdout().is_terminal() {
        screen::start(&board, desk.clone(), Arc::clone(&log), started)?;
    }
    let attached = disk::watch::start()?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).context("cannot tell systemd")?;
    let found = sources::read(&Runner::default(), machine.hypervisor).await;
    let parts = Parts { manifest, machine, found, attached, requests, board, log };
    let leave = Installer::new(parts).run().await?;
    let runner = Runner::default();
    let verb = match leave {
        Leave::Reboot => "reboot",
        Leave::PowerOff => "poweroff",
    };
    runner.tool("systemctl").arg(verb).run().await?;
    Ok(())
}
