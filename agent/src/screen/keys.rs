//! Keys, in the state and the dialog that they are pressed in → actions.

use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;

use super::commands::Command;
use super::dialog::{Choose, Dialog, Erase, LogView, Name, NameForm, PasswordForm, SecretOf};
use super::input::Key;
use super::keyboard::KeymapList;
use super::model::{Action, Model};
use super::text;
use crate::control::passphrase::Passphrase;
use crate::control::request::Request;
use crate::event::State;
use crate::plan::PassphraseOrigin;

/// Refusals for which the machine has to be switched off: trying again would say the same.
const LASTING: [&str; 4] = ["not-uefi", "wrong-architecture", "insufficient-memory", "not-root"];

impl Model {
    /// What can be done now.
    pub(super) fn commands(&self) -> Vec<Command> {
        use Command as C;
        let mut commands = match (&self.dialog, self.status.state) {
            (Some(Dialog::Choose(_)), _) => vec![C::Log, C::Shell, C::PowerOff],
            (None, State::WaitingForDisk | State::ChoosingDisk) => {
                vec![C::Disk, C::Log, C::Shell, C::PowerOff]
            }
            (Some(_), _) => vec![],
            (None, State::Preflight) => vec![C::Log],
            (None, State::Countdown) => vec![],
            (None, State::AwaitingConfirmation) => {
                let mut list = vec![C::Install, C::Disk, C::Hostname, C::Username, C::Keyboard];
                if self.answer("password-hash").is_none() {
                    list.push(C::Password);
                }
                list.extend([C::Log, C::Shell, C::PowerOff]);
                list
            }
            (None, State::Installing) => {
                let mut list = vec![C::Stop, C::Log];
                if self.wants_password() {
                    list.insert(0, C::Password);
                }
                list
            }
            (None, State::Installed) => vec![C::Restart, C::PowerOff, C::Log, C::Shell],
            (None, State::Failed | State::Cancelled) => {
                vec![C::Retry, C::Disk, C::Log, C::Shell, C::PowerOff]
            }
            (None, State::Refused) => {
                let kind = self.status.error.as_ref().map(|problem| &*problem.kind);
                if kind.is_some_and(|kind| LASTING.contains(&kind)) {
                    vec![C::PowerOff, C::Log, C::Shell]
                } else {
                    let mut list = vec![C::Retry, C::Disk];
                    if self.lacks_passphrase() {
                        list.insert(0, C::Passphrase);
                    }
                    // What led to the refusal may be one of them.
                    if self.names.is_some() {
                        list.extend([C::Hostname, C::Username, C::Keyboard]);
                    } else if self.lacks_passphrase() {
                        list.push(C::Keyboard);
                    }
                    list.extend([C::Log, C::Shell, C::PowerOff]);
                    list
                }
            }
            (None, State::AlreadyInstalled) => {
                vec![C::Boot, C::Reinstall, C::Log, C::Shell, C::PowerOff]
            }
        };
        if matches!(self.dialog, None | Some(Dialog::Choose(_)))
            && self.status.state != State::Countdown
        {
            commands.push(C::Help);
        }
        let target = self.status.plan.as_ref().map(|plan| &*plan.target.name);
        let others = self.candidates().iter().any(|disk| Some(&*disk.name) != target);
        commands.retain(|command| match command {
            C::Disk => others,
            C::Shell => self.has_shell,
            _ => true,
        });
        commands
    }

    /// Takes a key in.
    pub(super) fn key(&mut self, key: Key, page: usize) -> Option<Action> {
        let may_command = self.note_key();
        if key == Key::Control('l') {
            return Some(Action::Repaint);
        }
        if self.dialog.is_some() {
            return self.dialog_key(key, page);
        }
        // Whatever the key means otherwise, it is an objection.
        if self.status.state == State::Countdown {
            return Some(Action::Ask(Request::Cancel));
        }
        // Any key stays.
        let stay = self.leaves_in().map(|_| Action::Ask(Request::Cancel));
        if !may_command {
            return stay;
        }
        let lower = match key {
            Key::Char('?') => Key::F1,
            Key::Char(c) => Key::Char(c.to_ascii_lowercase()),
            Key::Control('c') if self.status.state == State::Installing => Key::Char('c'),
            key => key,
        };
        let command = self.commands().into_iter().find(|command| command.key().0 == lower);
        match command {
            Some(command) => self.command(command),
            None => {
                self.note_idle_key();
                stay
            }
        }
    }

