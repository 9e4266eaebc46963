//! This machine → how QEMU can run guests on it.

use std::fmt;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::config;
use crate::build::Arch;
use crate::say;

/// How guests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// By translation of this architecture's code, twenty times slower or more.
    Tcg(Arch, Threads),
}

/// How many threads of QEMU translate and run a guest's processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// All processors take turns on one.
    One,
    /// Each processor has its own.
    PerProcessor,
}

impl Accelerator {
    /// QEMU's option.
    pub fn option(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg(_, Threads::One) => "tcg,thread=single",
            Self::Tcg(_, Threads::PerProcessor) => "tcg,thread=multi",
        }
    }

    /// The timeout for something that takes a real machine `seconds` at the very most.
    pub fn time(self, seconds: u64) -> Duration {
        match self {
            Self::Kvm => Duration::from_secs(seconds * 2),
            Self::Tcg(Arch::X86_64, _) => Duration::from_secs(seconds * 6),
            // A processor of the same kind needs less translation than a foreign one.
            Self::Tcg(Arch::Aarch64, _) => Duration::from_secs(seconds * 12),
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Tcg(_, Threads::One) => "TCG (no usable KVM), one thread each",
            Self::Tcg(_, Threads::PerProcessor) => "TCG (no usable KVM)",
        })
    }
}

/// The best accelerator for guests of `arch`: probed once and printed.
///
/// # Errors
/// QEMU can't be started at all, or says no version.
pub fn best(arch: Arch) -> Result<Accelerator> {
    static FOUND: OnceLock<Accelerator> = OnceLock::new();
    if arch.name() != std::env::consts::ARCH {
        return Ok(Accelerator::Tcg(arch, threads(arch)?));
    }
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let found = if kvm_runs_firmware()? {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg(arch, threads(arch)?)
    };
    say!("virtual machines run on {found}");
    Ok(*FOUND.get_or_init(|| found))
}

/// How many threads can be trusted with guests of `arch`.
///
/// Linux on x86 changes its own code by way of a breakpoint. Before QEMU 8.1 a processor could run
/// a translation of that breakpoint after it was gone, and one boot in hundreds died of "Oops:
/// int3" (mended by QEMU's commits deba78709ae8 and cb62bd15e14e of July 2023). arm64's kernel
/// changes one instruction into another, with no breakpoint between.
fn threads(arch: Arch) -> Result<Threads> {
    if arch == Arch::Aarch64 {
        return Ok(Threads::PerProcessor);
    }
    let output = Command::new("qemu-system-x86_64")
        .arg("--version")
        .output()
        .context("cannot start qemu-system-x86_64")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = version(&text).with_context(|| format!("QEMU's version is not in {text:?}"))?;
    Ok(if version < (8, 1) { Threads::One } else { Threads::PerProcessor })
}

/// Major and minor version, from the first line of `--version`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, version) = text.lines().next()?.split_once("version ")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether firmware gets as far as its boot menu: a device file that can be opened proves nothing.
fn kvm_runs_firmware() -> Result<bool> {
    const LIMIT: Duration = Duration::from_secs(20);
    if std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(false);
    }
    let mut child = Command::new("qemu-system-x86_64")
        .args(["-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults"])
        .args(["-display", "none", "-no-reboot", "-serial", "stdio", "-drive"])
        .arg(format!("if=pflash,format=raw,unit=0,readonly=on,file={}", config::OVMF_CODE))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start qemu-system-x86_64")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_qemu_says() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b2)\nCopyright";
        assert_eq!(version(debian), Some((7, 2)));
        assert_eq!(version("QEMU emulator version 10.0.2\n"), Some((10, 0)));
        assert_eq!(version("QEMU emulator version 9.1-rc0\n"), Some((9, 1)));
        assert_eq!(version("no such thing"), None);
    }
}
