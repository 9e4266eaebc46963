//! The installer's events → lines on standard output, until a verdict.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::{FutureExt, StreamExt};

use super::client::{Client, explain};
use super::code::{Code, Failure};
use crate::event::{Event, Record};
use crate::sinks::text::Renderer;

/// How long an installer that went away may take to come back: systemd restarts it, and the bus.
const ABSENCE: Duration = Duration::from_secs(30);

/// Between two tries to find it again.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows until a verdict, which is the exit code.
///
/// # Errors
/// There is no installer, or it went away and did not come back.
pub(super) async fn watch(json: bool, out: &mut dyn Write) -> Result<Code> {
    let mut printer = Printer { json, lines: Renderer::default(), out };
    let mut lost = None;
    loop {
        let error = match follow(&mut printer, lost.is_some()).await {
            Ok(End::Verdict(code)) => return Ok(code),
            Ok(End::Lost) => {
                lost = Some(Instant::now());
                continue;
            }
            Err(error) => error,
        };
        let waits = lost.is_some_and(|since| since.elapsed() < ABSENCE);
        if !waits || Code::of(&error) != Code::Unreachable {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why following ended.
enum End {
    Verdict(Code),
    Lost,
}

async fn follow(printer: &mut Printer<'_>, again: bool) -> Result<End> {
    let client = Client::connect().await?;
    // First listen, then look: what happens in between is heard twice, not never.
    let mut events = client.installer.receive_event().await.map_err(explain)?;
    let mut owners = client.installer.inner().receive_owner_changed().await.map_err(explain)?;
    let snapshot = client.snapshot().await?;
    if again && !printer.json {
        writeln!(printer.out, "The installer is back.")?;
    }
    printer.print(&snapshot.record, &snapshot.json)?;
    if let Some(verdict) = snapshot.attempt_ended() {
        printer.print(&verdict, &serde_json::to_string(&verdict)?)?;
        if let Some(code) = outcome(&verdict) {
            return Ok(End::Verdict(code));
        }
    }
    loop {
        let event = tokio::select! {
            biased;
            event = events.next() => event,
            owner = owners.next() => match owner {
                // What it said last is still to be read.
                Some(Some(_)) => continue,
                _ => events.next().now_or_never().flatten(),
            },
            () = client.connection.closed() => events.next().now_or_never().flatten(),
        };
        let Some(event) = event else {
            if !printer.json {
                writeln!(printer.out, "The installer went away; waiting for it to come back.")?;
            }
            return Ok(End::Lost);
        };
        let json = event.args().map_err(explain)?.json;
        let record: Record = serde_json::from_str(&json)
            .map_err(|error| Failure::new(Code::Failed, format!("no record: {error}: {json}")))?;
        if record.sequence <= snapshot.record.sequence {
            continue;
        }
        printer.print(&record, &json)?;
        if let Some(code) = outcome(&record) {
            return Ok(End::Verdict(code));
        }
    }
}

/// The outcome that a record tells of.
fn outcome(record: &Record) -> Option<Code> {
    match record.event {
        Event::AttemptEnded { outcome, .. } => Some(outcome.into()),
        _ => None,
    }
}

/// Prints each record at once.
struct Printer<'a> {
    json: bool,
    lines: Renderer,
    out: &'a mut dyn Write,
}

impl Printer<'_> {
    fn print(&mut self, record: &Record, json: &str) -> Result<()> {
        if self.json {
            writeln!(self.out, "{json}")?;
        } else {
            for line in self.lines.of(record) {
                writeln!(self.out, "{line}")?;
            }
        }
        Ok(self.out.flush()?)
    }
}
