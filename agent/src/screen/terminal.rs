//! The terminal's device file → raw mode, its size, bytes that were typed, and frames drawn on it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ratatui::backend::{Backend, TermionBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use rustix::fs::OFlags;
use rustix::termios::{self, OptionalActions, QueueSelector, Termios};

use super::console::Device;
use super::muted::Muted;

/// Bytes of a frame that are written at once: a frame in parts would flicker.
const FRAME: usize = 64 * 1024;

/// The size where the terminal does not say one, as a serial line.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Sizes beyond this are not believed.
const LARGEST: u16 = 500;

/// A terminal that was taken over; it is given back when this is dropped.
pub(super) struct Terminal {
    file: File,
    before: Termios,
    backend: TermionBackend<BufWriter<File>>,
    /// What is on it, as far as we know.
    drawn: Buffer,
    _muted: Option<Muted>,
}

impl Terminal {
    /// Its size.
    pub(super) fn area(&self) -> io::Result<Rect> {
        let size = termios::tcgetwinsize(&self.file)?;
        let or = |value: u16, default| if value == 0 { default } else { value.min(LARGEST) };
        Ok(Rect::new(0, 0, or(size.ws_col, DEFAULT_SIZE.0), or(size.ws_row, DEFAULT_SIZE.1)))
    }

    /// Whether the terminal has another size than what was drawn last.
    pub(super) fn was_resized(&self) -> io::Result<bool> {
        Ok(self.area()? != self.drawn.area)
    }

    /// Draws a frame: what differs from the last one, or all of it, over whatever others wrote.
    pub(super) fn draw(
        &mut self,
        frame: Buffer,
        cursor: Option<Position>,
        whole: bool,
    ) -> io::Result<()> {
        self.backend.hide_cursor()?;
        if whole || frame.area != self.drawn.area {
            let cells = frame.content.iter().enumerate().map(|(index, cell)| {
                let (x, y) = frame.pos_of(index);
                (x, y, cell)
            });
            // Not cleared before: that would flicker, and every cell is written.
            self.backend.draw(cells)?;
        } else {
            self.backend.draw(self.drawn.diff(&frame).into_iter())?;
        }
        if let Some(position) = cursor {
            self.backend.set_cursor_position(position)?;
            self.backend.show_cursor()?;
        }
        Backend::flush(&mut self.backend)?;
        self.drawn = frame;
        Ok(())
    }
}

impl Device for Terminal {
    /// What was typed before the screen was there is thrown away: it was meant for something else.
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(path)?;
        let before = termios::tcgetattr(&file)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&file, OptionalActions::Now, &raw)?;
        termios::tcflush(&file, QueueSelector::IFlush)?;
        let mut backend = TermionBackend::new(BufWriter::with_capacity(FRAME, file.try_clone()?));
        backend.hide_cursor()?;
        backend.clear()?;
        let drawn = Buffer::empty(Rect::ZERO);
        Ok(Self { file, before, backend, drawn, _muted: Muted::on(path) })
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.file.read(bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone; then there is nothing to give back.
        let _gone = self.backend.clear();
        let _gone = self.backend.set_cursor_position(Position::ORIGIN);
        let _gone = self.backend.show_cursor();
        let _gone = Backend::flush(&mut self.backend);
        let _gone = termios::tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}

/// The path of the terminal that is standard output, if it is one.
pub fn of_stdout() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let name = termios::ttyname(io::stdout(), Vec::new()).ok()?;
    Some(std::ffi::OsString::from_vec(name.into_bytes()).into())
}

/// Whether the path stays that of this terminal when it is hung up. A pseudo-terminal's may be
/// another terminal's the next moment.
pub(super) fn is_console(path: &Path) -> bool {
    !path.starts_with("/dev/pts")
}