    /// Does what a command says.
    pub(super) fn command(&mut self, command: Command) -> Option<Action> {
        let leave = |how| Some(Action::Ask(Request::Finish { how }));
        match command {
            Command::Retry => return Some(Action::Ask(Request::Retry)),
            Command::Restart | Command::Boot => return leave(Finish::Reboot),
            Command::PowerOff => return leave(Finish::Poweroff),
            Command::Shell => {
                self.dialog = Some(Dialog::Shell);
                return Some(Action::Shell);
            }
            Command::Install => {
                let plan = self.status.plan.as_ref()?;
                let token = self.seen_token.clone();
                if !self.names_disk(plan) {
                    return Some(Action::Ask(Request::Confirm { token }));
                }
                self.dialog = Some(Dialog::Erase(Erase {
                    token,
                    disk: plan.target.name.clone(),
                    typed: super::dialog::Field::default(),
                    problem: None,
                }));
            }
            Command::Disk | Command::Reinstall => {
                self.dialog = Some(Dialog::Choose(Choose::default()));
            }
            Command::Hostname => {
                let present = self.names.as_ref()?.hostname.clone();
                self.dialog = Some(Dialog::Name(NameForm::new(Name::Host, &present)));
            }
            Command::Username => {
                let present = self.names.as_ref()?.username.clone();
                self.dialog = Some(Dialog::Name(NameForm::new(Name::User, &present)));
            }
            Command::Keyboard => {
                self.dialog = Some(Dialog::Keymap(KeymapList::new(self.keymap())));
            }
            Command::Password => {
                self.dialog = Some(Dialog::Password(PasswordForm::new(SecretOf::Account)));
            }
            Command::Passphrase => {
                self.dialog = Some(Dialog::Password(PasswordForm::new(SecretOf::Disk)));
            }
            Command::Stop => self.dialog = Some(Dialog::Stop),
            Command::Log => self.dialog = Some(Dialog::Log(LogView::default())),
            Command::Help => self.dialog = Some(Dialog::Help),
        }
        // The machine is not restarted while something is looked at.
        self.leaves_in().map(|_| Action::Ask(Request::Cancel))
    }

    /// Answers the dialog with a whole line.
    pub(super) fn submit(&mut self, text: &str) -> Option<Action> {
        match &mut self.dialog {
            Some(Dialog::Erase(prompt)) => prompt.typed.set(text),
            Some(Dialog::Name(form)) => form.typed.set(text),
            Some(Dialog::Keymap(list)) => list.set(text),
            _ => return None,
        }
        self.dialog_key(Key::Enter, 0)
    }

