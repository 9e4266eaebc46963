//! Commands → their output, in a root shell that the guest opens on a virtio port.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::accel::Accelerator;
use super::stream::Stream;

/// Seconds that a command may take on a real machine, before scaling for emulation.
const COMMAND_SECONDS: u64 = 60;

/// A root shell in the guest. After a restart within the same [`super::Vm`], nothing may be run before the installed
/// system has been logged in to: only the first greeting is awaited.
pub struct GuestShell {
    stream: Stream,
    /// How long a command may take.
    pub timeout: Duration,
    count: u64,
    is_ready: bool,
}

/// What the guest's end says when it is there.
const GREETING: &str = "<lab ready>\n";

impl GuestShell {
    pub(super) fn new(stream: Stream, accelerator: Accelerator) -> Self {
        Self { stream, timeout: accelerator.time(COMMAND_SECONDS), count: 0, is_ready: false }
    }

    /// Runs a command in the guest; returns what it printed, trimmed.
    ///
    /// The first one waits for the guest's end of the port: OVMF takes a port for a terminal, and what is sent
    /// while it runs for keys.
    ///
    /// # Errors
    /// It failed, or time ran out.
    pub fn run(&mut self, command: &str) -> Result<String> {
        let (status, output) = self.try_run(command)?;
        if status != 0 {
            bail!("`{command}` failed in the guest with {status}: {output}");
        }
        Ok(output)
    }

    /// Runs a command in the guest; returns its exit status and what it printed, trimmed.
    ///
    /// # Errors
    /// Time ran out.
    pub fn try_run(&mut self, command: &str) -> Result<(i32, String)> {
        if !self.is_ready {
            self.stream.expect(GREETING, self.timeout)?;
            self.is_ready = true;
        }
        self.count += 1;
        let begin = format!("<lab begin {}>\n", self.count);
        let end = format!("<lab end {} ", self.count);
        self.stream.send(&format!(
            "printf '<lab begin %s>\\n' {0}; ( {command}\n) </dev/null 2>&1; printf '<lab end %s %s>\\n' {0} $?\n",
            self.count
        ))?;
        self.stream
            .wait(&format!("`{command}`"), self.timeout, |text| {
                let start = text.find(&begin)? + begin.len();
                let stop = start + text[start..].find(&end)?;
                let after = stop + end.len();
                let close = after + text[after..].find('>')?;
                Some((
                    close + 1,
                    (text[after..close].to_owned(), text[start..stop].trim().to_owned()),
                ))
            })
            .and_then(|(status, output)| {
                Ok((status.parse().context("the shell reports no exit status")?, output))
            })
    }
}
