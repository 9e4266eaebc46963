//! This machine → how QEMU can run guests on it.

use std::fmt;
use std::io::Read;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::emulator::Emulator;
use crate::build::Arch;
use crate::say;

/// How guests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// By translation of this architecture's code, twenty times slower or more.
    Tcg(Arch),
}

impl Accelerator {
    /// The timeout for something that takes a real machine `seconds` at the very most.
    pub fn time(self, seconds: u64) -> Duration {
        match self {
            Self::Kvm => Duration::from_secs(seconds * 2),
            Self::Tcg(Arch::X86_64) => Duration::from_secs(seconds * 6),
            // A processor of the same kind needs less translation than a foreign one.
            Self::Tcg(Arch::Aarch64) => Duration::from_secs(seconds * 12),
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Tcg(_) => "TCG (no usable KVM)",
        })
    }
}

/// The best accelerator for guests of `arch`: probed once and printed.
///
/// # Errors
/// QEMU can't be started at all.
pub fn best(emulator: &Emulator, arch: Arch) -> Result<Accelerator> {
    static FOUND: OnceLock<Accelerator> = OnceLock::new();
    if arch.name() != std::env::consts::ARCH {
        return Ok(Accelerator::Tcg(arch));
    }
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let found =
        if kvm_runs_firmware(emulator)? { Accelerator::Kvm } else { Accelerator::Tcg(arch) };
    say!("virtual machines run on {found}");
    Ok(*FOUND.get_or_init(|| found))
}

/// Whether firmware gets as far as its boot menu: a device file that can be opened proves nothing.
fn kvm_runs_firmware(emulator: &Emulator) -> Result<bool> {
    const LIMIT: Duration = Duration::from_secs(20);
    if std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(false);
    }
    let code = emulator.firmware_code(Arch::X86_64);
    let mut child = emulator
        .command(Arch::X86_64)
        .args(["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults"])
        .args(["-display", "none", "-no-reboot", "-serial", "stdio", "-drive"])
        .arg(format!("if=pflash,format=raw,unit=0,readonly=on,file={}", code.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start QEMU")?;
    let mut stdout = child.stdout.take().context("QEMU has an output")?;
    let (send, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            text.extend_from_slice(&buffer[..count]);
            // OVMF's boot manager, when it has nothing to boot or offers its shell.
            let text = String::from_utf8_lossy(&text);
            if text.contains("BdsDxe") || text.contains("Shell>") {
                let _timed_out = send.send(());
            }
        }
    });
    let started = Instant::now();
    let runs = heard.recv_timeout(LIMIT.saturating_sub(started.elapsed())).is_ok();
    let _ended_already = child.kill();
    child.wait().context("cannot wait for QEMU")?;
    Ok(runs)
}
