//! Events and keys → text for the terminal, and actions.
//!
//! Nothing here touches a terminal or waits. What is typed is echoed here, so that a line of progress
//! which comes meanwhile stands on a line of its own, and what was typed so far is written again.

use super::super::dialog::{Dialog, Field, SecretOf};
use super::super::input::Key;
use super::super::model::{Action, Clock, Model};
use super::super::pause::{Pause, TYPING, TYPING_PASSWORD};
use super::super::view::lines::{Question, question};
use super::super::{snapshot, text};
use crate::control::request::Request;
use crate::event::{Event, Record, State, Status};
use crate::format::printable;
use crate::sinks::text::Renderer;

/// What is asked, what is being typed, and what is still to be written.
pub(super) struct Dialogue {
    pub(super) model: Model,
    /// The status after the last record that was taken in.
    status: Status,
    renderer: Renderer,
    /// What is being typed, except for a password, which only the model has.
    pub(super) line: Field,
    /// The question that was written last.
    asked: Question,
    /// It is to be written again.
    again: bool,
    /// An answer was sent, and the installer has not replied yet.
    pub(super) awaits: bool,
    /// The prompt stands on the last line, which has no end yet.
    prompted: bool,
    /// Until it is over, keys are ignored: a half-typed line went with what was asked.
    pause: Pause,
    out: String,
}

impl Dialogue {
    /// A dialogue that begins with what is known already.
    pub(super) fn new(model: Model, status: Status) -> Self {
        let mut dialogue = Self {
            model,
            status: Status::default(),
            renderer: Renderer::default(),
            line: Field::default(),
            asked: Question::default(),
            again: false,
            awaits: false,
            prompted: false,
            pause: Pause::default(),
            out: String::new(),
        };
        dialogue.say("");
        // The questions say the rest.
        let known = Status { disks: Vec::new(), plan: None, ..status.clone() };
        let lines = dialogue.renderer.of(&snapshot(known));
        lines.iter().filter(|line| !line.is_empty()).for_each(|line| dialogue.say(line));
        dialogue.status = status.clone();
        // Nothing is under way that a dialogue which has just begun could object to.
        let _none = dialogue.model.show(status);
        dialogue
    }

    /// Number of the last record that was taken in.
    pub(super) fn sequence(&self) -> u64 {
        self.status.sequence
    }

    /// Takes the next record in.
    pub(super) fn take(&mut self, record: &Record) -> Option<Action> {
        if record.sequence <= self.status.sequence {
            return None;
        }
        self.status.take(record);
        let lines = self.renderer.of(record);
        let skipped = match &record.event {
            // The questions say it.
            Event::Disks { .. } | Event::Password { .. } => lines.len(),
            Event::State { to: State::ChoosingDisk, .. } => lines.len(),
            // All but its warnings.
            Event::Plan { .. } => 1,
            Event::FinishScheduled(finish) if finish.at_uptime_ms.is_none() => lines.len(),
            _ => 0,
        };
        for line in lines.iter().skip(skipped) {
            self.say(line);
        }
        self.show()
    }

    /// Takes a status in where records were missed.
    pub(super) fn catch_up(&mut self, status: Status) -> Option<Action> {
        self.say(&status.message);
        self.status = status;
        self.show()
    }

    fn show(&mut self) -> Option<Action> {
        let typing = self.model.is_typing_password();
        let action = self.model.show(self.status.clone());
        if typing && !matches!(self.model.dialog, Some(Dialog::Password(_))) {
            self.pause.begin(TYPING_PASSWORD);
        }
        action
    }

    /// Writes what is asked now, if it is something else, and what became of the last answer.
    pub(super) fn present(&mut self) {
        // The reply decides what is asked next.
        if self.awaits {
            return;
        }
        let question = question(&self.model);
        let other = question != self.asked;
        if other && !self.line.is_empty() {
            self.line = Field::default();
            self.pause.begin(TYPING);
        }
        let said = self.model.notice.take().or_else(|| problem(&mut self.model));
        if let Some(said) = said {
            self.say(&said);
        }
        let again = std::mem::take(&mut self.again);
        if other || again {
            self.end_line();
            if again || question.about != self.asked.about {
                for line in &question.about {
                    self.say(line);
                }
            }
            self.asked = question;
        }
        if !self.prompted
            && let Some(prompt) = &self.asked.prompt
        {
            let space = if prompt.is_empty() { "" } else { " " };
            self.out.push_str(&printable(prompt));
            self.out.push_str(space);
            self.out.push_str(&printable(self.line.text()));
            // An empty prompt leaves the line as it is.
            self.prompted = !prompt.is_empty() || !self.line.is_empty();
        }
        self.model.drawn();
    }

