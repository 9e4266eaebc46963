//! One machine's screen at two sizes: the console's font, and the same font at twice its size.
//!
//! On 1280x800 dots, that is what machines with 160x50 and with 80x25 characters see. The agent notices
//! that the console's size has changed, and draws for it.

use std::path::Path;

use anyhow::Result;

use crate::console::{Console, LINES};
use crate::vm::Vm;

/// The font that the console began with, in the guest.
const FONT: &str = "/run/console-font";

/// A size of the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Columns and lines, as in names of pictures.
    name: &'static str,
    /// Columns up to the header's end.
    header: usize,
    /// Dots of the screen, in each direction, for each dot of the font.
    pub(super) scale: usize,
}

const LARGE: Size = Size { name: "160x50", header: 135, scale: 1 };
const SMALL: Size = Size { name: "80x25", header: 79, scale: 2 };

/// The size that a picture was taken at, by its name.
pub(super) fn of_picture(file: &Path) -> Option<Size> {
    let name = file.file_stem()?.to_str()?;
    [LARGE, SMALL].into_iter().find(|size| name.ends_with(size.name))
}

/// A screen of which pictures are taken at both sizes.
pub(super) struct Screen<'a> {
    pub(super) console: Console<'a>,
    is_small: bool,
}

impl<'a> Screen<'a> {
    /// The screen of `vm`, large; pictures go to `screens/` in `folder`.
    pub(super) fn new(vm: &'a mut Vm, folder: &Path) -> Result<Self> {
        vm.shell.run(&format!("setfont -C /dev/tty1 -O {FONT}"))?;
        Ok(Self { console: Console::new(vm, folder), is_small: false })
    }

    /// Waits until the screen has a line that matches `pattern`, at each size, and keeps the pictures
    /// `NAME-160x50.png` and `NAME-80x25.png`.
    pub(super) fn shows(&mut self, pattern: &str, name: &str) -> Result<()> {
        self.shows_at(LARGE, pattern, name)?;
        self.become_small()?;
        self.shows_at(SMALL, pattern, name)?;
        self.become_large()
    }

    /// The same at the present size, for what does not last.
    pub(super) fn shows_now(&mut self, pattern: &str, name: &str) -> Result<()> {
        self.shows_at(if self.is_small { SMALL } else { LARGE }, pattern, name)
    }

    /// Has 80 columns and 25 lines from now on.
    pub(super) fn become_small(&mut self) -> Result<()> {
        self.is_small = true;
        self.change("-d", SMALL)
    }

    /// Has 160 columns and 50 lines from now on.
    pub(super) fn become_large(&mut self) -> Result<()> {
        self.is_small = false;
        self.change("", LARGE)
    }

    fn shows_at(&mut self, size: Size, pattern: &str, name: &str) -> Result<()> {
        self.console.shows(pattern, &format!("{name}-{}", size.name))
    }

    /// Waits until the agent has drawn for the new size: it looks for a change once a second, and would
    /// miss two of them. Cleared first, so that nothing that the kernel moves is taken for a page. The
    /// agent stands still meanwhile: what is drawn before setfont has loaded the font's map of characters
    /// is a question mark.
    fn change(&mut self, option: &str, size: Size) -> Result<()> {
        self.console.vm.shell.run(&format!(
            "agent=$(systemctl show --property MainPID --value nixvm-agent) && kill -STOP $agent && \
             printf '\\033[2J' > /dev/tty1 && setfont -C /dev/tty1 {option} {FONT}; \
             said=$?; kill -CONT $agent && [ $said -eq 0 ]"
        ))?;
        let header = size.header + 1;
        self.console
            .wait_for(&format!("[ $({LINES} | head -n 1 | sed 's/ *$//' | wc -c) -eq {header} ]"))
    }
}
