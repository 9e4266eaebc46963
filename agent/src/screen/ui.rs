//! One run of the screen: waits for keys, changes and time, and draws.

use std::io;
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::dialog::Dialog;
use super::input::{self, Decoder};
use super::link::{Link, clock};
use super::model::{Action, Model};
use super::terminal::Terminal;
use super::{shell, view};
use crate::event::Event;

/// Time between two frames that no key asked for: an emulated processor has other things to do.
const FRAME: Duration = Duration::from_millis(250);

/// Time between two looks at the clock, the size and the log.
const TICK: Duration = Duration::from_secs(1);

/// Time between two frames that are drawn whole, over what others may have written meanwhile.
const WHOLE: Duration = Duration::from_secs(30);

/// Lines of the log's end that a page may show.
const TAIL: usize = 100;

/// Bytes of the log's end that can be looked at.
const LOG: u64 = 512 * 1024;

/// Shows the screen until the terminal is lost; says how.
pub(super) fn run(link: &mut Link) -> io::Error {
    match Run::new(link) {
        Ok(mut run) => loop {
            if let Err(error) = run.turn() {
                return error;
            }
        },
        Err(error) => error,
    }
}

/// One run on one opened terminal.
struct Run<'a> {
    link: &'a mut Link,
    /// None while a shell has it.
    terminal: Option<Terminal>,
    shell: Option<Child>,
    decoder: Decoder,
    model: Model,
    /// Something has to be drawn.
    changed: bool,
    /// All of it.
    whole: bool,
    drawn: Instant,
    drawn_whole: Instant,
    ticked: Instant,
}

impl<'a> Run<'a> {
    fn new(link: &'a mut Link) -> io::Result<Self> {
        let terminal = Terminal::open(&link.context.terminal)?;
        let model = link.model();
        let now = Instant::now();
        let mut run = Self {
            link,
            terminal: Some(terminal),
            shell: None,
            decoder: Decoder::new(),
            model,
            changed: true,
            whole: true,
            drawn: now,
            drawn_whole: now,
            ticked: now,
        };
        run.look_at_status();
        run.draw()?;
        Ok(run)
    }

    /// Waits for one thing and deals with it.
    fn turn(&mut self) -> io::Result<()> {
        let typed = self.wait()?;
        self.model.clock = clock();
        let now = self.model.clock.now;
        // A key counts for what is so now, drawn or not: a countdown that has just begun is stopped.
        if !self.changed || typed {
            self.link.wake.heard();
            self.look_at_status();
        }
        if typed {
            self.read_keys()?;
        }
        if now.duration_since(self.ticked) >= TICK {
            self.tick()?;
        }
        self.link.set_typing(self.model.is_typing_password());
        if self.changed && (typed || now.duration_since(self.drawn) >= FRAME) {
            self.draw()?;
        }
        Ok(())
    }

    /// Waits until something is to be done; says whether keys were pressed.
    fn wait(&mut self) -> io::Result<bool> {
        let next_tick = self.ticked + TICK;
        let until = if self.changed { next_tick.min(self.drawn + FRAME) } else { next_tick };
        let left = until.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut fds = Vec::with_capacity(2);
        // What has changed already is drawn soon: until then, further changes need not wake the thread.
        if !self.changed {
            fds.push(PollFd::new(&self.link.wake, PollFlags::IN));
        }
        if let Some(terminal) = &self.terminal {
            fds.push(PollFd::new(terminal, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // A hangup is read as an end.
        Ok(self.terminal.is_some() && fds.last().is_some_and(|fd| !fd.revents().is_empty()))
    }

    fn read_keys(&mut self) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        let page = view::log_page(terminal.area()?.height);
        let mut bytes = [0; 256];
        let count = terminal.read(&mut bytes)?;
        let mut keys = self.decoder.take(&mut bytes[..count]);
        if self.decoder.is_undecided() {
            let mut fds = [PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::IN)];
            if poll(&mut fds, Some(&input::SEQUENCE)).is_ok_and(|ready| ready == 0) {
                keys.push(self.decoder.escape());
            }
        }
        for key in keys {
            self.changed = true;
            let action = self.model.key(key, page);
            self.act(action);
        }
        Ok(())
    }

    fn act(&mut self, action: Option<Action>) {
        match action {
            None => {}
            Some(Action::Ask(request)) => self.link.ask(request),
            Some(Action::UsePassword(password)) => self.link.use_password(password),
            Some(Action::Repaint) => self.whole = true,
            Some(Action::Shell) => self.open_shell(),
        }
        if let Some(Dialog::Log(view)) = &mut self.model.dialog
            && view.lines.is_empty()
        {
            let area = self.terminal.as_ref().and_then(|terminal| terminal.area().ok());
            let width = usize::from(area.unwrap_or_default().width).saturating_sub(2);
            view.fill(&self.link.context.log.read(LOG), width);
        }
    }

    fn look_at_status(&mut self) {
        self.changed |= self.link.take_replies(&mut self.model);
        self.changed |= self.link.take_account(&mut self.model, self.whole);
        if self.link.status.has_changed().unwrap_or(false) || self.whole {
            self.changed = true;
            let status = self.link.status.borrow_and_update().clone();
            let action = self.model.show(status);
            self.act(action);
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        self.ticked = self.model.clock.now;
        let log = self.link.context.log.tail(TAIL);
        if log != self.model.log {
            self.model.log = log;
            self.changed = true;
        }
        self.changed |= self.model.is_ticking();
        if self.ticked.duration_since(self.drawn_whole) >= WHOLE {
            self.whole = true;
        }
        if let Some(terminal) = &self.terminal {
            self.whole |= terminal.was_resized()?;
        }
        self.changed |= self.whole;
        self.close_shell()
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else {
            self.changed = false;
            return Ok(());
        };
        let mut frame = Buffer::empty(terminal.area()?);
        let cursor = view::draw(&self.model, &mut frame);
        terminal.draw(frame, cursor, self.whole)?;
        self.model.drawn();
        self.drawn = Instant::now();
        if self.whole {
            self.drawn_whole = self.drawn;
        }
        (self.changed, self.whole) = (false, false);
        if !self.link.ready {
            self.link.ready = true;
            let seconds = self.link.context.started.elapsed().as_secs_f64();
            self.link.context.publisher.publish(Event::ScreenReady { duration_seconds: seconds });
        }
        Ok(())
    }

    fn open_shell(&mut self) {
        let Some(terminal) = self.terminal.take() else { return };
        let started = terminal.file().and_then(|file| {
            drop(terminal);
            shell::start(file)
        });
        match started {
            Ok(child) => self.shell = Some(child),
            Err(error) => {
                tracing::warn!("no shell can be opened: {error}");
                self.model.notice = Some(format!("No shell can be opened: {error}."));
            }
        }
    }

    /// Takes the terminal back when the shell has ended, or none could be started.
    fn close_shell(&mut self) -> io::Result<()> {
        if self.terminal.is_some() {
            return Ok(());
        }
        if let Some(child) = &mut self.shell
            && matches!(child.try_wait(), Ok(None))
        {
            return Ok(());
        }
        self.shell = None;
        self.terminal = Some(Terminal::open(&self.link.context.terminal)?);
        self.model.close();
        (self.changed, self.whole) = (true, true);
        Ok(())
    }
}
