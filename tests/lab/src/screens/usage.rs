//! The agent's counters in `/proc`, twice → what it took between.

use std::fmt;

use anyhow::{Context, Result};

use crate::vm::Vm;

/// Ticks of `/proc/PID/stat` in a second, on every architecture that Linux runs on here.
const TICKS: f64 = 100.0;

/// The counters at a moment.
pub(super) struct Usage {
    uptime: f64,
    /// Of all threads.
    cpu_seconds: f64,
    /// What the screen's thread has written, all of it to the terminal.
    screen_bytes: f64,
}

impl Usage {
    pub(super) fn now(vm: &mut Vm) -> Result<Self> {
        let said = vm.shell.run(
            "pid=$(systemctl show --property MainPID --value nixvm-agent); \
             cut -d' ' -f1 /proc/uptime; cut -d' ' -f14 /proc/$pid/stat; \
             cut -d' ' -f15 /proc/$pid/stat; \
             task=$(grep -lx screen /proc/$pid/task/*/comm | head -n 1); \
             grep wchar ${task%comm}io | cut -d' ' -f2",
        )?;
        let numbers: Vec<f64> = said
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("the counters are no numbers: {said}"))?;
        let [uptime, user, system, screen_bytes] = numbers[..] else {
            anyhow::bail!("four counters, not {said}");
        };
        Ok(Self { uptime, cpu_seconds: (user + system) / TICKS, screen_bytes })
    }

    /// What was taken since `before`.
    pub(super) fn since(&self, before: &Self) -> Rates {
        let seconds = self.uptime - before.uptime;
        Rates {
            seconds,
            cpu: (self.cpu_seconds - before.cpu_seconds) / seconds,
            bytes: (self.screen_bytes - before.screen_bytes) / seconds,
        }
    }
}

/// What the agent took.
pub(super) struct Rates {
    seconds: f64,
    cpu: f64,
    bytes: f64,
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in {:.1} s, {:.1} % of a processor, and {:.0} bytes a second to the screen",
            self.seconds,
            self.cpu * 100.0,
            self.bytes
        )
    }
}
