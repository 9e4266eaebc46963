//! What is asked, and the line that was typed → an action, or one clear error.

use super::super::dialog::Dialog;
use super::super::input::Key;
use super::super::keyboard;
use super::super::model::Action;
use super::super::text::{self, dialogue as words_of};
use super::super::view::lines::words;
use super::dialogue::Dialogue;
use crate::event::State;

/// How many of the log's last lines are written.
const LOG: usize = 20;

/// How many keymaps are named at once.
const KEYMAPS: usize = 24;

impl Dialogue {
    /// Takes a line in.
    pub(super) fn answer(&mut self, typed: &str) -> Option<Action> {
        let typed = typed.trim();
        match &self.model.dialog {
            Some(Dialog::Choose(_)) => self.choose(typed),
            Some(Dialog::Erase(_) | Dialog::Name(_) | Dialog::Keymap(_)) if typed.is_empty() => {
                self.go_back()
            }
            Some(Dialog::Erase(_) | Dialog::Name(_)) => self.model.submit(typed),
            Some(Dialog::Keymap(_)) => self.choose_keymap(typed),
            Some(Dialog::Stop) if typed.eq_ignore_ascii_case("yes") => {
                self.model.key(Key::Char('y'), 0)
            }
            Some(Dialog::Stop) => self.go_back(),
            Some(Dialog::Password(_) | Dialog::Log(_) | Dialog::Help | Dialog::Shell) => None,
            None if typed.is_empty() => {
                self.repeat();
                None
            }
            None => self.command(typed),
        }
    }

    /// Leaves a question without an answer. During an install, asks whether to cancel it.
    pub(super) fn go_back(&mut self) -> Option<Action> {
        let status = &self.model.status;
        match &self.model.dialog {
            Some(Dialog::Choose(_)) if status.state == State::ChoosingDisk => self.repeat(),
            Some(_) => self.model.close(),
            None if status.state == State::Installing => self.model.dialog = Some(Dialog::Stop),
            None => self.repeat(),
        }
        None
    }

    fn choose(&mut self, typed: &str) -> Option<Action> {
        let name = typed.strip_prefix("/dev/").unwrap_or(typed);
        if name.is_empty() {
            return self.go_back();
        }
        let names: Vec<_> = self.model.candidates().iter().map(|disk| disk.name.clone()).collect();
        if let Some(place) = names.iter().position(|one| one == name) {
            if let Some(Dialog::Choose(choose)) = &mut self.model.dialog {
                choose.cursor = place;
            }
            return self.model.key(Key::Enter, 0);
        }
        if words(&self.model).contains(&&*typed.to_ascii_lowercase()) {
            return self.command(typed);
        }
        let disk = self.model.status.disks.iter().find(|disk| disk.name == name);
        let refusal = match disk.and_then(|disk| Some((&disk.device, disk.ineligible.as_ref()?))) {
            Some((device, why)) => words_of::not_usable(device, &why.message),
            None => {
                let names: Vec<_> = names.iter().map(|name| &**name).collect();
                words_of::no_disk(name, &names)
            }
        };
        self.say(&refusal);
        None
    }

    fn choose_keymap(&mut self, typed: &str) -> Option<Action> {
        let found = keyboard::find(typed);
        // The first one is the one of this name, if there is one. Without any, the list says so.
        if found.first().is_none_or(|first| first.eq_ignore_ascii_case(typed)) {
            return self.model.submit(typed);
        }
        let named = &found[..found.len().min(KEYMAPS)];
        let said = words_of::keymaps(named, found.len() - named.len());
        self.say(&said);
        None
    }

    fn command(&mut self, typed: &str) -> Option<Action> {
        let word = typed.to_ascii_lowercase();
        let commands = self.model.commands();
        let Some(command) = commands.into_iter().find(|command| command.word() == word) else {
            let said = words_of::no_command(typed, &words(&self.model));
            self.say(&said);
            return None;
        };
        let action = self.model.command(command);
        // What is only read is written at once.
        match self.model.dialog {
            Some(Dialog::Log(_)) => {
                self.model.close();
                self.write_log();
            }
            Some(Dialog::Help) => {
                self.model.close();
                self.write_help();
            }
            _ => {}
        }
        action
    }

    fn write_log(&mut self) {
        let log = std::mem::take(&mut self.model.log);
        for line in &log[log.len().saturating_sub(LOG)..] {
            self.say(line);
        }
        let said = match log.is_empty() {
            true => words_of::NO_LOG.to_owned(),
            false => format!("{}: {}", text::LOG, self.model.log_path),
        };
        self.say(&said);
        self.model.log = log;
    }

    fn write_help(&mut self) {
        for (title, paragraphs) in text::HELP {
            self.say(&format!("{title}:"));
            for paragraph in paragraphs {
                self.say(paragraph);
            }
        }
        for command in self.model.commands() {
            self.say(&format!("{}: {}", command.word(), command.label()));
        }
    }
}
