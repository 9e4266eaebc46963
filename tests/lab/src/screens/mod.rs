//! The stand-in ISO on machines → pictures of every screen, in `.github/screens`; recordings of the agent's
//! events, in `target/vm/screens/recordings`; and of these the attempts to install, in
//! `agent/fixtures/attempts`.
//!
//! Nothing is drawn for the occasion: keys are pressed at the keyboard of a machine, and the picture is
//! what its display adapter shows. [`tour`] has what is done, [`sizes`] how one machine's screen has two
//! sizes, [`usage`] what the agent takes meanwhile, [`attempts`] what becomes of a recording.

mod attempts;
mod picture;
mod sizes;
mod tour;
mod usage;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::{Arch, Lab};
use crate::fixture::Fixture;
use crate::say;
use crate::vm::Vm;

/// Where the pictures go.
const GALLERY: &str = ".github/screens";

/// Where the attempts go.
const ATTEMPTS: &str = "agent/fixtures/attempts";

/// Takes pictures and recordings anew.
///
/// # Errors
/// The ISO can't be built, a screen does not come, or a file can't be written.
pub fn take(lab: &Lab) -> Result<()> {
    let folder = lab.project.join("target/vm/screens");
    let fixture = Fixture::new(lab, Arch::X86_64, &lab.iso(Arch::X86_64)?, folder)?;
    let recorder = Recorder { folder: fixture.folder.join("recordings") };
    fs::create_dir_all(&recorder.folder)?;
    tour::bios(&fixture, &recorder)?;
    tour::wrong_answers(&fixture, &recorder)?;
    let config = tour::install(&fixture, &recorder)?;
    tour::reinstall(&fixture, config, &recorder)?;

    // Only now: half a gallery would be of two versions.
    let recording = recorder.folder.join("install.jsonl");
    let events = fs::read_to_string(&recording)
        .with_context(|| format!("cannot read {}", recording.display()))?;
    attempts::keep(&events, &lab.project.join(ATTEMPTS))?;
    let gallery = lab.project.join(GALLERY);
    let mut bytes = 0;
    empty(&gallery)?;
    for file in files(&fixture.folder.join("screens"))? {
        let Some(size) = sizes::of_picture(&file) else { continue };
        let to = gallery.join(file.file_name().unwrap_or_default());
        bytes += picture::shrink(&file, &to, size)?;
    }
    say!("{GALLERY}: {} pictures, {} kB", files(&gallery)?.len(), bytes / 1000);
    fixture.tidy()
}

/// Keeps what machines' agents said.
struct Recorder {
    folder: PathBuf,
}

impl Recorder {
    /// Keeps the events of a machine as `NAME.jsonl`, the install's log as `NAME.log`, and the manifest.
    fn keep(&self, vm: &mut Vm, name: &str) -> Result<()> {
        let write = |file: &str, text: &str| {
            let path = self.folder.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write(&format!("{name}.jsonl"), &vm.events.text())?;
        for (from, to) in [
            ("/run/nixvm/install.log", &*format!("{name}.log")),
            ("/etc/nixvm/manifest.json", "manifest.json"),
        ] {
            let text = vm.shell.run(&format!("cat {from}"))?;
            write(to, &text.lines().map(|line| format!("{line}\n")).collect::<String>())?;
        }
        Ok(())
    }
}

/// Makes a folder, or removes the files in it.
fn empty(folder: &Path) -> Result<()> {
    crate::cache::remove(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The files in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}
