//! The status → an interface on a terminal, and what is typed there → requests.
//!
//! There are two: a full-screen one for keys, and a dialogue in plain lines, for serial consoles and
//! speech. Each terminal has one, in a thread that nothing waits for, and only ever asks: what may be
//! done is the installer's to decide. [`model`] and [`keys`] say what is shown and what a key means,
//! [`view`] puts it in words, [`ui`] draws it on a [`terminal`], [`plain`] reads and writes lines, and
//! [`start`] keeps that going.

mod commands;
mod console;
mod dialog;
mod facts;
mod flow;
mod glyph;
mod input;
mod keyboard;
mod keys;
mod link;
mod model;
mod muted;
mod overall;
mod pause;
mod plain;
mod rate;
mod shell;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod ui;
mod view;
mod wake;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nixvm_manifest::Manifest;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::command::log::Log;
use crate::control::account::Account;
use crate::control::request::InstallerHandle;
use crate::event::publisher::Publisher;
use crate::event::{Event, Record, Status, VERSION};
use crate::format::clock::uptime_ms;
use crate::sinks;
use crate::sinks::text::Renderer;
use link::Link;
pub use terminal::of_stdout;
use wake::Wake;

/// After so many panics there are only plain lines.
const PANICS: u32 = 3;

/// Time between two attempts to get a lost terminal back.
const REOPEN: Duration = Duration::from_secs(1);

/// How an interface uses its terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The whole screen, for keys.
    FullScreen,
    /// A dialogue in lines that are written and typed: no control sequences.
    PlainLines,
}

/// What an interface works with.
#[derive(Clone)]
pub struct ScreenContext {
    /// What it shows, and where it says that it is there.
    pub publisher: Publisher,
    /// Where it asks.
    pub handle: InstallerHandle,
    /// The account, of which it shows a made-up password and says that one is being typed.
    pub account: watch::Sender<Account>,
    /// The log.
    pub log: Arc<Log>,
    /// What the ISO carries.
    pub manifest: Manifest,
    /// The terminal's device file.
    pub terminal: PathBuf,
    /// When the agent was started.
    pub started: Instant,
}

/// Shows an interface from now on.
///
/// # Errors
/// No thread can be started. A terminal that can't be used is no error: the install goes on without.
pub fn start(mode: Mode, context: ScreenContext) -> Result<()> {
    // A terminal that is hung up sends it, and that would end the agent.
    let mut hangup = signal(SignalKind::hangup()).context("cannot ignore hangups")?;
    tokio::spawn(async move { while hangup.recv().await.is_some() {} });
    let wake = Wake::new().context("cannot make an event file descriptor")?;
    let (mut status, mut account) = (context.publisher.status(), context.account.subscribe());
    let caller = wake.clone();
    tokio::spawn(async move {
        loop {
            let changed = tokio::select! {
                changed = status.changed() => changed,
                changed = account.changed() => changed,
            };
            caller.call();
            if changed.is_err() {
                return;
            }
        }
    });
    let runtime = Handle::current();
    let path = context.terminal.clone();
    let publisher = context.publisher.clone();
    std::thread::Builder::new()
        .name("screen".to_owned())
        .spawn(move || {
            let mut link = Link::new(context, wake, runtime);
            let ended = keep_up(&path, || {
                // What was typed on an earlier terminal is lost.
                link.set_typing(false);
                match mode {
                    Mode::FullScreen => ui::run(&mut link),
                    Mode::PlainLines => plain::run(&mut link),
                }
            });
            link.set_typing(false);
            if ended == Ended::Panics
                && let Err(error) = plain_lines(&path, &publisher)
            {
                tracing::warn!("cannot write plain lines to {}: {error}", path.display());
            }
        })
        .context("cannot start the screen's thread")?;
    Ok(())
}

/// Why there is no screen any more.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The terminal is gone and won't come back.
    Terminal,
    /// It has panicked too often.
    Panics,
}

/// Runs the interface again whenever it ended, as long as that makes sense.
fn keep_up(path: &Path, mut run: impl FnMut() -> io::Error) -> Ended {
    let mut panics = 0;
    let mut lost = None;
    loop {
        match catch_unwind(AssertUnwindSafe(&mut run)) {
            Ok(error) => {
                if lost != Some(error.kind()) {
                    tracing::warn!("the terminal {} was lost: {error}", path.display());
                    lost = Some(error.kind());
                }
                if !terminal::is_console(path) {
                    return Ended::Terminal;
                }
                std::thread::sleep(REOPEN);
            }
            Err(_said_by_the_panic_hook) => {
                panics += 1;
                tracing::error!("the screen has crashed {panics} times; the install goes on");
                if panics >= PANICS {
                    return Ended::Panics;
                }
            }
        }
    }
}

/// All that is known, as a record.
fn snapshot(status: Status) -> Record {
    Record {
        version: VERSION,
        sequence: status.sequence,
        uptime_ms: uptime_ms(),
        time: None,
        event: Event::Snapshot(Box::new(status)),
    }
}

/// Says how it stands and what happens from now on in plain lines.
fn plain_lines(path: &Path, publisher: &Publisher) -> Result<()> {
    let status = publisher.status().borrow().clone();
    let record = snapshot(status);
    let lines = Renderer::default().of(&record);
    let mut out = OpenOptions::new().write(true).open(path)?;
    write!(out, "{}\r\n", lines.join("\r\n"))?;
    sinks::console::follow(publisher, path.to_owned())
}
