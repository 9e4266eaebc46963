//! tty1, the kernel's other consoles, the display and `nixvm.ui` → which of them the installer is used
//! on, and which are only written to.

use std::path::{Path, PathBuf};

use crate::command::Runner;
use crate::screen::Mode;
use crate::sinks::console;
use crate::{machine, sources};

/// How long drivers may take to find a display after udev has heard of it.
const SETTLE: &str = "--timeout=15";

/// The consoles beside tty1, and how the installer is used.
pub(super) struct Consoles {
    beside: Vec<PathBuf>,
    /// The installer was started on a terminal, tty1. Without one it is a program that another one
    /// runs: it takes no console.
    has_terminal: bool,
    /// Something can be seen on tty1.
    has_display: bool,
    /// Plain lines were asked for.
    plain: bool,
}

impl Consoles {
    /// Looks for them.
    pub(super) async fn find(has_terminal: bool) -> Self {
        let mut has_display = machine::display::is_there();
        if has_terminal && !has_display {
            // Its driver may still be on its way.
            let settled = Runner::default().tool("udevadm").args(["settle", SETTLE]).run().await;
            if let Err(error) = settled {
                tracing::warn!("drivers may still look for a display: {error:#}");
            }
            has_display = machine::display::is_there();
        }
        let (beside, plain) = (console::beside_screen(), sources::wants_dialogue());
        Self { beside, has_terminal, has_display, plain }
    }

    /// Those that are used, and not only written to.
    pub(super) fn dialogues(&self) -> &[PathBuf] {
        let used = self.has_terminal && (self.plain || !self.has_display);
        if used { &self.beside } else { &[] }
    }

    /// Those that are only written to.
    pub(super) fn lines(&self) -> &[PathBuf] {
        if self.dialogues().is_empty() { &self.beside } else { &[] }
    }

    /// How tty1 is used. Where nothing can be seen yet, a display may come.
    pub(super) fn mode(&self) -> Mode {
        if self.plain { Mode::PlainLines } else { Mode::FullScreen }
    }

    /// Whether what is written to tty1 or a dialogue can be read: there is a display, or a dialogue.
    pub(super) fn can_be_read(&self) -> bool {
        self.has_terminal && self.has_display || !self.dialogues().is_empty()
    }
}

/// Ends the login on a console, which would take half of what is typed.
pub(super) async fn end_login(console: &Path) {
    let name = console.file_name().unwrap_or_default().to_string_lossy();
    let login = format!("serial-getty@{name}.service");
    let stopped = Runner::default().tool("systemctl").args(["stop", &login]).run().await;
    if let Err(error) = stopped {
        tracing::warn!("the login on {} may still run: {error:#}", console.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_is_held_where_it_is_asked_for_or_nothing_else_can_be_seen() {
        let serial = || vec![PathBuf::from("/dev/ttyS0")];
        for (has_terminal, has_display, plain, dialogues, mode, read) in [
            (true, true, false, false, Mode::FullScreen, true),
            (true, true, true, true, Mode::PlainLines, true),
            (true, false, false, true, Mode::FullScreen, true),
            (true, false, true, true, Mode::PlainLines, true),
            (false, true, true, false, Mode::PlainLines, false),
            (false, false, false, false, Mode::FullScreen, false),
        ] {
            let consoles = Consoles { beside: serial(), has_terminal, has_display, plain };
            let case = format!("{has_terminal} {has_display} {plain}");
            assert_eq!(!consoles.dialogues().is_empty(), dialogues, "{case}");
            assert_eq!(consoles.lines().is_empty(), dialogues, "{case}");
            assert_eq!(consoles.mode(), mode, "{case}");
            assert_eq!(consoles.can_be_read(), read, "{case}");
        }
        let beside = Vec::new();
        let alone = Consoles { beside, has_terminal: true, has_display: false, plain: false };
        assert!(!alone.can_be_read(), "without a display, nothing can be read");
    }
}