    /// Writes the question again.
    pub(super) fn repeat(&mut self) {
        self.end_line();
        self.again = true;
    }

    /// Takes a key in.
    pub(super) fn key(&mut self, key: Key, clock: Clock) -> Option<Action> {
        self.model.clock = clock;
        let counts = self.pause.note(clock.now);
        self.model.note_key();
        // Whatever the key was meant for, it is an objection.
        if self.is_counting() {
            return Some(Action::Ask(Request::Cancel));
        }
        if !counts {
            return None;
        }
        if matches!(self.model.dialog, Some(Dialog::Password(_))) && !self.awaits {
            return self.secret_key(key);
        }
        if self.asked.prompt.is_none() || self.awaits {
            self.model.note_idle_key();
            return None;
        }
        // Any key keeps the machine from being restarted.
        let leaves = self.model.dialog.is_none() && self.model.leaves_in().is_some();
        let stay = leaves.then_some(Action::Ask(Request::Cancel));
        match key {
            Key::Enter => {
                let typed = std::mem::take(&mut self.line);
                self.end_line();
                if stay.is_some() && typed.is_empty() {
                    return stay;
                }
                return self.answer(typed.text());
            }
            Key::Control('c') | Key::Escape => {
                self.line = Field::default();
                self.end_line();
                self.go_back();
            }
            Key::Control('l') => self.repeat(),
            key => self.edit(key),
        }
        if self.model.dialog.is_none() {
            self.model.note_idle_key();
        }
        stay
    }

    /// The token of the plan that a disk's name is asked for.
    pub(super) fn consent_asked(&self) -> Option<String> {
        match &self.model.dialog {
            Some(Dialog::Erase(erase)) => Some(erase.token.clone()),
            _ => None,
        }
    }

    /// Ignores what was typed before it was asked for, and what follows it without a pause.
    pub(super) fn ignore_typed_ahead(&mut self) {
        self.pause.begin(TYPING);
    }

    /// Whether any key stops what is about to begin.
    pub(super) fn is_counting(&self) -> bool {
        self.model.dialog.is_none() && self.model.status.state == State::Countdown
    }

    /// A key of a password: nothing of it is echoed, nor kept here.
    fn secret_key(&mut self, key: Key) -> Option<Action> {
        let Some(Dialog::Password(form)) = &self.model.dialog else { return None };
        if form.busy {
            return None;
        }
        let skips = form.first.is_empty() && !form.repeats;
        let skipped = match form.of {
            SecretOf::Account => text::dialogue::SKIPPED,
            SecretOf::Disk => text::dialogue::NO_PASSPHRASE,
        };
        match key {
            Key::Enter if skips => {
                self.end_line();
                self.model.close();
                self.say(skipped);
                None
            }
            Key::Enter | Key::Control('c') | Key::Escape => {
                self.end_line();
                self.model.key(key, 0)
            }
            Key::Char(_) | Key::Backspace | Key::Control('u') => self.model.key(key, 0),
            _ => None,
        }
    }

    /// Types a key into the line, and echoes it.
    fn edit(&mut self, key: Key) {
        let before = self.line.len();
        if let Key::Char(sign) = key
            && sign.is_control()
        {
            return;
        }
        if !self.line.key(key) {
            return;
        }
        match key {
            Key::Char(sign) if self.line.len() > before => self.out.push(sign),
            _ => self.out.push_str(&"\x08 \x08".repeat(before.saturating_sub(self.line.len()))),
        }
        self.prompted = true;
    }

    /// Writes a line of its own.
    pub(super) fn say(&mut self, text: &str) {
        self.end_line();
        for line in text.split('\n') {
            self.out.push_str(&printable(line));
            self.out.push_str("\r\n");
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.prompted) {
            self.out.push_str("\r\n");
        }
    }

    /// What is to be written.
    pub(super) fn take_output(&mut self) -> String {
        std::mem::take(&mut self.out)
    }
}

/// What is wrong with what was typed; it is said once.
fn problem(model: &mut Model) -> Option<String> {
    match model.dialog.as_mut()? {
        Dialog::Erase(prompt) => prompt.problem.take(),
        Dialog::Name(form) => form.problem.take(),
        Dialog::Keymap(list) => list.problem.take(),
        Dialog::Password(form) => form.problem.take(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
