//! The status → plain text on the terminal, and key presses → requests.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use nixvm_answers::answers::Finish;

use crate::board::Board;
use crate::event::{Event, State};
use crate::request::{Desk, Request};
use crate::status::Status;
use crate::text;
use crate::transcript::Log;

/// Draws on standard output and reads keys from standard input until the process ends.
///
/// # Errors
/// The terminal can't be set up.
pub fn start(board: &Board, desk: Desk, log: Arc<Log>, started: Instant) -> Result<()> {
    let mut status = board.status();
    let board = board.clone();
    let mut drawn = false;
    tokio::spawn(async move {
        loop {
            let text = paint(&status.borrow_and_update().clone(), &log);
            let mut out = std::io::stdout();
            let _terminal_lost = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            if !drawn {
                drawn = true;
                board.publish(Event::ScreenReady { seconds: started.elapsed().as_secs_f64() });
            }
            if status.changed().await.is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let mut key = [0];
        while std::io::stdin().read(&mut key).is_ok_and(|count| count > 0) {
            let request = match key[0] {
                b'r' => Request::Retry,
                b'p' => Request::Finish { how: Finish::Poweroff },
                _ => Request::Cancel,
            };
            let _denied = runtime.block_on(desk.ask(request));
        }
    });
    Ok(())
}

fn paint(status: &Status, log: &Log) -> String {
    let mut lines = vec![format!("NixOS installer {}", status.build_id), String::new()];
    if let Some(machine) = &status.machine {
        lines.push(format!("Machine: {}, {}", machine.hypervisor, machine.firmware));
    }
    for disk in &status.disks {
        let note = disk.ineligible.as_ref().map(|r| format!(" - {r}")).unwrap_or_default();
        lines.push(format!("Disk: {}{note}", disk.summary));
    }
    lines.push(String::new());
    lines.push(format!("{}: {}", status.state.name(), status.message));
    if let Some(plan) = &status.plan {
        lines.push(plan.sentence());
    }
    if let Some(left) = status.countdown {
        lines.push(format!("Starting in {left} s. Press a key to stop."));
    }
    if status.state == State::Installing {
        for (step, seconds) in &status.steps_done {
            lines.push(format!("  done  {} ({seconds:.1} s)", step.title()));
        }
        if let Some(step) = status.step {
            lines.push(format!("  ..    {}", step.title()));
        }
        lines.push(format!(
            "{} of {}",
            text::size(status.bytes_done),
            text::size(status.bytes_total)
        ));
    }
    if let Some(problem) = &status.problem {
        lines.push(problem.message.clone());
        lines.push(problem.hint.clone());
    }
    lines.push(String::new());
    lines.extend(log.tail(8));
    format!("\x1b[2J\x1b[H{}\r\n", lines.join("\r\n"))
}
