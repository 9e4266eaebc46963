//! Keys at a machine's keyboard → what its screen shows, read from the console's own memory.
//!
//! A condition on `/dev/vcs1` is awaited in the guest; a picture is taken once it is met.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::vm::Vm;

/// Keyboard and screen of a machine.
pub struct Console<'a> {
    /// The machine.
    pub vm: &'a mut Vm,
    /// Where pictures go.
    pictures: PathBuf,
}

impl<'a> Console<'a> {
    /// The screen of `vm`; its pictures go to `screens/` in `folder`.
    pub fn new(vm: &'a mut Vm, folder: &std::path::Path) -> Self {
        Self { vm, pictures: folder.join("screens") }
    }

    /// Presses keys one after the other, by QEMU's names for them.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        self.vm.qmp.press(keys)
    }

    /// Waits 1.5 s. The agent ignores a key that comes within a second of the last one on a page that
    /// has changed since: it was meant for the page before.
    ///
    /// # Errors
    /// The guest does not answer.
    pub fn pause_to_read(&mut self) -> Result<()> {
        self.vm.shell.run("sleep 1.5").map(|_| ())
    }

    /// Types a text on an American keyboard.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.vm.qmp.type_text(text)
    }

    /// Waits until a line of the screen matches `pattern`, and keeps a picture of it.
    ///
    /// # Errors
    /// None does in time.
    pub fn shows(&mut self, pattern: &str, picture: &str) -> Result<()> {
        let shown = self.wait_for(&lines_with(pattern));
        self.vm.screenshot(&self.pictures.join(format!("{picture}.png")))?;
        shown.with_context(|| format!("the screen does not show \"{pattern}\": {picture}.png"))
    }

    /// Waits until no line of the screen matches `pattern`.
    ///
    /// # Errors
    /// One still does after a while.
    pub fn shows_not(&mut self, pattern: &str) -> Result<()> {
        self.wait_for(&format!("! {}", lines_with(pattern)))
            .with_context(|| format!("the screen still shows \"{pattern}\""))
    }

    /// Waits until a command of the guest's shell succeeds, up to twenty seconds and its own time.
    ///
    /// # Errors
    /// It does not.
    pub fn wait_for(&mut self, condition: &str) -> Result<()> {
        let wait =
            format!("for try in $(seq 200); do {condition} && exit 0; sleep 0.1; done; false");
        self.vm.shell.run(&format!("( {wait} )")).map(|_| ())
    }
}

/// The screen's lines, for a shell: the console's memory has no line ends of its own.
pub(crate) const LINES: &str = "fold -bw $(stty -F /dev/tty1 size | cut -d' ' -f2) /dev/vcs1";

/// A condition for a shell.
fn lines_with(pattern: &str) -> String {
    let pattern = pattern.replace('\'', r"'\''");
    format!("{LINES} | LC_ALL=C grep -aqP '{pattern}'")
}
