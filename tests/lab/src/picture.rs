//! The stand-in ISO → `.github/installer.png`, the installer's countdown as the README shows it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::build::{Arch, Lab};
use crate::fixture::Fixture;
use crate::say;
use crate::words::event;

/// Bytes of the disk that the picture shows.
const DISK: u64 = 64 << 30;

/// Boots the stand-in ISO on a screen of 80 columns and 25 lines and writes its countdown to `file`.
///
/// # Errors
/// The ISO can't be built, the countdown does not come, or the file can't be written.
pub fn take(lab: &Lab, file: &Path) -> Result<()> {
    let folder = lab.project.join("target/vm/picture");
    let fixture = Fixture::new(lab, Arch::X86_64, &lab.iso(Arch::X86_64)?, folder)?;
    let mut config = fixture.machine()?;
    config.answers = None;
    config.disks = vec![fixture.disk_of("disk", DISK)?];
    config.shrink_screen();
    let mut vm = fixture.start(&config, "picture")?;
    vm.event("the countdown", 120, |event| event["event"] == event::COUNTDOWN)?;
    let picture = fixture.folder.join("installer.png");
    vm.screen("Starting in", &picture)?;
    vm.kill()?;
    fs::copy(&picture, file).with_context(|| format!("cannot write {}", file.display()))?;
    fixture.tidy()?;
    say!("{} is {} bytes", file.display(), file.metadata()?.len());
    Ok(())
}