    fn dialog_key(&mut self, key: Key, page: usize) -> Option<Action> {
        match (self.dialog.as_mut()?, key) {
            (Dialog::Choose(_), key) => return self.choose_key(key),
            (Dialog::Password(_), key) => return self.password_key(key),
            (Dialog::Keymap(_), key) => return self.keymap_key(key),
            (Dialog::Erase(_), Key::Escape | Key::Control('c')) => self.close(),
            (Dialog::Erase(prompt), Key::Enter) => {
                if prompt.typed.text().trim() == prompt.disk {
                    let token = prompt.token.clone();
                    self.close();
                    return Some(Action::Ask(Request::Confirm { token }));
                }
                prompt.problem = Some(format!("That is not {}. Nothing was done.", prompt.disk));
                prompt.typed = super::dialog::Field::default();
            }
            (Dialog::Erase(prompt), key) => {
                prompt.typed.key(key);
                prompt.problem = None;
            }
            (Dialog::Name(_), Key::Escape | Key::Control('c')) => self.close(),
            (Dialog::Name(form), _) if form.busy => {}
            (Dialog::Name(form), Key::Enter) => match form.answers() {
                Ok(toml) => {
                    form.busy = true;
                    if let Some(names) = &mut self.names {
                        match form.name {
                            Name::Host => form.typed.text().clone_into(&mut names.hostname),
                            Name::User => form.typed.text().clone_into(&mut names.username),
                        }
                    }
                    let toml = Secret::new(toml);
                    return Some(Action::Ask(Request::Answers { toml, merge: true }));
                }
                Err(problem) => form.refuse(problem),
            },
            (Dialog::Name(form), key) => {
                form.typed.key(key);
                form.problem = None;
            }
            // Neither Enter, which a habit presses, nor C, which opened the question and may repeat.
            (Dialog::Stop, Key::Char('y' | 'Y')) => {
                self.close();
                return Some(Action::Ask(Request::Cancel));
            }
            (Dialog::Log(_), Key::Escape | Key::Enter | Key::Char('l' | 'L' | 'q'))
            | (Dialog::Stop, _) => {
                self.close();
            }
            (Dialog::Help, _) => self.close(),
            (Dialog::Log(view), key) => view.scroll(key, page),
            (Dialog::Shell, _) => {}
        }
        None
    }

    fn choose_key(&mut self, key: Key) -> Option<Action> {
        let names: Vec<_> = self.candidates().iter().map(|disk| disk.name.clone()).collect();
        let last = names.len().saturating_sub(1);
        let Some(Dialog::Choose(choose)) = &mut self.dialog else { return None };
        choose.cursor = choose.cursor.min(last);
        match key {
            Key::F1 | Key::Char('?') => return self.command(Command::Help),
            Key::Char(letter) if letter.is_ascii_alphabetic() => {
                let command = self
                    .commands()
                    .into_iter()
                    .find(|command| command.key().0 == Key::Char(letter.to_ascii_lowercase()))?;
                return self.command(command);
            }
            // It is chosen, and may begin: only a key that stops that would take it back.
            _ if choose.busy => {}
            Key::Escape | Key::Control('c') => self.close(),
            Key::Up => choose.cursor = choose.cursor.saturating_sub(1),
            Key::Down => choose.cursor = (choose.cursor + 1).min(last),
            Key::Char(digit @ '1'..='9') => {
                let position = digit as usize - '1' as usize;
                if position <= last {
                    choose.cursor = position;
                }
            }
            Key::Enter => {
                let disk = names.get(choose.cursor)?.clone();
                choose.busy = true;
                return Some(Action::Ask(Request::Select { disk }));
            }
            _ => {}
        }
        None
    }

    fn password_key(&mut self, key: Key) -> Option<Action> {
        let Some(Dialog::Password(form)) = &mut self.dialog else { return None };
        match key {
            Key::Escape | Key::Control('c') => self.close(),
            _ if form.busy => {}
            Key::Enter if !form.repeats => {
                if form.first.is_empty() {
                    form.problem = Some(text::type_secret(form.of));
                } else {
                    form.repeats = true;
                }
            }
            Key::Enter if form.first.text() != form.second.text() => {
                form.refuse(text::no_match(form.of));
            }
            Key::Enter => {
                let secret = Secret::new(form.first.text().to_owned());
                if form.of == SecretOf::Account {
                    form.busy = true;
                    return Some(Action::UsePassword(secret));
                }
                match Passphrase::new(secret, PassphraseOrigin::Typed) {
                    Ok(passphrase) => {
                        form.busy = true;
                        return Some(Action::Ask(Request::Passphrase { passphrase }));
                    }
                    Err(problem) => form.refuse(format!("The passphrase {problem}.")),
                }
            }
            Key::Tab | Key::BackTab | Key::Up | Key::Down => form.repeats = !form.repeats,
            Key::Control('r') => form.shown = !form.shown,
            key => {
                form.field().key(key);
                form.problem = None;
            }
        }
        None
    }
}
