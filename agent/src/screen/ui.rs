//! One run of the screen: waits for keys, changes and time, and draws.

use std::io;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;

use super::console::{Console, take_turns};
use super::dialog::Dialog;
use super::link::{Link, clock};
use super::model::{Action, Model};
use super::terminal::Terminal;
use super::view;
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
    take_turns(Run::new(link), Run::turn)
}

/// One run on one opened terminal.
struct Run<'a> {
    link: &'a mut Link,
    console: Console<Terminal>,
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
        let console = Console::open(&link.context.terminal)?;
        let model = link.model();
        let now = Instant::now();
        let mut run = Self {
            link,
            console,
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
        // What has changed already is drawn soon: until then, further changes need not wake the thread.
        let wake = Some(&self.link.wake).filter(|_| !self.changed);
        self.console.wait(wake, left)
    }

    fn read_keys(&mut self) -> io::Result<()> {
        let Some(terminal) = self.console.device() else { return Ok(()) };
        let page = view::log_page(terminal.area()?.height);
        for key in self.console.keys()? {
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
            let area = self.console.device().and_then(|terminal| terminal.area().ok());
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
        if let Some(terminal) = self.console.device() {
            self.whole |= terminal.was_resized()?;
        }
        if self.console.close_shell()? {
            self.model.close();
            self.whole = true;
        }
        self.changed |= self.whole;
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(terminal) = self.console.device() else {
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
        if let Some(notice) = self.console.open_shell() {
            self.model.notice = Some(notice);
        }
    }
}
