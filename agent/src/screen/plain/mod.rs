//! The installer in plain lines: events and questions → lines and a prompt; typed lines → requests.
//!
//! No control sequence is ever written: this is for serial consoles, whose terminals are of an unknown
//! type, and for screen readers. [`dialogue`] is all of it but the [`tty`] and the waiting; [`answer`]
//! says what a typed line means. States, dialogs and guards are the screen's ([`super::model`]), and so
//! are the words.

mod answer;
mod dialogue;
mod tty;

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::console::{Console, take_turns};
use super::link::{Link, clock};
use super::model::Action;
use crate::control::request::Request;
use crate::event::Record;
use dialogue::Dialogue;
use tty::Tty;

/// Time between two looks at the clock and the log.
const TICK: Duration = Duration::from_secs(1);

/// Time between two looks for a record whose status is there already.
const BEHIND: Duration = Duration::from_millis(10);

/// How many of the log's last lines are at hand.
const TAIL: usize = 100;

/// Holds the dialogue until the terminal is lost; says how.
pub(super) fn run(link: &mut Link) -> io::Error {
    take_turns(Run::new(link), Run::turn)
}

/// One run on one opened terminal.
struct Run<'a> {
    link: &'a mut Link,
    console: Console<Tty>,
    dialogue: Dialogue,
    records: broadcast::Receiver<Record>,
    ticked: Instant,
}

impl<'a> Run<'a> {
    fn new(link: &'a mut Link) -> io::Result<Self> {
        let console = Console::open(&link.context.terminal)?;
        let mut model = link.model();
        link.take_account(&mut model, true);
        // What is published between the two is in both; its number tells.
        let records = link.context.publisher.records();
        let status = link.status.borrow_and_update().clone();
        let dialogue = Dialogue::new(model, status);
        Ok(Self { link, console, dialogue, records, ticked: Instant::now() })
    }

    /// Waits for one thing and deals with it.
    fn turn(&mut self) -> io::Result<()> {
        // The status is published a moment before its last record.
        let behind = self.dialogue.sequence() < self.link.status.borrow().sequence;
        let left = match behind {
            true => BEHIND,
            false => (self.ticked + TICK).saturating_duration_since(Instant::now()),
        };
        let typed = self.console.wait(Some(&self.link.wake), left)?;
        self.dialogue.model.clock = clock();
        self.link.wake.heard();
        self.look();
        if typed {
            self.read_keys()?;
        }
        if self.ticked.elapsed() >= TICK {
            self.tick()?;
        }
        self.link.set_typing(self.dialogue.model.is_typing_password());
        if self.dialogue.sequence() >= self.link.status.borrow().sequence {
            self.dialogue.present();
        }
        self.write()
    }

    /// Takes in what has happened.
    fn look(&mut self) {
        if self.link.take_replies(&mut self.dialogue.model) {
            self.dialogue.awaits = false;
        }
        self.link.take_account(&mut self.dialogue.model, false);
        loop {
            let action = match self.records.try_recv() {
                Ok(record) => self.dialogue.take(&record),
                Err(TryRecvError::Lagged(_)) => {
                    let status = self.link.status.borrow_and_update().clone();
                    self.dialogue.catch_up(status)
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            };
            self.act(action);
        }
    }

    fn read_keys(&mut self) -> io::Result<()> {
        let mut consent = self.dialogue.consent_asked();
        for key in self.console.keys()? {
            // The next line answers what the one before has led to.
            self.dialogue.present();
            let asked = self.dialogue.consent_asked();
            if asked.is_some() && asked != consent {
                // What would be erased has to be on the terminal before it is confirmed.
                self.dialogue.ignore_typed_ahead();
                break;
            }
            consent = asked;
            let counts = self.dialogue.is_counting();
            let action = self.dialogue.key(key, clock());
            self.act(action);
            if counts {
                // What came with it was meant to stop the countdown too.
                break;
            }
        }
        Ok(())
    }

    fn act(&mut self, action: Option<Action>) {
        match action {
            None => {}
            Some(Action::Ask(request)) => {
                // Any key may cancel, and is typed as well: its reply is not waited for.
                self.dialogue.awaits |= !matches!(request, Request::Cancel);
                self.link.ask(request);
            }
            Some(Action::UsePassword(password)) => {
                self.dialogue.awaits = true;
                self.link.use_password(password);
            }
            Some(Action::Repaint) => self.dialogue.repeat(),
            Some(Action::Shell) => self.open_shell(),
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        self.ticked = Instant::now();
        self.dialogue.model.log = self.link.context.log.tail(TAIL);
        if self.console.close_shell()? {
            self.dialogue.model.close();
            self.dialogue.repeat();
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        // While a shell has the terminal, nothing is written in between.
        match self.console.device() {
            Some(tty) => tty.write(&self.dialogue.take_output()),
            None => Ok(()),
        }
    }

    fn open_shell(&mut self) {
        if let Err(error) = self.write() {
            tracing::debug!("the terminal is gone: {error}");
        }
        if let Some(notice) = self.console.open_shell() {
            self.dialogue.model.notice = Some(notice);
        }
    }
}
